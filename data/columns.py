"""Any CSV of snapshots, told which column is what.

A column map is a TOML file (`load_columns`) or a `ColumnMap`. For a file with the header

    ts,b,bv,a,av,px,cum,oi
    2018-08-29 21:00:01.500,4165,15,4166,203,4165,9590,2323828

it is

    time = "ts"                 # required
    time_format = "datetime"    # "datetime": YYYY-MM-DD HH:MM:SS.fff; "clock": HH:MM:SS.fff; "packed": HHMMSSmmm;
                                # "s", "ms", "us", "ns": since the epoch, UTC
    # date = "day"              # calendar day of a clock, 20180829 or 2018-08-29; without it give day= to read()
    # timezone = "UTC"          # of datetime and clock; the contract's unless said
    # trading_day = "tday"      # where the file says it
    # received = "local"        # recorder's stamp, written as a datetime
    bid = ["b"]                 # required, best level first, one to five
    bid_size = ["bv"]           # required
    ask = ["a"]                 # required
    ask_size = ["av"]           # required
    last = "px"                 # required
    volume = "cum"              # lots; left out when the file has none
    volume_is = "cumulative"    # or "change" since the row before
    # turnover = "amount"       # currency
    # turnover_is = "cumulative"
    interest = "oi"
    # upper = "up", lower = "low", settle = "settle"
    # symbol = "code"           # column with the delivery month; without it `contract`
    contract = "RB1901"
    counted_twice = true        # both sides counted; left out: as the contract says for that day
"""

import tomllib
from dataclasses import MISSING, dataclass, fields
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.data import clock, sessions
from lobarena.data.clock import DAY, UNREADABLE
from lobarena.data.contracts import Contract
from lobarena.data.contracts import contract as known_contract
from lobarena.data.raw import Floats, Mask, Note, Raw, Times, need
from lobarena.data.recording import NOTED, REPAIRED, DataError
from lobarena.data.schema import LEVELS
from lobarena.data.source import Source, Table, read_table

