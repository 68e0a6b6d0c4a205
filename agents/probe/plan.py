"""What every layer is asked alike: rows, regimes, true and shifted targets, blocks; made before any layer is read."""

from dataclasses import dataclass

import numpy as np

from lobarena.agents.probe.background import shifted
from lobarena.agents.probe.evidence import Evidence
from lobarena.agents.probe.regimes import REGIMES, regimes

LEAST = 100  # rows of train and of test that a cell needs


@dataclass(frozen=True, eq=False)
class Plan:
    """n rows of train and test, T tasks, R regimes, K lags, B days of test."""

    rows: np.ndarray  # (n,) places in the evidence
    time: np.ndarray  # (n,) i8 ns
    train: np.ndarray  # (n,) bool
    regime: np.ndarray  # (n,) i8
    shift: np.ndarray  # (n, T) f8, units of the targets: the contract's mean on training rows
    scale: np.ndarray  # (n, T) f8: likewise its standard deviation
    y: np.ndarray  # (n, T, 1 + K) f8 standardised targets, then those of every lag
    days: np.ndarray  # (B,) sorted
    block: np.ndarray  # (n,) places in days; -1 for rows of train
    missing: np.ndarray  # (T, R) text: why a cell cannot be measured; "" where it can

    def cell(self, regime: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of the rows of train and of test in a regime."""
        own = self.regime == regime
        return np.flatnonzero(own & self.train), np.flatnonzero(own & ~self.train)

    def by_day(self, rows: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """(B, ...) sums of squares (m, ...) of the rows of each day."""
        of_day = (self.block[rows] == np.arange(len(self.days))[:, None]).astype(np.float64)
        return np.tensordot(of_day, squares, 1)

    def totals(self) -> np.ndarray:
        """(B, T, R, 1 + K) squares about the mean of the regime's training rows, by day of test."""
        found = np.zeros((len(self.days), self.y.shape[1], len(REGIMES), self.y.shape[2]))
        for regime in range(len(REGIMES)):
            before, after = self.cell(regime)
            if len(before) and len(after):
                found[:, :, regime] = self.by_day(after, (self.y[after] - self.y[before].mean(axis=0)) ** 2)
        return found


def make_plan(evidence: Evidence, lags: tuple[float, ...]) -> Plan:
    """Nothing of it but the targets' shifts inside the test knows what comes after a row."""
    rows = np.flatnonzero(evidence.train | evidence.test)
    train, contract, time = evidence.train[rows], evidence.contract[rows], evidence.time[rows]
    regime = regimes(evidence.volatility[rows], contract, train)
    targets = evidence.targets[rows].astype(np.float64)
    shift, scale = _units(targets, contract, train)
    y = (targets - shift) / scale
    group = np.unique(contract, return_inverse=True)[1] * 2 + train
    moved = shifted(y, group * len(REGIMES) + regime, time, lags)
    days, block = np.unique(evidence.day[rows][~train], return_inverse=True)
    blocks = np.full(len(rows), -1)
    blocks[~train] = block
    return Plan(
        rows=rows,
        time=time,
        train=train,
        regime=regime,
        shift=shift,
        scale=scale,
        y=np.concatenate([y[:, :, None], moved], axis=2),
        days=days,
        block=blocks,
        missing=_missing(y, regime, train),
    )


def _units(targets: np.ndarray, contract: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, T) means and deviations of each contract's training rows; a target that never moved there keeps its unit."""
    shift, scale = np.empty_like(targets), np.empty_like(targets)
    for one in np.unique(contract):
        own = contract == one
        shift[own] = targets[own & train].mean(axis=0)
        deviation = targets[own & train].std(axis=0)
        scale[own] = np.where(_moves(targets[own & train]), deviation, 1.0)
    return shift, scale


def _moves(values: np.ndarray) -> np.ndarray:
    """(T,) bool: whether a column holds more than one value."""
    return np.asarray(values.max(axis=0) > values.min(axis=0))


def _missing(y: np.ndarray, regime: np.ndarray, train: np.ndarray) -> np.ndarray:
    found = np.full((y.shape[1], len(REGIMES)), "", dtype=object)
    for place in range(len(REGIMES)):
        for part, name in ((train, "train"), (~train, "test")):
            own = y[part & (regime == place)]
            if len(own) < LEAST:
                found[:, place] = f"{len(own)} rows in {name}, {LEAST} are needed"
                break
            found[~_moves(own) & (found[:, place] == ""), place] = f"the target is constant in {name}"
    return found
