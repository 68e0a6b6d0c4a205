"""Quoters as kernels decide what the agents of the same name decide, on every look of an episode."""

from typing import Any

import numpy as np
import pytest
from days import INSTANT, at, seat
from runs import digest, end_of, random_feed

from lobarena.agents.base import Context, check_quotes
from lobarena.agents.resident import new_minds, play, resident
from lobarena.agents.table import make
from lobarena.sim.feed import Feed
from lobarena.sim.market import Latency, Market
from lobarena.sim.random import generator

pytestmark = pytest.mark.kernels

FITTED = {"sigma": 0.7, "A": 0.4, "k": 0.9}
QUOTERS: list[tuple[str, dict[str, Any]]] = [
    ("foic", {"N": 1, "M": 0}),
    ("foic", {"c": 3}),
    ("liic", {}),
    ("ltiic", {"d": 1.5}),
    ("avellaneda-stoikov", {"gamma": 0.01}),
    ("avellaneda-stoikov", {"kappa": 0.5}),
    ("glft", {}),
    ("join", {"step": 2}),
    ("idle", {}),
]


def context(feed: Feed, number: int = 1) -> Context:
    return Context(feed.contract, number, 2, 10, at(0), at(end_of(feed)), generator(0, "test", number), FITTED)


def by_agent(feed: Feed, name: str, parameters: dict[str, Any], thinking_ns: int) -> Market:
    market = Market(feed)
    market.start([seat(latency=Latency(5_000, 5_000, 5_000), position_limit=10)], at(0), at(end_of(feed)))
    agent = make(name, **parameters)
    agent.reset(context(feed))
    while (number := market.run()) > 0:
        quotes = agent.act(market.observation(number))
        assert quotes is not None
        check_quotes(quotes)
        market.decide(number, quotes.bids, quotes.asks, quotes.take, thinking_ns=thinking_ns)
    return market


def by_kernel(feed: Feed, name: str, parameters: dict[str, Any], thinking_ns: int) -> Market:
    market = Market(feed)
    market.start([seat(latency=Latency(5_000, 5_000, 5_000), position_limit=10)], at(0), at(end_of(feed)))
    mind = resident(name, parameters, context(feed), thinking_ns)
    assert mind is not None
    minds = new_minds()
    minds[1] = mind[0]
    assert play(market, minds) == 0
    return market


def same(one: Market, other: Market) -> None:
    assert digest(one) == digest(other)
    for name in ("orders", "cancels", "messages", "cash", "position", "refused"):
        assert np.array_equal(one.venue[0]["seat"][1][name], other.venue[0]["seat"][1][name])


@pytest.mark.parametrize("thinking_ns", [0, 300_000])
@pytest.mark.parametrize(("name", "parameters"), QUOTERS)
def test_a_kernel_quotes_what_its_agent_quotes(name: str, parameters: dict[str, Any], thinking_ns: int) -> None:
    feed = random_feed(17, 200)
    told, resident_ = (how(feed, name, parameters, thinking_ns) for how in (by_agent, by_kernel))
    same(told, resident_)
    if name != "idle":
        assert len(told.fills) > 5


def test_some_seats_may_be_decided_elsewhere() -> None:
    feed = random_feed(5, 30)
    market = Market(feed)
    market.start([seat(latency=INSTANT), seat(latency=INSTANT)], at(0), at(end_of(feed)))
    minds = new_minds()
    mind = resident("foic", {}, context(feed), 0)
    assert mind is not None
    minds[1] = mind[0]
    asked = set()
    while (number := play(market, minds)) > 0:
        asked.add(number)
        market.observation(number)
        market.decide(number)
    assert asked == {2}
    assert market.venue[0]["seat"][1]["orders"] > 0


def test_an_agent_without_a_kernel_is_named_by_none_and_wrong_parameters_as_ever() -> None:
    feed = random_feed(5, 3)
    assert resident("random", {}, context(feed), 0) is None
    with pytest.raises(ValueError, match="did you mean 'step'"):
        resident("join", {"stp": 1}, context(feed), 0)
