"""One call for any file: its first bytes tell the format, the header of a CSV its layout."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from lobarena.data import (
    bestquote,
    binance,
    databento,
    hftbacktest,
    lobster,
    sse,
    sse_snapshots,
    starquant,
    tqsdk,
    vnpy,
    wondertrader,
)
from lobarena.data.checks import check
from lobarena.data.clock import UNREADABLE, to_date, to_days
from lobarena.data.columns import ColumnMap, contract_of, load_columns, read_columns
from lobarena.data.contracts import Contract
from lobarena.data.raw import Raw, Times, take
from lobarena.data.recording import NOTED, DataError, EventRecording, Recording
from lobarena.data.source import LIMIT, Source, open_source, peek

Reader = Callable[[Source, Contract | None, date | None], Raw | list[Raw]]  # a list: one a contract

Events = Callable[[Path, Contract | None, date | None, int], list[EventRecording]]

FORMATS: dict[str, tuple[Callable[[Path, bytes], bool], Events]] = {  # name: (is it this one?, reader)
    "hftbacktest": (hftbacktest.matches, hftbacktest.read),
    "Binance futures": (binance.matches, binance.read),
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
    "Shanghai snapshots": (sse_snapshots.COLUMNS, sse_snapshots.MORE, sse_snapshots.read),
}


def read(
    path: str | Path,
    *,
    contract: Contract | None = None,
    columns: ColumnMap | str | Path | None = None,
    day: date | None = None,
    symbol: str | None = None,
    split: bool = False,
    strict: bool = False,
    limit: int = LIMIT,
) -> list[Recording | EventRecording]:
    """The recordings of a file, one a contract and day: a .csv, .csv.gz or .zip of snapshots, or one of FORMATS.

    `contract` for a product that is not in the table; `columns` (or the path of its TOML file) for another layout;
    `day`, the trading day, for a file that does not say it; `symbol`, which contract, for a file of snapshots of
    several. A file of several days, or of several contracts none of which is named, is refused unless `split`.
    `strict` refuses whatever is not merely noted; `limit` bounds the unpacked bytes. DataError names file and fix.
    """
    if columns is None and (events := _events(Path(path), limit)) is not None:
        if symbol is not None:
            raise DataError(f"{path} holds events, of one contract; leave symbol= out")
        recordings = events(Path(path), contract, day, limit)
        _one_day(path, sorted({one.trading_day for one in recordings}), day, split)
        if strict:
            _strictly(path, recordings)
        return list(recordings)
    source = open_source(path, limit)
    if columns is None:
        made = _layout(source)(source, contract, day)
    else:
        chosen = columns if isinstance(columns, ColumnMap) else load_columns(columns)
        made = read_columns(source, chosen, contract, day)
    several = isinstance(made, list) and len(made) > 1
    named = contract.symbol if contract is not None and symbol is None and several else symbol
    raws = _named(path, made if isinstance(made, list) else [made], named, split)
    return [one for raw in raws for one in _recordings(path, raw, contract, day, split, strict)]


def _recordings(
    path: str | Path, raw: Raw, contract: Contract | None, day: date | None, split: bool, strict: bool
) -> list[Recording]:
    """The recordings of one contract's rows, one a trading day."""
    spec = contract or raw.contract or contract_of(raw.source, raw.symbol)
    if spec.symbol == spec.code and raw.symbol.upper().startswith(spec.code.upper()):
        spec = replace(spec, symbol=raw.symbol.upper())
    days = _days(raw)
    found = [to_date(value) for value in np.unique(days).tolist()]
    _one_day(path, found, day, split)
    return [check(take(raw, days == to_days(one)), spec, one, strict) for one in found]


def _named(path: str | Path, raws: list[Raw], symbol: str | None, split: bool) -> list[Raw]:
    """The rows of the contract that is named; all, where none is and the file may be split."""
    there = _some([raw.symbol for raw in raws])
    if symbol is None:
        if len(raws) > 1 and not split:
            raise DataError(f"{path} holds {there}; name one by symbol=, or pass split=True for one recording each")
        return raws
    chosen = [raw for raw in raws if raw.symbol.upper() == symbol.upper()]
    if not chosen:
        raise DataError(f"{path} holds {there}, not {symbol}; name another by symbol=, or leave it out")
    return chosen


def _events(path: Path, limit: int) -> Events | None:
    """The reader of a file of events; None for anything else."""
    head = peek(path, _HEAD)
    return next((reader for matches, reader in FORMATS.values() if matches(path, head)), None)


def _one_day(path: str | Path, found: list[date], day: date | None, split: bool) -> None:
    """DataError when a file holds another day than the one asked for, or several that nobody asked to split."""
    if day is not None and found != [day]:
        raise DataError(f"{path} holds {_list(found)}, not only the day={day} asked for; leave day= out")
    if len(found) > 1 and not split:
        raise DataError(f"{path} holds {_list(found)}; pass split=True for one recording a day")


def _strictly(path: str | Path, recordings: list[EventRecording]) -> None:
    """DataError at the first finding that is not merely noted."""
    for finding in (finding for recording in recordings for finding in recording.findings):
        if finding.action != NOTED:
            raise DataError(f"{path}, row {finding.first_row}: {finding}. Mend the file, or read it not strictly")


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
    if gone.all():
        kinds = ", ".join(kind for kind, mask in raw.gone.items() if mask.any())
        raise DataError(f"{raw.source.path}: no row of {raw.symbol} shows a market ({kinds}); give a longer recording")
    if not told.any():
        raise DataError(f"{raw.source.path}: no row has a time that can be read; check the time column, row 1")
    stray = ~told & ~np.isin(days, days[told])
    last = np.maximum.accumulate(np.where(~stray, np.arange(len(days)), -1))
    last[last < 0] = np.flatnonzero(~stray)[0]
    return np.asarray(days[last])


def _list(days: list[date]) -> str:
    return f"the trading day{'s' if len(days) > 1 else ''} {_some([str(day) for day in days])}"


def _some(names: list[str]) -> str:
    return " and ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
