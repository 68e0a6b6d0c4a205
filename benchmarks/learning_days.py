"""What learners may learn from: synthetic days before the embedded ones, or what the tournament of a catalogue fits on
and never plays. Both are split by time into learning and validation."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.agents.learner import TrainingError
from lobarena.agents.split import Split, by_days, by_time, clipped
from lobarena.agents.training import Plan
from lobarena.benchmarks.config import settings
from lobarena.benchmarks.programme import fields
from lobarena.data.catalogue import DayFile, days, read_day, rows_of
from lobarena.data.sessions import session_times, weekday_before
from lobarena.sim.hawkes.days import crowd_root, is_crowd

SEED = 0  # of the days: they are the same for every seed of a training
SHARE = 0.55  # of the synthetic days, to learn from: what a policy is worth takes many days to tell


def plan(
    data: str = "synthetic",
    contracts: Sequence[str] = (),
    *,
    train_days: int = 1,
    train_share: float = 0.3,
    embargo_s: float = 60.0,
    episode_minutes: float = 30.0,
    **more: Any,
) -> Plan:
    """The plan of a training on "synthetic" days or a catalogue; `more` are fields of Plan.

    ConfigError, DataError and TrainingError say what to change.
    """
    if data == "synthetic":
        split, files = _synthetic(contracts)
    else:
        split, files = _catalogue(data, contracts, train_days, train_share, embargo_s)
    market = {
        "data": "training" if data == "synthetic" else data,
        "episode_minutes": episode_minutes,
        "seed": SEED,
    }
    digest = hashlib.sha256("".join(file.digest for file in files).encode()).hexdigest()
    return Plan(split, market, data=digest, **more)


def _synthetic(contracts: Sequence[str]) -> tuple[Split, list[DayFile]]:
    """Whole days: sixteen of thirty to learn from, one of embargo, thirteen to validate on."""
    from lobarena.sim.synthetic import training_root

    every = days(training_root(SEED))
    files = [file for file in every if file.symbol in _meant(contracts, every)]
    found: dict[str, list[np.ndarray]] = {}
    for file in files:
        found.setdefault(file.symbol, []).append(_sessions(file))
    return by_days(found, SHARE), files


def _catalogue(
    data: str, contracts: Sequence[str], train_days: int, train_share: float, embargo_s: float
) -> tuple[Split, list[DayFile]]:
    """The training part of `lobarena tournament`, clipped to what is recorded."""
    chosen = settings(
        None,
        {"data": data, "contracts": tuple(contracts), "train_days": train_days}
        | {"train_share": train_share, "embargo_s": embargo_s},
    )
    root = crowd_root(data, SEED) if is_crowd(data) else Path(data)
    if not root.is_dir():
        raise TrainingError(
            f'data is {data!r}: no such folder; give a catalogue of `lobarena data import`, "synthetic" or "crowd"'
        )
    found: dict[str, np.ndarray] = {}
    files: list[DayFile] = []
    for field in fields(chosen, root):
        spans = [_sessions(file, field.cut) for file in field.train]
        found[field.symbol] = np.concatenate([np.zeros((0, 2), np.int64), *spans])
        files += field.train
    if not found:
        raise TrainingError(f"{data} holds no day; import some by `lobarena data import`")
    return by_time(found, embargo_ns=int(embargo_s * 1e9)), files


def _meant(contracts: Sequence[str], files: Sequence[DayFile]) -> set[str]:
    symbols = sorted({file.symbol for file in files})
    meant = set()
    for name in contracts or symbols:
        known = [symbol for symbol in symbols if name.upper() in (symbol, symbol.removesuffix("SYN"))]
        if not known:
            raise TrainingError(f"no contract {name!r} among the synthetic days; choose among {', '.join(symbols)}")
        meant |= set(known)
    return meant


def _sessions(file: DayFile, cut: int = 0) -> np.ndarray:
    """(k, 2) i8 ns UTC: the sessions of a day as far as they are recorded, up to `cut` when there is one."""
    recording = read_day(file)
    times = rows_of(recording)["time"]
    spans = session_times(recording.contract, recording.trading_day, weekday_before(recording.trading_day))
    if not len(times):
        return spans[:0]
    last = int(times[-1]) + 1
    return clipped(spans, int(times[0]), min(cut, last) if cut else last)
