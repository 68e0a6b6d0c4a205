"""How students are trained: one loop for every method, control and design; resumable to the same bits.

An objective says what a batch costs; the loop knows no method. A step depends on the weights, the moments, its number
and the seed alone. What an objective trains besides (bridges to the teacher) is kept in checkpoints, never in weights.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from lobarena.agents.checkpoints import Checkpoint, load, save
from lobarena.agents.distill.lessons import TARGET_CUT, Draw, Lessons, Units
from lobarena.agents.distill.student import Read, Students, read_rows
from lobarena.agents.learner import TrainingError
from lobarena.agents.run_folder import alone, scalars
from lobarena.agents.torch_arrays import adam_arrays, load_adam, load_module, module_arrays
from lobarena.agents.weight_file import WeightsError
from lobarena.agents.windows.targets import TASKS

Judge = Callable[[Students], Mapping[str, float]]
Advance = Callable[[int, int, str], None]
MEAN = "validation/mean"


@dataclass(frozen=True)
class Schedule:
    """How long and how fast."""

    steps: int = 1_000
    rate: float = 3e-3
    decay: float = 1e-4
    clip: float = 1.0  # largest norm of the gradient
    every: int = 100  # steps between validations
    seed: int = 0
    best: str = MEAN  # the scalar of the validation that chooses the weights kept
    draw: Draw = field(default_factory=Draw)

    def __post_init__(self) -> None:
        if min(self.steps, self.every) < 1 or min(self.rate, self.clip) <= 0 or self.decay < 0:
            raise ValueError("steps, every, rate and clip are positive, decay is not negative")


@dataclass(frozen=True, eq=False)
class Samples:
    """N samples that K students have read: the batch of one step."""

    read: Read  # of the chunks
    rows: np.ndarray  # (N,) places in the lessons
    chunk: Tensor  # (N,) int64
    step: Tensor  # (N,) int64
    target: Tensor  # (N, 3) standardised, cut
    regime: Tensor  # (N,) int64

    @property
    def z(self) -> Tensor:
        """(K, N, H)"""
        return self.read.z[:, self.chunk, self.step]

    def stages(self, student: int, steps: int) -> tuple[Tensor, ...]:
        """Of one student, the last `steps` looks of each sample: (N, H, steps) a stage."""
        back = self.step.unsqueeze(1) + torch.arange(1 - steps, 1)
        if back.min() < 0:
            raise ValueError(f"a sample has fewer than {steps} looks before it; make Draw.least {steps} or more")
        return tuple(stage[student][self.chunk.unsqueeze(1), back].transpose(1, 2) for stage in self.read.stages)


class Objective(Protocol):
    """What a batch costs. `trained` learns beside the students and is thrown away at the end."""

    @property
    def trained(self) -> nn.Module:
        """Its own parameters."""

    def usable(self, lessons: Lessons) -> np.ndarray:
        """(n,) bool: looks that may be samples."""

    def loss(self, students: Students, samples: Samples) -> dict[str, Tensor]:
        """Scalars; "loss" is what is brought down, the others are told."""


def train(
    students: Students,
    objective: Objective,
    lessons: Lessons,
    units: Units,
    judge: Judge,
    schedule: Schedule,
    out: Path,
    about: Mapping[str, Any],
    advance: Advance = lambda done, total, text: None,
) -> list[dict[str, float]]:
    """Train in a folder, or go on there; the history, a row a validation. The students end with their best weights.

    judge : scalars of a validation; `schedule.best` names the one that chooses
    about : whatever else the training depends on; a folder of other settings is refused with WeightsError
    TrainingError when a number is not finite, naming it: the last checkpoint is the last good one.
    """
    usable, regime = objective.usable(lessons), units.regime(lessons.volatility)
    target = torch.from_numpy(((lessons.target - units.mean) / units.sd).astype(np.float32)).clamp(
        -TARGET_CUT, TARGET_CUT
    )
    body = nn.ModuleDict({"students": students, "trained": objective.trained})
    parameters = [one for one in body.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(parameters, schedule.rate, weight_decay=schedule.decay)
    settings = {"about": dict(about), "size": asdict(students.size), "schedule": asdict(schedule)}
    settings = json.loads(json.dumps(settings))  # as a checkpoint holds them
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        state = load(out) or Checkpoint(settings, {}, {})
        if state.settings != settings:
            raise WeightsError(f"{out} holds another training; give another folder, or its settings")
        if state.history:
            load_module(body, "body", state.weights)
            load_adam(optimizer, "adam", state.state)
        with scalars(out, state.steps) as log:
            for step in range(state.steps, schedule.steps):
                rows, chunk, at = schedule.draw.draws(lessons, usable, schedule.seed, step)
                own = rows[chunk, at]
                read = students.read(torch.from_numpy(lessons.numbers[np.maximum(rows, 0)]))
                places, of, step_in = map(torch.from_numpy, (own, chunk, at))
                samples = Samples(read, own, of, step_in, target[places], torch.from_numpy(regime[own]))
                told = _step(body, optimizer, objective.loss(students, samples), step, schedule, out)
                advance(step + 1, schedule.steps, f"loss {told['loss']:.3f}")
                if (step + 1) % schedule.every == 0 or step + 1 == schedule.steps:
                    row = {"steps": float(step + 1)} | told | dict(judge(students))
                    _keep(state, row, body, optimizer, schedule, out)
                    log(row)
    load_module(students, "body.students", state.best)
    return state.history


def _step(
    body: nn.Module,
    optimizer: torch.optim.Optimizer,
    told: dict[str, Tensor],
    step: int,
    schedule: Schedule,
    out: Path,
) -> dict[str, float]:
    """One step down; the scalars before it. Weights are left as they were where a gradient is not finite."""
    warm = min(1.0, (step + 1) / 20)
    for group in optimizer.param_groups:
        group["lr"] = schedule.rate * warm * 0.5 * (1 + math.cos(math.pi * step / schedule.steps))
    optimizer.zero_grad()
    told["loss"].backward()  # type: ignore[no-untyped-call]
    for name, one in body.named_parameters():
        if one.grad is not None and not one.grad.isfinite().all():
            bad = ", ".join(key for key, value in told.items() if not value.isfinite()) or "no term of the loss"
            raise TrainingError(
                f"step {step}: the gradient of {name} is not finite ({bad} neither); {out} holds the last good "
                "checkpoint: lower the rate or the method's weight and train in another folder"
            )
    torch.nn.utils.clip_grad_norm_(body.parameters(), schedule.clip)
    optimizer.step()
    return {name: float(value.detach()) for name, value in told.items()}


def _keep(
    state: Checkpoint,
    row: dict[str, float],
    body: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    out: Path,
) -> None:
    """Write a checkpoint; the best weights so far stay in it."""
    if schedule.best not in row or not math.isfinite(row[schedule.best]):
        raise TrainingError(f"the validation gave no number {schedule.best!r}; it gave {', '.join(row)}")
    state.history.append(row)
    state.weights = module_arrays(body, "body")
    if row[schedule.best] == max(one[schedule.best] for one in state.history):
        state.best = {name: array for name, array in state.weights.items() if name.startswith("body.students.")}
    state.state, state.finished = adam_arrays(optimizer, "adam"), row["steps"] >= schedule.steps
    save(out, state)


def r2(forecast: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3,) of each task over the rows where both are known; 0 is as good as the rows' own mean."""
    known = np.isfinite(forecast).all(1) & np.isfinite(target).all(1)
    y, error = target[known], target[known] - forecast[known]
    return np.asarray(1 - (error**2).sum(0) / ((y - y.mean(0)) ** 2).sum(0))


def skill(fuse: Callable[[np.ndarray], np.ndarray], lessons: Lessons, units: Units) -> Judge:
    """A validation by R2 of line and correction. fuse : (n, K, 3) forecasts of all students -> (n, 3) together."""

    def judge(students: Students) -> dict[str, float]:
        return judged(lessons, fuse(read_rows(students, lessons.numbers, lessons.begins, lessons.ends)[1]), units)

    return judge


def judged(lessons: Lessons, told: np.ndarray, units: Units) -> dict[str, float]:
    """R2 of line and correction, (n, 3) standardised, with the share of it that these looks would choose."""
    left = told * units.sd + units.mean
    found = r2(lessons.whole(left, lessons.shared(left)), lessons.whole(lessons.target)).tolist()
    row = {f"validation/{task}": one for task, one in zip(TASKS, found, strict=True)}
    return row | {MEAN: float(np.mean(found))}
