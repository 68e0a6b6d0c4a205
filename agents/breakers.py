"""Circuit breakers: wrappers that any agent can wear, "foic+inventory(10)+loss(50000)"; the last one acts last.

A breaker sees what its agent sees and answers in its place: with less, or with an order that closes. It trusts nothing
but the observation, so where no look comes at all (a feed that is down) it cannot act either; that is the venue's part.
"""

import math
import re
from collections import deque
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from lobarena.agents.base import NO_QUOTES, Agent, Context, Quotes

_FIRST = re.compile(r"\+[a-z]+\(")
_WORN = re.compile(r"\+([a-z]+)\(([^()]*)\)")
_SECOND = 1e9  # ns


def bare(name: str) -> str:
    """An agent's name, or its whole spec, without the breakers behind it."""
    first = _FIRST.search(name)
    return name[: first.start()] if first else name


def worn(name: str, agent: Agent) -> Agent:
    """The agent with the breakers of its name on, in their order; ValueError names the nearest known breaker."""
    rest = name[len(bare(name)) :]
    found = list(_WORN.finditer(rest))
    if "".join(one.group() for one in found) != rest:
        raise ValueError(f"{rest!r} is no breaker; write +NAME(NUMBER), such as +{'(1)+'.join(BREAKERS)}(1)")
    for one in found:
        kind, text = one.groups()
        if kind not in BREAKERS:
            near = get_close_matches(kind, BREAKERS, 1, 0.0)[0]
            raise ValueError(f"no breaker {kind!r}; did you mean {near!r}? Known: {', '.join(BREAKERS)}")
        try:
            level = float(text)
        except ValueError:
            level = math.nan
        if not (math.isfinite(level) and level > 0):
            raise ValueError(f"{kind}({text}): give one positive number, {BREAKERS[kind].unit}")
        agent = BREAKERS[kind](agent, level)
    return agent


class Breaker:
    """An agent around another one; what is not a breaker's is the agent's."""

    unit = ""

    def __init__(self, agent: Agent, level: float) -> None:
        self.agent, self.level, self.trips, self._open = agent, level, 0, False

    def __getattr__(self, name: str) -> Any:
        if name in ("agent", "__setstate__"):  # not there yet: a copy in the making
            raise AttributeError(name)
        return getattr(self.agent, name)

    @property
    def counts(self) -> Mapping[str, int]:
        """The agent's own counts, and how often this breaker opened."""
        return {**getattr(self.agent, "counts", {}), f"breaker_{type(self).__name__.lower()}": self.trips}

    def reset(self, context: Context) -> None:
        """A new episode: the breaker is closed."""
        self.trips, self._open, self.context = 0, False, context
        self.agent.reset(context)

    def act(self, observation: Any) -> Quotes | None:
        """The agent's answer, or the breaker's; the agent is asked in any case, so that it keeps up."""
        answer = self.agent.act(observation)
        tripped = self.tripped(observation)
        self.trips += tripped and not self._open
        self._open = tripped
        return self.instead(observation, answer) if tripped else answer

    def tripped(self, observation: Any) -> bool:
        """Whether the breaker is open now."""
        raise NotImplementedError

    def instead(self, observation: Any, answer: Quotes | None) -> Quotes | None:
        """What is done while it is open: nothing is quoted."""
        return NO_QUOTES


def _closing(observation: Any) -> Quotes:
    """A market order for the whole position, where there is somebody to trade with."""
    position = int(observation["position"])
    return Quotes(take=-position) if position else NO_QUOTES


class Inventory(Breaker):
    """At so many lots, either way, only what reduces the position is quoted or taken."""

    unit = "lots"

    def tripped(self, observation: Any) -> bool:
        """By the position as reported."""
        return abs(int(observation["position"])) >= self.level

    def instead(self, observation: Any, answer: Quotes | None) -> Quotes | None:
        """The other side's quotes are dropped; what was kept is replaced by what is known to reduce."""
        position = int(observation["position"])
        if answer is None:
            own = [
                [(int(p), int(n)) for p, n in zip(observation[s], observation[f"{s}_size"], strict=True) if n > 0]
                for s in ("own_bid", "own_ask")
            ]
            answer = Quotes(own[0], own[1])
        take = answer.take if answer.take * position < 0 else 0
        return Quotes((), answer.asks, take) if position > 0 else Quotes(answer.bids, (), take)


