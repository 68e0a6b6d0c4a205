"""A market from its call phase to its end: phases, and how positions are closed."""

from typing import Any

import pytest
from days import (
    MS,
    Log,
    account,
    at,
    at_times,
    begin,
    crowd_book,
    event,
    feed_of,
    finish,
    limit,
    mark,
    once,
    own,
    phase,
    play,
    reasons,
    refused,
    seat,
    shot,
    take,
    trades,
)
from runs import LOOKS, market_of

from lobarena.data.schema import ASK, BID, BREAK, CALL, CLOSED, CONTINUOUS, SWEEP, UNCROSS
from lobarena.sim.market import Latency, Market
from lobarena.sim.types import (
    AUCTION_FILL,
    CANCEL_LIMIT,
    GATE_SHUT,
    LIQUIDATION,
    NOT_TRADING,
)

pytestmark = pytest.mark.kernels


# Phases.


def test_in_the_call_phase_seats_rest_and_trade_at_the_one_price() -> None:
    events = [
        phase(0, CALL),
        mark(0),
        limit(100, ASK, 1_000, 2),
        limit(100, ASK, 1_000, 3),
        limit(120, BID, 1_000, 4),
        event(200, UNCROSS, price=1_000),
        phase(200, BREAK),
        mark(250),
        phase(300, CONTINUOUS),
        limit(300, BID, 990, 50),
        limit(300, ASK, 1_010, 50),
        mark(300),
    ]
    log = Log({0: {"bids": [(1_005, 4)], "asks": [(1_020, 1)]}})
    market = play(Market(feed_of(events)), [seat()], [log], 400)
    assert [fill[:3] for fill in trades(market)[:2]] == [(1, 0, 1_000), (1, 0, 1_000)]
    assert sum(fill[3] for fill in trades(market)[:2]) == 4
    assert reasons(market)[:2] == [AUCTION_FILL] * 2
    assert int(log.seen[250]["position"]) == 4
    assert int(log.seen[250]["cash"]) == -4_000
    assert own(log.seen[250]) == ({}, {1_020: 1})
    assert int(market.venue[0]["volume"]) == 5 + 4


def test_a_market_order_in_the_call_phase_is_refused() -> None:
    market = play(Market(feed_of([phase(0, CALL), mark(0), mark(100)])), [seat()], [once(take=1)], 200)
    assert refused(market, 1) == {NOT_TRADING: 1}


def test_a_late_seller_in_the_auction_hears_of_every_fill() -> None:
    events = [
        phase(0, CALL),
        limit(0, BID, 1_000, 2),
        limit(0, BID, 1_001, 3),
        mark(10),
        event(200, UNCROSS, price=1_000),
        phase(200, BREAK),
        mark(250),
    ]
    log = Log({10: {"asks": [(990, 5)]}})
    play(Market(feed_of(events)), [seat()], [log], 400)
    assert int(log.seen[250]["position"]) == -5
    assert own(log.seen[250]) == ({}, {})


def test_a_break_keeps_working_orders_and_matches_nothing() -> None:
    events = [phase(150, BREAK), take(200, ASK, 990, 50), mark(300), phase(400, CONTINUOUS), mark(450)]
    log = Log({0: {"bids": [(1_000, 3)]}, 300: {"bids": [(1_000, 3), (998, 1)]}})
    market = market_of(mark(100), *events, take(500, ASK, 1_000, 1), mark(600))
    play(market, [seat()], [log], 550)
    assert refused(market, 1) == {NOT_TRADING: 1}
    assert own(log.seen[450]) == ({1_000: 3}, {})
    assert trades(market)[0] == (1, 0, 1_000, 1)
    assert int(market.fills[0]["time"]) == at(500)
    assert int(market.venue[0]["unfilled"]) == 50


def test_orders_can_be_cancelled_in_a_break() -> None:
    events = [phase(150, BREAK), mark(300), phase(400, CONTINUOUS), take(500, ASK, 1_000, 1)]
    market = play(market_of(mark(100), *events), [seat()], [at_times({0: {"bids": [(1_000, 3)]}, 300: {}})], 550)
    assert trades(market) == []
    assert refused(market, 1) == {}


def test_a_record_that_crosses_a_seat_in_a_break_hits_it_when_trading_goes_on() -> None:
    shots = [shot(300, {990: 100}, {998: 6, 1_010: 100}), shot(600, {990: 100}, {998: 6, 1_010: 100})]
    events = [phase(150, BREAK), mark(300, 0), phase(400, CONTINUOUS), mark(600, 1)]
    market = market_of(mark(100), *events, shots=shots)
    begin(market, [seat()], 650)
    finish(market, [once(bids=[(1_000, 3)])])
    assert trades(market)[0] == (1, 0, 1_000, 3)
    assert int(market.fills[0]["time"]) == at(600)
    assert crowd_book(market, ASK)[998] == 3


