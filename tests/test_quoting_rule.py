"""The rule over many episodes at once makes the orders and fills that a match with `Foretold` makes, look by look."""

import numpy as np
import pytest

from lobarena.agents.base import Context
from lobarena.agents.forecast import Rule
from lobarena.agents.foretold import Foretold
from lobarena.benchmarks.quoting_rule import POSITION_LIMIT, Ground, batch_of, play, watch
from lobarena.sim.market import Latency, Market, Seat

GROUND = Ground("synthetic", "AGSYN", "20240103", (0, 2**62))
MINUTES = 2.0


@pytest.fixture(scope="module")
def stage():
    return watch(GROUND, MINUTES, 3, 0.3)


def made_up(stage, seed):
    """Forecasts that mean something to the rule, with holes."""
    rng = np.random.default_rng(seed)
    found = np.stack(
        [
            rng.normal(size=len(stage.looks)),
            rng.uniform(0, 3, len(stage.looks)),
            rng.uniform(0, 50, len(stage.looks)),
            rng.uniform(0, 1, len(stage.looks)),
        ],
        1,
    )
    found[rng.uniform(size=len(found)) < 0.1] = np.inf
    found[stage.begins] = np.inf
    return found


def matched(stage, number, forecasts, rule):
    """A match of one episode: wealth (currency), fees, lots, mean |position| at the looks after decisions."""
    feed = batch_of(GROUND, 1, MINUTES).day(0).feed
    _, opens, closes = batch_of(GROUND, 1, MINUTES).episodes[stage.episodes[number]]
    own = slice(stage.begins[number], stage.ends[number])
    market = Market(feed)
    latency = Latency(5_000_000, 5_000_000, 5_000_000, 0.0)
    market.start([Seat(latency=latency, position_limit=POSITION_LIMIT)], opens, closes)
    agent = Foretold(stage.looks["published"][own], forecasts[own], rule)
    fitted = {"sigma": 0.3}
    rng = np.random.default_rng(0)
    agent.reset(Context(feed.contract, 1, 1, POSITION_LIMIT, opens, closes, rng, fitted))
    while market.run() > 0:
        quotes = agent.act(market.observation(1))
        if quotes is None:
            market.decide(1, keep=True, thinking_ns=1_000_000)
        else:
            market.decide(1, quotes.bids, quotes.asks, thinking_ns=1_000_000)
    seat = market.venue[0]["seat"][1]
    lots = int(market.fills["size"].sum())
    half_ticks = 2 * int(seat["cash"]) + int(seat["position"]) * int(market.venue[0]["mid2"])
    wealth = half_ticks * feed.contract.tick_value / 2 - float(seat["fees"])
    return wealth, float(seat["fees"]), lots


def test_fills_wealth_and_fees_of_every_episode_are_those_of_a_match(stage):
    rules = [Rule(), Rule(gamma=0.2, kappa_s=0.5, kappa_c=0.1), Rule(gamma=1e-3, kappa_s=2.0, kappa_c=2.0)]
    forecasts = np.stack([made_up(stage, seed) for seed in range(2)])
    which = [0, 1, 1]
    found = play(stage, MINUTES, forecasts, rules, which)
    assert found.lots.sum() > 100
    for job, rule in enumerate(rules):
        for number in range(len(stage.episodes)):
            expected = matched(stage, number, forecasts[which[job]], rule)
            told = tuple(float(one[job, number]) for one in (found.pnl, found.fees, found.lots))
            assert told == pytest.approx(expected, abs=1e-6), (job, number)


def test_what_is_played_beside_it_changes_no_episode(stage):
    forecasts, rules = made_up(stage, 0)[None], [Rule(), Rule(kappa_s=0.5)]
    alone = [play(stage, MINUTES, forecasts, [rule]) for rule in rules]
    together = play(stage, MINUTES, forecasts, rules, [0, 0])
    for name in ("pnl", "fees", "map", "lots", "notional", "mdd", "mdd_gross", "sharpe"):
        np.testing.assert_array_equal(getattr(together, name), np.concatenate([getattr(one, name) for one in alone]))


def test_without_forecasts_nobody_quotes_and_nothing_is_earned(stage):
    found = play(stage, MINUTES, np.full((1, len(stage.looks), 4), np.inf), [Rule()])
    for one in (found.pnl, found.fees, found.lots, found.mdd):
        assert not one.any()
    assert np.isnan(found.sharpe).all()


def test_a_ground_without_a_whole_episode_says_what_to_change():
    with pytest.raises(ValueError, match="make them shorter"):
        watch(Ground("synthetic", "AGSYN", "20240103", (0, 10)), MINUTES, 3, 0.3)
