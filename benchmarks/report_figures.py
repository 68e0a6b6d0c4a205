"""The plots of a report as plotly figures: {"data": traces, "layout": ...}, ready for JSON; the page adds colours."""

import html
import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from lobarena.benchmarks.fill_models import QUEUES

Figure = dict[str, Any]
Curves = dict[str, tuple[np.ndarray, np.ndarray]]

COLOURS = ("#4269d0", "#efb118", "#ff725c", "#3ca951", "#a463f2", "#6cc5b0", "#9c6b4e", "#ff8ab7", "#97bbf5", "#9498a0")
DASHES = ("solid", "dash", "dot", "dashdot")
PARTS = ("spread", "adverse", "holding", "liquidation", "fees")
PART_NAMES = {
    "spread": "spread captured",
    "adverse": "adverse selection (5 s)",
    "holding": "holding",
    "liquidation": "terminal liquidation",
    "fees": "fees",
}
PERCENTILES = ("p50", "p90", "p99", "max")
FLOOR_US = 0.01  # where a latency of 0 is drawn on the logarithmic axis
SHOWN = 1  # seats whose quotes are drawn at once; the others wait in the legend


def pnl_curves(curves: Curves, agents: list[str], currency: str) -> Figure:
    """Mean PnL over the episodes against the time since they opened."""
    traces = [
        _line(agent, agents, minutes, pnl, f"%{{x:.1f}} min: %{{y:,.0f}} {currency}")
        for agent, (minutes, pnl) in curves.items()
    ]
    return {"data": traces, "layout": axes("time since the episode opened (min)", f"mean PnL ({currency})")}


def inventory(curves: Curves, agents: list[str]) -> Figure:
    """Share of time at each position."""
    traces = [
        _line(agent, agents, lots, share * 100, "%{x} lots: %{y:.1f} % of the time")
        | {"line": stroke(agent, agents) | {"shape": "hvh"}}
        for agent, (lots, share) in curves.items()
    ]
    return {"data": traces, "layout": axes("position (lots)", "share of time (%)")}


def band(rows: list[dict[str, Any]], models: list[str], currency: str) -> Figure:
    """A bar an agent from its least to its most mean PnL; on it a mark a fill model, with its interval over episodes.

    models: the settings' own first; its mark is the large one. Colour tells the queue model, shape the impact rule.
    """
    known = sorted(dict.fromkeys(model.partition("/")[0] for model in models), key=_queue)
    order = sorted(models, key=lambda model: (_queue(model.partition("/")[0]), model))
    traces: list[dict[str, Any]] = []
    for place, row in enumerate(rows):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": numbers([row["pnl_mean_low"], row["pnl_mean_high"]]),
                "y": [place, place],
                "line": {"color": "rgba(136,136,136,0.25)", "width": 40},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
    for place, model in enumerate(order):
        queue, _, impact = model.partition("/")
        found, own, colour = (
            [row["models"][model] for row in rows],
            model == models[0],
            COLOURS[known.index(queue) % 10],
        )
        up, down = (
            numbers(sign * ((one[end] if one[end] is not None else math.nan) - one["pnl_mean"]) for one in found)
            for sign, end in ((1, "pnl_high"), (-1, "pnl_low"))
        )
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": literal(model),
                "x": numbers(one["pnl_mean"] for one in found),
                "y": [row + 0.6 * (place - (len(order) - 1) / 2) / max(len(order) - 1, 1) for row in range(len(rows))],
                "error_x": {"array": up, "arrayminus": down, "thickness": 1, "width": 0, "color": colour},
                "marker": {
                    "color": colour,
                    "size": 13 if own else 9,
                    "symbol": {"restore": "triangle-right", "keep": "triangle-left"}.get(impact, "diamond"),
                    "line": {"color": "#888", "width": 1.5 if own else 0},
                },
                "text": [literal(row["agent"]) for row in rows],
                "hovertemplate": f"%{{text}}, {literal(model)}: %{{x:,.0f}} {currency}<extra></extra>",
            }
        )
    layout = axes(f"mean PnL ({currency} / episode)", "")
    ticks = {"tickvals": list(range(len(rows))), "ticktext": [literal(row["agent"]) for row in rows], "zeroline": False}
    layout["yaxis"] |= {"range": [len(rows) - 0.5, -0.5], **ticks}
    return {"data": traces, "layout": layout | {"height": max(420, 200 + 64 * len(rows))}}


