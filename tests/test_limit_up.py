"""A price at its upper limit: as an exchange recorded it, and as a locked market, made of literals, looks.

600103 closed at 2.72 and first traded at 2.99 before 09:41:35 of 2021-12-01: millions of shares stood on offer there
and none above, where nobody may bid. They were never all bought, and from 09:42:14 on the price fell back. In a locked
market the queue stands on the other side: everybody bids the limit, nobody sells.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from days import INSTANT, UPPER, Log, account, play, recording, refused, seat, shot

from lobarena.data.importers import read
from lobarena.data.recording import Recording
from lobarena.data.schema import ASK, CONTINUOUS
from lobarena.data.sessions import utc
from lobarena.sim.book import find
from lobarena.sim.feed import snapshot_feed
from lobarena.sim.market import Market, Seat
from lobarena.sim.types import CROWD, OFF_LIMITS, QUEUE_REACHED, TOOK

pytestmark = pytest.mark.kernels

# As recorded.

LIMIT = 299  # ticks: 2.72 and a tenth, rounded
INVESTOR = Seat(INSTANT, position_limit=10_000, largest=10_000)


def clock(text: str) -> int:
    """ "HH:MM:SS" of the day in Shanghai -> ns UTC."""
    return utc(date(2021, 12, 1), text[:5], "Asia/Shanghai") + int(text[6:]) * 10**9


@pytest.fixture(scope="module")
def surge(shared_data: Path) -> Recording:
    (path,) = (shared_data / "limit" / "sse_20211201").glob("*.zip")
    (one,) = read(path, symbol="600103")
    assert isinstance(one, Recording)
    return one


@pytest.fixture(scope="module")
def surging(surge: Recording) -> Market:
    return Market(snapshot_feed(surge))


def looks(market: Market, opens: str, closes: str, plan: dict[str, dict[str, Any]]) -> Iterator[Any]:
    """What one seat sees from `opens` to `closes`, look by look; `plan`: what it decides, by the time of the look."""
    decisions = {clock(when): decision for when, decision in plan.items()}
    market.start([INVESTOR], clock(opens), clock(closes))
    while market.run():
        seen = market.observation(1).copy()
        yield seen
        market.decide(1, **decisions.pop(int(seen["time"]), {"keep": True}))
    assert not decisions, "the plan names a time at which the seat did not look"


@pytest.mark.realdata
def test_the_limit_follows_from_the_close_before_and_holds_all_day(surge: Recording) -> None:
    rows = surge.snapshots
    assert set(rows["upper"].tolist()) == {LIMIT}
    assert int(rows["last"].max()) == int(rows["ask"].max()) == LIMIT
    first = rows[rows["last"] == LIMIT][0]
    assert int(first["time"]) == clock("09:41:35")
    assert (first["ask"][:2].tolist(), first["ask_size"][:2].tolist()) == ([LIMIT, 0], [9_027_950, 0])


@pytest.mark.realdata
def test_without_a_seat_every_snapshot_of_the_surge_is_met(surging: Market) -> None:
    surging.start([], 0, 2**62)
    surging.run()
    venue = surging.venue[0]
    assert int(venue["met"]) == int(venue["shots"]) == 1_206
    assert (int(venue["moved"]), int(venue["unfilled"])) == (0, 0)
    assert surging.feed.unexplained.rows == 0


@pytest.mark.realdata
def test_at_the_limit_a_seat_sees_one_price_to_buy_at_and_may_bid_no_more(surge: Recording, surging: Market) -> None:
    rows = {int(row["time"]): row for row in surge.snapshots}
    wall = 0
    for seen in looks(surging, "09:41:32", "09:42:14", {"09:41:35": {"bids": [(LIMIT + 1, 100)]}}):
        row = rows[int(seen["time"])]
        for name in ("bid", "bid_size", "ask", "ask_size"):
            assert seen[name].tolist() == row[name].tolist()
        wall += seen["ask"][0] == LIMIT and not seen["ask_size"][1:].any()
        assert int(seen["upper"]) == LIMIT
    assert wall == 12
    assert refused(surging, 1) == {OFF_LIMITS: 1}
    assert len(surging.fills) == 0


@pytest.mark.realdata
def test_a_sale_at_the_limit_waits_behind_the_millions_there(surging: Market) -> None:
    ahead = []
    for seen in looks(surging, "09:41:30", "09:42:14", {"09:41:35": {"asks": [(LIMIT, 1_000)]}}):
        if seen["own_ask_size"][0]:
            ahead.append(int(seen["own_ask_ahead"][0]))
            order_id = account(surging, 1)["work"][0]["id"]
            order = surging.book[0]["orders"][find(surging.book, order_id)]
            assert (int(order["ahead"]), int(order["side"])) == (9_027_950, ASK)
    assert len(ahead) == 12
    assert (np.diff([9_027_950, *ahead]) <= 0).all()
    assert 0 < ahead[-1] < int(seen["ask_size"][0]) - 2_000_000  # trades and cancels moved it on, newcomers are behind
    assert len(surging.fills) == 0


@pytest.mark.realdata
def test_a_buyer_at_the_limit_is_served_at_once(surging: Market) -> None:
    for seen in looks(surging, "09:41:50", "09:42:14", {"09:41:56": {"bids": [(LIMIT, 500)]}}):
        assert int(seen["position"]) == (500 if seen["time"] > clock("09:41:56") else 0)
    fill = surging.fills[0]
    assert (int(fill["time"]), int(fill["price"]), int(fill["size"])) == (clock("09:41:56"), LIMIT, 500)
    assert (int(fill["maker_owner"]), int(fill["taker_owner"]), int(fill["reason"])) == (CROWD, 1, TOOK)


@pytest.mark.realdata
def test_below_the_limit_trading_goes_on_between_two_sides(surging: Market) -> None:
    plan = {"09:41:56": {"bids": [(LIMIT, 500)]}, "09:43:02": {"take": -200}, "10:00:01": {"take": -300}}
    after = [one for one in looks(surging, "09:41:50", "10:29:58", plan) if one["time"] >= clock("09:42:14")]
    assert all(one["bid_size"][0] and one["ask_size"][0] and one["bid"][0] < one["ask"][0] for one in after)
    assert all(one["phase"] == CONTINUOUS for one in after)
    assert int(after[-1]["volume"]) > int(after[0]["volume"])
    assert [int(fill["size"]) for fill in surging.fills] == [500, 200, 300]
    mine, venue = account(surging, 1), surging.venue[0]
    assert (int(mine["position"]), int(venue["crowd_position"])) == (0, 0)
    assert int(mine["cash"]) == -int(venue["crowd_cash"]) < 0  # bought at the top


# Locked.

QUEUE = 3_000_000  # lots bid at the limit when the seats come
LOCKED = [  # the market is locked from 1,000 ms on and released before 3,000 ms
    shot(500, {UPPER - 1: 30, UPPER - 2: 50}, {UPPER: 60}, 40, 40 * (UPPER - 1), UPPER - 1),
    shot(1_000, {UPPER: QUEUE, UPPER - 1: 30}, {}, 100, 100 * UPPER - 40, UPPER),
    shot(1_500, {UPPER: QUEUE + 200_000, UPPER - 1: 30}, {}, 150, 150 * UPPER - 40, UPPER),
    shot(2_000, {UPPER: QUEUE - 100_000, UPPER - 1: 30}, {}, 200, 200 * UPPER - 40, UPPER),
    shot(2_500, {UPPER: 400_000, UPPER - 1: 30}, {}, 2_000_200, 2_000_200 * UPPER - 40, UPPER),
    shot(3_000, {UPPER - 2: 50}, {UPPER - 1: 100}, 2_400_230, 2_400_230 * UPPER - 70, UPPER - 1),
    shot(3_500, {UPPER - 2: 40}, {UPPER - 1: 90}, 2_400_250, 2_400_250 * UPPER - 100, UPPER - 2),
]


@pytest.fixture(scope="module")
def locked() -> tuple[Market, list[Log]]:
    """A day on which one seat buys at the limit, one sells, one bids more; the market, and what they saw."""
    logs = [
        Log({1_000: {"bids": [(UPPER, 5)]}, 3_500: {"take": -2}}),
        Log({1_000: {"asks": [(UPPER - 10, 7)]}}),
        Log({1_500: {"bids": [(UPPER + 1, 1)]}}),
    ]
    return play(Market(snapshot_feed(recording(LOCKED))), [seat()] * 3, logs, 4_000), logs


def test_without_a_seat_every_snapshot_of_a_locked_market_is_met() -> None:
    market = Market(snapshot_feed(recording(LOCKED)))
    market.run()
    venue = market.venue[0]
    assert int(venue["met"]) == int(venue["shots"]) == len(LOCKED)
    assert (int(venue["moved"]), int(venue["unfilled"])) == (0, 0)


def test_a_locked_book_is_one_sided_and_marked_at_the_limit(locked: tuple[Market, list[Log]]) -> None:
    market, logs = locked
    for ms in (1_000, 1_500, 2_000, 2_500):
        assert not logs[2].seen[ms]["ask_size"].any()
        assert (int(logs[2].seen[ms]["bid"][0]), int(logs[2].seen[ms]["phase"])) == (UPPER, CONTINUOUS)
    marks = {round((int(row["time"]) - int(LOCKED[0]["time"][0])) / 1e6) + 500: row for row in market.marks}
    assert (int(marks[2_000]["mid2"]), int(marks[2_000]["spread"])) == (2 * UPPER, 0)


def test_in_a_locked_market_nobody_bids_more(locked: tuple[Market, list[Log]]) -> None:
    assert [refused(locked[0], number) for number in (1, 2, 3)] == [{}, {}, {OFF_LIMITS: 1}]


def test_a_buyer_in_a_locked_market_joins_the_back_and_is_reached_last(locked: tuple[Market, list[Log]]) -> None:
    market, logs = locked
    ahead = [int(logs[0].seen[ms]["own_bid_ahead"][0]) for ms in (1_500, 2_000, 2_500)]
    assert ahead[0] == QUEUE - 7 - 50  # a seat and the crowd have sold to the head of the queue
    assert ahead[0] > ahead[1] > ahead[2] > 0
    bought = [fill for fill in market.fills if fill["maker_owner"] == 1]
    assert [(int(fill["joined"]), int(fill["price"]), int(fill["size"])) for fill in bought] == [(QUEUE, UPPER, 5)]
    assert int(bought[0]["reason"]) == QUEUE_REACHED
    assert int(LOCKED[4]["time"][0]) < int(bought[0]["time"]) < int(LOCKED[5]["time"][0])


def test_a_seller_in_a_locked_market_is_served_at_once(locked: tuple[Market, list[Log]]) -> None:
    sold = [fill for fill in locked[0].fills if fill["taker_owner"] == 2]
    assert [(int(fill["time"]), int(fill["price"]), int(fill["size"])) for fill in sold[:1]] == [
        (int(LOCKED[1]["time"][0]), UPPER, 7)
    ]


def test_a_released_market_has_two_sides_and_goes_on(locked: tuple[Market, list[Log]]) -> None:
    market, logs = locked
    for ms in (3_000, 3_500):
        seen = logs[2].seen[ms]
        assert (int(seen["bid"][0]), int(seen["ask"][0])) == (UPPER - 2, UPPER - 1)
        assert seen["bid_size"][0] > 0
        assert seen["ask_size"][0] > 0
    sold = [fill for fill in market.fills if fill["taker_owner"] == 1]
    assert [(int(fill["price"]), int(fill["size"])) for fill in sold][:1] == [(UPPER - 2, 2)]
    assert sum(int(account(market, number)["position"]) for number in (1, 2, 3)) == -int(
        market.venue[0]["crowd_position"]
    )
