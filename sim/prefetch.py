"""Of thousands of environments none stays in the processor's cache: what the next ones begin with is asked for early.

Three steps, each from what the one before has brought: a venue's lines and the head of its book; the levels about the
best prices; the first orders of their queues. Nothing is read that is not there, and nothing depends on it.
"""

from typing import Any

import numpy as np

from lobarena.data.schema import ASK, BID
from lobarena.sim._jit import kernel
from lobarena.sim.place import fetch
from lobarena.sim.state import IMAGE, KEY, MESSAGE, WORK
from lobarena.sim.types import LEVEL, NONE, ORDER

MANY = 64  # environments from which on it pays
_LINE = 64  # bytes
_ORDER, _LEVEL = ORDER.itemsize, LEVEL.itemsize
_NEAR = 3  # levels a side


def hot(venue: "np.dtype[Any]") -> np.ndarray:
    """(m,) i8 places in a venue's record, a line apart, that a step of one seat touches."""
    fields: Any = venue.fields
    kind = fields["seat"][0].base
    seat, of_seat = fields["seat"][1] + kind.itemsize, kind.fields
    images = seat + of_seat["images"][1]
    spans = (
        (0, fields["heap"][1] + 8 * KEY.itemsize),
        (fields["letter"][1], fields["letter"][1] + 8 * MESSAGE.itemsize),
        (fields["free"][1], fields["spare"][1] + _LINE),
        (fields["mark"][1], fields["mark"][1] + 1),
        (fields["owed_span"][1], fields["owed_span"][1] + 32),
        (seat, seat + of_seat["stretch"][1]),
        (seat + of_seat["position"][1], seat + of_seat["work"][1] + 6 * WORK.itemsize),
        (seat + of_seat["rows"][1], images + 2 * IMAGE.itemsize),
    )
    return np.array([at for first, end in spans for at in range(first, end, _LINE)], np.int64)


@kernel
def fetch_venue(address, places):
    """The lines `hot` of a venue."""
    for k in range(places.shape[0]):
        fetch(np.uint64(address + np.uint64(places[k])))


@kernel
def fetch_levels(address, book):
    """The levels about a book's best prices, their bits, and the slot that the next order takes."""
    slots, levels = book["orders"].shape[0], book["level"].shape[0] // 2
    level = address + np.uint64(_ORDER * slots)
    bits = level + np.uint64(_LEVEL * 2 * levels)
    for side in range(2):
        best = np.int64(book["best"][side])  # outside the book when the side is empty
        at = (levels if side == ASK else 0) + (best if 0 <= best < levels else 0)
        fetch(np.uint64(bits + np.uint64(at >> 3)))
        for line in range(_NEAR):
            away = line * (_LINE if side == ASK else -_LINE)
            fetch(np.uint64(level + np.uint64(max(0, _LEVEL * at + away))))
    free = np.int64(book["free"])
    fetch(np.uint64(address + np.uint64(_ORDER * (free if free != NONE else 0))))


@kernel
def fetch_orders(address, book):
    """The first orders of the queues at a book's best prices."""
    level = book["level"]
    levels = level.shape[0] // 2
    for side in range(2):
        best = np.int64(book["best"][side])
        for away in range(_NEAR):
            x = best - away if side == BID else best + away
            if 0 <= x < levels:
                head = np.int64(level[x if side == BID else levels + x]["head"])
                if head != NONE:
                    fetch(np.uint64(address + np.uint64(_ORDER * head)))
