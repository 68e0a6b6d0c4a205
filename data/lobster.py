"""LOBSTER, NASDAQ's visible book message by message: from a message file and its orderbook file to a day of events.

Format: https://lobsterdata.com/info/DataStructure.php and the README of its samples. The book found before the first
message comes in as levels, then each message:

    1 new                  LIMIT, under a number of its own
    2 partial cancel       REDUCE
    3 delete               DELETE
    4 visible execution    TAKE by the other side at that price: the matching engine finds the maker
    5 hidden execution     noted; it never touched the book
    6 cross trade          noted
    7 halt                 PHASE: price -1 BREAK, 1 CONTINUOUS; 0, quoting resumes, is noted

An order that rested before the record began has no number: its cancels are CANCELs of its level. Messages beyond the
last level shown are missing from the files, so a level can come into sight with a size that no message tells: it is
then set as a LEVEL, right after the message of that row, and counted. Levels out of sight keep their last size. A
message about an order of which nobody knows any more what is left (`lobster_book`) is followed by its level too. Lots
are shares, prices cents unless a contract says otherwise; the day and the ticker come from the file's name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np

from lobarena.data.contracts import Contract, Session, plain_contract
from lobarena.data.lobster_book import Book
from lobarena.data.lobster_files import (
    CROSS,
    DOLLAR,
    EXECUTED,
    HALT,
    HIDDEN,
    NEW,
    Ints,
    Pair,
    is_book,
    is_messages,
    read_pair,
    refuse,
    told_by,
)
from lobarena.data.recording import NOTED, DataError, EventRecording, Finding
from lobarena.data.schema import ASK, BID, CLOSED, CONTINUOUS
from lobarena.data.sessions import session_times, utc

ZONE = "America/New_York"
_LARGEST = np.iinfo(np.int32).max


@dataclass(frozen=True, eq=False)
class Translation:
    """A day's events, and which of them belong to which row of the files."""

    events: np.ndarray  # (m,) EVENT
    after: Ints  # (n,) how many of them stand up to and with row i; the book found is row 0's
    orders: int  # numbers of orders
    corrections: Ints  # (n,) LEVEL events of row i that no message tells
    findings: list[Finding]


def matches(path: Path, head: bytes) -> bool:
    """Whether this is a message or an orderbook file."""
    return is_messages(path, head) or is_book(path, head)


def stock(symbol: str) -> Contract:
    """A NASDAQ stock: cents, single shares, the regular session, no fees known."""
    return plain_contract(
        symbol.replace(".", "-"), "NASDAQ", Decimal("0.01"), timezone=ZONE, sessions=(Session("09:30", "16:00"),)
    )


def read(path: Path, contract: Contract | None, day: date | None, limit: int) -> list[EventRecording]:
    """The day of a message file; nothing for an orderbook file, which its message file brings in.

    DataError names file, row and fix: no day, another day, no orderbook file, or rows that cannot be true.
    """
    if "orderbook" in path.name.lower():
        return []
    ticker, told, _ = told_by(path)
    if told and day and told != day:
        raise DataError(f"{path} holds the trading day {told}, not the day={day} asked for; leave day= out")
    day = told or day
    if day is None:
        raise DataError(f"{path}: its name does not tell the day; give the trading day, read(path, day=date(...))")
    if contract is None and not ticker:
        raise DataError(
            f"{path}: its name does not tell the stock; name it TICKER_message_LEVELS.csv or give contract="
        )
    try:
        spec = contract or stock(ticker)
    except ValueError as error:
        raise DataError(f"{path}: {error}; name it TICKER_message_LEVELS.csv or give contract=") from error
    pair = read_pair(path, limit)
    found = translate(pair, spec, day)
    return [
        EventRecording(
            contract=spec,
            symbol=spec.symbol,
            exchange=spec.exchange,
            trading_day=day,
            events=found.events,
            orders=found.orders,
            findings=found.findings,
            source=path.name,
            rows_in=len(pair.time),
        )
    ]


