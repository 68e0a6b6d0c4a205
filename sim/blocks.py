"""The named blocks that an observation is composed of: what each number is, its unit, its bounds and its scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from lobarena.sim.types import SEEN_LEVELS

FARTHEST = 50.0  # ticks at which distances are cut, and the distance of what is not there
LARGEST = 25.0  # likewise of log(1 + lots)
ALONE = -1.0  # log(1 + lots ahead) of an order that is not there

LAYOUT = np.dtype([("at", "i4"), ("low", "f4"), ("high", "f4"), ("scale", "f4")], align=True)


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of an observation: cut to its bounds, then divided by its scale."""

    name: str
    unit: str
    low: float
    high: float
    scale: float  # a typical size, by which the number is divided; our choice


def _levels(what: str, unit: str, low: float, high: float, scale: float) -> list[Feature]:
    return [Feature(what.format(k), unit, low, high, scale) for k in range(1, SEEN_LEVELS + 1)]


_TICKS, _LOTS = ("ticks", -FARTHEST, FARTHEST, 10.0), ("log(1 + lots)", 0.0, LARGEST, 5.0)
_AHEAD = ("log(1 + lots)", ALONE, LARGEST, 5.0)

QUEUES = "queue positions"
BLOCKS: dict[str, tuple[Feature, ...]] = {
    "levels": (  # distances from the mid; own orders are not in the book that a seat sees
        *_levels("bid {} distance", "ticks", 0.0, FARTHEST, 10.0),
        *_levels("bid {} size", *_LOTS),
        *_levels("ask {} distance", "ticks", 0.0, FARTHEST, 10.0),
        *_levels("ask {} size", *_LOTS),
    ),
    "imbalance": (  # (bid - ask) / (bid + ask) of the sizes
        Feature("imbalance of the best sizes", "1", -1.0, 1.0, 1.0),
        Feature("imbalance of all sizes seen", "1", -1.0, 1.0, 1.0),
    ),
    "order flow": (  # order-flow imbalance by the mean best size (Cont, Kukanov & Stoikov 2014)
        Feature("order flow", "mean best sizes", -1.0, 1.0, 1.0),
        Feature("order flow, memory 0.8", "mean best sizes", -1.0, 1.0, 1.0),
        Feature("volume since the last look", *_LOTS),
    ),
    "volatility": (
        Feature("mid move since the last look", "ticks", -FARTHEST, FARTHEST, 1.0),
        Feature("volatility, memory 0.98", "ticks a look", 0.0, FARTHEST, 1.0),
    ),
    "own orders": (  # the best working order of each side, as far as the seat knows
        Feature("own bid distance below the mid", *_TICKS),
        Feature("own bid size", *_LOTS),
        Feature("own bid lots ahead", *_AHEAD),
        Feature("own ask distance above the mid", *_TICKS),
        Feature("own ask size", *_LOTS),
        Feature("own ask lots ahead", *_AHEAD),
    ),
    QUEUES: (  # own lots at the prices of the `ladder` actions, and the lots ahead of the first
        *_levels("own bid size, place {}", *_LOTS),
        *_levels("own bid lots ahead, place {}", *_AHEAD),
        *_levels("own ask size, place {}", *_LOTS),
        *_levels("own ask lots ahead, place {}", *_AHEAD),
    ),
    "inventory": (Feature("position / limit", "1", -1.0, 1.0, 1.0),),
    "time left": (Feature("time left / length", "1", 0.0, 1.0, 1.0),),
}
HISTORY = "history window"  # the last looks, oldest first, zeros before the first; ROW numbers each
ROW: tuple[Feature, ...] = (
    Feature("mid move", "ticks", -FARTHEST, FARTHEST, 1.0),
    Feature("spread", "ticks", 0.0, FARTHEST, 10.0),
    Feature("order flow", "mean best sizes", -1.0, 1.0, 1.0),
    Feature("volume", *_LOTS),
    *_levels("bid {} size", *_LOTS),
    *_levels("ask {} size", *_LOTS),
)
DEFAULT = ("levels", "imbalance", "order flow", "volatility", "own orders", "inventory", "time left")

_ALL = tuple(feature for block in BLOCKS.values() for feature in block)
FIXED = len(_ALL)  # numbers of all blocks but the history
_FIRST = dict(zip(BLOCKS, np.cumsum([0, *(len(block) for block in BLOCKS.values())]).tolist(), strict=False))


def composed(blocks: Sequence[str], history: int) -> list[Feature]:
    """The numbers of an observation in order; ValueError names the nearest block or what a history needs."""
    known = [*BLOCKS, HISTORY]
    for name in blocks:
        if name not in known:
            near = get_close_matches(name, known, 1, 0.0)[0]
            raise ValueError(f"no observation block {name!r}; did you mean {near!r}? Known: {', '.join(known)}")
    if not blocks or len(set(blocks)) < len(blocks):
        raise ValueError("observation names no block, or one twice")
    if (HISTORY in blocks) != (history > 0) or history < 0:
        raise ValueError(f"history is {history} looks; give the block {HISTORY!r} and a positive number, or neither")
    found: list[Feature] = []
    for name in blocks:
        found += BLOCKS[name] if name != HISTORY else history * ROW
    return found


def layout(blocks: Sequence[str], history: int, normalise: bool) -> np.ndarray:
    """(F,) LAYOUT of an observation: place in the memory's numbers (then in the history), bounds and scale."""
    features = composed(blocks, history)
    rows = np.zeros(len(features), LAYOUT)
    places: list[int] = []
    for name in blocks:
        first, count = (FIXED, history * len(ROW)) if name == HISTORY else (_FIRST[name], len(BLOCKS[name]))
        places += range(first, first + count)
    rows["at"] = places
    rows["low"], rows["high"] = [f.low for f in features], [f.high for f in features]
    rows["scale"] = [f.scale if normalise else 1.0 for f in features]
    return rows
