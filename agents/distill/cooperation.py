"""The students of CMM learn their parts of a teacher together (OFDD; our formulation).

L = sum_k w_k (L_task + alpha L_feat) + beta L_orth + eta L_rec. L_task = Huber(y_k, y) + lambda Huber(y_k, y of the
teacher) over the student's tasks, L_feat = |P_k z_k - q_k|^2 / r, both with weight 1 in the student's regimes and omega
elsewhere; L_orth = mean over pairs of the squared batch correlations of P_j z_j and P_k z_k; L_rec = |sum_k D_k z_k -
PCA_p h|^2 / p. P and D are trained and thrown away.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lobarena.agents.distill.cells import Parts, grouped
from lobarena.agents.distill.geometry import unit
from lobarena.agents.distill.lessons import REGIMES, TARGET_CUT, Lessons, Units, Voice
from lobarena.agents.distill.student import Size, Students
from lobarena.agents.distill.training import Samples
from lobarena.agents.learner import TrainingError


@dataclass(frozen=True)
class Shares:
    """How much each term counts; 0 leaves one out (ablation)."""

    alpha: float = 1.0  # features
    beta: float = 0.1  # orthogonality
    eta: float = 0.1  # reconstruction
    soft: float = 0.5  # lambda, the teacher's forecast
    elsewhere: float = 0.1  # omega, a student's weight outside its regimes

    def __post_init__(self) -> None:
        if not all(math.isfinite(one) and one >= 0 for one in vars(self).values()):
            raise TrainingError(f"{self}: every share is 0 or more")


class Maps(nn.Module):
    """P_k (K, H + 1, r) and D_k (K, H, p), the last row of P the bias."""

    def __init__(self, size: Size, rank: int, components: int, seed: int) -> None:
        super().__init__()
        drawn = torch.Generator().manual_seed(seed)
        k, h = size.students, size.width
        self.feature = nn.Parameter(torch.randn(k, h + 1, rank, generator=drawn) / math.sqrt(h))
        self.whole = nn.Parameter(torch.randn(k, h, components, generator=drawn) / math.sqrt(h * k))
        with torch.no_grad():
            self.feature[:, -1] = 0


class Cooperation:
    """The objective of K students, one for each of the parts."""

    def __init__(
        self,
        parts: Parts,
        size: Size,
        lessons: Lessons,
        voice: Voice,
        units: Units,
        shares: Shares = Shares(),
        seed: int = 0,
    ) -> None:
        if size.students != len(parts.cells):
            raise TrainingError(f"{size.students} students for {len(parts.cells)} parts; make one for each")
        if lessons.told is None:
            raise TrainingError("CMM learns from a teacher; give what one told of the days that are learnt from")
        self.parts, self.shares, self.voice, self.units = parts, shares, voice, units
        self._told = lessons.told
        self.trained = Maps(size, parts.to.shape[3], parts.whole.shape[2], seed)
        self._weight = torch.from_numpy(parts.weight).float()
        self._tasks = torch.from_numpy(parts.tasks).float()  # (K, 3)
        self._to = torch.from_numpy(parts.to).flatten(1, 2)  # (K, G D, r)
        self._shift = torch.from_numpy(parts.shift)
        self._whole = torch.from_numpy(parts.whole).flatten(0, 1)  # (G D, p)
        self._whole_shift = torch.from_numpy(parts.whole_shift)
        inside = np.array([[regime in cell.regimes for regime in range(REGIMES)] for cell in parts.cells])
        self._inside = torch.from_numpy(np.where(inside, 1.0, shares.elsewhere)).float()  # (K, REGIMES)

    def usable(self, lessons: Lessons) -> np.ndarray:
        """Looks with a target that the teacher told of."""
        return lessons.known & (lessons.heard() >= 1)

    def loss(self, students: Students, samples: Samples) -> dict[str, Tensor]:
        """Every term, averaged over the students by w_k, and "loss"."""
        maps, share, z = self.trained, self.shares, samples.z
        h = torch.from_numpy(grouped(self.voice.states(samples.rows), self.parts.to.shape[1])).flatten(1)  # (N, G D)
        forecast = students.forecast(z)
        told = (self._told.forecast[samples.rows] - self.units.mean) / self.units.sd
        teacher = torch.from_numpy(told.astype(np.float32)).clamp(-TARGET_CUT, TARGET_CUT)
        sample = self._inside[:, samples.regime]  # (K, N)
        sample = sample / sample.mean(1, keepdim=True)
        own = self._tasks / self._tasks.sum(1, keepdim=True)
        task = self._mean(_huber(forecast, samples.target), own, sample)
        soft = self._mean(_huber(forecast, teacher), own, sample)
        q = torch.einsum("nd,kdr->knr", h, self._to) - self._shift.unsqueeze(1)
        p = torch.baddbmm(maps.feature[:, -1:], z, maps.feature[:, :-1])  # (K, N, r)
        feature = self._weight @ ((p - q).square().mean(2) * sample).mean(1)
        whole = h @ self._whole - self._whole_shift
        rebuilt = torch.einsum("knh,khp->np", z, maps.whole)
        rec = (rebuilt - whole).square().mean()
        orth = pair_correlation(p)
        loss = task + share.soft * soft + share.alpha * feature + share.beta * orth + share.eta * rec
        terms = {"task": task, "soft": soft, "feature": feature, "orthogonal": orth, "reconstruction": rec}
        terms["reconstruction R2"] = 1 - rec / (whole - whole.mean(0)).square().mean()
        return {"loss": loss} | {name: one.detach() for name, one in terms.items()}

    def together(self, told: np.ndarray) -> np.ndarray:
        """The plain mean of who forecasts a task, by which students are judged before a gate: (n, K, 3) -> (n, 3)."""
        tasks = self.parts.tasks
        return np.asarray((told * tasks).sum(1) / tasks.sum(0))

    def _mean(self, error: Tensor, own: Tensor, sample: Tensor) -> Tensor:
        """sum_k w_k of errors (K, N, 3) over own tasks and samples."""
        return self._weight @ ((error * own.unsqueeze(1)).sum(2) * sample).mean(1)


def pair_correlation(p: Tensor) -> Tensor:
    """Mean over pairs of students and of their r x r components of the squared batch correlation: (K, N, r) -> ()."""
    students, _, rank = p.shape
    if students < 2:
        return p.sum() * 0
    x = unit((p - p.mean(1, keepdim=True)).transpose(1, 2).flatten(0, 1))  # (K r, N)
    square: Tensor = (x @ x.T).square().reshape(students, rank, students, rank).mean((1, 3))  # (K, K)
    return (square.sum() - square.diagonal().sum()) / (students * (students - 1))


def _huber(forecast: Tensor, target: Tensor) -> Tensor:
    return functional.huber_loss(forecast, target.expand_as(forecast), reduction="none")
