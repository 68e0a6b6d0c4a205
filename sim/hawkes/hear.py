"""What a trade does to a living crowd's mood, whoever made it: it excites, and moves the reference price."""

import numpy as np

from lobarena.data.schema import BID
from lobarena.sim._jit import kernel
from lobarena.sim.hawkes.traits import HEAVIEST, TAKE


@kernel
def hear(venue, side, lots):
    """A seat's aggressor of `side` traded so many lots; where no crowd lives nobody hears.

    It moves the reference price in proportion to its lots, a mean order as the crowd's own does: where impact for good
    is not linear, a round trip in unequal pieces pays (Huberman & Stanzl 2004), and a learner would find it.
    """
    traits = venue["traits"]
    if venue["stir"] > 0 and lots > 0:
        excite(venue, TAKE, side, min(HEAVIEST, lots / traits["take_mean"]))
        step = traits["impact"] * lots / np.sqrt(traits["take_mean"])
        venue["mood"]["shift"] += step if side == BID else -step


@kernel
def excite(venue, kind, side, weight):
    """An event of `kind` (TAKE, NEAR, CANCEL) and `side` raises the rates of all kinds on both sides."""
    mood, traits = venue["mood"], venue["traits"]
    fade(mood, traits, venue["now"])
    for excited in range(3):
        for other in range(2):
            towards = side if other == 0 else 1 - side
            for speed in range(2):
                mood["excited"][excited, towards, speed] += weight * traits["excite"][excited, kind, other, speed]


@kernel
def move(venue, side, lots):
    """The reference price follows the crowd's own market order by the root of its lots (concave; our formulation)."""
    step = venue["traits"]["impact"] * np.sqrt(np.float64(lots))
    venue["mood"]["shift"] += step if side == BID else -step


@kernel
def fade(mood, traits, now):
    """Excitement fades from its last moment to now (ns UTC).

    An exponential by its series up to the square, in the denominator: plain arithmetic, always positive, and exact to
    the third order of a step, which is short because candidates are many.
    """
    seconds = (now - mood["time"]) * 1e-9 * mood["pace"]
    mood["time"] = now
    for speed in range(2):
        x = traits["fade"][speed] * seconds
        kept = 1.0 / (1.0 + x + 0.5 * x * x)
        for kind in range(3):
            for side in range(2):
                mood["excited"][kind, side, speed] *= kept
