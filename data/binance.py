"""Raw lines of Binance's linear futures, `local_ns {json}`, as hftbacktest's collector writes them.

Depth updates and REST snapshots become levels, trades become trades; the book ticker checks the book. The time of all
is the exchange's transaction time `T` in ms: within one, trades come first, since the update of that ms shows what
they left. The recorder's own stamps are only compared with it: replay runs on the exchange's clock.
"""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lobarena.data.binance_book import MILLI, Chain, chain
from lobarena.data.binance_lines import Lines, read_lines
from lobarena.data.contracts import Contract
from lobarena.data.event_days import Events, Note, level_days, level_rows, of_symbol
from lobarena.data.grid import STRAY, Numbers, contract_on_grid, multiples
from lobarena.data.recording import NOTED, REPAIRED, DataError, EventRecording
from lobarena.data.schema import ASK, BID, TRADE

EXCHANGE = "BINANCE"
_HEAD = re.compile(rb'\d{16}(\d{3})? \{"(stream|e|lastUpdateId|data)"')

Ints = npt.NDArray[np.int64]


def matches(path: Path, head: bytes) -> bool:
    """Whether a file's first bytes are a stamp and a message of the exchange."""
    return _HEAD.match(head) is not None


def read(path: Path, contract: Contract | None, day: date | None, limit: int) -> list[EventRecording]:
    """The recordings of a file, one a day. Without a contract its tick and lot are those of the numbers, without fees.

    DataError names the file and the fix.
    """
    found = read_lines(path, limit)
    if not len(found.diffs) and not len(found.books):
        raise DataError(f"{path} holds no depth; record the stream depth@0ms as well")
    prices, sizes = _numbers(found)
    notes = _lines_notes(found)
    spec = of_symbol(contract, found.symbol) if contract else _told(path, found, prices, sizes)
    if contract is None:
        told = (
            f"tick {spec.tick} and lot {spec.multiplier}, the common steps of its prices and sizes; no fees: "
            "give contract= to know better"
        )
        notes.append(Note("contract told by the numbers", np.arange(1, len(found.lines) + 1), told, NOTED))
    ticks, lots = multiples(prices.values, spec.tick), multiples(sizes.values, Decimal(spec.multiplier))
    notes += _off_grid(path, found, spec, ticks, lots)
    trades, trade_notes = _trades(found, ticks, lots)
    made = chain(found, ticks, lots)
    notes += trade_notes + _chain_notes(found, made)
    events = np.concatenate([trades, made.events])
    events = events[np.argsort(events["time"], kind="stable")]
    return level_days(path, spec, events, found.lines["exchange"] * MILLI, notes)


def _told(path: Path, found: Lines, prices: Numbers, sizes: Numbers) -> Contract:
    if not found.symbol:
        raise DataError(f"{path} holds snapshots alone, which do not tell their symbol; give contract=")
    return contract_on_grid(str(path), found.symbol, EXCHANGE, prices, sizes)


def _numbers(found: Lines) -> tuple[Numbers, Numbers]:
    """All prices and all sizes of the file."""
    both: list[Numbers] = []
    columns: Any = (
        (found.prices, (found.diff_levels["price"], found.book_levels["price"], found.trades["price"])),
        (found.sizes, (found.diff_levels["size"], found.book_levels["size"], found.trades["size"])),
    )
    for texts, places in columns:
        values = texts.values_in_order
        both.append(Numbers(values, np.bincount(np.concatenate(places), minlength=len(values))))
    return both[0], both[1]


def _lines_notes(found: Lines) -> list[Note]:
    local, exchange = found.lines["local"], found.lines["exchange"] * MILLI
    late = (local - exchange)[exchange > 0] / MILLI
    notes = [
        Note("unreadable line", found.unread, "no `local_ns {json}` of Binance futures; removed", REPAIRED, True),
        Note("message of another stream", found.unused, "no depth, trade or book ticker; removed", NOTED, True),
    ]
    if len(late) and late.min() < 0:
        told = (
            f"its stamps less the exchange's are {np.median(late):,.0f} ms in the median and {late.min():,.0f} ms at "
            "least; nothing is changed, replay runs on the exchange's clock alone"
        )
        rows = np.flatnonzero((exchange > 0) & (local < exchange)) + 1
        notes.append(Note("clock of the recorder is behind", rows, told, NOTED))
    return notes


