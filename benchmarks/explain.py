"""One fill told: its order's way through the queue, who hit it, and where the mid went afterwards.

The episode is played once more as it was (agents, seeds and charged latencies are those of the run) and watched at
every instant between the order's arrival and its fill. The replay must show the fill that stands in the results.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from lobarena.benchmarks import stress
from lobarena.benchmarks.config import Config
from lobarena.benchmarks.invariants import Watch
from lobarena.benchmarks.manifest import ResultsError
from lobarena.benchmarks.metrics import HORIZONS
from lobarena.benchmarks.programme import Unit
from lobarena.benchmarks.results import Results, read
from lobarena.benchmarks.stress_config import StressConfig
from lobarena.benchmarks.tournament import replay, unit_of
from lobarena.data.schema import BID, EVENT_KINDS, LIMIT, MARK, MARKET, TAKE, TRADE
from lobarena.sim.book import ahead, find
from lobarena.sim.market import Market
from lobarena.sim.types import LIQUIDATION, NONE, REASONS

SECOND = 1_000_000_000  # ns
_FOREVER = 2**62
_AGGRESSORS = (LIMIT, MARKET, TAKE, TRADE)


@dataclass(frozen=True, slots=True)
class Passage:
    """One instant at which lots ahead of the order went."""

    time: int  # ns UTC
    traded: int  # lots ahead that traded
    cancelled: int  # lots ahead that were cancelled
    left: int  # lots ahead afterwards


@dataclass
class Story:
    """All that is known of one fill; times ns UTC, prices ticks, sizes lots."""

    fill: dict[str, Any]  # the row of the results
    contract: str
    tick: float  # quotation units
    joined_time: int = 0  # when its order joined the queue; 0 for an order that never rested
    joined_ahead: int = 0
    passages: list[Passage] = field(default_factory=list)
    before: int = 0  # lots ahead just before the instant of the fill
    aggressor: str = ""  # what hit it
    mids: dict[int, float] = field(default_factory=dict)  # seconds after -> mid
    bid: int = 0  # best prices of the book just before the instant of the fill, its own orders included
    ask: int = 0

    @property
    def traded(self) -> int:
        """Lots ahead that traded while the order waited, before the instant of its fill."""
        return sum(one.traded for one in self.passages)

    @property
    def cancelled(self) -> int:
        """Lots ahead that were cancelled meanwhile."""
        return sum(one.cancelled for one in self.passages)


def explain(run: Path, number: int) -> Story:
    """The story of fill `number` of a results folder; ResultsError when it is not there or the data has changed."""
    results = read(run)
    row = _row(results, number)
    again, unit, tick = _played(results, row["episode"])
    _same_data(results, unit)
    story = Story(row, unit.episode.contract, tick)
    if row["reason"] == REASONS[LIQUIDATION] and row["role"] == "taker":
        return _forced(story, results)
    order = _Order(story)
    for watch in (order.seek, order.follow):
        with _until_enough():
            again(watch)
    return story


def _played(results: Results, episode: int) -> tuple[Callable[[Watch], None], Unit, float]:
    """How to play an episode of a run once more under a watch; the episode; the tick of its contract."""
    if "stress" in results.manifest:
        extreme = StressConfig(**results.manifest["config"])
        shocked, tick = stress.unit_of(extreme, episode)
        return partial(stress.replay, extreme, shocked, results), shocked, tick
    config = Config(**results.manifest["config"])
    unit, tick = unit_of(config, episode)
    return partial(replay, config, unit, results), unit, tick


def _row(results: Results, number: int) -> dict[str, Any]:
    found = results.fills.filter(pc.equal(results.fills.column("fill"), number))
    if found.num_rows != 1:
        count = results.fills.num_rows
        there = f"fills 0 to {count - 1:,}" if count else "none at all"
        raise ResultsError(f"{results.folder} has no fill {number}; it has {there}")
    row: dict[str, Any] = found.to_pylist()[0]
    return row


def _same_data(results: Results, unit: Unit) -> None:
    """Refuse to replay on other rows than the run was played on."""
    day = int(f"{unit.day.trading_day:%Y%m%d}")
    for there in results.manifest["data"]:
        if (there["contract"], there["day"]) == (unit.day.symbol, day) and there["digest"] != unit.day.digest:
            raise ResultsError(
                f"{unit.day.path} is not what {results.folder} was played on (its digest differs); import the same file"
            )


def _forced(story: Story, results: Results) -> Story:
    """A position closed by the venue waited in no queue; what followed stands in its markouts."""
    row = story.fill
    episode = results.episodes.filter(pc.equal(results.episodes.column("episode"), row["episode"]))
    value = episode.column("tick_value")[0].as_py() * row["side"] * row["size"]
    story.aggressor = "the venue, which closed the position"
    story.mids = {0: row["mid"]} | {one: row["mid"] + row[f"markout_{one}s"] / value for one in HORIZONS}
    return story


class _EnoughError(Exception):
    """All that was asked for has been seen."""


@contextmanager
def _until_enough() -> Iterator[None]:
    try:
        yield
    except _EnoughError:
        return


class _Order:
    """The order of the fill, watched in a market that pauses."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.time, self.id = int(story.fill["time"]), int(story.fill["order"])
        self.seen = False
        self.last: tuple[int, int] = (0, 0)  # lots ahead, volume

    def seek(self, market: Market) -> None:
        """Stop just before the fill and read when the order joined."""
        venue = market.venue[0]
        if venue["pause"] == _FOREVER:
            venue["pause"] = self.time - 1
            return
        story, best = self.story, market.book[0]["best"]
        levels, base = len(market.book[0]["level"]) // 2, int(market.book[0]["base"])
        story.bid = int(best[0]) + base if best[0] >= 0 else 0
        story.ask = int(best[1]) + base if best[1] < levels else 0
        slot = int(find(market.book, self.id))
        if slot != NONE:
            order = market.book[0]["orders"][slot]
            story.joined_time, story.joined_ahead = int(order["time"]), int(order["ahead"])
        raise _EnoughError

    def follow(self, market: Market) -> None:
        """Stop at every instant from its arrival to its fill, then 1, 5 and 30 s later."""
        venue, story = market.venue[0], self.story
        if venue["pause"] == _FOREVER:
            venue["pause"] = (story.joined_time or self.time) - (0 if story.joined_time else 1)
            return
        now = int(venue["pause"])
        if now < self.time:
            self._look(market, now)
            upcoming = _next(market)
            if upcoming < self.time:
                venue["pause"] = upcoming
                return
            story.before = self.last[0] if story.joined_time else 0
            story.aggressor = (
                f"the venue, closing out the position of {story.fill['counterparty']}"
                if story.fill["reason"] == REASONS[LIQUIDATION]
                else _aggressor(market, self.time, story.fill["counterparty"])
            )
            venue["pause"] = self.time
            return
        if now == self.time:
            self._check(market)
            story.mids[0] = float(story.fill["mid"])
        for seconds in HORIZONS:
            if seconds not in story.mids and now >= self.time + seconds * SECOND:
                story.mids[seconds] = int(venue["mid2"]) / 2
        left = [seconds for seconds in HORIZONS if seconds not in story.mids]
        if not left:
            raise _EnoughError
        venue["pause"] = self.time + left[0] * SECOND

    def _look(self, market: Market, now: int) -> None:
        """What went on ahead of the order since the last look."""
        if not self.story.joined_time:
            return
        lots, volume = int(ahead(market.book, self.id)), int(market.venue[0]["volume"])
        if self.seen and lots < self.last[0]:
            gone = self.last[0] - lots
            traded = min(gone, volume - self.last[1])
            self.story.passages.append(Passage(now, traded, gone - traded, lots))
        self.last, self.seen = (lots, volume), True

    def _check(self, market: Market) -> None:
        fills = [*market.fills, *market.pending_fills()]
        mine = [one for one in fills if int(one["time"]) == self.time and self.id in (one["maker"], one["taker"])]
        row = self.story.fill
        if not any(int(one["price"]) == row["price"] and int(one["size"]) == row["size"] for one in mine):
            raise ResultsError(
                f"the replay of episode {row['episode']} has no such fill at {self.time}; its agents, or this version "
                "of lobarena, are not those of the run"
            )


