"""The days that forecasters learn from and are judged on: split as a tournament of the same data splits them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lobarena.agents.calibration import fit
from lobarena.agents.windows.course import Course, course
from lobarena.agents.windows.day import read_day
from lobarena.benchmarks.config import settings
from lobarena.benchmarks.programme import fields, training
from lobarena.data.catalogue import days, rows_of
from lobarena.data.catalogue import read_day as recorded
from lobarena.sim.feed import feed_of
from lobarena.sim.synthetic import embedded_root, training_root


def courses(
    data: str, contracts: Sequence[str] = (), train_days: int = 10**6, train_share: float = 0.6, embargo_s: float = 60.0
) -> list[Course]:
    """Every contract of a catalogue, of the embedded days ("synthetic") or of the made-up training days ("training").

    A contract's first `train_days`, at most all but its last, may be learnt from and chosen on; of a contract with a
    single day the first `train_share` may. Of the made-up training days all may, and the embedded days are the test.
    ConfigError and ValueError say what is missing.
    """
    if data == "training":
        return _made_up(contracts, train_days)
    options = {"data": data, "contracts": tuple(contracts), "train_days": train_days}
    config = settings(None, options | {"train_share": train_share, "embargo_s": embargo_s})
    found = []
    for contract in fields(config, embedded_root(0) if data == "synthetic" else Path(data)):
        fitted = fit([feed_of(day) for day in training(contract)])
        files = list(dict.fromkeys((*contract.train, *contract.test)))
        read = [read_day(feed_of(recorded(file), digest=file.digest), fitted) for file in files]
        first = contract.cut + round(embargo_s * 1e9)
        if not contract.cut:
            first = int(rows_of(recorded(contract.test[0]))["time"][0])
        found.append(replace(course(contract.symbol, read, first), fitted=fitted))
    return found


def _made_up(contracts: Sequence[str], train_days: int) -> list[Course]:
    options = {"data": "synthetic", "contracts": tuple(contracts), "train_days": 0}  # every embedded day is played
    found = []
    for contract in fields(settings(None, options), embedded_root(0)):
        before = days(training_root(0), symbol=contract.symbol)[:train_days]
        feeds = [feed_of(recorded(file), digest=file.digest) for file in (*before, *contract.test)]
        fitted = fit(feeds[: len(before)])
        first = int(rows_of(recorded(contract.test[0]))["time"][0])
        read = [read_day(feed, fitted) for feed in feeds]
        found.append(replace(course(contract.symbol, read, first), fitted=fitted))
    return found