def _off_grid(path: Path, found: Lines, contract: Contract, ticks: Ints, lots: Ints) -> list[Note]:
    """The rows with levels or trades off tick or lot; DataError when they are more than a small share."""
    rows = []
    total = 0
    for heads, levels in ((found.diffs, found.diff_levels), (found.books, found.book_levels)):
        bad = (ticks[levels["price"]] <= 0) | (lots[levels["size"]] < 0)
        rows.append(np.repeat(heads["row"], heads["bids"] + heads["asks"])[bad])
        total += len(levels)
    bad = (ticks[found.trades["price"]] <= 0) | (lots[found.trades["size"]] <= 0)
    rows.append(found.trades["row"][bad])
    off = np.concatenate(rows)
    if len(off) > STRAY * (total + len(found.trades)):
        raise DataError(
            f"{path}, row {off.min()}: {len(off):,} prices or sizes are not whole numbers of tick {contract.tick} and "
            f"lot {contract.multiplier} within 32 bits; give a contract= with the right tick and multiplier"
        )
    told = f"no whole number of tick {contract.tick} or lot {contract.multiplier} within 32 bits; left out"
    return [Note("off the grid", off, told, REPAIRED)]


def _trades(found: Lines, ticks: Ints, lots: Ints) -> tuple[Events, list[Note]]:
    """(n,) TRADE rows sorted by time, and what was odd about them."""
    row, number, time = found.trades["row"], found.trades["number"], found.trades["time"] * MILLI
    price, size = ticks[found.trades["price"]], lots[found.trades["size"]]
    again = np.ones(len(row), bool)
    again[np.unique(number, return_index=True)[1]] = False
    booked = found.trades["booked"] == 1
    latest = np.maximum.accumulate(time) if len(time) else time
    back = latest > time
    numbers = np.unique(number)
    before = np.searchsorted(numbers, number)
    lost = (before > 0) & (number - numbers[np.maximum(before - 1, 0)] > 1) & ~again
    notes = [
        Note("not a trade of the book", row[~booked], "insurance fund or deleveraging; left out", NOTED, True),
        Note("trade repeated", row[again & booked], "its number was there before; left out", NOTED, True),
        Note("trades missing", row[lost], "its number does not follow the one before", NOTED),
        _sorted("trades", row[back], int((latest - time).max(initial=0))),
    ]
    use = booked & ~again & (price > 0) & (size > 0)
    order = np.flatnonzero(use)[np.argsort(time[use], kind="stable")]
    side = np.where(found.trades["sold"][order] == 1, ASK, BID)
    return level_rows(TRADE, time[order], side, price[order], size[order]), notes


def _chain_notes(found: Lines, made: Chain) -> list[Note]:
    alone = "the book is what the updates have told since the beginning or the gap, until a snapshot comes"
    differ = f"the best levels are others than the book ticker's, of {made.compared:,} updates compared; kept"
    return [
        Note("gap in the depth", made.gaps, "updates are missing before it; the book begins anew", REPAIRED),
        Note("no snapshot yet", made.blind, alone, NOTED),
        Note("depth repeated", made.repeated, "its number was there before; left out", NOTED, True),
        Note("depth out of order", made.late, "behind one with a higher number; sorted by number", REPAIRED),
        _sorted("depth", made.back, made.step),
        Note("crossed", made.crossed, "the best bid is at or above the best ask; kept", NOTED),
        Note("book ticker differs", made.differ, differ, NOTED),
    ]


def _sorted(what: str, rows: Ints, step: int) -> Note:
    told = f"up to {step / MILLI:,.0f} ms before the one before it; "
    told += "sorted by time" if what == "trades" else "given the time of the one before it, the numbers tell the order"
    return Note(f"{what} out of time order", rows, told, REPAIRED)
