"""Large seats: the price calls them, the venue closes them out through the book, and that calls the next."""

from dataclasses import replace

import numpy as np
import pytest
from days import recording, shot
from test_shocks import Seen, Still, said, window

from lobarena.agents.base import Quotes
from lobarena.benchmarks.config import ConfigError
from lobarena.benchmarks.invariants import Guard
from lobarena.benchmarks.match import Entry, Episode, Terms, play
from lobarena.benchmarks.shock_episodes import Story, library, story_of
from lobarena.benchmarks.stress_run import Stressed
from lobarena.benchmarks.thinking import Charge
from lobarena.data.recording import Recording
from lobarena.sim.market import Market, Seat
from lobarena.sim.shocks.cascade import Cascade
from lobarena.sim.shocks.prices import Move
from lobarena.sim.shocks.scene import SECOND, Scene, feed_of_scene, scene_of
from lobarena.sim.shocks.shock import Shock
from lobarena.sim.shocks.venue import Rule
from lobarena.sim.synthetic import DAYS, synthetic_day

LARGE = Seat(position_limit=20_000, largest=20_000)
FALL = Move(at_s=60.0, points=((0, 0), (30, -0.6)))
SEATS = ((2.0, 0.5), (2.0, 0.9))


@pytest.fixture(scope="module")
def day() -> Recording:
    """A calm hour, whose own moves call nobody."""
    return synthetic_day("RB", DAYS[0], 0, 60, ("calm",))


def cascade(**options: object) -> Cascade:
    return replace(Cascade(at_s=60.0, for_s=200.0, seats=SEATS, impact=0.25), **options)  # type: ignore[arg-type]


def closed(seen: Seen) -> list[float]:
    """s after the opening at which each large seat was first sold, in the order of the seats."""
    fills = seen.market.fills
    times = [fills["time"][fills["taker_owner"] == number] for number in (2, 3)]
    return [(int(one[0]) - seen.wire.scene.opens) / SECOND for one in times if len(one)]


def test_nobody_is_called_while_the_price_stays(day: Recording) -> None:
    calm, quiet = Seen(window(day), Still()), Seen(window(day, cascade()), Still())
    assert closed(quiet) == []
    assert [said(look) for look in calm.looks] == [said(look) for look in quiet.looks]
    assert not quiet.guard.broken


def test_one_that_is_closed_out_moves_the_price_to_the_next(day: Recording) -> None:
    alone = Seen(window(day, FALL, cascade(impact=0.0)), Still())
    chain = Seen(window(day, FALL, cascade()), Still())
    assert len(closed(alone)) == 1, "the fall itself calls the first only"
    first, second = closed(chain)
    assert closed(alone)[0] == first < second
    assert chain.mids()[-1] < alone.mids()[-1] - 0.005 * alone.mids()[-1]
    assert not chain.guard.broken
    assert chain.wire.large is not None
    assert chain.wire.large.closed(chain.market) == 2
    assert not chain.market.venue[0]["seat"]["position"].any()


def test_a_short_is_bought_in_and_the_price_rises(day: Recording) -> None:
    rise = Move(at_s=60.0, points=((0, 0), (30, 0.6)))
    seen = Seen(window(day, rise, cascade(side="short")), Still())
    assert len(closed(seen)) == 2
    assert seen.mids()[-1] > 1.01 * seen.mids()[100]


def test_a_higher_margin_calls_them_without_any_move(day: Recording) -> None:
    seen = Seen(window(day, cascade(), Rule(rule="margin", times=1.5, at_s=80.0, for_s=5.0)), Still())
    assert closed(seen)
    assert closed(seen)[0] >= 80


class Absorbs:
    """Bids for far more than a large seat sells."""

    limit = 0

    def act(self, look: object) -> Quotes:
        """At the best bid, always."""
        bid = int(look["bid"][0])  # type: ignore[index]
        return Quotes([(bid, 5_000)] if bid else [])


class Once:
    """Sends one market order, so many seconds after the opening."""

    limit = 0

    def __init__(self, lots: int, at_s: float) -> None:
        self.lots, self.at_s = lots, at_s

    def act(self, look: object) -> Quotes:
        """Everything at once."""
        lots, due = self.lots, look["time"] - look["opens"] > self.at_s * SECOND  # type: ignore[index]
        self.lots = 0 if due else lots
        return Quotes(take=lots if due else 0)


