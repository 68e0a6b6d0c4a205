"""How good a policy is: every validation episode played once, at the same time, greedily."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """What a policy made of the episodes."""

    pnl: np.ndarray  # (n,) f8 currency, net of fees and of the terminal liquidation
    map: np.ndarray  # (n,) f8 lots, mean |position| over the looks

    @property
    def epnl(self) -> float:
        """Mean episodic PnL, currency."""
        return float(self.pnl.mean())

    @property
    def pnlmap(self) -> float:
        """Mean PnL / mean MAP, currency a lot: a ratio of sums, which no quiet episode can blow up."""
        return pnlmap(self.pnl, self.map)


def pnlmap(pnl: np.ndarray, held: np.ndarray) -> float:
    """mean(pnl) / max(mean(held), 1e-7) (Gašperov & Kostanjčar 2021, over several episodes)."""
    return float(pnl.mean()) / max(float(held.mean()), 1e-7)


def joined(outcomes: Sequence[Outcome]) -> Outcome:
    """The episodes of several parts as one."""
    return Outcome(np.concatenate([one.pnl for one in outcomes]), np.concatenate([one.map for one in outcomes]))


def validate(act: Callable[[np.ndarray], np.ndarray], venv: Any, episodes: Sequence[int]) -> Outcome:
    """Play these episodes, one an environment of `venv`, until each has ended once; rewards play no part.

    act : (n, F) f4 observations -> actions. An environment whose episode is over goes on, unheard.
    """
    observations, _ = venv.reset(seed=0, options={"episode": list(episodes)})
    n = len(episodes)
    over, pnl, held = np.zeros(n, bool), np.zeros(n), np.zeros(n)
    while not over.all():
        observations, _, ended, _, infos = venv.step(act(observations))
        now = ended & ~over
        pnl[now], held[now] = infos["wealth"][now], infos["map"][now]
        over |= ended
    return Outcome(pnl, held)
