"""One episode told fill by fill, from the tables of its run alone."""

from typing import Any

import numpy as np
import pyarrow.compute as pc

from lobarena.benchmarks.manifest import ResultsError
from lobarena.benchmarks.results import Results

SECOND = 1_000_000_000  # ns
HEADS = {
    "fill": "fill",
    "seconds": "s after opening",
    "lots": "lots",
    "price": "price, ticks",
    "mid": "mid before, ticks",
    "role": "role",
    "reason": "why",
    "counterparty": "with",
    "position": "position",
    "pnl": "PnL before",
}


def episode_of(results: Results, named: str, agent: str = "") -> dict[str, Any]:
    """The row of an episode by its number or by its track (of a stress run, the name of the story) and agent.

    ResultsError lists what there is when none or several fit.
    """
    every = results.episodes.select(["episode", "track", "agent", "contract", "day", "seat", "opens"]).to_pylist()
    named_so = [row for row in every if named in (str(row["episode"]), row["track"])]
    rows = [row for row in named_so if agent in ("", row["agent"])]
    if len(rows) == 1:
        only: dict[str, Any] = rows[0]
        return only
    told = [f"{row['episode']} ({row['track']}, {row['agent']}, {row['contract']} {row['day']})" for row in rows[:12]]
    if rows:
        raise ResultsError(f"{len(rows)} episodes fit; give --agent, or the number of one: {'; '.join(told)}")
    tracks = ", ".join(dict.fromkeys(row["track"] for row in every))
    raise ResultsError(f"{results.folder} has no episode {named!r} of {agent or 'any agent'}; it has {tracks}")


def fills_of(results: Results, episode: dict[str, Any], between: tuple[float, float]) -> list[dict[str, Any]]:
    """A row a fill, in order, of those in `between` (s after the opening); keys as HEADS. Lots sold are negative.

    pnl : currency, at the last step of the time grid before the fill; 0 before the first
    """
    mine = (pc.field("episode") == episode["episode"]) & (pc.field("seat") == episode["seat"])
    curve = results.curve.filter(mine)
    times, pnl = (curve.column(name).to_numpy() for name in ("time", "pnl"))
    told = []
    for row in results.fills.filter(mine).to_pylist():
        seconds = (row["time"] - episode["opens"]) / SECOND
        if between[0] <= seconds <= between[1]:
            step = int(np.searchsorted(times, row["time"])) - 1
            own = {"seconds": seconds, "lots": row["side"] * row["size"], "pnl": float(pnl[step]) if step >= 0 else 0.0}
            told.append({key: own[key] if key in own else row[key] for key in HEADS})
    return told
