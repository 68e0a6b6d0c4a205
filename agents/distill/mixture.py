"""The gate over trained students (Hájek-MoE): its space, temperature and prior are trained, the students stay.

u_i = A_i [z_i; y_i], embedded by random Fourier features of a Gaussian kernel with the median bandwidth. See `hajek`.
"""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lobarena.agents.distill import hajek
from lobarena.agents.distill.lessons import REGIMES, TARGET_CUT
from lobarena.agents.distill.student import TARGETS
from lobarena.agents.distill.training import r2
from lobarena.agents.learner import TrainingError

FORMS = ("regime", "empirical", "learned", "average")


@dataclass(frozen=True)
class Gate:
    """What a gate is, and how it is trained."""

    form: str = "regime"  # or "empirical"; ablations: "learned", a softmax of linear scores of u, and "average"
    space: int = 8  # of u
    features: int = 256  # R
    temperature: float = 0.1  # tau, where training begins
    steps: int = 300
    batch: int = 256
    rate: float = 3e-2
    every: int = 50  # steps between validations
    seed: int = 0

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise TrainingError(f"no form {self.form!r} of the gate; there are {', '.join(FORMS)}")
        if min(self.space, self.steps, self.batch, self.every) < 1 or min(self.temperature, self.rate) <= 0:
            raise TrainingError(f"{self}: every number is positive")


@dataclass(frozen=True, eq=False)
class Sight:
    """What K students hold of n looks, standardised targets beside it."""

    z: Tensor  # (n, K, H)
    told: Tensor  # (n, K, 3)
    target: Tensor  # (n, 3)
    regime: Tensor  # (n,) int64
    rows: Tensor  # (n,) int64 which of all looks

    @classmethod
    def of(cls, z: np.ndarray, told: np.ndarray, target: np.ndarray, regime: np.ndarray) -> "Sight":
        """Of the looks whose target is known and that were read."""
        known = np.isfinite(target).all(1) & np.isfinite(told).all((1, 2))
        cut = target[known].clip(-TARGET_CUT, TARGET_CUT).astype(np.float32)
        return cls(*map(torch.from_numpy, (z[known], told[known], cut, regime[known], np.flatnonzero(known))))

    def everywhere(self, told: np.ndarray, count: int) -> np.ndarray:
        """(n, ...) of these looks -> (count, ...) of all, NaN for the others."""
        found = np.full((count, *told.shape[1:]), np.nan, told.dtype)
        found[self.rows.numpy()] = told
        return found