def _next(market: Market) -> int:
    """When the next thing happens, ns UTC."""
    venue, events = market.venue[0], market.feed.events
    event = int(events["time"][venue["event"]]) if venue["event"] < len(events) else _FOREVER
    mail = int(venue["heap"][0]["time"]) if venue["flight"] else _FOREVER
    stir = int(venue["stir"]) if venue["stir"] > 0 else _FOREVER  # of a living crowd
    return min(event, mail, stir)


def _aggressor(market: Market, time: int, counterparty: str) -> str:
    """What the record, the living crowd or a seat sends at that instant."""
    events = market.feed.events
    here = events[np.searchsorted(events["time"], time) : np.searchsorted(events["time"], time, "right")]
    for event in here:
        if event["kind"] in _AGGRESSORS:
            way = "buying" if event["side"] == BID else "selling"
            price = f" at {int(event['price']):,}" if event["kind"] != MARKET else ""
            return f"the record's {EVENT_KINDS[int(event['kind'])]}, {way} {_lots(int(event['size']))}{price}"
    if any(event["kind"] == MARK for event in here):
        return "the record's next book, whose orders crossed this price"
    if len(market.feed.traits) and counterparty == "crowd":
        return "an order of the crowd, which lives"
    return "an order of a seat"


def sides(story: Story) -> tuple[str, str]:
    """("bought", "from") or ("sold", "to")."""
    return ("bought", "from") if story.fill["side"] > 0 else ("sold", "to")


