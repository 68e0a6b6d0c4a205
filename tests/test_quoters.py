"""The formulas of the quoters, worked out by hand. Mid 3800.5, spread 1."""

import math

import pytest
from test_agents import LIMIT, SIZE, context, observation

from lobarena.agents.avellaneda_stoikov import AvellanedaStoikov
from lobarena.agents.base import Quotes
from lobarena.agents.foic import Foic
from lobarena.agents.glft import Glft, coefficients
from lobarena.agents.liic import Liic
from lobarena.agents.ltiic import Ltiic
from lobarena.agents.quoting import Volatility


def act(agent, one=None, **fitted):
    agent.reset(context(0, **fitted))
    return agent.act(observation() if one is None else one)


def prices(quotes):
    return [price for price, _ in quotes.bids], [price for price, _ in quotes.asks]


def test_foic_quotes_n_and_m_ticks_from_the_best_prices():
    assert act(Foic(N=1, M=2)) == Quotes(bids=[(3_799, SIZE)], asks=[(3_803, SIZE)])


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (0, ([3_799], [3_802])),  # 3799.5 and 3801.5
        (3, ([3_798], [3_800])),  # leans by -1.5: 3798 and 3800, whole already
        (-LIMIT, ([3_802], [])),  # leans by +3: 3802.5, and nothing left to sell
        (LIMIT, ([], [3_799])),  # leans by -3: nothing left to buy, 3798.5
    ],
)
def test_liic_leans_by_b_a_lot_and_rounds_outwards(position, expected):
    assert prices(act(Liic(a=1.0, b=-0.5), observation(position=position))) == expected


def test_at_the_limit_only_the_reducing_side_is_quoted_and_never_past_it():
    assert prices(act(Liic(), observation(position=LIMIT)))[0] == []
    assert prices(act(Liic(), observation(position=-LIMIT)))[1] == []
    assert act(Foic(), observation(position=LIMIT - 1)).bids == [(3_800, 1)]
    assert act(Foic(c=2), observation(position=1)) == Quotes(bids=[(3_800, 1)], asks=[(3_801, SIZE)])


def test_ltiic_without_a_trend_is_liic():
    assert act(Ltiic(a=1.0, b=-0.5, d=9.0)) == act(Liic(a=1.0, b=-0.5))


@pytest.mark.parametrize(
    ("bid", "ask", "sizes", "flow"),
    [
        (3_800, 3_801, (13, 9), 13 - 10 - (9 - 10)),  # both queues change in place
        (3_801, 3_802, (10, 10), 10 + 10),  # a new bid of 10; the old ask of 10 is gone
        (3_799, 3_800, (10, 10), -10 - 10),  # the old bid of 10 is gone; a new ask of 10
        (3_799, 3_802, (10, 10), -10 + 10),  # both sides step back
    ],
)
def test_ltiic_follows_the_order_flow_of_the_best_prices(bid, ask, sizes, flow):
    agent = Ltiic(a=1.0, b=0.0, d=4.0, memory=0.5)
    agent.reset(context())
    agent.act(observation())
    now = observation(bid, ask, after_s=1.5)
    now["bid_size"][0], now["ask_size"][0] = sizes
    trend = 0.5 * max(-1.0, min(1.0, flow / (sum(sizes) / 2)))
    centre = (bid + ask) / 2 + 4 * trend
    expected = [math.floor(centre - 1)], [math.ceil(centre + 1)]
    assert prices(agent.act(now)) == expected
    assert prices(agent.act(now)) == expected  # the same publication again is no news


def test_avellaneda_stoikov_by_hand():
    gamma, sigma, kappa, left = 0.001, 0.5, 1.5, 1_800 - 1.005
    risk = gamma * sigma**2 * left  # 0.44975
    half = (risk + 2 / gamma * math.log(1 + gamma / kappa)) / 2
    centre = 3_800.5 - 3 * risk
    quotes = act(AvellanedaStoikov(gamma=gamma, kappa=kappa), observation(position=3), sigma=sigma)
    assert prices(quotes) == ([math.floor(centre - half)], [math.ceil(centre + half)])
    assert (math.floor(centre - half), math.ceil(centre + half)) == (3_798, 3_801)


def test_glft_equals_liic_with_its_a_and_b():
    gamma, sigma, k, intensity = 0.05, 0.6, 1.2, 0.8
    a, b = coefficients(gamma, sigma, k, intensity)
    slope = math.sqrt(sigma**2 * gamma / (2 * k * intensity) * (1 + gamma / k) ** (1 + k / gamma))
    assert (a, b) == pytest.approx((math.log(1 + gamma / k) / gamma + slope / 2, -slope))
    for position in range(-LIMIT, LIMIT + 1):
        one = observation(position=position)
        assert act(Glft(gamma=gamma), one, sigma=sigma, k=k, A=intensity) == act(Liic(a=a, b=b), one)


def test_volatility_is_causal_and_forgets_by_half_in_a_minute():
    volatility = Volatility(2.0)
    assert volatility.update(10**9, 100.0) == 2.0
    assert volatility.update(61 * 10**9, 100.0) == pytest.approx(math.sqrt(0.5 * 4.0))
    assert volatility.update(61 * 10**9, 105.0) == pytest.approx(math.sqrt(2.0))  # the same stamp says nothing


def test_a_break_of_the_venue_says_nothing_of_the_volatility():
    volatility = Volatility(2.0)
    volatility.update(10**9, 100.0)
    assert volatility.update(901 * 10**9, 150.0) == 2.0
    assert volatility.update(961 * 10**9, 150.0) == pytest.approx(math.sqrt(2.0))  # and the next move counts from there


def test_avellaneda_stoikov_takes_the_fitted_decay_unless_told_another():
    assert act(AvellanedaStoikov(), k=0.2) == act(AvellanedaStoikov(kappa=0.2)) != act(AvellanedaStoikov(), k=2.0)


def test_a_price_beyond_the_daily_limit_is_left_out():
    quotes = act(Foic(N=0, M=1), observation(4_098, 4_100))
    assert quotes == Quotes(bids=[(4_098, SIZE)])
    assert act(Foic(N=1, M=0), observation(3_500, 3_501)) == Quotes(asks=[(3_501, SIZE)])


def test_quotes_that_leave_no_tick_between_are_not_made():
    assert act(Liic(a=0.0), observation(3_800, 3_802)) == Quotes()  # both at 3801


def test_an_inventory_limit_below_zero_is_refused():
    with pytest.raises(ValueError, match="c is -1 lots; give a positive limit"):
        act(Foic(c=-1))


def test_a_memory_that_never_forgets_is_refused():
    with pytest.raises(ValueError, match=r"memory is 1\.0; give 0 <= memory < 1"):
        Ltiic(memory=1.0)


def test_risk_aversion_is_positive():
    for agent in (Glft, AvellanedaStoikov):
        with pytest.raises(ValueError, match="gamma is positive"):
            agent(gamma=0.0)
