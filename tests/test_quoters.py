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


@pytest.mark.parametrize(("position", "expected"), [(0, ([3_799], [3_802])), (3, ([3_798], [3_801]))])
def test_liic_leans_by_b_a_lot_and_rounds_outwards(position, expected):
    # m - a + b I = 3800.5 - 1 - 0.5 I, rounded down; m + a + b I rounded up: I = 3 gives 3798 and 3800
    found = prices(act(Liic(a=1.0, b=-0.5), observation(position=position)))
    assert found == (expected if position == 0 else ([3_798], [3_800]))


def test_at_the_limit_only_the_reducing_side_is_quoted_and_never_past_it():
    assert prices(act(Liic(), observation(position=LIMIT)))[0] == []
    assert prices(act(Liic(), observation(position=-LIMIT)))[1] == []
    assert act(Foic(), observation(position=LIMIT - 1)).bids == [(3_800, 1)]
    assert act(Foic(c=2), observation(position=1)) == Quotes(bids=[(3_800, 1)], asks=[(3_801, SIZE)])


def test_ltiic_without_a_trend_is_liic_and_follows_the_flow():
    assert act(Ltiic(a=1.0, b=-0.5, d=9.0)) == act(Liic(a=1.0, b=-0.5))
    agent = Ltiic(a=1.0, b=0.0, d=4.0, memory=0.0)
    agent.reset(context())
    agent.act(observation())
    # the bid rises a tick: flow = 10 (new bid) + 0; the ask 3802 > 3801: + 10 (old ask): 2 x 20 / 20, at most 1
    assert prices(agent.act(observation(3_801, 3_802))) == ([math.floor(3_801.5 - 1 + 4)], [math.ceil(3_801.5 + 1 + 4)])


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


def test_risk_aversion_is_positive():
    for agent in (Glft, AvellanedaStoikov):
        with pytest.raises(ValueError, match="gamma is positive"):
            agent(gamma=0.0)
