"""The networks of IMM: a representation of the book's history, an actor and twin critics over it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lobarena.agents.columns import Columns


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs)
    )


class Representation(nn.Module):
    """History window -> features that also forecast the mid, soon and later (IMM's representation unit, in small).

    Niu et al. learn from the window by temporal convolution with attention and give the policy trend signals of a short
    and a long horizon. Our formulation: one linear map of a look, dilated causal convolutions over pairs of looks 1, 2,
    4 .. apart (each halves the sequence: only what reaches the newest look is computed), and two linear heads on the
    features, trained together with the critics: L = L_TD + c L_trend.

    looks: a power of two; width: numbers a look.
    """

    def __init__(self, looks: int, width: int, size: int = 32) -> None:
        super().__init__()
        if looks < 2 or looks & (looks - 1):
            raise ValueError(f"history is {looks} looks; give a power of two")
        self.looks, self.width = looks, width
        self.look = nn.Linear(width, size)
        self.pairs = nn.ModuleList(nn.Linear(2 * size, size) for _ in range(looks.bit_length() - 1))
        self.trends = nn.Linear(size, 2)

    def forward(self, window: Tensor) -> Tensor:
        """window: (B, K * J) f4, oldest look first -> (B, size) f4."""
        x = functional.relu(self.look(window.reshape(window.shape[0], self.looks, self.width)))
        for pair in self.pairs:
            x = functional.relu(pair(x.reshape(x.shape[0], x.shape[1] // 2, -1)))  # a look and the one before it
        return x[:, 0]


class Policy(nn.Module):
    """Observation -> features -> quote (m*, delta*, phi bid, phi ask), each in -1..1."""

    def __init__(self, columns: Columns, actions: int, hidden: int, size: int = 32) -> None:
        super().__init__()
        self.flat = len(columns.flat)
        self.gains: Tensor
        self.register_buffer("gains", torch.from_numpy(columns.gains()), persistent=False)
        self.representation = Representation(columns.looks, columns.width, size)
        self.actor = perceptron(self.flat + size, hidden, actions)

    def features(self, observations: Tensor) -> Tensor:
        """(B, F) f4 -> (B, flat + size) f4."""
        history = self.representation(observations[:, self.flat :])
        return torch.cat([observations[:, : self.flat] * self.gains, history], 1)

    def quote(self, features: Tensor) -> Tensor:
        """(B, flat + size) f4 -> (B, 4) f4 in -1..1."""
        return torch.tanh(self.actor(features))

    def trends(self, features: Tensor) -> Tensor:
        """(B, flat + size) f4 -> forecasts of the mid's move over the short and the long horizon, (B, 2) f4."""
        forecasts: Tensor = self.representation.trends(features[:, self.flat :])
        return forecasts


class Critics(nn.Module):
    """Two estimates of the value of a quote in a state, (B, flat + size) and (B, 4) -> two (B,) f4."""

    def __init__(self, features: int, actions: int, hidden: int) -> None:
        super().__init__()
        self.first, self.second = (perceptron(features + actions, hidden, 1) for _ in range(2))

    def forward(self, features: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([features, actions], 1)
        return self.first(x).squeeze(1), self.second(x).squeeze(1)


@torch.no_grad()
def follow(target: nn.Module, source: nn.Module, rate: float) -> None:
    """Move a target network a part of the way to its source."""
    for slow, fast in zip(target.parameters(), source.parameters(), strict=True):
        slow.lerp_(fast, rate)
