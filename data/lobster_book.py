"""LOBSTER's messages as events, beside the book and the queues that the engine makes of them.

A queue holds numbered orders and lots of nobody's (found at the start, or come into sight). When lots leave a queue
that has both, the cancel model of the replay chooses which, so nobody knows what is left of each order: the level is in
doubt until it is empty. There a message about one order is followed by the size of the level, which holds whatever the
model.
"""

from dataclasses import dataclass, field

import numpy as np

from lobarena.data.ladder import Ladder
from lobarena.data.lobster_files import DELETED, EXECUTED, HALT, NEW, PARTIAL
from lobarena.data.schema import (
    ASK,
    BID,
    BREAK,
    CANCEL,
    CONTINUOUS,
    DELETE,
    EVENT,
    LEVEL,
    LIMIT,
    PHASE,
    REDUCE,
    TAKE,
)

_NONE = -1


@dataclass(slots=True, eq=False)
class _Lots:
    """Lots that stand together in a queue."""

    place: tuple[int, int]  # side, ticks
    left: int
    ref: int = _NONE  # dense number of the order; _NONE nobody's


@dataclass(slots=True)
class _Queue:
    """A level's lots in the engine, first to trade first; once in doubt, only whose they may be."""

    lots: list[_Lots] = field(default_factory=list)
    doubt: bool = False

    def take(self, size: int) -> None:
        """The first lots trade."""
        while size > 0 and self.lots:
            first = self.lots[0]
            taken = min(size, first.left)
            first.left -= taken
            size -= taken
            if first.left == 0:
                del self.lots[0]

    def thin(self, size: int) -> None:
        """Lots leave, nobody knows whose unless all are nobody's."""
        if all(one.ref == _NONE for one in self.lots):
            self.take(size)
        else:
            self.doubt = True

    def clear(self) -> None:
        """Nothing is left."""
        for one in self.lots:
            one.left = 0
        self.lots, self.doubt = [], False


class Book:
    """Both sides as the engine has them after the events so far, and those events."""

    def __init__(self, midnight: int) -> None:
        self.midnight = midnight  # ns UTC
        self.sides = (Ladder(BID), Ladder(ASK))
        self.rows: list[tuple[int, int, int, int, int, int]] = []  # time, ref, price, size, kind, side
        self.orders = 0  # numbers given
        self.strangers: list[int] = []  # rows, 1-based: of orders that are not known (any more)
        self.odd: list[int] = []  # rows: more leaves than rested, or less than was left
        self.settled: list[int] = []  # rows: of an order in a level in doubt
        self._queues: dict[tuple[int, int], _Queue] = {}
        self._live: dict[int, _Lots] = {}  # by the venue's order number

    def phase(self, time: int, phase: int) -> None:
        """The trading phase changes."""
        self.rows.append((time, _NONE, 0, 0, PHASE, phase))

    def level(self, time: int, side: int, price: int, size: int) -> None:
        """A level has `size` lots, whatever it had."""
        self.rows.append((time, _NONE, price, size, LEVEL, side))
        queue, more = self._queue(side, price), size - self.sides[side].size.get(price, 0)
        if more > 0:
            queue.lots.append(_Lots((side, price), more))
        else:
            queue.thin(-more)
        self._total(side, price, size)

    def show(self, time: int, side: int, prices: list[int], sizes: list[int]) -> int:
        """Bring a side to the levels of a row; how many had to be set."""
        wrong = self.sides[side].differs(prices, sizes)
        for price, size in wrong:
            self.level(time, side, price, size)
        return len(wrong)

    def message(self, row: int, time: int, kind: int, order: int, size: int, price: int, side: int) -> None:
        """One message; `row` is its 1-based row."""
        if kind == HALT and price in (-1, 1):
            self.phase(time, BREAK if price == -1 else CONTINUOUS)
        elif kind == NEW:
            self._enter(time, order, size, price, side)
        elif kind == EXECUTED:
            self._known(row, order, (side, price))
            self.rows.append((time, _NONE, price, size, TAKE, ASK if side == BID else BID))
            self._queue(side, price).take(size)
            self._shrink(side, price, size)
        elif kind in (PARTIAL, DELETED):
            known = self._known(row, order, (side, price))
            if known is None:
                self.rows.append((time, _NONE, price, size, CANCEL, side))
                self._queue(side, price).thin(size)
                self._shrink(side, price, size)
            else:
                self._leave(row, time, known, size, whole=kind == DELETED)

    def events(self) -> np.ndarray:
        """(m,) EVENT, times in UTC."""
        made = np.zeros(len(self.rows), EVENT)
        columns = np.array(self.rows, np.int64).reshape(-1, 6).T
        for name, column in zip(("time", "ref", "price", "size", "kind", "side"), columns, strict=True):
            made[name] = column
        made["time"] += self.midnight
        return made

    def _enter(self, time: int, order: int, size: int, price: int, side: int) -> None:
        lots = self._live[order] = _Lots((side, price), size, self.orders)
        self.orders += 1
        self.rows.append((time, lots.ref, price, size, LIMIT, side))
        self._queue(side, price).lots.append(lots)
        self._shrink(side, price, -size)

    def _known(self, row: int, order: int, place: tuple[int, int]) -> _Lots | None:
        """The order where the engine has it, else the row is of a stranger."""
        lots = self._live.get(order)
        if lots is not None and lots.left and lots.place == place:
            return lots
        self.strangers.append(row)
        return None

    def _leave(self, row: int, time: int, lots: _Lots, size: int, whole: bool) -> None:
        """An order loses lots where it stands, or goes."""
        side, price = lots.place
        self.rows.append((time, lots.ref, price, 0 if whole else size, DELETE if whole else REDUCE, side))
        queue = self._queue(side, price)
        if queue.doubt:
            left = max(0, self.sides[side].size.get(price, 0) - size)
            self.rows.append((time, _NONE, price, left, LEVEL, side))
            self.settled.append(row)
            self._total(side, price, left)
            return
        if size > lots.left or (whole and size != lots.left):
            self.odd.append(row)
        gone = lots.left if whole else min(size, lots.left)
        lots.left -= gone
        if lots.left == 0:
            queue.lots.remove(lots)
        self._shrink(side, price, gone)

    def _queue(self, side: int, price: int) -> _Queue:
        return self._queues.setdefault((side, price), _Queue())

    def _shrink(self, side: int, price: int, size: int) -> None:
        self._total(side, price, self.sides[side].size.get(price, 0) - size)

    def _total(self, side: int, price: int, size: int) -> None:
        """What the engine holds at a level from now on."""
        self.sides[side].put(price, size)
        if size <= 0:
            self._queue(side, price).clear()
