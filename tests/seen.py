"""One seat through a painted window, for tests: what it saw, and what did not hold."""

from typing import Any

import numpy as np

from lobarena.benchmarks.invariants import Guard
from lobarena.benchmarks.stress_random import Chaotic
from lobarena.benchmarks.stress_run import Stressed
from lobarena.sim.market import Market, Rules, Seat
from lobarena.sim.shocks.living import market_feed
from lobarena.sim.shocks.scene import Scene

SEAT = Seat(position_limit=20)


class Seen:
    """One seat through a window: its looks as bytes by time, and what did not hold."""

    def __init__(self, scene: Scene, agent: Any = None, seat: Seat = SEAT, impact: str = "decay") -> None:
        self.guard = Guard(scene, seat.position_limit)
        self.market = Market(market_feed(scene), Rules(impact=impact))
        if scene.living is None:
            self.market.start([], 0, 2**62)
            self.market.run()
            self.guard.alone(self.market)
        wire = self.wire = Stressed(scene, self.guard)
        self.market.start([seat, *wire.beside], scene.opens, scene.closes)
        wire.watch(self.market)
        agent = agent or Chaotic(np.random.default_rng(1))
        agent.limit = seat.position_limit
        self.looks: list[Any] = []
        while (number := self.market.run()) != 0:
            if number < 0:
                wire.watch(self.market)
                continue
            quotes = None
            for look in wire.deliver(self.market, number, self.market.observation(number)):
                self.looks.append(look.copy())
                quotes = agent.act(look)
            if quotes is None:
                self.market.decide(number, keep=True)
            else:
                self.market.decide(number, quotes.bids, quotes.asks, quotes.take, thinking_ns=1_000_000)
        self.guard.end(self.market, 1)

    @property
    def account(self) -> Any:
        return self.market.venue[0]["seat"][1]

    def mids(self) -> np.ndarray:
        return np.array([(int(look["bid"][0]) + int(look["ask"][0])) / 2 for look in self.looks])


class Still:
    """An agent that does nothing."""

    limit = 0

    def act(self, look: Any) -> None:
        """Keep."""


def said(look: Any) -> bytes:
    """Every field; the bytes between fields say nothing."""
    return b"".join(look[name].tobytes() for name in look.dtype.names)
