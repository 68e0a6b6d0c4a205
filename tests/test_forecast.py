"""Forecasts become quotes by one rule, at its limits too."""

import math
from dataclasses import replace

import pytest
from test_agents import LIMIT, SIZE, context, observation

from lobarena.agents.base import Quotes
from lobarena.agents.forecast import Forecast, Rule, to_quotes
from lobarena.agents.quoting import view

SURE = Forecast(move=0, spread=1, volume=1_000, confidence=1)
PLAIN = Rule(gamma=0, kappa_s=1, kappa_c=2, kappa_v=0.01)


def quoted(forecast=SURE, rule=PLAIN, sigma=1.0, **look):
    seen = view(observation(**look))
    assert seen is not None
    return to_quotes(forecast, rule, context(), seen, sigma, LIMIT)


def prices(quotes):
    return [price for price, _ in (*quotes.bids, *quotes.asks)]


def test_a_sure_forecast_of_no_move_quotes_the_spread_that_it_forecasts():
    assert prices(quoted()) == [3_800, 3_801]
    assert prices(quoted(replace(SURE, spread=3))) == [3_799, 3_802]


def test_half_the_spread_is_never_less_than_half_a_tick():
    assert prices(quoted(replace(SURE, spread=0))) == [3_800, 3_801]
    assert prices(quoted(bid=3_800, ask=3_802, forecast=replace(SURE, spread=0))) == [3_800, 3_802]


def test_prices_follow_the_forecast_and_are_rounded_outwards():
    assert prices(quoted(replace(SURE, move=2))) == [3_802, 3_803]
    assert prices(quoted(replace(SURE, move=0.5))) == [3_800, 3_802]


def test_doubt_widens_the_quotes():
    assert prices(quoted(replace(SURE, confidence=0))) == [3_798, 3_803]
    assert prices(quoted(replace(SURE, confidence=0.5))) == [3_799, 3_802]


def test_inventory_leans_by_gamma_sigma_squared_tau():
    rule = replace(PLAIN, gamma=0.05, tau_s=5)  # 0.05 * 2^2 * 5 = 1 tick a lot
    assert prices(quoted(rule=rule, sigma=2, position=3)) == [3_797, 3_798]
    assert prices(quoted(rule=rule, sigma=2, position=-3)) == [3_803, 3_804]


def test_at_the_limit_only_the_reducing_side_is_quoted():
    assert quoted(position=LIMIT) == Quotes(asks=[(3_801, SIZE)])
    assert quoted(position=-LIMIT) == Quotes(bids=[(3_800, SIZE)])
    assert quoted(position=LIMIT - 1).bids == [(3_800, 1)]


def test_the_size_lies_between_a_lot_and_the_order_size():
    assert quoted(replace(SURE, volume=0)).bids == [(3_800, 1)]
    assert quoted(replace(SURE, volume=199)).bids == [(3_800, 1)]
    assert quoted(replace(SURE, volume=200)).bids == [(3_800, 2)]
    assert quoted(replace(SURE, volume=1e300)).bids == [(3_800, SIZE)]


def test_a_price_beyond_the_daily_limits_is_not_quoted():
    assert quoted(replace(SURE, move=1e6)) == Quotes()
    assert quoted(replace(SURE, move=298), bid=3_800, ask=3_801).asks == [(4_099, SIZE)]


@pytest.mark.parametrize(
    "wrong",
    [{"move": math.nan}, {"spread": math.inf}, {"spread": -1}, {"volume": -1}, {"confidence": 1.1}],
    ids=str,
)
def test_a_forecast_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="Forecast"):
        replace(SURE, **wrong)


def test_a_rule_takes_no_negative_numbers():
    with pytest.raises(ValueError, match="gamma is -1; give a number that is 0 or more"):
        Rule(gamma=-1)
