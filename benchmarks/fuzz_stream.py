"""Random messages for an order book, in regimes: thick and thin, drifting, at the edges, sweeping, call auctions.

Messages come in batches, in turn for a narrow book with few order slots and for a wide one. Nothing here looks at a
book: a message names an order by the number of the message that brought it, alive or not.
"""

from dataclasses import dataclass

import numpy as np

from lobarena.data.schema import ASK, BID
from lobarena.sim.random import generator
from lobarena.sim.state import BACK, FRONT
from lobarena.sim.types import CROWD, DAY, FOK, IOC, POST_ONLY, SMALL, STP_OFF

SUBMIT, MARKET, REST, CANCEL, AMEND, AHEAD, THIN, UNCROSS, CLEAR = range(9)
KINDS = ("submit", "market", "rest", "cancel", "amend", "ahead", "thin", "uncross", "clear")

BOOKS = ((2_048, 192), SMALL)  # (levels, order slots) of the narrow and the wide book, in turn a batch each
BATCH = 4_096  # messages
FRESH = 16  # batches of one book between two that begin empty
SAMPLE = 32  # orders whose queue is looked at when a batch ends
SEATS = 4
LAG = 2_000  # orders of the same book that a message may look back
NEVER = 1 << 40  # orders from here on, and below 0, never were
START = 1_600_000_000_000_000_000  # ns UTC

MESSAGE = np.dtype(
    [
        ("time", "<i8"),  # ns UTC
        ("number", "<i8"),  # place in the stream; an order is known by it
        ("ref", "<i8"),  # number of the order that a CANCEL, AMEND or AHEAD names
        ("price", "<i4"),  # level index; the new base of a CLEAR, the reference of an UNCROSS
        ("size", "<i4"),  # lots
        ("u", "<f4"),  # [0, 1) in 1/1024, so that its powers are exact on every machine
        ("kind", "<i4"),  # SUBMIT, ...
        ("type", "<i4"),  # DAY, ... of a SUBMIT; the cancel model of a THIN
        ("stp", "<i4"),  # self-trade prevention; the exponent of a THIN
        ("owner", "<i4"),
        ("side", "<i4"),
    ]
)


@dataclass(frozen=True)
class Regime:
    """One way for a market to be. `mix` weighs the kinds from SUBMIT to THIN."""

    behind: int  # levels, how far from the centre an order may stand
    over: int  # levels, how far beyond the centre it may reach
    largest: int  # lots
    step: int  # levels, furthest that the centre moves at a message
    moves: float  # share of messages at which it moves
    lag: int  # orders of this book that a message looks back, at most
    mix: tuple[int, ...]


REGIMES = (
    Regime(4, 1, 200, 1, 0.01, 40, (40, 6, 0, 38, 6, 3, 7)),  # thick: few levels, long queues
    Regime(40, 6, 20, 1, 0.2, 100, (48, 6, 0, 34, 6, 2, 4)),  # thin
    Regime(800, 60, 50, 5, 0.1, LAG, (55, 1, 0, 32, 6, 2, 4)),  # sparse
    Regime(12, 8, 1_000, 4, 0.8, 60, (48, 5, 0, 34, 6, 2, 5)),  # drifting fast
    Regime(20, 10, 30, 2, 0.4, 100, (70, 2, 0, 18, 6, 2, 2)),  # filling the book up
    Regime(2, 2, 5, 1, 0.02, 10, (30, 20, 0, 30, 10, 5, 5)),  # nervous
)
CALL = Regime(30, 30, 100, 1, 0.05, 100, (0, 0, 58, 26, 8, 3, 5))