class Loss(Breaker):
    """After a loss of so much money in the episode, the position is closed and nothing more is quoted."""

    unit = "currency"

    def tripped(self, observation: Any) -> bool:
        """By cash and fees as reported, the position at the mid that is seen; once open it stays so."""
        if self._open:
            return True
        there = [int(observation[side][0]) for side in ("bid", "ask") if observation[f"{side}_size"][0]]
        if not there:
            return False
        worth = int(observation["cash"]) + int(observation["position"]) * sum(there) / len(there)
        return bool(worth * self.context.contract.tick_value - float(observation["fees"]) <= -self.level)

    def instead(self, observation: Any, answer: Quotes | None) -> Quotes | None:
        """Close, as often as it takes."""
        return _closing(observation)


class Volatility(Breaker):
    """While the mid has moved more than so many usual standard deviations within 10 s, and 30 s after: no quotes.

    Usual is what the training days say (`sigma` of the context), else the mean of the episode so far.
    """

    unit = "standard deviations"
    WITHIN_S, REST_S = 10.0, 30.0

    def reset(self, context: Context) -> None:
        """Nothing seen yet."""
        super().reset(context)
        self._mids: deque[tuple[int, float]] = deque()
        self._until, self._squares, self._seconds = 0, 0.0, 0.0

    def tripped(self, observation: Any) -> bool:
        """By the mid as published; a one-sided book counts as a move without end."""
        now = int(observation["published"])
        if not (observation["bid_size"][0] and observation["ask_size"][0]):
            self._until = max(self._until, now + round(self.REST_S * _SECOND))
            return True
        mid = (int(observation["bid"][0]) + int(observation["ask"][0])) / 2
        if self._mids and now > self._mids[-1][0]:
            self._squares += (mid - self._mids[-1][1]) ** 2
            self._seconds += (now - self._mids[-1][0]) / _SECOND
        self._mids.append((now, mid))
        while now - self._mids[0][0] > self.WITHIN_S * _SECOND:
            self._mids.popleft()
        sigma = float(self.context.fitted.get("sigma", 0.0))
        if sigma <= 0:
            sigma = math.sqrt(self._squares / self._seconds) if self._seconds > 60 else math.inf
        if abs(mid - self._mids[0][1]) > max(1.0, self.level * sigma * math.sqrt(self.WITHIN_S)):
            self._until = now + round(self.REST_S * _SECOND)
        return now < self._until


class Stale(Breaker):
    """While stamp and volume of what is seen are so many seconds old: no quotes."""

    unit = "seconds"

    def reset(self, context: Context) -> None:
        """Nothing seen yet."""
        super().reset(context)
        self._last: tuple[int, int] | None = None
        self._since = 0

    def tripped(self, observation: Any) -> bool:
        """By the seat's clock against the exchange's stamp, and by the stamp that does not move."""
        now, published = int(observation["time"]), int(observation["published"])
        seen = published, int(observation["volume"])
        if seen != self._last:
            self._last, self._since = seen, now
        return now - min(published, self._since) > self.level * _SECOND


class Latency(Breaker):
    """While the feed is later than so many ms: no quotes."""

    unit = "ms"

    def tripped(self, observation: Any) -> bool:
        """By the seat's clock against the exchange's stamp, either way."""
        return abs(int(observation["time"]) - int(observation["published"])) > self.level * 1e6


BREAKERS: dict[str, type[Breaker]] = {
    "inventory": Inventory,
    "loss": Loss,
    "volatility": Volatility,
    "stale": Stale,
    "latency": Latency,
}
