"""A living crowd acts: candidates in time, thinned by the intensity and carried out in the book of the moment.

Ogata's thinning (1981) at a constant rate. Candidates (their times and four uniform draws each) come from a generator
that is seeded anew each half second and never looks at the market, so they are the same whoever plays; what becomes of
one depends on the book and on all trades until then, those of seats included.
"""

import numpy as np

from lobarena.data.schema import ASK, BID, BOTH, CONTINUOUS
from lobarena.sim._jit import kernel
from lobarena.sim.hawkes.chance import exponential, uniform
from lobarena.sim.hawkes.deeds import cancel_one, chase, crowd_at, expected, lots_at, place_order, price_of, take, trim
from lobarena.sim.hawkes.hear import excite, fade, move
from lobarena.sim.hawkes.traits import CANCEL, DISTANCES, HEAVIEST, NEAR, QUANTILES, RATES, REACH, TAKE, WALK
from lobarena.sim.state import BUFFER
from lobarena.sim.types import MAX_SEATS

ASLEEP = np.int64(2**62)  # in place of the next candidate's time
HALF_SECOND = 500_000_000  # ns, between two rows of a living day
_ROOM = BUFFER - 1_024 - 2 * MAX_SEATS  # as in the clock: a fuller buffer is emptied first
# bands of the intensity, in this order
_TAKES, _NEARS, _FARS, _CANCELS, _BEHIND, _CHASE = 0, 2, 4, 6, 8, 10


@kernel
def wake(book, venue, event):
    """A row of the day: the next half second's pace, reference price, regime and seed of candidates."""
    mood, traits = venue["mood"], venue["traits"]
    if mood["time"] == 0:  # the day begins
        mood["time"] = venue["now"]
    fade(mood, traits, venue["now"])
    mood["pace"] = event["u"]
    mood["reference"] = event["price"] - book["base"] + 0.001 * event["size"]
    mood["regime"], mood["random"] = event["side"], np.uint64(event["ref"])
    mood["until"] = venue["now"] + HALF_SECOND
    trim(book)
    _await(venue, venue["now"])


@kernel
def swell(venue, event):
    """Another row of that half second: how large and how near limit orders are, what programmes of others press."""
    mood = venue["mood"]
    for side in range(2):
        if event["side"] == BOTH or event["side"] == side:
            mood["swell"][side] = event["u"]
    mood["shy"], mood["press"] = 0.001 * event["size"], 0.001 * event["price"]


@kernel
def stir(book, venue, until):
    """The crowd acts up to `until` (ns UTC), or until one of its trades has set a message on its way."""
    flight = venue["flight"]
    while venue["stir"] <= until and venue["flight"] == flight and venue["fills"] <= _ROOM:
        now = venue["stir"]
        venue["now"] = book["time"] = now
        mood = venue["mood"]
        what, which, size, place = uniform(mood), uniform(mood), uniform(mood), uniform(mood)
        mood["candidates"] += 1
        if venue["phase"] == CONTINUOUS:
            act(book, venue, what, which, size, place)
        _await(venue, now)


@kernel
def _await(venue, now):
    """When the next candidate comes; none comes between the last row's half second and the next row."""
    mood = venue["mood"]
    wait = exponential(mood) / (venue["traits"]["bound"] * mood["pace"])
    time = now + 1 + np.int64(1e9 * min(wait, 1e3))
    venue["stir"] = time if time < mood["until"] else ASLEEP


@kernel
def touch(book, centre):
    """Best bid and ask, level indices; where a side is empty or out of reach, prices that border on the reference."""
    bid, ask = np.int64(book["best"][BID]), np.int64(book["best"][ASK])
    if bid < centre - REACH:
        bid = min(np.int64(centre), ask - 1)
    if ask > centre + REACH:
        ask = max(np.int64(centre) + 1, bid + 1)
    return bid, ask


