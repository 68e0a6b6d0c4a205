"""The methods of distillation by name: which part of student and teacher each one compares, and by which loss.

The controls (no teacher, one big student, plain average of several) have no loss of their own and are not here.
A trainer makes `bridge = method.bridge(sizes)`, trains its parameters together with the student's, adds
`method.weight * method(student, teacher, truth, bridge)` to the task loss, and throws the bridge away.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lobarena.agents.distill import bridges
from lobarena.agents.distill.bridges import Sizes, matched
from lobarena.agents.distill.losses_contrast import crd
from lobarena.agents.distill.losses_feature import (
    attention,
    fitnets,
    fsp,
    nst,
    patient,
    same_steps,
    self_attention,
    tinybert,
    vid,
)
from lobarena.agents.distill.losses_relation import (
    correlation_congruence,
    pkt,
    rkd,
    rkd_angle,
    rkd_distance,
    similarity,
)
from lobarena.agents.distill.losses_response import (
    distillm,
    distillm_reverse,
    dkd,
    hinton_binned,
    hinton_regression,
    minillm,
)
from lobarena.agents.distill.losses_review import review
from lobarena.agents.distill.losses_task import flexkd, tofd


@dataclass(frozen=True)
class Student:
    """What a student says of B windows."""

    stages: tuple[Tensor, ...]  # (B, C_i, T_i) each, early to late, causal in time
    pooled: Tensor  # z, (B, d)
    forecast: Tensor  # (B, Y), standardised
    logits: Tensor  # (B, Y, bins)


@dataclass(frozen=True)
class Teacher:
    """What the teacher said of the same windows; hidden states standardised unit by unit on training days."""

    layers: Tensor  # (B, L, D), the last token's, early to late
    forecast: Tensor  # (B, Y), standardised
    logits: Tensor  # (B, Y, bins), see bins.normal_logits
    tokens: Tensor | None = None  # (B, L, S, D), by token in the order of time, where they were stored


@dataclass(frozen=True)
class Truth:
    """What came."""

    target: Tensor  # (B, Y), standardised
    bin: Tensor  # (B, Y) int64, see bins.assign


@dataclass(frozen=True)
class Method:
    """One baseline."""

    compare: Callable[[Student, Teacher, Truth, Any], Tensor]
    bridge: Callable[[Sizes], nn.Module] = bridges.Nothing
    weight: float = 1.0  # beside the task loss, where tuning begins
    needs_tokens: bool = False

    def __call__(self, student: Student, teacher: Teacher, truth: Truth, bridge: nn.Module) -> Tensor:
        """The loss, a scalar, without its weight."""
        sizes = {len(x) for x in (student.pooled, teacher.layers, truth.target)}
        if len(sizes) > 1:
            raise ValueError(
                f"student, teacher and truth speak of {sorted(sizes)} windows; give the same windows to all"
            )
        return self.compare(student, teacher, truth, bridge)


def _pooled(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Student, Teacher, Truth, Any], Tensor]:
    """A relation between z and the teacher's last layer."""
    return lambda s, t, _, __: loss(s.pooled, t.layers[:, -1])


def _forecasts(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Student, Teacher, Truth, Any], Tensor]:
    return lambda s, t, _, __: loss(s.forecast, t.forecast)


def _bins(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Student, Teacher, Truth, Any], Tensor]:
    return lambda s, t, _, __: loss(s.logits, t.logits)


def _maps(s: Student, t: Teacher) -> list[tuple[Tensor, Tensor]]:
    """Each stage and its layer as maps (B, C, T), (B, D, T) over the same steps."""
    tokens = _tokens(t)
    layers = matched(len(s.stages), tokens.shape[1])
    return [same_steps(x, tokens[:, i].transpose(1, 2)) for x, i in zip(s.stages, layers, strict=True)]


def _tokens(t: Teacher) -> Tensor:
    if t.tokens is None:
        raise ValueError("this method compares what the teacher holds token by token; store tokens, or leave it out")
    return t.tokens


def _by_stage(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Student, Teacher, Truth, Any], Tensor]:
    """A loss of maps, summed over the stages."""
    return lambda s, t, _, __: torch.stack([loss(x, y) for x, y in _maps(s, t)]).sum()


def _fitnets(s: Student, t: Teacher, _: Truth, bridge: bridges.Regressor) -> Tensor:
    guided = bridges.newest(s.stages)[bridge.guided]
    return fitnets(bridge.map(guided), t.layers[:, bridge.hint])


def _patient(s: Student, t: Teacher, _: Truth, bridge: bridges.Regressors) -> Tensor:
    return patient(bridge(s.stages), t.layers[:, bridge.layers])


