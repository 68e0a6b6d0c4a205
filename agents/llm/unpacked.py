"""A GGUF file unpacked once: its weights, tokenizer and settings as transformers reads them at once.

Reading a GGUF file takes transformers half a minute at every start, most of it for the vocabulary. What came of it is
kept in the user's cache as a folder of safetensors and JSON, float32, named by the SHA-256 of the GGUF file. The folder
appears whole or not at all, and a file in it whose digest is not the one written down is never used.
"""

import hashlib
import json
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

from safetensors.torch import save_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from lobarena.agents.llm.fetch import cache

FORMAT = 1  # of the folder; another one is another folder
SUMS = "sha256.json"
_LOG = logging.getLogger(__name__)


def unpacked(path: Path, sha256: str) -> Path | None:
    """The folder of a GGUF file with this digest, made if it is not there; None where the cache cannot be written.

    Whatever transformers raises for a file that it cannot read.
    """
    folder = cache() / "models" / f"gguf-{sha256}-{FORMAT}"
    if folder.is_dir():
        if _whole(folder):
            return folder
        shutil.rmtree(folder, ignore_errors=True)  # damaged: it is made anew
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=folder.name) as new:
            part = Path(new) / "part"
            part.mkdir()
            _write(path, part)
            try:
                part.replace(folder)
            except OSError:  # another process was faster
                return folder if _whole(folder) else None
    except OSError as error:
        if not path.is_file():
            raise
        _LOG.warning("%s is read anew at every start, since it cannot be kept unpacked (%s)", path.name, error)
        return None
    return folder


def _write(path: Path, folder: Path) -> None:
    where: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True, "trust_remote_code": False}
    network = AutoModelForCausalLM.from_pretrained(path.parent, dtype="float32", **where)
    AutoTokenizer.from_pretrained(path.parent, **where).save_pretrained(folder)
    config = network.config.to_dict()
    config.pop("quantization_config", None)  # the weights are plain numbers now
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "float32"}), encoding="utf-8")
    save_model(network, str(folder / "model.safetensors"), metadata={"format": "pt"})
    (folder / SUMS).write_text(json.dumps({one.name: _sha256(one) for one in sorted(folder.iterdir())}))


def _whole(folder: Path) -> bool:
    """Whether the folder holds what was written into it, and nothing else."""
    try:
        sums = json.loads((folder / SUMS).read_text())
        found = {one.name: _sha256(one) for one in folder.iterdir() if one.name != SUMS}
    except (OSError, ValueError):
        return False
    return bool(sums == found)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
