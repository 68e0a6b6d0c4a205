"""Messages in flight: a binary heap by (arrival, class, sequence) inside the venue's record.

A message is written into a free letter and posted; the heap moves only its key. The letter taken last stays as it is
until the next one is taken.
"""

from lobarena.sim._jit import kernel
from lobarena.sim.state import IN_FLIGHT, NEW, STRETCHES


@kernel
def letter(venue):
    """The free letter that `post` will send."""
    return venue["letter"][venue["free"]]


@kernel
def post(venue, time, kind, seat):
    """Send the free letter, to arrive at `time` (ns UTC)."""
    keys, n, slot = venue["heap"], venue["flight"], venue["free"]
    sent = venue["letter"][slot]
    sent["kind"], sent["seat"] = kind, seat
    order = (NEW if kind <= NEW else kind) * 2**40 + venue["sequence"]
    venue["sequence"] += 1
    if n >= IN_FLIGHT - 2:
        venue["lost"] += 1
        return
    if venue["spares"] > 0:
        venue["spares"] -= 1
        venue["free"] = venue["spare"][venue["spares"]]
    else:  # never used before
        venue["issued"] += 1
        venue["free"] = venue["issued"]
    venue["flight"] = n + 1
    while n > 0:
        parent = (n - 1) >> 1
        above = keys[parent]
        if above["time"] < time or (above["time"] == time and above["order"] < order):
            break
        below = keys[n]
        below["time"], below["order"], below["slot"] = above["time"], above["order"], above["slot"]
        n = parent
    key = keys[n]
    key["time"], key["order"], key["slot"] = time, order, slot


@kernel
def take(venue):
    """The earliest message; the one taken before it is free again."""
    keys = venue["heap"]
    if venue["reading"] > 0:
        venue["spare"][venue["spares"]] = venue["reading"] - 1
        venue["spares"] += 1
    slot = keys[0]["slot"]
    venue["reading"] = slot + 1
    n = venue["flight"] - 1
    venue["flight"] = n
    last = keys[n]
    time, order = last["time"], last["order"]
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= n:
            break
        if child + 1 < n:
            left, right = keys[child], keys[child + 1]
            if right["time"] < left["time"] or (right["time"] == left["time"] and right["order"] < left["order"]):
                child += 1
        below = keys[child]
        if time < below["time"] or (time == below["time"] and order < below["order"]):
            break
        key = keys[hole]
        key["time"], key["order"], key["slot"] = below["time"], below["order"], below["slot"]
        hole = child
    if hole != n:
        key = keys[hole]
        key["time"], key["order"], key["slot"] = last["time"], last["order"], last["slot"]
    return venue["letter"][slot]


@kernel
def delay(venue, seat, base):
    """One draw of a network latency of a seat, ns; `base` itself where latencies do not vary."""
    s = venue["seat"][seat]
    if base == 0 or s["draw"] < 0:
        return base
    factor = s["stretch"][s["draw"]]
    s["draw"] = (s["draw"] + 1) % STRETCHES
    return int(base * float(factor))
