"""Branching dueling double Q-learning (Tavakoli et al. 2018, arXiv 1711.08946): a decision for each of D levels.

B is the batch, F the features of an observation, D the levels; each level is left empty (0) or kept (1).
"""

import torch
from torch import Tensor, nn

CHOICES = 2


class Branching(nn.Module):
    """Q(s, d, a) = V(s) + A(s, d, a) - mean over a of A(s, d, a): (B, F) -> (B, D, 2), one body for all levels."""

    def __init__(self, features: int, levels: int, hidden: int, seed: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(features, hidden), nn.Linear(hidden, hidden)
        self.value, self.advantage = nn.Linear(hidden, 1), nn.Linear(hidden, CHOICES * levels)
        chance = torch.Generator().manual_seed(seed)
        for layer in (self.first, self.second, self.value, self.advantage):
            bound = layer.in_features**-0.5
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=chance)
        nn.init.zeros_(self.advantage.weight)  # no choice is better to begin with: the first policy keeps nothing
        nn.init.zeros_(self.advantage.bias)

    def forward(self, observations: Tensor) -> Tensor:
        body = torch.relu(self.second(torch.relu(self.first(observations))))
        advantage = self.advantage(body).unflatten(-1, (-1, CHOICES))  # (B, D, 2)
        values: Tensor = self.value(body)[..., None] + advantage - advantage.mean(-1, keepdim=True)
        return values


def target(returns: Tensor, discounts: Tensor, online: Tensor, frozen: Tensor) -> Tensor:
    """(B,) what all levels of a state should be worth: their mean, by double Q-learning (eq. 6 of the paper).

    returns : (B,) rewards up to the next state; discounts : (B,) of that state, 0 when the episode ended before it
    online, frozen : (B, D, 2) its values by the network that chooses and by the one that is believed
    """
    chosen = online.argmax(-1, keepdim=True)
    return returns + discounts * frozen.gather(-1, chosen).squeeze(-1).mean(-1)


def loss(values: Tensor, actions: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Squared error of the values (B, D, 2) of actions (B, D) against (B,), weighed by (B,), the mean over levels.

    Not Huber's: fills are rare, and a loss that bounds their pull would learn a median without them.
    """
    taken = values.gather(-1, actions[..., None]).squeeze(-1)
    return (weights * (taken - wanted[:, None]).square().mean(-1)).sum() / weights.sum()
