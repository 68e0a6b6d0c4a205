"""Shocks on a crowd that answers: nothing before they begin, what they say afterwards, and agents that matter."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from crowd_made_up import DAY, FIT, changed
from seen import Seen, said

from lobarena.benchmarks.shock_episodes import library
from lobarena.data.recording import EventRecording
from lobarena.sim.event_feed import event_feed
from lobarena.sim.hawkes.day import living_day
from lobarena.sim.hawkes.fit import Fit
from lobarena.sim.market import Market, Seat
from lobarena.sim.shocks.kinds import KINDS
from lobarena.sim.shocks.ladder import Spoof, Spread, Withdraw
from lobarena.sim.shocks.living import market_feed
from lobarena.sim.shocks.orders import Sweep
from lobarena.sim.shocks.prices import Move, Volatility
from lobarena.sim.shocks.scene import SECOND, Scene, scene_of
from lobarena.sim.shocks.shock import Shock
from lobarena.sim.shocks.snapshots import as_snapshots
from lobarena.sim.shocks.venue import Halt

OPENS, LENGTH, AT = 20, 100, 30.0  # s: of the window in the session, of the window, of the shocks in it
STORIES = {story.name: story for story in library()}


def window(*shocks: Shock, day: EventRecording | None = None) -> Scene:
    day = day or living_day(FIT, DAY, 0, 3)
    feed = event_feed(day)
    opens = int(feed.sessions[0, 0]) + OPENS * SECOND
    closes = opens + LENGTH * SECOND
    scene = scene_of(as_snapshots(day, opens, closes), opens, closes)
    scene.living = feed
    for shock in shocks:
        shock.paint(scene)
    return scene


def looks(scene: Scene, take: Any = None, seats: int = 1) -> tuple[Market, np.ndarray]:
    """What a seat sees of a scene's market, a row a publication; take : s since the opening -> lots."""
    market = Market(market_feed(scene))
    market.start([Seat(position_limit=10_000, largest=10_000, capital=1e12)] * seats, scene.opens, scene.closes)
    seen = []
    while (seat := market.run()) > 0:
        seen.append(market.observation(seat).copy())
        lots = take((int(seen[-1]["time"]) - scene.opens) / SECOND) if take else 0
        market.decide(seat, take=lots)
    return market, np.array(seen)


def mids(seen: np.ndarray) -> np.ndarray:
    return (seen["bid"][:, 0] + seen["ask"][:, 0]) / 2


def seconds(scene: Scene, seen: np.ndarray) -> np.ndarray:
    return (seen["published"] - scene.opens) / SECOND


def test_a_window_without_a_shock_is_the_day_as_it_is():
    scene = window()
    assert market_feed(scene).events.tobytes() == scene.living.events.tobytes()


@pytest.mark.parametrize("name", STORIES)
def test_an_episode_breaks_nothing_and_nothing_is_seen_of_it_before_it_begins(name):
    story = STORIES[name]
    shocks = [replace(shock, at_s=shock.at_s - story.at_s + AT) for shock in story.shocks]  # the window is a short one
    calm, scene = window(), window(*shocks)
    plain, shocked = Seen(calm), Seen(scene)
    early = [said(look) for look in plain.looks if look["time"] <= scene.begin(AT)]
    assert len(early) > 40
    assert early == [said(look) for look in shocked.looks[: len(early)]]
    assert [said(look) for look in plain.looks] != [said(look) for look in shocked.looks]
    assert {name: shocked.guard.broken[name] for name in shocked.guard.broken if name in story.holds} == {}
    assert shocked.guard.checks > 500


def test_a_displacement_moves_the_price_to_where_it_says_and_back():
    scene = window(Move(at_s=AT, points=((0, 0), (10, -1), (30, -1), (45, 0))))
    _, seen = looks(scene)
    at, mid = seconds(scene, seen), mids(seen)
    start = mid[at <= AT][-1]
    low = mid[(at > AT + 20) & (at <= AT + 30)].mean() / start - 1
    assert -0.014 < low < -0.006
    assert abs(mid[-1] / start - 1) < 0.005
    assert np.abs(np.diff(mid)).max() < 0.008 * start  # it gets there by trades and cancels, not at once


@pytest.mark.parametrize("unit", [1.5, -1.5])
def test_a_market_that_is_pushed_beyond_its_limit_locks_there_whatever_its_trades_have_moved_it(unit):
    drifting = Fit.model_validate(changed("price", impact=0.6))  # after minutes its price is far from the reference
    scene = window(Move(at_s=AT, points=((0, 0), (10, unit)), unit="limit"), day=living_day(drifting, DAY, 2, 3))
    _, seen = looks(scene)
    if unit > 0:
        locked = (seen["ask_size"][:, 0] == 0) & (seen["bid"][:, 0] == scene.upper)
    else:
        locked = (seen["bid_size"][:, 0] == 0) & (seen["ask"][:, 0] == scene.lower)
    assert locked[-40:].mean() > 0.9
    assert seen["bid_size"][-40:].max() < 200 * scene.usual  # nobody piles up orders there without end


