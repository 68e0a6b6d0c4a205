"""A record of level changes in the market: levels set, trades at exact prices, and what seats change about both."""

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from books import depth
from hypothesis import given, settings
from hypothesis import strategies as st

from lobarena.data.contracts import plain_contract
from lobarena.data.recording import EventRecording
from lobarena.data.schema import ASK, BID, CLEAR, EVENT, LEVEL, LIMIT, MARK, REDUCE, TRADE
from lobarena.data.sessions import utc
from lobarena.sim.event_feed import event_feed
from lobarena.sim.market import Latency, Market, Rules, Seat
from lobarena.sim.types import CROSSED, QUEUE_REACHED, REASONS, TOOK

pytestmark = pytest.mark.kernels

DAY = date(2024, 8, 8)
OPEN = utc(DAY, "00:00", "UTC")
MS = 1_000_000
NOW = Latency(feed=0, order=0, report=0)
BOOK = [(0, LEVEL, BID, 100, 10), (0, LEVEL, BID, 99, 20), (0, LEVEL, ASK, 102, 10), (0, LEVEL, ASK, 103, 20)]

Row = tuple[int, int, int, int, int]  # ms, kind, side, ticks, lots


def record(rows: list[Row], orders: int = 0, refs: tuple[int, ...] = ()) -> EventRecording:
    """A record of (ms, kind, side, ticks, lots) rows."""
    events = np.zeros(len(rows), EVENT)
    for event, (time, kind, side, price, size) in zip(events, rows, strict=True):
        event["time"], event["kind"], event["side"] = OPEN + time * MS, kind, side
        event["price"], event["size"], event["ref"] = price, size, -1
    if refs:
        events["ref"] = refs
    return EventRecording(plain_contract("XX", "TEST", Decimal(1)), "XX", "TEST", DAY, events, orders)


def market(rows: list[Row], publish_ms: int = 10, **rules: Any) -> Market:
    return Market(event_feed(record(rows), publish_ms=publish_ms), Rules(**rules))


def play(one: Market, script: dict[int, dict[str, Any]], until: int, latency: Latency = NOW) -> Market:
    """One seat that looks every 5 ms from 1 ms on, and decides what the script says for the look of that number."""
    one.start([Seat(latency=latency, every_ns=5 * MS, capital=1e9)], OPEN + MS, OPEN + until * MS)
    looks = 0
    while (seat := one.run()) > 0:
        one.observation(seat)
        looks += 1
        if looks in script:
            one.decide(seat, **script[looks])
        else:
            one.decide(seat, keep=True)
    return one


def fills(one: Market) -> list[tuple[int, int, int, int, str]]:
    """(maker, taker, ticks, lots, why) of every fill."""
    names = ("maker_owner", "taker_owner", "price", "size")
    return [(*(int(fill[name]) for name in names), REASONS[int(fill["reason"])]) for fill in one.fills]  # type: ignore[misc]


def test_levels_are_what_the_record_says() -> None:
    one = market([*BOOK, (5, LEVEL, BID, 100, 7), (6, LEVEL, BID, 101, 3), (7, LEVEL, ASK, 102, 0)])
    one.run()
    assert depth(one.book, BID) == {101: [3], 100: [7], 99: [20]}
    assert depth(one.book, ASK) == {103: [20]}


def test_a_trade_happens_at_its_price_even_where_the_book_was_not_told() -> None:
    """The 100 that are sold at 101 exist although no level said so; the bids above the trade are gone."""
    rows = [*BOOK, (1, LEVEL, BID, 101, 5), (5, TRADE, ASK, 100, 15), (5, LEVEL, BID, 100, 2), (5, LEVEL, BID, 101, 0)]
    one = market(rows)
    one.run()
    assert depth(one.book, BID) == {100: [2], 99: [20]}
    assert tuple(int(one.venue[0][name]) for name in ("volume", "turnover", "last", "unfilled")) == (15, 1_500, 100, 0)


