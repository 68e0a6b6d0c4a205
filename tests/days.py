"""Trading days as literals, and seats that follow a script on them.

Milliseconds count from OPEN (09:00 UTC of DAY); ladders are {ticks: lots}.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from lobarena.data.contracts import Contract, Fee, Session
from lobarena.data.recording import Quarantine, Recording
from lobarena.data.schema import (
    ASK,
    BID,
    CANCEL,
    CONTINUOUS,
    EVENT,
    LIMIT,
    MARK,
    PHASE,
    SNAPSHOT,
    TAKE,
    TRADING,
    UNKNOWN,
)
from lobarena.data.sessions import utc
from lobarena.sim.feed import Feed
from lobarena.sim.market import Latency, Market, Seat
from lobarena.sim.types import SMALL

DAY = date(2021, 1, 5)
MS = 1_000_000
OPEN = utc(DAY, "09:00", "UTC")
BREAK_AT = utc(DAY, "11:30", "UTC")
AFTERNOON = utc(DAY, "13:00", "UTC")
CLOSE = utc(DAY, "15:00", "UTC")
LOWER, UPPER = 900, 1_100
INSTANT = Latency(feed=0, order=0, report=0)

CONTRACT = Contract(
    code="XX",
    exchange="TEST",
    tick=Decimal(1),
    multiplier=10,
    fees=Fee("lot", 1.0, 2.0, 3.0),
    margin=0.1,
    daily_limit=0.1,
    sessions=(Session("09:00", "11:30"), Session("13:00", "15:00")),
    timezone="UTC",
)

Ladder = dict[int, int]
Decision = dict[str, Any] | None  # arguments of Market.decide; None keeps the working orders
Script = Callable[[Any], Decision]


def at(ms: float) -> int:
    """Milliseconds after the open -> ns UTC."""
    return OPEN + round(ms * MS)


def shot(
    ms: float,
    bids: Ladder,
    asks: Ladder,
    volume: int = 0,
    turnover: int = UNKNOWN,
    last: int = 0,
    depth: int = 5,
    kind: int = TRADING,
) -> np.ndarray:
    """(1,) SNAPSHOT."""
    row = np.zeros(1, SNAPSHOT)
    row["time"], row["received"], row["interest"] = at(ms), UNKNOWN, UNKNOWN
    row["volume"], row["turnover"], row["last"] = volume, turnover, last
    row["lower"], row["upper"], row["kind"], row["depth"] = LOWER, UPPER, kind, depth
    for level, (price, size) in enumerate(sorted(bids.items(), reverse=True)):
        row["bid"][0, level], row["bid_size"][0, level] = price, size
    for level, (price, size) in enumerate(sorted(asks.items())):
        row["ask"][0, level], row["ask_size"][0, level] = price, size
    return row


def recording(shots: Sequence[np.ndarray], contract: Contract = CONTRACT) -> Recording:
    rows = np.concatenate(shots)
    rows["row"] = np.arange(1, len(rows) + 1)
    return Recording(
        contract, contract.symbol, contract.exchange, DAY, rows, Quarantine(np.zeros(0, SNAPSHOT)), rows_in=len(rows)
    )


def random_recording(seed: int, rows: int = 200, turnover: bool = True, depth: int = 5) -> Recording:
    """A day of `rows` snapshots whose quotes wander, with gaps between levels, big trades and thin books."""
    rng = np.random.default_rng(seed)
    mid, volume, value, shots = 1_000, 0, 0, []
    for k in range(rows):
        mid += int(rng.integers(-2, 3)) if rng.random() < 0.4 else 0
        mid = min(max(mid, LOWER + 40), UPPER - 40)
        wide = int(rng.integers(1, 4))
        bids = mid - wide - np.cumsum(rng.integers(0, 3, depth) + (np.arange(depth) > 0))
        asks = mid + np.cumsum(rng.integers(0, 3, depth) + (np.arange(depth) > 0))
        lots = int(rng.integers(0, 12)) if k and rng.random() < 0.6 else 0
        prices = rng.integers(mid - wide - 2, mid + 3, lots)
        volume, value = volume + lots, value + int(prices.sum())
        shots.append(
            shot(
                500 * (k + 1),
                dict(zip(bids.tolist(), rng.integers(1, 20, depth).tolist(), strict=True)),
                dict(zip(asks.tolist(), rng.integers(1, 20, depth).tolist(), strict=True)),
                volume,
                value if turnover else UNKNOWN,
                int(prices[-1]) if lots else (int(shots[-1]["last"][0]) if shots else mid),
                depth,
            )
        )
    return recording(shots)


# Events of the crowd.


def event(
    ms: float, kind: int, side: int = BID, price: int = 0, size: int = 0, ref: int = -1, u: float = 0.0
) -> np.ndarray:
    row = np.zeros(1, EVENT)
    row["time"], row["kind"], row["side"], row["price"] = at(ms), kind, side, price
    row["size"], row["ref"], row["u"] = size, ref, u
    return row


def limit(ms: float, side: int, price: int, size: int, ref: int = -1) -> np.ndarray:
    return event(ms, LIMIT, side, price, size, ref)


def take(ms: float, side: int, price: int, size: int) -> np.ndarray:
    return event(ms, TAKE, side, price, size)


def fall(ms: float, side: int, price: int, size: int, u: float = 0.0) -> np.ndarray:
    """The crowd cancels `size` lots at a level."""
    return event(ms, CANCEL, side, price, size, u=u)


def mark(ms: float, ref: int = -1, u: float = 0.0) -> np.ndarray:
    return event(ms, MARK, ref=ref, u=u)


def phase(ms: float, which: int) -> np.ndarray:
    return event(ms, PHASE, which)


def quoted(bids: Ladder, asks: Ladder, ms: float = -1) -> list[np.ndarray]:
    """The venue opens and the crowd's book comes in, all at `ms`: before the seats do."""
    rows = [phase(ms, CONTINUOUS)]
    rows += [limit(ms, BID, price, size) for price, size in bids.items()]
    rows += [limit(ms, ASK, price, size) for price, size in asks.items()]
    return [*rows, mark(ms)]


