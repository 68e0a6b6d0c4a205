"""Why a fill happened, the numbers of the queue, and what a seat sees of it all."""

import pytest
from days import (
    MS,
    UPPER,
    Log,
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
    seat,
    shot,
    take,
    trades,
)
from runs import LOOKS, market_of

from lobarena.data.schema import ASK, BID, CONTINUOUS
from lobarena.sim.market import Latency, Market, Rules
from lobarena.sim.types import (
    CROSSED,
    LIQUIDATION,
    QUEUE_REACHED,
    TOOK,
)

pytestmark = pytest.mark.kernels


# Why a fill happened, and the numbers of the queue.


def test_an_aggressor_hits_a_seat_only_after_the_lots_ahead() -> None:
    events = [take(300, ASK, 999, 8), mark(350), take(400, ASK, 999, 4), take(500, ASK, 999, 1)]
    log = Log({0: {"bids": [(999, 3)]}})
    market = play(market_of(mark(100), *events), [seat()], [log], 550)
    assert int(log.seen[100]["own_bid_ahead"][0]) == 10
    assert int(log.seen[350]["own_bid_ahead"][0]) == 2
    fills = market.fills[:2]
    assert fills[["time", "price", "size", "joined", "hit"]].tolist() == [
        (at(400), 999, 2, 10, 2),
        (at(500), 999, 1, 10, 0),
    ]
    assert fills["reason"].tolist() == [QUEUE_REACHED] * 2
    assert fills["side"].tolist() == [ASK] * 2


def test_a_seat_takes_the_crowds_place() -> None:
    """The recorded trade of 10 lots takes 3 of a seat that stood before the crowd's last 7."""
    later = limit(200, BID, 999, 7)
    market = market_of(mark(100), later, take(300, ASK, 999, 20))
    begin(market, [seat()], 350)
    finish(market, [once(bids=[(999, 3)])])
    assert trades(market)[0] == (1, 0, 999, 3)
    assert int(market.fills[0]["hit"]) == 10
    assert crowd_book(market, BID) == {990: 97}  # 10 + 3 + 7 taken, and 3 lots sold at the end


def test_a_seat_inside_the_spread_is_crossed_at_its_own_price() -> None:
    """The record's ask comes down to 998, through the seat's bid at 1,000 and the crowd's cancelled bids."""
    shots = [shot(500, {990: 100}, {998: 6, 1_001: 10, 1_010: 100})]
    events = [event(400, 4, BID, 999, 10), limit(450, ASK, 998, 6), mark(500, 0)]
    market = market_of(mark(100), *events, shots=shots)
    begin(market, [seat()], 550)
    finish(market, [once(bids=[(1_000, 2)])])
    assert trades(market)[0] == (1, 0, 1_000, 2)
    assert int(market.fills[0]["reason"]) == CROSSED
    assert int(market.fills[0]["time"]) == at(450)


def test_taking_from_the_crowd_is_told_as_such() -> None:
    market = play(market_of(*LOOKS), [seat()], [once(take=3)], 90)
    assert reasons(market) == [TOOK, LIQUIDATION]


def test_a_seat_reached_by_anothers_market_order_was_reached_in_its_queue() -> None:
    market = market_of(*LOOKS)
    play(market, [seat(), seat()], [once(asks=[(1_000, 2)]), at_times({100: {"take": 2}})], 550)
    assert trades(market)[0] == (1, 2, 1_000, 2)
    assert int(market.fills[0]["reason"]) == QUEUE_REACHED


def test_a_seat_crossed_by_anothers_limit_order_is_told_so() -> None:
    market = market_of(*LOOKS)
    play(market, [seat(), seat()], [once(asks=[(1_000, 2)]), at_times({100: {"bids": [(1_001, 2)]}})], 150)
    assert trades(market)[0] == (1, 2, 1_000, 2)
    assert int(market.fills[0]["reason"]) == CROSSED


def test_a_market_order_stops_at_its_protection() -> None:
    market = play(market_of(*LOOKS, protection=8), [seat()], [once(take=30)], 90)
    assert trades(market)[0] == (0, 1, 1_001, 10)
    assert [fill[3] for fill in trades(market) if fill[2] > 1_005] == []
    wide = play(market_of(*LOOKS, protection=9), [seat()], [once(take=30)], 90)
    assert trades(wide)[:2] == [(0, 1, 1_001, 10), (0, 1, 1_010, 20)]


def test_the_protection_of_a_market_order_is_counted_from_the_touch_it_meets() -> None:
    """The ask moves from 1,001 to 1,010 while the order travels; nine ticks beyond the touch that it finds are fair."""
    slow = seat(latency=Latency(0, 50 * MS, 0))
    market = market_of(event(20, 4, ASK, 1_001, 10), *LOOKS, protection=8)
    play(market, [slow], [once(take=5)], 90)
    assert trades(market)[:1] == [(0, 1, 1_010, 5)]


def test_a_market_order_never_goes_beyond_the_daily_limit() -> None:
    events = [phase(0, CONTINUOUS), limit(0, BID, 1_095, 5), limit(0, ASK, 1_099, 2), limit(0, ASK, 1_105, 5), mark(0)]
    market = Market(feed_of([*events, *LOOKS]), Rules(protection=20))
    play(market, [seat()], [once(take=5)], 90)
    assert trades(market)[0] == (0, 1, 1_099, 2)
    assert all(price <= UPPER for _, _, price, _ in trades(market))


# What a seat sees.


def test_a_seat_does_not_see_its_own_orders_but_the_others() -> None:
    one, two = Log({0: {"bids": [(1_000, 4), (999, 2)]}}), Log({0: {"bids": [(1_000, 1)]}})
    play(market_of(*LOOKS), [seat(), seat()], [one, two], 350)
    seen, other = one.seen[200], two.seen[200]
    assert (seen["bid"][:3].tolist(), seen["bid_size"][:3].tolist()) == ([1_000, 999, 990], [1, 10, 100])
    assert (other["bid"][:3].tolist(), other["bid_size"][:3].tolist()) == ([1_000, 999, 990], [4, 12, 100])
    assert own(seen)[0] == {1_000: 4, 999: 2}
    assert seen["own_bid_ahead"][:2].tolist() == [0, 10]


def test_marks_are_the_crowds_so_that_no_seat_can_move_them() -> None:
    market = play(market_of(*LOOKS), [seat()], [once(bids=[(1_000, 9)])], 450)
    assert set(market.marks["mid2"].tolist()) == {2_000}
    assert set(market.marks["spread"].tolist()) == {2}
