"""The event array of an hftbacktest 2 file, `.npz` or `.npy`: sizes and header are checked before anything is unpacked.

Nothing is ever unpickled: after the header the bytes are read as numbers.
"""

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lobarena.data.recording import DataError

# What a row is, in the lowest byte of `ev`, and flags above it.
DEPTH, TRADED, DEPTH_CLEAR, DEPTH_SNAPSHOT = 1, 2, 3, 4
ADD, CANCEL, MODIFY, FILL = 10, 11, 12, 13
EXCH, BUY, SELL = 1 << 31, 1 << 29, 1 << 28
NO_SIDE = -1  # of a row that is neither buy nor sell

Ints = npt.NDArray[np.int64]

RECORD = np.dtype(
    [
        ("ev", "<u8"),  # flag bits and, in the lowest byte, the kind
        ("exch_ts", "<i8"),  # ns UTC, exchange
        ("local_ts", "<i8"),  # ns UTC, recorder
        ("px", "<f8"),  # quotation units
        ("qty", "<f8"),  # units of the base
        ("order_id", "<u8"),
        ("ival", "<i8"),
        ("fval", "<f8"),
    ]
)


@dataclass(frozen=True)
class Rows:
    """The rows for the exchange, sorted by time, (n,) each."""

    row: Ints  # 1-based row of the array
    time: Ints  # ns UTC
    kind: Ints  # DEPTH, ...
    side: Ints  # BID, ASK or NO_SIDE
    price: Ints  # ticks; negative where the row has none
    size: Ints  # lots; likewise
    order: Ints  # order number
    px: npt.NDArray[np.float64]  # price as it stands

    def take(self, mask: Any) -> "Rows":
        """The rows under a mask, or in another order."""
        return Rows(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


_MAGIC = b"\x93NUMPY"
_VERSIONS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def matches(path: Path, head: bytes) -> bool:
    """Whether a file's first bytes are an array of numpy, or a ZIP that begins with one."""
    if head[:4] == b"PK\x03\x04":
        length = int.from_bytes(head[26:28], "little")
        return head[30 : 30 + length].endswith(b".npy")
    return head[:6] == _MAGIC


def load(path: Path, limit: int) -> npt.NDArray[Any]:
    """(n,) RECORD, the array `data` of the file or its only one. limit : bytes accepted once unpacked.

    DataError when it is missing, damaged, too large, of other columns, or holds objects.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                file.seek(0)
                return _array(path, _bounded(path, file, limit))
            with zipfile.ZipFile(file) as archive:
                entry = _member(path, archive)
                if entry.file_size > limit:
                    raise _too_large(path, limit)
                with archive.open(entry) as member:
                    return _array(path, _bounded(path, member, limit))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; check the path") from error
    except (EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{path}: damaged, cut short or encrypted ({error}); write it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}); check the file and its permissions") from error


def _member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
    named = [entry for entry in entries if entry.filename == "data.npy"]
    chosen = named or entries
    if len(chosen) != 1:
        names = ", ".join(entry.filename[:40] for entry in chosen[:5]) or "none"
        raise DataError(f"{path} holds {len(chosen)} arrays ({names}); give one array, called data")
    return chosen[0]


def _bounded(path: Path, file: Any, limit: int) -> bytes:
    data: bytes = file.read(limit + 1)
    if len(data) > limit:
        raise _too_large(path, limit)
    return data


def _too_large(path: Path, limit: int) -> DataError:
    return DataError(f"{path} unpacks to more than {limit:,} bytes; split it, or raise limit= if you trust it")


def _array(path: Path, data: bytes) -> npt.NDArray[Any]:
    head = io.BytesIO(data[: 1 << 16])
    try:
        version = np.lib.format.read_magic(head)
        if version not in _VERSIONS:
            raise ValueError(f"version {version}")
        shape, _, dtype = _VERSIONS[version](head)
    except Exception as error:  # whatever a made-up header makes numpy's parser raise
        raise DataError(f"{path}: no array of numpy inside ({str(error)[:100]}); write it again") from error
    if dtype.names != RECORD.names or any(dtype[name] != RECORD[name] for name in RECORD.names or ()):
        raise DataError(
            f"{path}: the array is of type {str(dtype)[:120]}, not the event_dtype of hftbacktest 2 "
            f"({', '.join(RECORD.names or ())}); convert it with hftbacktest.data.utils.migration2"
        )
    rows, rest = divmod(len(data) - head.tell(), RECORD.itemsize)
    if dtype.itemsize != RECORD.itemsize or shape != (rows,) or rest:
        raise DataError(f"{path}: the header tells of {shape} rows, the file holds {rows:,}; write it again")
    if not rows:
        raise DataError(f"{path}: the array is empty; write it again")
    return np.frombuffer(data, RECORD, rows, head.tell())
