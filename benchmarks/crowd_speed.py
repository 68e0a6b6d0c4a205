"""How much faster than the market a living crowd runs on one core, whatever the hour: its busiest packaged product."""

import numpy as np

from lobarena.benchmarks.measures import Row, Terms, median, timed
from lobarena.data.schema import MARK, SNAPSHOT
from lobarena.sim.hawkes.day import living_day, living_feed
from lobarena.sim.hawkes.days import DAYS
from lobarena.sim.hawkes.fit import packaged
from lobarena.sim.hawkes.record import write_down
from lobarena.sim.market import Market

CODE, MINUTES = "RB", 60


def realtime(terms: Terms) -> Row:
    """Market seconds a second, an hour of rebar through the engine with a snapshot each half second, no seat."""
    feed = living_feed(living_day(packaged()[CODE], DAYS[0], 0, MINUTES))
    market = Market(feed)
    first, again = (np.zeros(np.count_nonzero(feed.events["kind"] == MARK), SNAPSHOT) for _ in range(2))

    def once(shots: np.ndarray = again) -> float:
        market.start([], 0, 2**62)
        return timed(lambda: write_down(market.book, market.venue, feed.events, shots))

    once(first)
    once(again)
    mood = market.venue[0]["mood"]
    if first.tobytes() != again.tobytes() or mood["accepted"] == 0:
        raise AssertionError("the same day comes out differently the second time")
    what = f"{CODE}, {MINUTES} min, {mood['accepted']:,} events of {mood['candidates']:,} candidates"
    return Row("crowd.realtime", 60 * MINUTES / median(once, terms.runs), "times real time", what)
