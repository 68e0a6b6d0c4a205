"""The engine and the reference book play the same random messages; whatever comes out of them must be equal."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lobarena.benchmarks.fuzz_engine import FILLED, NAMED, OUTCOME, RESTING, RING, play, walk
from lobarena.benchmarks.fuzz_stream import (
    AHEAD,
    AMEND,
    BOOKS,
    CANCEL,
    CLEAR,
    KINDS,
    MARKET,
    REST,
    SUBMIT,
    THIN,
    UNCROSS,
    Stream,
)
from lobarena.benchmarks.reference import ReferenceBook
from lobarena.sim.book import new_book
from lobarena.sim.types import ACCEPTED, BOOK_FULL, NONE, REFUSALS

LEVEL = np.dtype([(name, "<i8") for name in ("side", "price", "size", "seats")])
TYPES = ("day", "ioc", "fok", "post-only")
MODELS = ("back", "pro rata", "power", "front")
TRIALS = 400  # runs that the search for a short list of messages may take

State = tuple[np.ndarray, np.ndarray, np.ndarray]  # (3,) best bid, best ask, orders; (k,) LEVEL; (n,) RESTING
Played = tuple[np.ndarray, np.ndarray]  # (n,) OUTCOME, (k,) FILLED


class Engine:
    """The compiled book and what its ids stand for."""

    def __init__(self, size: tuple[int, int]):
        self.book, self.slots = new_book(size), size[1]
        self.ring, self.names = np.full(RING, NONE, NAMED), np.full(self.slots, NONE, NAMED)

    def play(self, messages: np.ndarray) -> Played:
        """Everything that comes of a batch of messages."""
        outcomes = np.zeros(len(messages), OUTCOME)
        fills = np.zeros(self.slots + 2 * len(messages), FILLED)  # each ends a maker or the taker
        written = play(self.book, messages, outcomes, fills, self.ring, self.names)
        return outcomes, fills[:written]

    def state(self) -> State:
        """The whole book, levels from the lowest bid to the highest ask."""
        record = self.book[0]
        level = record["level"]
        occupied = np.flatnonzero(level["size"])
        levels, rows = np.zeros(len(occupied), LEVEL), np.zeros(self.slots, RESTING)
        levels["side"], levels["price"] = np.divmod(occupied, len(level) // 2)
        levels["size"], levels["seats"] = level["size"][occupied], level["seats"][occupied]
        count = int(walk(self.book, occupied, self.names, rows))
        return np.array([*record["best"], record["resting"]]), levels, rows[: max(count, 0)]


class Reference:
    """The reference book, fed the same way."""

    def __init__(self, size: tuple[int, int]):
        self.book = ReferenceBook(*size)

    def play(self, messages: np.ndarray) -> Played:
        """Everything that comes of a batch of messages."""
        book, outcomes = self.book, []
        fills = book.fills = []
        for time, number, ref, price, size, u, kind, kind_of, stp, owner, side in messages.tolist():
            book.time, first, rests, result = time, len(fills), NONE, 0
            if kind in (SUBMIT, MARKET):
                rests, result = book.submit(number, owner, side, price, size, kind_of, stp)
            elif kind == CANCEL:
                result = book.cancel(ref)
            elif kind == REST:
                rests = book.rest(number, owner, side, price, size)
            elif kind == AMEND:
                result = int(book.amend(ref, size))
            elif kind == AHEAD:
                result = book.ahead(ref)
            elif kind == THIN:
                result = book.thin(side, price, size, u, kind_of, stp)
            elif kind == UNCROSS:
                result = book.uncross(price)
            else:
                book.clear(price)
            traded = len(fills) - first
            outcomes.append((traded, rests, result, sum([fill[4] for fill in fills[first:]]) if traded else 0))
        return _rows(outcomes, OUTCOME), _rows(fills, FILLED)

    def state(self) -> State:
        """The whole book, levels from the lowest bid to the highest ask."""
        best, levels, orders = self.book.state()
        return np.array(best), _rows(levels, LEVEL), _rows(orders, RESTING)


def _rows(rows: Any, dtype: "np.dtype[Any]") -> np.ndarray:
    """Equal tuples of numbers as records; numpy makes a plain matrix of them twice as fast."""
    width = len(dtype.names or ())
    return np.array(rows, np.int64).reshape(-1, width).view(dtype).reshape(-1)


@dataclass
class Difference:
    """Where the two went apart, and what each says."""

    number: int  # of the message, from 0
    message: str
    what: str
    engine: str
    reference: str
    book: tuple[int, int] = (0, 0)  # levels, slots
    steps: list[str] = field(default_factory=list)  # messages that show it in an empty book; empty: not found


@dataclass
class Report:
    """What a fuzz run found."""

    messages: int
    seed: int
    digest: str  # SHA-256 of the messages, all outcomes, fills and states
    fills: int
    lots: int
    counts: dict[str, dict[str, int]]  # kind of message -> outcome -> messages
    difference: Difference | None = None


def fuzz(count: int, seed: int, tell: Callable[[int], None] = lambda played: None) -> Report:
    """Play `count` messages into both; `tell` hears how many have been played after each batch."""
    digest, counts = hashlib.sha256(), Counter[tuple[str, str]]()
    pairs = [(Engine(size), Reference(size)) for size in BOOKS]
    history: list[list[np.ndarray]] = [[] for _ in BOOKS]  # since the book was empty
    report = Report(0, seed, "", 0, 0, {})
    for index, messages in Stream(count, seed):
        if messages["kind"][0] == CLEAR:
            history[index].clear()
        history[index].append(messages)
        (outcomes, fills), state, difference = _meet(*pairs[index], messages)
        report.messages += len(messages)
        if difference:
            report.difference = _shrunk(np.concatenate(history[index]), BOOKS[index], difference)
            break
        for part in (messages, outcomes, fills, *state):
            digest.update(np.ascontiguousarray(part).tobytes())
        report.fills += len(fills)
        report.lots += int(fills["size"].sum())
        counts.update(_count(messages, outcomes))
        tell(report.messages)
    report.digest = digest.hexdigest()
    for (kind, outcome), number in sorted(counts.items(), key=lambda item: (item[0][0], -item[1])):
        report.counts.setdefault(kind, {})[outcome] = number
    return report


def _meet(engine: Engine, reference: Reference, messages: np.ndarray) -> tuple[Played, State, Difference | None]:
    """Play a batch into both: the engine's outcomes and state, and the first difference."""
    ours, theirs = engine.play(messages), reference.play(messages)
    state = engine.state()
    return ours, state, _outcomes(messages, ours, theirs) or _states(messages, state, reference.state())


