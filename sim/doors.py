"""What Python calls of a running market, by address: an array of so large a record costs microseconds to hand over.

Each door comes twice, for books of the sizes SMALL and LARGE.
"""

import numpy as np

from lobarena.sim._jit import kernel
from lobarena.sim.clock import proceed
from lobarena.sim.desk import reply
from lobarena.sim.observe import look_at
from lobarena.sim.place import book_at, large_book_at, large_venue_at, venue_at


@kernel
def run_small(books, venues, events, snapshots, ids):
    """`sim.clock.run`, of the addresses of a book and a venue."""
    return proceed(book_at(np.uint64(books)), venue_at(np.uint64(venues)), events, events.shape[0], snapshots, ids)


@kernel
def run_large(books, venues, events, snapshots, ids):
    """Likewise."""
    book, venue = large_book_at(np.uint64(books)), large_venue_at(np.uint64(venues))
    return proceed(book, venue, events, events.shape[0], snapshots, ids)


@kernel
def look_small(venues, seat, out):
    """`sim.observe.look`, of the address of a venue."""
    look_at(venue_at(np.uint64(venues)), seat, out[0])


@kernel
def look_large(venues, seat, out):
    """Likewise."""
    look_at(large_venue_at(np.uint64(venues)), seat, out[0])


@kernel
def answer_small(venues, seat, thinking_ns):
    """`sim.desk.answer`, of the address of a venue."""
    reply(venue_at(np.uint64(venues)), seat, thinking_ns)


@kernel
def answer_large(venues, seat, thinking_ns):
    """Likewise."""
    reply(large_venue_at(np.uint64(venues)), seat, thinking_ns)
