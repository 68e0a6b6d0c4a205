"""One running market: a feed, a book, a venue and the seats in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lobarena.data.schema import CLOSED, SNAPSHOT
from lobarena.sim._jit import Kernel
from lobarena.sim.book import clear, new_book
from lobarena.sim.clock import leave
from lobarena.sim.doors import answer_large, answer_small, look_large, look_small, run_large, run_small
from lobarena.sim.feed import Feed
from lobarena.sim.hawkes.stir import ASLEEP
from lobarena.sim.random import generator
from lobarena.sim.state import (
    BACK,
    CURVE,
    DECAY,
    DRAIN,
    FINISHED,
    FRONT,
    IMAGES,
    KEEP,
    MARK_ROW,
    POWER,
    PRO_RATA,
    RESTORE,
    STRETCHES,
    venue_type,
)
from lobarena.sim.types import FILL, MAX_SEATS, NONE, OBSERVATION, QUOTE_LEVELS, SEEN_LEVELS, SMALL, STP_CANCEL_RESTING

CANCEL_MODELS = {"back": BACK, "pro rata": PRO_RATA, "power": POWER, "front": FRONT}
IMPACT_RULES = {"restore": RESTORE, "decay": DECAY, "keep": KEEP}
_FOREVER = 2**62
_SLOWEST = 10**10  # ns: the images under way to a seat must fit its ring


@dataclass(frozen=True, slots=True)
class Latency:
    """Network latency of one seat, ns."""

    feed: int = 5_000_000  # from the venue's publication to the seat
    order: int = 5_000_000  # from the seat to the venue
    report: int = 5_000_000  # from the venue back
    spread: float = 0.0  # sd of the log of a factor drawn for each message; 0 is constant


@dataclass(frozen=True, slots=True)
class Seat:
    """The venue's rules for one seat."""

    latency: Latency = Latency()
    depth: int = SEEN_LEVELS  # levels a side that the feed shows
    every_ns: int = 0  # ns between looks; 0 decides at each update
    on_fill: bool = False  # own fills are occasions to decide too
    position_limit: int = 50  # lots, either way
    largest: int = 1_000  # lots, largest order
    message_limit: int = 1_000_000  # orders, amendments and cancels in an episode
    cancel_limit: int = 1_000_000  # cancels after which only closing orders are taken
    capital: float = 1e8  # currency
    maintenance: float = 1.0  # share of the margin below which a position is closed at once
    grace_s: float = 0.0  # s that a margin call may stand before the position is closed
    self_trade: int = STP_CANCEL_RESTING
    held: int = 0  # lots carried from the day before


@dataclass(frozen=True, slots=True)
class Rules:
    """How the record meets orders that were not there (docs/replay.md)."""

    cancel_model: str = "pro rata"
    power: int = 2  # exponent of the cancel model "power"
    impact: str = "decay"
    half_life_s: float = 5.0
    protection: int = 20  # ticks beyond the touch that a market order may reach
    curve_ms: int = 1_000

    def __post_init__(self) -> None:
        for name, value, known in (
            ("cancel_model", self.cancel_model, CANCEL_MODELS),
            ("impact", self.impact, IMPACT_RULES),
        ):
            if value not in known:
                raise ValueError(f"{name} is {value!r}; choose one of {', '.join(known)}")
        if self.power < 1 or self.half_life_s <= 0 or self.curve_ms <= 0 or self.protection < 0:
            raise ValueError("power, half_life_s and curve_ms are positive, protection is not negative")