def test_the_close_kills_working_orders() -> None:
    log = Log({0: {"bids": [(1_000, 3)]}, 300: {"bids": [(998, 1)]}})
    market = play(market_of(mark(100), phase(200, CLOSED), mark(300), mark(400)), [seat()], [log], 450)
    assert own(log.seen[300]) == ({}, {})
    assert refused(market, 1) == {NOT_TRADING: 1}


# How positions are closed.


def test_at_the_end_orders_leave_and_positions_are_closed_by_market_orders() -> None:
    market = market_of(*LOOKS)
    play(market, [seat(), seat()], [once(take=15, bids=[(1_000, 4)]), once(take=-2)], 450)
    assert trades(market)[-3:] == [(0, 1, 999, 8), (0, 1, 990, 7), (0, 2, 1_010, 2)] or trades(market)[-1][0] == 0
    assert [int(account(market, number)["position"]) for number in (1, 2)] == [0, 0]
    last = market.fills[market.fills["time"] == at(450)]
    assert set(last["reason"].tolist()) == {LIQUIDATION}
    assert set(last["maker_owner"].tolist()) == {0}
    assert int(market.venue[0]["crowd_position"]) == 0


def test_the_end_falls_on_the_last_row_of_the_curve() -> None:
    market = play(market_of(*LOOKS), [seat()], [once(take=2)], 450)
    last = market.curve[-1]
    assert (int(last["time"]), int(last["position"]), int(last["cash"])) == (at(450), 0, -2 * 1_001 + 2 * 999)


def test_an_episode_that_ends_in_a_break_closes_nothing_and_says_so() -> None:
    market = play(market_of(mark(100), phase(200, BREAK), mark(300)), [seat()], [once(take=2)], 350)
    assert int(account(market, 1)["position"]) == 2
    assert int(market.curve[-1]["position"]) == 2


def _after_a_fall(to: int) -> tuple[Market, Log]:
    """2 lots bought at 1,001 with 3,100 of capital; then the market falls."""
    shots = [shot(500 + 100 * k, {to: 10}, {to + 2: 10}) for k in range(2)]
    log = Log({0: {"take": 2}})
    market = market_of(mark(100), mark(500, 0), mark(600, 1), mark(700), shots=shots)
    begin(market, [seat(capital=3_100.0)], 750)
    finish(market, [log])
    return market, log


def test_a_seat_that_cannot_cover_its_margin_is_closed_out_and_leaves() -> None:
    market, log = _after_a_fall(920)  # equity 3,100 - 1,600 - 2 fees, margin 1,842
    assert int(account(market, 1)["liquidated"]) == 1
    assert int(account(market, 1)["position"]) == 0
    forced = market.fills[market.fills["reason"] == LIQUIDATION]
    assert set(forced["time"].tolist()) == {at(500)}
    assert max(log.seen) == 100


def test_a_seat_that_covers_its_margin_stays() -> None:
    market, log = _after_a_fall(940)  # equity 3,100 - 1,200 - 2 fees, margin 1,882
    assert int(account(market, 1)["liquidated"]) == 0
    assert max(log.seen) == 700


def test_orders_in_flight_of_a_seat_that_was_closed_out_are_dropped() -> None:
    shots = [shot(500, {900: 10}, {902: 10})]
    market = market_of(mark(100), mark(490), mark(500, 0), mark(600), shots=shots)
    begin(market, [seat(capital=3_100.0, latency=Latency(0, 20 * MS, 0))], 650)
    finish(market, [at_times({0: {"take": 2}, 490: {"bids": [(901, 1)]}})])
    assert int(account(market, 1)["liquidated"]) == 1
    assert int(account(market, 1)["position"]) == 0


def test_a_closed_out_position_that_the_book_could_not_hold_is_closed_when_it_can() -> None:
    thin = [shot(500, {900: 1}, {902: 10}), shot(600, {900: 10}, {902: 10})]
    market = market_of(mark(100), mark(500, 0), mark(600, 1), mark(700), shots=thin)
    begin(market, [seat(capital=3_100.0)], 5_000)
    left = []

    def look(seen: Any) -> dict[str, Any] | None:
        left.append(int(account(market, 2)["position"]))
        return None

    begin(market, [seat(), seat(capital=3_100.0)], 750)
    finish(market, [look, once(take=2)])
    assert left[-1] == 0, "the rest of a forced liquidation waits for the end of the episode"


