"""How the crowd meets the seats: lots taken are gone once, come back by rule, and orders keep their numbers."""

from typing import Any

import pytest
from days import (
    account,
    at_times,
    begin,
    crowd_book,
    event,
    fall,
    feed_of,
    finish,
    limit,
    mark,
    once,
    play,
    quoted,
    seat,
    shot,
    take,
    trades,
)

from lobarena.data.schema import (
    ASK,
    BID,
    DELETE,
    MARKET,
    TAKE,
)
from lobarena.sim.market import Market, Rules

# Liquidity is never used twice, and how what was taken comes back.


BOOK = quoted({999: 10}, {1_001: 10, 1_005: 50})
STILL = [shot(500 * (k + 1), {999: 10}, {1_001: 10, 1_005: 50}) for k in range(30)]
MARKS = [mark(500 * (k + 1), k) for k in range(30)]


@pytest.mark.kernels
def test_two_seats_that_take_the_same_lots_in_one_interval_get_them_once() -> None:
    market = Market(feed_of([*BOOK, *MARKS], STILL), Rules(impact="restore", protection=3))
    begin(market, [seat(), seat()], 400)
    finish(market, [once(take=7), once(take=7)])
    assert trades(market)[:2] == [(0, 1, 1_001, 7), (0, 2, 1_001, 3)]


@pytest.mark.kernels
def test_the_crowd_finds_what_a_seat_has_left_of_a_level() -> None:
    market = Market(feed_of([*BOOK, take(300, BID, 1_001, 10), mark(400)]))
    play(market, [seat()], [once(take=4)], 450)
    v = market.venue[0]
    assert int(v["volume"]) - 4 == 4 + 6  # bought 4, sold 4 at the end, and 6 of the crowd's own 10
    assert int(v["unfilled"]) == 4


def _asks_after(impact: str, half_life_s: float = 1.0, lots: int = 8) -> list[int]:
    """Crowd lots at 1,001 just after each of the first snapshots, when a seat has taken `lots` of 10 at the open."""
    market = Market(feed_of([*BOOK, *MARKS], STILL), Rules(impact=impact, half_life_s=half_life_s))
    found: list[int] = []

    def look(seen: Any) -> dict[str, Any] | None:
        found.append(crowd_book(market, ASK).get(1_001, 0))
        return {"take": lots} if len(found) == 1 else None

    play(market, [seat()], [look], 4_100)
    return found[1:]


@pytest.mark.kernels
def test_restore_brings_back_what_was_taken_at_the_next_snapshot() -> None:
    assert _asks_after("restore") == [10] * 8


@pytest.mark.kernels
def test_decay_brings_it_back_with_its_half_life() -> None:
    # 8 lots owed, halved each second: 5.66, 4, 2.83, 2, 1.41, 1, 0.71 are still away, rounded
    assert _asks_after("decay")[:7] == [4, 6, 7, 8, 9, 9, 9]


@pytest.mark.kernels
def test_keep_brings_nothing_back_while_the_record_shows_the_level() -> None:
    assert _asks_after("keep") == [2] * 8


@pytest.mark.kernels
def test_keep_keeps_a_level_that_was_taken_whole() -> None:
    assert _asks_after("keep", lots=10) == [0] * 8


@pytest.mark.kernels
def test_keep_keeps_away_what_was_taken_when_another_seat_joins_the_level() -> None:
    market = Market(feed_of([*BOOK, mark(100), *MARKS], STILL), Rules(impact="keep"))
    begin(market, [seat(), seat()], 1_900)
    finish(market, [once(take=10), at_times({100: {"asks": [(1_001, 1)]}})])
    assert crowd_book(market, ASK) == {1_005: 50}


@pytest.mark.kernels
def test_keep_forgets_a_level_that_the_record_stopped_showing() -> None:
    shots = [
        shot(500, {999: 10}, {1_001: 10, 1_005: 50}),
        shot(1_000, {999: 10}, {1_005: 50}),
        shot(1_500, {999: 10}, {1_001: 12, 1_005: 50}),
    ]
    events = [*BOOK, mark(500, 0), mark(1_000, 1), limit(1_400, ASK, 1_001, 12), mark(1_500, 2)]
    market = Market(feed_of(events, shots), Rules(impact="keep"))
    play(market, [seat()], [once(take=10)], 1_600)
    assert crowd_book(market, ASK) == {1_001: 12, 1_005: 50}


@pytest.mark.kernels
def test_what_was_taken_earlier_decays_until_more_is_taken() -> None:
    """8 lots, two half-lives later 2 more: 2 + 2 are away, not 8 + 2, at a snapshot that follows at once."""
    events = [*BOOK, mark(2_000), mark(2_001, 0)]
    market = Market(feed_of(events, [shot(2_001, {999: 10}, {1_001: 10, 1_005: 50})]), Rules(half_life_s=1.0))
    play(market, [seat()], [at_times({0: {"take": 8}, 2_000: {"take": 2}})], 2_500)
    assert crowd_book(market, ASK)[1_001] == 6


