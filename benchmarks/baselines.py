"""Agents of the table on the validation episodes of learners: the same market, the same terms, the same measures."""

from typing import Any

import numpy as np

from lobarena.agents.base import Context
from lobarena.agents.split import Part
from lobarena.agents.table import make, parse
from lobarena.agents.training import Plan, episodes_of
from lobarena.agents.validation import Outcome, joined
from lobarena.sim.batch import Batch
from lobarena.sim.market import Market
from lobarena.sim.random import generator
from lobarena.sim.settings import Settings


def baseline(spec: str, plan: Plan, seed: int = 0) -> Outcome:
    """What an agent, such as "foic:N=1", makes of the plan's validation episodes; `seed` is of its own stream.

    Held equal by a test to what the environment says of the same quotes.
    """
    return joined([_play(spec, plan, part, seed) for part in plan.split.validation])


def _play(spec: str, plan: Plan, part: Part, seed: int) -> Outcome:
    options: dict[str, Any] = {**plan.market, "contract": part.contracts, "between": part.between}
    settings = Settings(**options)
    batch = Batch(settings, 1)
    chosen = [batch.episodes[k] for k in episodes_of(len(batch.episodes), plan.episodes)]
    pnl, held = np.zeros(len(chosen)), np.zeros(len(chosen))
    markets: dict[int, Market] = {}
    for place, (day, opens, closes) in enumerate(chosen):
        market = markets.setdefault(day, Market(batch.day(day).feed, settings.rules()))
        rng = generator(seed, "baseline", spec, place)
        pnl[place], held[place] = _episode(spec, market, settings, (opens, closes), rng)
    return Outcome(pnl, held)


def _episode(
    spec: str, market: Market, settings: Settings, span: tuple[int, int], rng: np.random.Generator
) -> tuple[float, float]:
    """(PnL in currency, mean |position| in lots) of one episode, as the environment counts them."""
    name, parameters = parse(spec)
    agent = make(name, **parameters)
    market.start([settings.seat()], *span)
    agent.reset(Context(market.feed.contract, 1, settings.order_size, settings.position_limit, *span, rng))
    positions = []
    while (seat := market.run()) > 0:
        positions.append(abs(int(market.venue[0]["seat"][1]["position"])))
        quotes = agent.act(market.observation(seat))
        if quotes is None:
            market.decide(seat, keep=True, thinking_ns=settings.thinking_ns)
        else:
            market.decide(seat, quotes.bids, quotes.asks, quotes.take, thinking_ns=settings.thinking_ns)
    # the first look belongs to no step; the last finds the position closed
    return market.wealth(1), sum(positions[1:]) / max(1, len(positions))
