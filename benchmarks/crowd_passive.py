"""How likely a passive lot is filled within ten seconds, by distance and by queue: a hypothetical seat in a replay.

Made-up days are replayed from their best quotes alone, exactly as the recorded ones are: queues by the cancel model.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lobarena.data.recording import Recording
from lobarena.data.schema import ASK, BID
from lobarena.sim.feed import snapshot_feed
from lobarena.sim.market import Market, Seat
from lobarena.sim.types import CROWD

EVERY_NS, WAITS = 2_000_000_000, 5  # a lot stands for five looks, two seconds apart, and is then withdrawn for one
DISTANCES = (0, 1, 2)  # ticks behind the best price
SHORT, LONG = "short", "long"  # queues at the best price
NAMES = tuple(f"filled {part}" for part in (*map(str, DISTANCES), SHORT, LONG))


def fills_of(recording: Recording, spans: Sequence[tuple[int, int]], usual: float) -> dict[str, np.ndarray]:
    """By NAMES, (w, 2): lots filled within ten seconds and lots placed, of those placed in each span (ns UTC).

    usual : lots that part short from long queues at the best price
    """
    shots = recording.snapshots.copy()
    for name in ("bid", "ask"):
        shots[name][:, 1:] = shots[f"{name}_size"][:, 1:] = 0
    shots["depth"] = 1
    market = Market(snapshot_feed(replace(recording, snapshots=shots)))
    seat = Seat(every_ns=EVERY_NS, position_limit=10**6, capital=1e15)
    market.start([seat], spans[0][0], spans[-1][1])
    placed: list[tuple[int, int, int, int, int]] = []
    look_number = 0
    while market.run() > 0:
        look = market.observation(1)
        turn, look_number = look_number % (WAITS + 1), look_number + 1
        if turn == 0 and look["bid_size"][0] and look["ask_size"][0]:
            bid, ask, time = int(look["bid"][0]), int(look["ask"][0]), int(look["time"])
            bids, asks = [(bid - d, 1) for d in DISTANCES], [(ask + d, 1) for d in DISTANCES]
            for side, ladder in ((BID, bids), (ASK, asks)):
                ahead = int(look["bid_size" if side == BID else "ask_size"][0])
                placed += [(time, side, d, price, ahead) for d, (price, _) in zip(DISTANCES, ladder, strict=True)]
            market.decide(1, bids, asks)
        else:
            market.decide(1, keep=turn < WAITS)
    return _counted(np.array(placed, np.int64).reshape(-1, 5), market.fills, spans, usual)


def _counted(
    placed: np.ndarray, fills: np.ndarray, spans: Sequence[tuple[int, int]], usual: float
) -> dict[str, np.ndarray]:
    mine = fills[(fills["maker_owner"] != CROWD)]
    filled = np.zeros(len(placed), bool)
    for k, (time, side, _, price, _) in enumerate(placed.tolist()):
        first, last = np.searchsorted(mine["time"], [time, time + WAITS * EVERY_NS])
        filled[k] = bool(((mine["price"][first:last] == price) & (mine["side"][first:last] == 1 - side)).any())
    starts = np.array([start for start, _ in spans])
    window = np.searchsorted(starts, placed[:, 0], "right") - 1
    inside = (window >= 0) & (placed[:, 0] + WAITS * EVERY_NS <= np.array([end for _, end in spans])[window])
    at_best = placed[:, 2] == 0
    chosen = {f"filled {d}": placed[:, 2] == d for d in DISTANCES}
    chosen |= {f"filled {SHORT}": at_best & (placed[:, 4] <= usual), f"filled {LONG}": at_best & (placed[:, 4] > usual)}
    found = {}
    for name, which in chosen.items():
        sums = np.zeros((len(spans), 2))
        np.add.at(sums, window[which & inside], np.stack([filled, np.ones(len(filled))], axis=1)[which & inside])
        found[name] = sums
    return found
