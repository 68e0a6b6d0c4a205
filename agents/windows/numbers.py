"""The numbers of one look that forecasters read, in the units of the contract; one kernel for training and for play.

The first INSTANT are of this look and the one before it; the rest remember more, by exponential means of three time
constants, and are the hand-made features that learnt ones are compared with (our selection; order-flow imbalance is
Cont, Kukanov & Stoikov 2014, eq. 4-5).
"""

import numpy as np

from lobarena.agents.windows.units import STEP_S
from lobarena.data.schema import CONTINUOUS
from lobarena.sim._jit import inline, kernel
from lobarena.sim.types import SEEN_LEVELS

INSTANT_NAMES = (
    "move",  # of the mid, units
    "spread",  # log of it by its mean
    "flow",  # order-flow imbalance of the best level by the mean size, signed log
    "deep flow",  # likewise of the levels behind
    "signed volume",  # lots, bought less sold as the turnover tells, by the mean volume, signed log
    "volume",  # log(1 + lots by their mean)
    "imbalance",  # of the best sizes
    "deep imbalance",  # of all sizes seen
    "microprice",  # less the mid, units
    "last",  # trade less the mid, half spreads
    "bid size",  # log by the mean size
    "ask size",
    "bid depth",  # log of all levels seen, by the mean size
    "ask depth",
    "gap",  # log of the time since the look before, by STEP_S
)
MEMORY_NAMES = ("drift", "flow", "signed volume", "volume", "volatility", "spread", "imbalance")
CONSTANTS_S = (2.5, 10.0, 60.0)
NAMES = (*INSTANT_NAMES, *(f"{name}, {seconds:g} s" for seconds in CONSTANTS_S for name in MEMORY_NAMES))
INSTANT, COUNT = len(INSTANT_NAMES), len(NAMES)
PAUSE_NS = 60 * 10**9  # after so long without a look the memory begins anew
_M, _S, _N = len(MEMORY_NAMES), len(CONSTANTS_S), SEEN_LEVELS
_CONSTANTS = np.array(CONSTANTS_S) * 1e9
_LEAST = 0.02  # of the usual, so that logarithms stay finite

STATE = np.dtype(
    [
        ("looks", "i8"),  # in a row without a pause
        ("time", "i8"),  # ns UTC of the last one's publication
        ("volume", "i8"),
        ("turnover", "i8"),
        ("bid", "i8", (_N,)),
        ("bid_size", "i8", (_N,)),
        ("ask", "i8", (_N,)),
        ("ask_size", "i8", (_N,)),
        ("mean", "f8", (_S, _M)),
    ],
    align=True,
)


@inline
def _signed_log(x):
    return np.log1p(x) if x >= 0 else -np.log1p(-x)


@kernel
def readable(o):
    """Whether a look can be read: continuous trading and both sides there."""
    return o["phase"] == CONTINUOUS and o["bid_size"][0] > 0 and o["ask_size"][0] > 0 and o["ask"][0] > o["bid"][0]


@kernel
def _flow(o, s, level):
    """Order-flow imbalance of one level, lots."""
    came, went = np.int64(0), np.int64(0)
    if o["bid"][level] >= s["bid"][level]:
        came += o["bid_size"][level]
    if o["bid"][level] <= s["bid"][level]:
        came -= s["bid_size"][level]
    if o["ask"][level] <= s["ask"][level]:
        went += o["ask_size"][level]
    if o["ask"][level] >= s["ask"][level]:
        went -= s["ask_size"][level]
    return came - went


