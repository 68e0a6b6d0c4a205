"""A recorded day made ready: sessions, phases, times of the events, limits, the book they need."""

from dataclasses import replace

import numpy as np
import pytest
from days import (
    AFTERNOON,
    BREAK_AT,
    CLOSE,
    CONTRACT,
    LOWER,
    MS,
    OPEN,
    UPPER,
    Script,
    at,
    once,
    play,
    random_recording,
    recording,
    seat,
    shot,
)

from lobarena.data.schema import (
    ASK,
    AUCTION,
    BID,
    BREAK,
    CALL,
    CLOSED,
    CONTINUOUS,
    LIMIT,
    MARK,
    PHASE,
    SETTLEMENT,
    TAKE,
    UNCROSS,
    UNKNOWN,
)
from lobarena.sim.feed import GRACE_NS, MARGIN_TICKS, Feed, snapshot_feed
from lobarena.sim.market import Market
from lobarena.sim.types import LARGE, SMALL

HOUR = 3_600_000


def phases(feed: Feed) -> list[tuple[int, int]]:
    rows = feed.events[feed.events["kind"] == PHASE]
    return [(int(row["time"]), int(row["side"])) for row in rows]


def feed_from(*shots: np.ndarray) -> Feed:
    return snapshot_feed(recording(shots))


def test_a_day_opens_breaks_and_closes_with_its_sessions() -> None:
    feed = feed_from(shot(500, {999: 5}, {1_001: 5}), shot(4.5 * HOUR, {999: 5}, {1_001: 5}))
    assert phases(feed) == [(OPEN, CONTINUOUS), (BREAK_AT, BREAK), (AFTERNOON, CONTINUOUS), (CLOSE, CLOSED)]


def test_a_snapshot_stamped_just_after_a_session_still_trades_in_it() -> None:
    late = (BREAK_AT - OPEN) // MS + 700
    feed = feed_from(
        shot(500, {999: 5}, {1_001: 5}),
        shot(late - 800, {999: 5}, {1_001: 5}, 0, 0, 999),
        shot(late, {999: 3}, {1_001: 5}, 2, 1_998, 999),
        shot(4.5 * HOUR, {999: 3}, {1_001: 5}, 2, 1_998, 999),
    )
    assert phases(feed)[1] == (at(late) + 1, BREAK)
    market = Market(feed)
    market.run()
    assert (int(market.venue[0]["met"]), int(market.venue[0]["unfilled"])) == (4, 0)


def test_a_snapshot_long_after_a_session_does_not_keep_it_open() -> None:
    late = (BREAK_AT - OPEN + GRACE_NS) // MS
    feed = feed_from(shot(500, {999: 5}, {1_001: 5}), shot(late, {999: 5}, {1_001: 5}))
    assert phases(feed)[1] == (BREAK_AT, BREAK)


def test_a_settlement_row_does_not_keep_the_day_open() -> None:
    late = (CLOSE - OPEN) // MS + 1_000
    feed = feed_from(shot(500, {999: 5}, {1_001: 5}), shot(late, {999: 5}, {1_001: 5}, kind=SETTLEMENT))
    assert phases(feed)[-1] == (CLOSE, CLOSED)


def test_events_lie_between_their_snapshots_in_time_order() -> None:
    feed = snapshot_feed(random_recording(3, 100))
    events, shots = feed.events, feed.snapshots
    assert (np.diff(events["time"]) >= 0).all()
    marks = np.flatnonzero(events["kind"] == MARK)
    assert events["ref"][marks].tolist() == list(range(100))
    assert (events["time"][marks] == shots["time"]).all()
    for k in range(1, 100):
        inside = events[marks[k - 1] + 1 : marks[k]]
        assert (inside["time"] >= shots["time"][k - 1]).all()
        assert (inside["time"] <= shots["time"][k]).all()


def test_the_times_inside_an_interval_are_spread_over_it() -> None:
    feed = snapshot_feed(random_recording(3, 400))
    places = (feed.events["time"][feed.events["kind"] != MARK] - OPEN) % (500 * MS) / (500 * MS)
    assert np.histogram(places, 4, (0, 1))[0].min() > 0.2 * len(places)


def test_trades_come_before_the_depth_change_they_explain() -> None:
    feed = feed_from(
        shot(500, {999: 5}, {1_001: 5}, 0, 0, 1_000),
        shot(1_000, {999: 7}, {1_001: 2, 1_002: 4}, 3, 3_003, 1_001),
    )
    kinds = feed.events["kind"][feed.events["time"] > at(500)]
    kinds = kinds[np.isin(kinds, (TAKE, LIMIT))]
    assert kinds.tolist() == [TAKE, LIMIT, LIMIT]


def test_a_seed_moves_times_and_nothing_else() -> None:
    day = random_recording(3, 60)
    one, same, other = snapshot_feed(day, 1), snapshot_feed(day, 1), snapshot_feed(day, 2)
    assert one.events.tobytes() == same.events.tobytes()
    assert (one.events["time"] != other.events["time"]).any()
    for name in ("kind", "side", "price", "size", "ref"):
        assert (one.events[name] == other.events[name]).all()


def test_the_first_snapshot_after_a_break_takes_its_events_from_the_reopening() -> None:
    back = (AFTERNOON - OPEN) // MS
    feed = feed_from(
        shot(500, {999: 5}, {1_001: 5}, 0, 0, 1_000),
        shot(back + 500, {999: 5}, {1_001: 1}, 4, 4_004, 1_001),
    )
    trade = feed.events[feed.events["kind"] == TAKE]
    assert AFTERNOON <= int(trade["time"][0]) <= at(back + 500)
    market = Market(feed)
    market.run()
    assert (int(market.venue[0]["met"]), int(market.venue[0]["unfilled"])) == (2, 0)


