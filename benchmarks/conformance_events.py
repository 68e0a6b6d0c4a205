"""Does the matching engine make LOBSTER's books out of LOBSTER's messages? Row by row, and the whole day in one go.

Each row by itself: the book of row i - 1, one order a level, and message i sent to the engine must give the book of
row i on every level that row i - 1 could show. A level beyond its last one comes into sight without a message, since
the files leave out what happens there; such rows are counted apart. The whole day: the importer's events, each order
under its own number, must show the book of every row, whichever cancel model says whose lots left; the levels that the
importer had to set are counted.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from lobarena.data.contracts import Contract
from lobarena.data.lobster import Translation, stock, translate
from lobarena.data.lobster_files import DELETED, DOLLAR, EXECUTED, NEW, PARTIAL, Pair, read_pair, told_by
from lobarena.data.recording import DataError
from lobarena.data.schema import ASK, BID, CANCEL, DELETE, LEVEL, LIMIT, REDUCE, TAKE
from lobarena.data.source import LIMIT as BYTES
from lobarena.sim.book import amend, cancel, find, new_book, rest, submit, tape_of, thin
from lobarena.sim.state import BACK, FRONT
from lobarena.sim.types import CROWD, DAY, IOC, LARGE, NONE, SMALL, STP_OFF

UNDATED = date(2012, 6, 21)  # of the public samples; the books do not depend on the day
MODELS = (BACK, FRONT)  # the two ends: the last lots of a queue leave, or the first
Levels = list[tuple[int, int]]  # (ticks, shares), best first


@dataclass(slots=True)
class Messages:
    """One file's outcome."""

    source: str  # file name
    symbol: str
    rows: int  # books that follow a book: rows less the first
    equal: int = 0  # of them equal on all levels
    in_sight: int = 0  # equal but for levels that come into sight
    first: str = ""  # the first that differs elsewhere
    replayed: int = 0  # rows of the whole day, once for each cancel model of MODELS
    shown: int = 0  # of them shown by the engine, all levels
    first_missed: str = ""
    levels_set: int = 0  # levels that the importer set because no message tells them
    first_set: int = 0  # row of the first of them; 0 none
    unfilled: int = 0  # shares of executions that found nobody
    executions: int = 0  # fills of orders that the record saw come
    right_maker: int = 0  # of them by the order that the record names

    @property
    def passed(self) -> bool:
        """Whether every book came out; the makers are told only, since messages are missing."""
        return self.equal + self.in_sight == self.rows and self.shown == self.replayed and self.unfilled == 0


def check_messages(path: Path, limit: int = BYTES) -> Messages:
    """Both checks of a message file and the orderbook file beside it; ValueError names file, row and fix."""
    ticker, day, _ = told_by(path)
    contract = stock(ticker or "STOCK")
    pair = read_pair(path, limit)
    result = Messages(path.name, contract.symbol, len(pair.time) - 1)
    found = translate(pair, contract, day or UNDATED)
    _each_row(pair, _Book(pair, contract), result)
    for model in MODELS:
        _Book(pair, contract, model).day(found, pair, result)
    result.levels_set = int(found.corrections.sum())
    result.first_set = int(np.argmax(found.corrections > 0)) + 1 if result.levels_set else 0
    return result


