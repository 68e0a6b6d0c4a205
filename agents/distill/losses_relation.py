"""Distillation of relations: what a batch looks like from inside, free of the features' own dimensions.

student: (B, d), teacher: (B, D); d and D need not be equal. A relation joins samples of one batch, so a batch of
too few is refused: with one sample there is nothing to compare, and the loss would be silently zero.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from lobarena.agents.distill.geometry import gram, unit


def similarity(student: Tensor, teacher: Tensor) -> Tensor:
    """SP: similarity-preserving distillation, |G_T - G_S|^2 / B^2 with G the Gram matrix, its rows of length one.

    Tung & Mori, ICCV 2019, arXiv 1907.09682, eq. 1 to 3. The weight beside the task loss is 3,000 in the paper.
    """
    _enough(student, teacher, 2)
    return (unit(gram(student)) - unit(gram(teacher))).square().mean()


def correlation_congruence(
    student: Tensor, teacher: Tensor, kernel: str = "gaussian", gamma: float = 0.4, order: int = 2
) -> Tensor:
    """CC: |K_T - K_S|^2 / B^2, K a kernel of the samples, their features of length one.

    Peng et al., ICCV 2019, arXiv 1904.01802, sect. 3.2 and 3.3. kernel: "gaussian", expanded as in the paper to
    sum over p <= order of exp(-2 gamma) (2 gamma)^p / p! <x, y>^p; or "bilinear", <x, y>. The code in RepDistiller,
    "emailed by the author", is no kernel: it is the mean product of |f_S - f_T| of neighbours in the batch.
    """
    _enough(student, teacher, 2)
    return (_kernel(student, kernel, gamma, order) - _kernel(teacher, kernel, gamma, order)).square().mean()


def _kernel(x: Tensor, kernel: str, gamma: float, order: int) -> Tensor:
    inner = gram(unit(x))
    if kernel == "bilinear":
        return inner
    if kernel != "gaussian":
        raise ValueError(f"kernel is {kernel!r}; give 'gaussian' or 'bilinear'")
    total = term = torch.ones_like(inner)
    for p in range(1, order + 1):
        term = term * inner * (2 * gamma / p)
        total = total + term
    return total * math.exp(-2 * gamma)


def rkd_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD-D: Huber of the distances of pairs, each divided by their mean in the batch.

    Park, Kim, Lu & Cho, CVPR 2019, arXiv 1904.05068, eq. 5 to 8. Over pairs of different samples, as written; official
    code averages over the diagonal too, smaller by (B - 1) / B, and takes the mean of the distances above zero.
    """
    _enough(student, teacher, 2)
    return functional.huber_loss(_distances(student), _distances(teacher))


def _distances(x: Tensor) -> Tensor:
    """(B, d) -> (B (B - 1) / 2,) with mean 1; zeros when all samples are equal."""
    distance = torch.pdist(x)  # its gradient at distance zero is zero
    mean = distance.mean()
    return torch.where(mean > 0, distance / torch.where(mean > 0, mean, 1), 0)


def rkd_angle(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD-A: Huber of the cosines of the angles i j k, over all triples of different samples; O(B^2 (B + D)) memory.

    Park, Kim, Lu & Cho, CVPR 2019, arXiv 1904.05068, eq. 9 and 10. Official code averages over all B^3 triples, those
    with equal corners (which say nothing) included, and is smaller by (B - 1)(B - 2) / B^2.
    """
    _enough(student, teacher, 3)
    loss = functional.huber_loss(_cosines(student), _cosines(teacher), reduction="none")
    batch = len(student)
    loss = loss * ~torch.eye(batch, dtype=torch.bool, device=loss.device)  # i = k; where j is i or k both cosines are 0
    return loss.sum() / (batch * (batch - 1) * (batch - 2))


def _cosines(x: Tensor) -> Tensor:
    """(B, d) -> (B, B, B): [j, i, k] is the cosine of the angle at j between i and k."""
    return gram(unit(x.unsqueeze(0) - x.unsqueeze(1)))


def rkd(student: Tensor, teacher: Tensor, distance_weight: float = 25.0, angle_weight: float = 50.0) -> Tensor:
    """RKD-DA: both of the above, weighted as in the paper's and its followers' classification runs."""
    return distance_weight * rkd_distance(student, teacher) + angle_weight * rkd_angle(student, teacher)


def pkt(student: Tensor, teacher: Tensor, eps: float = 1e-7) -> Tensor:
    """PKT: KL(teacher || student) of the probabilities to meet sample j next to i, averaged over i.

    Passalis & Tefas, ECCV 2018, arXiv 1803.10837, sect. 3: p(j | i) is the cosine kernel (1 + cos) / 2, normalised over
    j != i. Official code leaves j = i in, divides by B^2 and not by B, and adds eps inside the logarithm, as here.
    """
    _enough(student, teacher, 3)  # of two samples each has one neighbour, with probability one
    p, q = _neighbours(teacher), _neighbours(student)
    return (p * ((p + eps) / (q + eps)).log()).sum(1).mean()


def _neighbours(x: Tensor) -> Tensor:
    near = (gram(unit(x)) + 1) / 2
    near = near * (1 - torch.eye(len(x), dtype=x.dtype, device=x.device))
    return near / near.sum(1, keepdim=True).clamp(min=1e-12)


def _enough(student: Tensor, teacher: Tensor, least: int) -> None:
    if student.ndim != 2 or teacher.ndim != 2 or len(student) != len(teacher):
        shapes = f"{tuple(student.shape)} and {tuple(teacher.shape)}"
        raise ValueError(f"student and teacher have shapes {shapes}; give (B, d) and (B, D) of the same samples")
    if len(student) < least:
        raise ValueError(f"a batch of {len(student)} has no such relation; give {least} samples or more")
