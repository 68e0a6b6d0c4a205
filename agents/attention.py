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
        self.looks, self.width, self.scale = looks, width, (size // heads) ** -0.5
        self.look = nn.Linear(width, size)
        self.pair = nn.Linear(2 * size, size)
        self.query = nn.Linear(size, size)
        self.key_value = nn.Linear(size, 2 * size)
        self.age = nn.Parameter(torch.zeros(looks, heads))
        self.head: Tensor
        self.register_buffer("head", torch.eye(heads).repeat_interleave(size // heads, 0), persistent=False)

    def forward(self, window: Tensor) -> Tensor:
        """window: (B, K * J) f4, oldest look first -> (B, size) f4."""
        x = functional.leaky_relu(self.look(window.reshape(-1, self.looks, self.width)))  # (B, K, size)
        before = torch.cat([x[:, :1], x[:, :-1]], 1)
        x = functional.leaky_relu(self.pair(torch.cat([before, x], 2)))  # (B, K, size)
        newest = x[:, -1]
        query = self.query(newest).unsqueeze(1) * self.scale
        key, value = self.key_value(x).chunk(2, 2)
        # a product with `head` sums within heads: batches of tiny matrices take torch three times as long
        score = (key * query) @ self.head + self.age  # (B, K, heads)
        return torch.add(newest, ((score.softmax(1) @ self.head.T) * value).sum(1))
