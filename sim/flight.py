"""Messages in flight: a binary heap by (arrival, class, sequence) inside the venue's record.

A message is written into the drafting slot and posted; taking the next one copies it to the reading slot.
"""

from lobarena.sim._jit import kernel
from lobarena.sim.state import IN_FLIGHT, NEW, STRETCHES

DRAFT = IN_FLIGHT - 1
READ = IN_FLIGHT - 2


@kernel
def post(venue, time, kind, seat):
    """Send the message in the drafting slot."""
    v = venue[0]
    heap, n = v["heap"], v["flight"]
    draft = heap[DRAFT]
    draft["time"], draft["kind"], draft["seat"] = time, kind, seat
    draft["order"] = (NEW if kind <= NEW else kind) * 2**40 + v["sequence"]
    v["sequence"] += 1
    if n >= READ:
        v["lost"] += 1
        return
    v["flight"] = n + 1
    order = draft["order"]
    while n > 0:
        parent = (n - 1) >> 1
        above = heap[parent]
        if above["time"] < time or (above["time"] == time and above["order"] < order):
            break
        heap[n] = above
        n = parent
    heap[n] = draft


@kernel
def take(venue):
    """Move the earliest message to the reading slot."""
    v = venue[0]
    heap = v["heap"]
    heap[READ] = heap[0]
    n = v["flight"] - 1
    v["flight"] = n
    last = heap[n]
    time, order = last["time"], last["order"]
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= n:
            break
        if child + 1 < n:
            left, right = heap[child], heap[child + 1]
            if right["time"] < left["time"] or (right["time"] == left["time"] and right["order"] < left["order"]):
                child += 1
        below = heap[child]
        if time < below["time"] or (time == below["time"] and order < below["order"]):
            break
        heap[hole] = below
        hole = child
    if hole != n:
        heap[hole] = heap[n]


@kernel
def delay(venue, seat, base):
    """One draw of a network latency of a seat, ns."""
    s = venue[0]["seat"][seat]
    if base == 0:
        return base
    factor = s["stretch"][s["draw"]]
    s["draw"] = (s["draw"] + 1) % STRETCHES
    return int(base * float(factor))