class Mixture(nn.Module):
    """(forecasts of K students) -> one, its confidence and the weights."""

    tasks: Tensor
    frequency: Tensor
    mean: Tensor

    def __init__(self, gate: Gate, tasks: np.ndarray, width: int) -> None:
        """tasks : (K, 3) bool, who forecasts what; width : H of the students. ValueError for fewer than three."""
        super().__init__()
        if len(tasks) < 3 and gate.form != "average":
            raise TrainingError(f"{len(tasks)} students; three or more can agree, use the form 'average' for fewer")
        self.form = gate.form
        drawn = torch.Generator().manual_seed(gate.seed)
        k, inputs = len(tasks), width + TARGETS
        self.register_buffer("tasks", torch.from_numpy(tasks).float())
        self.register_buffer("frequency", hajek.frequencies(gate.space, 1.0, gate.features, drawn))
        self.register_buffer("mean", torch.zeros(REGIMES, k, gate.features))  # mu of each regime
        self.space = nn.Parameter(torch.randn(k, inputs, gate.space, generator=drawn) / math.sqrt(inputs))
        self.log_temperature = nn.Parameter(torch.tensor(math.log(gate.temperature)))
        self.prior = nn.Parameter(torch.zeros(REGIMES, k, TARGETS))  # b of each regime: c has mean 0 in each
        self.score = nn.Parameter(torch.zeros(k, gate.space))  # of the form "learned" alone

    def points(self, z: Tensor, told: Tensor) -> Tensor:
        """u, (n, K, space)"""
        return torch.einsum("nki,kip->nkp", torch.cat([z, told * self.tasks], 2), self.space)

    def forward(
        self, z: Tensor, told: Tensor, regime: Tensor, mean: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(n, K, H), (n, K, 3), (n,) -> forecast (n, 3), confidence (n,) in 0 .. 1, weights (n, K, 3).

        mean : (REGIMES, K, R) in place of the stored one
        """
        u = self.points(z, told)
        phi = hajek.embed(u, self.frequency)
        agreement = hajek.confidence(hajek.consensus(phi))
        if self.form == "average":
            weights = (self.tasks / self.tasks.sum(0)).expand_as(told)
            return hajek.fuse(told, weights), agreement, weights
        if self.form == "learned":
            contribution = (u * self.score).sum(2)
        elif self.form == "empirical":
            contribution = hajek.contributions_empirical(phi)
        else:
            contribution = hajek.contributions_regime(phi, (self.mean if mean is None else mean)[regime])
        prior = self.prior[regime].masked_fill(self.tasks == 0, -math.inf)
        temperature = self.log_temperature.clamp(-5, 5).exp()  # above zero whatever a file says
        weights = hajek.gate(contribution / temperature, prior, 1.0)
        return hajek.fuse(told, weights), agreement, weights

    @torch.no_grad()
    def settle(self, seen: Sight, batch: int = 4096) -> None:
        """Fill mu from training looks; ValueError names a regime without any."""
        total, count = torch.zeros_like(self.mean), torch.bincount(seen.regime, minlength=REGIMES)
        if not count.all():
            raise TrainingError(f"regime {int(count.argmin())} has no samples; use more days")
        for k in range(0, len(seen.z), batch):
            part = slice(k, k + batch)
            phi = hajek.embed(self.points(seen.z[part], seen.told[part]), self.frequency)
            total.index_add_(0, seen.regime[part], phi)
        self.mean.copy_(total / count.reshape(-1, 1, 1))


def fit(gate: Gate, tasks: np.ndarray, learn: Sight, validate: Sight) -> tuple[Mixture, list[dict[str, float]]]:
    """A trained gate and a row a validation; the best by R2 is kept, the untrained one included.

    The prior begins at the log of each student's R2 in each regime of the validation part: consensus alone rewards
    agreement, and a contribution, centred in its regime, prefers nobody there.
    """
    mixture = Mixture(gate, tasks, learn.z.shape[2])
    with torch.no_grad():
        mixture.frequency /= hajek.median_bandwidth(mixture.points(learn.z, learn.told))
        for regime, k in product(range(REGIMES), range(len(tasks))):
            own = validate.regime == regime
            found = r2(validate.told[own, k].numpy(), validate.target[own].numpy()) if own.any() else np.zeros(TARGETS)
            mixture.prior[regime, k] = torch.from_numpy(np.log(np.maximum(found, 1e-3)))
        mixture.settle(learn)
    history = [{"steps": 0.0} | judged(mixture, validate)]
    if gate.form == "average":
        return mixture, history
    best = _copy(mixture)
    optimizer = torch.optim.Adam(mixture.parameters(), gate.rate)
    by_regime = [torch.nonzero(learn.regime == regime).squeeze(1).numpy() for regime in range(REGIMES)]
    for step in range(gate.steps):
        rng = np.random.default_rng([gate.seed, step])
        rows = torch.from_numpy(np.concatenate([rng.choice(own, gate.batch // REGIMES + 1) for own in by_regime]))
        z, told, of = learn.z[rows], learn.told[rows], learn.regime[rows]
        mean = hajek.regime_means(hajek.embed(mixture.points(z, told), mixture.frequency), of, REGIMES)
        loss = functional.huber_loss(mixture(z, told, of, mean)[0], learn.target[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if not all(one.grad is None or one.grad.isfinite().all() for one in mixture.parameters()):
            raise TrainingError(f"step {step} of the gate: a gradient is not finite; lower its rate")
        optimizer.step()
        if (step + 1) % gate.every == 0 or step + 1 == gate.steps:
            mixture.settle(learn)
            history.append({"steps": float(step + 1), "loss": float(loss.detach())} | judged(mixture, validate))
            if history[-1]["mean"] == max(row["mean"] for row in history):
                best = _copy(mixture)
    mixture.load_state_dict(best)
    return mixture, history


def _copy(mixture: Mixture) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in mixture.state_dict().items()}


@torch.no_grad()
def fused(mixture: Mixture, seen: Sight, batch: int = 4096) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forecasts (n, 3), confidence (n,) and weights (n, K, 3) of all looks."""
    parts = [
        mixture(*(one[k : k + batch] for one in (seen.z, seen.told, seen.regime))) for k in range(0, len(seen.z), batch)
    ]
    forecast, confidence, weights = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    return forecast, confidence, weights


def judged(mixture: Mixture, seen: Sight) -> dict[str, float]:
    """Mean R2 of the tasks, and by how much the weights differ between calm and volatile looks, at most."""
    forecast, confidence, weights = fused(mixture, seen)
    regime = seen.regime.numpy()
    by_regime = [weights[regime == one].mean(0) for one in (0, REGIMES - 1) if (regime == one).any()]
    return {
        "mean": float(r2(forecast, seen.target.numpy()).mean()),
        "confidence": float(confidence.mean()),
        "weights differ": float(np.abs(by_regime[0] - by_regime[-1]).max()),
    }
