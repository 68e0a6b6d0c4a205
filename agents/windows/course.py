"""The days of one contract in the order of time: what is learnt from, what is chosen on, what is kept for the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lobarena.agents.windows.day import Day
from lobarena.agents.windows.targets import HORIZON_S

SHARE = 0.8  # of the training looks that are learnt from; the rest, later, is for validation
EMBARGO_NS = 60 * 10**9


@dataclass(frozen=True, eq=False)
class Course:
    """One contract. Masks are (n,) bool, one a day; learn, validate and test never overlap, and are in this order."""

    symbol: str
    days: tuple[Day, ...]
    learn: tuple[np.ndarray, ...]
    validate: tuple[np.ndarray, ...]
    test: tuple[np.ndarray, ...]
    fitted: Mapping[str, float] = field(default_factory=dict)  # what `agents.calibration.fit` found on training days

    def part(self, name: str) -> tuple[list[Day], list[np.ndarray]]:
        """Days and masks of a part, days without any of it left out."""
        pairs = [(day, mask) for day, mask in zip(self.days, getattr(self, name), strict=True) if mask.any()]
        return [day for day, _ in pairs], [mask for _, mask in pairs]


def course(
    symbol: str, days: Sequence[Day], first_test: int, share: float = SHARE, embargo_ns: int = EMBARGO_NS
) -> Course:
    """Split a contract's days, in order, at the moment `first_test` (ns UTC) from which on nothing may be learnt.

    A look is learnt from, or chosen on, only if its targets are known before the next part begins; the embargo lies
    between the parts. ValueError when a part is empty.
    """
    horizon = round(HORIZON_S * 1e9)
    readable = [np.isfinite(day.targets).all(1) for day in days]
    times = np.concatenate([day.time[known] for day, known in zip(days, readable, strict=True)])
    before = np.sort(times[times < first_test - horizon])
    if len(before) < 2:
        raise ValueError(f"{symbol} has no look to learn from before its test part; give more days")
    cut = int(before[min(len(before) - 1, int(share * len(before)))])
    parts = {
        "learn": (0, cut - horizon),
        "validate": (cut + embargo_ns, first_test - horizon),
        "test": (first_test, 2**62),
    }
    masks = {
        name: tuple(known & (day.time >= start) & (day.time < end) for day, known in zip(days, readable, strict=True))
        for name, (start, end) in parts.items()
    }
    for name, found in masks.items():
        if not any(mask.any() for mask in found):
            raise ValueError(f"{symbol} has no look for {name}; give more days, or days with longer sessions")
    return Course(symbol, tuple(days), masks["learn"], masks["validate"], masks["test"])
