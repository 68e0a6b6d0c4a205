"""How a teacher's features are divided among students: cells of layer group, task and regimes, by a design."""

from dataclasses import dataclass
from itertools import product

from lobarena.agents.learner import TrainingError
from lobarena.agents.windows.targets import TASKS

STRETCHES = {1: ((0, 1, 2),), 2: ((0, 1), (2,)), 3: ((0,), (1,), (2,))}  # of regimes, by their number


@dataclass(frozen=True)
class Design:
    """How features are taken apart; an axis of one value is left out of the decomposition (ablation)."""

    kind: str = "cells"  # or "axes"
    groups: int = 3  # of layers; 1 leaves the layer axis out
    by_task: bool = True  # False leaves the task axis out
    stretches: int = 2  # of regimes: calm and usual, volatile; 3 parts all, 1 leaves the data axis out
    rank: int = 16  # r
    components: int = 32  # p, of all layers together
    prune: float = 0.1  # cells whose share of a row's light is below are left out, but for each task's brightest
    penalty: float = 0.1  # of the regressions, by the mean variance of a feature
    random: bool = False  # ablation: Q drawn at random
    equal: bool = False  # ablation: every student counts alike

    def __post_init__(self) -> None:
        if self.kind not in ("cells", "axes") or self.stretches not in STRETCHES:
            raise TrainingError(
                f"kind is {self.kind!r}, stretches {self.stretches}; cells or axes, and 1 to 3 stretches"
            )
        if min(self.groups, self.rank, self.components) < 1 or not 0 <= self.prune < 1 or self.penalty <= 0:
            raise TrainingError(
                f"{self}: groups, rank and components are 1 or more, prune lies in [0, 1), penalty above 0"
            )


@dataclass(frozen=True)
class Cell:
    """What one student is for; places of groups, tasks and regimes."""

    groups: tuple[int, ...]
    tasks: tuple[int, ...]
    regimes: tuple[int, ...]


def every_cell(design: Design) -> list[Cell]:
    """All cells of a design before any is left out."""
    tasks = [(task,) for task in range(len(TASKS))] if design.by_task else [tuple(range(len(TASKS)))]
    return [
        Cell((group,), task, regimes)
        for group, task, regimes in product(range(design.groups), tasks, STRETCHES[design.stretches])
    ]