def thin(*shocks: Shock) -> Scene:
    """A book of two lots a level that does not move by itself, 100 s of it."""
    bids, asks = {999 - k: 2 for k in range(5)}, {1_001 + k: 2 for k in range(5)}
    still = recording([shot(500 * (k + 1), bids, asks, 0, 0, 1_000, 5) for k in range(240)])
    opens = int(still.snapshots["time"][20])
    return Story("test", "a test", shocks).paint(scene_of(still, opens, opens + 100 * SECOND))


def test_who_buys_what_is_forced_upon_the_market_holds_the_cascade_off(day: Recording) -> None:
    bare, held = (Seen(window(day, FALL, cascade()), agent, LARGE) for agent in (Still(), Absorbs()))
    assert (len(closed(bare)), len(closed(held))) == (2, 1)
    assert held.wire.large is not None
    assert bare.wire.large is not None
    assert 0 >= held.wire.large.moved > bare.wire.large.moved
    bought = held.market.fills[held.market.fills["maker_owner"] == 1]
    assert bought["size"][bought["taker_owner"] == 2].sum() > 500


def test_in_a_thin_book_who_sells_brings_the_call_and_who_buys_holds_it_off() -> None:
    def forced(agent: object, *shocks: Shock) -> bool:
        seen = Seen(thin(Cascade(at_s=20.0, seats=((1.0, 0.06),), impact=0.0), *shocks), agent)
        assert not seen.guard.broken
        return bool(closed(seen))

    assert not forced(Still())
    assert not forced(Once(-4, 10.0)), "the market is back before the large seat is there"
    assert forced(Once(-4, 30.0))
    dearer = Rule(rule="margin", times=1.01, at_s=40.0, for_s=1.0)
    assert forced(Still(), dearer)
    assert not forced(Once(4, 39.0), dearer)


def test_in_a_deep_book_one_sale_does_not_bring_the_call(day: Recording) -> None:
    sold = Seen(window(day, cascade(seats=((2.0, 0.35),))), Once(-1_000, 120.0), LARGE)
    assert sold.market.fills["size"][sold.market.fills["taker_owner"] == 1].sum() > 700
    assert closed(sold) == []


def test_an_episode_with_large_seats_is_the_same_every_time_it_is_played(day: Recording) -> None:
    scene = window(day, FALL, cascade())
    market = Market(feed_of_scene(scene))
    tables = []
    for _ in range(2):
        wire = Stressed(scene, Guard(scene, LARGE.position_limit))
        episode = Episode(0, "test", "SHFE", "RBSYN", 20240102, 0, 0, scene.opens, scene.closes)
        terms = Terms(0, LARGE, 1, 5.0, 3, {})
        entry = Entry("join", "join", {}, Charge("zero"))
        tables.append(play(market, episode, [entry], terms, "", wire.watch, wire, wire.beside))
    assert tables[0]["fills"]["time"].tolist() == tables[1]["fills"]["time"].tolist()
    assert "large seat" in tables[0]["fills"]["counterparty"]
    assert '"venue_large_closed": 2' in tables[0]["episodes"][0]["notes"]


def test_a_market_refuses_another_past(day: Recording) -> None:
    scene = window(day)
    market = Market(feed_of_scene(scene))
    market.start([Seat()], scene.opens, scene.closes)
    market.venue[0]["pause"] = scene.opens + 30 * SECOND
    while market.run() > 0:
        market.decide(1)
    later = scene.after(scene.opens + 60 * SECOND, scene.closes)
    scene.displace(later, np.full(len(later), 5))
    other = feed_of_scene(scene)
    market.redirect(other)
    assert market.feed is other
    scene.displace(np.arange(len(scene.rows)), np.full(len(scene.rows), 5))
    with pytest.raises(ValueError, match="change only what is later"):
        market.redirect(feed_of_scene(scene))
    market.start([], 0, 1)
    assert market.feed is not other


def test_large_seats_that_make_no_sense_say_what_to_change() -> None:
    for options, told in (
        ({"seats": ()}, "give 1 to 12"),
        ({"seats": ((0.0, 1.0),)}, "lots is 0"),
        ({"seats": ((1.0, 60.0),)}, "give up to 50"),
        ({"impact": 9.0}, "give percent from 0 to 5"),
    ):
        with pytest.raises(ValueError, match=told):
            cascade(**options)
    assert cascade().scaled(2.0).seats == ((4.0, 0.5), (4.0, 0.9))
    (story,) = library(["liquidation-cascade"])
    shock = {"kind": "cascade", "seats": [[1, 1]] * 7}
    content = {"title": "a title", "holds": ["lots"], "shocks": [shock, shock]}
    assert story.imitates is not None
    with pytest.raises(ConfigError, match="14 large seats in all; a market has room for 12"):
        story_of("many", content | {"imitates": story.imitates.model_dump()})
