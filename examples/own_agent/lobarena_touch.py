"""Join both best prices, but lean out of the position: at `lean` lots the side that would add to it stays away."""

from dataclasses import dataclass
from typing import Any

from lobarena.agents.base import NO_QUOTES, Context, Quotes
from lobarena.data.schema import CONTINUOUS


@dataclass
class Touch:
    """One order at each best price while |position| is below `lean`."""

    lean: int = 3  # lots
    behind: int = 0  # ticks behind the best price

    def reset(self, context: Context) -> None:
        """A new episode."""
        self.size, self.lean_at = context.order_size, min(self.lean, context.position_limit)

    def act(self, observation: Any) -> Quotes | None:
        """Target quotes for one look."""
        o = observation
        if o["phase"] != CONTINUOUS or not (o["bid_size"][0] and o["ask_size"][0]):
            return NO_QUOTES
        bid, ask, position = int(o["bid"][0]) - self.behind, int(o["ask"][0]) + self.behind, int(o["position"])
        return Quotes(
            bids=[(bid, self.size)] if position < self.lean_at else (),
            asks=[(ask, self.size)] if position > -self.lean_at else (),
        )
