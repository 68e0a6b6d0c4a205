"""The market as a gymnasium environment: one seat is yours, named agents may sit in the others."""

from typing import Any

import gymnasium
import numpy as np

from lobarena.sim.batch import Batch
from lobarena.sim.env_spaces import action_space, observation_space, taker
from lobarena.sim.settings import Settings


class MarketMaking(gymnasium.Env[np.ndarray, Any]):
    """Make a market in one futures contract, on a replayed day, through a real matching engine.

    ## Description
    You quote each time the venue's book reaches you (every 500 ms on a snapshot feed). Your orders travel, queue behind
    the recorded crowd, are filled by it and move it by the impact rule; other seats, when there are any, stand in the
    same queues. docs/environments.md tells all of this with examples.

    ## Observation Space
    `Box(float32)` of the blocks that `observation` names, one after the other: `levels` (20 numbers), `imbalance` (2),
    `order flow` (3), `volatility` (2), `own orders` (6), `queue positions` (20), `inventory` (1), `time left` (1) and
    `history window` (14 a look of `history`). `lobarena.sim.blocks.BLOCKS` gives name, unit, bounds and scale of every
    number. Values are cut to their bounds and divided by their scale (`normalise=False` leaves the units). All of it is
    what the seat knows: the published book a feed latency ago without its own orders, and its account as reported.

    ## Action Space
    - `offsets`: `Discrete(10)`. 0 to 8 quote `order_size` lots at (bid, ask) distances of (1,1) (2,2) (3,3) (4,4) (5,5)
      (1,3) (3,1) (2,5) (5,2) half spreads from the mid, rounded outwards to the tick; 9 takes all quotes back and
      closes the position by a market order, where somebody stands to trade with (Spooner et al. 2018).
    - `continuous`: `Box(-1, 1, (2,))`. The centre is the mid + 5 a0 half spreads; bid and ask lie 1 + 4.5 (a1 + 1) half
      spreads about it, rounded outwards.
    - `ladder`: `Box(0, 1, (10,))`. round(a `order_size`) lots at the best bid and 1 to 4 ticks below, then at the best
      ask and 1 to 4 ticks above. An order at a price that is still wanted keeps its place in the queue.
    - `orders`: `Box(int32, (21,))`. Price (ticks) and lots of five bids, then of five asks; then lots of a market
      order, negative to sell. They go out as they are.

    The first three quote only the reducing side at the position limit, and nothing when a side of the book is empty.

    ## Rewards
    In tick x lot (times the contract's tick value it is currency). `pnl` is the change of your marked wealth net of
    fees, in four parts: spread captured, holding, fees, liquidation. The others add parts: `dampened`,
    `dampened symmetric` (Spooner et al. 2018), `hybrid` (Guo et al. 2023), `imm` (Niu et al. 2024), `inventory`, each
    with parameters ("dampened:eta=0.3"), or an object of `lobarena.sim.rewards`. `info["parts"]` sums to the reward.
    The position is marked at the crowd's mid. Over an episode `pnl` sums to its PnL, terminal liquidation included.

    ## Starting State
    Flat, at a random moment of a random day, the book warmed up by the day's events before it; or the n-th of
    `episodes` by `options={"episode": n}`.

    ## Episode End
    Terminates after `episode_minutes`, when your orders are withdrawn and your position is closed by a market order
    (part `liquidation`); earlier when your margin is called. Never truncates by itself.

    ## Info
    `wealth` and `fees` (currency), `position` and `lots` traded in the step (lots, as the venue has them), `map` (mean
    absolute position over the looks so far), `parts` ((P,) float64, named by `part_names`), `time` (ns UTC).

    ## Arguments
    | Name | Default | Meaning |
    |---|---|---|
    | data | "synthetic" | embedded days, "training" (earlier), "crowd", "crowd:FIT" (docs/crowd.md), or a catalogue |
    | contract | "" | symbol, several, or "all"; the first one when empty |
    | day | "" | YYYYMMDD; any day of the contracts, drawn at reset, when empty |
    | between | all time | two moments, ns UTC: episodes lie between them |
    | opponents | () | names of agents in the other seats, such as ("glft", "foic:N=1") |
    | observation, history | all but queues and history, 0 | blocks, and looks of the `history window` |
    | normalise | True | divide the numbers by their scales |
    | action, reward | "offsets", "pnl" | see above |
    | episode_minutes | 30 | length of an episode |
    | order_size, position_limit | 1, 20 | lots |
    | decision_us | 1000 | thinking time charged for each of your decisions |
    | network_ms | 5 | each way: feed, orders, reports |
    | every_ms | 0 | between looks; 0 looks at each update of the feed |
    | cancel_model, impact | "pro rata", "decay" | how the record meets your orders (docs/replay.md) |
    | seed | 0 | of the event times inside a snapshot interval, and of synthetic days |

    ## Version History
    v0: first form.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - as gymnasium declares it
    observation_space: gymnasium.spaces.Box

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.batch = Batch(self.settings, 1)
        self.part_names = self.batch.part_names
        self.observation_space = observation_space(self.batch.layout)
        self.action_space = action_space(self.settings.action)
        batch = self.batch
        self._take = taker(batch.actions[0, 0], (self.action_space.shape or (1,))[0])
        self._seen, self._parts, self._read, self._out = batch.observations[0, 0], batch.parts[0, 0], batch.read, True

    @property
    def episodes(self) -> list[tuple[int, int, int]]:
        """Every whole episode of the data: (place of its day, opens, closes), ns UTC."""
        return self.batch.episodes

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; options may hold "episode", its place in `episodes` instead of a random moment."""
        super().reset(seed=seed)
        batch = self.batch
        batch.begin(0, self.np_random, (options or {}).get("episode"))
        batch.step()
        return self._seen.copy(), self._told()[2]

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Quote, and run to the next look: (observation, reward in tick x lot, terminated, False, info).

        ValueError says what is wrong with an action; nothing of it has happened then.
        """
        if self._out:
            raise gymnasium.error.ResetNeeded("the episode is over; call reset()")
        self._take(action)
        self.batch.step()
        reward, over, info = self._told()
        return self._seen.copy(), reward, over, False, info

    def _told(self) -> tuple[float, bool, dict[str, Any]]:
        """Reward, whether the episode is over, and info."""
        reward, wealth, fees, held, lots, position, time, self._out = self._read()
        return (
            reward,
            self._out,
            {
                "wealth": wealth,
                "position": position,
                "fees": fees,
                "map": held,
                "lots": lots,
                "parts": self._parts.copy(),
                "time": time,
            },
        )
