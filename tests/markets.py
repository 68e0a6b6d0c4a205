"""Small markets of one contract as literals: best quotes and trades of RB on one morning."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from lobarena.data.contracts import contract
from lobarena.data.recording import Quarantine, Recording
from lobarena.data.schema import SNAPSHOT, TRADING, UNKNOWN
from lobarena.data.sessions import utc
from lobarena.sim.feed import Feed, snapshot_feed

DAY = date(2024, 1, 3)
RB = contract("RB")
MORNING = utc(DAY, "09:00", RB.timezone)  # ns UTC, the day session opens
LOWER, UPPER = 3_500, 4_100  # ticks

Row = tuple[float, int, int, int, int, int, int]  # seconds, bid, bid size, ask, ask size, last, volume


def after(seconds: float) -> int:
    """Seconds after the day session opens -> ns UTC."""
    return MORNING + round(seconds * 1e9)


def recording_of(
    quotes: Sequence[Row], turnover: Sequence[int] | None = None, lower: int = LOWER, upper: int = UPPER
) -> Recording:
    """A day of RB from (seconds, bid, bid size, ask, ask size, last, volume) rows.

    Seconds count from the open of the day session, prices are ticks, sizes lots (0: the side is empty), volume and
    turnover (tick x lot) since the trading day began; limits of 0 are limits not recorded.
    """
    rows = np.zeros(len(quotes), SNAPSHOT)
    for row, (seconds, bid, bid_size, ask, ask_size, last, volume) in zip(rows, quotes, strict=True):
        row["time"], row["last"], row["volume"] = after(seconds), last, volume
        row["bid"][0], row["bid_size"][0] = bid, bid_size
        row["ask"][0], row["ask_size"][0] = ask, ask_size
    rows["turnover"] = UNKNOWN if turnover is None else turnover
    rows["received"], rows["interest"] = UNKNOWN, UNKNOWN
    rows["lower"], rows["upper"], rows["kind"], rows["depth"] = lower, upper, TRADING, 1
    rows["row"] = np.arange(1, len(rows) + 1)
    return Recording(RB, "RB2405", RB.exchange, DAY, rows, Quarantine(np.zeros(0, SNAPSHOT)), rows_in=len(rows))


def day_of(*quotes: Row, seed: int = 0) -> Feed:
    """The feed of such a day."""
    return snapshot_feed(recording_of(quotes), seed)