def _each_row(pair: Pair, book: "_Book", result: Messages) -> None:
    """Message i on the book of row i - 1, for every i."""
    known = [book.row(0, side) for side in (BID, ASK)]
    for side in (BID, ASK):
        book.become([], known[side], side)
    columns = (pair.kind, pair.size, pair.price // book.unit, pair.way)
    for i, (kind, size, price, way) in enumerate(zip(*(one.tolist() for one in columns), strict=True)):
        if i == 0:
            continue
        mine = BID if way == 1 else ASK
        book.send(kind, mine, price, size)
        sight = 0
        wrong = ""
        for side in (BID, ASK):
            before, true = known[side], book.row(i, side)
            edge = [before[-1][0]] if len(before) == book.depth else []  # a full row: beyond it nothing is known
            reach = [level[0] for level in (*before, *true)] + ([price] if kind <= EXECUTED and mine == side else [])
            came = book.levels(side, reach)
            told = [level for level in true if not edge or (level[0] - edge[0]) * (1 if side == ASK else -1) <= 0]
            sight += len(true) - len(told)
            wrong = wrong or book.difference(i, side, came[: book.depth], told)
            known[side] = true
            book.become(came, true, side)
        result.equal += not wrong and not sight
        result.in_sight += not wrong and sight > 0
        result.first = result.first or wrong


class _Book:
    """The engine's book of one stock, and the rows that it must show."""

    def __init__(self, pair: Pair, contract: Contract, model: int = FRONT) -> None:
        self.model = model
        self.unit = int(contract.tick * DOLLAR)
        self.tick = contract.tick
        self.prices = [prices // self.unit for prices in pair.prices]
        self.sizes = pair.sizes
        self.depth = self.sizes[BID].shape[1]
        there = [prices[sizes > 0] for prices, sizes in zip(self.prices, self.sizes, strict=True)]
        named = np.concatenate([*there, pair.price[pair.kind <= EXECUTED] // self.unit])
        self.base = max(0, int(named.min(initial=2**31)) - 1)
        span = int(named.max(initial=0)) + 2 - self.base
        size = next((size for size in (SMALL, LARGE) if span <= size[0]), None)
        if size is None:
            raise DataError(f"{pair.path}: prices span {span:,} ticks, the largest book holds {LARGE[0]:,}")
        slots = int((pair.kind == NEW).sum()) + 4 * self.depth + len(pair.time)
        self.book = new_book((size[0], 1 << slots.bit_length()), self.base)
        self.tape = tape_of(self.book)
        sizes = self.book[0]["level"]["size"]
        self.size = (sizes[: size[0]], sizes[size[0] :])

    def row(self, i: int, side: int) -> Levels:
        """What row i shows of a side."""
        pairs = zip(self.prices[side][i].tolist(), self.sizes[side][i].tolist(), strict=True)
        return [(price, size) for price, size in pairs if size]

    def levels(self, side: int, reach: list[int]) -> Levels:
        """The engine's levels from its best out to the furthest of the prices `reach`."""
        best = int(self.book[0]["best"][side])
        if not reach or not 0 <= best < len(self.size[side]):
            return []
        if side == ASK:
            found = best + np.flatnonzero(self.size[side][best : max(reach) - self.base + 1])
        else:
            low = min(reach) - self.base
            found = (low + np.flatnonzero(self.size[side][low : best + 1]))[::-1]
        return list(zip((found + self.base).tolist(), self.size[side][found].tolist(), strict=True))

    def send(self, kind: int, side: int, price: int, size: int) -> None:
        """A message, where each level is one order."""
        at = price - self.base
        if kind == NEW:
            submit(self.book, CROWD, side, at, size, DAY, STP_OFF)
        elif kind == EXECUTED:
            submit(self.book, CROWD, 1 - side, at, size, IOC, STP_OFF)
        elif kind in (PARTIAL, DELETED):
            thin(self.book, side, at, size, 0.0, self.model, 1)

    def become(self, came: Levels, true: Levels, side: int) -> None:
        """Set the levels that differ, one order each."""
        if came != true:
            there, wanted = dict(came), dict(true)
            for price in there.keys() | wanted.keys():
                if there.get(price) != wanted.get(price):
                    thin(self.book, side, price - self.base, there.get(price, 0), 0.0, self.model, 1)
                    if price in wanted:
                        rest(self.book, CROWD, side, price - self.base, wanted[price])

    def difference(self, i: int, side: int, came: Levels, true: Levels) -> str:
        """ "" or the first level at which the engine's book is not that of row i."""
        if came == true:
            return ""
        name = "bid" if side == BID else "ask"
        k = next((k for k, (one, other) in enumerate(zip(came, true, strict=False)) if one != other), -1)
        k = min(len(came), len(true)) if k < 0 else k
        texts = [f"{self.tick * one[k][0]} x {one[k][1]}" if k < len(one) else "nothing" for one in (came, true)]
        return f"row {i + 1}: {name} {k + 1} is {texts[0]}, not {texts[1]}"

    def day(self, found: Translation, pair: Pair, result: Messages) -> None:
        """All events in their order; after those of each row the book must be that row."""
        events = found.events
        ids = np.full(max(found.orders, 1), NONE, np.int64)
        number: dict[int, int] = {}  # engine id -> the venue's order number
        numbers = pair.order[pair.kind == NEW].tolist()
        fields = [events[name].tolist() for name in ("kind", "side", "price", "size", "ref")]
        start = 0
        for i, end in enumerate(found.after.tolist()):
            for kind, side, price, size, ref in zip(*(one[start:end] for one in fields), strict=True):
                at = price - self.base
                if kind == LIMIT:
                    _, ids[ref], _ = submit(self.book, CROWD, side, at, size, DAY, STP_OFF)
                    number[int(ids[ref])] = numbers[ref]
                elif kind == TAKE:
                    fills, _, _ = submit(self.book, CROWD, side, at, size, IOC, STP_OFF)
                    made = self.tape[:fills]
                    result.unfilled += size - int(made["size"].sum())
                    makers = [number[maker] for maker in made["maker"].tolist() if maker in number]
                    result.executions += len(makers)
                    result.right_maker += makers.count(int(pair.order[i]))
                elif kind == DELETE:
                    cancel(self.book, ids[ref])
                elif kind == REDUCE:
                    slot = int(find(self.book, ids[ref]))
                    left = int(self.book[0]["orders"][slot]["qty"]) - size if slot != NONE else 0
                    if not amend(self.book, ids[ref], left):
                        cancel(self.book, ids[ref])
                elif kind == CANCEL:
                    thin(self.book, side, at, size, 0.0, self.model, 1)
                elif kind == LEVEL:
                    more = size - int(self.size[side][at])
                    if more > 0:
                        rest(self.book, CROWD, side, at, more)
                    else:
                        thin(self.book, side, at, -more, 0.0, self.model, 1)
            start = end
            result.replayed += 1
            wrong = ""
            for side in (BID, ASK):
                true = self.row(i, side)
                whole = len(true) < self.depth
                far = (self.base + len(self.size[side]) - 1 if side == ASK else self.base) if whole else true[-1][0]
                wrong = wrong or self.difference(i, side, self.levels(side, [far]), true)
            result.shown += not wrong
            result.first_missed = result.first_missed or wrong
