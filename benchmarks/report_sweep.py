"""What the report says of a latency sweep: a figure, tables, and the section of the page that holds them."""

import html
from typing import Any

from lobarena.benchmarks import report_figures as figures
from lobarena.benchmarks.latency_mode import written
from lobarena.benchmarks.report_tables import AGENT, CURRENCY, Column, table

POINTS = (
    AGENT,
    Column("latency", "latency", form="duration"),
    Column("pnl_map", "PnLMAP", f"{CURRENCY} / lot", ",.1f"),
    Column("pnl_map_low", "from", "95 %", ",.1f"),
    Column("pnl_map_high", "to", "95 %", ",.1f"),
    Column("difference", "less own at 0", f"{CURRENCY} / lot", ",.1f"),
    Column("difference_low", "from", "95 %", ",.1f"),
    Column("difference_high", "to", "95 %", ",.1f"),
    Column("pnl_mean", "mean PnL", f"{CURRENCY} / episode"),
    Column("pnl_low", "95 % interval", CURRENCY, "interval"),
    Column("map", "MAP", "lots", ",.2f"),
    Column("fills", "fills", "/ episode", ",.1f"),
    Column("on_front", "front", form=""),
)
HELD = 0.1  # lots; with a smaller mean position PnLMAP is a ratio of crumbs
NOTE = (
    "Solo, everyone's thinking charged the same; same episodes, seeds and event times at each latency. Idle earns 0, "
    "so an agent pays while its PnLMAP is above 0; its break-even is where that ends, by the means. Clear at: where "
    "the whole 95 % interval is above 0. Front: no agent that thinks no longer earns as much."
)


def grid(found: dict[str, list[dict[str, Any]]]) -> tuple[tuple[Column, ...], list[dict[str, Any]]]:
    """(columns, a row an agent): PnLMAP at each latency, and where it ends."""
    latencies = list(dict.fromkeys(point["latency"] for point in found["points"]))
    columns = [Column(f"at_{ns}", written(ns), f"{CURRENCY} / lot", ",.1f") for ns in latencies]
    rows = []
    for agent in found["agents"]:
        own = [point for point in found["points"] if point["agent"] == agent["agent"]]
        row = agent | {f"at_{point['latency']}": point["pnl_map"] for point in own}
        row["clear_at"] = ", ".join(map(written, agent["clear"])) or "none"
        row["on_front"] = ", ".join(written(point["latency"]) for point in own if point["front"]) or "never"
        rows.append(row)
    last = (
        Column("verdict", "break-even", form=""),
        Column("clear_at", "clear at", form=""),
        Column("on_front", "front at", form=""),
    )
    return (AGENT, *columns, *last), rows


def section(found: dict[str, list[dict[str, Any]]], agents: list[str]) -> str:
    """The section of the page; nothing without a sweep."""
    if not found["points"]:
        return ""
    points = [row | {"on_front": "yes" if row["front"] else ""} for row in found["points"]]
    drawn = figures.plot(
        "sweep-map",
        "PnLMAP against latency",
        "Marks beside one another belong to one latency; bars are 95 % intervals over the blocks. Points with a MAP "
        f"under {HELD:g} lots may lie outside the frame; a double click shows them.",
        figure(found["points"], agents, "pnl_map", f"PnLMAP ({CURRENCY} / lot)"),
    ) + figures.plot(
        "sweep-pnl",
        "Mean PnL against latency",
        "The larger marks are the PnL-latency front.",
        figure(found["points"], agents, "pnl_mean", f"mean PnL ({CURRENCY} / episode)"),
    )
    return (
        f'<section id="sweep"><h2>Latency sweep</h2><p class="soft">{html.escape(NOTE)} '
        f"{points[0]['blocks']:,} blocks (contract, day, segment).</p>"
        f'<div class="card"><h3>PnLMAP by latency</h3>{table(*grid(found))}</div>{drawn}'
        f'<details class="card"><summary>Every point with its intervals</summary>{table(POINTS, points)}</details>'
        "</section>"
    )


def figure(points: list[dict[str, Any]], agents: list[str], key: str, title: str) -> figures.Figure:
    """A line an agent with its intervals; latency on a logarithmic axis whose left end stands for 0.

    Agents lie a little beside each other. PnLMAP of one that holds hardly anything sets no frame for the others.
    """
    low, high = ("pnl_low", "pnl_high") if key == "pnl_mean" else (f"{key}_{end}" for end in ("low", "high"))
    latencies = sorted({row["latency"] for row in points})
    positive = [ns for ns in latencies if ns] or [1_000_000]
    place = {ns: (ns or positive[0] / 10) / 1e6 for ns in latencies}
    names = [name for name in agents if any(row["agent"] == name for row in points)]
    traces = []
    for number, name in enumerate(names):
        own = [row for row in points if row["agent"] == name]
        aside = 10 ** (0.03 * (number - (len(names) - 1) / 2))
        values = [row[key] for row in own]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": figures.literal(name),
                "x": figures.numbers(place[row["latency"]] * aside for row in own),
                "y": figures.numbers(values),
                "text": [written(row["latency"]) for row in own],
                "error_y": {
                    "array": figures.numbers(_gap(row[high], row[key]) for row in own),
                    "arrayminus": figures.numbers(_gap(row[key], row[low]) for row in own),
                    "thickness": 1,
                    "width": 3,
                },
                "line": figures.stroke(name, agents) | {"width": 1.5},
                "marker": {"size": [11 if row["front"] else 6 for row in own]},
                "hovertemplate": f"%{{text}}: %{{y:,.1f}}<extra>{figures.literal(name)}</extra>",
            }
        )
    layout = figures.axes("thinking time of every decision", title) | {"height": 480}
    ticks = {"tickvals": [place[ns] for ns in latencies], "ticktext": [written(ns) for ns in latencies]}
    layout["xaxis"] |= {"type": "log", **ticks}
    holding = [row for row in points if row["map"] >= HELD]
    if key == "pnl_map" and holding:
        ends = [row[name] for row in holding for name in (key, low, high) if row[name] is not None]
        margin = 0.05 * (max(*ends, 0) - min(*ends, 0)) or 1
        layout["yaxis"] |= {"range": [min(*ends, 0) - margin, max(*ends, 0) + margin]}
    return {"data": traces, "layout": layout}


def _gap(more: float | None, less: float | None) -> float:
    return float("nan") if more is None or less is None else more - less
