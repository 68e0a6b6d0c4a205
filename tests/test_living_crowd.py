"""A living crowd in play: it answers to who trades, to nobody else, and comes back whatever is done to its book.

Tests without the mark `kernels` need so much of its flow that they would take minutes without compilation.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from crowd_made_up import DAY, FIT, changed, feed

from lobarena.data.schema import ASK, BID, CONTINUOUS, SNAPSHOT, STIR, SWELL
from lobarena.sim.book import rest
from lobarena.sim.checkpoint import checkpoints, resume
from lobarena.sim.feed import Feed
from lobarena.sim.hawkes.day import living_day, living_feed
from lobarena.sim.hawkes.deeds import chase
from lobarena.sim.hawkes.fit import Fit, packaged
from lobarena.sim.hawkes.hear import excite, hear
from lobarena.sim.hawkes.record import recorded
from lobarena.sim.hawkes.stir import act, intensities
from lobarena.sim.hawkes.traits import CANCEL, NEAR, TAKE
from lobarena.sim.market import Market, Rules, Seat
from lobarena.sim.matching import remove
from lobarena.sim.state import FINISHED, PAUSED
from lobarena.sim.types import CROWD

SECOND = 10**9
LOOK = ("published", "bid", "bid_size", "ask", "ask_size", "volume", "turnover", "last")
Act = Callable[[Market, Any, int], None]


def played(day: Feed, act: Act, rules: Rules | None = None) -> tuple[Market, np.ndarray]:
    """A seat in the market from 20 s to 110 s: what it saw, row by row, without its own lots."""
    market, opens = Market(day, rules or Rules()), int(day.sessions[0, 0])
    market.start([Seat(position_limit=10_000, largest=10_000, capital=1e12)], opens + 20 * SECOND, opens + 110 * SECOND)
    seen = []
    while (seat := market.run()) != FINISHED:
        look = market.observation(seat)
        seen.append(np.concatenate([np.atleast_1d(look[name]) for name in LOOK]).astype(np.int64))
        act(market, look, len(seen))
        assert market.book[0]["best"][BID] < market.book[0]["best"][ASK]
        venue = market.venue[0]
        assert venue["seat"]["position"].sum() + venue["crowd_position"] == 0
        assert venue["seat"]["cash"].sum() + venue["crowd_cash"] == 0
    return market, np.array(seen)


def idle(market: Market, look: Any, number: int) -> None:
    market.decide(1)


def mids(seen: np.ndarray) -> np.ndarray:
    return (seen[:, 1] + seen[:, 11]) / 2


@pytest.mark.kernels
def test_a_far_away_seat_that_never_trades_changes_nothing():
    def far(market: Market, look: Any, number: int) -> None:
        market.decide(1, bids=[(int(look["bid"][0]) - 60 - number % 3, 5)], asks=[(int(look["ask"][0]) + 60, 5)])

    day = feed()
    alone, quoting = played(day, idle), played(day, far)
    assert quoting[0].venue[0]["seat"][1]["orders"] > 50
    assert (alone[1] == quoting[1]).all()
    assert alone[0].venue[0]["mood"].tobytes() == quoting[0].venue[0]["mood"].tobytes()


@pytest.mark.kernels
def test_what_an_idle_seat_sees_is_what_the_venue_records_without_one():
    day = feed()
    rows, seen = recorded(day).snapshots, played(day, idle)[1]
    at = np.searchsorted(rows["time"], seen[:, 0])
    assert (rows["time"][at] == seen[:, 0]).all()
    shown = rows["bid_size"][at] > 0
    assert (rows["bid"][at][shown] == seen[:, 1:6][shown]).all()
    assert (rows["bid_size"][at] == seen[:, 6:11]).all()


def test_a_seat_that_buys_a_hundred_lots_moves_the_price_for_good_by_the_impact_of_its_lots():
    moved, excited = [], []
    for seed in range(6):
        day = feed(seed=seed)

        def buy(market: Market, look: Any, number: int) -> None:
            market.decide(1, take=100 if number == 60 else 0)

        alone, bought = played(day, idle), played(day, buy)
        fills = bought[0].fills
        mine = fills[(fills["taker_owner"] == 1) & (fills["side"] == BID)]
        assert mine["size"].sum() == 100
        swept = mine["price"].max() - alone[1][59, 11]
        after = mids(bought[1])[60:] - mids(alone[1])[60:]
        moved.append((swept, after[:4].mean(), after[60:120].mean()))
        excited.append((bought[1][70, -3] - 100 - alone[1][70, -3]) / (alone[1][70, -3] - alone[1][59, -3]))
    swept, soon, late = np.mean(moved, axis=0)
    assert swept >= 1  # through its best price
    assert soon > 0.3  # others follow
    traits = feed().traits[0]
    assert abs(late - traits["impact"] * 100 / np.sqrt(traits["take_mean"])) < swept + 1  # to the new reference price
    assert np.mean(excited) > 0  # trades excite trades


@pytest.mark.kernels
def test_the_crowd_comes_back_when_a_seat_has_swept_a_whole_side():
    def sweep(market: Market, look: Any, number: int) -> None:
        market.decide(1, take=5_000 if number == 60 else 0)

    market, seen = played(feed(), sweep, Rules(protection=200))
    fills = market.fills
    assert fills["size"][(fills["taker_owner"] == 1) & (fills["side"] == BID)].sum() > 300
    later = seen[80:]
    assert (later[:, 6] > 0).mean() > 0.9  # bids
    assert (later[:, 16] > 0).mean() > 0.9  # asks
    assert np.median(later[:, 11] - later[:, 1]) < 10


@pytest.mark.kernels
def test_a_quote_inside_the_reach_stands_in_the_crowds_queue_and_is_filled_by_it():
    def quote(market: Market, look: Any, number: int) -> None:
        market.decide(1, bids=[(int(look["bid"][0]), 2)], asks=[(int(look["ask"][0]), 2)])

    market, _ = played(feed(), quote)
    fills = market.fills
    assert ((fills["maker_owner"] == 1) & (fills["taker_owner"] == CROWD)).sum() > 5
    assert (fills["joined"][fills["maker_owner"] == 1] > 0).any()


def test_nothing_trades_or_stands_beyond_the_price_limits():
    made = living_day(FIT, DAY, 0, 3)
    events = made.events.copy()
    stirs = events["kind"] == STIR
    events["price"][stirs] = np.where(np.arange(stirs.sum()) > 60, made.upper + 50, events["price"][stirs])
    day = living_feed(
        type(made)(**{name: getattr(made, name) for name in made.__dataclass_fields__} | {"events": events})
    )
    rows = recorded(day).snapshots
    assert rows["bid"][:, 0].max() == made.upper  # it is locked there
    assert rows["ask"][rows["ask_size"] > 0].max() <= made.upper
    assert rows["last"].max() <= made.upper
    assert (rows["ask_size"][-20:, 0] == 0).any()


def test_an_episode_from_a_checkpoint_is_the_episode_from_the_days_beginning():
    day = feed()
    market = Market(day)
    places = checkpoints(market)
    assert len(places) >= 3
    opens = int(day.sessions[0, 0])
    found = []
    for place in (places[0], places[1]):
        market.start([], 0, 2**62)
        resume(market.book, market.venue, day.base, place)
        market.venue[0]["pause"] = opens + 100 * SECOND
        assert market.run() == PAUSED
        found.append([market.venue[0][name].tobytes() for name in ("volume", "turnover", "mood", "stir")])
    assert found[0] == found[1]


@pytest.mark.kernels
def test_buyers_and_sellers_are_mirror_images():
    day = feed()
    market = Market(day)
    market.start([], 0, 2**62)
    market.venue[0]["pause"] = int(day.sessions[0, 0]) + 30 * SECOND
    market.run()
    venue, book = market.venue[0], market.book[0]
    assert venue["phase"] == CONTINUOUS
    before = _rates(market)
    mirrored = Market(day)
    mirrored.start([], 0, 2**62)
    levels, other = len(book["level"]) // 2, mirrored.book[0]
    centre = int(book["best"][BID] + book["best"][ASK])  # x becomes centre - x
    for side in (BID, ASK):
        for x in range(levels):
            lots = int(book["level"][x if side == BID else levels + x]["size"])
            if lots:
                rest(mirrored.book, CROWD, 1 - side, centre - x, lots)
    assert other["best"][BID] == centre - book["best"][ASK]
    mood = mirrored.venue[0]["mood"]
    mood["reference"] = centre - venue["mood"]["reference"] - venue["mood"]["shift"]
    mood["excited"] = venue["mood"]["excited"][:, ::-1]
    mood["regime"], mood["swell"] = venue["mood"]["regime"], venue["mood"]["swell"]
    mood["press"] = -venue["mood"]["press"]
    assert mood["press"] != 0
    after = _rates(mirrored)
    pairs = before[:10].reshape(5, 2)[:, ::-1].reshape(-1)
    np.testing.assert_allclose(after[:10], pairs, rtol=1e-12)
    assert before[0] != before[1]


def _rates(market: Market) -> np.ndarray:
    intensities(market.book[0], market.venue[0])
    return np.array(market.venue[0]["mood"]["rates"])


def swollen(factor: float, press: float = 0.0) -> np.ndarray:
    """Snapshots of three minutes in which limit orders are so many times as large, and so much more is bought."""
    made = living_day(Fit.model_validate(changed("swell", depth=0, press=0)), DAY, 0, 3)
    rows = made.events["kind"] == SWELL
    made.events["u"][rows], made.events["price"][rows] = factor, round(1_000 * press)
    return recorded(living_feed(made)).snapshots[121:]


def test_where_limit_orders_are_larger_more_lots_stand_and_as_many_orders_leave():
    small, large = (swollen(factor)["bid_size"][:, 0].mean() for factor in (0.5, 4))
    assert 4 < large / small < 16  # eight times, but for what is taken


def test_programmes_of_buyers_buy_more_than_is_sold():
    def bought(rows: np.ndarray) -> float:
        mid = (rows["bid"][:-1, 0] + rows["ask"][:-1, 0]) / 2
        lots = np.diff(rows["volume"])
        return float((lots * np.sign(rows["last"][1:] - mid)).sum() / lots.sum())

    up, down = bought(swollen(1, 0.8)), bought(swollen(1, -0.8))
    assert up > 0.15
    assert down < -0.15


@pytest.mark.kernels
@pytest.mark.parametrize(("walk", "levels"), [(0, 1), (1, 4)])
def test_only_orders_that_walk_take_behind_the_best_price_and_not_far(walk, levels):
    numbers = changed("orders", walk=walk) | {"sizes": FIT.sizes.model_dump() | {"take": 2_000.0}}
    market = Market(living_feed(living_day(Fit.model_validate(numbers), DAY, 0, 1)))
    market.start([], 0, 2**62)
    market.venue[0]["pause"] = int(market.feed.sessions[0, 0]) + 5 * SECOND
    assert market.run() == PAUSED
    book, venue = market.book[0], market.venue[0]
    asks = book["level"]["size"][len(book["level"]) // 2 :]
    best = int(book["best"][ASK])
    before = asks[best : best + 8].copy()
    act(book, venue, 0.0, 0.5, 0.999, 0.5)  # a buyer's market order, the largest
    assert asks[best : best + levels].sum() == 0
    assert (asks[best + levels : best + 8] == before[levels:]).all()
    assert before[1:4].sum() > 0


@pytest.mark.kernels
@pytest.mark.parametrize("near", [BID, ASK])
def test_makers_who_keep_away_leave_the_side_that_is_nearer_to_the_price(near):
    market = Market(feed())
    venue, book = market.venue[0], market.book[0]
    venue["traits"] = market.feed.traits[0]
    venue["lower"], venue["upper"] = book["base"] + 100, book["base"] + 4_000
    venue["mood"]["reference"], venue["mood"]["shy"] = 2_000.5 + (-0.2 if near == BID else 0.2), 8.0
    for side, x in ((BID, 2_000), (ASK, 2_001)):
        rest(market.book, CROWD, side, x, 10)
    chase(book, venue, 2_000, 2_001, 0.999)  # a draw that would otherwise be a taker's
    assert (book["best"][BID] == 2_000, book["best"][ASK] == 2_001) == (near == ASK, near == BID)


@pytest.mark.kernels
@pytest.mark.parametrize("side", [BID, ASK])
def test_a_side_that_nobody_quotes_draws_makers_whatever_the_price_they_expect(side):
    market = Market(feed())
    venue, book = market.venue[0], market.book[0]
    venue["traits"], venue["mood"]["swell"] = market.feed.traits[0], 1.0
    venue["lower"], venue["upper"] = book["base"] + 100, book["base"] + 4_000
    centre = 2_000
    venue["mood"]["reference"] = centre + (-6 if side == BID else 6)  # which drives that side's makers away
    for x in (centre - 1, centre):
        rest(market.book, CROWD, BID if x < centre else ASK, x, 10)
    before = _rates(market)[2 + side]
    remove(book, book["level"][centre - 1 if side == BID else len(book["level"]) // 2 + centre]["head"])
    assert _rates(market)[2 + side] > 20 * before


@pytest.mark.kernels
@pytest.mark.parametrize("kind", [TAKE, NEAR, CANCEL])
def test_an_event_excites_what_the_fit_says_on_the_side_it_says(kind):
    market = Market(feed())
    venue = market.venue[0]
    venue["traits"] = market.feed.traits[0]
    venue["now"] = venue["mood"]["time"] = SECOND
    excite(venue, kind, BID, 1.0)
    added = np.array(venue["mood"]["excited"])
    expected = np.array(venue["traits"]["excite"])[:, kind]
    np.testing.assert_array_equal(added, expected)


@pytest.mark.kernels
@pytest.mark.parametrize("pieces", [[200], [150, 50], [1] * 200])
def test_what_a_seats_lots_move_for_good_does_not_depend_on_how_they_are_cut(pieces):
    market = Market(feed())
    venue = market.venue[0]
    venue["traits"], venue["stir"] = market.feed.traits[0], SECOND
    venue["now"] = venue["mood"]["time"] = SECOND
    for lots in pieces:
        hear(venue, BID, lots)
    one_way = float(venue["mood"]["shift"])
    assert one_way == pytest.approx(venue["traits"]["impact"] * 200 / np.sqrt(venue["traits"]["take_mean"]))
    hear(venue, ASK, 200)
    assert venue["mood"]["shift"] == pytest.approx(0)


@pytest.mark.kernels
def test_the_same_seed_is_the_same_day_to_the_byte_and_another_is_not():
    assert recorded(feed(1, 4)).snapshots.tobytes() == recorded(feed(1, 4)).snapshots.tobytes()
    assert recorded(feed(1, 4)).snapshots.tobytes() != recorded(feed(1, 5)).snapshots.tobytes()


@pytest.mark.parametrize("fit", [FIT, *packaged().values()], ids=lambda fit: fit.source[:6])
def test_hardly_any_candidate_meets_an_intensity_above_the_bound(fit):
    market = Market(living_feed(living_day(fit, DAY, 0, 10)))
    market.run()
    mood = market.venue[0]["mood"]
    assert mood["accepted"] > 200
    assert mood["capped"] < 0.01 * mood["candidates"]


def test_a_day_is_the_same_with_and_without_compilation(tmp_path):
    told = "import hashlib, crowd_made_up as c; from lobarena.sim.hawkes.record import recorded; "
    told += "day = c.living_feed(c.living_day(c.FIT, c.DAY, 3, 1)); day = __import__('dataclasses').replace("
    told += "day, events=day.events[day.events['time'] < day.sessions[0, 0] + 6 * 10**9]); "
    told += "print(hashlib.sha256(recorded(day).snapshots.tobytes()).hexdigest())"
    tests = os.path.dirname(__file__)
    paths = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    found = [
        subprocess.run(
            [sys.executable, "-c", told], env=os.environ | {"NUMBA_DISABLE_JIT": off, "PYTHONPATH": paths},
            check=True, capture_output=True, text=True,
        ).stdout
        for off in ("0", "1")
    ]  # fmt: skip
    assert found[0] == found[1]
    assert len(found[0]) > 60


@pytest.mark.kernels
def test_a_recording_has_whole_grids_of_half_seconds_and_volume_that_grows():
    rows = recorded(feed(2)).snapshots[1:]  # less the auction
    assert rows.dtype == SNAPSHOT
    assert (np.diff(rows["time"]) == 500_000_000).all()
    assert (np.diff(rows["volume"]) >= 0).all()
    assert rows["volume"][-1] > 0
