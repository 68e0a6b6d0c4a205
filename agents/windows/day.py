"""One day as forecasters learn from it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lobarena.agents.windows.looks import looks
from lobarena.agents.windows.numbers import COUNT, NAMES, STATE, read_all
from lobarena.agents.windows.targets import HORIZON_S, targets
from lobarena.agents.windows.units import Units
from lobarena.sim.feed import Feed

VOLATILITY = NAMES.index("volatility, 60 s")


@dataclass(frozen=True, eq=False)
class Day:
    """The n looks of one day of one contract; nothing of a row but its targets knows what comes after it."""

    symbol: str
    day: int  # YYYYMMDD
    time: np.ndarray  # (n,) i8 ns UTC
    place: np.ndarray  # (n,) i8 looks in a row up to this one; 0 where it cannot be read
    numbers: np.ndarray  # (n, COUNT) f4
    targets: np.ndarray  # (n, 3) f8 TASKS; NaN where not known
    scales: np.ndarray  # (3, 2) f8: what is usual of each target and what it is measured by, from training days
    digest: str  # of the day's record, the units and the horizon
    limits: tuple[int, int] = (0, 0)  # ticks, lowest and highest legal price

    @property
    def volatility(self) -> np.ndarray:
        """(n,) f4 log of the realised volatility of the past minute by its mean."""
        return self.numbers[:, VOLATILITY]

    @property
    def scaled(self) -> np.ndarray:
        """(n, 3) f8 targets in units of the contract, so that contracts can be learnt from together."""
        return np.asarray((self.targets - self.scales[:, 0]) / self.scales[:, 1])


def read_day(feed: Feed, fitted: Mapping[str, float], horizon_s: float = HORIZON_S) -> Day:
    """A day's looks, numbers and targets; `fitted` is what `agents.calibration.fit` found on training days."""
    units = Units.of(fitted)
    seen = looks(feed)
    numbers, place = np.zeros((len(seen), COUNT), np.float32), np.zeros(len(seen), np.int64)
    read_all(seen, np.zeros(1, STATE), units.record(), numbers, place)
    digest = hashlib.sha256(f"{feed.contract.symbol} {feed.day} {feed.digest} {units} {horizon_s} {NAMES}".encode())
    if not feed.digest:
        digest.update(seen.tobytes())
    return Day(
        symbol=feed.contract.symbol,
        day=int(f"{feed.day:%Y%m%d}"),
        time=seen["published"].copy(),
        place=place,
        numbers=numbers,
        targets=targets(seen, place, horizon_s),
        scales=scales(units, horizon_s),
        digest=digest.hexdigest(),
        limits=(feed.lower, feed.upper),
    )


def scales(units: Units, horizon_s: float = HORIZON_S) -> np.ndarray:
    """(3, 2) f8: shift and scale of each target, from the contract's units alone."""
    steps = horizon_s / 0.5
    return np.array(
        [[0.0, units.move * np.sqrt(steps)], [units.spread, units.spread], [np.log1p(units.volume * steps), 1.0]]
    )
