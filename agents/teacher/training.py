"""How a teacher is trained: batches of chunks, a validation now and then, the best weights kept, resumable."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lobarena.agents.run_folder import alone, scalars
from lobarena.agents.teacher.chunks import LEAST, Rows
from lobarena.agents.teacher.network import Teacher
from lobarena.agents.torch_arrays import adam_arrays, load_adam
from lobarena.agents.weight_file import FORMAT, WeightsError, read_arrays, write
from lobarena.agents.windows.targets import TASKS

CHECKPOINT, WEIGHTS = "checkpoint.safetensors", "teacher.safetensors"
_LARGEST = 1 << 30  # bytes of a checkpoint
_CUT = 6.0  # standard deviations at which a target is cut in the loss, so that one jump does not outweigh a day


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


@dataclass(frozen=True, eq=False)
class Standard:
    """Mean and standard deviation of the targets on training days."""

    mean: np.ndarray  # (3,)
    sd: np.ndarray  # (3,)

    @classmethod
    def of(cls, rows: Rows) -> "Standard":
        """ValueError names a target that does not change."""
        known = rows.targets[np.isfinite(rows.targets).all(1)]
        if len(known) < 2:
            raise ValueError("no look of the training days has a target; give days with longer sessions")
        mean, sd = known.mean(0), known.std(0)
        for task, one in zip(TASKS, sd.tolist(), strict=True):
            if one <= 1e-12:
                raise ValueError(f"the target {task!r} is the same at every look of the training days; give other days")
        return cls(mean, sd)

    def scale(self, targets: np.ndarray) -> np.ndarray:
        """(n, 3) standardised."""
        return np.asarray((targets - self.mean) / self.sd)


def batch_loss(teacher: Teacher, rows: Rows, targets: torch.Tensor, chunk: np.ndarray) -> torch.Tensor:
    """Mean squared error of the standardised tasks over the looks of a batch with enough before them."""
    at = torch.from_numpy(np.maximum(chunk, 0))
    forecast = teacher(torch.from_numpy(rows.numbers)[at])
    wanted = targets[at]
    known = torch.isfinite(wanted) & (torch.from_numpy(chunk) >= 0)[:, :, None]
    known[:, :LEAST] = False
    error = (forecast - wanted.nan_to_num().clamp(-_CUT, _CUT))[known]
    loss: torch.Tensor = error.pow(2).mean() if len(error) else forecast.sum() * 0.0
    return loss


@torch.no_grad()
def forecasts(teacher: Teacher, rows: Rows, batch: int = 16, stride: int = 1) -> np.ndarray:
    """(n, 3) f4 standardised forecasts of every look that has CONTEXT looks before it; NaN for the others."""
    found = np.full(rows.targets.shape, np.nan, np.float32)
    numbers = torch.from_numpy(rows.numbers)
    for chunk, wanted in rows.covering(batch, stride):
        told = teacher(numbers[torch.from_numpy(np.maximum(chunk, 0))]).numpy()
        found[chunk[wanted]] = told[wanted]
    return found


def skill(forecast: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3,) R2 of each task over the rows where both are known; 0 is as good as the rows' own mean."""
    known = np.isfinite(forecast).all(1) & np.isfinite(target).all(1)
    y, error = target[known], target[known] - forecast[known]
    return np.asarray(1 - (error**2).sum(0) / ((y - y.mean(0)) ** 2).sum(0))


