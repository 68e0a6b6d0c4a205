"""Named agents as the other seats of an environment."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lobarena.agents.base import Context, check_quotes
from lobarena.agents.resident import resident
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
    *,
    thinking_ns: int,
) -> np.ndarray | Callable[[Any], Answer | None]:
    """An agent of the table for one episode: the mind of its kernel, (1,) MIND, where it has one.

    Else it is reset and is a function of its observation; None keeps its orders.
    """
    kind, parameters = parse(name)
    context = Context(feed.contract, seat, order_size, position_limit, opens, closes, rng)
    mind = resident(kind, parameters, context, thinking_ns)
    if mind is not None:
        return mind
    agent = make(kind, **parameters)
    agent.reset(context)

    def act(observation: Any) -> Answer | None:
        quotes = agent.act(observation)
        if quotes is None:
            return None
        check_quotes(quotes)
        return quotes.bids, quotes.asks, quotes.take

    return act
