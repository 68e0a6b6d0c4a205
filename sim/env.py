"""The market as a gymnasium environment: one seat is yours, named agents may sit in the others."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from lobarena.data.catalogue import DayFile, days, read_day
from lobarena.data.schema import MARK
from lobarena.data.sessions import session_times, weekday_before
from lobarena.sim.features import FEATURES, HIGHEST, LOWEST, MEMORY, features
from lobarena.sim.feed import Feed, feed_of
from lobarena.sim.market import Latency, Market, Rules, Seat
from lobarena.sim.random import generator

# Who plays the other seats, by string: the simulator knows no agent. Called as
# opponent(name, feed, seat, order_size, position_limit, opens, closes, rng) -> act(observation) -> (bids, asks, take)
# or None to leave the working orders.
OPPONENTS = "lobarena.agents.opponents:opponent"

# Quote distances from the mid, in half spreads, of bid and ask: Spooner et al. 2018 (arXiv 1804.04216), table 1.
OFFSETS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (1, 3), (3, 1), (2, 5), (5, 2))
CLEAR = len(OFFSETS)  # the tenth action: no quotes, and the inventory goes by a market order


class MarketMaking(gymnasium.Env[np.ndarray, np.int64]):
    """Make a market in one futures contract, on a replayed day, through a real matching engine.

    ## Description
    You quote both sides, or clear your inventory, each time the venue's book reaches you (every 500 ms on a snapshot
    feed). Your orders travel, queue behind the recorded crowd, are filled by it and move with the impact rule; other
    seats, when there are any, stand in the same queues.

    ## Observation Space
    `Box(shape=(30,), float32)`. Distances are ticks from the mid, clipped; sizes are log(1 + lots); your own orders
    are not in the book you see.

    | Index | Observation | Min | Max | Unit |
    |---|---|---|---|---|
    | 0-4 | distance of the five best bids, 100 when a level is not there | 0 | 100 | ticks |
    | 5-9 | their sizes | 0 | 25 | log(1 + lots) |
    | 10-14 | distance of the five best asks, 100 when a level is not there | 0 | 100 | ticks |
    | 15-19 | their sizes | 0 | 25 | log(1 + lots) |
    | 20 | imbalance of the best sizes, (bid - ask) / (bid + ask) | -1 | 1 | |
    | 21 | move of the mid since the last observation | -100 | 100 | ticks |
    | 22 | volume since the last observation | 0 | 25 | log(1 + lots) |
    | 23 | volatility: root of the exponential mean of squared moves, memory 0.98 | 0 | 100 | ticks an update |
    | 24 | position / position limit, as reported | -1 | 1 | |
    | 25 | distance of your best working bid below the mid, 100 without one | -100 | 100 | ticks |
    | 26 | lots ahead of it when the book was published, -1 without one | -1 | 25 | log(1 + lots) |
    | 27 | distance of your best working ask above the mid, 100 without one | -100 | 100 | ticks |
    | 28 | lots ahead of it, -1 without one | -1 | 25 | log(1 + lots) |
    | 29 | time left / length of the episode | 0 | 1 | |

    ## Action Space
    `Discrete(10)`. 0 to 8 quote `order_size` lots at (bid, ask) distances of (1,1) (2,2) (3,3) (4,4) (5,5) (1,3) (3,1)
    (2,5) (5,2) half spreads from the mid, rounded outwards to the tick; at the position limit only the reducing side.
    9 takes all quotes back and closes the position by a market order (Spooner et al. 2018).

    ## Rewards
    The change of your marked wealth since the last step, net of fees, in tick x lot (times the contract's tick value
    it is currency). The position is marked at the crowd's mid. Over an episode the rewards sum to its PnL, the
    terminal liquidation included.

    ## Starting State
    Flat, at a random moment of the day (or the n-th episode, `options={"segment": n}`), the book warmed up by the
    day's events before it.

    ## Episode End
    Terminates after `episode_minutes`, when your orders are withdrawn and your position is closed by a market order;
    earlier when your margin is called. Never truncates by itself.

    ## Arguments
    | Name | Default | Meaning |
    |---|---|---|
    | data | "synthetic" | embedded days, or the folder of a catalogue |
    | contract | "" | symbol in it; the first one when empty |
    | day | "" | YYYYMMDD; any day of the contract, drawn at reset, when empty |
    | opponents | () | names of agents in the other seats, such as ("glft", "foic:N=1") |
    | episode_minutes | 30 | length of an episode |
    | order_size, position_limit | 1, 20 | lots |
    | decision_us | 1000 | thinking time charged for each of your decisions |
    | network_ms | 5 | each way: feed, orders, reports |
    | cancel_model, impact | "pro rata", "decay" | how the record meets your orders (docs/replay.md) |
    | seed | 0 | of the event times inside a snapshot interval |

    ## Version History
    v0: first form.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - as gymnasium declares it
    observation_space: gymnasium.spaces.Box

    def __init__(
        self,
        data: str = "synthetic",
        contract: str = "",
        day: str = "",
        opponents: Sequence[str] = (),
        episode_minutes: float = 30.0,
        order_size: int = 1,
        position_limit: int = 20,
        decision_us: float = 1_000.0,
        network_ms: float = 5.0,
        cancel_model: str = "pro rata",
        impact: str = "decay",
        seed: int = 0,
    ) -> None:
        if episode_minutes <= 0 or order_size <= 0 or position_limit < order_size:
            raise ValueError("episode_minutes and order_size are positive, position_limit is at least order_size")
        self.order_size, self.position_limit = order_size, position_limit
        self.thinking_ns = round(decision_us * 1e3)
        self.length = round(episode_minutes * 60e9)
        self.opponents = tuple(opponents)
        self.feed_seed = seed
        self.rules = Rules(cancel_model=cancel_model, impact=impact)
        latency = Latency(*(3 * [round(network_ms * 1e6)]))
        self.seats = [Seat(latency=latency, position_limit=position_limit)] * (1 + len(self.opponents))
        self.files = _files(data, contract, day, seed)
        self.market: Market | None = None
        self.memory = np.zeros(1, MEMORY)
        self.observation_space = gymnasium.spaces.Box(LOWEST, HIGHEST, dtype=np.float32)
        self.action_space = gymnasium.spaces.Discrete(len(OFFSETS) + 1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; options may hold "segment", the n-th episode of the day instead of a random moment."""
        super().reset(seed=seed)
        file = self.files[int(self.np_random.integers(len(self.files)))]
        feed = _feed(file, self.feed_seed)
        if self.market is None or self.market.feed is not feed:
            self.market = Market(feed, self.rules)
        segment = (options or {}).get("segment")
        opens, closes = self._window(feed, segment)
        place = int(self.np_random.integers(2**31))
        self.market.start(self.seats, opens, closes, place)
        self.others = [self._opponent(k, feed, opens, closes, place) for k in range(len(self.opponents))]
        self.memory.view(np.uint8)[:] = 0
        self.wealth = 0.0
        self.over = not self._advance()
        return self._observe(), self._info()

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Quote, and run to the next look: (observation, reward in tick x lot, terminated, False, info)."""
        if self.market is None or self.over:
            raise gymnasium.error.ResetNeeded("the episode is over; call reset()")
        self._quote(int(action))
        self.over = not self._advance()
        wealth = self.market.wealth(1) / self.market.feed.contract.tick_value
        reward, self.wealth = wealth - self.wealth, wealth
        return self._observe(), float(reward), self.over, False, self._info()

    def _window(self, feed: Feed, segment: int | None) -> tuple[int, int]:
        """Start and end of an episode, ns UTC, inside one session."""
        times = feed.events["time"][feed.events["kind"] == MARK]
        spans = []
        for start, end in session_times(feed.contract, feed.day, weekday_before(feed.day)).tolist():
            looks = times[(times >= start) & (times < end)]  # a recording may hold a part of a session, or none of it
            if len(looks) > 1 and looks[-1] - looks[0] > 2_000_000_000:
                spans.append((int(looks[0]), int(looks[-1]) - 1_000_000_000))
        if not spans:
            raise ValueError(f"{feed.contract.symbol} {feed.day} has no rows inside its sessions")
        starts = [max(1, (b - a) // self.length) for a, b in spans]
        if segment is None:
            room = np.array([max(1, b - a - self.length) for a, b in spans], np.float64)
            span = int(self.np_random.choice(len(spans), p=room / room.sum()))
            opens = spans[span][0] + int(self.np_random.integers(int(room[span])))
        else:
            if not 0 <= segment < sum(starts):
                raise ValueError(f"segment is {segment}; the day has segments 0 to {sum(starts) - 1}")
            span = int(np.searchsorted(np.cumsum(starts), segment, "right"))
            opens = spans[span][0] + (segment - sum(starts[:span])) * self.length
        return opens, min(opens + self.length, spans[span][1])

    def _opponent(self, number: int, feed: Feed, opens: int, closes: int, place: int) -> Callable[[Any], Any]:
        module, name = OPPONENTS.split(":")
        rng = generator(place, "opponent", number, self.opponents[number])
        make = getattr(import_module(module), name)
        act: Callable[[Any], Any] = make(
            self.opponents[number], feed, number + 2, self.order_size, self.position_limit, opens, closes, rng
        )
        return act

    def _advance(self) -> bool:
        """Run to this seat's next look, the others deciding on the way; False when the episode is over."""
        assert self.market is not None
        while (seat := self.market.run()) > 0:
            seen = self.market.observation(seat)
            if seat == 1:
                return True
            answer = self.others[seat - 2](seen)
            if answer is None:
                self.market.decide(seat, keep=True, thinking_ns=self.thinking_ns)
            else:
                self.market.decide(seat, *answer, thinking_ns=self.thinking_ns)
        self.market.observation(1)  # the last look is this seat's own too
        return False

    def _quote(self, action: int) -> None:
        assert self.market is not None
        o = self.market.look[0]
        position = int(o["position"])
        if action == CLEAR:
            self.market.decide(1, take=-position, thinking_ns=self.thinking_ns)
            return
        bid, ask = int(o["bid"][0]), int(o["ask"][0])
        if o["bid_size"][0] == 0 or o["ask_size"][0] == 0:  # one-sided: nothing to quote around
            self.market.decide(1, thinking_ns=self.thinking_ns)
            return
        below, above = OFFSETS[action]
        mid2, spread = bid + ask, ask - bid
        # mid - below x spread / 2 and mid + above x spread / 2, rounded outwards, all in half ticks
        buy, sell = (mid2 - below * spread) // 2, -((-mid2 - above * spread) // 2)
        bids = [(buy, min(self.order_size, self.position_limit - position))] if position < self.position_limit else []
        asks = [(sell, min(self.order_size, self.position_limit + position))] if -position < self.position_limit else []
        self.market.decide(1, bids, asks, thinking_ns=self.thinking_ns)

    def _observe(self) -> np.ndarray:
        assert self.market is not None
        out = np.empty(len(FEATURES), np.float32)
        features(self.market.look, self.memory, LOWEST, HIGHEST, out)
        return out

    def _info(self) -> dict[str, Any]:
        assert self.market is not None
        account = self.market.venue[0]["seat"][1]
        return {
            "wealth": self.wealth * self.market.feed.contract.tick_value,  # currency
            "position": int(account["position"]),  # lots, as the venue has it
            "fees": float(account["fees"]),  # currency
            "time": int(self.market.venue[0]["now"]),  # ns UTC
        }


@lru_cache(maxsize=8)
def _feed(file: DayFile, seed: int) -> Feed:
    return feed_of(read_day(file), seed)


def _files(data: str, contract: str, day: str, seed: int) -> list[DayFile]:
    """The days of a catalogue that fit; ValueError says what there is."""
    if data == "synthetic":
        from lobarena.sim.synthetic import embedded_root

        root = embedded_root(seed)
    else:
        root = Path(data)
    every = days(root)
    symbols = sorted({file.symbol for file in every})
    symbol = contract.upper() or (symbols[0] if symbols else "")
    found = [file for file in every if file.symbol == symbol and day in ("", f"{file.trading_day:%Y%m%d}")]
    if not found:
        raise ValueError(
            f"no day {day or 'at all'} of {symbol or 'any contract'} in {data}; it holds {', '.join(symbols)}"
        )
    return found
