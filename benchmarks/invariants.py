"""What must hold in a market whatever befalls it, looked at on every look of a seat and at the end."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lobarena.data.schema import ASK, BID, CONTINUOUS
from lobarena.sim.market import Market
from lobarena.sim.shocks.scene import Scene

INVARIANTS = {
    "lots": "positions of all seats and of the crowd against them sum to zero",
    "money": "so does their cash, to the tick and lot",
    "limits": "nothing trades beyond the daily limits",
    "uncrossed": "while the market trades, the best bid is below the best ask",
    "clock": "at a seat, its own time never goes back",
    "feed": "at a seat, the exchange's stamp never goes back",
    "halts": "nothing trades while trading is halted",
    "positions": "no seat is ever beyond its position limit",
    "messages": "what is sent is orders, cancels and amendments, and no more than that arrives",
    "met": "without a seat, every snapshot is shown as painted, with its volume and turnover",
}


class Guard:
    """Watches one episode of a scene; `broken` counts what did not hold, by name."""

    def __init__(self, scene: Scene, position_limit: int) -> None:
        self.scene, self.position_limit = scene, position_limit
        self.broken: dict[str, int] = {}
        self.checks = 0
        self._seen: dict[int, tuple[int, int]] = {}

    def look(self, market: Market, seat: int, looks: list[Any]) -> None:
        """Before a seat decides: the venue's accounts, the book, and what reaches the seat."""
        venue, book = market.venue[0], market.book[0]
        self._sums(venue)
        best = book["best"]
        self._hold("uncrossed", venue["phase"] != CONTINUOUS or best[BID] < best[ASK])
        for look in looks:
            time, published = int(look["time"]), int(look["published"])
            before = self._seen.get(seat, (time, published))
            self._hold("clock", time >= before[0])
            self._hold("feed", published >= before[1])
            self._seen[seat] = time, published

    def end(self, market: Market, seats: int) -> None:
        """After the episode: its fills and counts."""
        venue, fills = market.venue[0], market.fills
        self._sums(venue)
        self._hold("limits", not len(fills) or bool(self._legal(fills["price"]).all()))
        for start, end in self.scene.halts:
            self._hold("halts", not ((fills["time"] > start) & (fills["time"] < end)).any())
        for seat in range(1, seats + 1):
            s = venue["seat"][seat]
            mine = np.concatenate([market.after[fills[f"{role}_owner"] == seat, k] for k, role in enumerate(_ROLES)])
            self._hold("positions", np.abs(mine).max(initial=0) <= self.position_limit)
            self._hold("messages", s["orders"] + s["cancels"] <= s["messages"] and s["arrived"] <= s["messages"])

    def alone(self, market: Market) -> None:
        """After the same market ran without a seat."""
        venue = market.venue[0]
        self._hold("met", venue["met"] == venue["shots"])

    def _sums(self, venue: Any) -> None:
        self._hold("lots", int(venue["seat"]["position"].sum()) + int(venue["crowd_position"]) == 0)
        self._hold("money", int(venue["seat"]["cash"].sum()) + int(venue["crowd_cash"]) == 0)

    def _legal(self, prices: np.ndarray) -> np.ndarray:
        return np.asarray((prices >= self.scene.lower) & (prices <= self.scene.upper))

    def _hold(self, name: str, true: Any) -> None:
        self.checks += 1
        if not true:
            self.broken[name] = self.broken.get(name, 0) + 1


_ROLES = ("maker", "taker")
Watch = Callable[[Market], None]
