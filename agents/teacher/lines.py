"""A day as lines of whole numbers, one a second, and which stretch of them each second is read in.

A line tells what came since the line before: of its second's last look alone and of those before. Runs are looks
without a pause; a second without a look inside a run has a line too (nothing moved), but is no window.
"""

import tomllib
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.agents.llm import prompt
from lobarena.agents.llm.answer import LlmError

COLUMNS = ("move", "flow", "trade", "spread", "bid_size", "ask_size", "micro", "volume")
FOLDER = prompt.FOLDER / "streams"
DEFAULT = "stream-1"
CONTEXT = 16  # lines at the beginning of a chunk that are read only for what follows them
CHUNK = 64  # lines of a chunk at most; the next one begins CHUNK - CONTEXT lines later
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Style:
    """One version of how a market is written."""

    name: str
    system: str  # stands before the lines
    columns: tuple[str, ...]  # of COLUMNS, in the order of a line
    signed: frozenset[str]  # columns that show their sign

    def line(self, row: np.ndarray) -> str:
        """Text of one line, its end included. row: (COLUMNS,) whole numbers."""
        told = dict(zip(COLUMNS, row.tolist(), strict=True))
        return " ".join(f"{told[name]:+d}" if name in self.signed else str(told[name]) for name in self.columns) + "\n"


@lru_cache
def style(name: str) -> Style:
    """A version by its name; LlmError lists those there are."""
    known = sorted(path.stem for path in Path(FOLDER).glob("*.toml"))
    if name not in known:
        raise LlmError(f"no stream {name!r}; there are {', '.join(known)}")
    told: dict[str, Any] = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    made = Style(name, told["system"], tuple(told["columns"]), frozenset(told["signed"]))
    assert set(made.columns) <= set(COLUMNS)
    assert made.signed <= set(made.columns)
    return made


@dataclass(frozen=True, eq=False)
class Lines:
    """The m lines of a day."""

    rows: np.ndarray  # (m, COLUMNS) i8
    look: np.ndarray  # (m,) i8 index into the day's looks of the last one known at the end of the line
    fresh: np.ndarray  # (m,) bool: the look is of the line's own second
    start: np.ndarray  # (m,) i8 the first line of its run
    second: np.ndarray  # (m,) i8 s UTC

    def windows(self, stride: int = 1) -> np.ndarray:
        """(n,) i8 looks that have features: CONTEXT lines before them, every `stride` seconds."""
        far = np.arange(len(self.look)) - self.start >= CONTEXT
        return np.asarray(self.look[self.fresh & far & (self.second % stride == 0)])

    def places(self, looks: np.ndarray) -> np.ndarray:
        """(n,) i8 lines of looks of `windows`; ValueError for others."""
        fresh = np.flatnonzero(self.fresh)
        known = self.look[fresh]
        at = np.minimum(np.searchsorted(known, looks), max(0, len(known) - 1))
        if len(looks) and not (len(known) and np.array_equal(known[at], looks)):
            raise ValueError("rows that end no second of this day; take them from Lines.windows")
        places = fresh[at]
        if (places - self.start[places] < CONTEXT).any():
            raise ValueError(f"rows with less than {CONTEXT} lines before them; take them from Lines.windows")
        return places

    def chunks(self, places: np.ndarray) -> np.ndarray:
        """(n,) i8 the line that each line's chunk begins with; the same whatever else is asked for."""
        step = CHUNK - CONTEXT
        into = places - self.start[places]
        return np.asarray(self.start[places] + (into - CONTEXT) // step * step)


def lines_of(seen: np.ndarray, place: np.ndarray) -> Lines:
    """The lines of a day.

    seen : (n,) OBSERVATION in order; place : (n,) i8 looks in a row up to each, 0 where it cannot be read
    """
    begins = np.flatnonzero(place == 1)
    parts, lines = [], 0
    for begin in begins.tolist():
        after = np.flatnonzero(place[begin + 1 :] <= 1)
        end = begin + 1 + int(after[0]) if len(after) else len(place)
        parts.append(_run(seen[begin:end], begin, lines))
        lines += len(parts[-1].look)
    if not parts:
        none = np.zeros(0, np.int64)
        return Lines(np.zeros((0, len(COLUMNS)), np.int64), none, none.astype(bool), none, none)
    return Lines(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Lines)))


def _run(seen: np.ndarray, begin: int, lines: int) -> Lines:
    """Lines of looks without a pause, the first of them the day's look `begin`, after so many lines of other runs."""
    second = seen["published"] // _SECOND
    seconds = np.arange(second[0], second[-1] + 1)
    last = np.searchsorted(second, seconds, "right") - 1
    bid, ask = seen["bid"][:, 0].astype(np.int64), seen["ask"][:, 0].astype(np.int64)
    bids, asks = seen["bid_size"][:, 0].astype(np.int64), seen["ask_size"][:, 0].astype(np.int64)
    came = np.where(bid[1:] >= bid[:-1], bids[1:], 0) - np.where(bid[1:] <= bid[:-1], bids[:-1], 0)
    went = np.where(ask[1:] <= ask[:-1], asks[1:], 0) - np.where(ask[1:] >= ask[:-1], asks[:-1], 0)
    lots = np.maximum(0, np.diff(seen["volume"]))
    paid = np.diff(seen["turnover"]) / np.maximum(lots, 1)
    mid, half = (bid + ask)[:-1] / 2, np.maximum(1, (ask - bid)[:-1]) / 2
    signed = np.clip((paid - mid) / half, -1, 1) * lots

    def since(parts: np.ndarray) -> np.ndarray:
        """What came between the last looks of two lines, the first of which has none before it."""
        total = np.concatenate([[0], np.cumsum(parts)])[last]
        return np.diff(total, prepend=0)

    micro = (bids - asks) / (bids + asks) * (ask - bid) / 2
    told = {
        "move": since(np.diff(bid + ask)),
        "flow": since(came - went),
        "trade": since(signed),
        "spread": (ask - bid)[last],
        "bid_size": bids[last],
        "ask_size": asks[last],
        "micro": 10 * micro[last],
        "volume": since(lots),
    }
    return Lines(
        rows=np.stack([np.rint(told[name]).astype(np.int64) for name in COLUMNS], axis=1),
        look=begin + last,
        fresh=second[last] == seconds,
        start=np.full(len(last), lines),
        second=seconds,
    )