def test_an_auction_row_is_a_call_phase_and_one_uncrossing() -> None:
    feed = feed_from(
        shot(-60_000, {999: 5}, {1_001: 6}, 40, 40_000, 1_000, kind=AUCTION),
        shot(500, {999: 5}, {1_001: 6}, 40, 40_000),
    )
    kinds = [(int(event["kind"]), int(event["side"])) for event in feed.events[:5]]
    assert kinds == [(PHASE, CALL), (LIMIT, BID), (LIMIT, ASK), (UNCROSS, BID), (PHASE, BREAK)]
    assert int(feed.events["time"][0]) < at(-60_000) == int(feed.events["time"][3])


@pytest.mark.kernels
def test_a_seat_can_trade_in_the_recorded_auction() -> None:
    rows = [
        shot(-60_000, {999: 5}, {1_001: 6}, 40, 40_000, 1_000, kind=AUCTION),
        shot(500, {999: 5}, {1_001: 6}, 40, 40_000, 1_000),
        shot(1_000, {999: 5}, {1_001: 6}, 40, 40_000, 1_000),
    ]
    market = Market(snapshot_feed(recording(rows)))
    seen: list[int] = []

    def look(row: np.void) -> dict[str, list[tuple[int, int]]] | None:
        seen.append(int(row["position"]))
        return {"bids": [(1_002, 3)]} if len(seen) == 1 else None

    play(market, [seat()], [look], 900, opens=-60_000 - 239_000)
    assert int(market.fills[0]["price"]) == 1_000
    assert 3 in seen


def test_recorded_price_limits_are_the_venues() -> None:
    feed = feed_from(shot(500, {999: 5}, {1_001: 5}))
    assert (feed.lower, feed.upper) == (LOWER, UPPER)
    assert feed.base == LOWER - MARGIN_TICKS
    assert feed.size == SMALL


def test_without_recorded_limits_they_come_from_the_contract() -> None:
    day = recording([shot(500, {999: 5}, {1_001: 5}, last=1_000)])
    day.snapshots["upper"] = day.snapshots["lower"] = 0
    feed = snapshot_feed(day)
    assert feed.lower <= 900 < 1_100 <= feed.upper


def test_a_wide_day_gets_the_large_book_and_a_wider_one_is_refused() -> None:
    wide = recording([shot(500, {11_000: 5}, {11_001: 5}, last=11_000)])
    wide.snapshots["lower"], wide.snapshots["upper"] = 5_000, 20_000
    assert snapshot_feed(wide).size == LARGE
    wide.snapshots["upper"] = 100_000
    with pytest.raises(ValueError, match="check the tick size"):
        snapshot_feed(wide)


def test_a_day_without_rows_and_one_without_sessions_are_refused_with_the_fix() -> None:
    day = recording([shot(500, {999: 5}, {1_001: 5})])
    with pytest.raises(ValueError, match="no usable rows"):
        snapshot_feed(replace(day, snapshots=day.snapshots[:0], rows_in=0))
    empty = day.snapshots.copy()
    empty["bid_size"] = empty["ask_size"] = 0
    with pytest.raises(ValueError, match="no row of the day has a price"):
        snapshot_feed(replace(day, snapshots=empty))


@pytest.mark.kernels
def test_stale_levels_behind_the_window_stay_until_they_are_seen_again() -> None:
    """One level a side is shown: 999 is hidden while 1,000 is the best bid, and back with its 5 lots after."""
    feed = feed_from(
        shot(500, {999: 5}, {1_002: 5}, depth=1),
        shot(1_000, {1_000: 3}, {1_002: 5}, depth=1),
        shot(1_500, {999: 5}, {1_002: 5}, depth=1),
    )
    last = feed.events[feed.events["time"] > at(1_000)]
    assert [(int(e["kind"]), int(e["price"]), int(e["size"])) for e in last if e["kind"] not in (MARK, PHASE)] == [
        (4, 1_000, 3)
    ]
    market = Market(feed)
    market.run()
    assert int(market.venue[0]["met"]) == 3


@pytest.mark.kernels
def test_turnover_that_starts_late_is_no_trouble() -> None:
    rows = [
        shot(500, {999: 5}, {1_001: 5}, 10, UNKNOWN, 1_000),
        shot(1_000, {999: 5}, {1_001: 5}, 12, UNKNOWN, 1_001),
        shot(1_500, {999: 5}, {1_001: 5}, 14, UNKNOWN, 999),
    ]
    market = Market(snapshot_feed(recording(rows)))
    market.run()
    assert (int(market.venue[0]["met"]), int(market.venue[0]["volume"])) == (3, 14)


def test_a_feed_is_not_changed_by_running_it() -> None:
    feed = snapshot_feed(random_recording(5, 30))
    before = feed.events.tobytes(), feed.snapshots.tobytes()
    script: Script = once(take=3)
    play(Market(feed), [seat()], [script], 10_000)
    assert (feed.events.tobytes(), feed.snapshots.tobytes()) == before


def test_the_contract_of_a_feed_is_the_recordings() -> None:
    assert feed_from(shot(500, {999: 5}, {1_001: 5})).contract == CONTRACT
    assert int(feed_from(shot(500, {999: 5}, {1_001: 5}, kind=AUCTION)).events["side"][0]) in (
        BID,
        ASK,
        CALL,
        CONTINUOUS,
    )
