"""How large a shock an agent survives: its size is doubled until the agent is ruined, then halved between the two.

Size 1 is the episode as its file says. Ruin need not be monotone in the size; what is told is where the bisection
ended: an agent survived `survived`, and did not survive `ruined`. Played in the first window of each contract.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from lobarena.benchmarks.charging import charges, latencies
from lobarena.benchmarks.manifest import ResultsError, no_space
from lobarena.benchmarks.programme import fields, units
from lobarena.benchmarks.shock_episodes import CALM
from lobarena.benchmarks.stress import StressUnit, play_one, stories_of, stress_units
from lobarena.benchmarks.stress_config import StressConfig
from lobarena.benchmarks.tournament import Job, data_root, fit_of

NAME = "frontier.json"
LEAST, MOST = 1 / 16, 16.0  # sizes that are tried
STEPS = 4  # halvings between survival and ruin, in the logarithm of the size

Advance = Callable[[int, int, str], None]
_KEY = ("agent", "story", "contract", "day", "segment")


def search(
    config: StressConfig, run: Path, *, processes: int = 1, on_progress: Advance | None = None
) -> list[dict[str, Any]]:
    """The breaking points of every agent in every story, kept in RUN/frontier.json; what is there is not played again.

    A row an agent, story and window: survived and ruined are sizes, None where the search ended at its bound.
    """
    programme = fields(config, data_root(config))
    fitted, recorded = fit_of(programme), latencies(config)
    first = [one for one in units(config, programme) if _is_first(one, units(config, programme))]
    jobs = [
        Job(config, unit, fitted[unit.day.symbol], charges(config, unit, recorded, {}))
        for unit in stress_units(config, first, stories_of(config))
        if unit.story.name != CALM
    ]
    path = Path(run) / NAME
    found = read_frontier(run)
    done = {tuple(row[name] for name in _KEY) for row in found}
    left = [job for job in jobs if tuple(_place(job)[name] for name in _KEY) not in done]
    count = len(jobs) - len(left)
    for row in _all(left, processes):
        found.append(row)
        _write(path, found)
        count += 1
        if on_progress:
            on_progress(count, len(jobs), f"{row['story']} {row['agent']}")
    return found


def read_frontier(run: Path | str) -> list[dict[str, Any]]:
    """The breaking points found so far; ResultsError when the file is damaged."""
    path = Path(run) / NAME
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_text("utf-8"))
        kept = [
            {
                name: str(row[name]) if name in ("agent", "story", "contract") else row[name]
                for name in (*_KEY, "survived", "ruined", "plays")
            }
            for row in rows
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{path} is damaged ({error}); delete it and search again") from None
    return kept


def breaking_point(job: Job) -> dict[str, Any]:
    """Bisect the size of one story for one agent in one window."""
    low, high, plays = None, None, 0
    size = 1.0
    while LEAST <= size <= MOST and (low is None or high is None):
        ruined = _ruined(job, size)
        plays += 1
        if ruined:
            high, size = size, size / 2
        else:
            low, size = size, size * 2
    if low is not None and high is not None:
        for _ in range(STEPS):
            middle = (low * high) ** 0.5
            plays += 1
            if _ruined(job, middle):
                high = middle
            else:
                low = middle
    return {**_place(job), "survived": low, "ruined": high, "plays": plays}


def _ruined(job: Job, size: float) -> bool:
    unit = job.unit
    assert isinstance(unit, StressUnit)
    scaled = Job(job.config, replace(unit, story=unit.story.scaled(size)), job.fitted, job.charges)
    (episode,) = play_one(scaled)["episodes"]
    notes = json.loads(episode["notes"])
    broke = episode["pnl"] + notes["venue_capital"] <= 0
    return bool(notes["venue_liquidated"] or broke or episode["status"] != "ok")


def _all(jobs: Sequence[Job], processes: int) -> Iterator[dict[str, Any]]:
    if processes <= 1 or len(jobs) < 2:
        yield from map(breaking_point, jobs)
        return
    yield breaking_point(jobs[0])  # compiles once, for all
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield from pool.map(breaking_point, jobs[1:])


def _place(job: Job) -> dict[str, Any]:
    unit = job.unit
    e = unit.episode
    return {"agent": unit.labels[0], "story": e.track, "contract": e.contract, "day": e.day, "segment": e.segment}


def _is_first(unit: Any, every: Sequence[Any]) -> bool:
    same = [(one.episode.day, one.episode.segment) for one in every if one.episode.contract == unit.episode.contract]
    return (unit.episode.day, unit.episode.segment) == min(same)


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with no_space(path):
        temporary.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)
