"""The lines of a Binance futures recording, `local_ns {json}`, as columns of whole numbers; every line is hostile.

A price or size is kept as its place in a list of the texts met so far, so each text is read once and exactly.
"""

import gzip
import io
import json
import re
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import numpy.typing as npt

from lobarena.data.recording import DataError

LONGEST = 1 << 22  # bytes of one line; a snapshot of 1,000 levels a side has 42,000
UNREAD = 1e-3  # share of lines that may be unreadable, at least one: a recorder is stopped in the middle of a line
_BUFFER = 1 << 20
_STREAMS = ("bookTicker", "trade", "depthUpdate")
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,15})?")
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,31}")

Ints = npt.NDArray[np.int64]


class Texts(dict[str, int]):
    """Decimal text -> its place in `values`; ValueError for anything but a plain decimal number of at least 0."""

    def __init__(self) -> None:
        super().__init__()
        self.values_in_order: list[Decimal] = []

    def __missing__(self, text: object) -> int:
        if not isinstance(text, str) or not _NUMBER.fullmatch(text):
            raise ValueError("no plain decimal number")
        place = self[text] = len(self.values_in_order)
        self.values_in_order.append(Decimal(text))
        return place


class Rows:
    """Rows of whole numbers that grow by one row or not at all."""

    def __init__(self, names: str) -> None:
        self.names = names.split()
        self.cells = array("q")

    def add(self, *row: int) -> None:
        """One more row; TypeError or OverflowError, and no row, when one is no whole number of 64 bits."""
        before = len(self.cells)
        try:
            self.cells.extend(row)
        except (TypeError, OverflowError):
            del self.cells[before:]
            raise

    def __getitem__(self, name: str) -> Ints:
        width = len(self.names)
        return np.frombuffer(self.cells, np.int64).reshape(-1, width)[:, self.names.index(name)]

    def __len__(self) -> int:
        return len(self.cells) // len(self.names)


@dataclass
class Lines:
    """What a file says, stream by stream in its order; prices and sizes are places in the lists of texts."""

    symbol: str = ""
    prices: Texts = field(default_factory=Texts)
    sizes: Texts = field(default_factory=Texts)
    lines: Rows = field(default_factory=lambda: Rows("exchange local"))  # ms, ns; 0 where a line tells none
    diffs: Rows = field(default_factory=lambda: Rows("row time first last previous bids asks"))
    books: Rows = field(default_factory=lambda: Rows("row time last bids asks"))
    trades: Rows = field(default_factory=lambda: Rows("row time number price size sold booked"))
    quotes: Rows = field(default_factory=lambda: Rows("row time last bid bid_size ask ask_size"))
    diff_levels: Rows = field(default_factory=lambda: Rows("price size"))  # bids, then asks of each of `diffs`
    book_levels: Rows = field(default_factory=lambda: Rows("price size"))  # bids, then asks of each of `books`
    unread: "array[int]" = field(default_factory=lambda: array("q"))  # rows that could not be read
    unused: "array[int]" = field(default_factory=lambda: array("q"))  # rows of other streams


def read_lines(path: Path, limit: int) -> Lines:
    """All lines of a plain or gzip file.

    DataError when it is missing, damaged or too large, of another market or several symbols, or when more lines than
    a small share cannot be read.
    """
    found = Lines()
    for row, line in enumerate(_lines(path, limit), 1):
        before = len(found.lines)
        try:
            stamp, _, text = line.partition(b" ")
            local = int(stamp) * 1_000 if len(stamp) == 16 else int(stamp)
            if not 0 < local < 1 << 63:
                raise ValueError("no time in ns")
            message = _JSON.decode(text.decode())
            found.lines.add(_take(found, path, row, message), local)
        except DataError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            del found.lines.cells[2 * before :]
            found.lines.add(0, 0)
            found.unread.append(row)
    if not len(found.lines):
        raise DataError(f"{path} is empty; fetch it again")
    if len(found.unread) > max(1, UNREAD * len(found.lines)):
        raise DataError(
            f"{path}, row {found.unread[0]}: {len(found.unread):,} of {len(found.lines):,} lines are not "
            "`local_ns {json}` of Binance futures; give the file as the recorder wrote it"
        )
    return found


