from pathlib import Path

import numpy as np
import pytest
from books import depth
from sse_day import ORDERS, SHOTS, TRADES, changed, folder, texts

from lobarena.data import sse
from lobarena.data.schema import ASK, BID, MARK
from lobarena.sim.event_feed import event_feed
from lobarena.sim.feed import Feed
from lobarena.sim.market import Market, Seat
from lobarena.sim.types import LARGE, SMALL

REAL = "l3/sse_600519_20230201/600519_20230201_entrust_trade_snapshot.zip"


def replayed(feed: Feed, quoting: bool | None = None) -> Market:
    """The day without a seat, or with one that quotes far away (else nothing), up to the end of the record."""
    market = Market(feed)
    seats = [] if quoting is None else [Seat(every_ns=60 * 10**9)]
    market.start(seats, int(feed.sessions[0, 0]), int(feed.events["time"][-1]) + 1)
    far = [(feed.lower, 10)] if quoting else []
    while (seat := market.run()) > 0:
        market.decide(seat, far)
    return market


def totals(market: Market) -> tuple[int, ...]:
    return tuple(int(market.venue[0][name]) for name in ("volume", "turnover", "last", "unfilled", "moved"))


def assert_nothing_changes(feed: Feed) -> None:
    alone, idle, far = replayed(feed), replayed(feed, quoting=False), replayed(feed, quoting=True)
    assert far.venue[0]["seat"][1]["orders"] > 0
    assert len(far.fills) == 0
    assert totals(far) == totals(idle) == totals(alone)
    assert [depth(far.book, side) for side in (BID, ASK)] == [depth(alone.book, side) for side in (BID, ASK)]
    assert far.marks.tobytes() == idle.marks.tobytes()
    assert len(far.marks) > 0


def test_without_seats_volume_and_turnover_are_the_records(tmp_path: Path) -> None:
    market = replayed(event_feed(sse.read(folder(tmp_path)).to_events()))
    assert totals(market) == (750, 750_750, 1003, 0, 0)
    assert depth(market.book, BID) == {998: [300]}
    assert depth(market.book, ASK) == {1003: [100]}


def test_one_far_away_seat_changes_nothing(tmp_path: Path) -> None:
    assert_nothing_changes(event_feed(sse.read(folder(tmp_path)).to_events()))


def test_a_seat_in_the_queue_is_hit_before_those_who_came_later(tmp_path: Path) -> None:
    orders = changed(changed(ORDERS, 120, 1, "09:31:00.000"), 133, 1, "09:40:00.000")
    trades = changed(changed(TRADES, 131, 1, "09:40:00.000"), 132, 1, "09:40:00.000")
    feed = event_feed(sse.read(folder(tmp_path, texts(orders, trades))).to_events())
    market = Market(feed)
    market.start([Seat(every_ns=10**9)], int(feed.sessions[0, 0]), int(feed.sessions[0, 1]))
    while (seat := market.run()) > 0:
        market.decide(seat, asks=[(1001, 30)])  # behind the 100 of order 3, before the 100 of order 6
    first = market.fills[0]
    assert [int(first[name]) for name in ("price", "size", "joined", "hit", "maker_owner")] == [1001, 30, 100, 100, 1]


def test_the_book_is_published_on_a_grid_inside_the_sessions(tmp_path: Path) -> None:
    feed = event_feed(sse.read(folder(tmp_path)).to_events(), publish_ms=500)
    times = feed.events["time"][feed.events["kind"] == MARK]
    inside = np.zeros(len(times), bool)
    for start, end in feed.sessions:
        inside |= (times > start) & (times < end)
    assert inside.all()
    assert len(times) == 2 * (120 + 117) * 60 - 2
    assert (np.diff(feed.events["time"]) >= 0).all()
    assert (feed.events["ref"][feed.events["kind"] == MARK] == -1).all()
    at = np.flatnonzero(feed.events["time"] == times[1])  # 09:30:01, when order 6 comes
    assert feed.events["kind"][at].tolist()[-1] == MARK


def test_an_interval_that_is_not_positive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="publish_ms is 0; give a whole number of milliseconds"):
        event_feed(sse.read(folder(tmp_path)).to_events(), publish_ms=0)


def test_limits_are_the_daily_limit_about_yesterdays_close(tmp_path: Path) -> None:
    feed = event_feed(sse.read(folder(tmp_path)).to_events())
    assert (feed.lower, feed.upper, feed.size) == (900, 1100, SMALL)
    assert feed.orders == 11


def test_prices_that_no_book_holds_are_refused(tmp_path: Path) -> None:
    rows = changed(ORDERS, 104, 4, 9000.0)
    with pytest.raises(ValueError, match=r"600000 2023-02-01: prices span .* the largest book holds 65,536"):
        event_feed(sse.read(folder(tmp_path, texts(rows, TRADES, SHOTS))).to_events())


@pytest.mark.realdata
def test_the_real_day_runs_in_the_market(shared_data: Path) -> None:
    recording = sse.read(shared_data / REAL)
    feed = event_feed(recording.to_events())
    assert (feed.size, feed.lower, feed.upper) == (LARGE, 166_118, 203_034)
    market = replayed(feed)
    assert totals(market)[:2] == (3_397_389, 624_467_892_461)
    assert totals(market)[:2] == tuple(int(recording.shots[-1][name]) for name in ("volume", "turnover"))
    assert_nothing_changes(feed)
