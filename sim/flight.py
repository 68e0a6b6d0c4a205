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
    heap, n = venue["heap"], venue["flight"]
    draft = heap[DRAFT]
    draft["time"], draft["kind"], draft["seat"] = time, kind, seat
    draft["order"] = (NEW if kind <= NEW else kind) * 2**40 + venue["sequence"]
    venue["sequence"] += 1
    if n >= READ:
        venue["lost"] += 1
        return
    venue["flight"] = n + 1
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
    heap = venue["heap"]
    heap[READ] = heap[0]
    n = venue["flight"] - 1
    venue["flight"] = n
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
    s = venue["seat"][seat]
    if base == 0:
        return base
    factor = s["stretch"][s["draw"]]
    s["draw"] = (s["draw"] + 1) % STRETCHES
    return int(base * float(factor))
