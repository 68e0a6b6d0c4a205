"""Lengths and directions whose gradients stay finite at zero.

`torch.nn.functional.normalize` divides by 1e-12 there, so that one dead feature sends a gradient of 1e12 through the
student. A vector shorter than `ZERO` has no direction: it maps to zero and is left alone.
"""

import torch
from torch import Tensor

ZERO = 1e-8  # features are standardised, a length is of the order of one


def length(x: Tensor) -> Tensor:
    """Euclidean length over the last axis: (..., d) -> (...,); its gradient at zero is zero."""
    square = x.square().sum(-1)
    long = square > ZERO**2
    return torch.where(long, torch.where(long, square, 1).sqrt(), 0)  # the inner one keeps NaN out of the gradient


def unit(x: Tensor) -> Tensor:
    """Vectors of length one along the last axis: (..., d) -> (..., d); zero stays zero, with gradient zero."""
    size = length(x).unsqueeze(-1)
    return torch.where(size > 0, x / torch.where(size > 0, size, 1), 0)


def gram(x: Tensor) -> Tensor:
    """Inner products of rows: (..., n, d) -> (..., n, n)."""
    return x @ x.transpose(-1, -2)
