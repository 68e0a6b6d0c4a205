"""A cascade: large seats whose margin calls the price decides, and whose forced closing moves the price."""

from dataclasses import dataclass, replace
from typing import Literal, Self

from lobarena.sim.shocks.scene import Large, Scene
from lobarena.sim.shocks.shock import Shock

MOST = 12  # large seats of one episode: a market has 16 seats


@dataclass(frozen=True)
class Cascade(Shock):
    """Large seats stand in the market from the start, each with capital for so much of an adverse move (`large.py`).

    Nothing is sent at a set time: a seat is closed out by the venue's own rule from the first publication on whose mark
    has gone so far against it, some lots at each, until it is flat. What the crowd takes of it moves all later prices,
    which may call the next seat.
    """

    side: Literal["long", "short"] = "long"
    seats: tuple[tuple[float, float], ...] = ((8.0, 0.5), (8.0, 0.8), (8.0, 1.1))  # (lots, times what a side usually
    # shows; percent of the mid at the start, against it, up to which its equity covers its margin)
    pace: float = 0.3  # lots closed at a publication, times what a side usually shows
    impact: float = 0.05  # percent of that mid that the market moves, for good, for each side that the crowd takes

    def check(self) -> None:
        """Some seats, of positive size, each called by some move."""
        self.require(1 <= len(self.seats) <= MOST, f"seats has {len(self.seats)} entries; give 1 to {MOST}")
        for lots, bears in self.seats:
            self.require(0 < lots <= 10_000, f"seats: lots is {lots}; give up to 10000 times the usual size")
            self.require(0 < bears <= 50, f"seats: a move of {bears} percent; give up to 50, more than 0")
        self.require(0 < self.pace <= 1_000, f"pace is {self.pace}; give up to 1000 times the usual size")
        self.require(0 <= self.impact <= 5, f"impact is {self.impact}; give percent from 0 to 5")

    def paint(self, scene: Scene) -> None:
        """The rows stay as they are until somebody is closed out."""
        start, end = self.span(scene)
        mid, sign = scene.mid(start), 1 if self.side == "long" else -1
        scene.large += [
            Large(
                start,
                end,
                sign * max(1, round(lots * scene.usual)),
                max(1, round(self.pace * scene.usual)),
                bears / 100 * mid,
                self.impact / 100 * mid / scene.usual,
            )
            for lots, bears in self.seats
        ]

    def scaled(self, by: float) -> Self:
        """Every seat holds `by` times as much."""
        return replace(self, seats=tuple((min(10_000.0, lots * by), bears) for lots, bears in self.seats))
