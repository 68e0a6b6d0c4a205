"""Attn-LOB in small: what the last looks at the book say, as one vector."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class AttentionEncoder(nn.Module):
    """History window of a book -> features (after Attn-LOB, Guo et al. 2023, arXiv 2305.15821).

    The paper convolves over the price levels of each look, then over time, and lets attention weigh the looks. Here,
    our formulation: one linear map of a look (a convolution over all its levels at once, shared by the looks), a causal
    convolution over pairs of looks, and multi-head attention whose one query is the newest look, with a learned bias
    for the age of a look: O(looks) instead of O(looks^2).

    looks: number of looks K; width: numbers a look J; size: features out, divisible by heads.
    """

    def __init__(self, looks: int, width: int, size: int = 32, heads: int = 4) -> None:
        super().__init__()
        if size % heads:
            raise ValueError(f"size is {size}; give a multiple of heads, {heads}")
        self.looks, self.width, self.heads = looks, width, heads
        self.look = nn.Linear(width, size)
        self.pair = nn.Linear(2 * size, size)
        self.query = nn.Linear(size, size)
        self.key_value = nn.Linear(size, 2 * size)
        self.age = nn.Parameter(torch.zeros(heads, looks))

    def forward(self, window: Tensor) -> Tensor:
        """window: (B, K * J) f4, oldest look first -> (B, size) f4."""
        batch, k, heads = window.shape[0], self.looks, self.heads
        x = functional.leaky_relu(self.look(window.reshape(batch, k, self.width)))  # (B, K, size)
        before = torch.cat([x[:, :1], x[:, :-1]], 1)
        x = functional.leaky_relu(self.pair(torch.cat([before, x], 2)))  # (B, K, size)
        newest = x[:, -1]
        query = self.query(newest).reshape(batch, heads, 1, -1)
        key, value = (
            self.key_value(x).reshape(batch, k, 2, heads, -1).permute(2, 0, 3, 1, 4)
        )  # (B, heads, K, size / heads)
        score = (query * key).sum(3) / key.shape[3] ** 0.5 + self.age  # (B, heads, K)
        seen = (score.softmax(2).unsqueeze(3) * value).sum(2).reshape(batch, -1)
        return torch.add(newest, seen)
