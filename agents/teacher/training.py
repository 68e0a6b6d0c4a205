"""How a teacher is trained: batches of chunks, a validation now and then, the best weights kept, resumable.

Validated and kept is the running mean of the weights (Polyak and Juditsky 1992, with a horizon of HORIZON steps).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lobarena.agents.run_folder import alone, scalars
from lobarena.agents.teacher.base import CUT, Base
from lobarena.agents.teacher.chunks import LEAST, Rows
from lobarena.agents.teacher.network import Teacher
from lobarena.agents.torch_arrays import adam_arrays, load_adam
from lobarena.agents.weight_file import FORMAT, WeightsError, read_arrays, write
from lobarena.agents.windows.targets import TASKS

CHECKPOINT, WEIGHTS = "checkpoint.safetensors", "teacher.safetensors"
_LARGEST = 1 << 30  # bytes of a checkpoint
HORIZON = 100  # steps that the running mean of the weights looks back
_AVERAGE = "average."


@dataclass(frozen=True)
class Schedule:
    """How long and how fast."""

    steps: int = 1_500
    batch: int = 8  # chunks a step
    rate: float = 5e-4  # of what is new
    inner: float = 1e-4  # of norms and low-rank additions
    every: int = 150  # steps between validations
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.every) < 1 or min(self.rate, self.inner) <= 0:
            raise ValueError("steps, batch, every and the rates are positive")


def batch_loss(teacher: Teacher, rows: Rows, wanted: torch.Tensor, chunk: np.ndarray) -> torch.Tensor:
    """Mean squared error of the corrections over the looks of a batch with enough before them.

    wanted : (n, 3) f4 what the lines leave over; NaN where not known
    """
    at = torch.from_numpy(np.maximum(chunk, 0))
    correction = teacher(torch.from_numpy(rows.numbers)[at])
    left = wanted[at]
    known = torch.isfinite(left) & (torch.from_numpy(chunk) >= 0)[:, :, None]
    known[:, :LEAST] = False
    error = (correction - left.nan_to_num())[known]
    loss: torch.Tensor = error.pow(2).mean() if len(error) else correction.sum() * 0.0
    return loss


@torch.no_grad()
def corrections(teacher: Teacher, rows: Rows, batch: int = 16, stride: int = 1) -> np.ndarray:
    """(n, 3) f4 corrections of every look that has CONTEXT looks before it; NaN for the others."""
    found = np.full(rows.targets.shape, np.nan, np.float32)
    numbers = torch.from_numpy(rows.numbers)
    for chunk, wanted in rows.covering(batch, stride):
        told = teacher(numbers[torch.from_numpy(np.maximum(chunk, 0))]).numpy()
        found[chunk[wanted]] = told[wanted]
    return found


def skill(forecast: np.ndarray, rows: Rows) -> np.ndarray:
    """(3,) R2 of each task where forecast and target are known, mean over contracts; 0 is as good as a mean."""
    known = np.isfinite(forecast).all(1) & np.isfinite(rows.targets).all(1)
    found = []
    for place in np.unique(rows.contract[known]):
        own = known & (rows.contract == place)
        y, error = rows.targets[own], rows.targets[own] - forecast[own]
        found.append(1 - (error**2).sum(0) / np.maximum(((y - y.mean(0)) ** 2).sum(0), 1e-12))
    return np.asarray(np.mean(found, axis=0))


def train(
    teacher: Teacher,
    base: Base,
    learn: Rows,
    validate: Rows,
    schedule: Schedule,
    out: Path,
    about: Mapping[str, Any],
    advance: Callable[[int, int, str], None] = lambda done, total, text: None,
    stride: int = 2,
) -> list[dict[str, float]]:
    """Train in a folder, or go on there; the history, a row a validation. The teacher ends with its best weights.

    A step depends on the weights, the moments, its number and the seed alone, so a killed run goes on to the same
    weights. Each validation gives `base` the shares of the correction that it found best.
    """
    left = torch.from_numpy(base.left(learn).clip(-CUT, CUT).astype(np.float32))
    optimizer = torch.optim.AdamW(teacher.groups(schedule.rate, schedule.inner))
    card = {"format": FORMAT, "settings": dict(about) | {"schedule": asdict(schedule)}}
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        step, history, average = _resume(teacher, optimizer, out, card)
        with scalars(out, step) as log:
            while step < schedule.steps:
                chunk = learn.drawn(np.random.default_rng([schedule.seed, step]), schedule.batch)
                loss = _step(teacher, optimizer, learn, left, chunk, step, schedule)
                _move(average, teacher, 1 / min(HORIZON, step + 1))
                step += 1
                advance(step, schedule.steps, f"loss {loss:.3f}")
                if step % schedule.every == 0 or step == schedule.steps:
                    own = _arrays(teacher)
                    load_learnt(teacher, average)
                    correction = corrections(teacher, validate, stride=stride)
                    now = base.shared(base.left(validate), validate.contract, correction)
                    found = skill(now.corrected(validate.numbers, validate.contract, correction), validate).tolist()
                    row = {"steps": float(step), "loss": loss}
                    row |= {f"validation/{task}": one for task, one in zip(TASKS, found, strict=True)}
                    row["validation/mean"] = float(np.mean(found))
                    history.append(row)
                    load_learnt(teacher, own)
                    _save(own, average, now, optimizer, out, card | {"history": history})
                    log(row)
    best, _ = read_arrays(out / WEIGHTS, _LARGEST)
    load_learnt(teacher, {name: array for name, array in best.items() if not name.startswith("base.")})
    return history


def _step(
    teacher: Teacher,
    optimizer: torch.optim.Optimizer,
    rows: Rows,
    left: torch.Tensor,
    chunk: np.ndarray,
    step: int,
    schedule: Schedule,
) -> float:
    warm = min(1.0, (step + 1) / 50)
    for group, rate in zip(optimizer.param_groups, (schedule.rate, schedule.inner), strict=True):
        group["lr"] = rate * warm * 0.5 * (1 + math.cos(math.pi * step / schedule.steps))
    loss = batch_loss(teacher, rows, left, chunk)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], 1.0)
    optimizer.step()
    told = float(loss.detach())
    if not math.isfinite(told):
        raise ValueError(f"the loss of step {step} is not finite; the last checkpoint is good, lower the rate")
    return told


def _arrays(teacher: Teacher) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in teacher.learnt().items()}


def load_learnt(teacher: Teacher, arrays: Mapping[str, np.ndarray]) -> None:
    """Give a teacher what was learnt; WeightsError when the arrays are of another one, or not finite."""
    own = teacher.learnt()
    if wrong := set(own) ^ set(arrays):
        raise WeightsError(f"these weights are of another teacher ({', '.join(sorted(wrong)[:3])}); train it again")
    with torch.no_grad():
        for name, value in own.items():
            if tuple(arrays[name].shape) != tuple(value.shape) or not np.isfinite(arrays[name]).all():
                raise WeightsError(f"array {name} does not fit this teacher; train it again")
            value.copy_(torch.from_numpy(arrays[name]))


def _move(average: dict[str, np.ndarray], teacher: Teacher, rate: float) -> None:
    for name, value in teacher.learnt().items():
        average[name] += np.float32(rate) * (value.detach().numpy() - average[name])


def _save(
    own: dict[str, np.ndarray],
    average: dict[str, np.ndarray],
    base: Base,
    optimizer: torch.optim.Optimizer,
    out: Path,
    card: dict[str, Any],
) -> None:
    history = card["history"]
    if history[-1]["validation/mean"] == max(row["validation/mean"] for row in history):
        write(out / WEIGHTS, average | base.arrays(), card)  # before the checkpoint: a kill in between only repeats it
    kept = {_AVERAGE + name: array for name, array in average.items()}
    write(out / CHECKPOINT, own | kept | adam_arrays(optimizer, "adam"), card)


def _resume(
    teacher: Teacher, optimizer: torch.optim.Optimizer, out: Path, card: Mapping[str, Any]
) -> tuple[int, list[dict[str, float]], dict[str, np.ndarray]]:
    """(step, history, running mean of the weights)"""
    if not (out / CHECKPOINT).exists():
        return 0, [], _arrays(teacher)
    arrays, about = read_arrays(out / CHECKPOINT, _LARGEST)
    if about.get("settings") != card["settings"]:
        raise WeightsError(f"{out} holds another training; give another folder, or its settings")
    average = {name.removeprefix(_AVERAGE): array for name, array in arrays.items() if name.startswith(_AVERAGE)}
    load_learnt(teacher, average)  # of the right names and shapes, or refused
    load_learnt(teacher, {name: array for name, array in arrays.items() if not name.startswith((_AVERAGE, "adam."))})
    load_adam(optimizer, "adam", arrays)
    history: list[dict[str, float]] = about["history"]
    return int(history[-1]["steps"]), history, average
