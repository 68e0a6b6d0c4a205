"""The records of a batch: one environment, one learner in it, and where everything lies.

A batch hands its kernel addresses: an array of so large a record, given to a kernel from Python, costs microseconds.
"""

import ctypes
from typing import Any

import numpy as np
from numba import config, from_dtype, types
from numba.extending import intrinsic

from lobarena.data.schema import EVENT, SNAPSHOT
from lobarena.sim.blocks import LAYOUT, ROW
from lobarena.sim.features import MEMORY
from lobarena.sim.minds import MIND
from lobarena.sim.rewards import WEIGHTS
from lobarena.sim.state import venue_type
from lobarena.sim.types import LARGE, MAX_SEATS, OBSERVATION, SMALL, book_type

ACCOUNT = ("wealth", "position", "fees", "map", "lots")  # currency, lots, currency, lots, lots of this step

CASE = np.dtype(
    [
        ("events", "u8"),  # address of the day's events
        ("count", "i8"),  # of them
        ("snapshots", "u8"),
        ("ids", "u8"),
        ("seats", "i4", (MAX_SEATS,)),  # of each learner
        ("fresh", "i4"),  # 1: just begun, nothing is decided yet
        ("begun", "i4"),  # 1: this step's actions have been taken
        ("asked", "i4"),  # seat of Python that must decide; 0 none
        ("over", "i4"),  # 1: the episode is over
        ("fault", "i4"),  # what is wrong with an action
        ("lost", "i4"),  # messages or fills that found no room
    ],
    align=True,
)

LEARNER = np.dtype(
    [
        ("memory", MEMORY),
        ("look", OBSERVATION),  # as of the last step
        ("half_ticks", "i8"),  # marked wealth before fees, half-tick x lot, at the last step
        ("fees", "f8"),  # currency, likewise
        ("held", "i8"),  # sum of |position| over the looks
        ("looks", "i8"),
        ("waiting", "i4"),  # 1: asked to decide
        ("over", "i4"),  # 1: out of the market
        # of this step
        ("spread", "i8"),  # half-tick x lot captured against the mid
        ("closed", "i8"),  # likewise by the terminal liquidation
        ("closing_fees", "f8"),  # currency
        ("lots", "i8"),
    ],
    align=True,
)

DECK = np.dtype(
    [
        ("cases", "u8"),  # addresses: (n,) CASE
        ("learners", "u8"),  # (n, k) LEARNER
        ("minds", "u8"),  # (n, MAX_SEATS + 1) MIND
        ("actions", "u8"),  # (n, k, WIDTH) f8
        ("history", "u8"),  # (n, k, depth, ROW) f4
        ("layout", "u8"),  # (features,) LAYOUT
        ("observations", "u8"),  # (n, k, features) f4
        ("rewards", "u8"),  # (n, k) f8
        ("parts", "u8"),  # (n, k, PARTS) f8
        ("accounts", "u8"),  # (n, k, ACCOUNT) f8
        ("times", "u8"),  # (n,) i8
        ("k", "i8"),  # learners of an environment
        ("features", "i8"),
        ("depth", "i8"),  # looks of the history
        ("action", "i4"),  # kind
        ("order_size", "i8"),  # lots
        ("thinking_ns", "i8"),
        ("weights", WEIGHTS),
    ],
    align=True,
)


def _at(dtype: "np.dtype[Any]") -> Any:
    """A kernel function from an address to the record of that type that lies there."""
    if config.DISABLE_JIT:
        return lambda address: np.frombuffer(
            (ctypes.c_char * dtype.itemsize).from_address(int(address)), dtype, count=1
        )[0]
    record = from_dtype(dtype)

    @intrinsic  # type: ignore[misc]
    def at(_typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(record))

        return record(types.uint64), generate

    return at


def _rows_at(kind: Any, *shape: int) -> Any:
    """Likewise to a record whose one field "row" is an array; nobody allocates, or reads, more rows than there are."""
    row = np.dtype((kind, shape)) if shape else np.dtype(kind)
    return _at(np.dtype([("row", kind, (2**30 // row.itemsize, *shape))]))


book_at, venue_at = _at(book_type(*SMALL)), _at(venue_type(SMALL[0]))
large_book_at, large_venue_at = _at(book_type(*LARGE)), _at(venue_type(LARGE[0]))
deck_at = _at(DECK)
events_at, snapshots_at, ids_at = _rows_at(EVENT), _rows_at(SNAPSHOT), _rows_at("i8")
cases_at, learners_at, minds_at = _rows_at(CASE), _rows_at(LEARNER), _rows_at(MIND)
numbers_at, times_at, layout_at, features_at = _rows_at("f8"), _rows_at("i8"), _rows_at(LAYOUT), _rows_at("f4")
history_at = _rows_at("f4", len(ROW))
