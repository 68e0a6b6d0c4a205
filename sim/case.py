"""The records of a batch: one environment, one learner in it, and where everything lies."""

import numpy as np

from lobarena.data.schema import EVENT, SNAPSHOT
from lobarena.sim.blocks import LAYOUT, ROW
from lobarena.sim.features import MEMORY
from lobarena.sim.minds import MIND
from lobarena.sim.place import at, rows_at
from lobarena.sim.rewards import WEIGHTS
from lobarena.sim.types import MAX_SEATS, OBSERVATION

ACCOUNT = ("wealth", "fees", "map", "lots")  # currency, currency, lots, lots traded in this step

CASE = np.dtype(
    [
        ("events", "u8"),  # address of the day's events
        ("count", "i8"),  # of them
        ("snapshots", "u8"),
        ("ids", "u8"),
        ("seats", "i4", (MAX_SEATS,)),  # of each learner
        ("who", "i4", (MAX_SEATS + 1,)),  # the learner in each seat; -1 none
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
        ("accounts", "u8"),  # (ACCOUNT, n, k) f8
        ("positions", "u8"),  # (n, k) i8
        ("out", "u8"),  # (n, k) bool
        ("times", "u8"),  # (n,) i8
        ("n", "i8"),  # environments
        ("k", "i8"),  # learners of an environment
        ("features", "i8"),
        ("depth", "i8"),  # looks of the history
        ("queues", "i8"),  # 1: the observation shows queue positions
        ("action", "i4"),  # kind
        ("order_size", "i8"),  # lots
        ("thinking_ns", "i8"),
        ("weights", WEIGHTS),
    ],
    align=True,
)


deck_at = at(DECK)
events_at, snapshots_at, ids_at = rows_at(EVENT), rows_at(SNAPSHOT), rows_at("i8")
cases_at, learners_at, minds_at = rows_at(CASE), rows_at(LEARNER), rows_at(MIND)
numbers_at, times_at, layout_at, features_at = rows_at("f8"), rows_at("i8"), rows_at(LAYOUT), rows_at("f4")
history_at, flags_at = rows_at("f4", len(ROW)), rows_at("u1")