def _outcomes(messages: np.ndarray, ours: Played, theirs: Played) -> Difference | None:
    """The first message whose outcome or fills differ."""
    rows = np.flatnonzero(ours[0] != theirs[0])
    row = int(rows[0]) if len(rows) else len(messages)
    shared = min(len(ours[1]), len(theirs[1]))
    trades = np.flatnonzero(ours[1][:shared] != theirs[1][:shared])
    trade = int(trades[0]) if len(trades) else shared
    trader = int(np.searchsorted(np.cumsum(ours[0]["fills"]), trade, side="right")) if len(trades) else len(messages)
    if min(row, trader) == len(messages):
        return None
    if trader < row:
        return _difference(messages[trader], "fill", _text(ours[1][trade]), _text(theirs[1][trade]))
    return _difference(messages[row], "outcome", *(_told(row, side) for side in (ours, theirs)))


def _told(row: int, side: Played) -> str:
    """The outcome of a message with its fills."""
    end = int(side[0]["fills"][: row + 1].sum())
    fills = side[1][end - int(side[0]["fills"][row]) : end]
    return " | ".join([_text(side[0][row]), *(_text(fill) for fill in fills[:10])])


def _states(messages: np.ndarray, ours: State, theirs: State) -> Difference | None:
    """The first row of the two states that differs."""
    for what, one, other in zip(("best bid, best ask, orders", "level", "resting order"), ours, theirs, strict=True):
        if np.array_equal(one, other):
            continue
        shared = min(len(one), len(other))
        at = int(np.flatnonzero(np.append(one[:shared] != other[:shared], True))[0])
        if one.dtype.names is None:
            return _difference(messages[-1], what, str(one.tolist()), str(other.tolist()))
        said = (_text(side[at]) if at < len(side) else "none" for side in (one, other))
        return _difference(messages[-1], f"{what} {at} after this message", *said)
    return None