def _queue(model: str) -> tuple[int, str]:
    """The place of a queue model, pessimistic first."""
    return (QUEUES.index(model) if model in QUEUES else len(QUEUES), model)


def attribution(board: list[dict[str, Any]], currency: str) -> Figure:
    """Stacked bars of the parts of the mean PnL, with the PnL itself as a mark."""
    names = [literal(row["agent"]) for row in board]
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": PART_NAMES[part],
            "y": names,
            "x": numbers(-row[part] if part == "fees" else row[part] for row in board),
            "marker": {"color": COLOURS[place]},
            "hovertemplate": f"%{{y}}, {PART_NAMES[part]}: %{{x:,.0f}} {currency}<extra></extra>",
        }
        for place, part in enumerate(PARTS)
    ]
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "PnL",
            "y": names,
            "x": numbers(row["pnl_mean"] for row in board),
            "marker": {"symbol": "diamond", "size": 10, "color": "#fff", "line": {"color": "#222", "width": 2}},
            "hovertemplate": f"%{{y}}, PnL: %{{x:,.0f}} {currency}<extra></extra>",
        }
    )
    layout = axes(f"mean an episode ({currency})", "") | {"barmode": "relative", "height": _height(len(board))}
    layout["yaxis"] |= {"autorange": "reversed"}
    return {"data": traces, "layout": layout}


def latency(found: dict[str, dict[str, list[float]]]) -> Figure:
    """p50, p90, p99 and the largest decision latency of each agent, charged above measured, on a logarithmic axis."""
    traces: list[dict[str, Any]] = []
    for kind, colour, symbol, shift in (
        ("charged", COLOURS[0], "circle", -0.15),
        ("measured", COLOURS[2], "diamond", 0.15),
    ):
        x: list[float] = []
        y: list[float] = []
        text: list[str] = []
        for place, (agent, kinds) in enumerate(found.items()):
            x += [*(max(us, FLOOR_US) for us in kinds[kind]), math.nan]
            y += [place + shift] * 5
            text += [
                f"{literal(agent)}, {kind} {name}: {us:,.1f} us"
                for name, us in zip(PERCENTILES, kinds[kind], strict=True)
            ]
            text.append("")
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": kind,
                "x": numbers(x),
                "y": y,
                "text": text,
                "marker": {"color": colour, "symbol": symbol, "size": 8},
                "line": {"color": colour, "width": 1.5},
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    layout = axes("p50, p90, p99, largest (us)", "")
    layout["xaxis"] |= {"type": "log", "dtick": "D2"}
    ticks = {"tickvals": list(range(len(found))), "ticktext": [literal(agent) for agent in found], "zeroline": False}
    layout["yaxis"] |= {"autorange": "reversed", **ticks}
    return {"data": traces, "layout": layout | {"height": _height(len(found))}}


