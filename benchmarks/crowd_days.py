"""Which recorded windows a crowd is fitted to, and which it is told against: split by time, the later untouched."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lobarena.benchmarks.stylised import windows_of
from lobarena.data.catalogue import days, read_day
from lobarena.data.contracts import Contract
from lobarena.data.recording import DataError, Recording
from lobarena.data.schema import TRADING

SHARE = 0.6  # of a contract's only day, to fit to


@dataclass(frozen=True, slots=True)
class Halves:
    """Windows of five minutes of one contract, half seconds apart."""

    contract: Contract
    train: list[np.ndarray]
    test: list[np.ndarray]
    train_text: str  # where they are from
    test_text: str
    recording: Recording  # the last day
    cut: int  # ns UTC, from which on the test's part of that day is


def symbols_of(root: str | Path) -> list[str]:
    """The contracts of a catalogue."""
    return sorted({day.symbol for day in days(root)})


def halves(root: str | Path, symbol: str, share: float = SHARE) -> Halves:
    """The last day of a contract for the test, earlier ones to fit to; of a single day the first `share`.

    A day without a whole window counts as none. DataError for an unknown contract and for records of events.
    """
    found = [(file, read_day(file)) for file in days(root, symbol=symbol)]
    if not found:
        raise DataError(f"{root} holds no {symbol}; it holds {', '.join(symbols_of(root)) or 'nothing'}")
    recorded = []
    for file, one in found:
        if not isinstance(one, Recording):
            raise DataError(f"{file.path} is a record of events; a crowd is fitted to snapshots of best quotes")
        if (one.snapshots["kind"] == TRADING).any() and (rows := windows_of(one.snapshots)):
            recorded.append((one, rows))
    if not recorded:
        raise DataError(f"{symbol} in {root} has no five minutes without a hole; import longer days")
    last, windows = recorded[-1]
    name = f"{symbol} {last.trading_day}"
    if len(recorded) == 1:
        count = max(1, round(len(windows) * share))
        train, test = windows[:count], windows[count:]
        texts = (f"{name}, first {share:.0%} by time", f"{name}, last {1 - share:.0%} by time")
    else:
        train, test = [rows for _, found in recorded[:-1] for rows in found], windows
        texts = (f"{symbol} " + ", ".join(str(one.trading_day) for one, _ in recorded[:-1]), name)
    cut = int(test[0]["time"][0]) if test else 2**62
    return Halves(last.contract, train, test, *texts, last, cut)


def spans(windows: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """(start, end) ns UTC of each window."""
    return [(int(rows["time"][0]), int(rows["time"][-1])) for rows in windows]
