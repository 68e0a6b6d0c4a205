"""Students of one method: each learns all targets, and what the method compares with the teacher. Also the controls."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lobarena.agents.distill import losses
from lobarena.agents.distill.bins import assign, normal_logits, quantile_edges
from lobarena.agents.distill.bridges import Sizes
from lobarena.agents.distill.bridges import Units as KeptUnits
from lobarena.agents.distill.lessons import TARGET_CUT, Lessons, Told, Units, Voice
from lobarena.agents.distill.losses_task import task_units
from lobarena.agents.distill.student import Size, Students, as_large
from lobarena.agents.distill.training import Samples
from lobarena.agents.learner import TrainingError

NONE, AVERAGE = "none", "average"
CONTROLS = {  # our reading: what CMM has beside a decomposition, a teacher, its size, several students, is kept
    NONE: "one student as large as K together, without a teacher",
    AVERAGE: "the plain average of K students, each taught by kd",
}  # one big student taught by a teacher's forecasts is the method kd


@dataclass(frozen=True)
class Course:
    """What a name of a method or control asks for."""

    size: Size
    method: str  # of losses.METHODS; "" for none


def course(name: str, size: Size) -> Course:
    """size : K students of CMM; a method has one that is as large as they are together.

    TrainingError names the known methods and controls.
    """
    one = as_large(size, 1)
    controls = {NONE: Course(one, ""), AVERAGE: Course(size, "kd")}
    if name in controls:
        return controls[name]
    if name not in losses.METHODS:
        raise TrainingError(f"no method {name!r}; there are {', '.join((*controls, *losses.METHODS))}")
    return Course(one, name)


class Taught:
    """The objective of a method: Huber of the targets + weight x its loss, summed over the students.

    What the teacher told is compared only where it told; without a method it is not looked at.
    """

    def __init__(
        self,
        name: str,
        size: Size,
        lessons: Lessons,
        units: Units,
        weight: float | None = None,
        maps: int = 8,
        seed: int = 0,
    ) -> None:
        """name : of losses.METHODS, "" for none; weight : beside the task, the method's own if None

        maps : looks of the maps that methods of tokens compare. A teacher that reads a look as a token told its states
        look by look; so a sample's tokens are its states of the last looks.
        """
        self.method = losses.method(name) if name else None
        self.name, self.units, self.maps = name, units, maps if self.method and self.method.needs_tokens else 1
        self.trained: nn.ModuleList = nn.ModuleList()
        known = lessons.known
        target = (lessons.target[known] - units.mean) / units.sd
        self.edges = quantile_edges(torch.from_numpy(target).float(), size.bins) if size.bins else None
        if self.method is None:
            return
        self.told = _told(lessons)
        self.weight = self.method.weight if weight is None else weight
        if not self.weight >= 0:
            raise TrainingError(f"the weight of a method is {self.weight}; give 0 or more")
        rows = np.flatnonzero(self.usable(lessons))
        self.voice = Voice(self.told, rows)
        error = target - self._forecast(np.flatnonzero(known))
        self.spread = torch.from_numpy(np.nanstd(error, 0).clip(min=1e-3)).float()
        layers, hidden = self.told.states.shape[1:]
        sizes = Sizes((size.width,) * size.blocks, size.width, int(layers), int(hidden))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.trained = nn.ModuleList(self.method.bridge(sizes) for _ in range(size.students))
        for bridge in self.trained:
            if isinstance(bridge, KeptUnits):
                bridge.keep(task_units(self._gradients(rows), size.width))

    def usable(self, lessons: Lessons) -> np.ndarray:
        """Looks with a target, and with a teacher's states of as many looks as are compared, where there is one."""
        return lessons.known if lessons.told is None else lessons.known & (lessons.heard() >= self.maps)

    def loss(self, students: Students, samples: Samples) -> dict[str, Tensor]:
        """ "task" and "taught" of all students, and "loss"."""
        forecast = students.forecast(samples.z)
        task = functional.huber_loss(forecast, samples.target.expand_as(forecast)) * len(forecast)
        if self.method is None:
            return {"loss": task, "task": task.detach()}
        teacher = self._teacher(samples)
        logits = students.logits(samples.z) if self.edges is not None else forecast.unsqueeze(3)
        truth = losses.Truth(samples.target, self._bin(samples.target))
        parts = []
        for k, bridge in enumerate(self.trained):
            said = losses.Student(samples.stages(k, self.maps), samples.z[k], forecast[k], logits[k])
            parts.append(self.method(said, teacher, truth, bridge))
        taught = torch.stack(parts).sum()
        return {"loss": task + self.weight * taught, "task": task.detach(), "taught": taught.detach()}

    def _teacher(self, samples: Samples) -> losses.Teacher:
        rows = samples.rows
        forecast = torch.from_numpy(self._forecast(rows)).clamp(-TARGET_CUT, TARGET_CUT)
        if self.maps == 1:
            tokens, layers = None, torch.from_numpy(self.voice.states(rows))
        else:
            states = torch.from_numpy(self.voice.states(rows[:, None] + np.arange(1 - self.maps, 1)))
            tokens = states.transpose(1, 2)  # (N, L, maps, D)
            layers = tokens[:, :, -1]
        logits = forecast.unsqueeze(2) if self.edges is None else normal_logits(forecast, self.spread, self.edges)
        return losses.Teacher(layers, forecast, logits, tokens)

    def _bin(self, target: Tensor) -> Tensor:
        return torch.zeros_like(target, dtype=torch.int64) if self.edges is None else assign(target, self.edges)

    def _forecast(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray((self.told.forecast[rows] - self.units.mean) / self.units.sd, np.float32)

    def _gradients(self, rows: np.ndarray, most: int = 20_000, penalty: float = 1e-3) -> Tensor:
        """(1, D) of the summed forecasts by the last layer's units: of their least-squares read-out, since heads that
        forecast are linear in that layer and only what they told is stored."""
        some = rows[:: -(-len(rows) // most)]
        x = torch.from_numpy(self.voice.states(some)[:, -1]).double()
        y = torch.from_numpy(self._forecast(some)).double().sum(1)
        gram = x.T @ x / len(x) + penalty * torch.eye(x.shape[1], dtype=torch.float64)
        found: Tensor = torch.linalg.solve(gram, x.T @ (y - y.mean()) / len(x))
        return found.unsqueeze(0)


def _told(lessons: Lessons) -> Told:
    if lessons.told is None:
        raise TrainingError("this method learns from a teacher; give what one told of the days that are learnt from")
    return lessons.told