def train(
    teacher: Teacher,
    learn: Rows,
    validate: Rows,
    schedule: Schedule,
    out: Path,
    about: Mapping[str, Any],
    advance: Callable[[int, int, str], None] = lambda done, total, text: None,
    stride: int = 2,
) -> list[dict[str, float]]:
    """Train in a folder, or go on there; the history, a row a validation. The teacher ends with its best weights.

    What the layers begin with is the least-squares forecast from the numbers (`start`). A step depends on the weights,
    the moments, its number and the seed alone, so a killed run goes on to the same weights.
    """
    standard = Standard.of(learn)
    targets = torch.from_numpy(standard.scale(learn.targets).astype(np.float32))
    truth = standard.scale(validate.targets)
    optimizer = torch.optim.AdamW(teacher.groups(schedule.rate, schedule.inner))
    card = {"format": FORMAT, "settings": dict(about) | {"schedule": asdict(schedule)}}
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        step, history = _resume(teacher, optimizer, out, card)
        with scalars(out, step) as log:
            while step < schedule.steps:
                chunk = learn.drawn(np.random.default_rng([schedule.seed, step]), schedule.batch)
                loss = _step(teacher, optimizer, learn, targets, chunk, step, schedule)
                step += 1
                advance(step, schedule.steps, f"loss {loss:.3f}")
                if step % schedule.every == 0 or step == schedule.steps:
                    row = {"steps": float(step), "loss": loss}
                    found = skill(forecasts(teacher, validate, stride=stride), truth).tolist()
                    row |= {f"validation/{task}": one for task, one in zip(TASKS, found, strict=True)}
                    row["validation/mean"] = float(np.mean(found))
                    history.append(row)
                    _save(teacher, optimizer, out, card | {"history": history})
                    log(row)
    best, _ = read_arrays(out / WEIGHTS, _LARGEST)
    load_learnt(teacher, best)
    return history


def _step(
    teacher: Teacher,
    optimizer: torch.optim.Optimizer,
    rows: Rows,
    targets: torch.Tensor,
    chunk: np.ndarray,
    step: int,
    schedule: Schedule,
) -> float:
    warm = min(1.0, (step + 1) / 50)
    for group, rate in zip(optimizer.param_groups, (schedule.rate, schedule.inner), strict=True):
        group["lr"] = rate * warm * 0.5 * (1 + math.cos(math.pi * step / schedule.steps))
    loss = batch_loss(teacher, rows, targets, chunk)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], 1.0)
    optimizer.step()
    told = float(loss.detach())
    if not math.isfinite(told):
        raise ValueError(f"the loss of step {step} is not finite; the last checkpoint is good, lower the rate")
    return told


def start(teacher: Teacher, learn: Rows, penalty: float = 10.0) -> None:
    """Give the linear forecast from the numbers its ridge solution on the training looks."""
    targets = Standard.of(learn).scale(learn.targets)
    known = np.isfinite(targets).all(1)
    with torch.no_grad():
        x = teacher.standard(torch.from_numpy(learn.numbers[known])).double()
        y = torch.from_numpy(targets[known]).clamp(-_CUT, _CUT)
        x_mean, y_mean = x.mean(0), y.mean(0)
        gram = (x - x_mean).T @ (x - x_mean) + penalty * torch.eye(x.shape[1], dtype=torch.float64)
        weight = torch.linalg.solve(gram, (x - x_mean).T @ (y - y_mean))
        teacher.skip.weight.copy_(weight.T)
        teacher.skip.bias.copy_(y_mean - x_mean @ weight)


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


def _save(teacher: Teacher, optimizer: torch.optim.Optimizer, out: Path, card: dict[str, Any]) -> None:
    arrays, history = _arrays(teacher), card["history"]
    if history[-1]["validation/mean"] == max(row["validation/mean"] for row in history):
        write(out / WEIGHTS, arrays, card)  # before the checkpoint: a kill in between only does this step again
    write(out / CHECKPOINT, arrays | adam_arrays(optimizer, "adam"), card)


def _resume(
    teacher: Teacher, optimizer: torch.optim.Optimizer, out: Path, card: Mapping[str, Any]
) -> tuple[int, list[dict[str, float]]]:
    if not (out / CHECKPOINT).exists():
        return 0, []
    arrays, about = read_arrays(out / CHECKPOINT, _LARGEST)
    if about.get("settings") != card["settings"]:
        raise WeightsError(f"{out} holds another training; give another folder, or its settings")
    load_learnt(teacher, {name: array for name, array in arrays.items() if not name.startswith("adam.")})
    load_adam(optimizer, "adam", arrays)
    history: list[dict[str, float]] = about["history"]
    return int(history[-1]["steps"]), history
