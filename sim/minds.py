"""Closed-form quoters as kernels: they decide where the market runs, without a step into Python.

Each is the twin of the agent of the same name, which is the readable one and names the paper; tests hold the two equal,
decision by decision. Seats that no kernel plays are asked for as ever.
"""

import math

import numpy as np

from lobarena.data.schema import ASK, BID, CONTINUOUS
from lobarena.sim._jit import kernel
from lobarena.sim.clock import proceed
from lobarena.sim.desk import reply
from lobarena.sim.observe import glance
from lobarena.sim.types import QUOTE_LEVELS

ELSEWHERE, IDLE, FOIC, LIIC, LTIIC, AVELLANEDA_STOIKOV, GLFT, JOIN = range(8)

MIND = np.dtype(
    [
        ("kind", "i4"),  # ELSEWHERE: decided outside
        ("order_size", "i4"),  # lots
        ("limit", "i4"),  # lots
        ("thinking_ns", "i8"),
        ("below", "i8"),  # FOIC: ticks below the best bid
        ("above", "i8"),  # FOIC: ticks above the best ask
        ("step", "i8"),  # JOIN: lots of inventory a tick
        ("a", "f8"),  # LIIC, LTIIC: ticks
        ("b", "f8"),  # ticks a lot
        ("d", "f8"),  # LTIIC: ticks a unit of imbalance
        ("memory", "f8"),  # LTIIC
        ("gamma", "f8"),  # per tick and lot
        ("k", "f8"),  # per tick
        ("intensity", "f8"),  # per second
        # what it remembers
        ("sigma", "f8"),  # ticks a root second
        ("seen", "i8"),  # ns, when `mid` was; 0 before the first
        ("mid", "f8"),  # ticks
        ("trend", "f8"),
        ("published", "i8"),  # ns, of the last look with two sides; 0 when the last look had none
        ("bid", "i8"),  # ticks and lots of it
        ("bid_size", "i8"),
        ("ask", "i8"),
        ("ask_size", "i8"),
    ],
    align=True,
)

HALF_LIFE_S = 60.0  # of the volatility's memory
PAUSE_S = 600.0  # a longer silence is a break of the venue; a move across it says nothing of the volatility


@kernel
def run(books, venues, events, snapshots, ids, look, minds):
    """`sim.clock.run` with minds, (MAX_SEATS + 1,) MIND; look : (1,) OBSERVATION, written at each decision."""
    return drive(books[0], venues[0], events, events.shape[0], snapshots, ids, look[0], minds)


@kernel
def drive(book, venue, events, count, snapshots, ids, o, minds):
    """`sim.clock.proceed` with minds: stops for the buffers, the end, and seats that are decided elsewhere.

    o : an OBSERVATION, written at each decision; minds : (MAX_SEATS + 1,) MIND
    """
    while True:
        seat = proceed(book, venue, events, count, snapshots, ids)
        if seat <= 0 or minds[seat]["kind"] == ELSEWHERE:
            return seat
        mind = minds[seat]
        glance(venue, seat, o)
        s = venue["seat"][seat]
        s["take"], s["keep"] = 0, 0
        think(mind, o, s["target"])
        reply(venue, seat, np.int64(mind["thinking_ns"]))


@kernel
def think(mind, o, target):
    """One decision: target quotes, (2, QUOTE_LEVELS, 2) i4 ticks and lots, from an OBSERVATION."""
    for level in range(QUOTE_LEVELS):
        target[BID, level, 1] = target[ASK, level, 1] = 0
    bid_size, ask_size = np.int64(o["bid_size"][0]), np.int64(o["ask_size"][0])
    if mind["kind"] == IDLE:
        return
    if o["phase"] != CONTINUOUS or bid_size == 0 or ask_size == 0:
        mind["published"] = 0
        return
    bid, ask, inventory = np.int64(o["bid"][0]), np.int64(o["ask"][0]), np.int64(o["position"])
    if mind["kind"] == FOIC:
        quote(mind, o, inventory, bid - mind["below"], ask + mind["above"], target)
        return
    if mind["kind"] == JOIN:
        long, short = max(inventory, 0) // mind["step"], max(-inventory, 0) // mind["step"]
        quote(mind, o, inventory, bid - long, ask + short, target)
        return
    mid = (bid + ask) / 2
    half, centre = mind["a"], mid + mind["b"] * inventory
    if mind["kind"] == LTIIC:
        _lean(mind, o["published"], bid, bid_size, ask, ask_size)
        centre = mid + mind["b"] * inventory + mind["d"] * mind["trend"]
    elif mind["kind"] == AVELLANEDA_STOIKOV:
        sigma, gamma = volatility(mind, o["published"], mid), mind["gamma"]
        risk = gamma * (sigma * sigma) * (max(0, o["closes"] - o["time"]) / 1e9)
        half = (risk + 2 / gamma * math.log1p(gamma / mind["k"])) / 2
        centre = mid - inventory * risk
    elif mind["kind"] == GLFT:
        sigma, gamma, k = volatility(mind, o["published"], mid), mind["gamma"], mind["k"]
        growth = (1 + gamma / k) ** (1 + k / gamma)
        slope = math.sqrt(sigma * sigma * gamma / (2 * k * mind["intensity"]) * growth)
        half = math.log1p(gamma / k) / gamma + slope / 2
        centre = mid - slope * inventory
    quote(mind, o, inventory, np.int64(math.floor(centre - half)), np.int64(math.ceil(centre + half)), target)


@kernel
def quote(mind, o, inventory, low, high, target):
    """One bid and one ask, as `agents.quoting.quote` has it."""
    if low >= high:
        return
    buy, sell = min(mind["order_size"], mind["limit"] - inventory), min(mind["order_size"], mind["limit"] + inventory)
    if buy > 0 and o["lower"] <= low <= o["upper"]:
        target[BID, 0, 0], target[BID, 0, 1] = low, buy
    if sell > 0 and o["lower"] <= high <= o["upper"]:
        target[ASK, 0, 0], target[ASK, 0, 1] = high, sell


@kernel
def volatility(mind, time, mid):
    """As `agents.quoting.Volatility.update`."""
    seconds = (time - mind["seen"]) / 1e9
    if mind["seen"] != 0 and seconds <= 0:
        return mind["sigma"]
    if mind["seen"] != 0 and seconds < PAUSE_S:
        weight = 0.5 ** (seconds / HALF_LIFE_S)
        move = mid - mind["mid"]
        mind["sigma"] = math.sqrt(weight * (mind["sigma"] * mind["sigma"]) + (1 - weight) * move * move / seconds)
    mind["seen"], mind["mid"] = time, mid
    return mind["sigma"]


@kernel
def _lean(mind, published, bid, bid_size, ask, ask_size):
    """The trend of LTIIC: smoothed order-flow imbalance."""
    if mind["published"] != 0 and published > mind["published"]:
        bids = (bid_size if bid >= mind["bid"] else 0) - (mind["bid_size"] if bid <= mind["bid"] else 0)
        asks = (ask_size if ask <= mind["ask"] else 0) - (mind["ask_size"] if ask >= mind["ask"] else 0)
        flow = 2 * (bids - asks) / (bid_size + ask_size)
        mind["trend"] = mind["memory"] * mind["trend"] + (1 - mind["memory"]) * max(-1.0, min(1.0, flow))
    mind["published"] = published
    mind["bid"], mind["bid_size"], mind["ask"], mind["ask_size"] = bid, bid_size, ask, ask_size
