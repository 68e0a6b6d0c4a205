"""Markets and quoters that several tests run, and what they compare of a run."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from days import (
    Script,
    at,
    feed_of,
    mark,
    play,
    quoted,
    random_recording,
)

from lobarena.sim.feed import Feed, snapshot_feed
from lobarena.sim.market import Market, Rules, Seat

CANCEL_MODELS = ("back", "pro rata", "power", "front")
IMPACTS = ("restore", "decay", "keep")


def quoter(seed: int) -> Script:
    """Quotes at random about the touch, sometimes takes, sometimes leaves all as it is."""
    rng = np.random.default_rng(seed)

    def decide(seen: Any) -> dict[str, Any] | None:
        if rng.random() < 0.5 or seen["bid_size"][0] == 0 or seen["ask_size"][0] == 0:
            return None
        middle = (int(seen["bid"][0]) + int(seen["ask"][0])) // 2
        bid, ask = middle - int(rng.integers(0, 4)), middle + 1 + int(rng.integers(0, 4))
        return {
            "bids": [(bid - k, int(rng.integers(1, 6))) for k in range(rng.integers(0, 3))],
            "asks": [(ask + k, int(rng.integers(1, 6))) for k in range(rng.integers(0, 3))],
            "take": int(rng.integers(-3, 4)) if rng.random() < 0.2 else 0,
        }

    return decide


def random_feed(seed: int, rows: int = 40) -> Feed:
    return snapshot_feed(random_recording(seed, rows))


def end_of(feed: Feed) -> float:
    """Milliseconds after the open, just behind the last snapshot."""
    return (int(feed.snapshots["time"][-1]) - at(0)) / 1e6 + 1


def run(feed: Feed, seats: Iterable[Seat], scripts: Iterable[Script], **rules: Any) -> Market:
    return play(Market(feed, Rules(**rules)), list(seats), list(scripts), end_of(feed))


def digest(market: Market) -> str:
    records = (market.fills, market.curve, market.marks)  # field by field: bytes between fields mean nothing
    parts = [rows[name].tobytes() for rows in records for name in rows.dtype.names or ()]
    return hashlib.sha256(b"".join([*parts, market.fees.tobytes(), market.after.tobytes()])).hexdigest()


def without_ids(fills: np.ndarray) -> list[tuple[int, ...]]:
    """Order numbers count everybody's orders, so a further seat may change them; nothing else."""
    names = [name for name in fills.dtype.names or () if name not in ("maker", "taker")]
    return [tuple(int(fill[name]) for name in names) for fill in fills]


BOOK = quoted({999: 10, 990: 100}, {1_001: 10, 1_010: 100})
LOOKS = [mark(100 * k) for k in range(1, 11)]


def market_of(*more: np.ndarray, shots: Sequence[np.ndarray] = (), **rules: Any) -> Market:
    """The book above, then further events, in time order."""
    events = [*BOOK, *more]
    return Market(feed_of(sorted(events, key=lambda one: int(one["time"][0])), shots), Rules(**rules))
