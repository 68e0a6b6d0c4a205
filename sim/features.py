"""What the environment shows its learner of one look, as numbers of known bounds."""

import numpy as np

from lobarena.sim._jit import kernel
from lobarena.sim.types import SEEN_LEVELS

FEATURES: tuple[tuple[str, float, float], ...] = (  # name, lowest, highest; units in the environment's docstring
    *((f"bid {k} distance", 0.0, 100.0) for k in range(1, SEEN_LEVELS + 1)),
    *((f"bid {k} size", 0.0, 25.0) for k in range(1, SEEN_LEVELS + 1)),
    *((f"ask {k} distance", 0.0, 100.0) for k in range(1, SEEN_LEVELS + 1)),
    *((f"ask {k} size", 0.0, 25.0) for k in range(1, SEEN_LEVELS + 1)),
    ("imbalance", -1.0, 1.0),
    ("mid move", -100.0, 100.0),
    ("volume", 0.0, 25.0),
    ("volatility", 0.0, 100.0),
    ("position", -1.0, 1.0),
    ("own bid distance", -100.0, 100.0),
    ("own bid ahead", -1.0, 25.0),
    ("own ask distance", -100.0, 100.0),
    ("own ask ahead", -1.0, 25.0),
    ("time left", 0.0, 1.0),
)
LOWEST, HIGHEST = (np.array([feature[k] for feature in FEATURES], np.float32) for k in (1, 2))
ABSENT = 100.0  # distance of a level or an own order that is not there

MEMORY = np.dtype(
    [
        ("mid2", "i8"),  # ticks, bid + ask of the last look; 0 before the first
        ("volume", "i8"),  # lots at the last look
        ("variance", "f8"),  # ticks^2 an update: exponential mean of squared moves of the mid
    ]
)
_PAST = 0.98  # weight of the past in the variance


@kernel
def features(look, memory, lowest, highest, out):
    """Write the features of look[0], an OBSERVATION, into `out`, (30,) f4; memory[0], a MEMORY, moves on by a look."""
    o, m = look[0], memory[0]
    bid, ask = np.int64(o["bid"][0]), np.int64(o["ask"][0])
    bid_size, ask_size = np.int64(o["bid_size"][0]), np.int64(o["ask_size"][0])
    mid2 = m["mid2"]  # an empty book has the mid that it had
    if bid_size > 0 and ask_size > 0:
        mid2 = bid + ask
    elif bid_size > 0:
        mid2 = 2 * bid
    elif ask_size > 0:
        mid2 = 2 * ask
    mid = mid2 / 2
    move = (mid2 - m["mid2"]) / 2 if m["mid2"] != 0 else 0.0
    m["variance"] = _PAST * m["variance"] + (1 - _PAST) * move * move
    n = SEEN_LEVELS
    for level in range(n):
        out[level] = mid - o["bid"][level] if o["bid_size"][level] > 0 else ABSENT
        out[n + level] = np.log1p(float(o["bid_size"][level]))
        out[2 * n + level] = o["ask"][level] - mid if o["ask_size"][level] > 0 else ABSENT
        out[3 * n + level] = np.log1p(float(o["ask_size"][level]))
    at = 4 * n
    out[at] = (bid_size - ask_size) / (bid_size + ask_size) if bid_size + ask_size > 0 else 0.0
    out[at + 1] = move
    out[at + 2] = np.log1p(float(o["volume"] - m["volume"]))
    out[at + 3] = np.sqrt(m["variance"])
    out[at + 4] = o["position"] / o["position_limit"]
    out[at + 5] = mid - o["own_bid"][0] if o["own_bid_size"][0] > 0 else ABSENT
    out[at + 6] = _ahead(o["own_bid_size"][0], o["own_bid_ahead"][0])
    out[at + 7] = o["own_ask"][0] - mid if o["own_ask_size"][0] > 0 else ABSENT
    out[at + 8] = _ahead(o["own_ask_size"][0], o["own_ask_ahead"][0])
    out[at + 9] = max(0, o["closes"] - o["time"]) / max(1, o["closes"] - o["opens"])
    for k in range(out.shape[0]):
        out[k] = min(max(out[k], lowest[k]), highest[k])
    m["mid2"], m["volume"] = mid2, o["volume"]


@kernel
def _ahead(size, lots):
    return np.log1p(float(lots)) if size > 0 and lots >= 0 else -1.0
