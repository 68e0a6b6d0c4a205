"""Shocks that are orders: the crowd sends them beyond the record, and the matching engine fills them."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np

from lobarena.data.schema import ASK, BID, CANCEL, LIMIT, SWEEP
from lobarena.sim.shocks.scene import SIDES, Scene
from lobarena.sim.shocks.shock import Shock

_LATE = float(np.nextafter(np.float32(1), np.float32(0)))  # a cancel's draw that finds the back of the queue
_GAP = 1_000_000  # ns kept clear of publications by orders that come and go
_MOST = 200_000  # messages of one burst


@dataclass(frozen=True)
class Sweep(Shock):
    """Aggressive orders of one side: a fat finger is one, a program a hundred, a cascade grows from each to the next.

    What they take is missing afterwards like what a seat takes (the impact rule), and the record trades on.
    """

    sized: ClassVar[tuple[str, ...]] = ("lots",)
    side: Literal["buy", "sell"] = "sell"
    orders: int = 10
    lots: float = 2.0  # all orders together, times what a side usually shows
    growth: float = 1.0  # each order is so much larger than the one before
    reach: float = 2.0  # percent of the mid at the start that an order may go beyond it

    def check(self) -> None:
        """Some orders of a positive size."""
        self.require(1 <= self.orders <= 10_000, f"orders is {self.orders}; give 1 to 10000")
        self.require(0 < self.lots <= 10_000, f"lots is {self.lots}; give up to 10000 times the usual size")
        self.require(0.5 <= self.growth <= 3, f"growth is {self.growth}; give a factor from 0.5 to 3")
        self.require(0 < self.reach <= 100, f"reach is {self.reach}; give percent up to 100")

    def paint(self, scene: Scene) -> None:
        """Orders at seeded times, the first at the start."""
        start, end = self.span(scene)
        weights = self.growth ** np.arange(self.orders)
        sizes = np.maximum(1, np.rint(self.lots * scene.usual * weights / weights.sum())).astype(np.int64)
        moments = np.sort(scene.draws("sweep", start, self.side).random(self.orders))
        moments[0] = 0.0
        times = start + 1 + (moments * max(0, end - start - 1)).astype(np.int64)
        beyond = self.reach / 100 * scene.mid(start) * (1 if self.side == "buy" else -1)
        price = int(np.clip(round(scene.mid(start) + beyond), scene.lower, scene.upper))
        scene.add(
            (time, SWEEP, SIDES[self.side], price, size, 0.0)
            for time, size in zip(times.tolist(), sizes.tolist(), strict=True)
        )


@dataclass(frozen=True)
class Stuff(Shock):
    """Orders that come and are cancelled within milliseconds, some ticks behind the best prices of both sides."""

    sized: ClassVar[tuple[str, ...]] = ("rate",)
    rate: float = 500.0  # orders a second, each of one lot; as many cancels
    ticks: int = 3  # behind the best price
    stay_ms: float = 5.0  # how long an order stays

    def check(self) -> None:
        """Not more than a burst may hold."""
        self.require(self.rate > 0 and self.rate * self.for_s <= _MOST, f"rate x for_s is over {_MOST:,} orders")
        self.require(self.ticks >= 1, f"ticks is {self.ticks}; give 1 or more: at the best price others would meet it")
        self.require(0 < self.stay_ms <= 100, f"stay_ms is {self.stay_ms}; give up to 100")

    def paint(self, scene: Scene) -> None:
        """Only when all rows are painted is it known what is behind the best prices."""
        start, end = self.span(scene)
        scene.late.append(partial(self._burst, start=start, end=end))

    def _burst(self, scene: Scene, start: int, end: int) -> None:
        """Orders and their cancels, between publications of the same best prices that nothing trades behind."""
        rng = scene.draws("stuff", start)
        stay, made = round(self.stay_ms * 1e6), []
        shown = np.flatnonzero((scene.rows["time"] >= start) & (scene.rows["time"] <= end))
        for before, number in pairwise(shown.tolist()):
            row, after, lots = scene.rows[before], scene.rows[number], int(scene.lots[number])
            if not int(row["bid"][0]) * lots <= int(scene.value[number]) <= int(row["ask"][0]) * lots:
                continue
            room = int(after["time"] - row["time"]) - stay - 2 * _GAP
            if room <= 0 or any(row[side][0] != after[side][0] for side in ("bid", "ask")):
                continue
            count = int(rng.poisson(self.rate * room / 1e9))
            places = rng.random((2, count))
            for where, which in places.T.tolist():
                side = BID if which < 0.5 else ASK
                name = "bid" if side == BID else "ask"
                if row[f"{name}_size"][0]:
                    best = int(row[name][0])
                    price = best - self.ticks if side == BID else best + self.ticks
                    time = int(row["time"]) + _GAP + int(where * room)
                    if scene.living is not None:
                        scene.feints.append((time, time + stay, side, price, 1))
                    elif scene.lower <= price <= scene.upper:
                        made += [(time, LIMIT, side, price, 1, 0.0), (time + stay, CANCEL, side, price, 1, _LATE)]
        if made:
            scene.add(sorted(made))

    def scaled(self, by: float) -> "Stuff":
        """As many orders as a burst may hold."""
        most = _MOST / self.for_s if self.for_s else self.rate * by
        return Stuff(self.at_s, self.for_s, min(self.rate * by, most), self.ticks, self.stay_ms)
