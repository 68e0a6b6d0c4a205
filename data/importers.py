"""One call for any file: its first bytes tell the format, the header of a CSV its layout."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from lobarena.data import bestquote, databento, lobster, sse, starquant, tqsdk, vnpy, wondertrader
from lobarena.data.checks import check
from lobarena.data.clock import UNREADABLE, to_date, to_days
from lobarena.data.columns import ColumnMap, contract_of, load_columns, read_columns
from lobarena.data.contracts import Contract
from lobarena.data.raw import Raw, Times, take
from lobarena.data.recording import DataError, EventRecording, Recording
from lobarena.data.source import LIMIT, Source, open_source, peek

Reader = Callable[[Source, Contract | None, date | None], Raw]

Events = Callable[[Path, Contract | None, date | None, int], list[EventRecording]]

FORMATS: dict[str, tuple[Callable[[Path, bytes], bool], Events]] = {  # name: (is it this one?, reader)
    "LOBSTER": (lobster.matches, lobster.read),
    "Databento DBN": (databento.matches, databento.read),
    "Shanghai Level-2": (sse.matches, sse.read_events),
}
_HEAD = 4_096  # first bytes of a file, unpacked, that tell its format

LAYOUTS: dict[str, tuple[ColumnMap, tuple[str, ...], Reader]] = {  # map, further columns, reader
    "WonderTrader": (wondertrader.COLUMNS, (), wondertrader.read),
    "StarQuant": (starquant.COLUMNS, ("size", "depth"), starquant.read),
    "best quote": (bestquote.COLUMNS, (), bestquote.read),
    "vn.py": (vnpy.COLUMNS, (), vnpy.read),
    "TqSdk": (tqsdk.COLUMNS, (), tqsdk.read),
}


def read(
    path: str | Path,
    *,
    contract: Contract | None = None,
    columns: ColumnMap | str | Path | None = None,
    day: date | None = None,
    split: bool = False,
    strict: bool = False,
    limit: int = LIMIT,
) -> list[Recording | EventRecording]:
    """The recordings of a file, one a trading day: a .csv, .csv.gz or .zip of snapshots, or one of FORMATS.

    `contract` for a product that is not in the table; `columns` (or the path of its TOML file) for another layout;
    `day`, the trading day, for a file that does not say it. Snapshots of several days are refused unless `split`.
    `strict` refuses whatever is not merely noted; `limit` bounds the unpacked bytes. DataError names file and fix.
    """
    if columns is None and (events := _events(Path(path), limit)) is not None:
        return list(events(Path(path), contract, day, limit))
    source = open_source(path, limit)
    if columns is None:
        raw = _layout(source)(source, contract, day)
    else:
        chosen = columns if isinstance(columns, ColumnMap) else load_columns(columns)
        raw = read_columns(source, chosen, contract, day)
    spec = contract or contract_of(source, raw.symbol)
    if spec.symbol == spec.code and raw.symbol.upper().startswith(spec.code.upper()):
        spec = replace(spec, symbol=raw.symbol.upper())
    days = _days(raw)
    found = [to_date(value) for value in np.unique(days).tolist()]
    if day is not None and found != [day]:
        raise DataError(f"{path} holds {_list(found)}, not only the day={day} asked for; leave day= out")
    if len(found) > 1 and not split:
        raise DataError(f"{path} holds {_list(found)}; pass split=True for one recording a day")
    return [check(take(raw, days == to_days(one)), spec, one, strict) for one in found]


def _events(path: Path, limit: int) -> Events | None:
    """The reader of a file of events; None for anything else."""
    head = peek(path, _HEAD)
    return next((reader for matches, reader in FORMATS.values() if matches(path, head)), None)


def _layout(source: Source) -> Reader:
    """The reader of a header; DataError lists the known layouts, the nearest one and what it lacks."""
    header = set(source.header)
    missing = {
        name: [column for column in (*known.numbers, *known.texts, *known.integers, *more) if column not in header]
        for name, (known, more, _) in LAYOUTS.items()
    }
    for name, lacks in missing.items():
        if not lacks:
            return LAYOUTS[name][2]
    shares = {name: len(lacks) / len(LAYOUTS[name][0].numbers) for name, lacks in missing.items()}
    nearest = min(shares, key=lambda name: shares[name])
    lacks = missing[nearest]
    more = f" and {len(lacks) - 8} more" if len(lacks) > 8 else ""
    shown = ", ".join(source.header)[:200]
    raise DataError(
        f"{source.path}: unknown columns ({shown}). Known layouts: {', '.join(LAYOUTS)}; nearest is {nearest}, which "
        f"also needs {', '.join(lacks[:8])}{more}. For another layout pass read(path, columns=ColumnMap(...)) or the "
        "path of a TOML file; lobarena.data.columns shows one"
    )


def _days(raw: Raw) -> Times:
    """(n,) trading day of each row, days since the epoch. Rows that tell none, and the stubs and blank lines of a day
    without other rows, go with the row before them, the first ones with the row after.
    """
    days = raw.day.copy()
    gone = np.any(list(raw.gone.values()), axis=0)
    told = ~gone & (days != UNREADABLE) & (raw.time != UNREADABLE)
    if not told.any():
        raise DataError(f"{raw.source.path}: no row has a time that can be read; check the time column, row 1")
    stray = ~told & ~np.isin(days, days[told])
    last = np.maximum.accumulate(np.where(~stray, np.arange(len(days)), -1))
    last[last < 0] = np.flatnonzero(~stray)[0]
    return np.asarray(days[last])


def _list(days: list[date]) -> str:
    shown = " and ".join(str(day) for day in days[:4]) + (f" and {len(days) - 4} more" if len(days) > 4 else "")
    return f"the trading day{'s' if len(days) > 1 else ''} {shown}"