def _take(found: Lines, path: Path, row: int, message: dict[str, Any]) -> int:
    """Keep one message; its exchange time, ms, 0 when it has none. Whatever is wrong with it is raised."""
    data = message.get("data", message)
    kind = data.get("e") if isinstance(data, dict) else None
    if kind in _STREAMS and data["s"] != found.symbol:
        _name(found, path, row, data["s"])
    if kind == "bookTicker":
        prices, sizes = found.prices, found.sizes
        quote = prices[data["b"]], sizes[data["B"]], prices[data["a"]], sizes[data["A"]]
        found.quotes.add(row, _time(data), _number(data["u"]), *quote)
    elif kind == "trade":
        if not isinstance(data["m"], bool):
            raise ValueError("m is neither true nor false")
        price, size = found.prices[data["p"]], found.sizes[data["q"]]
        number, booked = _number(data["t"]), data["X"] == "MARKET"  # else INSURANCE_FUND or ADL: no order was hit
        found.trades.add(row, _time(data), number, price, size, data["m"], booked)
    elif kind == "depthUpdate":
        if "pu" not in data or "ps" in data:
            raise DataError(
                f"{path}, row {row}: {'inverse contracts' if 'ps' in data else 'the spot market'}; give a recording "
                "of linear futures (usdm), whose depth updates have the field pu and no field ps"
            )
        numbers = _number(data["U"]), _number(data["u"]), _number(data["pu"])
        _side(found, found.diffs, found.diff_levels, (row, _time(data), *numbers), data["b"], data["a"])
    elif isinstance(data, dict) and "lastUpdateId" in data:
        head = row, _time(data), _number(data["lastUpdateId"])
        _side(found, found.books, found.book_levels, head, data["bids"], data["asks"])
    else:
        found.unused.append(row)
        return 0
    return _time(data)


def _side(found: Lines, heads: Rows, levels: Rows, head: tuple[int, ...], bids: Any, asks: Any) -> None:
    prices, sizes = found.prices, found.sizes
    cells = [place for price, size in bids for place in (prices[price], sizes[size])]
    cells += [place for price, size in asks for place in (prices[price], sizes[size])]
    heads.add(*head, len(bids), len(asks))
    levels.add(*cells)


def _time(data: dict[str, Any]) -> int:
    """ms since the epoch, between 2001 and 2128."""
    time = data["T"]
    if type(time) is not int or not 10**12 <= time < 5 * 10**12:
        raise ValueError("T is no time in ms")
    return time


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("no whole number of at least 0")
    return value


def _name(found: Lines, path: Path, row: int, symbol: Any) -> None:
    if found.symbol:
        raise DataError(f"{path}, row {row}: {str(symbol)[:40]!r} beside {found.symbol}; give one symbol a file")
    if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
        raise DataError(f"{path}, row {row}: the symbol is {str(symbol)[:40]!r}; fetch the file again")
    found.symbol = symbol


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


_JSON = json.JSONDecoder(parse_constant=_no_constant)


def _lines(path: Path, limit: int) -> Iterator[bytes]:
    size = 0
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            file: IO[bytes] = io.BufferedReader(gzip.GzipFile(fileobj=raw), _BUFFER) if packed else raw
            for line in iter(lambda: file.readline(LONGEST + 1), b""):
                size += len(line)
                if len(line) > LONGEST:
                    raise DataError(
                        f"{path}: a line of more than {LONGEST:,} bytes; no recorder writes one, fetch again"
                    )
                if size > limit:
                    raise DataError(
                        f"{path} unpacks to more than {limit:,} bytes; split it, or raise limit= if you trust it"
                    )
                yield line
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; check the path") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged or cut short ({error}); fetch it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}); check the file and its permissions") from error
