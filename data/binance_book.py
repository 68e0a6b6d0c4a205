"""The book of a Binance futures recording: snapshots and numbered differences become one chain of level changes.

The rule is the exchange's own ("How to manage a local order book correctly", developers.binance.com): each difference
names the last number of the one before it (`pu`), and where that one is missing the book begins anew from a snapshot.
Here, too: a gap clears the book, differences alone build it until a snapshot comes. A snapshot stands before the first
difference that ends behind its number; it sets the prices it spans, and of an unbroken chain the rest stays.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lobarena.data.binance_lines import Lines
from lobarena.data.event_days import Events, falls_first, level_rows
from lobarena.data.level_book import LevelBook
from lobarena.data.schema import ASK, BID, CLEAR, LEVEL

MILLI = 1_000_000  # ns

Ints = npt.NDArray[np.int64]


@dataclass
class Chain:
    """Level changes in the order of the exchange's numbers, and the rows of the file where something was odd."""

    events: Events  # (m,) EVENT of kinds LEVEL and CLEAR, sorted by time
    repeated: Ints  # differences that were there before
    late: Ints  # differences behind one with a higher number
    back: Ints  # differences with a time before that of the one before them
    step: int  # ns, the largest such step
    gaps: list[int] = field(default_factory=list)  # differences before which others are missing
    crossed: list[int] = field(default_factory=list)  # differences that leave a crossed book
    differ: list[int] = field(default_factory=list)  # differences after which the book ticker shows other best levels
    compared: int = 0  # differences after which the book ticker was compared
    blind: list[int] = field(default_factory=list)  # differences before the first snapshot


@dataclass(frozen=True)
class _Snapshot:
    time: int  # ns
    last: int
    place: int  # difference that it stands before
    sides: tuple[dict[int, int], dict[int, int]]


def chain(found: Lines, ticks: Ints, lots: Ints) -> Chain:
    """The level changes of a file. ticks, lots : of each text in the lists; negative ones are left out."""
    heads = {name: found.diffs[name] for name in found.diffs.names}
    last = heads["last"]
    order = np.argsort(last, kind="stable")
    first = np.diff(last[order], prepend=-1) != 0
    kept = order[first]
    time = np.maximum.accumulate(heads["time"][kept] * MILLI) if len(kept) else heads["time"][kept]
    back = heads["time"][kept] * MILLI < time
    made = Chain(
        events=np.zeros(0),
        repeated=heads["row"][order[~first]],
        late=heads["row"][last < np.maximum.accumulate(last)] if len(last) else last,
        back=heads["row"][kept[back]],
        step=int((time - heads["time"][kept] * MILLI).max(initial=0)),
    )
    rank = np.full(len(last), -1)
    rank[kept] = np.arange(len(kept))
    message, side, price, size = _levels(found, ticks, lots)
    use = (rank[message] >= 0) & (price > 0) & (size >= 0)
    place = rank[message[use]]
    rows = level_rows(LEVEL, time[place], side[use], price[use], size[use])
    inside = np.argsort(place, kind="stable")
    rows, place = rows[inside], place[inside]
    rows = rows[falls_first(rows, place)]
    bounds = np.searchsorted(place, np.arange(len(kept) + 1)).tolist()
    made.events = _walk(made, found, rows, bounds, kept, time, _snapshots(found, ticks, lots, last[kept]), ticks, lots)
    return made


