"""Event arrays of hftbacktest 2: levels or orders of one product, as its exchange processor takes them.

Only rows for the exchange count, at `exch_ts` and in the order of the array; rows for the local side alone are the same
events seen later. What the flags mean is in hftbacktest/types.py, what they do in its depth and exchange models.
"""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lobarena.data.contracts import Contract
from lobarena.data.event_days import Note, level_days, of_symbol
from lobarena.data.grid import OFF, STRAY, Numbers, contract_on_grid, multiples
from lobarena.data.hftbacktest_file import (
    ADD,
    BUY,
    CANCEL,
    DEPTH,
    DEPTH_CLEAR,
    DEPTH_SNAPSHOT,
    EXCH,
    FILL,
    MODIFY,
    NO_SIDE,
    SELL,
    TRADED,
    Ints,
    Rows,
    load,
    matches,
)
from lobarena.data.hftbacktest_levels import levels
from lobarena.data.hftbacktest_orders import order_days
from lobarena.data.recording import NOTED, REPAIRED, DataError, EventRecording, Finding
from lobarena.data.schema import ASK, BID

__all__ = ["matches", "read"]

_ORDERS = (ADD, CANCEL, MODIFY, FILL)
_PRICED = (DEPTH, TRADED, DEPTH_SNAPSHOT, ADD, MODIFY, FILL)
_FIRST, _LAST = 978_307_200 * 10**9, 5_000_000_000 * 10**9  # ns, 2001 to 2128
_HIGH = 1e14  # a price or size from which on doubles are no exact decimals
_NAME = re.compile(r"(?P<symbol>[A-Za-z0-9-]{1,32}?)[_.]?(?P<day>20\d{6})(?!\d)")


def read(path: Path, contract: Contract | None, day: date | None, limit: int) -> list[EventRecording]:
    """The recordings of an array, one a day. Without a contract its tick and lot are those of the numbers, and the
    symbol is that of the file's name, as in btcusdt_20240808.npz.

    DataError names the file and the fix.
    """
    records = load(path, limit)
    notes: list[Note] = []
    row, kind, side = _kept(path, records, notes)
    spec, price, size = _on_grid(path, contract, records, row, kind, notes)
    ours = records[row - 1]
    rows = Rows(row, ours["exch_ts"], kind, side, price, size, ours["order_id"].astype(np.int64), ours["px"])
    back = np.maximum.accumulate(rows.time) > rows.time
    if back.any():
        step = int((np.maximum.accumulate(rows.time) - rows.time).max())
        notes.append(Note("out of time order", row[back], f"up to {step:,} ns; sorted by exch_ts", REPAIRED))
        rows = rows.take(np.argsort(rows.time, kind="stable"))
    rows = rows.take(~np.isin(rows.kind, _PRICED) | ((rows.price > 0) & (rows.size >= 0)))
    times = np.where((records["exch_ts"] > _FIRST) & (records["exch_ts"] < _LAST), records["exch_ts"], 0)
    if np.isin(rows.kind, _ORDERS).any():
        recordings = order_days(path, spec, rows, times, notes)
    else:
        recordings = level_days(path, spec, levels(rows, spec), times, notes)
    told = _NAME.search(path.name)
    if told and f"{recordings[0].trading_day:%Y%m%d}" != told["day"]:
        odd = Finding("another day", 1, 1, f"the name of the file tells {told['day']}, its times another", NOTED)
        recordings[0] = replace(recordings[0], findings=[*recordings[0].findings, odd])
    return recordings