@kernel
def read(o, s, units, out):
    """Bring a STATE s to the OBSERVATION o and write its numbers into out, (COUNT,) f4; False when o is unreadable.

    After an unreadable look, or a pause, the memory begins anew.
    """
    if not readable(o):
        s["looks"] = 0
        return False
    gap = np.float64(o["published"] - s["time"])
    known = s["looks"] > 0 and 0 < gap < PAUSE_NS
    if not known:
        s["looks"] = 0
    mid = (o["bid"][0] + o["ask"][0]) / 2
    spread = np.float64(o["ask"][0] - o["bid"][0])
    move, flow, deep, lots, signed = 0.0, 0.0, 0.0, 0.0, 0.0
    if known:
        before = (s["bid"][0] + s["ask"][0]) / 2
        move = (mid - before) / units["move"]
        flow = _flow(o, s, 0) / units["size"]
        for level in range(1, _N):
            there = o["bid_size"][level] > 0 and o["ask_size"][level] > 0
            if there and s["bid_size"][level] > 0 and s["ask_size"][level] > 0:
                deep += _flow(o, s, level) / units["size"]
        lots = max(0.0, np.float64(o["volume"] - s["volume"]))
        if lots > 0:
            paid = (o["turnover"] - s["turnover"]) / lots
            half = max(1.0, np.float64(s["ask"][0] - s["bid"][0])) / 2
            signed = max(-1.0, min(1.0, (paid - before) / half)) * lots / units["volume"]
        lots /= units["volume"]
    bids, asks = 0.0, 0.0
    for level in range(_N):
        bids += o["bid_size"][level]
        asks += o["ask_size"][level]
    bid, ask = np.float64(o["bid_size"][0]), np.float64(o["ask_size"][0])
    imbalance = (bid - ask) / (bid + ask)
    out[0] = max(-10.0, min(10.0, move))
    out[1] = np.log(spread / units["spread"])
    out[2], out[3], out[4] = _signed_log(flow), _signed_log(deep), _signed_log(signed)
    out[5] = np.log1p(lots)
    out[6], out[7] = imbalance, (bids - asks) / (bids + asks)
    out[8] = max(-10.0, min(10.0, imbalance * spread / 2 / units["move"]))
    out[9] = max(-3.0, min(3.0, (o["last"] - mid) / (spread / 2))) if o["last"] > 0 else 0.0
    out[10], out[11] = np.log(bid / units["size"]), np.log(ask / units["size"])
    out[12], out[13] = np.log(bids / units["size"]), np.log(asks / units["size"])
    out[14] = np.log(max(0.02, min(20.0, gap / 1e9 / STEP_S))) if known else 0.0
    for scale in range(_S):
        m, length = s["mean"][scale], _CONSTANTS[scale] / 1e9 / STEP_S
        w = np.exp(-gap / _CONSTANTS[scale]) if known else 0.0
        kept = w if known else 1.0  # sums begin as if the usual had gone on before
        if not known:
            m[0], m[3], m[4] = 0.0, length, length
        m[0] = kept * m[0] + out[0]
        m[1], m[2] = w * m[1] + (1 - w) * out[2], w * m[2] + (1 - w) * out[4]
        m[3], m[4] = kept * m[3] + lots, kept * m[4] + out[0] * out[0]
        m[5], m[6] = w * m[5] + (1 - w) * out[1], w * m[6] + (1 - w) * imbalance
        at = INSTANT + scale * _M
        out[at], out[at + 1], out[at + 2] = m[0] / np.sqrt(length / 2), m[1], m[2]
        out[at + 3], out[at + 4] = np.log(_LEAST + m[3] / length), np.log(_LEAST + m[4] / length) / 2
        out[at + 5], out[at + 6] = m[5], m[6]
    s["looks"] += 1
    s["time"], s["volume"], s["turnover"] = o["published"], o["volume"], o["turnover"]
    for level in range(_N):
        s["bid"][level], s["bid_size"][level] = o["bid"][level], o["bid_size"][level]
        s["ask"][level], s["ask_size"][level] = o["ask"][level], o["ask_size"][level]
    return True


@kernel
def read_one(look, state, units, out):
    """`read` of arrays: look (1,) OBSERVATION, state (1,) STATE, units (1,) UNITS, out (COUNT,) f4."""
    return read(look[0], state[0], units[0], out)


@kernel
def read_all(looks, state, units, out, place):
    """The numbers of every look of a day in order, each from it and those before alone.

    looks : (n,) OBSERVATION; state : (1,) STATE, of zeros; units : (1,) UNITS
    out : (n, COUNT) f4; place : (n,) i8, looks in a row up to this one, 0 where it cannot be read
    """
    for k in range(looks.shape[0]):
        place[k] = state[0]["looks"] if read(looks[k], state[0], units[0], out[k]) else 0
