"""Forecasts as distributions over bins, for the methods of distillation that compare distributions.

Our adaptation: these methods were made for classes or words. Each target is cut at quantiles of its training values, so
that bins hold about the same number of samples; the student has a logit a bin, and the teacher, whose heads forecast
numbers, is read as a normal distribution around its forecast with the spread of its own training errors.
"""

import torch
from torch import Tensor


def quantile_edges(targets: Tensor, bins: int) -> Tensor:
    """Inner edges of equally filled bins.

    targets: (N, Y) float, of training days alone; -> (Y, bins - 1) of the same dtype, not decreasing in a row.
    Where one value is common (a spread of one tick) edges repeat: the bins between equal edges have no width and
    never hold anything. ValueError for fewer than two bins, values that are not finite, or a constant target.
    """
    if bins < 2:
        raise ValueError(f"{bins} bins are no distribution; give 2 or more")
    if targets.ndim != 2 or not len(targets):
        raise ValueError(f"targets have shape {tuple(targets.shape)}; give (samples, targets), at least one sample")
    if not targets.isfinite().all():
        raise ValueError("training targets hold NaN or infinity; leave these windows out")
    constant = (targets == targets[0]).all(0)
    if constant.any():
        raise ValueError(f"target {constant.nonzero()[0].item()} is constant on training days; leave it out")
    order = targets.sort(0).values  # torch.quantile refuses more than 16 million values
    place = torch.arange(1, bins, device=targets.device, dtype=torch.float64) * ((len(targets) - 1) / bins)
    low = place.floor().long()
    share = (place - low).to(targets.dtype).unsqueeze(1)
    return torch.lerp(order[low], order[(low + 1).clamp(max=len(order) - 1)], share).T.contiguous()


def assign(targets: Tensor, edges: Tensor) -> Tensor:
    """Bins of targets: (B, Y), (Y, bins - 1) -> (B, Y) int64 in 0 .. bins - 1; an edge belongs to the bin above."""
    return torch.searchsorted(edges, targets.T.contiguous(), right=True).T


def normal_logits(forecast: Tensor, spread: Tensor, edges: Tensor, floor: float = 1e-6) -> Tensor:
    """Log probabilities of the bins under N(forecast, spread^2); they serve as the teacher's logits.

    forecast: (B, Y); spread: (Y,) standard deviation of the teacher's errors on training days, above zero;
    edges: (Y, bins - 1); -> (B, Y, bins), exp sums to 1. floor: least probability of a bin, which keeps the logarithm
    of an empty bin, and with it every divergence, finite.
    """
    if not (spread > 0).all():
        raise ValueError("a teacher's spread is not above zero; give the standard deviation of its training errors")
    z = (edges - forecast.unsqueeze(2)).double() / spread.double().unsqueeze(1)
    below = torch.special.ndtr(z)
    zero = torch.zeros_like(below[..., :1])
    mass = torch.cat([zero, below, zero + 1], 2).diff(dim=2)
    bins = mass.shape[2]
    return (mass * (1 - bins * floor) + floor).log().to(forecast.dtype)
