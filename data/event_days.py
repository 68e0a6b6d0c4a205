"""Events of a file cut into trading days, each with the book it begins with and with its own findings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lobarena.data.clock import SECOND, to_date, to_local
from lobarena.data.contracts import Contract
from lobarena.data.recording import NOTED, DataError, EventRecording, Finding
from lobarena.data.schema import CLEAR, EVENT, LEVEL
from lobarena.data.sessions import trading_days

EDGE = (
    60 * SECOND
)  # a day of which a file holds less, right across midnight, is left out: recorders turn by their clock

Ints = npt.NDArray[np.int64]
Events = npt.NDArray[Any]  # (m,) EVENT


@dataclass(frozen=True)
class Note:
    """One kind of peculiarity, by the rows that have it."""

    kind: str
    rows: Ints | Sequence[int]  # 1-based rows of the file, in any order
    explanation: str
    action: str
    removed: bool = False

    def on(self, rows: Ints, days: Ints, day: int) -> Finding | None:
        """The finding of one day; rows, days : (n,) the file's rows in order and the day of each."""
        if not len(self.rows):
            return None
        mine = np.asarray(self.rows, np.int64)
        mine = mine[days[np.searchsorted(rows, mine)] == day]
        if not len(mine):
            return None
        count = len(mine)
        return Finding(self.kind, count, int(mine.min()), self.explanation, self.action, count if self.removed else 0)


def of_symbol(contract: Contract, symbol: str) -> Contract:
    """The contract under the symbol of a file, where it was given for the whole product."""
    if contract.symbol == contract.code and symbol.startswith(contract.code.upper()):
        return replace(contract, symbol=symbol)
    return contract


def level_days(
    path: Path, contract: Contract, events: Events, times: Ints, notes: Sequence[Note]
) -> list[EventRecording]:
    """The recordings of a record of level changes, one a trading day of the contract.

    events : (m,) EVENT of kinds LEVEL, TRADE and CLEAR, sorted by time
    times : (n,) ns UTC of each row of the file; 0 of one that tells none, which goes with the row before it
    DataError when there is no event.
    """
    if not len(events):
        raise DataError(f"{path} holds no level and no trade; fetch it again")
    cuts, days, notes = day_cuts(contract, events["time"], times, notes)
    recordings = []
    for day, start, stop in cuts:
        part = events[start:stop]
        before = standing(events[:start])
        before["time"] = part["time"][0]
        recordings.append(recording(path, contract, day, np.concatenate([before, part]), 0, days, notes))
    return recordings


def recording(
    path: Path, contract: Contract, day: int, events: Events, orders: int, days: Ints, notes: Sequence[Note]
) -> EventRecording:
    """One day of a file. days : (n,) day of each row of the file, days since the epoch."""
    rows = np.arange(1, len(days) + 1)
    found = [note.on(rows, days, day) for note in notes]
    return EventRecording(
        contract=contract,
        symbol=contract.symbol,
        exchange=contract.exchange,
        trading_day=to_date(day),
        events=events,
        orders=orders,
        findings=[finding for finding in found if finding is not None],
        source=path.name,
        rows_in=int((days == day).sum()),
    )


def day_cuts(
    contract: Contract, events: Ints, times: Ints, notes: Sequence[Note]
) -> tuple[list[tuple[int, int, int]], Ints, list[Note]]:
    """(day, first event, event behind the last) of each trading day, day of each row, and the notes with what is cut.

    events : (m,) i8 ns UTC, sorted; times : as above. A day at the edge of the file that holds less than EDGE, close to
    its neighbour, is left out where another holds more.
    """
    day_of_event = trading_days(contract, to_local(events, contract.timezone))
    starts = np.flatnonzero(np.diff(day_of_event, prepend=day_of_event[0] - 1))
    stops = np.append(starts[1:], len(events))
    cuts = [(int(day_of_event[a]), int(a), int(b)) for a, b in zip(starts, stops, strict=True)]
    kept = list(cuts)
    if len(cuts) > 1:
        spans = [int(events[stop - 1] - events[start]) for _, start, stop in cuts]
        for edge, (_, inside, _) in ((0, cuts[1]), (-1, cuts[-1])):  # and the first event behind the nearest boundary
            if spans[edge] < EDGE <= max(spans) and events[inside] - events[inside - 1] < EDGE:
                kept.remove(cuts[edge])
    known = np.maximum.accumulate(np.where(times > 0, np.arange(len(times)), -1))
    known[known < 0] = int(np.argmax(times > 0))
    days = trading_days(contract, to_local(times[known], contract.timezone))
    there = np.array([day for day, _, _ in kept])
    gone = np.flatnonzero(~np.isin(days, there)) + 1
    days = there[np.minimum(np.searchsorted(there, days), len(there) - 1)]
    told = "of a neighbouring day of which the file holds less than a minute; left out"
    return kept, days, [*notes, Note("outside the day", gone, told, NOTED, removed=True)]


def standing(events: Events) -> Events:
    """(k,) LEVEL rows, the book behind a record's (m,) EVENT rows: the last size of each level since the last CLEAR."""
    cleared = np.flatnonzero(events["kind"] == CLEAR)
    rows = events[cleared[-1] + 1 if len(cleared) else 0 :]
    rows = rows[rows["kind"] == LEVEL][::-1]
    _, last = np.unique(2 * rows["price"].astype(np.int64) + rows["side"], return_index=True)
    rows = rows[last]
    return np.asarray(rows[rows["size"] > 0])


def level_rows(kind: int, times: Ints, sides: Any, prices: Any, sizes: Any) -> Events:
    """(n,) EVENT of one kind without order numbers; times ns UTC, prices ticks, sizes lots."""
    rows = np.zeros(len(times), EVENT)
    rows["time"], rows["ref"], rows["kind"] = times, -1, kind
    rows["side"], rows["price"], rows["size"] = sides, prices, sizes
    return rows


def falls_first(events: Events, message: Ints) -> Ints:
    """(n,) i8, an order of level changes in which each message takes levels away before it sets others.

    All of a message happens at once, so no book in between is crossed by a level that is gone already. A message that
    tells one level twice keeps its order. message : (n,) number of the message of each row, rising
    """
    level = (message * 2 + events["side"]) * (1 << 32) + events["price"]
    _, first, count = np.unique(level, return_index=True, return_counts=True)
    twice = np.isin(message, message[first[count > 1]])
    return np.argsort(2 * message + ((events["size"] > 0) | twice), kind="stable")
