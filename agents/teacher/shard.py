"""One shard of a feature store: a safetensors file, mapped into memory once its layout and its digest were checked."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.agents.weight_file import write as write_file

Arrays = dict[str, np.ndarray]
POOLINGS = ("last", "mean")
FORMAT = 1
_DTYPES: dict[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "I64": np.dtype("<i8")}
_HEADER = 1 << 20  # bytes of a header at most
_KEY = "lobarena"


class StoreError(ValueError):
    """Stored features that cannot be used; the text names the file, what is wrong and the fix."""


def layout(rows: int, layers: int, width: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name -> (dtype, shape) of the tensors of a shard."""
    return {**dict.fromkeys(POOLINGS, ("F16", (rows, layers, width))), "row": ("I64", (rows,))}


def write(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> Path:
    """Store a file of ours whole or not at all, flushed to the disk."""
    return write_file(path, arrays, {**about, "format": FORMAT, "sha256": _sha256(arrays)})


def about(path: Path) -> dict[str, Any]:
    """What a file says of itself; StoreError when that cannot be read."""
    return _header(path)[0]


def mapped(path: Path, expected: Mapping[str, tuple[str, tuple[int, ...]]], check: bool = True) -> Arrays:
    """Its tensors as read-only memory maps.

    StoreError unless the file holds exactly what is expected, end to end, and (check) has the digest it names.
    """
    metadata, entries, begin, size = _header(path)
    if set(entries) != set(expected):
        raise StoreError(f"{path}: tensors {_names(entries)}, not {_names(expected)}; delete it and fill again")
    nbytes = {
        name: int(np.prod(shape, dtype=np.int64)) * _DTYPES[dtype].itemsize for name, (dtype, shape) in expected.items()
    }
    if begin + sum(nbytes.values()) != size:
        whole = begin + sum(nbytes.values())
        raise StoreError(f"{path}: {size:,} bytes, not {whole:,}: cut off or grown; delete it and fill again")
    found: Arrays = {}
    content, place = np.memmap(path, np.uint8, "r"), 0
    for name, entry in sorted(entries.items(), key=lambda item: _offsets(path, item[1])):
        dtype, shape = expected[name]
        if entry.get("dtype") != dtype or entry.get("shape") != list(shape):
            raise StoreError(
                f"{path}: {name} is {str(entry.get('dtype'))[:20]} {str(entry.get('shape'))[:60]}, not {dtype} "
                f"{list(shape)}; delete it and fill again"
            )
        if _offsets(path, entry) != (place, place + nbytes[name]):
            raise StoreError(f"{path}: {name} does not lie where it must; delete it and fill again")
        found[name] = content[begin + place :][: nbytes[name]].view(_DTYPES[dtype]).reshape(shape)
        place += nbytes[name]
    if check and _sha256(found) != metadata.get("sha256"):
        raise StoreError(f"{path}: damaged, its content has another digest; delete it and fill again")
    return found


def _header(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]], int, int]:
    """(metadata of ours, entries of tensors, byte at which the data begin, bytes of the file)."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_HEADER, size - 8):
                raise ValueError(f"a header of {length:,} bytes")
            header = json.loads(file.read(length))
        entries = {name: dict(entry) for name, entry in header.items() if name != "__metadata__"}
        metadata = json.loads(header["__metadata__"][_KEY])
        if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
            raise ValueError("another format")
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); fill the store again") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"{path}: no file of a feature store, or damaged ({str(error)[:80]}); delete it and fill again"
        ) from error
    return metadata, entries, 8 + length, size


def _offsets(path: Path, entry: Mapping[str, Any]) -> tuple[int, int]:
    value = entry.get("data_offsets")
    if not isinstance(value, list) or [type(one) for one in value] != [int, int]:
        raise StoreError(f"{path}: a tensor without a place; delete it and fill again")
    return value[0], value[1]


def _names(entries: Mapping[str, Any]) -> str:
    return ", ".join(sorted(entries))[:100] or "none"


def _sha256(arrays: Mapping[str, np.ndarray]) -> str:
    content = hashlib.sha256()
    for _, array in sorted(arrays.items()):
        content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()
