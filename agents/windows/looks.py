"""What a seat that does nothing sees of a day: every look, as agents get it in play."""

import numpy as np

from lobarena.sim.feed import Feed
from lobarena.sim.market import Latency, Market, Seat
from lobarena.sim.types import OBSERVATION

_AT_ONCE = Latency(feed=0, order=0, report=0)


def looks(feed: Feed) -> np.ndarray:
    """(n,) OBSERVATION, one for each publication of the day's sessions; `time` equals `published`.

    The market is the one that agents play in, so what is learnt from these looks is computed from equal ones in play.
    """
    market = Market(feed)
    market.start([Seat(latency=_AT_ONCE)], int(feed.sessions[0, 0]), int(feed.sessions[-1, 1]))
    seen = []
    while (seat := market.run()) > 0:
        seen.append(market.observation(seat).tobytes())
        market.decide(seat, keep=True)
    return np.frombuffer(b"".join(seen), OBSERVATION).copy()
