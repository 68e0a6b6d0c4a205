"""Fills under doubt: the models of the queue and of impact under which a band of results is played (docs/fills.md).

Snapshots and levels do not show where in a queue a cancel fell, nor how long liquidity that a seat took stays away. The
point estimate takes one answer to both; the band takes both ends of each, with everything else equal.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lobarena.benchmarks.config import Config
from lobarena.benchmarks.results import Results

QUEUES = ("back", "pro rata", "front")  # pessimistic, middle, optimistic
IMPACTS = ("restore", "keep")

_MARKET = ("track", "exchange", "contract", "day", "segment", "rotation", "agent")  # what the models have in common


def models(config: Config) -> list[tuple[str, str]]:
    """(cancel model, impact rule) of each playing of an episode, the settings' own first."""
    return _models(config.fills, (config.cancel_model, config.impact))


def name(cancel_model: str, impact: str) -> str:
    """As it stands in the results."""
    return f"{cancel_model}/{impact}"


def played(results: Results) -> list[str]:
    """The models of a run, the settings' own first: those that its settings ask for, finished or not, and any other."""
    config = results.manifest["config"]
    own = (config.get("cancel_model", "pro rata"), config.get("impact", "decay"))
    there = results.episodes.column("fill_model").to_pylist()
    asked = [name(*pair) for pair in _models("band", own)] if config.get("fills") == "band" else []
    return list(dict.fromkeys([*asked, *sorted(set(there), key=lambda one: (one != name(*own), one))])) or [name(*own)]


def under(results: Results, model: str) -> Results:
    """The part of a results folder that was played under one model."""
    return part(results, pc.equal(results.episodes.column("fill_model"), model))


def under_all(results: Results, names: Sequence[str]) -> Results:
    """The part whose market was played under every model: of a run that is not finished, what can be compared."""
    markets = list(zip(*(results.episodes.column(key).to_pylist() for key in _MARKET), strict=True))
    counts = Counter(markets)
    return part(results, pa.array([counts[market] == len(names) for market in markets], pa.bool_()))


def orders(differences: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Whether a pair of agents has one order under every model.

    differences: model -> rows of `statistics.paired_differences`, over the same blocks under each; the settings' own
    model first. A row a pair and track that every model has: first, second (the one ahead under more models first),
    verdict "better under all" or "undecided", models (under which first is ahead) of (so many), clear (of them, under
    how many the interval of the difference lies above 0), difference, difference_low, difference_high (currency an
    episode, first less second: by the settings' own model, and the least and the most).
    """
    found: dict[tuple[str, ...], list[tuple[float, float, float]]] = {}
    for rows in differences.values():
        for row in rows:
            first, second = sorted((row["first"], row["second"]))
            value = (row["difference"], row["low"], row["high"])
            turned = value if first == row["first"] else (-value[0], -value[2], -value[1])
            found.setdefault((row["track"], first, second), []).append(turned)
    table = []
    for (track, first, second), values in sorted(found.items()):
        if len(values) < len(differences) or any(value[0] != value[0] for value in values):
            continue
        ahead, behind = sum(value[0] > 0 for value in values), sum(value[0] < 0 for value in values)
        pair = (first, second)
        if behind > ahead:
            pair, ahead = (second, first), behind
            values = [(-difference, -high, -low) for difference, low, high in values]
        gaps = [value[0] for value in values]
        table.append(
            {
                "track": track,
                "first": pair[0],
                "second": pair[1],
                "verdict": "better under all" if ahead == len(values) else "undecided",
                "models": ahead,
                "of": len(values),
                "clear": sum(low > 0 for _, low, _ in values),
                "difference": gaps[0],
                "difference_low": min(gaps),
                "difference_high": max(gaps),
            }
        )
    tracks = list(dict.fromkeys(row["track"] for rows in differences.values() for row in rows))
    return sorted(table, key=lambda row: tracks.index(row["track"]))


def _models(fills: str, own: tuple[str, str]) -> list[tuple[str, str]]:
    ends = [(queue, impact) for queue in QUEUES for impact in IMPACTS] if fills == "band" else []
    return list(dict.fromkeys([own, *ends]))


def part(results: Results, chosen: pa.Array | pa.ChunkedArray) -> Results:
    """The chosen rows of the episodes (a boolean each), and what the other tables hold of their seats."""
    episodes = results.episodes.filter(chosen)
    if episodes.num_rows == results.episodes.num_rows:
        return results
    mine = episodes.column("episode").combine_chunks()
    cut = {
        key: table.filter(pc.is_in(table.column("episode"), mine))
        for key, table in (("fills", results.fills), ("decisions", results.decisions), ("curve", results.curve))
    }
    return replace(results, episodes=episodes, **cut)
