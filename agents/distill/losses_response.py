"""Distillation of responses: forecasts as numbers, and as distributions over bins (bins.py).

Forecasts are (B, Y) and logits (B, Y, K): B samples, Y targets (mid move, spread, volume; standardised), K bins. Every
divergence is summed over the bins and averaged over samples and targets, never over bins. Logits must be finite.
"""

import math

import torch
from torch import Tensor


def kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) in nats over the last axis, of log probabilities: (..., K), (..., K) -> (...,)."""
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def hinton_regression(student: Tensor, teacher: Tensor) -> Tensor:
    """Half the squared distance of forecasts, summed over targets. (B, Y), (B, Y) -> ().

    Hinton, Vinyals & Dean, NIPS 2014 workshop, arXiv 1503.02531, eq. 4: at high temperature soft targets become the
    regression of logits (Ba & Caruana, NIPS 2014, arXiv 1312.6184). Our adaptation: forecasts in the place of logits.
    """
    return (student - teacher).square().sum(1).mean() / 2


def hinton_binned(student: Tensor, teacher: Tensor, temperature: float = 4.0) -> Tensor:
    """T^2 KL(teacher || student), both softened by the temperature T. Logits (B, Y, K) -> ().

    Hinton, Vinyals & Dean, NIPS 2014 workshop, arXiv 1503.02531, eq. 1 and sect. 2 (T^2 keeps the size of gradients).
    The paper uses temperatures from 2 to 20; 4 is that of the later benchmarks (Tian et al. 2020).
    """
    log_p, log_q = (torch.log_softmax(logits / temperature, -1) for logits in (teacher, student))
    return temperature**2 * kl(log_p, log_q).mean()


def dkd(
    student: Tensor,
    teacher: Tensor,
    target: Tensor,
    alpha: float = 1.0,
    beta: float = 8.0,
    temperature: float = 4.0,
) -> Tensor:
    """Decoupled knowledge distillation: alpha TCKD + beta NCKD. Logits (B, Y, K), true bins (B, Y) int64 -> ().

    Zhao, Cui, Song, Qiu & Liang, CVPR 2022, arXiv 2203.08679, eq. 7: TCKD is the divergence of (true bin, the rest),
    NCKD that among the other bins; Hinton's loss is TCKD + (1 - p_true) NCKD, so that a sure teacher silences NCKD.
    Official code: times T^2, as here, and warmed up over 20 epochs; it takes the logarithm of a softmax that can
    underflow, where we stay in logarithms.
    """
    hot = torch.nn.functional.one_hot(target, student.shape[-1]).bool()
    true_t, rest_t, others_t = _decoupled(teacher / temperature, hot)
    true_s, rest_s, others_s = _decoupled(student / temperature, hot)
    tckd = true_t.exp() * (true_t - true_s) + rest_t.exp() * (rest_t - rest_s)
    nckd = (others_t.exp() * (others_t - others_s).masked_fill(hot, 0)).sum(-1)
    return temperature**2 * (alpha * tckd + beta * nckd).mean()


def _decoupled(logits: Tensor, hot: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Log probabilities: of the true bin (B, Y), of the rest (B, Y), and among the rest (B, Y, K; -inf at the true)."""
    others = logits.masked_fill(hot, -math.inf)
    of_all, of_others = logits.logsumexp(-1), others.logsumexp(-1)
    true = logits.masked_fill(~hot, 0).sum(-1)
    return true - of_all, of_others - of_all, others - of_others.unsqueeze(-1)


def minillm(student: Tensor, teacher: Tensor) -> Tensor:
    """Reverse divergence KL(student || teacher). Logits (B, Y, K) -> ().

    Gu, Dong, Wei & Huang, ICLR 2024, arXiv 2306.08543, eq. 1. Our adaptation: a forecast is one draw from K bins, so
    the expectation over the student's draws is summed exactly; the policy gradient, the sampling mixed with the
    teacher's and the length normalisation that the paper needs for sentences have nothing left to do.
    """
    return kl(torch.log_softmax(student, -1), torch.log_softmax(teacher, -1)).mean()


def distillm(student: Tensor, teacher: Tensor, alpha: float = 0.1) -> Tensor:
    """Skew divergence KL(p || alpha p + (1 - alpha) q) of teacher p, student q. Logits (B, Y, K) -> ().

    Ko, Kim, Chen & Yun, ICML 2024, arXiv 2402.03898, sect. 3.1; it is at most -ln alpha. Official code drops the
    teacher's entropy, so that it is not zero at equality; the gradients are the same. The paper's adaptive use of the
    student's own sentences has no counterpart here: there is one forecast a window.
    """
    return _skew(torch.log_softmax(teacher, -1), torch.log_softmax(student, -1), alpha)


def distillm_reverse(student: Tensor, teacher: Tensor, alpha: float = 0.1) -> Tensor:
    """Skew reverse divergence KL(q || alpha q + (1 - alpha) p); the source and the rest as `distillm`."""
    return _skew(torch.log_softmax(student, -1), torch.log_softmax(teacher, -1), alpha)


def _skew(log_p: Tensor, log_q: Tensor, alpha: float) -> Tensor:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; give a share between 0 and 1 (the paper: 0.1)")
    mixture = torch.logaddexp(log_p + math.log(alpha), log_q + math.log1p(-alpha))
    return kl(log_p, mixture).mean()