class Stream:
    """Batches of a seeded stream of `count` messages: iterate for (book index, (n,) MESSAGE)."""

    def __init__(self, count: int, seed: int):
        self.count, self.random = count, generator(seed, "conformance fuzz")

    def __iter__(self) -> "Stream":
        self.batch = 0
        self.centre = [levels // 2 for levels, _ in BOOKS]
        self.resting = [np.zeros(0, np.int64) for _ in BOOKS]  # numbers of the last messages that may have rested
        return self

    def __next__(self) -> tuple[int, np.ndarray]:
        first = self.batch * BATCH
        if first >= self.count:
            raise StopIteration
        book, turn = self.batch % len(BOOKS), self.batch // len(BOOKS)
        messages = np.zeros(BATCH, MESSAGE)
        messages["number"] = first + np.arange(BATCH)
        messages["time"] = START + messages["number"] // 2 * 100  # two at each instant
        at = 0
        while at < BATCH - SAMPLE:
            end = min(BATCH - SAMPLE, at + int(self.random.integers(60, 1_200)))
            self._segment(messages[at:end], book)
            at = end
        messages["kind"][at:] = AHEAD
        messages["ref"][at:] = self._refs(messages[at:], book, LAG)
        if turn % FRESH == 0:
            messages[0] = (messages["time"][0], first, -1, self.random.integers(0, 5_000), 0, 0, CLEAR, 0, 0, 0, 0)
        self.batch += 1
        return book, messages[: self.count - first]

    def _refs(self, rows: np.ndarray, book: int, lag: int) -> np.ndarray:
        """(n,) numbers of earlier messages of this book, of the last `lag` that may have rested; a few are strange."""
        count, before = len(rows), len(self.resting[book])
        rests = ((rows["kind"] == SUBMIT) & ((rows["type"] == DAY) | (rows["type"] == POST_ONLY))) | (
            rows["kind"] == REST
        )
        made = np.concatenate([self.resting[book], rows["number"][rests]])
        back = np.minimum(self.random.integers(1, lag + 1, count), self.random.integers(1, lag + 1, count))
        own = before + np.cumsum(rests) - rests - back
        number = made[np.maximum(own, 0)] if len(made) else np.full(count, NEVER)
        self.resting[book] = made[-LAG:]
        strange = self.random.integers(0, 100, count)
        number[strange == 0] = NEVER + self.random.integers(0, 1_000, count)[strange == 0]
        return np.where((own < 0) | (strange == 1), -self.random.integers(1, 1_000, count), number)

    def _segment(self, rows: np.ndarray, book: int) -> None:
        """Fill messages of one regime in."""
        random, count, levels = self.random, len(rows), BOOKS[book][0]
        call = random.random() < 0.1
        regime = CALL if call else REGIMES[random.integers(len(REGIMES))]
        if random.random() < 0.3:  # to the middle of the book or to one of its edges
            self.centre[book] = (0, levels // 2, levels // 2, levels // 2, levels - 1)[random.integers(5)]
        walk = random.integers(-regime.step, regime.step + 1, count) * (random.random(count) < regime.moves)
        centre = np.clip(self.centre[book] + np.cumsum(walk), 0, levels - 1)
        self.centre[book] = int(centre[-1])

        bounds = np.cumsum(regime.mix)
        kind = np.searchsorted(bounds, random.integers(0, bounds[-1], count), side="right")
        side = random.integers(BID, ASK + 1, count)
        off = random.integers(-regime.over, regime.behind + 1, count)
        price = centre + np.where(side == BID, -off, off)
        price[kind == MARKET] = np.where(side == BID, levels - 1, 0)[kind == MARKET]
        within = (kind == REST) | (kind == THIN)  # the venue has checked these before they reach the book
        size = 1 + random.integers(0, regime.largest, count)
        size = np.where(random.random(count) < 0.02, size * 200, size)  # sweeps
        size = np.where((kind != REST) & (random.random(count) < 0.02), -random.integers(0, 3, count), size)
        types = np.array((DAY, DAY, DAY, DAY, DAY, IOC, FOK, POST_ONLY))[random.integers(0, 8, count)]

        rows["kind"], rows["side"], rows["size"] = kind, side, size
        rows["price"] = np.where(within, np.clip(price, 0, levels - 1), price)
        rows["u"] = random.integers(0, 1_024, count) / 1_024
        rows["owner"] = np.where(random.random(count) < 0.6, CROWD, random.integers(1, SEATS + 1, count))
        thin = kind == THIN
        rows["type"] = np.where(thin, random.integers(BACK, FRONT + 1, count), np.where(kind == MARKET, IOC, types))
        rows["stp"] = np.where(thin, random.integers(1, 5, count), random.integers(STP_OFF, 3, count))
        if call:
            rows["kind"][-1], rows["price"][-1] = UNCROSS, random.integers(-10, levels + 10)
        rows["ref"] = self._refs(rows, book, regime.lag)
