"""The latency sweep of a results folder: what each agent earns alone when everyone's thinking takes the same time.

All latencies meet the same episodes, seeds and event times, so an agent is compared with itself, block by block. Only
blocks that were played at every latency by every agent count.
"""

from typing import Any

import numpy as np
import pyarrow.compute as pc

from lobarena.benchmarks.fill_models import part
from lobarena.benchmarks.latency_mode import AS_SET, written
from lobarena.benchmarks.results import Results
from lobarena.benchmarks.statistics import RESAMPLES, by_block, generator_of, interval, resampled

_LEAST = 1e-7  # lots that a mean position is divided by at least, as in the leaderboard


def outside(results: Results) -> Results:
    """The part of a results folder that is no sweep: the tournament by its own settings."""
    return part(results, pc.equal(results.episodes.column("sweep"), AS_SET))


def sweep(results: Results, *, resamples: int = RESAMPLES) -> dict[str, list[dict[str, Any]]]:
    """{"points", "agents"} of a run with a latency sweep, each [] without one.

    points: a row an agent and latency (ns): blocks; pnl_mean (currency an episode) and pnl_map (currency a lot), each
    with _low, _high (95 %, block bootstrap); difference, difference_low, difference_high: pnl_map less the agent's own
    at 0; map, fills: means over the episodes; front: whether no point thinks no longer and earns no less, one of them
    strictly.
    agents: a row an agent: verdict, the latency where PnLMAP stops being above idle's, which is 0; paid, clear: the
    latencies (ns) with PnLMAP above 0, and with its whole interval above 0.
    """
    rows = results.episodes.filter(pc.not_equal(results.episodes.column("sweep"), AS_SET))
    if not rows.num_rows:
        return {"points": [], "agents": []}
    columns = {name: rows.column(name).to_numpy(zero_copy_only=False) for name in rows.column_names}
    latencies = sorted({int(ns) for ns in columns["sweep"]})
    names = sorted(set(columns["agent"].tolist()))
    numbers = {key: place for place, key in enumerate((name, ns) for name in names for ns in latencies)}
    keys = [numbers[key] for key in zip(columns["agent"].tolist(), columns["sweep"].tolist(), strict=True)]
    columns["agent"] = np.array([f"{number:09}" for number in keys])  # as `by_block` sorts them
    _, pnl, counts = by_block(columns)
    _, held, _ = by_block(columns | {"pnl": columns["map"]})
    _, fills, _ = by_block(columns | {"pnl": columns["fills"]})
    if pnl.shape[1] != len(numbers) or not (whole := (counts > 0).all(axis=1)).any():
        return {"points": [], "agents": []}
    pnl, held, fills, counts = (table[whole] for table in (pnl, held, fills, counts))
    seed = int(results.manifest["seed"])
    earned, held_on = (resampled(sums, counts, generator_of(seed, "sweep"), resamples) for sums in (pnl, held))
    ratio = earned / np.maximum(held_on, _LEAST)
    mean, position = pnl.sum(axis=0) / counts.sum(axis=0), held.sum(axis=0) / counts.sum(axis=0)
    point = mean / np.maximum(position, _LEAST)
    blocks = len(pnl)
    points: list[dict[str, Any]] = []
    for (name, ns), k in numbers.items():
        own = numbers[name, latencies[0]]
        ends = {
            "pnl": interval(earned[:, k], blocks),
            "pnl_map": interval(ratio[:, k], blocks),
            "difference": interval(ratio[:, k] - ratio[:, own], blocks),
        }
        row: dict[str, Any] = {"agent": name, "latency": ns, "blocks": blocks, "pnl_mean": float(mean[k])}
        row |= {"pnl_map": float(point[k]), "difference": float(point[k] - point[own]), "map": float(position[k])}
        row |= {"fills": float(fills[:, k].sum() / counts[:, k].sum())}
        for key, (low, high) in ends.items():
            row |= {f"{key}_low": low, f"{key}_high": high}
        points.append(row)
    for row in points:
        row["front"] = not any(_beats(other, row) for other in points)
    return {
        "points": points,
        "agents": [_agent(name, [row for row in points if row["agent"] == name]) for name in names],
    }


def _beats(other: dict[str, Any], row: dict[str, Any]) -> bool:
    gain, haste = other["pnl_mean"] - row["pnl_mean"], row["latency"] - other["latency"]
    return bool(gain >= 0 and haste >= 0 and (gain > 0 or haste > 0))


def _agent(name: str, points: list[dict[str, Any]]) -> dict[str, Any]:
    paid = [row["latency"] for row in points if row["pnl_map"] > 0]
    clear = [row["latency"] for row in points if row["pnl_map_low"] > 0]
    return {"agent": name, "verdict": _verdict(points, paid), "paid": paid, "clear": clear}


def _verdict(points: list[dict[str, Any]], paid: list[int]) -> str:
    tried = [row["latency"] for row in points]
    if not any(row["fills"] for row in points):
        return "never traded"
    if not paid:
        return "never paid"
    if paid == tried:
        return f"paid up to {written(tried[-1])}, the longest tried"
    if paid == tried[: len(paid)]:
        return f"stops between {written(paid[-1])} and {written(tried[len(paid)])}"
    return f"no break-even: paid at {', '.join(map(written, paid))} alone"