@pytest.mark.kernels
def test_the_crowds_makers_that_a_seat_stood_before_are_brought_back_to_the_record() -> None:
    """The aggressor takes the seat's 2 lots and 8 of the crowd's 10; the record shows none left."""
    shots = [shot(500, {999: 10}, {1_005: 50})]
    market = Market(feed_of([*BOOK, take(300, BID, 1_001, 10), mark(400), mark(500, 0)], shots))
    left: list[int] = []

    def look(seen: Any) -> dict[str, Any] | None:
        left.append(crowd_book(market, ASK).get(1_001, 0))
        return {"asks": [(1_000, 2)]} if len(left) == 1 else None

    play(market, [seat()], [look], 600)
    assert left == [10, 2, 0]
    assert trades(market)[0] == (1, 0, 1_000, 2)


@pytest.mark.kernels
@pytest.mark.parametrize("impact", ["decay", "keep"])
def test_the_records_lots_that_cross_a_seat_do_not_cross_it_again_at_the_next_snapshot(impact: str) -> None:
    """A seat bids 20 at 1,000; the record's ask comes down to 1,000 with 5 lots, and hits it with 5 lots, once."""
    shots = [shot(500, {999: 10}, {1_000: 5, 1_001: 10, 1_005: 50})]
    market = Market(feed_of([*BOOK, limit(400, ASK, 1_000, 5), mark(500, 0)], shots), Rules(impact=impact))
    play(market, [seat()], [once(bids=[(1_000, 20)])], 600)
    assert trades(market)[0] == (1, 0, 1_000, 5)
    assert [fill for fill in trades(market) if fill[0] == 1] == [(1, 0, 1_000, 5)]


@pytest.mark.kernels
def test_a_cancel_finds_no_more_than_the_crowd_has() -> None:
    market = Market(feed_of([*BOOK, fall(300, ASK, 1_001, 10), mark(400)]))
    begin(market, [seat(), seat()], 450)
    finish(market, [once(take=7), once(asks=[(1_001, 5)])])
    assert crowd_book(market, ASK) == {1_005: 50}
    assert int(account(market, 2)["position"]) == 0


# A record of every order: executions are sent as aggressors, so they meet whoever is first now.


ORDERS = [
    *quoted({990: 100}, {1_010: 100}),
    limit(10, BID, 999, 4, ref=1),
    limit(20, BID, 999, 6, ref=2),
    limit(30, ASK, 1_001, 5, ref=3),
    mark(40),
]


@pytest.mark.kernels
def test_in_an_order_feed_a_delete_takes_its_own_order_and_no_other() -> None:
    market = Market(feed_of([*ORDERS, event(100, DELETE, ref=1), event(110, DELETE, ref=1), mark(120)]))
    market.run()
    assert crowd_book(market, BID) == {990: 100, 999: 6}


@pytest.mark.kernels
def test_in_an_order_feed_an_execution_meets_the_seat_that_stands_first_and_the_maker_stays() -> None:
    """A seat at 1,000 is in the aggressor's way; the recorded maker keeps its 4 lots until it is deleted."""
    events = [limit(100, ASK, 999, 4, ref=4), mark(110), event(120, DELETE, ref=1), mark(130)]
    market = Market(feed_of([*ORDERS, *events]))
    books: list[dict[int, int]] = []

    def look(seen: Any) -> dict[str, Any] | None:
        books.append(crowd_book(market, BID))
        return {"bids": [(1_000, 4)]} if len(books) == 2 else None

    play(market, [seat()], [look], 140)
    assert trades(market)[0] == (1, 0, 1_000, 4)
    assert [book.get(999) for book in books] == [None, 10, 10, 6]


@pytest.mark.kernels
def test_in_an_order_feed_what_a_seat_took_of_an_order_is_gone_from_it() -> None:
    """A seat took 3 of the 5 lots of order 3; the recorded buyer of 5 finds 2, and the delete finds nothing."""
    events = [event(100, TAKE, BID, 1_001, 5), event(110, DELETE, ref=3), mark(120)]
    market = Market(feed_of([*ORDERS, *events]))
    begin(market, [seat()], 130, opens=40)
    finish(market, [once(take=3)])
    assert trades(market)[0] == (0, 1, 1_001, 3)
    assert int(market.venue[0]["unfilled"]) == 3
    assert crowd_book(market, ASK) == {1_010: 100}


@pytest.mark.kernels
def test_a_market_order_of_the_record_walks_the_book_and_its_rest_is_gone() -> None:
    market = Market(feed_of([*ORDERS, event(100, MARKET, ASK, 0, 15), mark(120)]))
    market.run()
    v = market.venue[0]
    assert crowd_book(market, BID) == {990: 95}
    assert (int(v["volume"]), int(v["turnover"]), int(v["last"])) == (15, 10 * 999 + 5 * 990, 990)
