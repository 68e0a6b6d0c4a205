"""Weights on disk: a safetensors file whose header says what they are and what they were trained on.

A file may come from anyone: it is numbers only, never code. Whatever is wrong with it is a WeightsError that names
the file, the fault and the fix, before anything is computed from it.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 1  # of the metadata; raised when a key changes its meaning
LARGEST = 64 << 20  # bytes of a file; the learners' weights are below 1 MB
_HEADER = 1 << 20  # bytes of its header
_KEY = "lobarena"  # one key, since safetensors keeps several in no fixed order
_KINDS = {"F16", "F32", "F64", "I8", "I32", "I64", "U8", "BOOL"}
_CODE = {".zip", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin"}


class WeightsError(ValueError):
    """A file of weights that cannot be used; the text names the file, what is wrong and the fix."""


@dataclass(frozen=True)
class Card:
    """What a file of weights says of itself."""

    learner: str  # name in `learner.LEARNERS`
    observation: tuple[str, ...]  # names of the blocks, in order
    history: int  # looks of the history window; 0 without one
    features: int  # F, numbers an observation
    normalise: bool
    action: str  # kind of action
    reward: str
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    steps: int = 0  # environment steps learnt from
    pnlmap: float = 0.0  # validation PnLMAP, currency a lot
    data: str = ""  # digest of the days
    command: str = ""
    version: str = ""  # of lobarena
    format: int = FORMAT


def write(path: str | Path, arrays: Mapping[str, np.ndarray], about: Card | Mapping[str, Any]) -> Path:
    """Store arrays whole or not at all, the same bytes for the same content; the path."""
    from safetensors.numpy import save

    text = json.dumps(asdict(about) if isinstance(about, Card) else dict(about), sort_keys=True, allow_nan=False)
    plain = {name: np.asarray(array, order="C") for name, array in sorted(arrays.items())}
    return replace_bytes(Path(path), save(plain, metadata={_KEY: text}))


def replace_bytes(path: Path, content: bytes) -> Path:
    """Write beside, flush to the disk, rename: a kill at any moment leaves the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path


def read(path: str | Path, learner: str = "") -> tuple[dict[str, np.ndarray], Card]:
    """The weights and their card, all finite; WeightsError otherwise, or when they are not of `learner`."""
    arrays, about = read_arrays(path)
    card = _card(path, about)
    if learner and card.learner != learner:
        raise WeightsError(f"{path}: weights of {card.learner!r}, not of {learner!r}; name the agent {card.learner!r}")
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise WeightsError(f"{path}: {name!r} holds NaN or infinity; train again, lobarena train {card.learner}")
    return arrays, card


def read_arrays(
    path: str | Path, largest: int = LARGEST, header: int = _HEADER
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and metadata of a file of ours, its content not yet judged; the most bytes of file and header."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = Path(path)
    if path.suffix in _CODE:
        raise WeightsError(
            f"{path}: {path.suffix} files can hold code and are not read; convert a stable-baselines3 archive with "
            "python -m lobarena.agents.stable_weights ARCHIVE WEIGHTS.safetensors"
        )
    try:
        size = path.stat().st_size
        if size > largest:
            raise WeightsError(f"{path}: {size:,} bytes, at most {largest:,}; no learner here has such weights")
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); train first, lobarena train AGENT") from error
    about = _header(path, content, header)
    try:
        return {name: array.copy() for name, array in load(content).items()}, about
    except (SafetensorError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise WeightsError(f"{path}: damaged ({str(error)[:120]}); train again or copy it again") from error


def _header(path: Path, content: bytes, most: int) -> dict[str, Any]:
    """Our metadata; the dtypes are checked here, the layout by safetensors itself."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 10 or content[8:9] != b"{" or length > min(most, len(content) - 8):
        raise WeightsError(f"{path}: no safetensors file; give the weights.safetensors of lobarena train")
    try:
        header = json.loads(content[8 : 8 + length])
        kinds = {entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
        text = header.get("__metadata__", {}).get(_KEY)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path}: its header is damaged ({str(error)[:120]}); copy it again") from error
    if kinds - _KINDS:
        raise WeightsError(
            f"{path}: numbers of type {', '.join(sorted(map(str, kinds - _KINDS)))}; "
            f"known are {', '.join(sorted(_KINDS))}"
        )
    if not isinstance(text, str):
        raise WeightsError(f"{path}: a safetensors file, but not of lobarena; make one by lobarena train")
    try:
        about = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: its description is damaged ({str(error)[:120]}); copy it again") from error
    if not isinstance(about, dict):
        raise WeightsError(f"{path}: its description is no table; make it by lobarena train")
    return about


def _card(path: str | Path, about: Mapping[str, Any]) -> Card:
    version = about.get("format")
    if version != FORMAT:
        raise WeightsError(f"{path}: format {version!r}, this lobarena reads {FORMAT}; upgrade lobarena or train again")
    known = {one.name: one for one in fields(Card)}
    lost, extra = sorted(known.keys() - about.keys()), sorted(about.keys() - known.keys())
    if lost or extra:
        wrong = f"without {', '.join(lost)}" if lost else f"with unknown {', '.join(extra)}"
        raise WeightsError(f"{path}: a description {wrong}; train again with this version of lobarena")
    for name, kinds in _TYPES.items():
        value = about[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            raise WeightsError(f"{path}: {name} is {str(value)[:60]!r}, which is no {name}; train again")
    for name, most in _MOST.items():
        if not 0 <= about[name] <= most:
            raise WeightsError(f"{path}: {name} is {about[name]:,}, at most {most:,} here; train again")
    if not math.isfinite(about["pnlmap"]):
        raise WeightsError(f"{path}: its validation PnLMAP is {about['pnlmap']}; train again")
    if not all(isinstance(name, str) for name in about["observation"]):
        raise WeightsError(f"{path}: observation holds names that are no text; train again")
    return Card(**{**about, "observation": tuple(about["observation"])})


_MOST = {"history": 10_000, "features": 200_000}  # arrays are made for so many before any weight is looked at
_TYPES: dict[str, Any] = {
    **dict.fromkeys(("learner", "action", "reward", "data", "command", "version"), str),
    **dict.fromkeys(("history", "features", "seed", "steps"), int),
    "observation": list,
    "normalise": bool,
    "hyperparameters": dict,
    "pnlmap": (int, float),
}
