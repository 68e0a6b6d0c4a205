"""StarQuant recordings: exchange and local stamps, five levels, pieces of sessions between reconnections.

Three things are peculiar. `size` is a change of volume, and stands unchanged in the next row when nothing traded.
After each reconnection comes a stub without quotes (`depth` 1) whose `size` is the day's total so far, so that the
volume lost during the outage is known. A stub before the opening auction still shows the day before.
"""

from dataclasses import replace
from datetime import date

import numpy as np

from lobarena.data import clock
from lobarena.data.clock import SECOND, UNREADABLE
from lobarena.data.columns import ColumnMap, contract_of, only_text, rows_of
from lobarena.data.contracts import Contract
from lobarena.data.raw import Floats, Mask, Note, Raw, Times, need
from lobarena.data.recording import NOTED, REPAIRED
from lobarena.data.sessions import session_times, weekday_before
from lobarena.data.source import Source, read_table

COLUMNS = ColumnMap(
    time="exch_time",
    received="local_time",
    bid=tuple(f"bid{k}" for k in range(1, 6)),
    bid_size=tuple(f"bidq{k}" for k in range(1, 6)),
    ask=tuple(f"ask{k}" for k in range(1, 6)),
    ask_size=tuple(f"askq{k}" for k in range(1, 6)),
    last="last",
    interest="oi",
    upper="upper",
    lower="lower",
    symbol="symbol",
)


def read(source: Source, contract: Contract | None = None, day: date | None = None) -> Raw:
    """ "SHFE F RB 1901" is the future RB1901; volume becomes cumulative, exact at each stub."""
    need(source, (*COLUMNS.numbers, *COLUMNS.texts, "size", "depth"), "the StarQuant layout")
    table = read_table(source, (*COLUMNS.numbers, "size", "depth"), (), COLUMNS.texts)
    symbol = "".join(only_text(table, "symbol").split()[-2:])
    raw = rows_of(table, COLUMNS, symbol, contract, day)
    stub = (table.numbers["depth"] == 1) & ~(raw.bid_size > 0).any(1) & ~(raw.ask_size > 0).any(1)
    size = table.numbers["size"]
    repeated = _repeated(raw, size, stub)
    change = np.where(np.isfinite(size) & ~repeated, size, 0.0)
    volume, outage = _cumulated(raw, size, change, stub, contract or contract_of(source, symbol))
    again = "size of the row above shown again, nothing traded; taken as 0"
    notes = (
        Note("repeated size", repeated, again, REPAIRED),
        Note("volume of an outage", outage, "traded while the recorder was away; falls on this row", NOTED),
    )
    return replace(
        raw,
        volume=np.where(np.isfinite(size) | stub, volume, np.nan),
        gone=raw.gone | {"subscription stub": stub},
        bad=raw.bad | {"negative size": (size < 0) & ~stub},
        notes=raw.notes + notes,
    )


def _repeated(raw: Raw, size: Floats, stub: Mask) -> Mask:
    """(n,) rows that show the size of the row above again: size, last price and open interest are all unchanged."""
    again = np.zeros(len(size), bool)
    for values in (size, raw.last, raw.interest):
        if values is not None:
            same = values[1:] == values[:-1]
            again[1:] = same if values is size else again[1:] & same
    again[1:] &= ~stub[1:] & ~stub[:-1]
    return again


def _cumulated(raw: Raw, size: Floats, change: Floats, stub: Mask, contract: Contract) -> tuple[Floats, Mask]:
    """(n,) cumulative volume of each trading day, as counted, and (n,) first rows after an outage with trades."""
    total, outage = np.zeros(len(size)), np.zeros(len(size), bool)
    for value in np.unique(raw.day[raw.day != UNREADABLE]).tolist():
        rows = np.flatnonzero(raw.day == value)
        opens = _first_open(contract, clock.to_date(value))
        known = [
            k for k in np.flatnonzero(stub[rows]) if size[rows[k]] >= 0 and raw.time[rows[k]] >= opens - 60 * SECOND
        ]
        cuts = [0, *known, len(rows)]
        shown = [0.0, *(float(size[rows[k]]) for k in known)]
        running = 0.0
        if known and raw.time[rows[0]] >= opens + 60 * SECOND:  # begun amid the day: the first stub tells the total
            running = max(0.0, shown[1] - float((change[rows[: known[0]]] * ~stub[rows[: known[0]]]).sum()))
        for piece, start in enumerate(cuts[:-1]):
            part = rows[start : cuts[piece + 1]]
            if not len(part):
                continue
            here = part[~stub[part]]
            if piece and shown[piece] >= running:  # else the stub contradicts the rows; they are believed
                if len(here) and shown[piece] > running > 0:
                    outage[here[0]] = True
                running = shown[piece]
            traded = running + np.cumsum(change[part] * ~stub[part])
            after = shown[piece + 1] if piece + 1 < len(shown) else np.inf
            total[part] = np.minimum(traded, after) if after >= running else traded
            running = float(total[part[-1]])
    return total, outage


def _first_open(contract: Contract, day: date) -> int:
    """ns UTC of the first session; what a stub shows a minute before is still the day before."""
    spans: Times = session_times(contract, day, weekday_before(day))
    return int(spans[0, 0]) if len(spans) else 0
