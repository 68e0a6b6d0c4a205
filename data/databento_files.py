"""A Databento DBN file as records: unpacked within a bound, its metadata decoded, its records of one schema as columns.

The layouts are those of the package `databento-dbn` (extra `dbn`); files of all versions up to its own are read, plain,
.zst or .gz. Every file is hostile: another magic, a cut record or a length that leads nowhere refuses it.
"""

import re
import zlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.data.recording import DataError

_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
_CHUNK = 1 << 20
_FIX = "fetch schema mbo, mbp-10, mbp-1 or trades of the same days"
_SCHEMAS = {  # class, rtype
    "mbo": ("MBOMsg", 160),
    "mbp-1": ("MBP1Msg", 1),
    "mbp-10": ("MBP10Msg", 10),
    "trades": ("TradeMsg", 0),
}


@dataclass(frozen=True, eq=False)
class Dbn:
    """The records of one file and what its metadata says of them."""

    path: Path
    schema: str  # "mbo", "mbp-1" or "mbp-10"
    dataset: str  # "GLBX.MDP3"
    names: dict[int, list[tuple[date, date, str]]]  # instrument id -> (first day, first day after, symbol)
    records: np.ndarray  # (n,) as the package lays them out
    others: int  # records of another kind, left out

    def symbol(self, instrument: int, day: date) -> str:
        """The symbol of an instrument on a day; "" when the metadata has none."""
        known = self.names.get(instrument, [])
        inside = [symbol for start, end, symbol in known if start <= day < end]
        return (inside or [symbol for _, _, symbol in known] or [""])[0]


def is_dbn(path: Path, head: bytes) -> bool:
    """Whether a file is DBN, packed or not; a packed one by what it unpacks to, a damaged one by name."""
    if head.startswith(_ZSTD):
        try:
            with _opened(path) as file:
                head = bytes(file.read(4))
        except (OSError, EOFError, ValueError):
            return ".dbn" in path.name.lower()
    return head.startswith(b"DBN")


def read_dbn(path: Path, limit: int) -> Dbn:
    """The records of a file; DataError names the file and the fix. `limit`: bytes accepted once unpacked."""
    layouts = _package()
    data = _unpacked(path, limit)
    if not data.startswith(b"DBN") or len(data) < 8:
        raise DataError(f"{path} is no DBN file inside; fetch it again")
    if data[3] > layouts.DBN_VERSION:
        raise DataError(
            f"{path} is DBN version {data[3]}, databento-dbn here reads up to {layouts.DBN_VERSION}; upgrade it"
        )
    start = 8 + int.from_bytes(data[4:8], "little")
    if start > len(data):
        raise DataError(f"{path} is cut short within its metadata; fetch it again")
    try:
        about = layouts.Metadata.decode(data[:start])
        schema, names = str(about.schema) if about.schema is not None else "", _names(about)
    except (layouts.DBNError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path}: its metadata is damaged ({str(error)[:100]}); fetch it again") from error
    if schema not in _SCHEMAS:
        raise DataError(f"{path} {_lack(schema)}; {_FIX}")
    name, rtype = _SCHEMAS[schema]
    layout = np.dtype(getattr(layouts, name)._dtypes + ([("ts_out", "u8")] if about.ts_out else []))
    records, others = _records(path, memoryview(data)[start:], layout, rtype)
    if len(records) == 0:
        raise DataError(f"{path} holds no record of {schema}; {_FIX}")
    return Dbn(path, schema, str(about.dataset), names, records, others)


def _package() -> Any:
    try:
        import databento_dbn
    except ImportError as error:
        raise DataError("DBN files need the package databento-dbn; pip install lobarena[dbn]") from error
    return databento_dbn


def _lack(schema: str) -> str:
    return f"is of schema {schema}, not a record of a book's changes" if schema else "mixes schemas"


def _names(about: Any) -> dict[int, list[tuple[date, date, str]]]:
    """Instrument id -> its symbols and their days, whichever of the two was asked for."""
    found: dict[int, list[tuple[date, date, str]]] = {}
    for asked, spans in about.mappings.items():
        for span in spans:
            for number, symbol in ((span["symbol"], asked), (asked, span["symbol"])):
                if re.fullmatch(r"\d{1,10}", number):
                    found.setdefault(int(number), []).append((span["start_date"], span["end_date"], symbol))
                    break
    return found


def _opened(path: Path) -> Any:
    """The file as a stream of unpacked bytes."""
    import pyarrow as pa

    with path.open("rb") as file:
        magic = file.read(4)
    codec = "zstd" if magic == _ZSTD else "gzip" if magic[:2] == _GZIP else None
    return pa.input_stream(str(path), compression=codec)


def _unpacked(path: Path, limit: int) -> bytes:
    parts, size = [], 0
    try:
        with _opened(path) as file:
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                if size > limit:
                    raise DataError(
                        f"{path} unpacks to more than {limit:,} bytes; split it, or raise limit= if you trust it"
                    )
                parts.append(chunk)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; check the path") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged or cut short ({error}); fetch it again") from error
    return b"".join(parts)


def _records(path: Path, body: memoryview, layout: "np.dtype[Any]", rtype: int) -> tuple[np.ndarray, int]:
    """(n,) records of a type, and how many others there are."""
    count, rest = divmod(len(body), layout.itemsize)
    if not rest:
        records = np.frombuffer(body, layout, count)
        if ((records["rtype"] == rtype) & (records["length"] == layout.itemsize // 4)).all():
            return records, 0
    parts, others, place = [], 0, 0
    while place < len(body):
        length = 4 * body[place]
        if bytes(body[place : place + 3]) == b"DBN":
            raise DataError(f"{path}: a second DBN file begins at byte {place:,} of the records; give each by itself")
        if length < 16:
            raise DataError(f"{path}: a record of {length} bytes at byte {place:,} of the records; fetch it again")
        if place + length > len(body):
            raise DataError(f"{path} is cut short within a record; fetch it again")
        if body[place + 1] == rtype:
            if length != layout.itemsize:
                raise DataError(f"{path}: a record of {length} bytes, not {layout.itemsize}; fetch it again")
            parts.append(body[place : place + length])
        else:
            others += 1
        place += length
    return np.frombuffer(b"".join(parts), layout), others