def test_a_record_may_begin_anew() -> None:
    one = market([*BOOK, (5, CLEAR, BID, 0, 0), (5, LEVEL, BID, 98, 1)])
    one.run()
    assert (depth(one.book, BID), depth(one.book, ASK)) == ({98: [1]}, {})


def test_an_order_may_shrink_where_it_stands() -> None:
    rows = [(0, LIMIT, BID, 100, 5), (1, LIMIT, BID, 100, 6), (2, REDUCE, BID, 100, 3), (3, REDUCE, BID, 100, 9)]
    one = Market(event_feed(record(rows, orders=2, refs=(0, 1, 0, 1)), publish_ms=10))
    one.run()
    assert depth(one.book, BID) == {100: [2]}


def test_a_seat_waits_behind_the_level_and_is_hit_when_trades_reach_it() -> None:
    rows = [*BOOK, (20, TRADE, ASK, 100, 8), (20, LEVEL, BID, 100, 2)]
    rows += [(30, TRADE, ASK, 100, 6), (30, LEVEL, BID, 100, 0)]
    one = play(market(rows), {1: {"bids": [(100, 4)]}}, 60)
    assert fills(one)[0] == (1, 0, 100, 4, REASONS[QUEUE_REACHED])
    assert [int(one.fills[0][name]) for name in ("joined", "hit")] == [10, 2]


@pytest.mark.parametrize(("model", "reached"), [("back", 0), ("front", 3)])
def test_where_a_fall_is_decides_how_far_the_seat_is(model: str, reached: int) -> None:
    """10 before the seat, 10 behind it; the level falls by 10; then 3 lots trade."""
    rows = [*BOOK, (10, LEVEL, BID, 100, 20), (20, LEVEL, BID, 100, 10), (30, TRADE, ASK, 100, 3)]
    one = play(market(rows, cancel_model=model), {1: {"bids": [(100, 4)]}}, 40)
    assert sum(size for maker, _, _, size, why in fills(one) if maker == 1 and why == REASONS[QUEUE_REACHED]) == reached


def test_a_level_that_rises_over_a_seat_hits_it_at_its_own_price() -> None:
    one = play(market([*BOOK, (20, LEVEL, BID, 102, 5), (20, LEVEL, ASK, 102, 0)]), {1: {"asks": [(101, 3)]}}, 40)
    assert fills(one)[0] == (1, 0, 101, 3, REASONS[CROSSED])
    assert depth(one.book, BID)[102] == [2]


@pytest.mark.parametrize(
    ("impact", "after"),
    [("restore", {12: 10, 42: 10}), ("keep", {12: 4, 42: 4})],
)
def test_what_a_seat_took_stays_away_as_the_impact_rule_says(impact: str, after: dict[int, int]) -> None:
    """6 of the 10 at 102 are taken at 6 ms; publications at 10 and 40 ms; the record never speaks of the level."""
    one = market([*BOOK, (50, LEVEL, BID, 98, 1)], impact=impact)
    one.start([Seat(latency=NOW, every_ns=6 * MS, capital=1e9)], OPEN, OPEN + 49 * MS)
    seen = {}
    while (seat := one.run()) > 0:
        time = (int(one.observation(seat)["time"]) - OPEN) // MS
        seen[time] = depth(one.book, ASK)[102]
        one.decide(seat, take=6 if time == 6 else 0)
    assert fills(one)[0] == (0, 1, 102, 6, REASONS[TOOK])
    assert {time: sum(seen[time]) for time in after} == after