def _kept(path: Path, records: npt.NDArray[Any], notes: list[Note]) -> tuple[Ints, Ints, Ints]:
    """1-based row, kind and side of the rows that are used."""
    ev = records["ev"]
    exchange = ev & EXCH != 0
    kind = (ev & 0xFF).astype(np.int64)
    buy, sell = ev & BUY != 0, ev & SELL != 0
    side = np.where(buy & ~sell, BID, np.where(sell & ~buy, ASK, NO_SIDE))
    orders = bool((exchange & np.isin(kind, _ORDERS)).any())
    wanted = (*_ORDERS, DEPTH_CLEAR) if orders else (DEPTH, TRADED, DEPTH_CLEAR, DEPTH_SNAPSHOT)
    if orders and (exchange & np.isin(kind, (DEPTH, DEPTH_SNAPSHOT))).any():
        raise DataError(f"{path} holds orders and levels in one array; convert them to an array each")
    if orders and (exchange & (kind == TRADED)).any() and not (exchange & (kind == FILL)).any():
        raise DataError(f"{path} holds orders and trades, but no fill tells whose order traded; convert it with fills")
    used = exchange & np.isin(kind, wanted)
    sideless = used & (side == NO_SIDE) & np.isin(kind, (DEPTH, TRADED, DEPTH_SNAPSHOT, ADD))
    number = np.arange(1, len(records) + 1)
    notes += [
        Note("local event", number[~exchange], "an event of the exchange, seen later; left out", NOTED, True),
        Note("event not used", number[exchange & ~used], "trades beside fills, or no market depth", NOTED, True),
        Note("event without a side", number[sideless], "neither buy nor sell; left out", NOTED, True),
    ]
    kept = used & ~sideless
    bad = kept & ((records["exch_ts"] < _FIRST) | (records["exch_ts"] > _LAST))
    for column in ("px", "qty"):
        with np.errstate(invalid="ignore"):
            right = (records[column] >= 0) & (records[column] < _HIGH)
        odd = kept & np.isin(kind, _PRICED) & ~right
        if odd.any():
            at = int(np.argmax(odd))
            raise DataError(
                f"{path}, row {at + 1}: {column} is {records[column][at]}; give finite numbers of at least 0"
            )
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            f"{path}, row {at + 1}: exch_ts {records['exch_ts'][at]} is no time in ns since 1970; convert it to ns"
        )
    if not kept.any():
        raise DataError(f"{path} has no event for the exchange (EXCH_EVENT) that can be used; convert it again")
    row = np.flatnonzero(kept) + 1
    return row, kind[kept], side[kept]


def _on_grid(
    path: Path, contract: Contract | None, records: npt.NDArray[Any], row: Ints, kind: Ints, notes: list[Note]
) -> tuple[Contract, Ints, Ints]:
    """The contract, and ticks and lots of each row, OFF where it has none; DataError when too many are off the grid."""
    priced = np.isin(kind, _PRICED)
    ours = records[row - 1][priced]
    found = []
    for column in ("px", "qty"):
        values, place, count = np.unique(ours[column], return_inverse=True, return_counts=True)
        numbers = [Decimal(f"{value:.15g}") for value in values.tolist()]  # 15 digits: without the dust of arithmetic
        found.append((Numbers(numbers, count), place.reshape(-1)))
    (prices, price_place), (sizes, size_place) = found
    symbol = _symbol(path)
    spec = of_symbol(contract, symbol) if contract else contract_on_grid(str(path), symbol, "UNKNOWN", prices, sizes)
    if contract is None:
        told = f"tick {spec.tick} and lot {spec.multiplier}, the common steps of its prices and sizes; no fees and no "
        notes.append(Note("contract told by the numbers", row, told + "exchange: give contract= to know better", NOTED))
    price, size = np.full(len(row), OFF), np.full(len(row), OFF)
    price[priced] = multiples(prices.values, spec.tick)[price_place]
    size[priced] = multiples(sizes.values, Decimal(spec.multiplier))[size_place]
    off = priced & ((price <= 0) | (size < 0) | ((kind == TRADED) & (size == 0)))
    if off.sum() > STRAY * priced.sum():
        raise DataError(
            f"{path}, row {row[np.argmax(off)]}: {off.sum():,} prices or sizes are not whole numbers of tick "
            f"{spec.tick} and lot {spec.multiplier} within 32 bits; give a contract= with the right tick and multiplier"
        )
    told = f"no whole number of tick {spec.tick} or lot {spec.multiplier} within 32 bits; left out"
    notes.append(Note("off the grid", row[off], told, REPAIRED, True))
    size[off] = OFF
    return spec, price, size


def _symbol(path: Path) -> str:
    """ "BTCUSDT" of btcusdt_20240808.npz; the whole name where it tells no day."""
    told = _NAME.search(path.name)
    name = told["symbol"] if told else path.name.split(".")[0]
    return re.sub(r"[^A-Z0-9_-]", "", name.upper())[:32].lstrip("_-") or "UNKNOWN"
