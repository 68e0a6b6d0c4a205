"""Named agents as the other seats of an environment."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lobarena.agents.base import Context, check_quotes
from lobarena.agents.table import make, parse
from lobarena.sim.feed import Feed

Answer = tuple[Any, Any, int]  # bids, asks, take


def opponent(
    name: str,
    feed: Feed,
    seat: int,
    order_size: int,
    position_limit: int,
    opens: int,
    closes: int,
    rng: np.random.Generator,
) -> Callable[[Any], Answer | None]:
    """An agent of the table, reset for one episode, as a function of its observation; None keeps its orders."""
    kind, parameters = parse(name)
    agent = make(kind, **parameters)
    agent.reset(Context(feed.contract, seat, order_size, position_limit, opens, closes, rng))

    def act(observation: Any) -> Answer | None:
        quotes = agent.act(observation)
        if quotes is None:
            return None
        check_quotes(quotes)
        return quotes.bids, quotes.asks, quotes.take

    return act