def translate(pair: Pair, contract: Contract, day: date) -> Translation:
    """The events of a pair, row by row. DataError for a price off the tick or an order that is new twice."""
    unit = _unit(pair, contract)
    price = np.where(pair.kind <= EXECUTED, pair.price // unit, pair.price)
    shown = (pair.prices[BID] // unit, pair.prices[ASK] // unit)
    moved = [_moved(shown[side], pair.sizes[side]) for side in (BID, ASK)]
    book = Book(utc(day, "00:00", ZONE))
    spans = session_times(contract, day) - book.midnight if (pair.kind == HALT).any() else np.zeros((0, 2), np.int64)
    if len(spans):  # a record with halts has all its phases
        book.phase(min(int(spans[0, 0]), int(pair.time[0])), CONTINUOUS)
    _find(pair, book, shown, int(price[0]))
    after, corrections = np.zeros(len(pair.time), np.int64), np.zeros(len(pair.time), np.int64)
    columns = (pair.time, pair.kind, pair.order, pair.size, price, pair.way)
    for i, (time, kind, order, size, at, way) in enumerate(zip(*(one.tolist() for one in columns), strict=True)):
        mine = BID if way == 1 else ASK
        book.message(i + 1, time, kind, order, size, at, mine)
        for side in (BID, ASK):
            if moved[side][i] or (kind <= EXECUTED and side == mine):
                corrections[i] += book.show(time, side, shown[side][i].tolist(), pair.sizes[side][i].tolist())
        after[i] = len(book.rows)
    if max((row[3] for row in book.rows), default=0) > _LARGEST:
        raise DataError(f"{pair.path}: a level has more shares than 32 bits hold; fetch the file again")
    if len(spans):
        book.phase(max(int(spans[-1, 1]), int(pair.time[-1])), CLOSED)
    return Translation(book.events(), after, book.orders, corrections, _findings(pair, book, corrections))


def _find(pair: Pair, book: Book, shown: tuple[Ints, Ints], price: int) -> None:
    """The book before the first message: the first row without that message's effect, as levels."""
    kind, size, mine = int(pair.kind[0]), int(pair.size[0]), BID if pair.way[0] == 1 else ASK
    for side in (BID, ASK):
        levels = dict(zip(shown[side][0].tolist(), pair.sizes[side][0].tolist(), strict=True))
        if side == mine and kind <= EXECUTED:
            levels[price] = levels.get(price, 0) + (-size if kind == NEW else size)
        for at, lots in levels.items():
            if lots > 0:
                book.level(int(pair.time[0]), side, at, lots)


def _unit(pair: Pair, contract: Contract) -> int:
    """The tick in units of the files; DataError when prices of the visible book are not on it, or not 32-bit ticks."""
    tick = contract.tick * DOLLAR
    where, fix = str(pair.path), f"is not in steps of {contract.tick}; give its tick, contract="
    if tick != int(tick) or tick < 1:
        raise DataError(f"{where}: a tick of {contract.tick} is finer than LOBSTER's 0.0001; give another, contract=")
    unit = int(tick)
    visible = pair.kind <= EXECUTED
    refuse(where, visible & (pair.price % unit != 0), f"its price {fix}")
    refuse(where, visible & (pair.price // unit > _LARGEST), "its price is beyond 32 bits of ticks; fetch it again")
    for side in (BID, ASK):
        refuse(where, pair.prices[side] % unit != 0, f"a price of its orderbook file {fix}")
        beyond = pair.prices[side] // unit > _LARGEST
        refuse(where, beyond, "a price of its orderbook file is beyond 32 bits of ticks; fetch it again")
    new = np.flatnonzero(pair.kind == NEW)
    again = np.ones(len(new), bool)
    again[np.unique(pair.order[new], return_index=True)[1]] = False
    twice = np.zeros(len(pair.kind), bool)
    twice[new[again]] = True
    refuse(where, twice, "this order was new before; remove the repeated rows")
    return unit


def _moved(prices: Ints, sizes: Ints) -> np.ndarray:
    """(n,) whether a side of the book differs from the row before; True for the first."""
    same = (prices[1:] == prices[:-1]) & (sizes[1:] == sizes[:-1])
    return np.append(True, ~same.all(axis=1))


def _findings(pair: Pair, book: Book, corrections: Ints) -> list[Finding]:
    """What the files hold that is not simply an order's life."""
    crossed = (
        (pair.sizes[BID][:, 0] > 0) & (pair.sizes[ASK][:, 0] > 0) & (pair.prices[BID][:, 0] >= pair.prices[ASK][:, 0])
    )
    hidden, cross = (pair.kind == one for one in (HIDDEN, CROSS))
    levels = f"{int(corrections.sum()):,} levels set to what the orderbook file shows and no message tells"
    settled = "nobody knows what was left of the order; its level is set to what the message leaves"
    strangers = "rested before the record began, or out of sight; its level shrinks"
    found: list[tuple[str, Sequence[int], str, str]] = [
        ("hidden execution", _rows(hidden), f"{_lots(pair, hidden)} of orders that were never in the book", NOTED),
        ("cross trade", _rows(cross), f"{_lots(pair, cross)} of an auction that the files do not hold", NOTED),
        ("halt", _rows(pair.kind == HALT), "price -1 trading stops, 1 it resumes, 0 quoting alone resumes", NOTED),
        ("unknown order", book.strangers, strangers, NOTED),
        ("order of another size", book.odd, "not what was left of it; the orderbook file decides", NOTED),
        ("level in doubt", book.settled, settled, NOTED),
        ("crossed", _rows(crossed), "bid at or above ask in the orderbook file", NOTED),
        ("level comes into sight", _rows(corrections > 0), levels, NOTED),
    ]
    return [Finding(kind, len(at), at[0], why, action) for kind, at, why, action in found if at]


def _rows(mask: np.ndarray) -> list[int]:
    return [int(row) for row in np.flatnonzero(mask) + 1]


def _lots(pair: Pair, mask: np.ndarray) -> str:
    return f"{int(pair.size[mask].sum()):,} shares"
