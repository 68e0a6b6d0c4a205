"""Stored features of the days of a catalogue, with what came after them, as evidence for the probe.

Train and test are split by time: of several days the last is the test; a single day is cut at CUT of its trading time,
and an embargo follows. Units are fitted on what is before the test alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lobarena.agents.calibration import fit
from lobarena.agents.probe.evidence import Evidence
from lobarena.agents.probe.readout import fit_readout
from lobarena.agents.split import by_time
from lobarena.agents.teacher.hidden import joined
from lobarena.agents.teacher.store import Store
from lobarena.agents.windows.day import Day
from lobarena.agents.windows.day import read_day as windows_of
from lobarena.agents.windows.targets import HORIZON_S, TASKS
from lobarena.benchmarks.programme import clip
from lobarena.data.catalogue import DayFile, read_day
from lobarena.data.recording import DataError
from lobarena.sim.feed import feed_of

CUT = 0.6  # of the time of a contract's only day
EMBARGO_S = 60.0


@dataclass(frozen=True, eq=False)
class Split:
    """The days of a contract and where its test begins."""

    days: tuple[Day, ...]
    ends: int  # ns UTC: what is before is train
    begins: int  # ns UTC: from here on is test


@dataclass(frozen=True, eq=False)
class Windows:
    """What the evidence was made of."""

    evidence: Evidence
    number: np.ndarray  # (n,) i8 which of the stores
    look: np.ndarray  # (n,) i8 of its day's looks
    scales: np.ndarray = field(repr=False)  # (n, 3, 2) of the targets


def split(files: Sequence[DayFile]) -> Split:
    """Of one contract's days in order."""
    recordings = [read_day(file) for file in files]
    feeds = [feed_of(one, digest=file.digest) for one, file in zip(recordings, files, strict=True)]
    if len(files) > 1:
        ends = begins = int(feeds[-1].sessions[0, 0])
        learn = feeds[:-1]
    else:
        symbol = files[0].symbol
        parts = by_time({symbol: feeds[0].sessions}, CUT, round(EMBARGO_S * 1e9))
        ends, begins = parts.train[0].between[1], parts.validation[0].between[0]
        learn = [feed_of(clip(recordings[0], ends))]
    try:
        fitted = fit(learn)
        return Split(tuple(windows_of(feed, fitted) for feed in feeds), ends, begins)
    except ValueError as error:  # too little is traded for units
        raise DataError(f"{files[0].symbol} before its test: {error}") from error


def gather(splits: Sequence[Split], stores: Sequence[Store], pooling: str, source: Mapping[str, Any]) -> Windows:
    """The windows of some days and their stored states.

    stores : one for each day of the splits, in their order
    """
    days = [(one, day) for one in splits for day in one.days]
    rows = [store.rows for store in stores]
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("targets", "raw", "volatility", "time")}
    labels: dict[str, list[np.ndarray]] = {
        name: [] for name in ("contract", "day", "number", "train", "test", "scales")
    }
    horizon = round(HORIZON_S * 1e9)
    for place, ((part, day), at) in enumerate(zip(days, rows, strict=True)):
        targets, time = day.targets[at], day.time[at]
        known = np.isfinite(targets).all(axis=1)
        columns["targets"].append(targets)
        columns["raw"].append(day.numbers[at].astype(np.float64))
        columns["volatility"].append(day.volatility[at].astype(np.float64))
        columns["time"].append(time)
        labels["contract"].append(np.full(len(at), day.symbol))
        labels["day"].append(np.full(len(at), day.day))
        labels["number"].append(np.full(len(at), place))
        labels["train"].append(known & (time + horizon <= part.ends))
        labels["test"].append(known & (time >= part.begins))
        labels["scales"].append(np.broadcast_to(day.scales, (len(at), *day.scales.shape)))
    joint = {name: np.concatenate(parts) for name, parts in (columns | labels).items()}
    number, scales = joint.pop("number"), joint.pop("scales")
    hidden = joined([store.hidden(pooling) for store in stores])
    try:
        made = Evidence(hidden=hidden, **joint, names=stores[0].identity.layers, tasks=TASKS, source=dict(source))
    except ValueError as error:
        raise DataError(f"nothing can be probed here: {error}") from error
    return Windows(made, number, np.concatenate(rows), scales)


def head(windows: Windows) -> Any:
    """Ridge on the last layer, fitted on the rows of train: (states (m, D), rows (m,)) -> (m, T) in raw units.

    Targets are learnt in units of their contract, so that contracts can be learnt from together.
    """
    evidence = windows.evidence
    train = np.flatnonzero(evidence.train)
    states = np.asarray(evidence.hidden[train, len(evidence.names) - 1], np.float64)
    mean, sd = states.mean(axis=0), states.std(axis=0)
    sd[sd == 0] = 1
    shift, scale = windows.scales[..., 0], windows.scales[..., 1]
    scaled = (evidence.targets[train] - shift[train]) / scale[train]
    readout = fit_readout((states - mean) / sd, scaled, evidence.time[train])

    def forecast(found: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.asarray(readout.forecast((found - mean) / sd) * scale[rows] + shift[rows])

    return forecast
