"""What students learn from: looks in rows, what came after them, and what a teacher held of them, row by row.

Students, like their teacher, learn what the line of a contract leaves over (`teacher.base`): no student could tell from
the numbers which contract it reads, and so not forecast its level.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lobarena.agents.learner import TrainingError
from lobarena.agents.teacher.base import Base
from lobarena.agents.teacher.chunks import Rows
from lobarena.agents.windows.day import VOLATILITY, Day
from lobarena.agents.windows.numbers import INSTANT
from lobarena.agents.windows.targets import TASKS

REGIMES = 3  # terciles of past volatility
TARGET_CUT = 6.0  # standard deviations at which a target is cut, so that one jump does not outweigh a day
_STATE_CUT = 10.0  # likewise a teacher's unit
_ROWS = 20_000  # that a teacher's states are standardised by


@dataclass(frozen=True, eq=False)
class Told:
    """What a teacher held of n looks."""

    states: Any  # (n, L, D) f2 or f4, an array or a memory map read row by row; early layers first
    forecast: np.ndarray  # (n, 3) f4 in units of the contract, in `Lessons` as a target; NaN where it has not read

    def __post_init__(self) -> None:
        if len(self.states.shape) != 3 or min(self.states.shape[1:]) < 1 or len(self.states) != len(self.forecast):
            raise TrainingError(
                f"states of shape {tuple(self.states.shape)} beside {len(self.forecast):,} forecasts; "
                "give (n, layers, width) of the very looks that are learnt from"
            )


@dataclass(frozen=True, eq=False)
class Units:
    """What everything is measured by; of training looks alone, and kept with the weights."""

    shift: np.ndarray  # (INSTANT,) of the numbers
    scale: np.ndarray  # (INSTANT,)
    mean: np.ndarray  # (3,) of the targets, themselves what the lines leave over
    sd: np.ndarray  # (3,)
    cuts: np.ndarray  # (REGIMES - 1,) of the volatility

    def regime(self, volatility: np.ndarray) -> np.ndarray:
        """(n,) -> (n,) i8 from calm to volatile; a value that equals a cut belongs to the calmer side."""
        return np.searchsorted(self.cuts, volatility).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Lessons:
    """n looks of some days. Rows whose target is NaN are read, never asked for."""

    numbers: np.ndarray  # (n, INSTANT) f4
    volatility: np.ndarray  # (n,) f4
    target: np.ndarray  # (n, 3) f4 what the line leaves over, in its standard deviations; NaN where not known
    line: np.ndarray  # (n, 3) f4 in units of the contract
    contract: np.ndarray  # (n,) i8 which line
    begins: np.ndarray  # (k,) i8 first look of each row of looks
    ends: np.ndarray  # (k,) i8 one behind its last
    base: Base  # the lines
    told: Told | None = None

    @classmethod
    def of(
        cls,
        days: Sequence[Day],
        wanted: Sequence[np.ndarray] | None = None,
        told: Told | None = None,
        base: Base | None = None,
        contracts: Sequence[str] = (),
    ) -> "Lessons":
        """wanted : for each day (n,) bool, looks whose targets may be used; told : of all looks of the days in order

        base : the lines of `contracts`; without any the targets themselves are learnt
        """
        base = base or Base.none(len(contracts))
        rows = Rows.of(days, wanted, contracts)
        if told is not None and len(told.forecast) != len(rows.numbers):
            raise TrainingError(
                f"the teacher told of {len(told.forecast):,} looks, the days have {len(rows.numbers):,}"
            )
        line = base.line(rows.numbers, rows.contract)
        if told is not None:
            told = replace(told, forecast=_f4((told.forecast - line) / base.sd[rows.contract]))
        return cls(
            numbers=np.ascontiguousarray(rows.numbers[:, :INSTANT]),
            volatility=rows.numbers[:, VOLATILITY].copy(),
            target=_f4(base.left(rows)),
            line=_f4(line),
            contract=rows.contract,
            begins=rows.begins,
            ends=rows.ends,
            base=base,
            told=told,
        )

    def whole(self, left: np.ndarray, base: Base | None = None) -> np.ndarray:
        """(n, 3) targets, or forecasts of them -> in units of the contract, line included.

        base : the same lines with shares of a correction; without it the whole correction counts
        """
        gain = self.base.sd if base is None else base.sd * base.share
        return np.asarray(self.line + gain[self.contract] * left)

    def shared(self, left: np.ndarray) -> Base:
        """The lines with the share of a correction, (n, 3) as a target, NaN where there is none, that helps here."""
        return self.base.shared(self.target, self.contract, left)

    @property
    def known(self) -> np.ndarray:
        """(n,) bool: looks that can be asked for."""
        return np.asarray(np.isfinite(self.target).all(1))

    def heard(self) -> np.ndarray:
        """(n,) i8 looks in a row up to each of which the teacher told, without a break; zeros without a teacher."""
        count = np.zeros(len(self.numbers), np.int64)
        if self.told is None:
            return count
        there = np.isfinite(self.told.forecast).all(1)
        for begin, end in zip(self.begins.tolist(), self.ends.tolist(), strict=True):
            own = there[begin:end]
            index = np.arange(len(own))
            count[begin:end] = np.where(own, index - np.maximum.accumulate(np.where(own, -1, index)), 0)
        return count

    def untold(self) -> "Lessons":
        """Without the teacher."""
        return replace(self, told=None)


def _f4(a: np.ndarray) -> np.ndarray:
    return np.asarray(a, np.float32)


def units(lessons: Lessons) -> Units:
    """Of training looks. ValueError names a target that does not change, or a regime that would stay empty."""
    known = lessons.known
    if known.sum() < 2:
        raise TrainingError("no look of the training days has a target; give days with longer sessions")
    numbers, target = lessons.numbers[known].astype(np.float64), lessons.target[known].astype(np.float64)
    for task, one in zip(TASKS, target.std(0).tolist(), strict=True):
        if one <= 1e-12:
            raise TrainingError(f"the target {task!r} is the same at every look of the training days; give other days")
    scale = numbers.std(0)
    volatility = lessons.volatility[known]
    found = Units(
        shift=numbers.mean(0),
        scale=np.where(scale > 1e-6, scale, 1.0),
        mean=target.mean(0),
        sd=target.std(0),
        cuts=np.quantile(volatility, np.arange(1, REGIMES) / REGIMES).astype(np.float32),
    )
    count = np.bincount(found.regime(volatility), minlength=REGIMES)
    if not count.all():
        raise TrainingError(
            f"regime {int(count.argmin())} of {REGIMES} has no look: volatility hardly differs; more days"
        )
    return found


class Voice:
    """A teacher's states standardised unit by unit on training looks, as float32 and cut."""

    def __init__(self, told: Told, rows: np.ndarray) -> None:
        """rows : places that may be learnt from. ValueError when a state of them is not finite."""
        self._told = told
        if len(rows) < 2:
            raise TrainingError("the teacher told of no training look; give it the days that are learnt from")
        some = np.asarray(told.states[rows[:: -(-len(rows) // _ROWS)]], np.float32)
        if not np.isfinite(some).all():
            raise TrainingError("a teacher's state is not finite (float16 ends at 65,504); compute its states anew")
        self.mean, sd = some.mean(0), some.std(0)
        self.sd = np.where(sd > 1e-6, sd, 1.0)

    def states(self, rows: np.ndarray) -> np.ndarray:
        """(...,) places -> (..., L, D) f4"""
        found = (np.asarray(self._told.states[rows.reshape(-1)], np.float32) - self.mean) / self.sd
        if not np.isfinite(found).all():
            raise TrainingError("a teacher's state is not finite (float16 ends at 65,504); compute its states anew")
        return np.asarray(found.clip(-_STATE_CUT, _STATE_CUT).reshape(*rows.shape, *found.shape[1:]))


@dataclass(frozen=True)
class Draw:
    """How samples are drawn: chunks of looks in a row, of which every few after a warm-up are asked for."""

    chunks: int = 16
    looks: int = 128  # a chunk
    warm: int = 64  # looks read before the first sample of a chunk that begins within its row
    stride: int = 4  # looks between samples
    least: int = 8  # looks before the first sample where the row itself begins

    def __post_init__(self) -> None:
        if min(self.chunks, self.stride, self.least) < 1 or not self.least <= self.warm <= self.looks:
            raise TrainingError(f"{self}: chunks, stride and least are 1 or more, and least <= warm <= looks")

    def chunk(self, lessons: Lessons, usable: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """((chunks, looks) rows, -1 behind the last of its row; (m,) chunk and (m,) step of the samples).

        usable : (n,) bool, looks that may be samples. A chunk may begin before its row: it is moved to its beginning,
        so that states that have just begun are learnt from as often as all others.
        """
        lengths = np.maximum(1, lessons.ends - lessons.begins - self.least + self.warm)
        place = rng.integers(int(lengths.sum()), size=self.chunks)
        row = np.searchsorted(np.cumsum(lengths), place, "right")
        before = np.concatenate([[0], np.cumsum(lengths)[:-1]])[row]
        first = lessons.begins[row] + np.maximum(0, place - before - self.warm)
        rows = first[:, None] + np.arange(self.looks)
        rows = np.where(rows < lessons.ends[row][:, None], rows, -1)
        after = np.where(first == lessons.begins[row], self.least, self.warm)[:, None] - 1
        step = np.arange(self.looks)
        asked = (rows >= 0) & (step >= after) & ((step - after) % self.stride == 0) & usable[np.maximum(rows, 0)]
        return (rows, *np.nonzero(asked))

    def draws(self, lessons: Lessons, usable: np.ndarray, seed: int, step: int) -> tuple[np.ndarray, ...]:
        """The chunk of a step, drawn again while it holds fewer than two samples; ValueError when none is found."""
        for one in self._streams(seed, step):
            found = self.chunk(lessons, usable, one)
            if len(found[1]) > 1:
                return found
        raise TrainingError("hardly a look can be learnt from; give more days, or a teacher that has read them")

    @staticmethod
    def _streams(seed: int, step: int) -> Iterator[np.random.Generator]:
        rng = np.random.default_rng([seed, step])
        return (rng for _ in range(100))
