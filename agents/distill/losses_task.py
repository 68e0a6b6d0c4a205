"""Distillation of the part of the teacher's features that the task needs."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from lobarena.agents.distill.geometry import length, unit
from lobarena.agents.distill.losses_response import hinton_regression


def tofd(
    forecasts: Sequence[Tensor],
    features: Sequence[Tensor],
    links: Sequence[Tensor],
    teacher_features: Sequence[Tensor],
    teacher_forecast: Tensor,
    target: Tensor,
    alpha: float = 0.05,
    beta: float = 0.03,
) -> Tensor:
    """Task-oriented feature distillation: sum over heads of task, response, alpha x feature and beta x orthogonal loss.

    A head is a small network on a stage that forecasts by itself; the features are what its transform makes for that.
    forecasts: (B, Y) a head; features: (B, c) a head; links: (D, c) a head, the weight that maps features to the
    teacher's size; teacher_features: (B, D) a head; teacher_forecast, target: (B, Y) -> ().
    Zhang, Shi, Shi, Ma & Bao, NeurIPS 2020 (not on arXiv), sect. 3. Defaults of the official code, which
    takes the length of the whole batch's difference where we average over samples.
    Our adaptation: Huber for cross-entropy, regression for soft labels, and the teacher's standardised hidden states
    for heads trained on the teacher, which is frozen and stored.
    """
    total = target.new_zeros(())
    for forecast, x, link, y in zip(forecasts, features, links, teacher_features, strict=True):
        task = functional.huber_loss(forecast, target, reduction="none").sum(1).mean()
        apart = length(x @ link.T - y).mean()
        total = total + task + hinton_regression(forecast, teacher_forecast) + alpha * apart + beta * orthogonal(link)
    return total


def orthogonal(weight: Tensor) -> Tensor:
    """|W W' - I| + |W' W - I|, Frobenius, not squared: (D, c) -> (); with D > c no less than sqrt(D - c).

    The paper's and, in its training script, the official code's form; `get_orth_loss` beside it squares the norms.
    """
    products = (weight @ weight.T, weight.T @ weight)
    return sum(
        (length((p - torch.eye(len(p), dtype=p.dtype, device=p.device)).flatten()) for p in products),
        start=weight.new_zeros(()),
    )


def task_units(gradients: Tensor, keep: int) -> Tensor:
    """The teacher's units that move its forecasts most: (N, D) -> (keep,) int64, ascending.

    gradients: of the summed standardised forecasts by the hidden state, a row a training window; the score of a unit
    is the mean of their absolute values. Flex-KD (below), sect. 3.2; ties go to the lower index.
    """
    if not 0 < keep <= gradients.shape[1]:
        raise ValueError(f"cannot keep {keep} of {gradients.shape[1]} units; the student must be the narrower one")
    score = gradients.abs().mean(0)
    return score.argsort(descending=True, stable=True)[:keep].sort().values


def flexkd(student: Tensor, teacher: Tensor) -> Tensor:
    """Flex-KD: (1 - correlation over the batch)^2, averaged over units. (B, d), (B, d) -> ().

    teacher: the d units that `task_units` keeps; unit i of the student learns unit i of these. Saadi & Wang 2025,
    arXiv 2507.10155, sect. 3.2 and 3.3: parameter-free, by correlation and not by distance. No official code is known
    to us; that the correlation enters as in the first term of Barlow Twins is our reading.
    A unit that is constant in the batch has no correlation: it counts as 0 and gets no gradient.
    """
    if len(student) < 2:
        raise ValueError("a batch of one has no correlations; give 2 samples or more")
    x, y = (unit((m - m.mean(0)).T) for m in (student, teacher))
    correlation = (x * y).sum(1)
    return (1 - correlation).square().mean()
