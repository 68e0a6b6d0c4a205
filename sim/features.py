"""What an environment shows of one look: every number of `lobarena.sim.blocks`, from what the seat knows now."""

import numpy as np

from lobarena.sim._jit import inline, kernel
from lobarena.sim.blocks import ALONE, FARTHEST, FIXED, ROW
from lobarena.sim.types import QUOTE_LEVELS, SEEN_LEVELS

MEMORY = np.dtype(
    [
        ("looks", "i8"),  # so far
        ("mid2", "i8"),  # ticks, bid + ask of the last look
        ("volume", "i8"),  # lots at the last look
        ("variance", "f8"),  # ticks^2 a look: exponential mean of squared moves of the mid
        ("trend", "f8"),  # exponential mean of the order flow
        ("bid", "i8"),  # ticks and lots of the last look
        ("bid_size", "i8"),
        ("ask", "i8"),
        ("ask_size", "i8"),
        ("now", "f4", (FIXED,)),  # the numbers of the blocks, in the order of BLOCKS
    ],
    align=True,
)
_PAST, _TREND = 0.98, 0.8  # weights of the past in the variance and in the trend
_N = SEEN_LEVELS
_WIDTH = len(ROW)
_LOGS = np.log1p(np.arange(4_096.0)).astype(np.float32)


@inline
def _log(lots):
    return _LOGS[lots] if 0 <= lots < 4_096 else np.float32(np.log1p(float(max(0, lots))))


@kernel
def notice(o, memory, history, depth, queues):
    """Bring a MEMORY and a (depth, 14) f4 history, oldest look first, to the OBSERVATION o.

    queues : 1 when somebody wants the block `queue positions`, which costs as much as all others
    """
    now = memory["now"]
    bid, ask = np.int64(o["bid"][0]), np.int64(o["ask"][0])
    bid_size, ask_size = np.int64(o["bid_size"][0]), np.int64(o["ask_size"][0])
    mid2 = memory["mid2"]  # an empty book has the mid that it had
    if bid_size > 0 and ask_size > 0:
        mid2 = bid + ask
    elif bid_size > 0:
        mid2 = 2 * bid
    elif ask_size > 0:
        mid2 = 2 * ask
    mid, both = mid2 / 2, bid_size + ask_size
    known = memory["looks"] > 0 and memory["mid2"] != 0
    move = (mid2 - memory["mid2"]) / 2 if known else 0.0
    flow = 0.0
    if known and bid_size > 0 and ask_size > 0 and memory["bid_size"] > 0 and memory["ask_size"] > 0:
        came = (bid_size if bid >= memory["bid"] else 0) - (memory["bid_size"] if bid <= memory["bid"] else 0)
        left = (ask_size if ask <= memory["ask"] else 0) - (memory["ask_size"] if ask >= memory["ask"] else 0)
        flow = max(-1.0, min(1.0, 2 * (came - left) / both))
    memory["variance"] = _PAST * memory["variance"] + (1 - _PAST) * move * move
    memory["trend"] = _TREND * memory["trend"] + (1 - _TREND) * flow
    volume = _log(np.int64(o["volume"] - memory["volume"]))
    bids, asks = np.int64(0), np.int64(0)
    for level in range(_N):
        bids += o["bid_size"][level]
        asks += o["ask_size"][level]
        now[level] = mid - o["bid"][level] if o["bid_size"][level] > 0 else FARTHEST
        now[_N + level] = _log(np.int64(o["bid_size"][level]))
        now[2 * _N + level] = o["ask"][level] - mid if o["ask_size"][level] > 0 else FARTHEST
        now[3 * _N + level] = _log(np.int64(o["ask_size"][level]))
    at = 4 * _N
    now[at] = (bid_size - ask_size) / both if both > 0 else 0.0
    now[at + 1] = (bids - asks) / (bids + asks) if bids + asks > 0 else 0.0
    now[at + 2], now[at + 3], now[at + 4] = flow, memory["trend"], volume
    now[at + 5], now[at + 6] = move, np.sqrt(memory["variance"])
    at += 7
    _own(o["own_bid"], o["own_bid_size"], o["own_bid_ahead"], mid, 1, now, at)
    _own(o["own_ask"], o["own_ask_size"], o["own_ask_ahead"], mid, -1, now, at + 3)
    at += 6
    if queues == 1:
        _places(o["own_bid"], o["own_bid_size"], o["own_bid_ahead"], bid, 1, now, at)
        _places(o["own_ask"], o["own_ask_size"], o["own_ask_ahead"], ask, -1, now, at + 2 * _N)
    at += 4 * _N
    now[at] = o["position"] / o["position_limit"]
    now[at + 1] = max(0, o["closes"] - o["time"]) / max(1, o["closes"] - o["opens"])
    if depth > 0:
        for row in range(depth - 1):
            for column in range(_WIDTH):
                history[row, column] = history[row + 1, column]
        last = history[depth - 1]
        last[0], last[1], last[2], last[3] = move, ask - bid if bid_size > 0 and ask_size > 0 else 0, flow, volume
        for level in range(_N):
            last[4 + level], last[4 + _N + level] = now[_N + level], now[3 * _N + level]
    memory["looks"] += 1
    memory["mid2"], memory["volume"] = mid2, o["volume"]
    memory["bid"], memory["bid_size"], memory["ask"], memory["ask_size"] = bid, bid_size, ask, ask_size


@kernel
def _own(prices, sizes, ahead, mid, sign, now, at):
    """The best own order of a side; `sign` is 1 for bids."""
    there = sizes[0] > 0
    now[at] = sign * (mid - prices[0]) if there else FARTHEST
    now[at + 1] = _log(np.int64(sizes[0])) if there else 0.0
    now[at + 2] = _log(np.int64(ahead[0])) if there and ahead[0] >= 0 else ALONE


@kernel
def _places(prices, sizes, ahead, best, sign, now, at):
    """Own lots 0 to 4 ticks behind the best price, and the lots ahead of the first of them.

    Orders come best first, so those of one price, one behind the other, stand beside each other.
    """
    for place in range(_N):
        now[at + place], now[at + _N + place] = 0.0, ALONE
    lots, front = np.int64(0), np.int64(0)
    for order in range(QUOTE_LEVELS):
        place = sign * (best - prices[order])
        if sizes[order] > 0 and 0 <= place < _N:
            if order == 0 or prices[order - 1] != prices[order]:
                lots, front = np.int64(0), np.int64(-1)
            lots += sizes[order]
            if ahead[order] >= 0:
                front = np.int64(ahead[order]) if front < 0 else min(front, np.int64(ahead[order]))
            now[at + place] = _log(lots)
            now[at + _N + place] = _log(front) if front >= 0 else ALONE


@kernel
def observe(memory, history, layout, count, out):
    """Write what a MEMORY and its history hold into out, (count,) f4, by a (count,) LAYOUT."""
    for k in range(count):
        row = layout[k]
        at = np.int64(row["at"])
        value = memory["now"][at] if at < FIXED else history[(at - FIXED) // _WIDTH, (at - FIXED) % _WIDTH]
        out[k] = min(max(value, row["low"]), row["high"]) / row["scale"]


@kernel
def show(look, memories, history, layout, out):
    """`notice` and `observe` of arrays: look (1,) OBSERVATION, memories (1,) MEMORY, history (depth, 14) f4."""
    notice(look[0], memories[0], history, history.shape[0], 1)
    observe(memories[0], history, layout, layout.shape[0], out)
