"""Hájek-MoE: experts fused by what each contributes to their consensus. Our formulation.

Each expert i has a point u_i in a common space. The consensus T is the mean kernel of pairs of experts. For independent
experts Hájek's projection of T on sums of functions of one expert is T^ = E[T] + sum_i c_i, c_i = E[T | u_i] - E[T]
(Hájek 1968, Ann. Math. Statist. 39; van der Vaart 1998, Asymptotic Statistics, sect. 11.3), and c_i says by how much
expert i brings the experts together. Shapes: B samples, K experts, R features, Y targets, G regimes.

The kernel is Gaussian, by random Fourier features (Rahimi & Recht, NIPS 2007), cosines and sines in pairs, so that
<phi(u), phi(u)> is exactly 1 and an inner product with a stored mean replaces a pass over stored samples.
"""

import math

import torch
from torch import Tensor


def median_bandwidth(u: Tensor, most: int = 2048) -> float:
    """Median distance of two points: (N, K, p) or (N, p) -> above zero; of at most `most` points, evenly spaced.

    1 where the median is zero, since equal points fit any bandwidth.
    """
    points = u.detach().reshape(-1, u.shape[-1])
    if len(points) < 2:
        raise ValueError("a bandwidth needs 2 points or more; give the training samples")
    points = points[:: -(-len(points) // most)]
    return torch.pdist(points).median().item() or 1.0


def frequencies(size: int, bandwidth: float, features: int, generator: torch.Generator) -> Tensor:
    """Draws of the kernel exp(-|u - v|^2 / (2 bandwidth^2)): (features / 2, size) f4; the generator is consumed."""
    if features < 2 or features % 2 or not bandwidth > 0:
        raise ValueError(f"{features} features, bandwidth {bandwidth}; give an even number and a width above zero")
    return torch.randn(features // 2, size, generator=generator) / bandwidth


def embed(u: Tensor, frequency: Tensor) -> Tensor:
    """Points to features of length one: (..., p), (R / 2, p) -> (..., R)."""
    angle = u @ frequency.T
    return torch.cat([angle.cos(), angle.sin()], -1) / math.sqrt(len(frequency))


def consensus(phi: Tensor) -> Tensor:
    """T, the mean inner product of pairs: (B, K, R) -> (B,), at most 1; one expert agrees with itself."""
    experts = phi.shape[1]
    if experts == 1:
        return phi.square().sum((1, 2))
    pairs = phi.sum(1).square().sum(1) - phi.square().sum((1, 2))  # each pair twice
    return pairs / (experts * (experts - 1))


def confidence(agreement: Tensor) -> Tensor:
    """T as a confidence in 0 .. 1, (B,) -> (B,): random features can make the mean of small kernels negative."""
    return agreement.clamp(0, 1)


def regime_means(phi: Tensor, regime: Tensor, regimes: int) -> Tensor:
    """mu_i of each regime: (N, K, R), (N,) int64 -> (G, K, R). ValueError names a regime without samples."""
    count = torch.bincount(regime, minlength=regimes)
    if len(count) > regimes:
        raise ValueError(f"a sample is of regime {len(count) - 1}; there are {regimes}")
    if (count == 0).any():
        raise ValueError(f"regime {int((count == 0).nonzero()[0])} has no samples; use fewer regimes or more days")
    total = phi.new_zeros(regimes, *phi.shape[1:]).index_add(0, regime, phi)
    return total / count.to(phi.dtype).reshape(-1, 1, 1)


def contributions_regime(phi: Tensor, mean: Tensor) -> Tensor:
    """c_i = (2 / K) <phi_i - mu_i, mu_-i>, mu_-i the mean of the others' mu: the projection itself, O(K R) a sample.

    phi: (B, K, R); mean: (B, K, R), of each sample's regime, or (K, R) -> (B, K). One expert contributes nothing.
    """
    experts = phi.shape[1]
    if experts == 1:
        return (phi * 0).sum(2)
    others = (mean.sum(-2, keepdim=True) - mean) / (experts - 1)
    return ((phi - mean) * others).sum(2) * 2 / experts


def contributions_empirical(phi: Tensor) -> Tensor:
    """c_i = T - T_-i = (2 / K)(s_i - T_-i), s_i the mean kernel of i and the others: exactly the jackknife.

    (B, K, R) -> (B, K). ValueError for fewer than three experts: without one of two no pair is left.
    """
    experts = phi.shape[1]
    if experts < 3:
        raise ValueError(f"leaving one of {experts} experts out leaves no pair; give 3 or more, or use the regime form")
    total = phi.sum(1, keepdim=True)
    own = phi.square().sum(2)  # (B, K)
    with_others = (phi * total).sum(2) - own
    pairs = total.square().sum((1, 2)) - own.sum(1)  # (B,), each pair twice
    without = (pairs.unsqueeze(1) - 2 * with_others) / ((experts - 1) * (experts - 2))
    return (with_others / (experts - 1) - without) * 2 / experts


def contributions_conditional(phi: Tensor, reference: Tensor, sharpness: float = 32.0) -> Tensor:
    """c_i = E[T | u_i] - E[T] without assuming independence, by kernel regression over reference samples.

    phi: (B, K, R); reference: (N, K, R) of training samples; weights exp(sharpness (k(u_i, u_i^n) - 1)) -> (B, K).
    O(N K R) a sample: the slow form that the others are checked against.
    """
    value = consensus(reference)  # (N,)
    near = torch.einsum("bkr,nkr->bkn", phi, reference)
    return torch.softmax(near * sharpness, 2) @ value - value.mean()


def gate(contribution: Tensor, prior: Tensor | None = None, temperature: float = 0.1) -> Tensor:
    """g = softmax over experts of c / tau + b: (B, K) -> (B, K, Y), sums of 1 over K; one expert has weight 1.

    prior: b, (K, Y) or (B, K, Y), log of an expert's skill on validation, since consensus alone rewards agreement and
    not accuracy; -inf where an expert does not forecast a target. Without it all count alike, Y is 1, and one weight
    serves all targets. ValueError names a target that nobody forecasts.
    """
    score = (contribution / temperature).unsqueeze(2)
    if prior is not None:
        silent = (prior == -math.inf).all(-2).reshape(-1, prior.shape[-1]).any(0)
        if silent.any():
            raise ValueError(f"no expert forecasts target {int(silent.nonzero()[0])}; keep one that does")
        score = score + prior
    return torch.softmax(score, 1)


def fuse(forecasts: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of the experts' forecasts: (B, K, Y) finite, (B, K, Y) or (B, K, 1) of `gate` -> (B, Y)."""
    return (weights * forecasts).sum(1)


def average(forecasts: Tensor) -> Tensor:
    """Ablation: the plain mean. (B, K, Y) -> (B, Y)."""
    return forecasts.mean(1)


def naive(forecasts: Tensor, mean: Tensor) -> Tensor:
    """Ablation: the projection taken literally as predictor, sum_i y_i - (K - 1) E[y]; shared signal counts K times.

    forecasts: (B, K, Y); mean: (Y,) of the training targets -> (B, Y).
    """
    return forecasts.sum(1) - (forecasts.shape[1] - 1) * mean


def backfit(forecasts: Tensor, target: Tensor, sweeps: int = 100, ridge: float = 1e-6) -> tuple[Tensor, Tensor]:
    """Ablation: the additive predictor fitted, each expert's coefficient in turn to what the others leave over.

    Buja, Hastie & Tibshirani 1989 (Ann. Statist. 17) with linear smoothers. forecasts: (N, K, Y), target: (N, Y), of
    validation -> coefficients (K, Y), intercept (Y,); the forecast is (forecasts x coefficients).sum(1) + intercept.
    ridge: share of a forecast's variance added to it; a constant forecast gets coefficient zero.
    """
    center, mean = forecasts.mean(0), target.mean(0)
    x, rest = forecasts - center, target - mean
    power = x.square().mean(0)  # (K, Y)
    coefficients = torch.zeros_like(power)
    for _ in range(sweeps):
        for i in range(len(power)):
            partial = rest + x[:, i] * coefficients[i]
            fitted = (x[:, i] * partial).mean(0) / (power[i] * (1 + ridge)).clamp(min=1e-12)
            rest, coefficients[i] = partial - x[:, i] * fitted, fitted
    return coefficients, mean - (center * coefficients).sum(0)


def independence(agreement: Tensor, contribution: Tensor) -> float:
    """Var(T^) / Var(T), how far the independence that the projection assumes holds: (B,), (B, K) -> number.

    For independent experts at most 1 (the rest is interaction, which no sum over experts holds); NaN if T is constant.
    """
    return (contribution.sum(1).var(unbiased=False) / agreement.var(unbiased=False)).item()
