"""Fills under doubt: the models of the queue and of impact under which a band of results is played (docs/fills.md).

Snapshots and levels do not show where in a queue a cancel fell, nor how long liquidity that a seat took stays away. The
point estimate takes one answer to both; the band takes both ends of each, with everything else equal.
"""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pyarrow.compute as pc

from lobarena.benchmarks.config import Config
from lobarena.benchmarks.results import Results
from lobarena.benchmarks.statistics import leaderboard

QUEUES = ("back", "pro rata", "front")  # pessimistic, middle, optimistic
IMPACTS = ("restore", "keep")
BANDS = ("pnl_mean", "pnl_map", "map", "fills", "mdd")  # of the leaderboard


def models(config: Config) -> list[tuple[str, str]]:
    """(cancel model, impact rule) of each playing of an episode, the settings' own first."""
    own = (config.cancel_model, config.impact)
    if config.fills == "point":
        return [own]
    return [own, *(pair for queue in QUEUES for impact in IMPACTS if (pair := (queue, impact)) != own)]


def name(cancel_model: str, impact: str) -> str:
    """As it stands in the results."""
    return f"{cancel_model}/{impact}"


def played(results: Results) -> list[str]:
    """The models in a results folder, the settings' own first."""
    config = results.manifest["config"]
    own = name(config.get("cancel_model", "pro rata"), config.get("impact", "decay"))
    there = dict.fromkeys(results.episodes.column("fill_model").to_pylist())
    return sorted(there, key=lambda one: one != own) or [own]


def under(results: Results, model: str) -> Results:
    """The part of a results folder that was played under one model."""
    episodes = results.episodes.filter(pc.equal(results.episodes.column("fill_model"), model))
    if episodes.num_rows == results.episodes.num_rows:
        return results
    mine = episodes.column("episode")
    cut = {
        key: table.filter(pc.is_in(table.column("episode"), mine.combine_chunks()))
        for key, table in (("fills", results.fills), ("decisions", results.decisions), ("curve", results.curve))
    }
    return replace(results, episodes=episodes, **cut)


def band(results: Results) -> list[dict[str, Any]]:
    """A row a track and agent: each measure of BANDS by the settings' own model, and its least and most over all.

    `<measure>`, `<measure>_low`, `<measure>_high`; `models`: {model: mean PnL, currency an episode}. The models are no
    sample: the same episodes, seeds and event times are played under each.
    """
    names = played(results)
    boards = {one: _board(under(results, one), results) for one in names}
    rows = []
    for (track, agent), own in boards[names[0]].items():
        every = [boards[one][track, agent] for one in names if (track, agent) in boards[one]]
        row: dict[str, Any] = {"track": track, "agent": agent}
        for key in BANDS:
            values = [float(board[key]) for board in every]
            row |= {key: own[key], f"{key}_low": min(values), f"{key}_high": max(values)}
        row["models"] = {one: boards[one][track, agent]["pnl_mean"] for one in names if (track, agent) in boards[one]}
        rows.append(row)
    return rows


def orders(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a pair of agents of a track: the better one where it is so under every model, else undecided."""
    found = []
    for track in dict.fromkeys(row["track"] for row in rows):
        mine = [row for row in rows if row["track"] == track]
        for first, second in permutations(mine, 2):
            shared = first["models"].keys() & second["models"].keys()
            ahead = sum(first["models"][one] > second["models"][one] for one in shared)
            pair = {"track": track, "first": first["agent"], "second": second["agent"]}
            if ahead == len(shared):
                found.append(pair | {"models": ahead, "of": len(shared), "verdict": "better under all"})
            elif 2 * ahead > len(shared) or (2 * ahead == len(shared) and first["agent"] < second["agent"]):
                found.append(pair | {"models": ahead, "of": len(shared), "verdict": "undecided"})
    return found


def _board(part: Results, whole: Results) -> dict[tuple[str, str], dict[str, Any]]:
    rows = leaderboard(part.episodes, seed=int(whole.manifest["seed"]))
    return {(row["track"], row["agent"]): row for row in rows}
