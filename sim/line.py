"""A seat's line: what the feed does to the looks on their way to the agent, when it does not do its work.

Faults touch what is seen of the market; the account comes by reports, which have a line of their own. The market never
knows: it is played as ever, and orders still pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lobarena.sim.types import OBSERVATION

OUTAGE, STALE, TWICE, SWAPPED, CLOCK = range(5)
FAULTS = ("outage", "stale", "duplicated", "out of order", "clock")
MARKET = ("published", "bid", "bid_size", "ask", "ask_size", "last", "volume", "turnover", "phase")


@dataclass(frozen=True, slots=True)
class Fault:
    """What a line does for a while."""

    start: int  # ns UTC
    end: int
    what: str  # of FAULTS
    amount: int = 0  # ns, of a clock that jumps


class Line:
    """The lines of all seats of one episode."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        self.last: dict[int, np.ndarray] = {}  # by seat, the market as it was last seen
        self.held: dict[int, np.ndarray] = {}  # by seat, the look that a later one will overtake

    def deliver(self, seat: int, look: Any) -> list[Any]:
        """What of a look (OBSERVATION record) reaches the agent now: none, one or several, in order."""
        now = int(look["time"])
        acting = {fault.what: fault for fault in self.faults if fault.start < now <= fault.end}
        seen = np.zeros(1, OBSERVATION)
        seen[0] = look
        if not acting:
            self.last[seat] = seen
            late = self.held.pop(seat, None)
            return [look] if late is None else [look, late[0]]
        if FAULTS[OUTAGE] in acting:
            return []
        if FAULTS[STALE] in acting and seat in self.last:
            for name in MARKET:
                seen[name] = self.last[seat][name]
        else:
            self.last[seat] = seen.copy()
        if clock := acting.get(FAULTS[CLOCK]):
            seen["time"] += clock.amount
        looks = [seen[0]]
        if FAULTS[SWAPPED] in acting:
            if seat not in self.held:
                self.held[seat] = seen
                return []
            looks.append(self.held.pop(seat)[0])
        return 2 * looks if FAULTS[TWICE] in acting else looks
