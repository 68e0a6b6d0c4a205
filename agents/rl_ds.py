"""RL_DS: SARSA(lambda) over a linear combination of tile codings (Spooner et al. 2018, arXiv 1804.04216).

The paper's: the ten actions; the asymmetrically dampened reward (eq. 7); a value that is the sum of three groups of
tilings, of the agent's state (inventory and both quoting distances), of the market's (spread, move of the mid,
imbalance, signed volume, volatility) and of both, weighed 0.6, 0.1 and 0.3 and all moved by the same error; SARSA with
replacing traces, an alpha (0.001) shared by the tilings of a group, gamma 0.97, lambda 0.96, and an epsilon that falls
geometrically from 0.7 to 0.0001. Tile widths follow the authors' program (github.com/tspooner/rl_markets).

Ours: a decision at every look of 500 ms instead of at every move of the mid, hence nearer horizons (gamma 0.95, lambda
0.9: the values of far ones drown in what positions gain and lose by chance); order-flow imbalance (memory 0.8) for the
signed volume of the last minute, the move since the last look for that of the last 15, no relative strength index;
distances in half spreads; a short position is seen in a mirror, where it is a long one; alpha falls too; many
environments share one table, of 24,576 rows instead of 10 million.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from lobarena.agents.tiles import ACTIONS, AGENT, GROUPS, RULE, TRACE, WALK, capacity, greedy, sarsa
from lobarena.sim.blocks import composed
from lobarena.sim.random import generator

Arrays = dict[str, np.ndarray]

OBSERVATION = ("levels", "imbalance", "order flow", "volatility", "own orders", "inventory")
VARIABLES = 8
MIRRORED = np.array([0, 1, 2, 3, 4, 6, 5, 8, 7, 9])  # each action where bids are asks


@dataclass
class RlDs:
    """A learner; its fields are its hyperparameters."""

    name: ClassVar[str] = "rl-ds"
    envs: ClassVar[int] = 64
    budget: ClassVar[int] = 12_000_000  # environment steps of a default training
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "alpha": ("float", 1e-4, 1e-1, "log"),
        "gamma": ("float", 0.9, 0.995, ""),
        "lam": ("float", 0.5, 0.98, ""),
        "eta": ("float", 0.0, 1.0, ""),
        "tilings": ("int", 12, 96, ""),
    }

    alpha: float = 0.02  # at the start of the budget
    alpha_floor: float = 0.001  # at its end
    gamma: float = 0.95  # a look
    lam: float = 0.9
    epsilon: float = 0.7  # at the start of the budget
    epsilon_floor: float = 0.0001  # at its end
    eta: float = 0.3  # share of the inventory's gains that the reward leaves out
    tilings: int = 32  # of the three groups together, in turn
    rows: int = 24_576  # of the table, which holds 40 bytes a row
    shares: tuple[float, float, float] = (0.6, 0.1, 0.3)  # of the agent's, the market's and the full group
    lots_a_tile: float = 0.05  # of the position limit
    faintest: float = 0.01  # traces below it are forgotten

    def __post_init__(self) -> None:
        if not (0 < self.faintest < 1 and 0 <= self.gamma * self.lam < 1 and self.tilings >= GROUPS <= self.rows):
            raise ValueError(
                f"rl-ds needs 0 < faintest < 1, gamma x lam below 1, {GROUPS} tilings and rows or more: {self}"
            )
        if min(self.alpha, self.alpha_floor, self.epsilon, self.epsilon_floor) <= 0:
            raise ValueError("alpha, epsilon and their floors are positive: they fall by the same factor each slice")

    def environment(self) -> dict[str, Any]:
        """Keyword arguments of the environment that it learns in."""
        return {"observation": OBSERVATION, "action": "offsets", "reward": f"dampened:eta={self.eta!r}"}

    def begin(self, observation_space: Any, action_space: Any, seed: int) -> None:
        """An empty table; nothing in it is random."""
        features = composed(OBSERVATION, 0)
        if observation_space.shape != (len(features),) or getattr(action_space, "n", 0) != ACTIONS:
            raise ValueError(
                f"rl-ds needs Box({len(features)},) and Discrete({ACTIONS}), not {observation_space} and "
                f"{action_space}; make the environment with **learner.environment()"
            )
        at = {feature.name: (k, feature.scale) for k, feature in enumerate(features)}
        self.columns = {name: at[name] for name in _SEEN}
        self.table = np.zeros((self.rows, ACTIONS), np.float32)
        self.offsets = offsets(self.tilings)
        self.rows_of_one, self.values = np.zeros(self.tilings, np.int32), np.zeros(ACTIONS)

    def learn(self, venv: Any, steps: int, done: float, seed: int) -> dict[str, float]:
        """`steps` environment steps over all of venv; alpha and epsilon stay those of `done`, of the budget."""
        n, looks = venv.num_envs, -(-steps // venv.num_envs)
        rng = generator(seed, self.name, "explore")
        rule = self._rule(
            _falling(self.alpha, self.alpha_floor, done), _falling(self.epsilon, self.epsilon_floor, done)
        )
        walks = np.zeros(n, WALK)
        traces = np.zeros((n, capacity(self.tilings, rule["decay"][0], self.faintest)), TRACE)
        rows, mark = np.zeros((n, self.tilings), np.int32), np.zeros(self.rows, np.uint8)
        observations, _ = venv.reset(seed=seed)
        states, turned = self._states(observations)
        rewards, over = np.zeros(n), np.zeros(n, np.bool_)
        errors = total = 0.0
        for look in range(looks + 1):
            if look:
                actions = np.where(turned, MIRRORED[walks["action"]], walks["action"])
                observations, rewards, over, _, _ = venv.step(actions)
                states, turned = self._states(observations)
                total += float(rewards.sum())
            errors += sarsa(
                self.table, self.offsets, walks, traces, rows, self.rows_of_one, self.values, mark,
                states, rewards.astype(np.float64), over, rng.random((2, n)), rule,
            )  # fmt: skip
            if not np.isfinite(errors):
                raise ValueError(
                    f"rl-ds diverged: alpha is {self.alpha}, choose a smaller one; or a reward is not finite"
                )
        return {
            "epsilon": float(rule["epsilon"][0]),
            "reward": total / (looks * n),  # tick x lot a step
            "error": errors / (looks * n),  # mean |temporal-difference error|
            "traces": float(walks["traces"].mean()),
            "rows in use": float((self.table != 0).any(1).mean()),
        }

    def act(self, observations: np.ndarray) -> np.ndarray:
        """Best actions, (n,) i8, of observations (n, F) f4."""
        actions = np.zeros(len(observations), np.int64)
        share = self._rule(0.0, 0.0)["share"][0]
        states, turned = self._states(observations)
        greedy(self.table, self.offsets, share, states, self.rows_of_one, self.values, actions)
        return np.where(turned, MIRRORED[actions], actions)

    def weights(self) -> Arrays:
        return {"table": self.table.copy(), "tilings": np.array([self.tilings])}

    def load_weights(self, weights: Arrays) -> None:
        """ValueError names what does not fit."""
        if set(weights) != {"table", "tilings"}:
            raise ValueError(f"weights of rl-ds are table and tilings, not {', '.join(sorted(weights)) or 'nothing'}")
        table, tilings = weights["table"], int(weights["tilings"][0])
        if table.shape != self.table.shape or tilings != self.tilings:
            raise ValueError(
                f"the table is {table.shape} with {tilings} tilings; this learner has {self.table.shape} and "
                f"{self.tilings}: make it with rows={table.shape[0]}, tilings={tilings}"
            )
        if not np.isfinite(table).all():
            raise ValueError("the table holds numbers that are not finite; train again with a smaller alpha")
        self.table = np.array(table, np.float32, order="C")

    def state(self) -> Arrays:
        """Nothing: a slice starts new episodes, and with them new traces."""
        return {}

    def load_state(self, state: Arrays) -> None:
        if state:
            raise ValueError(f"rl-ds has no state beside its table, but was given {', '.join(sorted(state))}")

    def _rule(self, alpha: float, epsilon: float) -> np.ndarray:
        rule = np.zeros(1, RULE)
        step, decay = alpha * GROUPS / self.tilings, self.gamma * self.lam
        rule[0] = (step, self.gamma, decay, epsilon, self.faintest, self.shares)
        return rule

    def _states(self, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The eight variables in tile widths, (n, 8) f4, the agent's three in front; and which are mirrored, (n,) bool.

        Mirrored are short positions, and flat ones where asks outweigh bids: what is learned of one side holds for
        the other.
        """
        seen = {name: observations[:, at] * scale for name, (at, scale) in self.columns.items()}
        turned = np.where(seen[_POSITION] != 0, seen[_POSITION], seen[_IMBALANCE]) < 0
        sign = np.where(turned, -1, 1)
        spread = np.maximum(seen[_BID] + seen[_ASK], 1.0)  # ticks
        own_bid = np.clip(2 * seen[_OWN_BID] / spread, -2, 7)  # half spreads; an absent quote is far away
        own_ask = np.clip(2 * seen[_OWN_ASK] / spread, -2, 7)
        states = np.empty((len(observations), VARIABLES), np.float32)
        states[:, 0] = sign * seen[_POSITION] / self.lots_a_tile
        states[:, 1] = np.where(turned, own_ask, own_bid)
        states[:, 2] = np.where(turned, own_bid, own_ask)
        states[:, 3] = np.minimum(spread / 2, 4)
        states[:, 4] = sign * np.clip(seen[_MOVE], -3, 3)
        states[:, 5] = sign * 1.5 * seen[_IMBALANCE]
        states[:, 6] = sign * 1.5 * seen[_FLOW]
        states[:, 7] = np.minimum(2 * seen[_VOLATILITY], 4)
        return states, turned


_BID, _ASK, _POSITION = "bid 1 distance", "ask 1 distance", "position / limit"
_OWN_BID, _OWN_ASK = "own bid distance below the mid", "own ask distance above the mid"
_MOVE, _IMBALANCE = "mid move since the last look", "imbalance of all sizes seen"
_FLOW, _VOLATILITY = "order flow, memory 0.8", "volatility, memory 0.98"
_SEEN = (_BID, _ASK, _POSITION, _OWN_BID, _OWN_ASK, _MOVE, _IMBALANCE, _FLOW, _VOLATILITY)


def _falling(start: float, floor: float, done: float) -> float:
    """From start to floor, geometrically."""
    return float(start * (floor / start) ** done)


def offsets(tilings: int) -> np.ndarray:
    """(K, 8) f4: how far each tiling is moved, in tile widths: by odd multiples 1, 3, 5 ... of 1 / its group's size."""
    found = np.zeros((tilings, VARIABLES), np.float32)
    for group, first, last in ((0, 0, AGENT), (1, AGENT, VARIABLES), (2, 0, VARIABLES)):
        size = len(found[group::GROUPS])
        found[group::GROUPS, first:last] = np.outer(np.arange(size), 2 * np.arange(last - first) + 1) % size / size
    return found
