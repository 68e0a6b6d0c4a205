"""The venue's rules for seats: refusals, limits, races, reasons, phases, and how positions are closed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from days import (
    LOWER,
    MS,
    UPPER,
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
    quoted,
    reasons,
    refused,
    seat,
    shot,
    take,
    trades,
)

from lobarena.data.schema import ASK, BID, CONTINUOUS
from lobarena.sim.exchange import enter
from lobarena.sim.market import Latency, Market, Rules
from lobarena.sim.types import (
    BAD_SIZE,
    CANNOT_FILL,
    CROSSED,
    DAY,
    FOK,
    LIQUIDATION,
    MESSAGE_LIMIT,
    NO_MARGIN,
    OFF_LIMITS,
    POSITION_LIMIT,
    POST_ONLY,
    QUEUE_REACHED,
    SELF_TRADE,
    STP_CANCEL_INCOMING,
    STP_OFF,
    TOO_LARGE,
    TOOK,
    WOULD_TRADE,
)

pytestmark = pytest.mark.kernels

BOOK = quoted({999: 10, 990: 100}, {1_001: 10, 1_010: 100})
LOOKS = [mark(100 * k) for k in range(1, 11)]


def market_of(*more: np.ndarray, shots: Sequence[np.ndarray] = (), **rules: Any) -> Market:
    """The book above, then further events, in time order."""
    events = [*BOOK, *more]
    return Market(feed_of(sorted(events, key=lambda one: int(one["time"][0])), shots), Rules(**rules))


# Refusals.


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        ({"bids": [(LOWER - 1, 1)]}, OFF_LIMITS),
        ({"asks": [(UPPER + 1, 1)]}, OFF_LIMITS),
        ({"bids": [(2**40, 1)]}, OFF_LIMITS),
        ({"asks": [(-5, 1)]}, OFF_LIMITS),
        ({"bids": [(990, 8)]}, TOO_LARGE),
        ({"take": 2**40}, TOO_LARGE),
        ({"take": -(2**40)}, TOO_LARGE),
        ({"bids": [(998, 4), (997, 3)]}, POSITION_LIMIT),
        ({"asks": [(1_002, 6)]}, POSITION_LIMIT),
    ],
)
def test_an_order_against_the_rules_is_refused_with_its_reason(decision: dict[str, Any], code: int) -> None:
    market = play(market_of(*LOOKS), [seat(position_limit=5, largest=7)], [once(**decision)], 500)
    assert refused(market, 1) == {code: 1}
    assert trades(market)[1:] == []


def test_prices_at_the_limits_are_legal() -> None:
    market = play(market_of(*LOOKS), [seat()], [once(bids=[(LOWER, 1)], asks=[(UPPER, 1)])], 500)
    assert refused(market, 1) == {}


def test_a_refused_order_leaves_its_row_free() -> None:
    log = Log({100 * k: {"bids": [(LOWER - 1 - k, 1)]} for k in range(80)})
    events = [mark(100 * k) for k in range(1, 90)]
    market = play(market_of(*events), [seat()], [log], 8_500)
    assert refused(market, 1) == {OFF_LIMITS: 80}
    assert own(log.seen[5_000]) == ({}, {})


def test_the_position_limit_counts_what_works_on_the_same_side() -> None:
    script = at_times(
        {0: {"bids": [(998, 3)]}, 100: {"bids": [(998, 3), (997, 3)]}, 200: {"bids": [(998, 3), (997, 2)]}}
    )
    market = play(market_of(*LOOKS), [seat(position_limit=5)], [script], 900)
    assert refused(market, 1) == {POSITION_LIMIT: 1}
    assert int(account(market, 1)["orders"]) == 3


def test_an_order_that_brings_the_position_back_is_never_against_the_limit() -> None:
    market = market_of(*LOOKS)
    begin(market, [seat(position_limit=5)], 450)
    finish(market, [at_times({0: {"take": 5}, 100: {"take": 1}, 200: {"take": -10}, 300: {"take": -1}})])
    assert refused(market, 1) == {POSITION_LIMIT: 2}
    assert trades(market) == [(0, 1, 1_001, 5), (0, 1, 999, 10), (0, 1, 1_001, 5)]


def test_a_carried_position_beyond_the_limit_cannot_become_one_beyond_it_on_the_other_side() -> None:
    market = play(market_of(*LOOKS), [seat(position_limit=5, held=9)], [once(take=-17)], 90)
    assert refused(market, 1) == {POSITION_LIMIT: 1}


def test_moving_a_quote_cancels_before_it_orders() -> None:
    """Both messages arrive at one instant; in the wrong order the limit would refuse the new one."""
    log = Log({0: {"bids": [(997, 5)]}, 100: {"bids": [(998, 5)]}})
    market = play(market_of(*LOOKS), [seat(position_limit=5)], [log], 500)
    assert refused(market, 1) == {}
    assert own(log.seen[400]) == ({998: 5}, {})


def test_quotes_that_move_through_the_old_ones_do_not_meet_them() -> None:
    script = at_times({0: {"bids": [(1_000, 5)]}, 100: {"bids": [(998, 5)], "asks": [(1_000, 5)]}})
    market = play(market_of(*LOOKS), [seat(self_trade=STP_CANCEL_INCOMING)], [script], 500)
    assert refused(market, 1) == {}
    assert trades(market) == []


def test_too_little_capital_for_the_margin_is_refused() -> None:
    # margin of 2 lots: 2 x 1,000 x 10 x 0.1 = 2,000; of 3 lots 3,000
    poor = seat(capital=2_500.0)
    market = play(market_of(*LOOKS), [poor, poor], [once(bids=[(998, 3)]), once(bids=[(998, 2)])], 500)
    assert refused(market, 1) == {NO_MARGIN: 1}
    assert refused(market, 2) == {}


def test_the_margin_counts_working_orders_too() -> None:
    market = play(market_of(*LOOKS), [seat(capital=2_500.0)], [once(bids=[(998, 2), (997, 1)])], 500)
    assert refused(market, 1) == {NO_MARGIN: 1}


def test_beyond_the_message_limit_orders_are_refused_but_cancels_work() -> None:
    script = at_times({0: {"bids": [(998, 1), (997, 1)]}, 100: {"bids": [(998, 1), (996, 1)]}, 200: {}})
    market = play(market_of(*LOOKS, take(300, ASK, 990, 200)), [seat(message_limit=2)], [script], 500)
    assert refused(market, 1) == {MESSAGE_LIMIT: 1}
    assert trades(market) == []


def test_an_order_within_the_message_limit_is_not_refused_for_later_ones_in_flight() -> None:
    slow = seat(latency=Latency(0, 250 * MS, 0), message_limit=1)
    script = at_times({0: {"bids": [(998, 1)]}, 100: {"bids": [(998, 1), (997, 1)]}})
    market = play(market_of(*LOOKS), [slow], [script], 900)
    assert refused(market, 1) == {MESSAGE_LIMIT: 1}
    assert int(account(market, 1)["ordered"]) == 1


def test_a_full_desk_sends_nothing_more() -> None:
    """32 orders of a seat may be under way; the report of none has come back."""
    slow = seat(latency=Latency(0, 0, 10_000 * MS))
    plan = {100 * k: {"bids": [(990 - 5 * k - j, 1) for j in range(5)]} for k in range(10)}
    market = play(market_of(*LOOKS), [slow], [at_times(plan)], 950)
    assert sum(refused(market, 1).values()) == 18
    assert int(account(market, 1)["orders"]) == 32


@pytest.mark.parametrize(
    ("size", "price", "kind", "code"),
    [
        (0, 998, DAY, BAD_SIZE),
        (-3, 998, DAY, BAD_SIZE),
        (2, 1_001, POST_ONLY, WOULD_TRADE),
        (11, 1_001, FOK, CANNOT_FILL),
        (2, 1_000, FOK, CANNOT_FILL),
    ],
)
def test_order_types_that_quotes_do_not_use_are_refused_at_the_venue(
    size: int, price: int, kind: int, code: int
) -> None:
    market = market_of(*LOOKS)
    begin(market, [seat()], 450)
    market.run()
    enter(market.book, market.venue, market.tape, 1, 0, BID, price, size, kind)
    market.decide(1, keep=True)
    finish(market, [once()])
    assert refused(market, 1) == {code: 1}
    assert trades(market) == []


# Races.


def test_a_cancel_that_comes_after_the_fill_cancels_nobody() -> None:
    slow = seat(latency=Latency(0, 50 * MS, 50 * MS))
    log = Log({0: {"bids": [(1_000, 2)]}, 200: {"bids": [(998, 2)]}})
    market = play(market_of(*LOOKS, take(220, ASK, 1_000, 2)), [slow], [log], 550)
    assert trades(market) == [(1, 0, 1_000, 2), (0, 1, 999, 2)]
    assert sum(refused(market, 1).values()) == 1  # the cancel found nothing
    assert own(log.seen[400]) == ({998: 2}, {})
    assert int(log.seen[200]["position"]) == 0
    assert int(log.seen[300]["position"]) == 2


def test_a_cancel_that_comes_first_saves_the_order() -> None:
    slow = seat(latency=Latency(0, 50 * MS, 50 * MS))
    market = market_of(*LOOKS, take(251, ASK, 1_000, 2))
    play(market, [slow], [at_times({0: {"bids": [(1_000, 2)]}, 200: {}})], 550)
    assert trades(market) == []
    assert refused(market, 1) == {}


def test_shrinking_an_order_keeps_its_place_and_growing_adds_one_behind() -> None:
    log = Log({0: {"bids": [(999, 5)]}, 100: {"bids": [(999, 3)]}, 200: {"bids": [(999, 7)]}})
    market = play(market_of(*LOOKS, limit(150, BID, 999, 20)), [seat()], [log], 500)
    ahead = log.seen[400]
    assert ahead["own_bid_size"][:2].tolist() == [3, 4]
    assert ahead["own_bid_ahead"][:2].tolist() == [10, 33]
    assert int(account(market, 1)["orders"]) == 2


@pytest.mark.parametrize("hit", [1, 2, 4])
def test_an_order_filled_while_it_is_being_shrunk_is_known_for_what_is_left(hit: int) -> None:
    """10 lots, asked to shrink to 6 at 200 (arrives at 250); `hit` of them trade at 220."""
    slow = seat(latency=Latency(0, 50 * MS, 50 * MS))
    log = Log({0: {"bids": [(1_000, 10)]}, 200: {"bids": [(1_000, 6)]}})
    market = market_of(*LOOKS, take(220, ASK, 1_000, hit))
    begin(market, [slow], 950)
    finish(market, [log])
    assert own(log.seen[400]) == ({1_000: 6}, {})
    assert int(log.seen[400]["position"]) == hit


def test_an_order_filled_below_the_size_it_shrinks_to_is_known_for_what_is_left() -> None:
    slow = seat(latency=Latency(0, 50 * MS, 50 * MS))
    log = Log({0: {"bids": [(1_000, 10)]}, 200: {"bids": [(1_000, 6)]}})
    play(market_of(*LOOKS, take(220, ASK, 1_000, 7)), [slow], [log], 950)
    assert own(log.seen[400]) == ({1_000: 3}, {})
    assert int(log.seen[400]["position"]) == 7


def test_a_queue_place_shown_is_that_of_the_order_itself() -> None:
    """The feed is slow, reports are quick: the row of a cancelled order is used again before its image arrives."""
    fast = seat(latency=Latency(250 * MS, 1 * MS, 1 * MS))
    log = Log({0: {"bids": [(999, 5)]}, 350: {}, 450: {"bids": [(998, 5)]}})
    market = market_of(*[mark(100 * k) for k in range(1, 20)])
    play(market, [fast], [log], 1_500)
    for time, seen in log.seen.items():
        if own(seen)[0] == {998: 5} and int(seen["published"]) < at(452):
            assert int(seen["own_bid_ahead"][0]) == -1, f"at {time} ms a place is shown that the order never had"


# Self-trade prevention.


def test_an_order_cancelled_by_self_trade_prevention_is_reported() -> None:
    log = Log({0: {"bids": [(1_000, 5)]}, 200: {"bids": [(1_000, 5)], "take": -3}})
    market = play(market_of(*LOOKS), [seat()], [log], 650)
    assert trades(market) == [(0, 1, 999, 3), (0, 1, 1_001, 3)]
    assert own(log.seen[400]) == ({}, {})


def test_orders_cancelled_by_self_trade_prevention_do_not_use_up_the_desk() -> None:
    looks = [mark(100 * k) for k in range(1, 100)]
    plan: dict[float, dict[str, Any]] = {}
    for k in range(40):
        plan[200 * k] = {"bids": [(1_000, 1)]}
        plan[200 * k + 100] = {"bids": [(1_000, 1)], "take": -1 if k % 2 else 1}
    market = market_of(*looks, *[limit(200 * k + 50, BID, 999, 5) for k in range(1, 40)])
    log = Log({**plan, 8_100: {"bids": [(997, 2)]}})
    play(market, [seat()], [log], 8_900)
    assert own(log.seen[8_500]) == ({997: 2}, {})


def test_the_incoming_order_can_be_the_one_cancelled() -> None:
    log = Log({0: {"bids": [(1_000, 5)]}, 200: {"bids": [(1_000, 5)], "take": -3}})
    market = play(market_of(*LOOKS), [seat(self_trade=STP_CANCEL_INCOMING)], [log], 650)
    assert refused(market, 1) == {SELF_TRADE: 1}
    assert trades(market) == []
    assert own(log.seen[400]) == ({1_000: 5}, {})


def test_without_prevention_a_seat_trades_with_itself_and_pays_twice() -> None:
    log = Log({0: {"bids": [(1_000, 5)]}, 200: {"bids": [(1_000, 5)], "take": -3}})
    market = play(market_of(*LOOKS), [seat(self_trade=STP_OFF)], [log], 350)
    assert trades(market) == [(1, 1, 1_000, 3)]
    assert int(account(market, 1)["position"]) == 0
    assert int(account(market, 1)["cash"]) == 0
    assert int(log.seen[300]["position"]) == 0
    assert float(account(market, 1)["fees"]) == 3 * 1.0 + 3 * 3.0  # opened and closed today


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
