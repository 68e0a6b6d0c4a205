"""What the plots of a report show, as arrays: read from the tables of a results folder, thinned out for a screen.

What runs over episodes takes those of one fill model, and refuses several with a ValueError.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from lobarena.benchmarks.metrics import SECOND
from lobarena.benchmarks.results import Results
from lobarena.benchmarks.statistics import of_one_model

POINTS = 1_500  # at most, of one line
BINS = 61  # at most, of an inventory distribution


def seats_of(episodes: pa.Table) -> dict[tuple[int, int], tuple[str, str]]:
    """(episode, seat) -> (track, agent)."""
    names = ("episode", "seat", "track", "agent")
    rows = zip(*(episodes.column(name).to_pylist() for name in names), strict=True)
    return {(episode, seat): (track, agent) for episode, seat, track, agent in rows}


def mean_curves(results: Results) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """track -> agent -> (minutes since the opening, mean PnL in currency); an episode that is over stands still."""
    of_one_model(results.episodes)
    opens = _by_seat(results.episodes, "opens")
    paths: dict[str, dict[str, list[tuple[np.ndarray, np.ndarray]]]] = {}
    for key, (track, agent), part in _groups(results, results.curve, ("time", "pnl")):
        elapsed = (part["time"] - opens[key]) / (60 * SECOND)
        paths.setdefault(track, {}).setdefault(agent, []).append((elapsed, part["pnl"]))
    found: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for track, agents in paths.items():
        longest = max(elapsed[-1] for curves in agents.values() for elapsed, _ in curves)
        grid = np.linspace(0, longest, 400)
        for agent, curves in agents.items():
            mean = np.mean([pnl[_last_before(elapsed, grid)] for elapsed, pnl in curves], axis=0)
            found.setdefault(track, {})[agent] = (grid, mean)
    return found


def inventories(results: Results) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """track -> agent -> (position in lots, share of time); bins of one lot, or wider ones where positions are large."""
    of_one_model(results.episodes)
    held: dict[str, dict[str, list[np.ndarray]]] = {}
    for _, (track, agent), part in _groups(results, results.curve, ("position",)):
        held.setdefault(track, {}).setdefault(agent, []).append(part["position"])
    found: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for track, agents in held.items():
        largest = max(int(np.abs(positions).max()) for parts in agents.values() for positions in parts)
        width = max(1, -(-(2 * largest + 1) // BINS))
        edge = largest // width * width + width / 2
        edges = np.arange(-edge, edge + width, width)
        for agent, parts in agents.items():
            counts = np.histogram(np.clip(np.concatenate(parts), edges[0], edges[-1]), edges)[0]
            found.setdefault(track, {})[agent] = ((edges[:-1] + edges[1:]) / 2, counts / counts.sum())
    return found


def latencies(results: Results) -> dict[str, dict[str, dict[str, list[float]]]]:
    """track -> agent -> {"charged", "measured"} -> [p50, p90, p99, max] in us, over all decisions."""
    of_one_model(results.episodes)
    gathered: dict[tuple[str, str], list[dict[str, np.ndarray]]] = {}
    for _, names, part in _groups(results, results.decisions, ("latency", "measured_ns")):
        gathered.setdefault(names, []).append(part)
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for (track, agent), parts in gathered.items():
        found.setdefault(track, {})[agent] = {
            kind: (np.percentile(np.concatenate([part[name] for part in parts]), (50, 90, 99, 100)) / 1000).tolist()
            for kind, name in (("charged", "latency"), ("measured", "measured_ns"))
        }
    return found


def liveliest(results: Results) -> int | None:
    """The episode to show when none is chosen: of the arena, else solo, the one with the most fills; None if empty."""
    names = ("episode", "track", "fills")
    fills: dict[tuple[bool, int], int] = {}
    for episode, track, count in zip(*(results.episodes.column(name).to_pylist() for name in names), strict=True):
        key = (track == "arena", episode)
        fills[key] = fills.get(key, 0) + count
    return max(fills, key=lambda key: (key[0], fills[key], -key[1]))[1] if fills else None


def episode_view(results: Results, episode: int) -> list[dict[str, Any]]:
    """One mapping a seat of the episode: agent, track and columns time (s since it opened), mid, bid, ask (ticks, NaN
    without a quote), pnl, position, and `fills` with time, price, size, side, position, reason, fee."""
    opens = _by_seat(results.episodes, "opens")
    chosen = results.curve.filter(pa.array(results.curve.column("episode").to_numpy() == episode))
    traded = results.fills.filter(pa.array(results.fills.column("episode").to_numpy() == episode))
    fills = {
        key: part
        for key, _, part in _groups(results, traded, ("time", "price", "size", "side", "position", "reason", "fee"))
    }
    view = []
    for key, (track, agent), curve in _groups(results, chosen, ("time", "mid", "bid", "ask", "pnl", "position")):
        keep = thinned(len(curve["time"]))
        seat = {name: values[keep].astype(float) for name, values in curve.items()}
        seat["time"] = (curve["time"][keep] - opens[key]) / SECOND
        for side in ("bid", "ask"):
            seat[side][seat[side] == 0] = np.nan
        own = fills.get(key, {"time": np.zeros(0, np.int64)})
        view.append(
            {"agent": agent, "track": track, **seat, "fills": own | {"time": (own["time"] - opens[key]) / SECOND}}
        )
    return view


def thinned(n: int) -> np.ndarray:
    """Up to POINTS places of n, evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, POINTS)).round().astype(np.int64))


def _by_seat(episodes: pa.Table, name: str) -> dict[tuple[int, int], Any]:
    columns = (episodes.column(column).to_pylist() for column in ("episode", "seat", name))
    return {(episode, seat): value for episode, seat, value in zip(*columns, strict=True)}


def _groups(
    results: Results, table: pa.Table, names: tuple[str, ...]
) -> Iterator[tuple[tuple[int, int], tuple[str, str], dict[str, np.ndarray]]]:
    """((episode, seat), (track, agent), columns) of every seat that has rows, in order; rows keep theirs."""
    seats = seats_of(results.episodes)
    columns = {name: table.column(name).to_numpy() for name in ("episode", "seat", *names)}
    order = np.lexsort((columns["seat"], columns["episode"]))
    episode, seat = columns["episode"][order], columns["seat"][order]
    cuts = np.flatnonzero((np.diff(episode) != 0) | (np.diff(seat) != 0)) + 1
    for rows in np.split(order, cuts) if len(order) else []:
        key = (int(columns["episode"][rows[0]]), int(columns["seat"][rows[0]]))
        if key in seats:
            yield key, seats[key], {name: columns[name][rows] for name in names}


def _last_before(times: np.ndarray, grid: np.ndarray) -> np.ndarray:
    return np.maximum(np.searchsorted(times, grid, side="right") - 1, 0)