def feed_of(
    events: Iterable[np.ndarray], shots: Sequence[np.ndarray] = (), contract: Contract = CONTRACT, orders: int = 64
) -> Feed:
    """A feed of literal events; MARKs name `shots` by their place."""
    rows = np.concatenate(list(events))
    snapshots = np.concatenate(shots) if shots else np.zeros(0, SNAPSHOT)
    snapshots["row"] = np.arange(1, len(snapshots) + 1)
    sessions = np.array([[OPEN, BREAK_AT], [AFTERNOON, CLOSE]])
    return Feed(contract, DAY, rows, snapshots, LOWER - 64, SMALL, LOWER, UPPER, sessions, orders)


# Seats that follow a script.


def seat(**values: Any) -> Seat:
    """A seat without network latency, unless told otherwise."""
    return replace(Seat(latency=INSTANT), **values)


def at_times(plan: dict[float, dict[str, Any]]) -> Script:
    """A script that decides at the first look at or after each time (ms after the open), else leaves all as it is."""
    left = sorted(plan.items())

    def decide(seen: Any) -> Decision:
        if left and seen["time"] >= at(left[0][0]):
            return left.pop(0)[1]
        return None

    return decide


def once(**decision: Any) -> Script:
    """A script that decides at its first look and then leaves all as it is."""
    return at_times({-1e9: decision})


def play(
    market: Market, seats: Sequence[Seat], scripts: Sequence[Script], ms: float = 60_000, opens: float = 0
) -> Market:
    """Run an episode from `opens` to `ms` (after the open)."""
    begin(market, seats, ms, opens)
    finish(market, scripts)
    return market


def begin(market: Market, seats: Sequence[Seat], ms: float = 60_000, opens: float = 0) -> None:
    market.start(list(seats), at(opens), at(ms))


def finish(market: Market, scripts: Sequence[Script]) -> None:
    while (number := market.run()) > 0:
        answer(market, number, scripts[number - 1])


def answer(market: Market, number: int, script: Script) -> None:
    decision = script(market.observation(number))
    market.decide(number, **({"keep": True} if decision is None else decision))


def trades(market: Market) -> list[tuple[int, int, int, int]]:
    """(maker's owner, taker's owner, ticks, lots) of each fill."""
    columns = ("maker_owner", "taker_owner", "price", "size")
    return [tuple(int(fill[name]) for name in columns) for fill in market.fills]  # type: ignore[misc]


def account(market: Market, number: int) -> Any:
    return market.venue[0]["seat"][number]


def refused(market: Market, number: int) -> dict[int, int]:
    counts = account(market, number)["refused"]
    return {int(code): int(counts[code]) for code in np.flatnonzero(counts)}


def crowd_book(market: Market, side: int) -> Ladder:
    """{ticks: lots of the crowd}."""
    level, base = market.book[0]["level"], int(market.book[0]["base"])
    levels = len(level) // 2
    lots = (level["size"] - level["seats"])[side * levels : (side + 1) * levels]
    return {base + int(price): int(lots[price]) for price in np.flatnonzero(lots)}


def reasons(market: Market) -> list[int]:
    return [int(fill["reason"]) for fill in market.fills]


def own(seen: Any) -> tuple[dict[int, int], dict[int, int]]:
    """The seat's working orders as it sees them: {ticks: lots} of bids and asks."""
    found: list[dict[int, int]] = []
    for side in ("bid", "ask"):
        prices, sizes = seen[f"own_{side}"], seen[f"own_{side}_size"]
        found.append({int(price): int(size) for price, size in zip(prices, sizes, strict=True) if size > 0})
    return found[0], found[1]


class Log:
    """A script that writes down what it sees, by ms after the open."""

    def __init__(self, plan: dict[float, dict[str, Any]]):
        self.script, self.seen = at_times(plan), {}

    def __call__(self, seen: Any) -> dict[str, Any] | None:
        self.seen[(int(seen["time"]) - OPEN) / MS] = seen.copy()
        return self.script(seen)
