"""A unit for rewards: learners divide by it, so that contracts of any volatility look alike to their critics."""

import numpy as np


class RewardUnit:
    """Root mean square of discounted returns seen so far (as in Engstrom et al. 2020, arXiv 2005.12729, our form).

    `kept`, (2,) f8, is all that the next slice depends on: how many returns, and the sum of their squares.
    """

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma
        self.kept = np.zeros(2)

    def begin(self, n: int) -> None:
        """Returns of n environments start from 0."""
        self._returns = np.zeros(n)

    def see(self, rewards: np.ndarray, ended: np.ndarray) -> None:
        """One step's rewards (n,), and whether each episode ended with it."""
        self._returns = rewards + self.gamma * self._returns
        self.kept += [len(rewards), float((self._returns**2).sum())]
        self._returns[ended] = 0

    def value(self) -> float:
        """Tick x lot; 1 before the first step."""
        count, squares = self.kept
        return float(np.sqrt(squares / count)) + 1e-6 if count else 1.0
