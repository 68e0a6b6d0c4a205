"""What an agent is: `reset(context)` and `act(observation) -> Quotes`. Nothing else is asked of it.

An agent never sees the book, the other seats or the future. Its quotes are targets: the venue adapter compares them
with its working orders and keeps every order that still fits, since a cancelled order loses its place in the queue.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from lobarena.data.contracts import Contract
from lobarena.sim.types import QUOTE_LEVELS

Ladder = Sequence[tuple[int, int]]  # (price in ticks, size in lots), best first


@dataclass(frozen=True, slots=True)
class Context:
    """What an agent is told before an episode; the same for every seat but for `rng` and `seat`."""

    contract: Contract
    seat: int  # 1, 2, ...
    order_size: int  # lots of a normal quote
    position_limit: int  # lots, either way
    opens: int  # ns UTC
    closes: int  # ns UTC
    rng: np.random.Generator  # this agent's own stream
    fitted: Mapping[str, float] = field(default_factory=dict)  # from training days only, e.g. sigma, A, k


@dataclass(frozen=True, slots=True)
class Quotes:
    """Target quotes: up to five prices a side, best first; whatever is not named is cancelled.

    `take` is a market order on top: positive lots are bought at once, negative lots are sold.
    """

    bids: Ladder = ()
    asks: Ladder = ()
    take: int = 0


NO_QUOTES = Quotes()


class QuoteError(ValueError):
    """Quotes that mean nothing: not a number, not whole, or a bid at or above an ask."""


class Agent(Protocol):
    """The whole of what the arena knows about an agent."""

    def reset(self, context: Context) -> None:
        """A new episode begins; all state of the last one is forgotten."""

    def act(self, observation: Any) -> Quotes | None:
        """From one OBSERVATION record to target quotes; None leaves the working orders as they are."""


def check_quotes(quotes: Quotes) -> None:
    """Refuse quotes that mean nothing, with QuoteError; sizes that are merely too large are the venue's to refuse."""
    if not isinstance(quotes, Quotes):
        raise QuoteError(
            f"act() returned {type(quotes).__name__}; return Quotes(bids=[(price, size)], asks=[...]) or None"
        )
    best = []
    for side, ladder in (("bids", quotes.bids), ("asks", quotes.asks)):
        if len(ladder) > QUOTE_LEVELS:
            raise QuoteError(f"{side} has {len(ladder)} prices; at most {QUOTE_LEVELS} a side")
        for level, (price, size) in enumerate(ladder):
            for name, value in (("price", price), ("size", size)):
                if not math.isfinite(value) or value != int(value):
                    raise QuoteError(f"{side}[{level}] {name} is {value!r}; whole numbers only (ticks, lots)")
            if size <= 0:
                raise QuoteError(f"{side}[{level}] size is {size}; leave a price out instead of quoting no lots")
        if ladder:
            best.append((max if side == "bids" else min)(price for price, _ in ladder))
    if len(best) == 2 and best[0] >= best[1]:
        raise QuoteError(f"best bid {best[0]} is not below best ask {best[1]}")
    if not math.isfinite(quotes.take) or quotes.take != int(quotes.take):
        raise QuoteError(f"take is {quotes.take!r}; whole lots only")
