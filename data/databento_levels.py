"""Databento's market by price (mbp-10, mbp-1) as events: what changed among the levels shown, and the trades.

Each record shows the best levels after the update (https://databento.com/docs/schemas/mbp-10); a trade's shows them as
they are before its effect, which the next record has. A level that leaves the window keeps its last size until it is
seen again; one that should be in the window and is not listed is gone. Where the file marks the last record of a
venue's event (F_LAST), only those show a book; trades are taken as they come. A trade without a side is by whoever
would pay its price at the quotes; inside the spread, or between ticks, it is noted and met a hidden order.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lobarena.data.ladder import Ladder
from lobarena.data.recording import NOTED, Finding
from lobarena.data.schema import ASK, BID, CLEAR, EVENT, LEVEL, TRADE

if TYPE_CHECKING:
    from lobarena.data.databento import Stream

LAST_FLAG = 1 << 7
_CLEAR, _TRADE = b"RT"
_BUY, _SELL = b"BA"
_NONE = -1
_LARGEST = np.iinfo(np.int32).max

Ints = npt.NDArray[np.int64]


def translate(stream: "Stream") -> Iterator[tuple[int, np.ndarray, int, list[Finding]]]:
    """(day, (m,) EVENT, 0, findings) of each day; DataError names a record that cannot be true.

    A day begins with the levels known when the day before ended.
    """
    records = stream.records
    shown = (_shown(stream, "bid"), _shown(stream, "ask"))
    stream.refuse(records["size"] > _LARGEST, "its size is beyond 32 bits; fetch the file again")
    last = records["flags"] & LAST_FLAG != 0
    final = last if last.any() else ~last
    crossed = _crossed(shown)
    book = _Book(shown)
    today = int(stream.days[0])
    ticks = stream.ticks(records["price"].astype(np.int64))
    action, side = records["action"].view("u1"), records["side"].view("u1")
    columns = (stream.days, stream.rows, stream.times, ticks, records["size"], action, side, final)
    for i, (day, row, time, price, size, what, way, whole) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        if day != today:
            yield today, *book.close(stream.rows[crossed & (stream.days == today)].tolist())
            today = day
            book.begin(time)
        book.apply(i, row, time, what, way, price, size, whole)
    yield today, *book.close(stream.rows[crossed & (stream.days == today)].tolist())


class _Book:
    """What is known of both sides, and the day that is being written."""

    def __init__(self, shown: tuple[tuple[Ints, Ints], tuple[Ints, Ints]]) -> None:
        self.shown = shown  # bid, ask: prices and sizes
        self.changed = [_changed(*side).tolist() for side in shown]
        self.ladders = (Ladder(BID), Ladder(ASK))
        self.late = [False, False]  # the side changed in records that show no whole book
        self.traded = [False, False]  # the side was traded with since it was last shown
        self.events: list[tuple[int, int, int, int, int]] = []  # time, price, size, kind, side
        self.hidden: list[int] = []  # records

    def begin(self, time: int) -> None:
        """A new day, which finds these levels."""
        for ladder in self.ladders:
            self._set(time, ladder, ladder.levels())

    def close(self, crossed: list[int]) -> tuple[np.ndarray, int, list[Finding]]:
        """The day's (m,) EVENT, 0 and its findings; the next one starts empty."""
        made = np.zeros(len(self.events), EVENT)
        rows = np.array(self.events, np.int64).reshape(-1, 5).T
        for name, column in zip(("time", "price", "size", "kind", "side"), rows, strict=True):
            made[name] = column
        made["ref"] = _NONE
        kinds = (
            ("hidden trade", self.hidden, "without a side inside the spread, or between ticks; not replayed"),
            ("crossed", crossed, "bid at or above ask"),
        )
        found = [Finding(kind, len(at), at[0], why, NOTED) for kind, at, why in kinds if at]
        self.events, self.hidden = [], []
        return made, 0, found

    def apply(self, i: int, row: int, time: int, action: int, way: int, price: int, size: int, whole: bool) -> None:
        """One record; `whole`: it shows a book that the venue has finished."""
        if action == _CLEAR:
            self.events.append((time, 0, 0, CLEAR, BID))
            for ladder in self.ladders:
                ladder.begin([], [])
            self.late = [True, True]
        for ladder in self.ladders:
            side = ladder.side
            self.late[side] = self.late[side] or self.changed[side][i]
            # a trade's record shows the book before it: only what changed otherwise is news
            if whole and (self.late[side] or (self.traded[side] and action != _TRADE)):
                prices, sizes = self.shown[side]
                self._set(time, ladder, ladder.differs(prices[i].tolist(), sizes[i].tolist()))
                self.late[side] = self.traded[side] = False
        if action == _TRADE and size:
            side = self._aggressor(way, price)
            if side == _NONE or not price:
                self.hidden.append(row)
                return
            self.events.append((time, price, size, TRADE, side))
            self.ladders[1 - side].trade(price, size)
            self.traded[1 - side] = True

    def _set(self, time: int, ladder: Ladder, levels: list[tuple[int, int]]) -> None:
        self.events += [(time, price, size, LEVEL, ladder.side) for price, size in levels]
        for price, size in levels:
            ladder.put(price, size)

    def _aggressor(self, way: int, price: int) -> int:
        """Who attacked, BID or ASK; told, or by the quote that the price is at or beyond; _NONE inside the spread."""
        if way in (_BUY, _SELL):
            return BID if way == _BUY else ASK
        bids, asks = (ladder.levels()[:1] for ladder in self.ladders)
        if asks and price >= asks[0][0]:
            return BID
        return ASK if bids and price <= bids[0][0] else _NONE


def _shown(stream: "Stream", name: str) -> tuple[Ints, Ints]:
    """(n, levels) ticks, best first, and lots of a side; 0 where a level is not there. DataError when it is no book."""
    records = stream.records
    levels = [place[6:] for place in records.dtype.names or () if place.startswith(f"{name}_px")]
    raw = np.stack([records[f"{name}_px{level}"] for level in levels], axis=1).astype(np.int64)
    sizes = np.stack([records[f"{name}_sz{level}"] for level in levels], axis=1).astype(np.int64)
    prices = stream.ticks(raw)
    there = (raw != np.iinfo(np.int64).max) & (sizes > 0)
    sizes[~there] = prices[~there] = 0
    stream.refuse(there & (prices == 0), f"a {name} price {stream.off_tick}")
    stream.refuse(sizes > _LARGEST, f"a {name} size is beyond 32 bits; fetch the file again")
    step = (prices[:, 1:] - prices[:, :-1]) * (1 if name == "ask" else -1)
    odd = there[:, 1:] & ((step <= 0) | ~there[:, :-1])
    stream.refuse(odd, f"its {name} levels are out of order; fetch the file again")
    return prices, sizes


def _changed(prices: Ints, sizes: Ints) -> np.ndarray:
    """(n,) whether a side differs from the record before; True for the first."""
    same = (prices[1:] == prices[:-1]) & (sizes[1:] == sizes[:-1])
    return np.append(True, ~same.all(axis=1))


def _crossed(shown: tuple[tuple[Ints, Ints], tuple[Ints, Ints]]) -> np.ndarray:
    """(n,) whether the best bid is at or above the best ask."""
    (bid, bid_size), (ask, ask_size) = ((prices[:, 0], sizes[:, 0]) for prices, sizes in shown)
    return np.asarray((bid_size > 0) & (ask_size > 0) & (bid >= ask))
