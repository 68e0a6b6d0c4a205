"""Orders of an hftbacktest array: adds, cancels, modifications and fills become the events of a book of orders.

A fill becomes what caused it: an aggressor that takes the fill's size at the maker's price. The cancel or modification
of the maker that follows a fill tells of the same lots; so each is taken as what it leaves of the order, and only the
difference from what the fills left is an event. As in hftbacktest, an order keeps its place when its price stays and
its size does not rise.
"""

from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lobarena.data.contracts import Contract
from lobarena.data.event_days import Events, Note, day_cuts, recording
from lobarena.data.grid import STRAY
from lobarena.data.hftbacktest_file import ADD, CANCEL, DEPTH_CLEAR, FILL, Ints, Rows
from lobarena.data.level_book import LevelBook
from lobarena.data.recording import NOTED, REPAIRED, DataError, EventRecording
from lobarena.data.schema import BID, CLEAR, DELETE, EVENT, LIMIT, REDUCE, TAKE

_FIELDS = ("time", "ref", "price", "size", "kind", "side")
_CHUNK = 1 << 18  # rows taken as Python numbers at once


def order_days(path: Path, contract: Contract, rows: Rows, times: Ints, notes: Sequence[Note]) -> list[EventRecording]:
    """The recordings of an array of orders, one a day; each begins with the orders that rest then, in their order.

    times : (n,) ns UTC of each row of the array, 0 where it tells none
    DataError when an order is added twice, or more than a small share of rows speaks of orders that are not there.
    """
    cuts, days, notes = day_cuts(contract, rows.time, times, notes)
    replay, done, parts = _Replay(path, rows), 0, []
    for day, start, stop in cuts:
        replay.go(done, start)
        replay.begin(int(rows.time[start]))
        replay.go(start, stop)
        parts.append((day, replay.events(), replay.numbers))
        done = stop
    if not any(len(events) for _, events, _ in parts):
        raise DataError(f"{path} holds no order; convert it again")
    if len(replay.unknown) > max(1, STRAY * len(rows.row)):
        raise DataError(
            f"{path}, row {replay.unknown[0]}: {len(replay.unknown):,} rows speak of orders that are not in the book; "
            "give the array from its first snapshot on"
        )
    notes = [
        *notes,
        Note("unknown order", replay.unknown, "not in the book; left out", REPAIRED, True),
        Note("fill beyond the order", replay.beyond, "more lots than the order had; cut to them", REPAIRED),
        Note("add across the spread", replay.across, "it meets orders of the other side, with which it trades", NOTED),
    ]
    return [recording(path, contract, day, events, orders, days, notes) for day, events, orders in parts]


class _Replay:
    """The book of orders that the rows tell of, and the events made since `begin`."""

    def __init__(self, path: Path, rows: Rows) -> None:
        self.path, self.rows = path, rows
        self.orders: dict[int, list[int]] = {}  # order -> number, side, price, lots left; those that come later behind
        self.book = LevelBook()
        self.unknown: list[int] = []
        self.beyond: list[int] = []
        self.across: list[int] = []
        self.begin(0)

    def begin(self, time: int) -> None:
        """A new recording, which begins with the orders that rest."""
        self.made = array("q")  # time, ref, price, size, kind, side of each event
        self.numbers = 0
        for order in self.orders.values():
            if order[3]:
                order[0] = self._enter(time, order[1], order[2], order[3])

    def events(self) -> Events:
        """(m,) EVENT made since `begin`."""
        events = np.zeros(len(self.made) // 6, EVENT)
        for name, values in zip(_FIELDS, np.frombuffer(self.made, np.int64).reshape(-1, 6).T, strict=True):
            events[name] = values
        return events

    def go(self, start: int, stop: int) -> None:
        """Take the rows from `start` to `stop`."""
        for first in range(start, stop, _CHUNK):
            self._take(slice(first, min(stop, first + _CHUNK)))

    def _take(self, part: slice) -> None:
        rows = self.rows
        columns = (rows.row, rows.time, rows.kind, rows.order, rows.side, rows.price, rows.size)
        for row, time, kind, name, side, price, size in zip(*(c[part].tolist() for c in columns), strict=True):
            if kind == DEPTH_CLEAR:
                self._clear(time, side)
            elif kind == ADD:
                self._add(row, time, name, side, price, size)
            elif (order := self.orders.get(name)) is None:
                self.unknown.append(row)
            elif kind == CANCEL:
                self._delete(time, order)
                del self.orders[name]
            elif kind == FILL:
                self._fill(row, time, order, size)
            else:
                self._modify(time, name, order, price, size)

    def _add(self, row: int, time: int, name: int, side: int, price: int, size: int) -> None:
        there = self.orders.pop(name, None)
        if there is not None and there[3]:
            raise DataError(f"{self.path}, row {row}: order {name} is in the book already; remove the repeated rows")
        best, lots = self.book.best(1 - side)
        if lots and (best <= price if side == BID else best >= price):
            self.across.append(row)
        if size:
            self.orders[name] = [self._enter(time, side, price, size), side, price, size]
            self._level(side, price, size)

    def _enter(self, time: int, side: int, price: int, size: int) -> int:
        self.made.extend((time, self.numbers, price, size, LIMIT, side))
        self.numbers += 1
        return self.numbers - 1

    def _level(self, side: int, price: int, change: int) -> None:
        self.book.set([(side, price, self.book.sizes[side].get(price, 0) + change)])

    def _delete(self, time: int, order: list[int]) -> None:
        number, side, price, left = order
        if left:
            self.made.extend((time, number, price, left, DELETE, side))
            self._level(side, price, -left)

    def _fill(self, row: int, time: int, order: list[int], size: int) -> None:
        _, side, price, left = order
        if size > left:
            self.beyond.append(row)
            size = left
        if size:
            self.made.extend((time, -1, price, size, TAKE, 1 - side))
            self._level(side, price, -size)
            order[3] -= size

    def _modify(self, time: int, name: int, order: list[int], price: int, size: int) -> None:
        number, side, before, left = order
        if price == before and 0 < size <= left:
            if size < left:
                self.made.extend((time, number, price, left - size, REDUCE, side))
                self._level(side, price, size - left)
                order[3] = size
            return
        self._delete(time, order)
        del self.orders[name]  # so that it stands behind all others
        if size:
            self.orders[name] = [self._enter(time, side, price, size), side, price, size]
            self._level(side, price, size)

    def _clear(self, time: int, side: int) -> None:
        if side < 0:
            self.made.extend((time, -1, 0, 0, CLEAR, 0))
            self.orders.clear()
            self.book.clear()
            return
        for name in [name for name, order in self.orders.items() if order[1] == side]:
            self._delete(time, self.orders.pop(name))
