"""Who sees what when, and whose message comes first: timelines to the nanosecond."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from days import (
    MS,
    OPEN,
    Script,
    account,
    at,
    at_times,
    begin,
    event,
    feed_of,
    finish,
    limit,
    mark,
    once,
    play,
    seat,
    take,
    trades,
)
from runs import BOOK, LOOKS, market_of

from lobarena.data.schema import ASK, BID, BREAK, CONTINUOUS, PHASE
from lobarena.sim.market import Latency, Market, Rules, Seat

pytestmark = pytest.mark.kernels

FEED, ORDER, REPORT = 7 * MS, 11 * MS, 13 * MS
SLOW = Latency(FEED, ORDER, REPORT)


class Diary:
    """A script that writes down (ns of the look, ns of what it shows, position, own bids, best bid, fills news)."""

    def __init__(self, script: Script):
        self.script, self.rows = script, []

    def __call__(self, seen: Any) -> dict[str, Any] | None:
        bids = {int(p): int(s) for p, s in zip(seen["own_bid"], seen["own_bid_size"], strict=True) if s}
        self.rows.append(
            (
                int(seen["time"]) - OPEN,
                int(seen["published"]) - OPEN,
                int(seen["position"]),
                bids,
                int(seen["bid"][0]),
                int(seen["new_fills"]),
            )
        )
        return self.script(seen)


def follow(
    market: Market, seats: Sequence[Seat], scripts: Sequence[Script], thinking: Sequence[int], ms: float
) -> None:
    """Play; each seat's every decision takes its thinking time, ns."""
    begin(market, seats, ms)
    while (number := market.run()) > 0:
        decision = scripts[number - 1](market.observation(number))
        chosen = {"keep": True} if decision is None else decision
        market.decide(number, **chosen, thinking_ns=thinking[number - 1])


def test_a_decision_its_order_its_fill_and_its_report_fall_when_they_must() -> None:
    """Looks at 7 ms; thinks 5 ms; the order rests at 7 + 5 + 11 = 23 ms; hit at 150 ms; known at 163 ms."""
    market = market_of(*LOOKS, take(23, ASK, 1_000, 1), take(150, ASK, 1_000, 1))
    diary = Diary(once(bids=[(1_000, 2)]))
    follow(market, [seat(latency=SLOW)], [diary], [5 * MS], 305)
    hit = market.fills[0]
    assert int(hit["time"]) == at(150)  # the trade at 23 ms comes before the order of the same instant
    assert diary.rows[:3] == [
        (7 * MS, 0, 0, {}, 999, 0),
        (107 * MS, 100 * MS, 0, {1_000: 2}, 999, 0),
        (207 * MS, 200 * MS, 1, {1_000: 1}, 999, 1),
    ]


def test_an_order_that_arrives_a_nanosecond_before_a_trade_meets_it() -> None:
    quick = Latency(FEED, ORDER - 1, REPORT)
    market = market_of(*LOOKS, take(23, ASK, 1_000, 1))
    follow(market, [seat(latency=quick)], [once(bids=[(1_000, 2)])], [5 * MS], 305)
    assert int(market.fills[0]["time"]) == at(23)


@pytest.mark.parametrize(("late_ns", "known"), [(0, 1), (1, 0)])
def test_a_report_that_arrives_with_an_update_is_heard_before_it(late_ns: int, known: int) -> None:
    """The fill at 194 ms is reported at 207 ms, the very instant at which the image of 200 ms arrives."""
    market = market_of(*LOOKS, event(194 + late_ns / MS, 2, ASK, 1_000, 1))
    diary = Diary(once(bids=[(1_000, 2)]))
    follow(market, [seat(latency=SLOW)], [diary], [0], 305)
    assert [row[2] for row in diary.rows if row[0] == 207 * MS] == [known]


