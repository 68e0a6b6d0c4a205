"""One agent in one stressed window: the scene, the line, the rules that change, and what the venue counted."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lobarena.benchmarks.invariants import Guard, Watch
from lobarena.sim.line import Line
from lobarena.sim.market import Market, Seat
from lobarena.sim.shocks.large import LargeSeats
from lobarena.sim.shocks.scene import SECOND, Scene

_FOREVER = 2**62
_PREFIX = "venue_"  # of the counts that are the venue's, not the agent's


@dataclass
class Stressed:
    """What stands between a market and the seats while shocks last: a Wire of `match.play`, and its watch."""

    scene: Scene
    guard: Guard
    capital: float = 0.0  # currency of a seat
    agents: int = 1
    line: Line = field(init=False)
    large: LargeSeats | None = field(init=False)

    def __post_init__(self) -> None:
        self.line = Line(self.scene.faults)
        self.large = LargeSeats(self.scene, self.agents) if self.scene.large else None
        self._usual: dict[tuple[str, bool], Any] = {}  # what each patched rule was before any patch
        self._now = -_FOREVER
        self._sent: dict[int, dict[int, int]] = {}  # by seat, messages by second
        self._before: dict[int, int] = {}
        self._locked: dict[int, int] = {}  # by seat, ns in which the market was locked at a daily limit
        self._lock: dict[int, int] = {}  # by seat, ns UTC of its last look, where that was locked

    @property
    def beside(self) -> list[Seat]:
        """Seats of the episode's own, behind those of the agents."""
        return self.large.seats if self.large else []

    def deliver(self, market: Market, seat: int, look: Any) -> list[Any]:
        """Count what the seat has sent since its last look; then what the line lets through."""
        sent = int(market.venue[0]["seat"][seat]["messages"])
        second = int(look["time"]) // SECOND
        mine = self._sent.setdefault(seat, {})
        mine[second] = mine.get(second, 0) + sent - self._before.get(seat, 0)
        self._before[seat] = sent
        self._locked[seat] = self._locked.get(seat, 0) + int(look["time"]) - self._lock.pop(seat, int(look["time"]))
        if _locked(look):
            self._lock[seat] = int(look["time"])
        looks = self.line.deliver(seat, look)
        self.guard.look(market, seat, looks)
        return looks

    def notes(self, market: Market, seat: int) -> dict[str, int]:
        """Messages in the worst second, time in a locked market, margin calls, refusals and broken invariants."""
        s = market.venue[0]["seat"][seat]
        self.guard.end(market, seat)
        return {
            f"{_PREFIX}worst_second": max(self._sent.get(seat, {}).values(), default=0),
            f"{_PREFIX}locked_ms": self._locked.get(seat, 0) // 1_000_000,
            f"{_PREFIX}margin_calls": int(s["calls"]),
            f"{_PREFIX}liquidated": int(s["liquidated"]),
            f"{_PREFIX}capital": round(self.capital),
            f"{_PREFIX}broken": sum(self.guard.broken.values()),
            **({f"{_PREFIX}large_closed": self.large.closed(market)} if self.large else {}),
            **{f"{_PREFIX}refused_{code}": int(s["refused"][code]) for code in np.flatnonzero(s["refused"]).tolist()},
        }

    def watch(self, market: Market) -> None:
        """Set every rule that a patch touches to what it is now, look after large seats, set the next pause."""
        venue = market.venue[0]
        now = self._now
        if self.large and now == -_FOREVER:
            self.large.begin(market)
        elif self.large:
            self.large.watch(market, now)
        for patch in self.scene.patches:
            key = patch.name, patch.seats
            target = venue["seat"] if patch.seats else venue
            self._usual.setdefault(key, np.array(target[patch.name]).copy())
        for (name, seats), usual in self._usual.items():
            acting = [p for p in self.scene.patches if (p.name, p.seats) == (name, seats) and p.start <= now < p.end]
            value = usual * np.prod([p.factor for p in acting]) + sum(p.added for p in acting)
            target = venue["seat"] if seats else venue
            target[name] = np.maximum(value, 0)
        ahead = [edge for patch in self.scene.patches for edge in (patch.start, patch.end) if edge > now]
        ahead += [self.large.next(now)] if self.large else []
        venue["pause"] = self._now = min(ahead, default=_FOREVER)


def _locked(look: Any) -> bool:
    """Whether the one side that there is stands at its daily limit, and nobody on the other."""
    bids, asks = bool(look["bid_size"][0]), bool(look["ask_size"][0])
    return bool(
        (bids and not asks and look["bid"][0] == look["upper"])
        or (asks and not bids and look["ask"][0] == look["lower"])
    )


def together(*watches: Watch) -> Watch:
    """One watch of several: each sees the market first of all, and then at the pauses that it has set itself."""
    due = [_FOREVER] * len(watches)

    def watch(market: Market) -> None:
        venue, now = market.venue[0], int(market.venue[0]["pause"])
        for place, one in enumerate(watches):
            if due[place] == now:
                venue["pause"] = now
                one(market)
                due[place] = int(venue["pause"])
        venue["pause"] = min(due)

    return watch