def test_volatility_times_five_moves_more_for_as_long_as_it_lasts():
    plain, wild = (looks(window(*shocks))[1] for shocks in ([], [Volatility(at_s=AT, for_s=40, times=5)]))
    scene = window()
    inside = (seconds(scene, plain) > AT) & (seconds(scene, plain) <= AT + 40)
    assert np.ptp(mids(wild)[inside]) > 2 * np.ptp(mids(plain)[inside])


@pytest.mark.parametrize("sides", ["both", "bid", "ask"])
def test_makers_withdraw_on_the_sides_named_and_come_back(sides):
    shocks = Withdraw(at_s=AT, for_s=30, shares=(0.9,) * 5, sides=sides, back_s=5)
    (_, plain), (_, seen) = looks(window()), looks(window(shocks))
    inside = (seconds(window(), seen) > AT + 15) & (seconds(window(), seen) <= AT + 30)
    for side in ("bid", "ask"):
        ratio = seen[f"{side}_size"][inside].sum() / plain[f"{side}_size"][inside].sum()
        assert ratio < 0.5 if sides in (side, "both") else 0.5 < ratio < 2, (side, ratio)
    late = seconds(window(), seen) > AT + 60
    assert seen["bid_size"][late].sum() > 0.5 * plain["bid_size"][late].sum()


def test_makers_keep_away_from_the_price_while_the_spread_is_wide():
    scene = window(Spread(at_s=AT, for_s=30, times=9))
    _, seen = looks(scene)
    at, spread = seconds(scene, seen), seen["ask"][:, 0] - seen["bid"][:, 0]
    inside = (at > AT + 5) & (at <= AT + 30)
    assert np.median(spread[inside]) > 3 * np.median(spread[at <= AT])
    assert np.median(spread[at > AT + 45]) < 0.5 * np.median(spread[inside])


@pytest.mark.parametrize("impact", [0.08, 0.6])
def test_nothing_trades_in_a_halt_and_an_auction_reopens_the_market_where_it_was(impact):
    fit = Fit.model_validate(changed("price", impact=impact))
    scene = window(Halt(at_s=AT, for_s=20, auction_s=8, lots=2), day=living_day(fit, DAY, 2, 3))
    market, seen = looks(scene, seats=1)
    at = seconds(scene, seen)
    inside = (at > AT + 0.1) & (at < AT + 20)
    assert len(set(seen["volume"][inside].tolist())) == 1
    assert (seen["bid_size"][inside][:, 0] == 0).all()
    later = seen[at >= AT + 20]
    assert later["volume"][0] - seen["volume"][inside][-1] >= 2 * scene.usual
    assert (later["bid"][:, 0] < later["ask"][:, 0]).all()
    assert abs(int(later["last"][0]) - mids(seen)[at <= AT][-1]) <= 3
    assert market.venue[0]["seat"]["position"].sum() + market.venue[0]["crowd_position"] == 0


@pytest.mark.parametrize("side", ["bid", "ask"])
def test_a_spoofers_orders_are_shown_and_gone_and_what_stays_is_no_feint(side):
    scene = window(Spoof(at_s=AT, for_s=20, side=side, lots=5, level=2))
    (_, plain), (_, seen) = looks(window()), looks(scene)
    at = seconds(scene, seen)
    inside, after = (at > AT + 1) & (at <= AT + 20), at > AT + 40
    other = "ask" if side == "bid" else "bid"
    assert seen[f"{side}_size"][inside].sum(1).mean() > 3 * plain[f"{side}_size"][inside].sum(1).mean()
    assert seen[f"{other}_size"][inside].sum(1).mean() < 2 * plain[f"{other}_size"][inside].sum(1).mean()
    assert seen[f"{side}_size"][after].sum(1).max() < 3 * scene.usual


def test_a_spoofer_in_a_halt_shows_nothing():
    scene = window(Spoof(at_s=AT, for_s=20, lots=5), Halt(at_s=AT + 5, for_s=10))
    _, seen = looks(scene)
    at = seconds(scene, seen)
    assert (seen["bid_size"][(at > AT + 5.1) & (at < AT + 15)] == 0).all()


def test_what_a_sweep_takes_moves_the_crowd_for_good():
    plain, swept = (looks(window(*shocks))[1] for shocks in ([], [Sweep(at_s=AT, for_s=10, side="sell", lots=60)]))
    assert mids(swept)[-20:].mean() < mids(plain)[-20:].mean() - 2


def test_an_agent_that_buys_into_a_crash_holds_it_up():
    """What no recording can do: the same crash, less deep because somebody stands against it."""
    crash = Move(at_s=AT, points=((0, 0), (10, -0.5)))
    alone, bought = (looks(window(crash), take)[1] for take in (None, lambda second: 3 if second > AT else 0))
    assert mids(bought)[-1] > mids(alone)[-1] + 5


def test_the_library_which_is_played_above_has_every_kind_of_shock():
    told = {type(shock) for story in STORIES.values() for shock in story.shocks}
    assert told == set(KINDS.values())
