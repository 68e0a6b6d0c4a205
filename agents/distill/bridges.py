"""Trained maps between a student and its teacher: they serve training alone and are no part of the student.

A student's stage enters by its newest step: its stages are causal, so that step has seen the whole window, as the
teacher's last token has.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lobarena.agents.distill.losses_review import Fusion


@dataclass(frozen=True)
class Sizes:
    """What the maps connect."""

    stages: tuple[int, ...]  # channels of the student's stages, early to late
    pooled: int  # d, of the student's z
    layers: int  # of the teacher that were stored, early to late
    hidden: int  # D, of the teacher
    targets: int = 3

    def __post_init__(self) -> None:
        if not self.stages or min(*self.stages, self.pooled, self.layers, self.hidden, self.targets) < 1:
            raise ValueError(f"{self}: every size must be 1 or more, and the student have a stage")


def matched(stages: int, layers: int) -> list[int]:
    """The layer that each stage learns from: evenly spread, the last stage from the last layer. Our formulation."""
    return [((i + 1) * layers - 1) // stages if layers >= stages else i * layers // stages for i in range(stages)]


def newest(stages: Sequence[Tensor]) -> list[Tensor]:
    """The newest step of each stage: (B, C_i, T_i) each -> (B, C_i) each."""
    return [stage[:, :, -1] for stage in stages]


class Nothing(nn.Module):
    """No map: the loss compares what both sides already share."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()


class Regressor(nn.Module):
    """FitNets: the student's middle stage to the teacher's size."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.guided = len(sizes.stages) // 2
        self.hint = matched(len(sizes.stages), sizes.layers)[self.guided]
        self.map = nn.Linear(sizes.stages[self.guided], sizes.hidden)


class Regressors(nn.Module):
    """Patient-KD and TinyBERT: every stage to the teacher's size, by a linear map of its own."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.layers = matched(len(sizes.stages), sizes.layers)
        self.maps = nn.ModuleList(nn.Linear(channels, sizes.hidden) for channels in sizes.stages)

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """(B, C_i, T_i) each -> (B, stages, D)."""
        return torch.stack([to(x) for to, x in zip(self.maps, newest(stages), strict=True)], 1)


class Posterior(nn.Module):
    """VID: mean and variance of the teacher's last layer given z.

    As in the official code: a network of three layers for the mean, a variance a unit by softplus that begins at 5.
    """

    def __init__(self, sizes: Sizes, begin: float = 5.0, least: float = 1e-5) -> None:
        super().__init__()
        d, hidden = sizes.pooled, sizes.hidden
        self.mean = nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.mean.append(nn.Linear(hidden, hidden))
        self.raw = nn.Parameter(torch.full((hidden,), begin - least).expm1().log())
        self.least = least

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """(B, d) -> mean (B, D), variance (D,)."""
        return self.mean(pooled), nn.functional.softplus(self.raw) + self.least


class Embeddings(nn.Module):
    """CRD: a linear map of each side to a space of their own, 128 dimensions as in the paper."""

    def __init__(self, sizes: Sizes, size: int = 128) -> None:
        super().__init__()
        self.student, self.teacher = nn.Linear(sizes.pooled, size), nn.Linear(sizes.hidden, size)


class Flow(nn.Module):
    """FSP: first and last stage to the same number of channels as the teacher's layers, cut down by a fixed basis.

    Our adaptation: the paper needs equal channels. The D x D products of a language model's channels would be a million
    numbers a sample, and a trained cut of the teacher would find the zero map; so its channels meet a random basis of
    orthonormal columns, drawn once from torch's generator and kept with the weights.
    """

    basis: Tensor

    def __init__(self, sizes: Sizes, size: int = 32) -> None:
        super().__init__()
        size = min(size, sizes.hidden)
        self.maps = nn.ModuleList(nn.Conv1d(c, size, 1) for c in (sizes.stages[0], sizes.stages[-1]))
        self.register_buffer("basis", torch.linalg.qr(torch.randn(sizes.hidden, size)).Q)


class Fusions(nn.Module):
    """ReviewKD: one fusion a stage; the middle as wide as the last stage, at most 512, as in the official code."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.layers = matched(len(sizes.stages), sizes.layers)
        last = len(sizes.stages) - 1
        middle = min(512, sizes.stages[-1])
        self.blocks = nn.ModuleList(Fusion(c, middle, sizes.hidden, i == last) for i, c in enumerate(sizes.stages))


class Heads(nn.Module):
    """TOFD: on each stage a transform, a head that forecasts from it, and a link to the teacher's size."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.layers = matched(len(sizes.stages), sizes.layers)
        self.transforms = nn.ModuleList(nn.Sequential(nn.Linear(c, sizes.pooled), nn.ReLU()) for c in sizes.stages)
        self.heads = nn.ModuleList(nn.Linear(sizes.pooled, sizes.targets) for _ in sizes.stages)
        self.links = nn.ParameterList(
            nn.init.orthogonal_(torch.empty(sizes.hidden, sizes.pooled)) for _ in sizes.stages
        )

    def forward(self, stages: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """(B, C_i, T_i) each -> forecasts (B, Y) each, features (B, d) each."""
        features = [transform(x) for transform, x in zip(self.transforms, newest(stages), strict=True)]
        return [head(x) for head, x in zip(self.heads, features, strict=True)], features


class Units(nn.Module):
    """Flex-KD: the teacher's units that the task needs; nothing is trained.

    Fill them before training by `task_units` of the teacher's gradients; until then the loss refuses to run.
    """

    kept: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        if sizes.pooled > sizes.hidden:
            raise ValueError(f"the student's z has {sizes.pooled} units, the teacher {sizes.hidden}; make z narrower")
        self.register_buffer("kept", torch.full((sizes.pooled,), -1))

    def keep(self, units: Tensor) -> None:
        """units: (d,) int64, from `task_units`."""
        if units.shape != self.kept.shape:
            raise ValueError(f"{tuple(units.shape)} units; give {len(self.kept)}, one for each of the student's z")
        self.kept.copy_(units)
