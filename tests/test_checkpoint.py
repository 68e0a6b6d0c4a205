"""An episode that begins at a checkpoint is the one that replays the day before it."""

import numpy as np
import pytest
from days import LOWER, OPEN, feed_of, limit, quoted, random_recording, take
from runs import without_ids
from test_levels import BOOK, record

from lobarena.data.schema import ASK, BID
from lobarena.data.schema import LEVEL as SET
from lobarena.sim import checkpoint as module
from lobarena.sim.checkpoint import checkpoints, pack, resume, unpack
from lobarena.sim.event_feed import event_feed
from lobarena.sim.feed import snapshot_feed
from lobarena.sim.market import Latency, Market, Rules, Seat
from lobarena.sim.state import PAUSED
from lobarena.sim.types import ORDER

S = 10**9
SEATS = [Seat(latency=Latency(5_000_000, 3_000_000, 4_000_000), capital=1e9), Seat(every_ns=700_000_000)]


def level_record(seed=1, seconds=40):
    """A record of level changes near the touch, live at any time."""
    rng, rows = np.random.default_rng(seed), list(BOOK)
    for ms in np.sort(rng.integers(1, seconds * 1_000, seconds * 20)).tolist():
        side = int(rng.integers(2))
        price = (100 if side == BID else 102) + (-1 if side == BID else 1) * int(rng.integers(3))
        rows.append((ms, SET, side, price, int(rng.integers(1, 30))))
    return record(rows)


FEEDS = {
    "snapshots": lambda: snapshot_feed(random_recording(4, 80), 1),
    "levels": lambda: event_feed(level_record(), publish_ms=500),
}


def quote(market, seat, rng):
    """Targets about the best prices seen, now and then a market order."""
    o = market.observation(seat)
    sides = []
    for side, sign in (("bid", -1), ("ask", 1)):
        levels = rng.permutation(4)[:2]
        there = o[f"{side}_size"][0] > 0
        sides.append([(int(o[side][0]) + sign * int(k), int(rng.integers(1, 5))) for k in levels] if there else [])
    market.decide(seat, *sides, int(rng.integers(-2, 3)) if rng.random() < 0.2 else 0, thinking_ns=1_000_000)
    return o.copy().tobytes()


def played(market):
    rng, seen = np.random.default_rng(7), []
    while (seat := market.run()) > 0:
        seen.append(quote(market, seat, rng))
    fills = without_ids(market.fills)
    totals = [int(market.venue[0][name]) for name in ("volume", "turnover", "last", "unfilled", "moved", "crowd_cash")]
    return seen, fills, totals, market.fees.tobytes(), market.marks.tobytes()


@pytest.mark.parametrize("kind", FEEDS)
@pytest.mark.parametrize("rules", [Rules(), Rules(cancel_model="front", impact="keep")], ids=["default", "keep"])
def test_from_every_checkpoint_the_market_is_that_of_the_replay(kind, rules, monkeypatch):
    monkeypatch.setattr(module, "EVERY_NS", 7 * S)
    feed = FEEDS[kind]()
    places = checkpoints(Market(feed, rules))
    assert len(places) >= 4
    assert places[0].time == 0
    assert (np.diff([place.time for place in places[1:]]) == 7 * S).all()
    last, traded = int(feed.events["time"][-1]), 0
    for place in places[:7]:
        start = max(place.time, int(feed.events["time"][0]))
        for later in (0, 1, 2_345_678_901):
            opens, closes = start + later, min(start + later + 12 * S, last)
            if closes - opens < 3 * S:
                continue
            replay, resumed = Market(feed, rules), Market(feed, rules)
            replay.start(SEATS, opens, closes)
            resumed.start(SEATS, opens, closes)
            resume(resumed.book, resumed.venue, feed.base, place)
            one, other = played(replay), played(resumed)
            assert one == other, (place.time, later)
            traded += len(one[1])
    assert traded > 20


@pytest.mark.kernels
def test_a_numbered_record_has_its_beginning_alone():
    feed = feed_of([*quoted({999: 10}, {1_001: 5}), *(limit(60_000 * k, BID, 999, 1, k) for k in range(1, 5))])
    assert [place.time for place in checkpoints(Market(feed))] == [0]


def test_a_record_without_numbers_has_one_a_minute():
    feed = feed_of([*quoted({999: 10}, {1_001: 5}), *(limit(50_000 * k, BID, 999, 1) for k in range(1, 6))], orders=0)
    market = Market(feed)
    first = int(feed.events["time"][0])
    assert [place.time - first for place in checkpoints(market)[1:]] == [k * 60 * S for k in (1, 2, 3, 4)]
    assert first == OPEN - 1_000_000


@pytest.mark.kernels
def test_packed_orders_come_back_in_their_queues():
    events = [*quoted({999: 10, 990: 3}, {1_001: 5}), limit(1, BID, 999, 4, 1), limit(2, ASK, 1_003, 6, 2)]
    events += [limit(3, BID, 999, 2, 3), take(4, ASK, 999, 11), limit(5, BID, LOWER, 1, 4), limit(6, ASK, 1_001, 8, 5)]
    market = Market(feed_of([*events, limit(10_000, BID, 999, 1, 6)]))
    market.start([Seat()], 2**62, 2**62)
    market.venue[0]["pause"] = OPEN + 9 * S
    assert market.run() == PAUSED
    rows = np.zeros(int(market.book[0]["resting"]), ORDER)
    pack(market.book, rows)
    base = int(market.book[0]["base"])
    told = [(int(r["side"]), int(r["price"]) + base, int(r["qty"])) for r in rows]
    assert told == [
        (BID, 999, 3),
        (BID, 999, 2),
        (BID, 990, 3),
        (BID, LOWER, 1),
        (ASK, 1_001, 5),
        (ASK, 1_001, 8),
        (ASK, 1_003, 6),
    ]
    before = {name: market.book[0][name].copy() for name in ("map", "top", "best")}
    unpack(market.book, base, rows)
    again = np.zeros(len(rows), ORDER)
    assert market.book[0]["resting"] == len(rows)
    pack(market.book, again)
    for name in ("side", "price", "qty", "time", "ahead", "owner"):
        assert (rows[name] == again[name]).all(), name
    for name, value in before.items():
        assert (market.book[0][name] == value).all(), name