def test_decay_brings_back_half_in_a_half_life_and_a_mention_of_the_level_does_not_forget() -> None:
    rows = [*BOOK, (1_006, LEVEL, ASK, 102, 12), (3_000, LEVEL, BID, 98, 1)]
    one = market(rows, half_life_s=1.0)
    one.start([Seat(latency=NOW, every_ns=6 * MS, capital=1e9)], OPEN, OPEN + 2_900 * MS)
    seen = {}
    while (seat := one.run()) > 0:
        time = (int(one.observation(seat)["time"]) - OPEN) // MS
        seen[time] = sum(depth(one.book, ASK)[102])
        one.decide(seat, take=8 if time == 6 else 0)
    assert (seen[12], seen[1_014], seen[2_010]) == (2, 8, 10)  # 8, then 4 of 12, then 2 of 12 owed


def test_liquidity_that_a_seat_took_cannot_trade_again() -> None:
    """The seat took 6 of 10, which the record's buyer of all 10 takes as well: only 4 are left for it."""
    rows = [*BOOK, (20, TRADE, BID, 102, 10), (20, LEVEL, ASK, 102, 0)]
    one = play(market(rows, impact="keep"), {1: {"take": 6}}, 30)
    assert int(one.venue[0]["unfilled"]) == 6
    assert int(one.venue[0]["volume"]) == 6 + 4 + 6  # the seat's purchase, the record's, the seat closed out at the end


def test_a_look_shows_the_book_of_a_feed_latency_ago() -> None:
    one = market([*BOOK, (12, LEVEL, BID, 101, 1), (40, LEVEL, BID, 99, 1)], publish_ms=1_000)
    one.start([Seat(latency=Latency(3 * MS, 0, 0), every_ns=5 * MS)], OPEN, OPEN + 30 * MS)
    looks = []
    while (seat := one.run()) > 0:
        seen = one.observation(seat)
        looks.append(((int(seen["time"]) - OPEN) // MS, (int(seen["published"]) - OPEN) // MS, int(seen["bid"][0])))
        one.decide(seat)
    assert looks == [(8, 5, 100), (13, 10, 100), (18, 15, 101), (23, 20, 101), (28, 25, 101)]


def test_looking_more_often_than_the_images_on_their_way_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="look less often"):
        market(BOOK).start([Seat(latency=Latency(feed=10**9), every_ns=MS)], OPEN, OPEN + MS)


changes = st.lists(
    st.tuples(st.sampled_from([LEVEL, LEVEL, LEVEL, TRADE]), st.integers(0, 1), st.integers(0, 6), st.integers(0, 30)),
    min_size=1,
    max_size=40,
)


@settings(deadline=None)
@given(changes, st.integers(0, 3))
def test_without_seats_the_book_is_the_records(rows: list[tuple[int, int, int, int]], model: int) -> None:
    """Bids at 90 to 96, asks at 100 to 106: a plain dict of levels, a trade takes what is better and its own lots."""
    levels: dict[tuple[int, int], int] = {}
    volume = 0
    written: list[Row] = []
    for time, (kind, side, step, size) in enumerate(rows):
        if kind == LEVEL:
            price = 90 + step if side == BID else 100 + step
            levels[side, price] = size
        else:
            size, maker = size + 1, 1 - side
            price = 90 + step if maker == BID else 100 + step
            for at in list(levels):
                if at[0] == maker and (at[1] > price if maker == BID else at[1] < price):
                    levels[at] = 0
            levels[maker, price] = max(0, levels.get((maker, price), 0) - size)
            volume += size
        written.append((time, kind, side, price, size))
    one = market(written, cancel_model=["back", "pro rata", "power", "front"][model])
    one.run()
    for side in (BID, ASK):
        assert {price: sum(lots) for price, lots in depth(one.book, side).items()} == {
            price: size for (of, price), size in levels.items() if of == side and size
        }
    assert (int(one.venue[0]["volume"]), int(one.venue[0]["unfilled"])) == (volume, 0)


def test_marks_lie_on_the_grid_of_publications() -> None:
    feed = event_feed(record([*BOOK, (95, LEVEL, BID, 99, 1)]), publish_ms=20)
    times = feed.events["time"][feed.events["kind"] == MARK]
    assert ((times - OPEN) // MS).tolist() == [20, 40, 60, 80, 100]
