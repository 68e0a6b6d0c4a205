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
    """Play each of these episodes once, as many at a time as `venv` has environments; rewards play no part.

    act : (n, F) f4 observations -> actions. An episode's seed is its place among them, whatever is played beside it.
    """
    places = range(len(episodes))
    turns = [places[first : first + venv.num_envs] for first in places[:: venv.num_envs]]
    return joined([_play(act, venv, {place: episodes[place] for place in turn}) for turn in turns])


def _play(act: Callable[[np.ndarray], np.ndarray], venv: Any, episodes: dict[int, int]) -> Outcome:
    """Episodes by seed, one an environment; those left over play the last one too, unheard, as does who has ended."""
    n, count = len(episodes), venv.num_envs
    seeds, named = ([*some, *[some[-1]] * (count - n)] for some in (list(episodes), list(episodes.values())))
    observations, _ = venv.reset(seed=seeds, options={"episode": named})
    over, pnl, held = np.zeros(count, bool), np.zeros(count), np.zeros(count)
    while not over[:n].all():
        observations, _, ended, _, infos = venv.step(act(observations))
        now = ended & ~over
        pnl[now], held[now] = infos["wealth"][now], infos["map"][now]
        over |= ended
    return Outcome(pnl[:n], held[:n])