def lines(story: Story, clock: Callable[[int], str]) -> Iterator[str]:
    """The story in sentences; `clock` writes a time, ns UTC."""
    row, (did, whom) = story.fill, sides(story)
    price = f"{row['price']:,} ticks ({row['price'] * story.tick:,.10g})"
    yield (
        f"Fill {row['fill']} of {story.contract}, episode {row['episode']}: {row['agent']} (seat {row['seat']}) {did} "
        f"{_lots(row['size'])} at {price} {whom} {row['counterparty']}, {clock(row['time'])}; {row['role']}, "
        f"{row['reason']}."
    )
    if story.joined_time:
        waited = (row["time"] - story.joined_time) / SECOND
        yield (
            f"Its order {row['order']} joined the queue at {clock(story.joined_time)}, behind "
            f"{_lots(story.joined_ahead)}, and waited {waited:,.3f} s."
        )
        yield (
            f"Ahead of it {_lots(story.traded)} traded and {story.cancelled:,} were cancelled, at "
            f"{len(story.passages):,} instants; {story.before:,} were still ahead when it was hit, of which the same "
            f"aggressor took {row['hit']:,} first."
        )
    else:
        how = "traded on arrival" if row["role"] == "taker" else "came at the very instant of the fill"
        yield f"Its order {row['order']} did not wait in a queue: it {how}."
    if row["reason"] == REASONS[LIQUIDATION] and row["role"] == "taker":
        yield f"What hit: {story.aggressor}."
    else:
        hitter = story.aggressor if row["role"] == "maker" else "its own order, arriving"
        yield f"What hit: {hitter}; best bid {story.bid or 'none'}, best ask {story.ask or 'none'} just before."
    moves = []
    for seconds in HORIZONS:
        won = row[f"markout_{seconds}s"]
        moves.append(f"{story.mids[seconds]:,.1f} after {seconds} s ({won:+,.2f})")
    yield f"Mid {row['mid']:,.1f} then, {', '.join(moves)}; in brackets what the position won by it, currency."


def _lots(count: int) -> str:
    return f"{count:,} lot{'s' if count != 1 else ''}"


def as_json(story: Story) -> dict[str, Any]:
    """The story as plain numbers."""
    return {
        "fill": story.fill,
        "contract": story.contract,
        "tick": story.tick,
        "joined_time": story.joined_time,
        "joined_ahead": story.joined_ahead,
        "traded_ahead": story.traded,
        "cancelled_ahead": story.cancelled,
        "ahead_when_hit": story.before,
        "passages": [[one.time, one.traded, one.cancelled, one.left] for one in story.passages],
        "aggressor": story.aggressor,
        "best_bid": story.bid,
        "best_ask": story.ask,
        "mids": {str(seconds): mid for seconds, mid in story.mids.items()},
    }
