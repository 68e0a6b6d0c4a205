"""Shocks of the venue and of the lines to it: halts, auctions, rules that change, feeds that fail."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from lobarena.data.schema import AUCTION, BREAK, CALL, CONTINUOUS, PHASE
from lobarena.sim.line import CLOCK, FAULTS, Fault
from lobarena.sim.shocks.scene import SECOND, Patch, Scene
from lobarena.sim.shocks.shock import Shock

LIMITS = ("position limit", "largest order")  # rules that can only fall
_TOLD = 100_000_000  # ns after its beginning that a halt is published
_MOST_MS = 9_000.0  # an image under way for longer than 10 s has no place in a seat's ring


@dataclass(frozen=True)
class Halt(Shock):
    """Trading stops: the crowd's orders leave, those of the seats rest; the record of that time does not happen.

    With `auction_s`, orders are collected for so long before the end, then all match at one price; the market goes on
    at the record's prices, displaced by what other shocks say. A halt that would overlap another is part of it.
    """

    auction_s: float = 0.0  # s of call before the end; 0 reopens without an auction
    lots: float = 1.0  # that the auction trades, times what a side usually shows

    def check(self) -> None:
        """The call lies inside the halt."""
        self.require(self.for_s >= 2, f"for_s is {self.for_s}; a halt lasts at least 2 s")
        self.require(0 <= self.auction_s < self.for_s, f"auction_s is {self.auction_s}; it lies inside for_s")
        self.require(0 < self.lots <= 1_000, f"lots is {self.lots}; give up to 1000 times the usual size")

    def paint(self, scene: Scene) -> None:
        """No rows inside; an empty book at the beginning, and the auction's at the end."""
        start, end = self.span(scene)
        if any(start <= other_end and other_start <= end for other_start, other_end in scene.halts):
            return
        inside = (scene.rows["time"] > start) & (scene.rows["time"] <= end)
        scene.rows, scene.lots, scene.value = scene.rows[~inside], scene.lots[~inside], scene.value[~inside]
        later = scene.after(end, 2**62)
        empty = scene.rows[scene.at(start)].copy().reshape(1)
        for side in ("bid", "ask"):
            empty[side], empty[f"{side}_size"] = 0, 0
        phases = [(start, PHASE, BREAK, 0, 0, 0.0)]
        scene.halts.append((start, end))
        opened = empty.copy()
        empty["time"] = start + _TOLD
        scene.insert(empty)
        if self.auction_s and len(later):
            called = empty.copy()
            called["time"] = end - round(self.auction_s * SECOND)
            scene.insert(called)
            phases.append((int(called["time"][0]) - 1, PHASE, CALL, 0, 0, 0.0))  # seen in that row
            opened = scene.rows[scene.at(int(scene.rows["time"][scene.rows["time"] > end][0]))].copy().reshape(1)
            opened["time"], opened["kind"] = end, AUCTION
            price = _middle(opened[0], scene.mid(start))
            lots = max(1, round(self.lots * scene.usual))
            scene.auctions.append((start, end, lots))
            opened["last"] = price
            scene.insert(opened, lots, lots * price)
        else:  # an empty book once more, so that nothing of the next row happens inside
            opened["time"] = end
            scene.insert(opened)
        phases.append((end, PHASE, CONTINUOUS, 0, 0, 0.0))
        scene.add(phases)


def _middle(row: np.void, usual: float) -> int:
    there = [int(row[side][0]) for side in ("bid", "ask") if row[f"{side}_size"][0]]
    return sum(there) // len(there) if there else round(usual)


@dataclass(frozen=True)
class Rule(Shock):
    """A rule of the venue is another for a while: its usual value times `times`."""

    sized: ClassVar[tuple[str, ...]] = ("times",)
    rule: Literal["fees", "margin", "position limit", "largest order"] = "margin"
    times: float = 2.0

    def check(self) -> None:
        """A factor; a limit cannot rise above what agents were told."""
        self.require(0 <= self.times <= 1_000, f"times is {self.times}; give a factor from 0 to 1000")
        limit = self.rule in LIMITS
        self.require(not limit or self.times <= 1, f"times is {self.times}; a limit falls: give a factor up to 1")

    def paint(self, scene: Scene) -> None:
        """Fees are three fields, limits one of each seat's."""
        start, end = self.span(scene)
        names = {
            "fees": ("fee_open", "fee_close", "fee_today"),
            "margin": ("margin",),
            "position limit": ("position_limit",),
            "largest order": ("largest",),
        }[self.rule]
        seats = self.rule in LIMITS
        scene.patches += [Patch(start, end, name, factor=self.times, seats=seats) for name in names]

    def scaled(self, by: float) -> "Rule":
        """Limits fall where others rise."""
        falls = self.rule in LIMITS
        times = min(1.0, self.times / by) if falls and by > 0 else min(1_000.0, self.times * by)
        return Rule(self.at_s, self.for_s, self.rule, times)


@dataclass(frozen=True)
class Gate(Shock):
    """The venue refuses every new order of the seats; cancels still pass, and the feed goes on."""

    sized: ClassVar[tuple[str, ...]] = ("for_s",)

    def paint(self, scene: Scene) -> None:
        """One field of the venue."""
        scene.patches.append(Patch(*self.span(scene), "gate", added=1))


@dataclass(frozen=True)
class Latency(Shock):
    """Messages between the seats and the venue take so much longer, in the directions named."""

    sized: ClassVar[tuple[str, ...]] = ("ms",)
    ms: float = 500.0
    ways: tuple[Literal["feed", "order", "report"], ...] = ("feed", "order", "report")

    def check(self) -> None:
        """Within what the simulator supports."""
        self.require(0 <= self.ms <= _MOST_MS, f"ms is {self.ms}; give up to {_MOST_MS:g}")
        self.require(bool(self.ways), "ways names no direction; give feed, order or report")

    def paint(self, scene: Scene) -> None:
        """Added to each seat's own latency."""
        span = self.span(scene)
        scene.patches += [Patch(*span, f"{way}_ns", added=self.ms * 1e6, seats=True) for way in self.ways]

    def scaled(self, by: float) -> "Latency":
        """As far as the simulator supports."""
        return Latency(self.at_s, self.for_s, min(_MOST_MS, self.ms * by), self.ways)


@dataclass(frozen=True)
class Line(Shock):
    """The seats' feed fails: nothing comes, it stands still, it comes twice or in the wrong order; or clocks jump."""

    sized: ClassVar[tuple[str, ...]] = ("for_s",)
    fault: Literal["outage", "stale", "duplicated", "out of order", "clock"] = "outage"
    jump_ms: float = 0.0  # of a clock; below 0 it goes back

    def check(self) -> None:
        """Only clocks jump."""
        jumps = self.fault == FAULTS[CLOCK]
        self.require(jumps == bool(self.jump_ms), 'jump_ms goes with fault = "clock", and is not 0 there')
        self.require(abs(self.jump_ms) <= 3.6e6, f"jump_ms is {self.jump_ms}; give an hour at most")

    def paint(self, scene: Scene) -> None:
        """The line itself is `sim/line.py`."""
        scene.faults.append(Fault(*self.span(scene), self.fault, round(self.jump_ms * 1e6)))
