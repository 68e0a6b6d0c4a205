"""A record of orders or of level changes as its venue's snapshots, so that shocks can be painted on it."""

import numpy as np

from lobarena.data.recording import EventRecording, Quarantine, Recording
from lobarena.data.schema import CONTINUOUS, SNAPSHOT, UNKNOWN
from lobarena.sim.event_feed import event_feed
from lobarena.sim.market import Latency, Market, Seat

_LEAD_NS = 6_000_000_000  # before the window, so that the scene has its lead


def as_snapshots(recording: EventRecording, opens: int, closes: int, seed: int = 0, publish_ms: int = 500) -> Recording:
    """What the venue publishes of a day of events in [opens, closes] (ns UTC), five levels a side each `publish_ms`.

    Queues are those of levels from then on: who stood where is told by the cancel model, not by the record.
    ValueError when nothing is published inside.
    """
    feed = event_feed(recording, seed, publish_ms)
    market = Market(feed)
    market.start([Seat(latency=Latency(0, 0, 0))], opens - _LEAD_NS, closes + _LEAD_NS)
    rows = []
    while (seat := market.run()) > 0:
        seen = market.observation(seat)
        market.decide(seat, keep=True)
        if seen["phase"] != CONTINUOUS:
            continue
        row = np.zeros(1, SNAPSHOT)
        for name in ("last", "volume", "turnover", "bid", "bid_size", "ask", "ask_size", "upper", "lower"):
            row[name] = seen[name]
        row["time"], row["received"], row["interest"], row["depth"] = seen["published"], UNKNOWN, UNKNOWN, 5
        rows.append(row)
    if not rows:
        raise ValueError(f"{recording.symbol} {recording.trading_day} publishes nothing in the window; choose another")
    shots = np.concatenate(rows)
    shots["row"] = np.arange(1, len(shots) + 1)
    nothing = Quarantine(np.zeros(0, SNAPSHOT))
    where = (recording.symbol, recording.exchange, recording.trading_day)
    return Recording(recording.contract, *where, shots, nothing, [], recording.source, len(shots))
