"""Databento's market by order as events. A trade and its fills change nothing by themselves: the makers' cancels do.

Actions, https://databento.com/docs/examples/order-book/order-tracking and .../limit-order-book: A a new order; C
cancels `size` lots of one; M gives one another price or size, and it loses its place in the queue where the price
changes or the size grows; an order that is changed before it was seen is new; R clears the book; T an aggressor traded,
F a maker was filled, N nothing. Trades and fills do not change the book: a cancel or change of each maker follows.

Here an execution is replayed by its aggressor: T becomes a TAKE at its price for the lots that its fills announce, and
what the makers' cancels and changes then repeat is left out. Lots that no fill announces met orders which the book does
not show (hidden, implied); a T without a side is an auction or hidden; these are noted. A cancel of an order that was
never seen becomes a CANCEL of its level. A snapshot (F_SNAPSHOT) is R and A like any other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lobarena.data.recording import NOTED, REPAIRED, Finding
from lobarena.data.schema import ASK, BID, CANCEL, CLEAR, DELETE, EVENT, LIMIT, REDUCE, TAKE

if TYPE_CHECKING:
    from lobarena.data.databento import Stream

TOP_FLAG, LEVEL_FLAG = 1 << 6, 1 << 4
_ADD, _CANCEL, _MODIFY, _CLEAR, _TRADE, _FILL, _NOTHING = b"ACMRTFN"
_BUY, _SELL = b"BA"
_NONE = -1
_LARGEST = np.iinfo(np.int32).max

# kind of finding -> explanation, action
_FINDINGS = {
    "unknown order": ("rested before the record began; a cancel shrinks its level, a change enters it", NOTED),
    "order number used twice": ("an order that rests was added again; the first leaves", REPAIRED),
    "order of no lots": ("left out", REPAIRED),
    "trade without a side": ("an auction or a hidden order; not replayed", NOTED),
    "trade between ticks": ("met a hidden order; not replayed", NOTED),
    "trade beyond its fills": ("lots that no fill announces met hidden or implied orders; not replayed", NOTED),
    "fill without a trade": ("no aggressor is known; its maker's cancel is replayed as a cancel", NOTED),
}


@dataclass(slots=True)
class _Order:
    """An order that rests, as the record has it."""

    ref: int
    side: int
    price: int
    left: int
    told: int = 0  # lots that a TAKE traded and the record will take out once more


@dataclass(slots=True)
class _Take:
    """A trade whose fills are still to come."""

    row: int  # of the record
    place: int  # among the events
    price: int
    open: int  # lots that no fill has announced so far


@dataclass(slots=True)
class _Day:
    """Events of one day, and the records about which there is something to say."""

    events: list[list[int]] = field(default_factory=list)  # time, ref, price, size, kind, side
    orders: int = 0
    notes: dict[str, list[int]] = field(default_factory=dict)  # kind of finding -> records

    def put(self, time: int, kind: int, side: int, price: int, size: int, ref: int = _NONE) -> None:
        self.events.append([time, ref, price, size, kind, side])

    def note(self, kind: str, row: int) -> None:
        self.notes.setdefault(kind, []).append(row)

    def close(self) -> tuple[np.ndarray, int, list[Finding]]:
        """(m,) EVENT, numbers of orders, findings."""
        rows = [row for row in self.events if row[4] != TAKE or row[3]]
        made = np.zeros(len(rows), EVENT)
        columns = np.array(rows, np.int64).reshape(-1, 6).T
        for name, column in zip(("time", "ref", "price", "size", "kind", "side"), columns, strict=True):
            made[name] = column
        return made, self.orders, [Finding(kind, len(at), at[0], *_FINDINGS[kind]) for kind, at in self.notes.items()]


def translate(stream: "Stream") -> Iterator[tuple[int, np.ndarray, int, list[Finding]]]:
    """(day, (m,) EVENT, numbers of orders, findings) of each day; DataError names a record that cannot be true.

    The orders that rest when a day ends are new orders of the next one, in their order.
    """
    _check(stream)
    records = stream.records
    book = _Book()
    today = int(stream.days[0])
    ticks = stream.ticks(records["price"].astype(np.int64))
    columns = (stream.days, stream.rows, stream.times, ticks, records["action"].view("u1"), records["side"].view("u1"))
    numbers = (records["order_id"], records["size"])
    for day, row, time, price, action, side, order, size in zip(
        *(column.tolist() for column in (*columns, *numbers)), strict=True
    ):
        if day != today:
            yield today, *book.turn(time)
            today = day
        book.apply(row, time, action, side, price, size, order)
    yield today, *book.turn(0)


def _check(stream: "Stream") -> None:
    """Refuse what would make every book after it wrong."""
    records = stream.records
    action, side, price = records["action"].view("u1"), records["side"].view("u1"), records["price"].astype(np.int64)
    level = records["flags"] & (TOP_FLAG | LEVEL_FLAG) != 0
    stream.refuse(
        level, "a level, not an order (F_TOB or F_MBP); this venue shows no orders, fetch schema mbp-10 or mbp-1"
    )
    known = np.isin(action, (_ADD, _CANCEL, _MODIFY, _CLEAR, _TRADE, _FILL, _NOTHING))
    stream.refuse(~known, "an unknown action; fetch the file again")
    enters = (action == _ADD) | (action == _MODIFY)
    stream.refuse(enters & (side != _BUY) & (side != _SELL), "an order of no side; fetch the file again")
    stream.refuse(enters & (stream.ticks(price) == 0), f"its price {stream.off_tick}")
    sized = enters | (action == _CANCEL) | (action == _TRADE) | (action == _FILL)
    stream.refuse(sized & (records["size"] > _LARGEST), "its size is beyond 32 bits; fetch the file again")


class _Book:
    """The orders that rest, and the day that is being written."""

    def __init__(self) -> None:
        self.day = _Day()
        self.live: dict[int, _Order] = {}  # by the venue's number, in the order in which they joined
        self.takes: list[_Take] = []  # trades of the current event
        self.traded = False  # the last record was a trade
        self.strangers: dict[int, int] = {}  # lots of unknown makers that a TAKE traded and a cancel will tell again

    def turn(self, time: int) -> tuple[np.ndarray, int, list[Finding]]:
        """End the day; the next begins at `time` with the orders that rest."""
        self._settle()
        done, self.day = self.day, _Day()
        for order in self.live.values():
            order.ref = self._number()
            self.day.put(time, LIMIT, order.side, order.price, order.left, order.ref)
        return done.close()

    def apply(self, row: int, time: int, action: int, side: int, price: int, size: int, order: int) -> None:
        """One record."""
        if action == _TRADE:
            self._trade(row, time, side, price, size)
            return
        self.traded = False
        if action == _FILL:
            self._fill(row, order, size)
        elif action == _ADD:
            self._add(row, time, BID if side == _BUY else ASK, price, size, order)
        elif action == _CANCEL:
            self._cancel(row, time, side, price, size, order)
        elif action == _MODIFY:
            self._modify(row, time, BID if side == _BUY else ASK, price, size, order)
        elif action == _CLEAR:
            self.live.clear()
            self.strangers.clear()
            self.day.put(time, CLEAR, BID, 0, 0)

    def _number(self) -> int:
        self.day.orders += 1
        return self.day.orders - 1

    def _settle(self) -> None:
        """The event is over: what its trades say beyond the fills did not meet the book."""
        for take in self.takes:
            if take.open:
                self.day.note("trade beyond its fills", take.row)
        self.takes = []

    def _trade(self, row: int, time: int, side: int, price: int, size: int) -> None:
        if not self.traded:
            self._settle()
        self.traded = True
        if side not in (_BUY, _SELL):
            self.day.note("trade without a side", row)
        elif price == 0:
            self.day.note("trade between ticks", row)
        elif size:
            self.takes.append(_Take(row, len(self.day.events), price, size))
            self.day.put(time, TAKE, BID if side == _BUY else ASK, price, 0)

    def _fill(self, row: int, order: int, size: int) -> None:
        """A maker's lots become the aggressor's, as far as one is known."""
        told = 0
        for take in self.takes:
            lots = min(take.open, size - told)
            take.open -= lots
            self.day.events[take.place][3] += lots
            told += lots
        known = self.live.get(order)
        if known is not None:
            known.told += told
        elif told:
            self.strangers[order] = self.strangers.get(order, 0) + told
        if told < size:
            self.day.note("fill without a trade", row)

    def _add(self, row: int, time: int, side: int, price: int, size: int, order: int) -> None:
        known = self.live.pop(order, None)
        if known is not None:
            self.day.note("order number used twice", row)
            self.day.put(time, DELETE, known.side, known.price, 0, known.ref)
        if size == 0:
            self.day.note("order of no lots", row)
            return
        self.live[order] = _Order(self._number(), side, price, size)
        self.day.put(time, LIMIT, side, price, size, self.day.orders - 1)

    def _cancel(self, row: int, time: int, side: int, price: int, size: int, order: int) -> None:
        known = self.live.get(order)
        if known is not None:
            self._shrink(time, order, known, min(size, known.left))
            return
        told = min(size, self.strangers.pop(order, 0))
        if not told:
            self.day.note("unknown order", row)
        if size > told and price and side in (_BUY, _SELL):
            self.day.put(time, CANCEL, BID if side == _BUY else ASK, price, size - told)

    def _modify(self, row: int, time: int, side: int, price: int, size: int, order: int) -> None:
        known = self.live.get(order)
        if known is None:
            told = self.strangers.pop(order, 0)
            if not told:
                self.day.note("unknown order", row)
            self._add(row, time, side, price, size, order)
        elif (side, price) == (known.side, known.price) and size <= known.left:
            self._shrink(time, order, known, known.left - size)
        else:
            del self.live[order]
            if known.left > known.told:
                self.day.put(time, DELETE, known.side, known.price, 0, known.ref)
            self._add(row, time, side, price, size, order)

    def _shrink(self, time: int, order: int, known: _Order, size: int) -> None:
        """An order loses lots where it stands, less those that a TAKE traded already."""
        told = min(known.told, size)
        known.told -= told
        known.left -= size
        if known.left == 0:
            del self.live[order]
            if size > told:
                self.day.put(time, DELETE, known.side, known.price, 0, known.ref)
        elif size > told:
            self.day.put(time, REDUCE, known.side, known.price, size - told, known.ref)
