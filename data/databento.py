"""Databento DBN files of schema mbo, mbp-10, mbp-1 or trades: one recording an instrument and day.

Facts used, https://databento.com/docs/standards-and-conventions: prices are 1e-9 units and i64 max where there is none;
`ts_event` is the exchange's clock, `ts_recv` the recorder's; a record with F_SNAPSHOT carries the time of its order's
last change, so that `ts_recv` counts; the metadata maps instrument ids to symbols. `databento_orders` and
`databento_levels` say what the records of each kind mean, `databento_trades` what is left where there is no book.

Tick: that of the contract given, of a known CME product, else the greatest common divisor of the prices (noted). Lots
are the exchange's. Day: of the contract's hours when one is given (an evening belongs to the weekday after), else of
UTC. A file of several days gives one recording a day, each beginning with the book it found.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lobarena.data import databento_levels, databento_orders, databento_trades
from lobarena.data.clock import DAY, SECOND, to_date, to_days, to_local
from lobarena.data.contracts import Contract, plain_contract
from lobarena.data.databento_files import Dbn, is_dbn, read_dbn
from lobarena.data.recording import NOTED, REPAIRED, DataError, EventRecording, Finding
from lobarena.data.sessions import weekday_after

UNIT = 10**9  # units of a price in the files
UNDEFINED = np.iinfo(np.int64).max  # price that is not there
SNAPSHOT_FLAG, BAD_BOOK = 1 << 5, 1 << 2
_LARGEST = np.iinfo(np.int32).max

# Root of a CME future -> tick, quotation units a lot, as in the exchange's contract specifications.
_CME = {
    "ES": ("0.25", 50),
    "MES": ("0.25", 5),
    "NQ": ("0.25", 20),
    "MNQ": ("0.25", 2),
    "YM": ("1", 5),
    "RTY": ("0.1", 50),
    "CL": ("0.01", 1_000),
    "NG": ("0.001", 10_000),
    "GC": ("0.1", 100),
    "SI": ("0.005", 5_000),
    "HG": ("0.0005", 25_000),
    "ZT": ("0.00390625", 2_000),
    "ZF": ("0.0078125", 1_000),
    "ZN": ("0.015625", 1_000),
    "ZB": ("0.03125", 1_000),
    "ZC": ("0.25", 50),
    "ZS": ("0.25", 50),
    "ZW": ("0.25", 50),
    "6E": ("0.00005", 125_000),
    "6B": ("0.0001", 62_500),
    "6J": ("0.0000005", 12_500_000),
}
_OUTRIGHT = re.compile(r"([A-Z0-9]{2,3}?)(?:[FGHJKMNQUVXZ]\d{1,2}|\.[CVN]\.\d+)")

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Stream:
    """The records of one instrument, checked as far as both kinds of record need it."""

    where: str  # file and instrument, for errors
    records: np.ndarray  # (n,)
    rows: Ints  # (n,) 1-based record of the file
    times: Ints  # (n,) ns UTC, never running back
    days: Ints  # (n,) trading day, days since the epoch
    tick: int  # 1e-9 units

    def ticks(self, prices: Ints) -> Ints:
        """Prices in 1e-9 units -> ticks; 0 where a price is undefined or no positive tick within 32 bits."""
        whole, rest = np.divmod(prices, self.tick)
        return np.where((prices == UNDEFINED) | (rest != 0) | (prices <= 0) | (whole > _LARGEST), 0, whole)

    @property
    def off_tick(self) -> str:
        """What is wrong with a price that has no tick, and the fix."""
        return f"is no positive number of ticks of {self.tick / UNIT:g} within 32 bits; give the tick, contract="

    def refuse(self, bad: Mask, what: str) -> None:
        """DataError that names the first bad record of (n,) or (n, levels), if there is one."""
        if bad.any():
            first = int(np.argmax(bad.reshape(len(bad), -1).any(axis=1)))
            raise DataError(f"{self.where}, record {self.rows[first]:,}: {what}")


_TRANSLATE = {
    "mbo": databento_orders.translate,
    "mbp-10": databento_levels.translate,
    "mbp-1": databento_levels.translate,
    "trades": databento_trades.translate,
}


def matches(path: Path, head: bytes) -> bool:
    """Whether this is a DBN file, plain or packed."""
    return is_dbn(path, head)


def read(path: Path, contract: Contract | None, day: date | None, limit: int) -> list[EventRecording]:
    """The recordings of a file, by instrument and day.

    DataError names file and fix: the package is missing, another schema, records that cannot be true, a price off the
    tick of `contract`, or days that are not the `day` asked for.
    """
    dbn = read_dbn(path, limit)
    found = [one for stream, spec, notes in _streams(dbn, contract) for one in _recordings(dbn, stream, spec, notes)]
    days = sorted({one.trading_day for one in found})
    if day is not None and days != [day]:
        held = ", ".join(map(str, days[:4])) + (" and more" if len(days) > 4 else "")
        raise DataError(f"{path} holds the trading days {held}, not only the day={day} asked for; leave day= out")
    return found


def _streams(dbn: Dbn, contract: Contract | None) -> Iterator[tuple[Stream, Contract, list[Finding]]]:
    """The records of each instrument of each publisher, its contract, and what was found so far."""
    instruments, publishers = (dbn.records[name].astype(np.int64) for name in ("instrument_id", "publisher_id"))
    keys = instruments << 16 | publishers
    known = np.unique(keys)
    several = len(np.unique(known >> 16)) < len(known)
    if contract is not None and len(known) > 1:
        raise DataError(f"{dbn.path} holds {len(known)} instruments, contract= names one; fetch it by itself")
    for key in known.tolist():
        mine = keys == key
        records, rows = dbn.records[mine], np.flatnonzero(mine) + 1
        instrument, publisher = key >> 16, key & 0xFFFF
        times, notes = _times(f"{dbn.path}, instrument {instrument}", records, rows)
        days = _days(times, contract)
        symbol = dbn.symbol(instrument, to_date(int(days[0]))) or f"ID{instrument}"
        exchange = dbn.dataset.partition(".")[0] + (f"-{publisher}" if several else "")
        where = f"{dbn.path}, {symbol}"
        prices = _quoted(dbn.schema, records)
        spec, note = (contract, None) if contract is not None else _contract(where, symbol, exchange, prices)
        tick = spec.tick * UNIT
        if tick != int(tick) or tick < 1:
            raise DataError(f"{where}: a tick of {spec.tick} is finer than DBN's 1e-9; give another, contract=")
        stream = Stream(where, records, rows, times, days, int(tick))
        yield stream, spec, [*notes, *([note] if note else [])]


def _recordings(dbn: Dbn, stream: Stream, spec: Contract, notes: list[Finding]) -> Iterator[EventRecording]:
    for day, events, orders, findings in _TRANSLATE[dbn.schema](stream):
        mine = stream.rows[stream.days == day]
        yield EventRecording(
            contract=spec,
            symbol=spec.symbol,
            exchange=spec.exchange,
            trading_day=to_date(day),
            events=events,
            orders=orders,
            findings=[*notes, *findings],
            source=dbn.path.name,
            rows_in=len(mine),
        )


def _times(where: str, records: np.ndarray, rows: Ints) -> tuple[Ints, list[Finding]]:
    """(n,) ns UTC, and the findings about them and about the book's quality."""
    snapshot = records["flags"] & SNAPSHOT_FLAG != 0
    stamps = np.where(snapshot | (records["ts_event"] >= 2**63), records["ts_recv"], records["ts_event"])
    bad = (stamps == 0) | (stamps >= 2**62)
    if bad.any():
        raise DataError(f"{where}, record {rows[np.argmax(bad)]:,}: no time that can be read; fetch the file again")
    written = stamps.astype(np.int64)
    times = np.maximum.accumulate(written)
    masks = (
        ("time runs back", times != written, "set to the latest time before it", REPAIRED),
        (
            "doubtful book",
            records["flags"] & BAD_BOOK != 0,
            "the recorder missed messages before (F_MAYBE_BAD_BOOK)",
            NOTED,
        ),
    )
    return times, [
        Finding(kind, int(mask.sum()), int(rows[np.argmax(mask)]), why, action)
        for kind, mask, why, action in masks
        if mask.any()
    ]