def _difference(message: np.void, what: str, engine: str, reference: str) -> Difference:
    return Difference(int(message["number"]), describe(message), what, engine, reference)


def _text(row: np.void) -> str:
    return ", ".join(f"{name} {row[name]}" for name in row.dtype.names or ())


def describe(message: np.void) -> str:
    """A message as it can be typed again."""
    kind, side = int(message["kind"]), "buy" if message["side"] == 0 else "sell"
    price, size, stp = (int(message[name]) for name in ("price", "size", "stp"))
    words = f"#{message['number']} {KINDS[kind]}"
    if kind in (SUBMIT, MARKET, REST):
        how = f" {TYPES[message['type']]}, stp {stp}," if kind != REST else ""
        return f"{words}{how} owner {message['owner']}, {side} {size} at level {price}"
    if kind == THIN:
        how = f"{MODELS[message['type']]}, u {message['u']}, power {stp}"
        return f"{words} {size} crowd lots of the {side}ers at level {price}, {how}"
    if kind in (CANCEL, AMEND, AHEAD):
        return f"{words} order #{message['ref']}" + (f" to {size}" if kind == AMEND else "")
    return f"{words}, {'base' if kind == CLEAR else 'reference'} {price}"


def _shrunk(history: np.ndarray, size: tuple[int, int], found: Difference) -> Difference:
    """The difference with its exact message, and with few messages that show it in an empty book, where found."""
    found.book = size

    def differs(messages: np.ndarray) -> Difference | None:
        return _meet(Engine(size), Reference(size), messages)[2]

    if not differs(history):
        return found
    good, bad = 0, len(history)  # messages from the beginning: equal, different
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if differs(history[:middle]) else (middle, bad)
    first, short = history[:bad], history[:bad]
    chunk, trials = bad // 2, 0
    while chunk and trials < TRIALS:
        at, before = 0, len(short)
        while at < len(short) and trials < TRIALS:
            less, trials = np.delete(short, slice(at, at + chunk)), trials + 1
            if len(less) and differs(less):
                short = less
            else:
                at += chunk
        chunk = chunk // 2 if chunk > 1 or len(short) == before else chunk
    exact = differs(first) or found
    exact.book, exact.steps = size, [describe(message) for message in short]
    return exact


def _count(messages: np.ndarray, outcomes: np.ndarray) -> Counter[tuple[str, str]]:
    """(kind, outcome) -> messages."""
    kind, result, lots = messages["kind"], outcomes["result"], outcomes["lots"]
    named = np.choose(kind, [messages["type"], 0, 0, 0, 0, 0, messages["type"], 0, 0])
    rests = outcomes["rests"] != NONE
    orders = np.where(result != ACCEPTED, result, 20 + rests + 2 * (lots > 0) + 4 * (lots == messages["size"]))
    other = np.where(result > 0, 41, 40)
    code = np.select(
        [
            kind <= MARKET,
            kind == REST,
            kind == THIN,
            kind == CLEAR,
            (kind == AHEAD) | (kind == UNCROSS),
        ],
        [
            orders,
            np.where(rests, 21, BOOK_FULL),
            np.where(result > 0, 43 + (result == messages["size"]), 42),
            46,
            47 + (result >= 0),
        ],
        other,
    )
    found: Counter[tuple[str, str]] = Counter()
    for packed, number in zip(*np.unique((kind * 10 + named) * 100 + code, return_counts=True), strict=True):
        which, what = divmod(int(packed), 100)
        which, sort = divmod(which, 10)
        name = KINDS[which] + {SUBMIT: f" {TYPES[sort]}", THIN: f" {MODELS[sort]}"}.get(which, "")
        found[name, OUTCOMES[what]] += int(number)
    return found


OUTCOMES = REFUSALS | {
    20: "gone unfilled",
    21: "rests",
    22: "filled in part, the rest is gone",
    23: "filled in part, the rest rests",
    26: "filled",
    40: "nothing to do",
    41: "done",
    42: "no crowd lots",
    43: "all crowd lots there",
    44: "done",
    46: "done",
    47: "nothing there",
    48: "done",
}