_EPOCH_UNITS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_SYMBOL_WIDTH = 40


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which column of a CSV is what; the module describes each key."""

    time: str
    bid: tuple[str, ...]
    bid_size: tuple[str, ...]
    ask: tuple[str, ...]
    ask_size: tuple[str, ...]
    last: str
    time_format: str = "datetime"
    date: str = ""
    timezone: str = ""
    trading_day: str = ""
    received: str = ""
    volume: str = ""
    volume_is: str = "cumulative"
    turnover: str = ""
    turnover_is: str = "cumulative"
    interest: str = ""
    upper: str = ""
    lower: str = ""
    settle: str = ""
    symbol: str = ""
    contract: str = ""
    counted_twice: bool | None = None

    def __post_init__(self) -> None:
        formats = ("datetime", "clock", "packed", *_EPOCH_UNITS)
        if self.time_format not in formats:
            raise ValueError(f"time_format is {self.time_format!r}; give one of {', '.join(formats)}")
        for name in ("volume_is", "turnover_is"):
            if getattr(self, name) not in ("cumulative", "change"):
                raise ValueError(f'{name} is {getattr(self, name)!r}; give "cumulative" or "change"')
        sides = {len(self.bid), len(self.bid_size), len(self.ask), len(self.ask_size)}
        if len(sides) != 1 or not 1 <= len(self.bid) <= LEVELS:
            raise ValueError(f"bid, bid_size, ask and ask_size must name the same number of columns, 1 to {LEVELS}")

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns read as numbers."""
        single = (self.last, self.volume, self.turnover, self.interest, self.upper, self.lower, self.settle)
        packed = (self.time,) if self.time_format == "packed" else ()
        day = (self.trading_day,) if self.trading_day else ()
        named = tuple(name for name in single if name)
        return (*self.bid, *self.bid_size, *self.ask, *self.ask_size, *named, *packed, *day)

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns read as text."""
        written = (self.time,) if self.time_format in ("datetime", "clock") else ()
        return (*written, *(name for name in (self.date, self.received, self.symbol) if name))

    @property
    def integers(self) -> tuple[str, ...]:
        """The columns read as whole numbers of 64 bits."""
        return (self.time,) if self.time_format in _EPOCH_UNITS else ()


def load_columns(path: str | Path) -> ColumnMap:
    """The column map of a TOML file; DataError names file, key and fix."""
    try:
        values = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: not a readable TOML file ({error}); its keys: lobarena.data.columns") from error
    return columns_from(values, str(path))


def columns_from(values: dict[str, Any], where: str = "column map") -> ColumnMap:
    """The column map of plain keys and values; DataError names the key and the fix."""
    keys = {field.name: field for field in fields(ColumnMap)}
    for key, value in values.items():
        if key not in keys:
            near = get_close_matches(key, keys, 1, 0)[0]
            raise DataError(f"{where}: unknown key {key}; did you mean {near}? Keys: {', '.join(keys)}")
        lists, flag = key in ("bid", "bid_size", "ask", "ask_size"), key == "counted_twice"
        fine = isinstance(value, bool) if flag else isinstance(value, list | tuple) if lists else isinstance(value, str)
        if not fine:
            raise DataError(f"{where}: {key} is {value!r}; give {'true or false' if flag else 'a column name'}")
    missing = [key for key, field in keys.items() if field.default is MISSING and key not in values]
    if missing:
        raise DataError(f"{where}: key {missing[0]} is missing; say which column it is")
    try:
        named: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return ColumnMap(**named)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def read_columns(source: Source, columns: ColumnMap, contract: Contract | None = None, day: date | None = None) -> Raw:
    """The rows of a source by a column map. DataError when a column, the contract or the day is not to be had."""
    need(source, (*columns.numbers, *columns.texts, *columns.integers), "the column map")
    table = read_table(source, columns.numbers, columns.integers, columns.texts)
    return rows_of(table, columns, _symbol(table, columns, contract), contract, day)


def rows_of(table: Table, columns: ColumnMap, symbol: str, contract: Contract | None, day: date | None) -> Raw:
    """The rows of a table that holds the columns of the map."""
    numbers = table.numbers
    spec = contract or contract_of(table.source, symbol)
    row = np.arange(1, len(table) + 1)
    time, notes = _times(table, columns, spec, day)
    local = clock.to_local(time, spec.timezone)
    days = clock.days_of(numbers[columns.trading_day]) if columns.trading_day else sessions.trading_days(spec, local)
    if day is not None and columns.time_format == "clock" and not columns.date:
        days = np.where(time == UNREADABLE, UNREADABLE, clock.to_days(day))
    received = _stamps(table, columns.received, columns.timezone or spec.timezone)[0] if columns.received else None
    return Raw(
        source=table.source,
        symbol=symbol,
        row=row,
        time=time,
        day=days,
        bid=_levels(table, columns.bid),
        bid_size=_levels(table, columns.bid_size),
        ask=_levels(table, columns.ask),
        ask_size=_levels(table, columns.ask_size),
        last=numbers[columns.last],
        bad=dict(table.bad),
        gone={"blank line": table.blank},
        volume=_running(numbers, columns.volume, columns.volume_is, days),
        turnover=_running(numbers, columns.turnover, columns.turnover_is, days),
        interest=numbers[columns.interest] if columns.interest else None,
        received=received,
        upper=numbers[columns.upper] if columns.upper else None,
        lower=numbers[columns.lower] if columns.lower else None,
        settle=numbers[columns.settle] if columns.settle else None,
        twice=columns.counted_twice,
        notes=tuple(notes),
    )


def contract_of(source: Source, symbol: str) -> Contract:
    """The known contract of a symbol; DataError names the file and how to give an own one."""
    try:
        return known_contract(symbol)
    except ValueError as error:
        raise DataError(f"{source.path}: {error}; then read(path, contract=...)") from error


def only_text(table: Table, column: str) -> str:
    """The one value of a text column; DataError names two when there are more."""
    values = [value for value in table.texts[column].unique().to_pylist() if value]
    if len(values) != 1:
        seen = " and ".join(value[:_SYMBOL_WIDTH] for value in values[:2]) or "nothing"
        raise DataError(f"{table.source.path}: column {column} holds {seen}; give a file of one contract")
    return str(values[0])[:_SYMBOL_WIDTH]


def _symbol(table: Table, columns: ColumnMap, contract: Contract | None) -> str:
    if columns.symbol:
        return only_text(table, columns.symbol)
    if columns.contract or contract:
        return columns.contract or (contract.symbol if contract else "")
    raise DataError(f"{table.source.path}: no contract; add contract or symbol to the column map, or give contract=")


def _levels(table: Table, names: tuple[str, ...]) -> Floats:
    return np.stack([table.numbers[name] for name in names], axis=1)


def _running(numbers: dict[str, Floats], column: str, counted: str, days: Times) -> Floats | None:
    """Cumulative values of a column; changes are summed anew each trading day, a change that is no number is none."""
    if not column:
        return None
    if counted == "cumulative":
        return numbers[column]
    change = np.where(np.isfinite(numbers[column]), numbers[column], 0.0)
    total = np.zeros(len(change))
    for day in np.unique(days):
        total[days == day] = np.cumsum(change[days == day])
    return np.where(np.isfinite(numbers[column]), total, np.nan)


def _stamps(table: Table, column: str, timezone: str) -> tuple[Times, Mask]:
    """A column "YYYY-MM-DD HH:MM:SS.fff" -> (n,) ns UTC, and the rows repaired by `add_fraction`."""
    chars = clock.characters(table.texts[column])
    days, seconds = clock.date_of(chars), clock.clock_of(chars, 11)
    fine = (days != UNREADABLE) & (seconds != UNREADABLE) & ((chars[:, 10] == ord(" ")) | (chars[:, 10] == ord("T")))
    local, repaired = clock.add_fraction(np.where(fine, days * DAY + seconds, UNREADABLE), chars, 19)
    return clock.to_utc(local, timezone), repaired


def _times(table: Table, columns: ColumnMap, spec: Contract, day: date | None) -> tuple[Times, list[Note]]:
    """(n,) ns UTC, and what had to be read differently from how it is written."""
    zone = columns.timezone or spec.timezone
    if columns.time_format in _EPOCH_UNITS:
        unit, written = _EPOCH_UNITS[columns.time_format], table.integers[columns.time]
        fits = (written > 0) & (written < 7_000_000_000_000_000_000 // unit)
        return np.where(fits, written * np.where(fits, unit, 0), UNREADABLE), []
    if columns.time_format == "datetime":
        time, repaired = _stamps(table, columns.time, zone)
        return time, [_unpadded(repaired)]
    if columns.time_format == "packed":
        ns, repaired = clock.packed_clock(table.numbers[columns.time]), np.zeros(len(table), bool)
    else:
        chars = clock.characters(table.texts[columns.time])
        whole = clock.clock_of(chars)
        ns, repaired = _clock(whole, chars)
    notes = [_unpadded(repaired)]
    if columns.date:
        days = clock.day_of(clock.characters(table.texts[columns.date]))
        local, moved = _night_of(days, ns)
        notes.append(Note("date is the trading day", moved, "evening rows moved to the weekday before", REPAIRED))
        return clock.to_utc(local, zone), notes
    if day is None:
        raise DataError(f"{table.source.path}: its rows have no date; give the trading day, read(path, day=date(...))")
    undated = np.ones(len(table), bool)
    notes.append(Note("no date", undated, f"trading day {day} taken from the file name or day=", NOTED))
    return clock.to_utc(sessions.evening_of(day, ns), zone), notes


def _clock(whole: Times, chars: clock.Chars) -> tuple[Times, Mask]:
    """Clock times with fractions; midnight is no step back."""
    hours_on = np.where((whole != UNREADABLE) & (whole < 18 * 3600 * clock.SECOND), DAY, 0)
    ns, repaired = clock.add_fraction(np.where(whole == UNREADABLE, UNREADABLE, whole + hours_on), chars, 8)
    return np.where(ns == UNREADABLE, UNREADABLE, ns - hours_on), repaired


def _night_of(days: Times, ns: Times) -> tuple[Times, Mask]:
    """Days and clock -> ns of the wall clock. Where an evening stands above the day of the same date, that date is the
    trading day, and the evening (and the hours to 06:00) belong to the weekday before; second result: rows moved.
    """
    fine = (days != UNREADABLE) & (ns != UNREADABLE)
    local = np.where(fine, days * DAY + ns, UNREADABLE)
    moved = np.zeros(len(days), bool)
    for value in np.unique(days[fine]).tolist():
        rows = fine & (days == value)
        hour = ns // (3600 * clock.SECOND)
        evening, daytime = np.flatnonzero(rows & (hour >= 18)), np.flatnonzero(rows & (hour >= 8) & (hour < 16))
        if len(evening) and len(daytime) and evening[0] < daytime[0]:
            placed = sessions.evening_of(clock.to_date(value), ns)
            moved |= rows & (placed != local)
            local = np.where(rows, placed, local)
    return local, moved


def _unpadded(repaired: Mask) -> Note:
    why = 'rows seem to run backwards: milliseconds have no leading zeros (".5" is 5 ms); read as such'
    return Note("unpadded milliseconds", repaired, why, REPAIRED)