def _tinybert(s: Student, t: Teacher, _: Truth, bridge: bridges.Regressors) -> Tensor:
    hidden, layers = bridge(s.stages), t.layers[:, bridge.layers]
    scores = [(self_attention(x), self_attention(y)) for x, y in _maps(s, t)]
    return torch.stack([tinybert(hidden[:, i], layers[:, i], x, y) for i, (x, y) in enumerate(scores)]).sum()


def _vid(s: Student, t: Teacher, _: Truth, bridge: bridges.Posterior) -> Tensor:
    mean, variance = bridge(s.pooled)
    return vid(mean, t.layers[:, -1], variance)


def _crd(s: Student, t: Teacher, _: Truth, bridge: bridges.Embeddings) -> Tensor:
    return crd(bridge.student(s.pooled), bridge.teacher(t.layers[:, -1]))


def _fsp(s: Student, t: Teacher, _: Truth, bridge: bridges.Flow) -> Tensor:
    ends = [m @ bridge.basis for m in (_tokens(t)[:, 0], _tokens(t)[:, -1])]  # (B, S, size)
    flow = [to(x) for to, x in zip(bridge.maps, (s.stages[0], s.stages[-1]), strict=True)]
    return fsp(same_steps(flow[0], flow[1]), (ends[0].transpose(1, 2), ends[1].transpose(1, 2)))


def _review(s: Student, t: Teacher, _: Truth, bridge: bridges.Fusions) -> Tensor:
    return review(s.stages, [y for _, y in _maps(s, t)], list(bridge.blocks))


def _tofd(s: Student, t: Teacher, truth: Truth, bridge: bridges.Heads) -> Tensor:
    forecasts, features = bridge(s.stages)
    layers = [t.layers[:, i] for i in bridge.layers]
    return tofd(forecasts, features, list(bridge.links), layers, t.forecast, truth.target)


def _flexkd(s: Student, t: Teacher, _: Truth, bridge: bridges.Units) -> Tensor:
    if (bridge.kept < 0).any():
        raise ValueError("Flex-KD has no units yet; give bridge.keep(task_units(gradients, d)) first")
    return flexkd(s.pooled, t.layers[:, -1, bridge.kept])


# Weights: the papers' or those of Tian et al. 2020, who ran most of these side by side (SP, NST, CRD; AT, FSP, PKT, VID
# and FitNets divided by what their code averages over and the papers sum); 1 where neither knows a loss of this form.
METHODS: dict[str, Method] = {
    "kd": Method(_forecasts(hinton_regression)),
    "kd-binned": Method(_bins(hinton_binned)),
    "dkd": Method(lambda s, t, truth, _: dkd(s.logits, t.logits, truth.bin)),
    "minillm": Method(_bins(minillm)),
    "distillm": Method(_bins(distillm)),
    "distillm-reverse": Method(_bins(distillm_reverse)),
    "fitnets": Method(_fitnets, bridges.Regressor, weight=0.05),
    "at": Method(_by_stage(attention), weight=16.0, needs_tokens=True),
    "nst": Method(_by_stage(nst), weight=50.0, needs_tokens=True),
    "nst-linear": Method(_by_stage(partial(nst, kernel="linear")), weight=50.0, needs_tokens=True),
    "nst-gaussian": Method(_by_stage(partial(nst, kernel="gaussian")), weight=50.0, needs_tokens=True),
    "fsp": Method(_fsp, bridges.Flow, weight=0.1, needs_tokens=True),
    "vid": Method(_vid, bridges.Posterior, weight=0.002),
    "patient": Method(_patient, bridges.Regressors),
    "tinybert": Method(_tinybert, bridges.Regressors, needs_tokens=True),
    "reviewkd": Method(_review, bridges.Fusions, needs_tokens=True),
    "sp": Method(_pooled(similarity), weight=3000.0),
    "cc": Method(_pooled(correlation_congruence)),
    "rkd": Method(_pooled(rkd)),
    "rkd-distance": Method(_pooled(rkd_distance), weight=25.0),
    "rkd-angle": Method(_pooled(rkd_angle), weight=50.0),
    "pkt": Method(_pooled(pkt), weight=470.0),
    "crd": Method(_crd, bridges.Embeddings, weight=0.8),
    "tofd": Method(_tofd, bridges.Heads),
    "flexkd": Method(_flexkd, bridges.Units),
}


def method(name: str) -> Method:
    """ValueError names the known ones."""
    if name not in METHODS:
        raise ValueError(f"no method of distillation is called {name!r}; there are {', '.join(METHODS)}")
    return METHODS[name]
