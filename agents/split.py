"""Learning and validation, split by time with an embargo (walk-forward): validation is always later.

Both lie in what the caller says may be learnt from; what a tournament plays is never in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lobarena.agents.learner import TrainingError

SHARE = 0.7  # of the time, or of the days, to learn from


@dataclass(frozen=True)
class Part:
    """A stretch of some contracts, as the environment takes it: contract=contracts, between=between."""

    contracts: tuple[str, ...]
    between: tuple[int, int]  # ns UTC


@dataclass(frozen=True)
class Split:
    """What is learnt from and what is validated on; contracts of the same stretches are one part."""

    train: tuple[Part, ...]
    validation: tuple[Part, ...]


def by_days(days: Mapping[str, Sequence[np.ndarray]], share: float = SHARE, embargo: int = 1) -> Split:
    """Whole days: the first `share` of each contract's days, `embargo` days of nothing, the rest.

    days : contract -> its days in order, each (k, 2) i8 ns UTC, start and end of its sessions
    TrainingError when a contract has too few days.
    """
    found = {}
    for symbol, spans in days.items():
        first = max(1, int(share * len(spans)))
        rest = first + embargo
        if rest >= len(spans):
            raise TrainingError(
                f"{symbol} has {len(spans)} days to learn from; with an embargo of {embargo} at least "
                f"{embargo + 2} are needed, or a split by time"
            )
        found[symbol] = (_hull(spans[:first]), _hull(spans[rest:]))
    return _grouped(found)


def by_time(sessions: Mapping[str, np.ndarray], share: float = SHARE, embargo_ns: int = 60 * 10**9) -> Split:
    """Trading time: the first `share` of each contract's sessions, an embargo, the rest.

    sessions : contract -> (k, 2) i8 ns UTC, start and end of all sessions that may be learnt from, in order
    TrainingError when nothing is left on a side.
    """
    found = {}
    for symbol, spans in sessions.items():
        cut = _moment(spans, share) if len(spans) else 0
        opens = _after(spans, cut + embargo_ns)
        if not len(spans) or cut <= spans[0, 0] or opens >= spans[-1, 1]:
            raise TrainingError(
                f"{symbol} has too little time to learn from for an embargo of {embargo_ns / 1e9:g} s; "
                "give more days, or a larger train share"
            )
        found[symbol] = ((int(spans[0, 0]), cut), (opens, int(spans[-1, 1])))
    return _grouped(found)


def clipped(sessions: np.ndarray, first: int, last: int) -> np.ndarray:
    """The parts of (k, 2) sessions inside [first, last), ns UTC; those outside are left out."""
    inside = np.clip(sessions, first, last)
    return np.asarray(inside[inside[:, 0] < inside[:, 1]])


def _hull(spans: Sequence[np.ndarray]) -> tuple[int, int]:
    return int(spans[0][0, 0]), int(spans[-1][-1, 1])


def _moment(spans: np.ndarray, share: float) -> int:
    """When `share` of the sessions' time is over."""
    lengths = np.diff(spans, axis=1)[:, 0]
    left = int(share * int(lengths.sum()))
    for (start, _), length in zip(spans.tolist(), lengths.tolist(), strict=True):
        if left <= length:
            return int(start + left)
        left -= length
    return int(spans[-1, 1])


def _after(spans: np.ndarray, moment: int) -> int:
    """The moment, or the start of the session after it when it lies between two."""
    for start, end in spans.tolist():
        if moment < end:
            return max(moment, int(start))
    return moment


def _grouped(found: Mapping[str, tuple[tuple[int, int], tuple[int, int]]]) -> Split:
    sides: list[tuple[Part, ...]] = []
    for side in (0, 1):
        same: dict[tuple[int, int], list[str]] = {}
        for symbol, spans in found.items():
            same.setdefault(spans[side], []).append(symbol)
        sides.append(tuple(Part(tuple(symbols), between) for between, symbols in same.items()))
    return Split(*sides)
