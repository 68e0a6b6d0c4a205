"""Distillation of features: hidden vectors, and maps of features over time.

Vectors are (B, D), several layers (B, M, D); maps are (B, C, T): C channels at T steps of the window. Where the teacher
has the student's size, a trained map of the student (bridges.py) made it so. The papers' images have height and width
where we have time: our adaptation throughout. Teacher features are standardised on training days.
"""

import torch
from torch import Tensor
from torch.nn import functional

from lobarena.agents.distill.geometry import gram, unit


def fitnets(student: Tensor, teacher: Tensor) -> Tensor:
    """Half the squared distance of the regressed guided layer and the hint, summed over units. (B, D), (B, D) -> ().

    Romero et al., ICLR 2015, arXiv 1412.6550, eq. 3. The paper trains by it alone first; here it is added to the task
    loss, as in the later benchmarks, so that every method has the same budget. RepDistiller: the mean over units.
    """
    return (student - teacher).square().sum(1).mean() / 2


def attention(student: Tensor, teacher: Tensor, power: float = 2.0) -> Tensor:
    """AT: squared distance of the attention over steps, sum over channels of |x|^power, as vectors of length one.

    Maps (B, C, T), (B, D, T) -> (). Zagoruyko & Komodakis, ICLR 2017, arXiv 1612.03928, eq. 2 and sect. 3.1, whose
    distance is not squared; official code squares it, as here, and then takes the mean over steps, where we sum.
    """
    return (_attention(student, power) - _attention(teacher, power)).square().sum(1).mean()


def _attention(x: Tensor, power: float) -> Tensor:
    return unit(x.abs().pow(power).sum(1))


def vid(mean: Tensor, teacher: Tensor, variance: Tensor) -> Tensor:
    """Variational information distillation: -ln N(teacher; mean, variance) without its constant, summed over units.

    mean: (B, D) from the student by a trained network; teacher: (B, D); variance: (D,) above zero, trained -> ().
    Ahn, Hu, Damianou, Lawrence & Dai, CVPR 2019, arXiv 1904.05835, eq. 5. Official code: the mean over units.
    """
    return ((teacher - mean).square() / variance + variance.log()).sum(1).mean() / 2


def nst(student: Tensor, teacher: Tensor, kernel: str = "poly") -> Tensor:
    """Neuron selectivity transfer: squared MMD between the channels of student and teacher, each a vector of length one
    over the steps. Maps (B, C, T), (B, D, T) -> ().

    Huang & Wang 2017, arXiv 1707.01219, sect. 4. kernel: "poly", <x, y>^2 (its MMD is the distance of the mean outer
    products, computed so: T^2 numbers and not D^2); "linear"; or "gaussian" with sigma^2 the mean squared distance of
    the pairs, of a sample's student and teacher channels here, taken as a constant (O(B D (C + D)) memory).
    """
    x, y = unit(student), unit(teacher)
    if kernel == "linear":
        return (x.mean(1) - y.mean(1)).square().sum(1).mean()
    if kernel == "poly":
        outer_x, outer_y = (gram(m.transpose(1, 2)) / m.shape[1] for m in (x, y))
        return (outer_x - outer_y).square().sum((1, 2)).mean()
    if kernel != "gaussian":
        raise ValueError(f"kernel is {kernel!r}; give 'poly', 'linear' or 'gaussian'")
    apart = _square_distances(x, y)
    twice = 2 * apart.detach().mean((1, 2), keepdim=True).clamp(min=1e-12)
    within = [torch.exp(-_square_distances(m, m) / twice).mean((1, 2)) for m in (x, y)]
    return (within[0] + within[1] - 2 * torch.exp(-apart / twice).mean((1, 2))).mean()


def _square_distances(x: Tensor, y: Tensor) -> Tensor:
    """(B, C, T), (B, D, T) -> (B, C, D), never below zero."""
    squares = x.square().sum(2).unsqueeze(2) + y.square().sum(2).unsqueeze(1)
    return (squares - 2 * x @ y.transpose(1, 2)).clamp(min=0)


def fsp(student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
    """Flow of solution procedure: squared distance of G = F1 F2' / steps, the products of two layers' channels.

    Each pair: maps (B, C1, T), (B, C2, T), the same C1, C2 for both -> (). Yim, Joo, Bae & Kim, CVPR 2017, eq. 1 and 2.
    RepDistiller: the mean over entries, where the paper sums.
    """
    return (_flow(*student) - _flow(*teacher)).square().sum((1, 2)).mean()


def _flow(low: Tensor, high: Tensor) -> Tensor:
    return low @ high.transpose(1, 2) / low.shape[2]


def patient(student: Tensor, teacher: Tensor) -> Tensor:
    """Patient-KD: squared distance of hidden states of length one, summed over layers. (B, M, D), (B, M, D) -> ().

    Sun, Cheng, Gan & Liu, EMNLP 2019, arXiv 1908.09355, eq. 7. Of BERT's [CLS] token there; our adaptation: the last
    token, as the teacher is causal, and the student's newest step, mapped to the teacher's size. Official code: the
    mean over all numbers, normalised only on demand, rounded to half precision.
    """
    return (unit(student) - unit(teacher)).square().sum((1, 2)).mean()


def tinybert(student: Tensor, teacher: Tensor, attention_student: Tensor, attention_teacher: Tensor) -> Tensor:
    """TinyBERT: mean squared error of hidden states plus that of attention scores.

    Hidden (B, ..., D) twice, attention (B, H, T, T) twice -> (). Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351,
    eq. 7, 8 and 11 (without its embedding and prediction terms: the student reads no words, and forecasts are what the
    response losses compare). Official code sets masked scores (below -100) to zero first; no step is masked here.
    """
    return functional.mse_loss(student, teacher) + functional.mse_loss(attention_student, attention_teacher)


def self_attention(x: Tensor) -> Tensor:
    """Scores of one head of attention of a map to itself: (B, C, T) -> (B, 1, T, T), cosines of its steps.

    Our adaptation: neither a convolutional student nor a teacher whose maps were not stored has attention scores to
    compare. As in MiniLM's value relation (Wang et al., NeurIPS 2020, arXiv 2002.10957) products of a map's own steps
    stand for them, here of length one, since the two networks share no scale.
    """
    return gram(unit(x.transpose(1, 2))).unsqueeze(1)


def same_steps(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Maps over the same steps: (B, C, T), (B, D, S) -> (B, C, min), (B, D, min), the longer one averaged down."""
    steps = min(student.shape[2], teacher.shape[2])
    pooled = [m if m.shape[2] == steps else functional.adaptive_avg_pool1d(m, steps) for m in (student, teacher)]
    return pooled[0], pooled[1]