def _levels(found: Lines, ticks: Ints, lots: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Difference, side, price and size of each level told by a difference, (n,) each."""
    bids, count = found.diffs["bids"], found.diffs["bids"] + found.diffs["asks"]
    message = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(message)) - np.repeat(np.cumsum(count) - count, count)
    side = np.where(within < bids[message], BID, ASK)
    return message, side, ticks[found.diff_levels["price"]], lots[found.diff_levels["size"]]


def _snapshots(found: Lines, ticks: Ints, lots: Ints, last: Ints) -> list[_Snapshot]:
    """The REST snapshots in the order of their numbers. last : (n,) number at the end of each difference, rising."""
    price, size = ticks[found.book_levels["price"]], lots[found.book_levels["size"]]
    heads = zip(*(found.books[name].tolist() for name in ("time", "last", "bids", "asks")), strict=True)
    snapshots, start = [], 0
    for time, number, bids, asks in heads:
        sides = []
        for count in (bids, asks):
            part = slice(start, start + count)
            pairs = zip(price[part].tolist(), size[part].tolist(), strict=True)
            sides.append({p: s for p, s in pairs if p > 0 and s > 0})
            start += count
        place = int(np.searchsorted(last, number, "right"))
        snapshots.append(_Snapshot(time * MILLI, number, place, (sides[BID], sides[ASK])))
    return sorted(snapshots, key=lambda one: one.last)


def _walk(
    made: Chain,
    found: Lines,
    rows: Events,
    bounds: list[int],
    kept: Ints,
    times: Ints,
    snapshots: list[_Snapshot],
    ticks: Ints,
    lots: Ints,
) -> Events:
    """Go along the chain with a book in hand: what clears, what a snapshot changes, what the ticker says."""
    book, pieces = LevelBook(), []
    row, last, previous = (found.diffs[name][kept].tolist() for name in ("row", "last", "previous"))
    time, cells = times.tolist(), [rows[name].tolist() for name in ("side", "price", "size")]
    ticker = _Ticker(found, ticks, lots)
    known, sound, waiting = -1, False, list(reversed(snapshots))
    for i in range(len(row) + 1):
        while waiting and waiting[-1].place == i:
            one = waiting.pop()
            at = max(one.time, time[i - 1] if i else 0)
            at = min(at, time[i]) if i < len(row) else at
            if i < len(row) and 0 <= known < previous[i] <= one.last:  # what is missing lies behind this snapshot
                pieces.append(_clear(book, at))
                made.gaps.append(row[i])
            changes = book.to_meet(BID, one.sides[BID]) + book.to_meet(ASK, one.sides[ASK])
            changes.sort(key=lambda change: change[2] > 0)
            book.set(changes)
            if changes:
                side, price, size = np.array(changes, np.int64).T
                pieces.append(level_rows(LEVEL, np.full(len(changes), at), side, price, size))
            known, sound = max(known, one.last), True
        if i == len(row):
            break
        if 0 <= known < previous[i]:
            pieces.append(_clear(book, time[i]))
            made.gaps.append(row[i])
            sound = False
        part = slice(bounds[i], bounds[i + 1])
        pieces.append(rows[part])
        book.set(zip(cells[0][part], cells[1][part], cells[2][part], strict=True))
        known = last[i]
        if book.crossed:
            made.crossed.append(row[i])
        if not sound:
            made.blind.append(row[i])
            continue
        shown = ticker.at(known)
        if shown is not None:
            made.compared += 1
            if shown != (*book.best(BID), *book.best(ASK)):
                made.differ.append(row[i])
    return np.concatenate(pieces) if pieces else rows


def _clear(book: LevelBook, time: int) -> Events:
    book.clear()
    return level_rows(CLEAR, np.array([time]), 0, 0, 0)


class _Ticker:
    """The last best levels that the book ticker showed up to a number; asked with rising numbers."""

    def __init__(self, found: Lines, ticks: Ints, lots: Ints) -> None:
        order = np.argsort(found.quotes["last"], kind="stable")
        self.numbers = found.quotes["last"][order].tolist()
        columns: list[Any] = [
            values[found.quotes[name][order]].tolist()
            for name, values in (("bid", ticks), ("bid_size", lots), ("ask", ticks), ("ask_size", lots))
        ]
        self.shown = list(zip(*columns, strict=True))
        self.next = 0

    def at(self, number: int) -> tuple[int, int, int, int] | None:
        """Best bid, its size, best ask, its size; None before the first."""
        while self.next < len(self.numbers) and self.numbers[self.next] <= number:
            self.next += 1
        return self.shown[self.next - 1] if self.next else None
