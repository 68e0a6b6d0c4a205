"""Shocks of the standing book: makers withdraw, the spread widens, depth is shown that nobody means."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import numpy as np

from lobarena.data.schema import ASK, AUCTION, BID, BOTH, LEVELS
from lobarena.sim.shocks.scene import Mood, Scene
from lobarena.sim.shocks.shock import Shock

Sides = Literal["both", "bid", "ask"]
_SIDES = {"both": BOTH, "bid": BID, "ask": ASK}
_PIECES = 32  # orders that a spoofer shows at a level
_GAP = 1_000_000  # ns after a publication in which a spoofer takes orders back and gives new ones


def _named(sides: Sides) -> tuple[str, ...]:
    return ("bid", "ask") if sides == "both" else (sides,)


@dataclass(frozen=True)
class Withdraw(Shock):
    """Makers take a share of each level away, then come back in a straight line over `back_s`."""

    shares: tuple[float, ...] = (0.9, 0.9, 0.9, 0.9, 0.9)  # of the levels, best first; 1 leaves nothing
    sides: Sides = "both"
    back_s: float = 30.0

    def check(self) -> None:
        """Shares of at most five levels."""
        self.require(1 <= len(self.shares) <= LEVELS, f"shares has {len(self.shares)} levels; give 1 to {LEVELS}")
        self.require(all(0 <= share <= 1 for share in self.shares), f"shares are {self.shares}; give 0 to 1 each")
        self.require(self.back_s >= 0, f"back_s is {self.back_s}; seconds are not negative")

    def paint(self, scene: Scene) -> None:
        """A level that keeps anything keeps at least one lot."""
        start, end = self.span(scene)
        kept = 1.0 - sum(self.shares) / LEVELS
        scene.moods.append(Mood(start, end, round(self.back_s * 1e9), _SIDES[self.sides], kept))
        rows = scene.after(start, end + round(self.back_s * 1e9))
        since = (scene.rows["time"][rows] - end) / 1e9
        left = 1.0 - np.clip(since / self.back_s if self.back_s else np.zeros(len(rows)), 0.0, 1.0)
        shares = np.array([*self.shares, *[0.0] * (LEVELS - len(self.shares))])
        for side in _named(self.sides):
            sizes = scene.rows[f"{side}_size"][rows]
            kept = np.floor(sizes * (1.0 - left[:, None] * shares))
            least = (sizes > 0) & (shares < 1.0)
            scene.rows[f"{side}_size"][rows] = np.where(least, np.maximum(kept, 1), kept)

    def scaled(self, by: float) -> "Withdraw":
        """What each level keeps is divided by the size."""
        shares = tuple(1.0 - (1.0 - share) / by if by >= 1 else share * by for share in self.shares)
        return Withdraw(self.at_s, self.for_s, shares, self.sides, self.back_s)


@dataclass(frozen=True)
class Spread(Shock):
    """The spread is `times` as wide, half of it on each side; what traded at the old quotes trades at the new ones."""

    sized: ClassVar[tuple[str, ...]] = ("times",)
    times: float = 5.0

    def check(self) -> None:
        """A factor."""
        self.require(1 <= self.times <= 1_000, f"times is {self.times}; give a factor from 1 to 1000")

    def paint(self, scene: Scene) -> None:
        """Bids go down, asks go up; the mean trade goes with the side that it was nearer to."""
        span = self.span(scene)
        rows = scene.after(*span)
        shots = scene.rows
        usual = float(np.median(shots["ask"][:, 0] - shots["bid"][:, 0]))
        scene.moods.append(Mood(*span, shy=max(1.0, usual) * (self.times - 1) / 2))
        bid, ask = shots["bid"][rows, 0].astype(np.int64), shots["ask"][rows, 0].astype(np.int64)
        whole = (shots["bid_size"][rows, 0] > 0) & (shots["ask_size"][rows, 0] > 0)
        more = np.where(whole, np.rint((self.times - 1) * (ask - bid)), 0).astype(np.int64)
        down, up = more // 2, more - more // 2
        for side, by in (("bid", -down), ("ask", up)):
            there = shots[f"{side}_size"][rows] > 0
            shots[side][rows] = np.where(there, np.maximum(1, shots[side][rows] + by[:, None]), 0)
        rows, down, up, bid, ask = (part[shots["kind"][rows] != AUCTION] for part in (rows, down, up, bid, ask))
        lots = scene.lots[rows]  # an auction has one price, which its quotes do not change
        mean = scene.value[rows] / np.maximum(lots, 1)
        asked = np.clip((mean - bid) / np.maximum(ask - bid, 1), 0.0, 1.0)  # share of the lots that buyers took
        buys = np.rint(asked * lots).astype(np.int64)
        scene.value[rows] += buys * up - (lots - buys) * down
        last = shots["last"][rows]
        shots["last"][rows] = np.where(last > 0, np.maximum(1, last + np.where(2 * last >= bid + ask, up, -down)), 0)

    def scaled(self, by: float) -> "Spread":
        """At least as wide as it was."""
        return Spread(self.at_s, self.for_s, min(1_000.0, max(1.0, self.times * by)))


@dataclass(frozen=True)
class Spoof(Shock):
    """Much more is shown behind the best price of one side, following it, and is gone at once at the end."""

    sized: ClassVar[tuple[str, ...]] = ("lots",)
    side: Literal["bid", "ask"] = "bid"
    lots: float = 10.0  # of what a side usually shows, on each level from `level` on
    level: int = 2  # the first one, 1 is the best
    flip_s: float = 0.0  # s after which it changes sides, again and again; 0 never

    def check(self) -> None:
        """Behind the best price or at it."""
        self.require(1 <= self.level <= LEVELS, f"level is {self.level}; give 1 to {LEVELS}")
        self.require(0 < self.lots <= 10_000, f"lots is {self.lots}; give up to 10000 times the usual size")
        self.require(self.flip_s >= 0, f"flip_s is {self.flip_s}; seconds are not negative")

    def paint(self, scene: Scene) -> None:
        """Where a level is not there, nothing is added: the spoofer follows others."""
        start, end = self.span(scene)
        if scene.living is not None:  # orders, at prices that are known when all rows are painted
            scene.late.append(partial(self._show, start=start, end=end))
        else:
            self._show(scene, start, end)

    def _show(self, scene: Scene, start: int, end: int) -> None:
        rows = scene.after(start, end - 1)
        turns = ((scene.rows["time"][rows] - start) // max(1, round(self.flip_s * 1e9))) if self.flip_s else 0 * rows
        other = "ask" if self.side == "bid" else "bid"
        for side, mine in ((self.side, rows[turns % 2 == 0]), (other, rows[turns % 2 == 1])):
            sizes = scene.rows[f"{side}_size"][mine]
            behind = (np.arange(LEVELS) >= self.level - 1) & (sizes > 0)
            more = max(1, round(self.lots * scene.usual))
            if scene.living is not None:
                self._orders(scene, side, mine, behind, more)
            else:
                scene.rows[f"{side}_size"][mine] = sizes + behind * more

    def _orders(self, scene: Scene, side: str, rows: np.ndarray, behind: np.ndarray, lots: int) -> None:
        """The same as orders, each from a moment after a publication to one after the next, which shows it."""
        times, which = scene.rows["time"], _SIDES[side]
        each = max(1, lots // _PIECES)  # one order would go at once, when the crowd's cancels find it
        for row, levels in zip(rows.tolist(), behind, strict=True):
            if row + 1 < len(times):
                came, went = int(times[row]) + 2 * _GAP, int(times[row + 1]) + _GAP
                for price in scene.rows[side][row][levels].tolist():
                    scene.feints += [(came, went, which, price, each)] * max(1, round(lots / each))
