"""Shocks in a market that answers: what they ask of a living crowd, not of a record.

Displacements move the price that the crowd expects, and it gets there by withdrawing and sweeping; makers who withdraw
or keep away do so by their own rates; what large orders, agents and closings take moves the crowd as it always does.
Prices and times of painted orders are those of the crowd left alone. All of this is our formulation.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from lobarena.data.recording import EventRecording, Recording
from lobarena.data.schema import (
    ASK,
    BID,
    BOTH,
    CLEAR,
    DELETE,
    EVENT,
    LIMIT,
    STAND,
    STIR,
    SWEEP,
    SWELL,
    TAKE,
    UNCROSS,
)
from lobarena.sim.feed import Feed, feed_of
from lobarena.sim.hawkes.traits import REACH
from lobarena.sim.shocks.scene import Scene, feed_of_scene, scene_of
from lobarena.sim.shocks.snapshots import as_snapshots
from lobarena.sim.types import NONE

_SMALLEST = 0.02  # factor on the size of limit orders; nothing at all would be no market to come back to
_FURTHEST = REACH - 4.0  # ticks that makers keep away at most: further off they would look for nobody's orders
_LADDER = 5  # prices a side of the orders that an auction reopens with


def scene_on(recording: Recording | EventRecording, opens: int, closes: int, seed: int = 0) -> Scene:
    """The window [opens, closes] (ns UTC) of a day, unpainted: of snapshots, orders, levels or a living crowd."""
    if isinstance(recording, Recording):
        return scene_of(recording, opens, closes, seed)
    scene = scene_of(as_snapshots(recording, opens, closes, seed), opens, closes, seed)
    if (recording.events["kind"] == STIR).any():
        scene.living = feed_of(recording)
    return scene


def market_feed(scene: Scene) -> Feed:
    """The market of a painted scene: its record, repainted, or its living crowd, told of the shocks as they begin."""
    living = scene.living
    if living is None:
        return feed_of_scene(scene)
    scene = replace(scene, feints=list(scene.feints))
    for paint in scene.late:
        paint(scene)
    events = living.events.copy()
    stirs = np.flatnonzero(events["kind"] == STIR)
    times = events["time"][stirs]
    by = _displaced(scene, times)
    moved = stirs[by != 0]
    reference = events["price"][moved] + 0.001 * events["size"][moved] + by[by != 0]
    events["price"][moved] = np.floor(reference)
    events["size"][moved] = np.floor(1_000 * (reference - np.floor(reference)))
    events = _swollen(scene, events, times)
    for one in scene.auctions:  # matched before the venue publishes, and before the phase that follows
        events = _put(events, _reopened(scene, living, *one), "left")
    feints, count = _feints(scene)
    for more in (*map(_played, scene.events), feints, *(_rows((start, CLEAR, 0, 0, 0)) for start, _ in scene.halts)):
        events = _put(events, more, "right")
    return replace(living, events=events, orders=count)


def _put(events: np.ndarray, more: np.ndarray, side: Literal["left", "right"]) -> np.ndarray:
    more = more[np.argsort(more["time"], kind="stable")]
    return np.insert(events, np.searchsorted(events["time"], more["time"], side), more)


def _displaced(scene: Scene, times: np.ndarray) -> np.ndarray:
    """(n,) f8 ticks by which shocks displace what is published after each time; what was, stays after the window."""
    total = np.zeros(len(times))
    for start, when, ticks in scene.moves:
        place = np.minimum(np.searchsorted(when, times, "right"), len(when) - 1)
        total += np.where(times >= start, ticks[place], 0)
    return total


def _swollen(scene: Scene, events: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The events with the size of limit orders, and how near they come, as shocks have them; one row a side."""
    sizes, shy = np.ones((2, len(times))), np.zeros(len(times))
    for one in scene.moods:
        there = times >= one.start
        back = np.clip((times - one.end) / max(1, one.back), 0, 1) if one.back else (times >= one.end).astype(float)
        gone = np.where(there, 1 - back, 0.0)
        for side in (BID, ASK):
            if one.side in (side, BOTH):
                sizes[side] *= 1 - gone * (1 - one.factor)
        shy += np.where(there & (times < one.end), one.shy, 0)
    swells = np.flatnonzero(events["kind"] == SWELL)
    usual = events["u"][swells].astype(np.float64)
    bids, asks = (np.where(sizes[side] == 1, usual, np.maximum(_SMALLEST, usual * sizes[side])) for side in (BID, ASK))
    events["u"][swells], events["size"][swells] = bids, np.rint(1_000 * np.minimum(shy, _FURTHEST))
    apart = np.flatnonzero(bids != asks)
    rows = events[swells[apart]].copy()
    rows["side"], rows["u"] = ASK, asks[apart]
    return np.insert(events, swells[apart] + 1, rows)


def _played(events: np.ndarray) -> np.ndarray:
    """A sweep is an order like any other here: nothing is owed to a record."""
    found = events.copy()
    found["kind"][found["kind"] == SWEEP] = TAKE
    return found


def _feints(scene: Scene) -> tuple[np.ndarray, int]:
    """Orders that come and are taken back, by number, and how many: none beyond the limits, none that meets a halt."""

    def halted(came: int, went: int) -> bool:
        return any(came <= end and start <= went for start, end in scene.halts)

    legal = [one for one in scene.feints if scene.lower <= one[3] <= scene.upper]
    kept = [one for one in legal if not halted(one[0], one[1])]
    rows = [
        (time, number, price, lots, 0.0, kind, side)
        for number, (came, went, side, price, lots) in enumerate(kept)
        for time, kind in ((came, LIMIT), (went, DELETE))
    ]
    return np.array(rows, EVENT), len(kept)


def _reopened(scene: Scene, living: Feed, start: int, end: int, lots: int) -> np.ndarray:
    """The crowd's orders of the auction that ends a halt (ns UTC), of which `lots` match, and the match.

    The price is the one before the halt, moved by what the crowd has come to expect since.
    """
    stirs = living.events[living.events["kind"] == STIR]
    rows = stirs[np.maximum(0, np.searchsorted(stirs["time"], (start, end), "right") - 1)]
    first, last = rows["price"] + 0.001 * rows["size"] + _displaced(scene, np.array([start - 1, end]))
    price = int(np.clip(round(scene.mid(start) + last - first), scene.lower, scene.upper))
    each = max(1, scene.usual // _LADDER)
    orders = [(end - 1, STAND, BID, price, lots), (end - 1, STAND, ASK, price, lots)]
    for k in range(1, _LADDER + 1):
        orders += [(end - 1, STAND, BID, price - k, each), (end - 1, STAND, ASK, price + k, each)]
    legal = [one for one in orders if scene.lower <= one[3] <= scene.upper]
    return _rows(*legal, (end, UNCROSS, 0, price, 0))


def _rows(*rows: tuple[int, int, int, int, int]) -> np.ndarray:
    """(k,) EVENT of (time, kind, side, price, size)."""
    return np.array([(t, NONE, p, n, 0.0, k, s) for t, k, s, p, n in rows], EVENT)