class Market:
    """A market that runs until a seat must decide; reusable, one episode after the other."""

    def __init__(self, feed: Feed, rules: Rules = Rules()) -> None:
        self.first, self.rules = feed, rules
        self._follow(feed)
        self.book = new_book(feed.size, feed.base)
        self.venue = np.zeros(1, venue_type(feed.size[0], MAX_SEATS))
        self.ids = np.full(max(1, feed.orders), NONE, np.int64)  # an empty array would have no address
        self.look = np.zeros(1, OBSERVATION)  # what the seat that was asked last knows
        small = feed.size == SMALL
        self._run, self._look = (run_small, look_small) if small else (run_large, look_large)
        self._answer = answer_small if small else answer_large
        self._places = (self.book.ctypes.data, self.venue.ctypes.data)
        seats = self.venue[0]["seat"]
        self._target, self._take, self._keep = seats["target"], seats["take"], seats["keep"]  # views, for `decide`
        self.start([], 0, _FOREVER)

    def start(self, seats: Sequence[Seat], opens: int, closes: int, seed: int = 0) -> None:
        """Begin an episode at the day's first event; the seats are in from `opens` to `closes` (ns UTC).

        `seed` draws the seats' network latencies.
        """
        if any(seat.latency.feed > _SLOWEST for seat in seats):
            raise ValueError("a feed latency is over 10 s; a seat that sees the market so late is not supported")
        if len(seats) > MAX_SEATS:
            raise ValueError(f"{len(seats)} seats asked for, a market has at most {MAX_SEATS}")
        feed, rules, contract = self.first, self.rules, self.first.contract
        self._follow(feed)
        self.book.view(np.uint8)[:] = 0
        clear(self.book, feed.base)
        self.venue.view(np.uint8)[:] = 0
        self.ids[:] = NONE
        v = self.venue[0]
        v["seats"], v["opens"], v["closes"], v["phase"] = len(seats), opens, closes, CLOSED
        v["pause"] = _FOREVER
        v["lower"], v["upper"], v["protection"] = feed.lower, feed.upper, rules.protection
        fees = contract.fees
        v["by_turnover"] = int(fees.by == "turnover")
        v["fee_open"], v["fee_close"], v["fee_today"] = fees.open, fees.close, fees.close_today
        v["margin"], v["tick_value"] = contract.margin, contract.tick_value
        v["cancel_model"], v["power"] = CANCEL_MODELS[rules.cancel_model], rules.power
        v["impact"], v["half_life"] = IMPACT_RULES[rules.impact], rules.half_life_s * 1e9
        v["curve_ns"], v["next_curve"] = rules.curve_ms * 1_000_000, _FOREVER
        v["numbered"], v["live"] = int(feed.orders > 0), int(feed.live)
        v["seat"]["work"]["id"] = NONE
        v["seat"]["seen"] = NONE
        v["owed_span"][:] = feed.size[0], NONE
        v["seat"]["draw"] = NONE
        if len(feed.traits):
            v["traits"], v["stir"] = feed.traits[0], ASLEEP
        for number, seat in enumerate(seats, 1):
            s = v["seat"][number]
            s["feed_ns"], s["order_ns"], s["report_ns"] = seat.latency.feed, seat.latency.order, seat.latency.report
            s["depth"] = min(max(seat.depth, 1), SEEN_LEVELS)
            s["every_ns"], s["on_fill"], s["stp"] = seat.every_ns, int(seat.on_fill), seat.self_trade
            s["position_limit"], s["largest"] = seat.position_limit, seat.largest
            s["message_limit"], s["cancel_limit"], s["capital"] = seat.message_limit, seat.cancel_limit, seat.capital
            s["maintenance"], s["grace_ns"] = seat.maintenance, round(seat.grace_s * 1e9)
            s["position"] = s["held"] = s["known_position"] = seat.held
            if v["live"] and seat.every_ns and seat.latency.feed // seat.every_ns >= IMAGES // 2:
                raise ValueError("a seat looks so often that over 32 of its looks are under way; look less often")
            if seat.latency.spread > 0:
                draws = generator(seed, "network", number).standard_normal(STRETCHES)
                s["stretch"][:], s["draw"] = np.exp(seat.latency.spread * draws), 0
        self._fills: list[np.ndarray] = []
        self._fees: list[np.ndarray] = []
        self._after: list[np.ndarray] = []
        self._curve: list[np.ndarray] = []
        self._marks: list[np.ndarray] = []

    def redirect(self, feed: Feed) -> None:
        """What has not happened yet happens as in `feed` from now on; `start` goes back to the first feed.

        ValueError when the feeds differ in what has happened, or in the book that they need.
        """
        happened = int(self.venue[0]["event"])
        old, new = self.feed, feed
        needs = [(one.base, one.size, one.lower, one.upper, one.orders, one.live) for one in (old, new)]
        if needs[0] != needs[1] or not np.array_equal(old.events[:happened], new.events[:happened]):
            raise ValueError("the feed differs in what has happened already; change only what is later")
        self._follow(feed)

    def _follow(self, feed: Feed) -> None:
        self.feed = feed
        self.snapshots = feed.snapshots if len(feed.snapshots) else np.zeros(1, SNAPSHOT)

    def run(self, drive: Kernel | None = None) -> int:
        """Run until a seat must decide (its number, from 1), the episode is over (0) or a pause is reached (PAUSED).

        drive : in place of the clock's `run`, a kernel that runs it and lets seats decide on the way
        """
        places = self._places if drive is None else (self.book, self.venue)
        while True:
            code = int((drive or self._run)(*places, self.feed.events, self.snapshots, self.ids))
            if code != DRAIN:
                if code == FINISHED:
                    self._drain()
                return code
            self._drain()

    def observation(self, seat: int) -> Any:
        """What the seat that must decide knows, an OBSERVATION record; valid until the next call."""
        self._look(self._places[1], seat, self.look)
        return self.look[0]

    def decide(
        self,
        seat: int,
        bids: Sequence[tuple[int, int]] = (),
        asks: Sequence[tuple[int, int]] = (),
        take: int = 0,
        *,
        keep: bool = False,
        thinking_ns: int = 0,
    ) -> None:
        """The seat's target quotes (ticks, lots; best first); they leave it after `thinking_ns`."""
        target = self._target[seat]
        target[:] = 0
        for side, ladder in enumerate((bids, asks)):
            for level, (price, size) in enumerate(ladder[:QUOTE_LEVELS]):
                target[side, level, 0], target[side, level, 1] = _fit(price), _fit(size)
        self._take[seat], self._keep[seat] = _fit(take), keep
        self._answer(self._places[1], seat, max(0, thinking_ns))

    def expel(self, seat: int) -> None:
        """The seat failed: it decides no more; its orders leave and its position is closed when the episode ends."""
        self.decide(seat, keep=True)
        leave(self.book, self.venue, seat)

    def pending_fills(self) -> np.ndarray:
        """(n,) FILL since the buffers were last emptied."""
        v = self.venue[0]
        return np.asarray(v["fill"][: v["fills"]].copy())

    def _drain(self) -> None:
        v = self.venue[0]
        if v["lost"]:
            raise RuntimeError(f"{v['lost']} messages or fills found no room; fewer seats or smaller orders are needed")
        n = int(v["fills"])
        self._fills.append(v["fill"][:n].copy())
        self._fees.append(v["fee"][:n].copy())
        self._after.append(v["after"][:n].copy())
        self._curve.append(v["curve"][: v["curves"]].copy())
        self._marks.append(v["mark"][: v["marks"]].copy())
        v["fills"] = v["curves"] = v["marks"] = 0

    @property
    def fills(self) -> np.ndarray:
        """(n,) FILL of every fill that a seat had a part in, so far as drained (all, once the episode is over)."""
        return np.concatenate(self._fills) if self._fills else np.zeros(0, FILL)

    @property
    def fees(self) -> np.ndarray:
        """(n, 2) f8, currency: what maker and taker of each fill paid."""
        return np.concatenate(self._fees) if self._fees else np.zeros((0, 2))

    @property
    def after(self) -> np.ndarray:
        """(n, 2) i4, lots: position of maker and taker after each fill."""
        return np.concatenate(self._after) if self._after else np.zeros((0, 2), np.int32)

    @property
    def curve(self) -> np.ndarray:
        """(k,) CURVE rows of every seat on the time grid."""
        return np.concatenate(self._curve) if self._curve else np.zeros(0, CURVE)

    @property
    def marks(self) -> np.ndarray:
        """(k,) MARK_ROW, one a publication."""
        return np.concatenate(self._marks) if self._marks else np.zeros(0, MARK_ROW)

    def wealth(self, seat: int) -> float:
        """Currency won or lost so far, the position marked at the crowd's mid, net of fees."""
        v = self.venue[0]
        account = v["seat"][seat]
        half_ticks = 2 * int(account["cash"]) + int(account["position"]) * int(v["mid2"])
        return half_ticks * float(v["tick_value"]) / 2 - float(account["fees"])


def _fit(number: int) -> int:
    """A number as the venue's 32 bits can hold it: absurd sizes stay absurd, and are refused there."""
    return max(-(2**31) + 1, min(2**31 - 1, int(number)))
