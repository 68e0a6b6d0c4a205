"""Plots of a stress run: the matrix of agents and stories, and the frontier of what each agent survives."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lobarena.benchmarks.report_figures import COLOURS, Figure, axes, literal
from lobarena.benchmarks.shock_episodes import CALM
from lobarena.benchmarks.stress_search import LEAST, MOST

_SCALE = [[0, "#8c1d18"], [0.25, "#ff725c"], [0.5, "#f4f1ea"], [0.75, "#97bbf5"], [1, "#27458f"]]


def matrix(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Agents to the right, stories down: the worst PnL of its windows in % of capital; a cross where it was ruined."""
    agents = list(dict.fromkeys(row["agent"] for row in rows))
    stories = [story for story in dict.fromkeys(row["story"] for row in rows) if story != CALM]
    cells = {(row["story"], row["agent"]): row for row in rows}
    z = [[100 * cells[s, a]["worst"] if (s, a) in cells else None for a in agents] for s in stories]
    crosses = [
        (a, s) for s in stories for a in agents if (s, a) in cells and cells[s, a]["survived"] < cells[s, a]["episodes"]
    ]
    names = {agent: literal(agent) for agent in agents}
    height = 220 + 24 * len(stories)
    return {
        "data": [
            {
                "type": "heatmap",
                "x": [names[agent] for agent in agents],
                "y": stories,
                "z": z,
                "colorscale": _SCALE,
                "zmin": -60,
                "zmax": 60,
                "xgap": 2,
                "ygap": 2,
                "colorbar": {"title": {"text": "% of capital"}, "thickness": 12},
                "hovertemplate": "%{x} in %{y}: %{z:.1f} % of capital<extra></extra>",
            },
            {
                "type": "scatter",
                "mode": "markers",
                "name": "not survived in at least one window",
                "x": [names[agent] for agent, _ in crosses],
                "y": [story for _, story in crosses],
                "marker": {"symbol": "x-thin", "size": 9, "line": {"width": 2, "color": "#111"}},
                "hovertemplate": "%{x} in %{y}: not survived<extra></extra>",
            },
        ],
        "layout": axes("", "") | {"height": height, "yaxis": {"autorange": "reversed"}, "legend": _legend(height)},
    }


def frontier(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """A mark an agent and story that ruined anybody: the least size that did in any window, on a logarithmic axis.

    The stories that break first are on top; within a story the agents lie below one another, so that no mark hides one.
    """
    agents = list(dict.fromkeys(row["agent"] for row in rows))
    least = {agent: least_sizes([row for row in rows if row["agent"] == agent]) for agent in agents}
    first = {story: size for story, size in least_sizes(rows).items() if size is not None}
    stories = sorted(first, key=lambda story: first[story])
    traces = []
    for place, agent in enumerate(agents):
        mine = [(at, least[agent][story]) for at, story in enumerate(stories) if story in least[agent]]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": literal(agent),
                "x": [size if size is not None else 1.3 * MOST for _, size in mine],
                "y": [at + 0.7 * ((place + 0.5) / len(agents) - 0.5) for at, _ in mine],
                "text": [
                    f"{stories[at]}: " + ("never ruined, up to its bound" if size is None else f"ruined at {size:.2f}")
                    for at, size in mine
                ],
                "marker": {
                    "size": 9,
                    "color": COLOURS[place % len(COLOURS)],
                    "symbol": ["circle" if size is not None else "triangle-right-open" for _, size in mine],
                },
                "hovertemplate": f"{literal(agent)} in %{{text}}<extra></extra>",
            }
        )
    height = 200 + (16 + 10 * len(agents)) * len(stories)
    layout = axes("size of the shocks (1 is the episode as it is)", "")
    layout["xaxis"] |= {"type": "log", "range": [math.log10(LEAST) - 0.1, math.log10(MOST) + 0.25]}
    ticks = {"tickvals": list(range(len(stories))), "ticktext": stories, "zeroline": False}
    layout["yaxis"] |= ticks | {"range": [len(stories) - 0.4, -0.6]}
    return {"data": traces, "layout": layout | {"height": height, "legend": _legend(height)}}


def _legend(height: int) -> dict[str, Any]:
    """Below the axis, as near in a tall plot as in a low one."""
    return {"orientation": "h", "x": 0, "yanchor": "top", "y": -75 / max(1, height - 150)}


def least_sizes(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Story -> the least size that ruined an agent in any of its windows; None where none did."""
    found: dict[str, float | None] = {}
    for row in rows:
        before, size = found.get(row["story"]), row["ruined"]
        found[row["story"]] = size if before is None else (before if size is None else min(before, size))
    return found