def test_an_expelled_seats_orders_leave_at_once_and_its_position_is_closed_at_the_end() -> None:
    market = market_of(*LOOKS, take(250, ASK, 1_000, 1))
    begin(market, [seat()], 450)
    looks = 0
    while (number := market.run()) > 0:
        looks += 1
        if market.observation(number)["time"] < at(200):
            market.decide(number, bids=[(1_000, 3)], take=2 if looks == 1 else 0)
        else:
            market.expel(number)
    assert looks == 3  # at 0, 100 and 200 ms
    assert trades(market) == [(0, 1, 1_001, 2), (0, 1, 999, 2)]
    assert int(market.fills[-1]["time"]) == at(450)


def test_an_expelled_seats_orders_in_flight_never_arrive() -> None:
    market = market_of(*LOOKS)
    begin(market, [seat(latency=Latency(0, 150 * MS, 0))], 450)
    market.run()
    market.decide(1, take=2)
    market.run()
    market.expel(1)
    assert market.run() == 0
    assert trades(market) == []


def test_a_carried_position_is_no_gain() -> None:
    """5 lots held from yesterday, sold at the bid: the cost is one tick below the mid and the fee, no more."""
    market = market_of(*LOOKS)
    begin(market, [seat(held=5)], 350)
    finish(market, [once()])
    assert market.wealth(1) == 5 * -1 * 10 - 5 * 2.0
    assert int(market.venue[0]["crowd_position"]) + int(account(market, 1)["position"]) == 0


def _called(to: int, grace_s: float, maintenance: float = 0.5) -> Market:
    """As `_after_a_fall`, with a margin call that may stand."""
    shots = [shot(500 + 100 * k, {to: 10}, {to + 2: 10}) for k in range(3)]
    market = market_of(mark(100), mark(500, 0), mark(600, 1), mark(700, 2), shots=shots)
    begin(market, [seat(capital=3_100.0, maintenance=maintenance, grace_s=grace_s)], 750)
    finish(market, [once(take=2)])
    return market


def test_a_margin_call_stands_for_its_grace_before_the_position_is_closed() -> None:
    patient = _called(920, 10.0)  # equity 1,498 of 1,842; maintenance 921
    assert (int(account(patient, 1)["calls"]), int(account(patient, 1)["liquidated"])) == (1, 0)
    hasty = _called(920, 0.15)  # called at 500 ms, over at 700
    assert (int(account(hasty, 1)["calls"]), int(account(hasty, 1)["liquidated"])) == (1, 1)
    forced = hasty.fills[hasty.fills["reason"] == LIQUIDATION]
    assert set(forced["time"].tolist()) == {at(700)}


def test_below_the_maintenance_level_there_is_no_grace() -> None:
    market = _called(905, 10.0, 0.8)  # equity 1,198 of 1,812; maintenance 1,450
    assert int(account(market, 1)["liquidated"]) == 1
    forced = market.fills[market.fills["reason"] == LIQUIDATION]
    assert set(forced["time"].tolist()) == {at(500)}


def test_after_too_many_cancels_only_closing_orders_are_taken() -> None:
    market = market_of(*(mark(100 * k) for k in range(1, 8)))
    begin(market, [seat(cancel_limit=1)], 750)
    plan = {
        0: {"bids": [(998, 1)], "take": 1},
        100: {"bids": [(997, 1)]},
        200: {"bids": [(996, 1)]},
        300: {"bids": [(995, 1)]},
        500: {"take": -1},
    }
    finish(market, [at_times(plan)])
    assert refused(market, 1) == {CANCEL_LIMIT: 2}
    assert int(account(market, 1)["position"]) == 0


def test_a_shut_gate_refuses_new_orders_and_lets_cancels_pass() -> None:
    market = market_of(*(mark(100 * k) for k in range(1, 6)))
    begin(market, [seat()], 550)
    market.venue[0]["gate"] = 1
    finish(market, [at_times({0: {"bids": [(998, 1)]}})])
    assert refused(market, 1) == {GATE_SHUT: 1}


def test_what_a_sweep_beyond_the_record_took_is_owed_and_comes_back() -> None:
    shots = [shot(500 + 5_000 * k, {999: 10, 998: 10}, {1_001: 10, 1_002: 10}) for k in range(3)]
    rows = [mark(500, 0), event(600, SWEEP, ASK, 998, 15), mark(5_500, 1), mark(10_500, 2)]
    market = market_of(*rows, shots=shots)
    sizes = []
    begin(market, [seat()], 11_000)

    def look(seen: Any) -> None:
        sizes.append(int(seen["bid_size"].sum()))

    finish(market, [look])
    assert sizes[-3:] == [20, 12, 16]  # 15 of 20 taken; half of it is back after each half-life of 5 s
