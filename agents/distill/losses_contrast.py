"""Distillation by contrast: the student's sample must find its teacher's among all others."""

import torch
from torch import Tensor
from torch.nn import functional

from lobarena.agents.distill.geometry import unit


def crd(student: Tensor, teacher: Tensor, temperature: float = 0.07) -> Tensor:
    """Contrastive representation distillation, InfoNCE over the batch. (B, e), (B, e) -> ().

    Tian, Krishnan & Isola, ICLR 2020, arXiv 1910.10699, eq. 18, with the estimator of van den Oord, Li & Vinyals 2018,
    arXiv 1807.03748, eq. 4. The inputs come from two trained linear maps to e = 128 dimensions; each is an anchor once,
    the two losses add. ln B minus half the loss bounds the mutual information from below.

    Our adaptation: negatives are the other samples of the batch. The paper draws 16,384 from a memory of embeddings of
    past epochs and scores each pair by itself against a noise rate N / M. The memory is left out: it is state that no
    other loss needs, it would have to be kept and restored with every checkpoint, and windows fit whole in batches
    large enough to hold negatives.
    Temperature: 0.07 in the official code.
    """
    if len(student) < 2:
        raise ValueError("a batch of one has no negatives; give 2 samples or more")
    scores = unit(student) @ unit(teacher).T / temperature
    own = torch.arange(len(scores), device=scores.device)
    return functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)