def test_own_fills_are_occasions_to_decide_only_for_who_asked_for_it() -> None:
    for asks, times in ((False, [7, 107, 207]), (True, [7, 107, 163, 207])):
        market = market_of(*LOOKS, take(150, ASK, 1_000, 1))
        diary = Diary(once(bids=[(1_000, 2)]))
        follow(market, [seat(latency=SLOW, on_fill=asks)], [diary], [0], 295)
        assert [row[0] // MS for row in diary.rows] == times


def test_while_a_seat_thinks_updates_pass_unseen_and_its_quotes_stay_exposed() -> None:
    market = market_of(*LOOKS, take(350, ASK, 1_000, 1))
    script = at_times({0: {"bids": [(1_000, 2)]}, 100: {}})
    diary = Diary(script)
    follow(market, [seat(latency=SLOW)], [diary], [250 * MS], 905)
    # looks at 7, thinks to 257; looks at 307, thinks to 557 while its bid is hit; the cancel arrives at 568
    assert [row[0] // MS for row in diary.rows] == [7, 307, 607]
    assert trades(market)[0] == (1, 0, 1_000, 1)
    assert diary.rows[2][2:4] == (1, {})


@pytest.mark.parametrize(("ms", "hit"), [(118, True), (118.000001, False)])
def test_a_cancel_takes_the_order_latency_and_market_events_of_its_instant_come_first(ms: float, hit: bool) -> None:
    """Looks at 107 ms, so the cancel arrives at 118 ms."""
    market = market_of(*LOOKS, take(ms, ASK, 1_000, 1))
    follow(market, [seat(latency=SLOW)], [at_times({0: {"bids": [(1_000, 2)]}, 100: {}})], [0], 300)
    assert (len(trades(market)) > 0) == hit


def test_a_seat_may_look_on_a_grid_of_its_own() -> None:
    diary = Diary(once())
    follow(market_of(*LOOKS), [seat(latency=SLOW, every_ns=30 * MS)], [diary], [0], 200)
    assert [row[0] // MS for row in diary.rows] == [37, 67, 97, 127, 157, 187]
    assert [row[1] // MS for row in diary.rows] == [0, 0, 0, 100, 100, 100]


def test_a_seat_that_thinks_through_its_grid_looks_at_the_next_point_of_it() -> None:
    diary = Diary(once())
    follow(market_of(*LOOKS), [seat(latency=SLOW, every_ns=30 * MS)], [diary], [40 * MS], 200)
    assert [row[0] // MS for row in diary.rows] == [37, 97, 157]


def test_an_image_shows_the_venue_as_it_was_when_published() -> None:
    """What happens while the image travels is not on it."""
    market = market_of(mark(100), limit(101, BID, 1_000, 3), mark(200))
    diary = Diary(once())
    follow(market, [seat(latency=Latency(50 * MS, 0, 0))], [diary], [0], 300)
    assert [(row[0] // MS, row[4]) for row in diary.rows] == [(50, 999), (150, 999), (250, 1_000)]


def test_orders_of_one_instant_come_before_any_report_or_look() -> None:
    """Seat 1's order arrives when seat 2 looks: seat 2 sees it only on the next image."""
    market = market_of(*LOOKS)
    one, two = Diary(once(bids=[(1_000, 1)])), Diary(once())
    follow(market, [seat(latency=Latency(0, 100 * MS, 0)), seat()], [one, two], [0, 0], 300)
    assert [(row[0] // MS, row[4]) for row in two.rows] == [(0, 999), (100, 999), (200, 1_000)]


def test_of_two_orders_the_earlier_one_stands_first() -> None:
    for late, first in ((1, 2), (0, 1), (-1, 1)):  # at one instant the order that left first
        market = market_of(*LOOKS, take(300, ASK, 1_000, 1))
        seats = [seat(latency=Latency(0, 10 * MS + late, 0)), seat(latency=Latency(0, 10 * MS, 0))]
        follow(market, seats, [once(bids=[(1_000, 1)]), once(bids=[(1_000, 1)])], [0, 0], 350)
        assert trades(market)[0] == (first, 0, 1_000, 1)


def test_messages_of_a_seat_never_overtake_each_other() -> None:
    """Latencies scatter by a factor of e; orders, reports and images still arrive in the order they left."""
    market = market_of(*[mark(25 * k) for k in range(1, 200)])
    looks: list[tuple[int, int]] = []

    def look(seen: Any) -> dict[str, Any] | None:
        looks.append((int(seen["time"]), int(seen["published"])))
        return {"bids": [(990 - len(looks) % 3, 1)]}

    play(market, [seat(latency=Latency(10 * MS, 10 * MS, 10 * MS, spread=1.0))], [look], 4_900)
    published = [row[1] for row in looks]
    assert published == sorted(published)
    delays = [time - shown for time, shown in looks]
    assert min(delays) < 8 * MS < 12 * MS < max(delays)
    assert int(account(market, 1)["refused"].sum()) == 0


def test_a_seat_comes_in_at_the_opening_and_goes_out_at_the_end() -> None:
    market = market_of(*LOOKS, take(190, BID, 1_001, 4))
    looks: list[tuple[int, int]] = []

    def look(seen: Any) -> dict[str, Any] | None:
        looks.append(((int(seen["time"]) - OPEN) // MS, int(seen["volume"])))
        return None

    play(market, [seat()], [look], 400, opens=195)
    assert looks == [(195, 0), (200, 0), (300, 0)]  # the volume is that since it came in


def test_what_happens_at_the_end_itself_is_not_seen() -> None:
    market = market_of(*LOOKS, take(300, ASK, 1_000, 1))
    begin(market, [seat()], 300)
    finish(market, [once(bids=[(1_000, 1)])])
    assert trades(market) == []


def test_curve_rows_stand_on_the_grid_while_the_market_trades() -> None:
    market = market_of(*LOOKS, event(350, PHASE, BREAK), event(650, PHASE, CONTINUOUS), curve_ms=100)
    play(market, [seat()], [once(take=2)], 950, opens=1)
    times = [(int(time) - OPEN) // MS for time in market.curve["time"]]
    assert times == [1, 101, 201, 301, 701, 801, 901, 950]
    assert market.curve["position"].tolist() == [0] + [2] * 6 + [0]


def test_marks_are_written_at_each_publication() -> None:
    market = play(market_of(*LOOKS), [seat()], [once()], 350, opens=1)
    assert [(int(time) - OPEN) // MS for time in market.marks["time"]] == [1, 100, 200, 300, 350]


def test_a_seat_without_an_answer_in_time_has_missed_the_episode() -> None:
    market = market_of(*LOOKS)
    follow(market, [seat()], [once(take=2)], [10_000 * MS], 400)
    assert trades(market) == []


def test_long_days_do_not_fill_the_buffers() -> None:
    """More fills, marks and curve rows than one buffer holds come out in order and complete."""
    events = [*BOOK]
    for k in range(5_000):
        events += [limit(k + 1, BID, 1_000, 1), take(k + 1.5, ASK, 1_000, 1), mark(k + 1.6)]
    market = Market(feed_of(events), Rules(curve_ms=1))
    script = lambda seen: {"bids": [(1_000, 1)]} if seen["position"] < 20_000 else None  # noqa: E731
    play(market, [seat(position_limit=10**6, capital=1e12)], [script], 5_100)
    assert len(market.marks) == 5_000 + 2
    assert len(market.curve) >= 5_000
    assert (np.diff(market.fills["time"]) >= 0).all()
    assert len(market.fills) == len(market.fees) == len(market.after)
