"""A LOBSTER day as two files without headers, messages and the book after each, found together and read as columns.

Every file is hostile: a cell that cannot be read, a row too many or a book that is none refuses the pair. Names:
TICKER_YYYY-MM-DD_START_END_message_LEVELS.csv and ..._orderbook_LEVELS.csv, also packed as .csv.gz; shortened names are
met too, where one orderbook file of the same ticker and level count carries the start of the other's name.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lobarena.data.clock import SECOND
from lobarena.data.recording import DataError
from lobarena.data.source import open_source

if TYPE_CHECKING:
    import pyarrow

NEW, PARTIAL, DELETED, EXECUTED, HIDDEN, CROSS, HALT = range(1, 8)  # types of a message
DUMMY = 9_999_999_999  # price of a level that is not there; negative on the bid side
DOLLAR = 10_000  # units of a price in the files
MOST_LEVELS = 1_000

_MESSAGE = re.compile(rb"\d+(\.\d*)?,[1-7],-?\d+,\d+,-?\d+,-?1\s*(\n|$)")
_BOOK = re.compile(rb"-?\d+,\d+,-?\d+,\d+(,-?\d+,\d+,-?\d+,\d+)*\s*(\n|$)")
_NAME = re.compile(r"(?P<ticker>[A-Za-z0-9.-]+)_(?:(?P<day>\d{4}-\d{2}-\d{2})_\d+_\d+_)?(message|orderbook)_(?P<n>\d+)")
_LARGEST = np.iinfo(np.int32).max

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pair:
    """One day: n messages and the n rows of the book after each. Prices are dollars x 10,000, sizes shares."""

    path: Path  # of the messages
    time: Ints  # (n,) ns since midnight, never running back
    kind: Ints  # (n,) NEW, ...
    order: Ints  # (n,) the venue's number; 0 of hidden executions
    size: Ints  # (n,) shares; more than 0 but for HALT
    price: Ints  # (n,)
    way: Ints  # (n,) of the order that rests: 1 buy, -1 sell
    prices: tuple[Ints, Ints]  # bid, ask: (n, levels) best first; 0 where the level is not there
    sizes: tuple[Ints, Ints]  # bid, ask: (n, levels) shares; 0 where the level is not there


def is_messages(path: Path, head: bytes) -> bool:
    """Whether a file is a LOBSTER message file, by name and first row."""
    return "message" in path.name.lower() and _MESSAGE.match(head) is not None


def is_book(path: Path, head: bytes) -> bool:
    """Whether a file is a LOBSTER orderbook file, by name and the beginning of its first row."""
    whole = head if b"\n" in head else head.rpartition(b",")[0]  # a first row of many levels may go on behind the head
    first = whole.split(b"\n", 1)[0].rstrip(b"\r")
    if b"\n" not in head:
        first = b",".join(first.split(b",")[: (first.count(b",") + 1) // 4 * 4])
    return "orderbook" in path.name.lower() and _BOOK.fullmatch(first) is not None


def told_by(path: Path) -> tuple[str, date | None, int]:
    """Ticker ("" none), day and level count (0 none) that a file name tells."""
    found = _NAME.match(path.name)
    if found is None:
        return "", None, 0
    day = None
    with suppress(ValueError):  # digits that are no day
        day = date.fromisoformat(found["day"]) if found["day"] else None
    return found["ticker"].upper(), day, int(found["n"])


def book_beside(path: Path) -> Path:
    """The orderbook file of a message file; DataError when none or more than one is beside it."""
    stem, ending = _split(re.sub("message", "orderbook", path.name, count=1, flags=re.IGNORECASE))
    exact = [path.with_name(stem + end) for end in (ending, ".csv", ".csv.gz")]
    for beside in exact:
        if beside.is_file():
            return beside
    _, _, levels = told_by(path)
    head = f"{stem[: stem.lower().index('orderbook')]}orderbook_{levels}" if levels else stem
    near = [
        other
        for other in sorted(path.parent.iterdir())
        if (name := _split(other.name)[0]) and name.startswith(head) and _begins(stem, name) and other.is_file()
    ]
    if len(near) != 1:
        found = (
            f"{len(near)} files could be it ({', '.join(one.name for one in near[:4])})" if near else "none is there"
        )
        raise DataError(f"{path}: needs its orderbook file {exact[0].name} beside it, and {found}; fetch or rename it")
    return near[0]


def _split(name: str) -> tuple[str, str]:
    """Name without .csv or .csv.gz, and that ending; ("", "") for any other file."""
    found = re.fullmatch(r"(.+?)(\.csv(?:\.gz)?)", name, re.IGNORECASE)
    return (found[1], found[2]) if found else ("", "")


def _begins(one: str, other: str) -> bool:
    """Whether the parts of the shorter name are the first parts of the longer."""
    short, long = sorted((one.split("_"), other.split("_")), key=len)
    return long[: len(short)] == short


def read_pair(path: Path, limit: int) -> Pair:
    """Both files of a day; DataError names file, row and fix. `limit`: bytes accepted of each once unpacked."""
    messages = _table(path, limit, 6)
    time, kind, order, size, price, way = (messages[k] for k in range(6))
    where = str(path)
    refuse(where, (kind < NEW) | (kind > HALT), "its type is none of 1 to 7; fetch the file again")
    refuse(where, (way != 1) & (way != -1), "its direction is neither 1 nor -1; fetch the file again")
    refuse(where, (time < 0) | (time >= 24 * 3600 * SECOND), "its time is no second of a day; fetch the file again")
    refuse(where, np.append(False, time[1:] < time[:-1]), "its time runs back; sort the file as it was fetched")
    odd = (size <= 0) | (size > _LARGEST)
    refuse(where, odd & (kind != HALT), "its size is no positive 32-bit number of shares; fetch the file again")
    refuse(where, (kind <= EXECUTED) & (price <= 0), "its price is not positive; fetch the file again")
    return Pair(path, time, kind, order, size, price, way, *_book(path, len(time), limit))


def _book(path: Path, rows: int, limit: int) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    """(bid, ask) prices and (bid, ask) sizes of the orderbook file beside a message file."""
    beside = book_beside(path)
    table = _table(beside, limit, None)
    levels, told = len(table) // 4, told_by(path)[2]
    if told and told != levels:
        raise DataError(f"{beside} has {levels} levels, the name of {path.name} says {told}; give files of one request")
    if len(table[0]) != rows:
        raise DataError(
            f"{beside} has {len(table[0]):,} rows, {path.name} has {rows:,}; a message needs its row, fetch both again"
        )
    ask, ask_size, bid, bid_size = (np.stack(table[k::4], axis=1) for k in range(4))
    for side, prices, sizes in (("bid", bid, bid_size), ("ask", ask, ask_size)):
        there = np.abs(prices) != DUMMY
        prices[~there] = 0
        what = f"{side} levels are no book"
        refuse(str(beside), ((sizes > 0) != there), f"{what}: a size without a price; fetch it again")
        refuse(str(beside), (sizes > _LARGEST), f"{what}: a size beyond 32 bits; fetch it again")
        refuse(str(beside), (there & (prices <= 0)), f"{what}: a price is not positive; fetch it again")
        gap = there[:, 1:] & ~there[:, :-1]
        step = prices[:, 1:] - prices[:, :-1] if side == "ask" else prices[:, :-1] - prices[:, 1:]
        unsorted = gap | (there[:, 1:] & (step <= 0))
        refuse(str(beside), unsorted, f"{what}: prices are out of order; fetch it again")
    return (bid, ask), (bid_size, ask_size)


def _table(path: Path, limit: int, width: int | None) -> list[Ints]:
    """Columns of a file, (n,) i8 each: 6 of messages, the first in ns, or (`width` None) four a level of a book."""
    import pyarrow as pa
    from pyarrow import csv

    source = open_source(path, limit)
    columns = source.data.split(b"\n", 1)[0].count(b",") + 1
    if width is None and (columns % 4 or columns > 4 * MOST_LEVELS):
        raise DataError(
            f"{path} has {columns} columns; an orderbook file has four a level, up to {MOST_LEVELS:,} levels"
        )
    if width is not None and columns != width:
        raise DataError(f"{path} has {columns} columns; a message file has {width}")
    names = [str(k) for k in range(columns)]
    kinds = dict.fromkeys(names, pa.int64()) | ({"0": pa.decimal128(18, 9)} if width else {})
    try:
        table = csv.read_csv(
            pa.BufferReader(source.data),
            csv.ReadOptions(use_threads=False, column_names=names),
            csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(column_types=kinds, null_values=[]),
        )
    except pa.ArrowInvalid as error:
        told = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: {told}; the file is damaged or no LOBSTER file, fetch it again") from error
    return [_ns(table.column(name)) if kinds[name] != pa.int64() else table.column(name).to_numpy() for name in names]


def _ns(seconds: "pyarrow.ChunkedArray") -> Ints:
    """Decimal seconds -> ns, exactly: a decimal of nine places is held as the whole number of its last place."""
    parts = [np.frombuffer(one.buffers()[1], np.int64, 2 * len(one), 16 * one.offset) for one in seconds.chunks]
    halves = np.concatenate(parts).reshape(-1, 2)  # 128 bits: the lower 64, then the upper, all sign in 18 digits
    return np.ascontiguousarray(halves[:, 0])


def refuse(where: str, bad: Mask, what: str) -> None:
    """DataError that names the first bad row of (n,) or (n, levels), if there is one."""
    rows = bad.reshape(len(bad), -1).any(axis=1)
    if bad.any():
        raise DataError(f"{where}, row {int(np.argmax(rows)) + 1}: {what}")
