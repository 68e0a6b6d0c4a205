"""A whole decision as one kernel: a raw look -> its numbers -> students and gate -> forecast -> quotes.

The readable forms are `windows.numbers`, `student`, `mixture` and `agents.forecast`; tests hold all equal.
"""

import math

import numpy as np

from lobarena.agents.distill.fused import Y, begin, foretell
from lobarena.agents.windows.numbers import STATE, read
from lobarena.agents.windows.units import UNITS
from lobarena.sim._jit import kernel
from lobarena.sim.minds import quote, volatility
from lobarena.sim.place import at
from lobarena.sim.types import OBSERVATION

NOTHING, SHORT, QUOTED, WILD = range(4)  # no mid; history too short; quotes; a forecast that is no finite price
_MOST = 1e15  # ticks; what lies beyond is no price
_LONGEST = 20.0  # log(1 + lots) at which a volume is cut

MARKET = np.dtype(
    [
        ("state", STATE),
        ("units", UNITS),
        ("scales", "f8", (Y, 2)),  # of the targets, as windows.day
        ("least", "i8"),  # looks that are read before the first quotes
        ("largest", "i8"),  # lots of a quote
        ("gamma", "f8"),  # the rule, as agents.forecast.Rule
        ("tau_s", "f8"),
        ("kappa_s", "f8"),
        ("kappa_c", "f8"),
        ("kappa_v", "f8"),
        ("order_size", "i8"),  # lots of the quotes now; these five as sim.minds has them
        ("limit", "i8"),
        ("sigma", "f8"),  # ticks a root second
        ("seen", "i8"),  # ns
        ("mid", "f8"),  # ticks
    ],
    align=True,
)
_look_at, _market_at = at(OBSERVATION), at(MARKET)


@kernel
def decide(look, market, sizes, scaling, weights, memory, numbers, told, target):
    """One decision; NOTHING, SHORT, QUOTED or WILD.

    look, market : addresses of an OBSERVATION and a MARKET, which is brought up to it
    numbers : (COUNT,) f4 to write into; sizes to memory as `fused.foretell`
    told : (4,) f8 move (ticks), spread (ticks), volume (lots), confidence; target : (2, 1, 2) i8 ticks and lots a side
    """
    return _decide(_look_at(look), _market_at(market), sizes, scaling, weights, memory, numbers, told, target)


@kernel
def decide_all(looks, market, sizes, scaling, weights, memory, numbers, told, targets, found):
    """The decisions of an episode whose looks do not depend on them: (n,) OBSERVATION -> (n, 4), (n, 2, 1, 2), (n,)."""
    for k in range(looks.shape[0]):
        found[k] = _decide(looks[k], _market_at(market), sizes, scaling, weights, memory, numbers, told[k], targets[k])


@kernel
def _decide(o, m, sizes, scaling, weights, memory, numbers, told, target):
    target[0, 0, 1] = target[1, 0, 1] = 0
    if not read(o, m["state"], m["units"], numbers):
        return NOTHING
    if m["state"]["looks"] == 1:
        begin(sizes, memory)
    foretell(numbers, sizes, scaling, weights, memory, told)
    mid = (o["bid"][0] + o["ask"][0]) / 2
    sigma = volatility(m, o["published"], mid)
    if m["state"]["looks"] < m["least"]:
        return SHORT
    scales, inventory = m["scales"], np.int64(o["position"])
    for y in range(Y):
        told[y] = told[y] * scales[y, 1] + scales[y, 0]
    if not abs(told[0]) + abs(told[1]) + abs(told[2]) < _MOST:
        return WILD
    told[1] = max(0.0, told[1])
    told[2] = max(0.0, math.expm1(min(told[2], _LONGEST)))
    centre = mid + told[0] - m["gamma"] * sigma * sigma * m["tau_s"] * inventory
    half = max(0.5, m["kappa_s"] * told[1] / 2 + m["kappa_c"] * (1 - told[3]))
    if not abs(centre) + half < _MOST:
        return WILD
    m["order_size"] = np.int64(min(max(m["kappa_v"] * told[2], 1.0), np.float64(m["largest"])))
    quote(m, o, inventory, np.int64(math.floor(centre - half)), np.int64(math.ceil(centre + half)), target)
    return QUOTED