def _days(times: Ints, contract: Contract | None) -> Ints:
    """(n,) days since the epoch: of the contract's hours, in which an evening begins the next weekday; else of UTC."""
    if contract is None:
        return np.asarray(times // DAY)
    local = to_local(times, contract.timezone)
    evenings = [session.start for session in contract.sessions if session.night]
    if not evenings:
        return np.asarray(local // DAY)
    clock = min(evenings)
    begins = (int(clock[:2]) * 60 + int(clock[3:])) * 60 * SECOND
    days, places = np.unique((local + DAY - begins) // DAY, return_inverse=True)
    dates = [to_date(day) for day in days.tolist()]
    moved = [to_days(weekday_after(one) if one.weekday() > 4 else one) for one in dates]
    return np.array(moved, np.int64)[places.reshape(-1)]


def _quoted(schema: str, records: np.ndarray) -> Ints:
    """Prices of the orders or levels of a file, 1e-9 units, without those undefined; trades can be between ticks."""
    if schema == "trades":
        quoted = records["price"]
    elif schema == "mbo":
        quoted = records["price"][np.isin(records["action"], (b"A", b"C", b"M"))]
    else:
        names = [name for name in records.dtype.names or () if name[3:6] == "_px"]
        quoted = np.concatenate([np.unique(records[name]) for name in names])
    return np.unique(quoted[quoted != UNDEFINED]).astype(np.int64)


def _contract(where: str, symbol: str, exchange: str, prices: Ints) -> tuple[Contract, Finding | None]:
    """The contract of a known product whose tick the prices keep to, else one with the tick that they show."""
    root = _OUTRIGHT.fullmatch(symbol.upper())
    product = _CME.get(root[1]) if root and exchange.startswith("GLBX") else None
    name = re.sub(r"[^A-Z0-9_-]+", "-", symbol.upper()).lstrip("-_")[:32] or "X"
    note = None
    if product is not None and not (prices % int(Decimal(product[0]) * UNIT)).any():
        tick, multiplier = Decimal(product[0]), product[1]
    else:
        step = int(np.gcd.reduce(prices)) if len(prices) else 0
        tick, multiplier = Decimal(step or UNIT // 100) / UNIT, 1
        told = f"tick {tick.normalize():f} is the greatest common divisor of its prices, a lot one unit; give contract="
        note = Finding("tick inferred", len(prices), 1, told, NOTED)
    try:
        return plain_contract(name, re.sub(r"[^A-Za-z0-9_-]", "-", exchange), tick, multiplier), note
    except ValueError as error:
        raise DataError(f"{where}: {error}; give contract=") from error
