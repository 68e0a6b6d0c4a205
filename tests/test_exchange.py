"""The venue's rules for seats: refusals, limits, races, reasons, phases, and how positions are closed."""

from typing import Any

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
    finish,
    limit,
    mark,
    once,
    own,
    play,
    refused,
    seat,
    take,
    trades,
)
from runs import LOOKS, market_of

from lobarena.data.schema import ASK, BID
from lobarena.sim.exchange import enter
from lobarena.sim.market import Latency
from lobarena.sim.types import (
    BAD_SIZE,
    CANNOT_FILL,
    DAY,
    FOK,
    MESSAGE_LIMIT,
    NO_MARGIN,
    OFF_LIMITS,
    POSITION_LIMIT,
    POST_ONLY,
    SELF_TRADE,
    STP_CANCEL_INCOMING,
    STP_OFF,
    TOO_LARGE,
    WOULD_TRADE,
)

pytestmark = pytest.mark.kernels

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
    enter(market.book[0], market.venue[0], 1, 0, BID, price, size, kind)
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
