"""What a check of `lobarena lint` judges by, and what it says."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from lobarena.benchmarks.lint_play import Env, Trace


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    UNCHECKED = "not checked"


@dataclass(frozen=True)
class Finding:
    """One check's verdict: the figure that it rests on, and what to do about it ("" when ok)."""

    check: str
    verdict: Verdict
    figure: str
    fix: str = ""


@dataclass(frozen=True, eq=False)
class Seen:
    """All that the checks judge by."""

    make: Callable[[], Env]
    seed: int
    steps: int
    traces: dict[str, list[Trace]]  # policy -> one trace a seed, the same seeds for all
    part_names: tuple[str, ...]

    @property
    def every(self) -> list[Trace]:
        return [trace for traces in self.traces.values() for trace in traces]

    def has(self, key: str) -> bool:
        """Whether every info of every trace tells a key."""
        return all(key in trace.told for trace in self.every)

    @property
    def looks(self) -> int:
        """Steps played in all."""
        return sum(len(trace.rewards) for trace in self.every)


Judged = tuple[Verdict, str, str]  # verdict, figure, fix
