"""Databento's trades alone as events: each trade happens at its price, and between trades nobody knows the book.

Such a day replays its volume and turnover, and a seat's orders are hit by trades that reach them; but no level is
shown, so a quoter sees no market to quote about. A trade without a side is by the side towards which the price moved.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from lobarena.data.recording import NOTED, Finding
from lobarena.data.schema import ASK, BID, EVENT, TRADE

if TYPE_CHECKING:
    from lobarena.data.databento import Stream

_LARGEST = np.iinfo(np.int32).max


def translate(stream: "Stream") -> Iterator[tuple[int, np.ndarray, int, list[Finding]]]:
    """(day, (m,) EVENT, 0, findings) of each day; DataError names a record that cannot be true."""
    records = stream.records
    ticks = stream.ticks(records["price"].astype(np.int64))
    stream.refuse(ticks == 0, f"its price {stream.off_tick}")
    stream.refuse((records["size"] == 0) | (records["size"] > _LARGEST), "its size is no number of lots")
    told = np.isin(records["side"], (b"A", b"B"))
    moves = np.sign(np.diff(ticks, prepend=ticks[:1]))
    places = np.maximum.accumulate(np.where(moves != 0, np.arange(len(moves)), 0))
    sides = np.where(records["side"] == b"B", BID, ASK)
    sides = np.where(told, sides, np.where(moves[places] >= 0, BID, ASK))
    for day in np.unique(stream.days).tolist():
        mine = stream.days == day
        events = np.zeros(int(mine.sum()), EVENT)
        events["time"], events["price"], events["size"] = stream.times[mine], ticks[mine], records["size"][mine]
        events["kind"], events["side"], events["ref"] = TRADE, sides[mine], -1
        why = "no book is known between trades; mbp-10 or mbo of the same days has one"
        findings = [Finding("trades alone", len(events), int(stream.rows[mine][0]), why, NOTED)]
        without = stream.rows[mine & ~told]
        if len(without):
            findings.append(Finding("no side", len(without), int(without[0]), "side taken from the last move", NOTED))
        yield day, events, 0, findings