@kernel
def intensities(book, venue):
    """Write the intensity of each band into the mood's `rates`: their sum, and the two best prices."""
    mood, traits = venue["mood"], venue["traits"]
    rates, lots, excited = mood["rates"], mood["lots"], mood["excited"]
    centre = expected(book, venue)
    bid, ask = touch(book, centre)
    _count(book, BID, bid, lots)
    _count(book, ASK, ask, lots)
    lean = min(0.9, max(-0.9, traits["lean"] * (centre - 0.5 * (bid + ask))))
    bids, asks = lots_at(book, BID, bid), lots_at(book, ASK, ask)
    tilt = traits["tilt"] * (bids - asks) / max(1.0, bids + asks)
    near = 0.5 * traits["near"] * (1.0 + traits["heal"] * max(0.0, ask - bid - traits["usual"] - 2.0 * mood["shy"]))
    edge = traits["edge"] - mood["shy"]
    stale = centre - ask > edge or bid - centre > edge
    for side in range(2):
        way = 1.0 if side == BID else -1.0
        takes, nears, cancels = (
            excited[TAKE, side, 0] + excited[TAKE, side, 1],
            excited[NEAR, side, 0] + excited[NEAR, side, 1],
            excited[CANCEL, side, 0] + excited[CANCEL, side, 1],
        )
        takes = (0.5 * traits["take"] + takes) * (1.0 + way * mood["press"])
        rates[_TAKES + side] = takes * (1.0 + way * lean) * (1.0 + way * tilt)
        if book["best"][side] < centre - REACH if side == BID else book["best"][side] > centre + REACH:
            # a side that nobody quotes draws makers as the widest spread does, whatever the price they expect
            rates[_NEARS + side] = 0.5 * traits["near"] * (1.0 + traits["heal"] * REACH) + nears
        else:
            rates[_NEARS + side] = (near + nears) * (1.0 + way * lean)
        rates[_FARS + side] = 0.5 * traits["far"]
        mean = traits["limit_mean"] * size_factor(venue, side)
        there = lots[side, 0] / mean
        rates[_CANCELS + side] = traits["cancel"][0] * there + min(cancels, cancels * there)
        rates[_BEHIND + side] = traits["cancel"][1] * lots[side, 1] / mean
    rates[_CHASE] = traits["chase"] if stale else 0.0
    total = 0.0
    for band in range(RATES):
        total += rates[band]
    return total, bid, ask


@kernel
def size_factor(venue, side):
    """How large limit orders of the moment are, against those that the fit tells of."""
    return venue["traits"]["depth"][venue["mood"]["regime"]] * venue["mood"]["swell"][side]


@kernel
def _count(book, side, best, lots):
    """The crowd's lots of a side: at the best price, and behind it within reach."""
    level, levels = book["level"], book["level"].shape[0] // 2
    start, step = (0, -1) if side == BID else (levels, 1)
    behind = np.int64(0)
    lots[side, 0] = 0.0
    for distance in range(REACH + 1):
        x = best + step * distance
        if 0 <= x < levels:
            here = np.int64(level[start + x]["size"] - level[start + x]["seats"])
            if distance == 0:
                lots[side, 0] = here
            else:
                behind += here
    lots[side, 1] = behind


@kernel
def act(book, venue, what, which, size, place):
    """Thin one candidate; carry it out when it is accepted. All arguments but the records are uniform draws."""
    mood, traits = venue["mood"], venue["traits"]
    fade(mood, traits, venue["now"])
    total, bid, ask = intensities(book, venue)
    if total > traits["bound"]:
        mood["capped"] += 1
    what *= max(total, traits["bound"])
    if what >= total:
        return
    mood["accepted"] += 1
    band, rates = 0, mood["rates"]
    while band < RATES - 1 and what >= rates[band]:
        what -= rates[band]
        band += 1
    side = np.int64(band % 2)
    if band < _NEARS:
        lots = np.int64(traits["take_size"][np.int64(size * QUANTILES)])
        further = WALK if which < traits["walk"] else 0
        lots = take(book, venue, side, ask + further if side == BID else bid - further, lots)
        if lots > 0:
            excite(venue, TAKE, side, min(HEAVIEST, lots / traits["take_mean"]))
            move(venue, side, lots)
    elif band < _CANCELS:
        lots = traits["limit_size"][np.int64(size * QUANTILES)] * size_factor(venue, side)
        near = band < _FARS
        behind = np.int64(0)
        if not near:
            behind = np.int64(traits["distance"][np.int64(place * DISTANCES)])
        elif ask - bid > 1 and which < traits["improve"]:
            behind = -1 - np.int64(place * place * (ask - bid - 1))
        price = price_of(book, venue, side, bid, ask, behind)
        if place_order(book, venue, side, price, max(1, np.int64(lots + 0.5))) and near:
            excite(venue, NEAR, side, 1.0)
    elif band < _BEHIND:
        if cancel_one(book, side, bid if side == BID else ask, which, place, traits["place"]):
            excite(venue, CANCEL, side, 1.0)
    elif band < _CHASE:
        best, wanted, x = bid if side == BID else ask, size * mood["lots"][side, 1], np.int64(0)
        for distance in range(1, REACH + 1):
            x = best - distance if side == BID else best + distance
            wanted -= crowd_at(book, side, x)
            if wanted < 0.0:
                break
        cancel_one(book, side, x, which, place, traits["place"])
    else:
        chase(book, venue, bid, ask, which)
