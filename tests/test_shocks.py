"""Shocks: what each does to a window, what it leaves alone, and that every fill is still the engine's."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from days import random_recording, recording, shot
from seen import Seen, Still, said
from test_levels import record

from lobarena.benchmarks.invariants import INVARIANTS
from lobarena.benchmarks.shock_episodes import FOLDER, Story, library
from lobarena.data.importers import read
from lobarena.data.recording import Recording
from lobarena.data.schema import ASK, BID, BREAK, CALL, CONTINUOUS, LEVEL, TRADE
from lobarena.sim.market import Seat
from lobarena.sim.shocks.ladder import Spoof, Spread, Withdraw
from lobarena.sim.shocks.orders import Stuff, Sweep
from lobarena.sim.shocks.prices import Move, Volatility
from lobarena.sim.shocks.scene import SECOND, Scene, feed_of_scene, scene_of
from lobarena.sim.shocks.shock import Shock
from lobarena.sim.shocks.snapshots import as_snapshots
from lobarena.sim.shocks.venue import Gate, Halt, Latency, Line, Rule
from lobarena.sim.synthetic import embedded
from lobarena.sim.types import GATE_SHUT

MINUTES = 6
NAMES = [path.stem for path in sorted(FOLDER.glob("*.toml"))]


@pytest.fixture(scope="module")
def day() -> Recording:
    (one,) = embedded(("RB",))[:1]
    return one


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> Recording:
    (one,) = read(shared_data / "futures" / "shfe_2018" / "SHFE_F_RB_1901_2018-08-29.csv.gz")
    assert isinstance(one, Recording)
    return one


def window(day: Recording, *shocks: Shock, minutes: float = MINUTES) -> Scene:
    opens = int(day.snapshots["time"][3_000])
    return Story("test", "a test", shocks).paint(scene_of(day, opens, opens + round(minutes * 60 * SECOND)))


@pytest.mark.parametrize("name", NAMES)
def test_an_episode_keeps_what_its_file_says_and_changes_nothing_before_it_begins(day: Recording, name: str) -> None:
    (story,) = library([name])
    calm, shocked = keeps_what_it_says(day, story)
    assert [said(look) for look in calm.looks] != [said(look) for look in shocked.looks]


@pytest.mark.realdata
@pytest.mark.parametrize("name", NAMES)
def test_an_episode_keeps_what_its_file_says_on_a_recorded_day(recorded: Recording, name: str) -> None:
    (story,) = library([name])
    keeps_what_it_says(recorded, story)


def keeps_what_it_says(day: Recording, story: Story) -> tuple[Seen, Seen]:
    calm, shocked = Seen(window(day)), Seen(scene := window(day, *story.shocks))
    assert not calm.guard.broken
    assert not set(shocked.guard.broken) & set(story.holds)
    begins = min(start for start, _ in scene.spans)
    before = [said(look) for look in calm.looks if look["time"] <= begins]
    assert len(before) > 50
    assert before == [said(look) for look in shocked.looks[: len(before)]]
    return calm, shocked


@pytest.mark.parametrize(("price", "orders"), [(999, True), (1_001, True), (996, False)])
def test_nobody_stuffs_an_interval_that_something_trades_through(price: int, orders: bool) -> None:
    """A market order that went three ticks down and whose level came back would meet what was stuffed there."""
    bids, asks = {999 - k: 50 for k in range(5)}, {1_001 + k: 50 for k in range(5)}
    still = recording([shot(500 * (k + 1), bids, asks, k, k * price, price, 5) for k in range(240)])
    opens = int(still.snapshots["time"][20])
    scene = scene_of(still, opens, opens + 60 * SECOND)
    Stuff(at_s=10, for_s=5, rate=200, ticks=2).paint(scene)
    for paint in scene.late:
        paint(scene)
    assert bool(scene.events) == orders


def test_every_invariant_is_promised_by_some_episode_and_broken_ones_are_told(day: Recording) -> None:
    assert {name for story in library() for name in story.holds} == set(INVARIANTS)
    assert set(Seen(window(day, Sweep(side="buy"))).guard.broken) == {"met"}
    assert set(Seen(window(day, Line(fault="clock", jump_ms=-3_000.0))).guard.broken) == {"clock"}


def test_a_move_displaces_the_whole_market_by_its_path(day: Recording) -> None:
    calm, moved = (Seen(window(day, *shocks), Still()) for shocks in ((), (Move(points=((0, 0), (10, 2.0))),)))
    start = next(k for k, look in enumerate(calm.looks) if look["time"] > window(day).opens + 140 * SECOND)
    by = (moved.mids() - calm.mids())[start:]
    assert set(by.tolist()) == {by[0]}
    assert by[0] == pytest.approx(0.02 * calm.mids()[240], rel=0.01)


def test_what_is_pushed_beyond_a_limit_locks_there_with_a_queue(day: Recording) -> None:
    scene = window(day, Move(points=((0, 0), (5, 1.05)), unit="limit", queue=40.0))
    last = Seen(scene, Still()).looks[-1]
    assert int(last["bid"][0]) == scene.upper
    assert int(last["bid_size"][0]) > 40 * scene.usual
    assert not last["ask_size"].any()
    down = window(day, Move(points=((0, 0), (5, -1.05)), unit="limit"))
    last = Seen(down, Still()).looks[-1]
    assert (int(last["ask"][0]), int(last["bid_size"].sum())) == (down.lower, 0)


def test_a_sweep_is_filled_by_the_engine_and_what_it_took_is_missing(day: Recording) -> None:
    calm, swept = (
        Seen(window(day, *shocks), Still())
        for shocks in ((), (Sweep(at_s=60, for_s=0, orders=1, lots=3.0, reach=5.0),))
    )
    assert int(swept.market.venue[0]["volume"]) > int(calm.market.venue[0]["volume"])
    first = next(k for k, (a, b) in enumerate(zip(calm.looks, swept.looks, strict=True)) if said(a) != said(b))
    assert int(swept.looks[first]["bid_size"].sum()) < int(calm.looks[first]["bid_size"].sum())


def test_withdrawn_makers_leave_the_share_that_is_asked_for(day: Recording) -> None:
    calm, thin = (Seen(window(day, *shocks), Still()).looks for shocks in ((), (Withdraw(shares=(0.5,) * 5),)))
    k = 270  # 135 s after the opening
    assert (np.maximum(1, calm[k]["bid_size"] // 2) == thin[k]["bid_size"]).all()
    gone = Seen(window(day, Withdraw(shares=(1.0,) * 5)), Still()).looks[k]
    assert not gone["bid_size"].any()
    assert not gone["ask_size"].any()


def test_the_spread_and_every_move_grow_by_their_factors(day: Recording) -> None:
    calm, wide = (Seen(window(day, *shocks), Still()).looks for shocks in ((), (Spread(times=4.0),)))
    assert int(wide[270]["ask"][0] - wide[270]["bid"][0]) == 4 * int(calm[270]["ask"][0] - calm[270]["bid"][0])
    still, wild = (Seen(window(day, *shocks), Still()).mids() for shocks in ((), (Volatility(times=5.0),)))
    at = 241
    assert np.ptp(wild[at : at + 110]) == pytest.approx(5 * np.ptp(still[at : at + 110]), abs=6)


def test_spoofed_depth_is_shown_and_gone_at_the_end(day: Recording) -> None:
    scene = window(day, Spoof(side="ask", lots=10.0, level=3))
    calm, shown = Seen(window(day), Still()).looks, Seen(scene, Still()).looks
    more = [int(a["ask_size"].sum()) - int(b["ask_size"].sum()) for a, b in zip(shown, calm, strict=True)]
    assert max(more) == 3 * 10 * scene.usual
    assert more[-1] == 0
    assert all(a["ask_size"][:2].tolist() == b["ask_size"][:2].tolist() for a, b in zip(shown, calm, strict=True))


def test_stuffed_orders_come_and_go_between_publications(day: Recording) -> None:
    scene = window(day, Stuff(for_s=5.0, rate=400.0, ticks=2))
    stuffed = Seen(scene, Still())
    extra = len(stuffed.market.feed.events) - len(feed_of_scene(window(day)).events)
    assert extra > 500
    assert extra % 2 == 0
    assert not stuffed.guard.broken


def test_in_a_halt_nothing_trades_and_the_auction_reopens_at_one_price(day: Recording) -> None:
    scene = window(day, Halt(for_s=40.0, auction_s=20.0), Move(points=((0, -2.0),)))
    halted = Seen(scene)
    phases = [int(look["phase"]) for look in halted.looks]
    order = [phase for k, phase in enumerate(phases) if k == 0 or phases[k - 1] != phase]
    assert order[:2] == [CONTINUOUS, BREAK]
    assert order[-1] == CONTINUOUS
    assert CALL in order
    assert "halts" not in halted.guard.broken
    (start, end) = scene.halts[0]
    inside = (halted.market.fills["time"] > start) & (halted.market.fills["time"] < end)
    assert not inside.any()


def test_halts_that_overlap_are_one(day: Recording) -> None:
    scene = window(day, Halt(at_s=60.0, for_s=40.0, auction_s=10.0), Halt(at_s=70.0, for_s=10.0, auction_s=5.0))
    assert len(scene.halts) == 1
    assert not Seen(scene).guard.broken


def test_an_auction_keeps_its_one_price_while_the_spread_is_wide(day: Recording) -> None:
    shocks = (Halt(at_s=60.0, for_s=20.0, auction_s=5.0), Spread(at_s=70.0, for_s=30.0, times=5.0))
    assert not Seen(window(day, *shocks)).guard.broken


def test_rules_change_while_they_last_and_come_back(day: Recording) -> None:
    shocks = (Rule(rule="margin", times=3.0, for_s=10.0), Latency(ms=100.0, for_s=20.0), Gate(for_s=5.0))
    seen = Seen(window(day, *shocks))
    venue = seen.market.venue[0]
    contract = day.contract
    assert float(venue["margin"]) == pytest.approx(contract.margin)
    assert (int(seen.account["feed_ns"]), int(venue["gate"])) == (5_000_000, 0)
    assert int(seen.account["refused"][GATE_SHUT]) > 0
    late = {round((int(look["time"]) - int(look["published"])) / 1e6) for look in seen.looks}
    assert {5, 105} <= late


def test_an_outage_shows_nothing_and_a_stale_feed_an_old_book_with_a_true_account(day: Recording) -> None:
    start = window(day).begin(120)
    outage = Seen(window(day, Line(fault="outage", for_s=30.0)))
    assert not [look for look in outage.looks if start < look["time"] <= start + 30 * SECOND]
    stale = [look for look in Seen(window(day, Line(fault="stale", for_s=30.0))).looks if look["time"] > start]
    inside = [look for look in stale if look["time"] <= start + 30 * SECOND]
    assert len({int(look["published"]) for look in inside}) == 1
    assert len({int(look["cash"]) for look in inside}) > 1


def test_looks_come_twice_or_in_the_wrong_order(day: Recording) -> None:
    calm = len(Seen(window(day), Still()).looks)
    twice = Seen(window(day, Line(fault="duplicated", for_s=30.0)), Still()).looks
    assert len(twice) == calm + 60
    swapped = Seen(window(day, Line(fault="out of order", for_s=30.0)), Still())
    stamps = np.array([int(look["published"]) for look in swapped.looks])
    assert (np.diff(stamps) < 0).sum() == 30
    assert len(stamps) == calm


@pytest.mark.realdata
def test_a_recorded_edge_of_a_limit_is_a_window_like_any_other(shared_data: Path) -> None:
    (path,) = (shared_data / "limit" / "sse_20211201").glob("*.zip")
    (surge,) = read(path, symbol="600103")
    assert isinstance(surge, Recording)
    at = surge.snapshots["time"][surge.snapshots["last"] == 299][0]  # 09:41:35, the first trade at the upper limit
    opens, closes = int(at) - 90 * SECOND, int(at) + 90 * SECOND
    seat = Seat(position_limit=2_000, largest=10_000)
    calm = Seen(scene_of(surge, opens, closes), seat=seat)
    assert not calm.guard.broken
    at_limit = [look for look in calm.looks if look["ask"][0] == 299 and not look["ask_size"][1:].any()]
    assert len(at_limit) >= 12
    locked = Move(at_s=100.0, points=((0.0, 0.0), (10.0, 20.0)), queue=5.0)  # far beyond: it stands at the limit
    shocked = Seen(Story("lock", "a lock", (locked,)).paint(scene_of(surge, opens, closes)), seat=seat)
    assert not shocked.guard.broken
    assert int(shocked.looks[-1]["bid"][0]) == 299
    assert not shocked.looks[-1]["ask_size"].any()


def test_a_record_of_levels_is_shocked_as_its_venue_would_publish_it() -> None:
    rows = []
    for k in range(200):
        price = 1_000 + (k % 7 > 3)
        rows += [(500 * k + 10, LEVEL, BID, 998 - k % 3, 5 + k % 4), (500 * k + 20, LEVEL, ASK, price + 2, 3 + k % 5)]
        rows += [(500 * k + 30, TRADE, BID, price + 2, 1)]
    day = record(rows)
    opens = int(day.events["time"][0]) + 10 * SECOND
    shown = as_snapshots(day, opens, opens + 60 * SECOND)
    assert len(shown.snapshots) > 120
    assert (np.diff(shown.snapshots["volume"]) >= 0).all()
    assert shown.snapshots["volume"][-1] > shown.snapshots["volume"][0]
    seen = Seen(
        Story("test", "a test", (Spread(20, 20), Withdraw(20, 20))).paint(scene_of(shown, opens, opens + 60 * SECOND))
    )
    assert not seen.guard.broken


def test_days_without_turnover_or_with_few_levels_can_be_shocked_too() -> None:
    for seed, depth, turnover in ((1, 1, False), (2, 3, True), (3, 5, False)):
        one = random_recording(seed, 200, turnover, depth)
        opens = int(one.snapshots["time"][20])
        for shocks in (
            (Move(at_s=20, points=((0, 0), (10, -6.0))),),
            (Spread(20, 20), Withdraw(20, 20)),
            (Halt(20, 10, 5),),
        ):
            scene = Story("test", "a test", shocks).paint(scene_of(one, opens, opens + 80 * SECOND))
            assert not Seen(scene).guard.broken


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: Move(points=((5, 1.0), (2, 1.0))), "times rise"),
        (lambda: Move(points=((0, 400.0),)), "between -60 and 60"),
        (lambda: Sweep(orders=0), "give 1 to 10000"),
        (lambda: Halt(for_s=1.0), "at least 2 s"),
        (lambda: Rule(rule="position limit", times=2.0), "give a factor up to 1"),
        (lambda: Line(fault="stale", jump_ms=5.0), "jump_ms goes with"),
        (lambda: Withdraw(shares=(2.0,)), "give 0 to 1"),
        (lambda: Latency(ms=math.nan), "finite"),
        (lambda: Shock(at_s=-1.0), "not negative"),
    ],
)
def test_a_shock_that_makes_no_sense_says_what_to_change(made: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        made()


def test_a_window_without_rows_is_refused(day: Recording) -> None:
    with pytest.raises(ValueError, match="no rows in the window"):
        scene_of(replace(day), 0, SECOND)
