"""Fees, positions and margins, worked out by hand."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from days import CONTRACT, account, at, at_times, begin, feed_of, finish, mark, play, quoted, seat

from lobarena.data.contracts import Fee
from lobarena.sim.account import equity, margin_of, settle
from lobarena.sim.market import Market
from lobarena.sim.state import venue_type

pytestmark = pytest.mark.kernels

BY_LOT, BY_TURNOVER = (1.0, 2.0, 5.0), (1e-4, 2e-4, 5e-4)  # open, close, close today


def venue_of(fees: Sequence[float], by_turnover: int = 0, held: int = 0) -> np.ndarray:
    venue = np.zeros(1, venue_type(8_192))
    v = venue[0]
    v["fee_open"], v["fee_close"], v["fee_today"] = fees
    v["by_turnover"], v["tick_value"], v["margin"], v["mid2"] = by_turnover, 10.0, 0.1, 2_001
    s = v["seat"][1]
    s["position"] = s["held"] = held
    s["capital"] = 1_000.0
    return venue


def fees_of(venue: np.ndarray, fills: Sequence[tuple[int, int]]) -> list[float]:
    return [float(settle(venue[0], 1, lots, price)) for lots, price in fills]


def test_opening_and_closing_today_by_the_lot() -> None:
    venue = venue_of(BY_LOT)
    assert fees_of(venue, [(3, 1_000), (-2, 1_002), (-1, 999)]) == [3.0, 10.0, 5.0]
    s = venue[0]["seat"][1]
    assert (int(s["position"]), int(s["cash"]), float(s["fees"])) == (0, -3_000 + 2_004 + 999, 18.0)


def test_fees_by_turnover_are_fractions_of_the_money_traded() -> None:
    venue = venue_of(BY_TURNOVER, by_turnover=1)
    # 3 x 1,000 x 10 x 1e-4, then 3 x 1,010 x 10 x 5e-4
    assert fees_of(venue, [(3, 1_000), (-3, 1_010)]) == pytest.approx([3.0, 15.15])


def test_a_fill_through_zero_closes_and_then_opens() -> None:
    venue = venue_of(BY_LOT)
    assert fees_of(venue, [(3, 1_000), (-5, 1_000), (4, 1_000)]) == [3.0, 3 * 5.0 + 2 * 1.0, 2 * 5.0 + 2 * 1.0]
    assert int(venue[0]["seat"][1]["position"]) == 2


@pytest.mark.parametrize("sign", [1, -1])
def test_lots_carried_from_yesterday_are_closed_first_and_at_their_own_fee(sign: int) -> None:
    venue = venue_of(BY_LOT, held=4 * sign)
    fills = [(2 * sign, 1_000), (-3 * sign, 1_000), (-2 * sign, 1_000), (-3 * sign, 1_000)]
    # opens 2 (now 4 old, 2 of today); closes 3 old; closes 1 old and 1 of today; closes 1 of today and opens 2
    assert fees_of(venue, fills) == [2.0, 6.0, 2.0 + 5.0, 5.0 + 2.0]
    s = venue[0]["seat"][1]
    assert (int(s["position"]), int(s["held"])) == (-2 * sign, 0)


def test_carried_lots_that_are_closed_do_not_come_back() -> None:
    venue = venue_of(BY_LOT, held=2)
    assert fees_of(venue, [(-5, 1_000), (5, 1_000), (-2, 1_000)]) == [2 * 2.0 + 3 * 1.0, 3 * 5.0 + 2 * 1.0, 2 * 5.0]


def test_a_free_close_today_costs_nothing() -> None:
    venue = venue_of((3.0, 3.0, 0.0))
    assert fees_of(venue, [(1, 1_000), (-1, 1_000)]) == [3.0, 0.0]


def test_equity_marks_the_position_at_half_ticks() -> None:
    venue = venue_of(BY_LOT)
    settle(venue[0], 1, 3, 1_000)
    # 1,000 + 3 x (1,000.5 - 1,000) x 10 - 3
    assert equity(venue[0], 1) == 1_012.0


def test_margin_is_a_fraction_of_notional_either_way() -> None:
    venue = venue_of(BY_LOT)
    assert margin_of(venue[0], 3) == margin_of(venue[0], -3) == pytest.approx(3 * 1_000.5 * 10 * 0.1)


def test_a_round_trip_through_the_market_costs_spread_and_fees() -> None:
    """3 lots bought at 1,001, 2 sold at 999, the last closed at the end: 3 x 2 ticks x 10 and 3 x 1 + 3 x 3."""
    events = [*quoted({999: 10}, {1_001: 10}), mark(100), mark(200), mark(300)]
    market = play(Market(feed_of(events)), [seat()], [at_times({0: {"take": 3}, 100: {"take": -2}})], 250)
    assert market.wealth(1) == -60.0 - 3.0 - 9.0
    assert market.fees[:, 1].tolist() == [3.0, 6.0, 3.0]
    assert market.fees[:, 0].tolist() == [0.0] * 3
    assert market.after[:, 1].tolist() == [3, 1, 0]
    assert market.curve[-1]["cash"] == -6
    assert int(market.curve[-1]["time"]) == at(250)


def test_a_fill_between_two_seats_charges_both() -> None:
    dear = replace(CONTRACT, fees=Fee("turnover", 1e-4, 1e-4, 2e-4))
    events = [*quoted({999: 10}, {1_001: 10}), mark(100), mark(200)]
    market = Market(feed_of(events, contract=dear))
    begin(market, [seat(), seat()], 150)
    finish(market, [at_times({0: {"asks": [(1_000, 2)]}}), at_times({100: {"take": 2}})])
    assert market.fees[0].tolist() == pytest.approx([2.0, 2.0])  # 2 x 1,000 x 10 x 1e-4 each
    assert market.after[0].tolist() == [-2, 2]
    # at the end seat 1 buys 2 at 1,001 and seat 2 sells 2 at 999, both opened today
    assert [float(account(market, number)["fees"]) for number in (1, 2)] == pytest.approx([2 + 4.004, 2 + 3.996])
