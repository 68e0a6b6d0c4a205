"""Shocks of the price: gaps, crashes, grinds, locks at a daily limit, volatility."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import numpy as np

from lobarena.sim.shocks.scene import SECOND, Scene
from lobarena.sim.shocks.shock import Shock


@dataclass(frozen=True)
class Move(Shock):
    """The whole market is displaced along a path, straight between its points and level after the last.

    What is pushed beyond a daily limit locks there: the other side is gone, and the queue at the limit grows.
    """

    points: tuple[tuple[float, float], ...] = ((0.0, 0.0),)  # (s after the start, displacement)
    unit: Literal["percent", "limit"] = "percent"  # of the mid at the start; or 1 is the way from there to the limit
    queue: float = 20.0  # of what a side usually shows, more at the limit while the market is locked there
    traded: float = 0.05  # share of the record's lots that still trade while it is

    def check(self) -> None:
        """Times rise, prices stay positive, shares are shares."""
        times = [time for time, _ in self.points]
        self.require(bool(times) and times[0] >= 0 and times == sorted(set(times)), "points: times rise from 0 or more")
        least = -60.0 if self.unit == "percent" else -5.0
        self.require(
            all(np.isfinite(p) and least <= p <= -least for _, p in self.points),
            f"points: displacements in {self.unit} lie between {least:g} and {-least:g}",
        )
        self.require(0 <= self.queue <= 1_000, f"queue is {self.queue}; give 0 to 1000 times the usual size")
        self.require(0 <= self.traded <= 1, f"traded is {self.traded}; give a share from 0 to 1")

    def paint(self, scene: Scene) -> None:
        """Displace the rows; what then stands beyond a limit gets its queue."""
        start = scene.begin(self.at_s)
        scene.spans.append((start, start + round(self.points[-1][0] * SECOND)))
        rows, mid = scene.after(start, 2**62), scene.mid(start)
        seconds = (scene.rows["time"][rows] - start) / SECOND
        times, values = np.array(self.points, np.float64).T
        path = np.interp(seconds, times, values)
        up, down = (mid / 100, mid / 100) if self.unit == "percent" else (scene.upper - mid, mid - scene.lower)
        scene.displace(rows, np.rint(np.where(path > 0, path * up, path * down)))
        shots = scene.rows
        for side, beyond in (
            ("bid", shots["bid"][rows, 0] > scene.upper),
            ("ask", shots["ask"][rows, 0] < scene.lower),
        ):
            locked = rows[beyond & (shots[f"{side}_size"][rows, 0] > 0)]
            shots[f"{side}_size"][locked, 0] += round(self.queue * scene.usual)
            before = scene.lots[locked]
            scene.lots[locked] = (before * self.traded).astype(np.int64)
            scene.value[locked] = scene.value[locked] * scene.lots[locked] // np.maximum(before, 1)

    def scaled(self, by: float) -> Self:
        """Displacements are `by` times as large, as far as they may be."""
        most = 60.0 if self.unit == "percent" else 5.0
        return replace(self, points=tuple((time, float(np.clip(p * by, -most, most))) for time, p in self.points))


@dataclass(frozen=True)
class Volatility(Shock):
    """Every move of the mid since the start is `times` as large while it lasts; where it ends, the price stays."""

    sized: ClassVar[tuple[str, ...]] = ("times",)
    times: float = 3.0

    def check(self) -> None:
        """A factor."""
        self.require(0 <= self.times <= 1_000, f"times is {self.times}; give a factor from 0 to 1000")

    def paint(self, scene: Scene) -> None:
        """Displace the rows by what the mid has moved, times - 1."""
        start, end = self.span(scene)
        rows = scene.after(start, 2**62)
        mids, last = np.zeros(len(rows)), scene.mid(start)
        for k, row in enumerate(scene.rows[rows]):
            if row["bid_size"][0] and row["ask_size"][0]:
                last = (float(row["bid"][0]) + float(row["ask"][0])) / 2
            mids[k] = last
        moved = (self.times - 1) * (mids - scene.mid(start))
        late = scene.rows["time"][rows] > end
        if late.any():
            moved[late] = moved[~late][-1] if (~late).any() else 0.0
        scene.displace(rows, np.rint(moved))