def quotes(view: list[dict[str, Any]], agents: list[str]) -> Figure:
    """Mid, own best quotes and fills of each seat over an episode; a triangle up is a buy, down a sale."""
    first = view[0]
    mid: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "name": "mid",
        "x": numbers(first["time"]),
        "y": numbers(first["mid"]),
    }
    traces = [
        mid | {"line": {"color": "#888", "width": 1.5}, "hovertemplate": "%{x:.1f} s: mid %{y:,.1f}<extra></extra>"}
    ]
    for place, seat in enumerate(view):
        agent, colour = seat["agent"], stroke(seat["agent"], agents)["color"]
        group = {"legendgroup": str(place), "visible": True if place < SHOWN else "legendonly", "type": "scatter"}
        for side in ("bid", "ask"):
            traces.append(
                group
                | {
                    "mode": "lines",
                    "name": literal(agent),
                    "showlegend": side == "bid",
                    "x": numbers(seat["time"]),
                    "y": numbers(seat[side]),
                    "opacity": 0.65,
                    "line": {"color": colour, "width": 1, "shape": "hv"},
                    "hovertemplate": f"%{{x:.1f}} s: {side} %{{y:,}}<extra>{literal(agent)}</extra>",
                }
            )
        fills = seat["fills"]
        if len(fills["time"]):
            traces.append(group | _fills(agent, colour, fills))
    return {"data": traces, "layout": axes("time since the episode opened (s)", "price (ticks)") | {"height": 560}}


def seat_curves(view: list[dict[str, Any]], agents: list[str], name: str, unit: str) -> Figure:
    """PnL or position of each seat over an episode."""
    traces = [
        _line(seat["agent"], agents, seat["time"], seat[name], f"%{{x:.1f}} s: %{{y:,.0f}} {unit}") for seat in view
    ]
    label = {"pnl": "PnL", "position": "position"}[name]
    return {"data": traces, "layout": axes("time since the episode opened (s)", f"{label} ({unit})")}


def numbers(values: Iterable[float]) -> list[float | None]:
    """Rounded to four places, which no plot shows; what is not finite is None."""
    return [round(float(value), 4) if math.isfinite(value) else None for value in values]


def _fills(agent: str, colour: str, fills: dict[str, np.ndarray]) -> dict[str, Any]:
    columns = zip(*(fills[name].tolist() for name in ("size", "side", "position", "reason", "fee")), strict=True)
    return {
        "mode": "markers",
        "name": literal(agent),
        "showlegend": False,
        "x": numbers(fills["time"]),
        "y": fills["price"].tolist(),
        "text": [
            f"{'bought' if side > 0 else 'sold'} {size:,}, {literal(reason)}<br>"
            f"position after {position:+,}, fee {fee:,.2f}"
            for size, side, position, reason, fee in columns
        ],
        "marker": {
            "color": colour,
            "size": 10,
            "symbol": ["triangle-up" if side > 0 else "triangle-down" for side in fills["side"].tolist()],
            "line": {"color": "#fff", "width": 1},
        },
        "hovertemplate": f"%{{x:.1f}} s at %{{y:,}}: %{{text}}<extra>{literal(agent)}</extra>",
    }


def _line(agent: str, agents: list[str], x: np.ndarray, y: np.ndarray, hover: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": literal(agent),
        "x": numbers(x),
        "y": numbers(y),
        "line": stroke(agent, agents),
        "hovertemplate": f"{hover}<extra>{literal(agent)}</extra>",
    }


def stroke(agent: str, agents: list[str]) -> dict[str, Any]:
    """The colour of an agent, the same in every plot; dashes tell apart those that share one."""
    place = agents.index(agent)
    return {"color": COLOURS[place % len(COLOURS)], "dash": DASHES[place // len(COLOURS) % len(DASHES)], "width": 2}


def literal(name: str) -> str:
    """A name as plotly shows it literally: it reads a small HTML in labels, and % starts a field."""
    return html.escape(name).replace("%{", "%&#123;")


def axes(x: str, y: str) -> dict[str, Any]:
    return {"xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}}, "height": 420}


def _height(agents: int) -> int:
    """Pixels of a plot with a row an agent."""
    return max(420, 180 + 36 * agents)


def plot(name: str, title: str, note: str, figure: dict[str, Any]) -> str:
    """A card with a plot; its figure stands beside it as JSON in which nothing can end the script element."""
    data = json.dumps(figure, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<div class="card"><h3>{html.escape(title)}</h3><p class="soft">{html.escape(note)}</p>'
        f'<div class="plot" data-figure="{name}-data"></div>'
        f'<script type="application/json" id="{name}-data">{data}</script></div>'
    )
