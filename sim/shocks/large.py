"""The large seats of a cascade in a running market: seats of the venue that never send an order.

They are called and closed out by the clock like any other seat (`sim/clock.py`), with no grace. A seat stands in the
market with as much as is closed at one publication, and capital for it alone: when it is called does not depend on the
lots, and a broker does not sell everything at once. What moves the price is twofold: the closing takes the book, which
comes back by the impact rule, and every lot of it that the crowd takes displaces what is published afterwards, for
good. Lots that other seats take displace nothing. The permanent part, linear in the lots, is after Kyle (1985,
Continuous Auctions and Insider Trading); that it begins at the next publication is our formulation.
"""

from dataclasses import replace

import numpy as np

from lobarena.sim.clock import leave
from lobarena.sim.market import Market, Seat
from lobarena.sim.shocks.scene import Large, Scene, feed_of_scene
from lobarena.sim.types import CROWD

_FOREVER = 2**62


class LargeSeats:
    """The large seats of one episode, behind `agents` other seats; `watch` is called at each of its times."""

    def __init__(self, scene: Scene, agents: int = 1) -> None:
        self.scene = replace(scene, rows=scene.rows.copy(), value=scene.value.copy(), moves=list(scene.moves))
        self.numbers = {agents + 1 + place: one for place, one in enumerate(scene.large)}
        self.seats = [Seat(maintenance=1.0)] * len(scene.large)  # called is closed: nobody waits for money
        self.left = {number: one.lots for number, one in self.numbers.items()}  # lots not yet in the market
        self.moved = 0  # ticks by which prices are displaced now
        self._told, self._due = 0, 0.0  # fills looked at; ticks of displacement that they ask for
        edges = [edge for one in scene.large for edge in (one.start, one.end)]
        times = scene.rows["time"][(scene.rows["time"] >= min(edges)) & (scene.rows["time"] <= max(edges))]
        self._times = np.unique([*times.tolist(), *edges])

    def next(self, now: int) -> int:
        """When to look again, ns UTC."""
        place = int(np.searchsorted(self._times, now, "right"))
        return int(self._times[place]) if place < len(self._times) else _FOREVER

    def begin(self, market: Market) -> None:
        """The episode begins: the seats are there, decide nothing and hold nothing yet."""
        for number in self.numbers:
            leave(market.book, market.venue, number)

    def watch(self, market: Market, now: int) -> None:
        """Positions come and go; what was forced upon the crowd since the last look displaces what comes next."""
        account = market.venue[0]["seat"]
        for number, one in self.numbers.items():
            held = int(account[number]["position"])
            if now == one.end:
                _hand_over(market, number, -held)
            elif now == one.start or (one.start < now < one.end and account[number]["liquidated"]):
                more = max(0, min(abs(self.left[number]), one.pace - abs(held))) * (1 if one.lots > 0 else -1)
                self.left[number] -= more
                _hand_over(market, number, more)
            if now == one.start:
                _endow(market, number, one)
        if self.scene.living is not None:
            return  # a crowd that lives answers by itself
        fills = np.concatenate([market.fills, market.pending_fills()])[self._told :]
        self._told += len(fills)
        forced = fills[(fills["maker_owner"] == CROWD) & np.isin(fills["taker_owner"], list(self.numbers))]
        for fill in forced:
            lots = int(fill["size"]) if fill["side"] == 0 else -int(fill["size"])
            self._due += lots * self.numbers[int(fill["taker_owner"])].impact
        by = round(self._due) - self.moved
        if by:
            self.moved += by
            later = self.scene.after(now, _FOREVER)
            self.scene.displace(later, np.full(len(later), by))
            market.redirect(feed_of_scene(self.scene))

    def closed(self, market: Market) -> int:
        """How many of them the venue has closed out, or begun to."""
        return int(market.venue[0]["seat"]["liquidated"][list(self.numbers)].sum())


def _endow(market: Market, number: int, one: Large) -> None:
    """Capital that covers the margin of what the seat holds exactly until the price has gone as far as it bears."""
    venue = market.venue[0]
    account, contract, bought = venue["seat"][number], market.feed.contract, int(venue["mid2"]) // 2
    lots, worst = int(account["position"]), bought - one.bears * (1 if one.lots > 0 else -1)
    margin = abs(lots) * worst * contract.tick_value * contract.margin
    account["capital"] = margin - lots * (worst - bought) * contract.tick_value


def _hand_over(market: Market, number: int, lots: int) -> None:
    """A seat has `lots` more, as if bought from the crowd at the mid, without a fee."""
    venue = market.venue[0]
    account, paid = venue["seat"][number], lots * (int(venue["mid2"]) // 2)
    account["position"] += lots
    account["cash"] -= paid
    venue["crowd_position"] -= lots
    venue["crowd_cash"] += paid
