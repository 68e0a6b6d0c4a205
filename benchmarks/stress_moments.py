"""The worst moments of a stress run, drawn on one time axis: book, quotes, fills, position and PnL."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lobarena.benchmarks.programme import fields, units
from lobarena.benchmarks.report_figures import Figure, literal, numbers
from lobarena.benchmarks.results import Results
from lobarena.benchmarks.stress import scene_of_unit, stories_of, stress_units
from lobarena.benchmarks.stress_config import StressConfig
from lobarena.benchmarks.tournament import data_root
from lobarena.sim.shocks.scene import SECOND, feed_of_scene

MOST = 6  # moments on a page
_SOFT = "rgba(136,136,136,0.25)"
_BID, _ASK, _OWN, _MID = "#4269d0", "#ff725c", "#3ca951", "#9498a0"


def worst_moments(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The worst episode of each agent that lost anything, the worst agents first; no story twice if it can be."""
    found: list[Mapping[str, Any]] = []
    for agent in dict.fromkeys(row["agent"] for row in sorted(rows, key=lambda row: row["pnl"])):
        mine = sorted((row for row in rows if row["agent"] == agent and row["pnl"] < 0), key=lambda row: row["pnl"])
        told = {row["story"] for row in found}
        found += [next((row for row in mine if row["story"] not in told), mine[0])] if mine else []
    return found[:MOST]


def books(results: Results, episodes: Sequence[int]) -> dict[int, np.ndarray]:
    """Episode -> (n,) SNAPSHOT of its painted window, made again from settings and data; {} where those are gone.

    Left out are windows with large seats or a living crowd: what is published there depends on what the agent did.
    """
    try:
        config = StressConfig(**results.manifest["config"])
        every = stress_units(config, units(config, fields(config, data_root(config))), stories_of(config))
        found = {}
        for unit in every:
            if unit.episode.number in episodes:
                scene = scene_of_unit(unit.day, unit.episode.opens, unit.episode.closes, unit.story, config.seed)
                if not scene.large and scene.living is None:
                    found[unit.episode.number] = feed_of_scene(scene).snapshots
        return found
    except (ValueError, OSError, KeyError):  # other data, other episodes, an older version: the page goes without
        return {}


def moment(results: Results, row: Mapping[str, Any], book: np.ndarray | None, span: tuple[float, float]) -> Figure:
    """One episode on one time axis, s since its opening; span: s in which the shocks are."""
    opens = int(row["opens"])
    curve, fills = _of(results.curve, row["episode"]), _of(results.fills, row["episode"])
    seconds = (curve["time"] - opens) / SECOND
    traces: list[dict[str, Any]] = []
    if book is not None:
        shown = book[(book["time"] >= opens) & (book["time"] <= int(row["closes"]))]
        at = (shown["time"] - opens) / SECOND
        for side, colour in (("bid", _BID), ("ask", _ASK)):
            there = shown[f"{side}_size"] > 0
            prices = np.where(there, shown[side].astype(float), np.nan)
            best = prices[:, 0]
            last = np.where(there.any(1), prices[np.arange(len(prices)), np.maximum(there.sum(1) - 1, 0)], np.nan)
            traces += [
                _line(f"best {side}", at, best, colour, 1.6),
                _line(f"last shown {side}", at, last, colour, 0.6) | {"opacity": 0.5},
                _line(f"lots shown, {side}", at, shown[f"{side}_size"].sum(1).astype(float), colour, 1.2, "y2"),
            ]
    else:
        traces.append(_line("mid", seconds, curve["mid"], _MID, 1.6))
    for side in ("bid", "ask"):
        own = np.where(curve[side] > 0, curve[side].astype(float), np.nan)
        traces.append(
            _line(f"own {side}", seconds, own, _OWN, 1.4)
            | {"line": {"color": _OWN, "width": 1.4, "shape": "hv", "dash": "dot"}}
        )
    forced = (fills["reason"] == "liquidation") & (fills["role"] == "taker")
    for name, chosen, symbols in (
        ("fills", ~forced, ("triangle-up", "triangle-down")),
        ("forced fills", forced, ("x", "x")),
    ):
        side = fills["side"][chosen]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": numbers((fills["time"][chosen] - opens) / SECOND),
                "y": fills["price"][chosen].tolist(),
                "text": [
                    f"{'bought' if s > 0 else 'sold'} {n:,}, {literal(why)}, position after {held:+,}"
                    for s, n, why, held in zip(
                        *(fills[key][chosen].tolist() for key in ("side", "size", "reason", "position")), strict=True
                    )
                ],
                "marker": {
                    "size": 8,
                    "color": ["#3ca951" if s > 0 else "#a463f2" for s in side.tolist()],
                    "symbol": [symbols[0] if s > 0 else symbols[1] for s in side.tolist()],
                },
                "hovertemplate": "%{x:.1f} s at %{y:,}: %{text}<extra></extra>",
            }
        )
    traces.append(_line("position", seconds, curve["position"].astype(float), "#a463f2", 1.6, "y3", "hv"))
    traces.append(_line("PnL", seconds, curve["pnl"], "#efb118", 1.8, "y4"))
    axis = {"gridcolor": _SOFT, "zerolinecolor": "#888", "automargin": True, "separatethousands": True}
    shape = {"type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "x0": span[0], "x1": span[1]}
    layout = {
        "height": 820,
        "xaxis": {
            "title": {"text": "time since the window opened (s)"},
            "anchor": "y4",
            "range": [0, (int(row["closes"]) - opens) / SECOND],
        },
        "yaxis": {"title": {"text": "price (ticks)"}, "domain": [0.52, 1.0]},
        "yaxis2": {**axis, "title": {"text": "lots shown"}, "domain": [0.36, 0.49], "type": "log", "dtick": 1},
        "yaxis3": {**axis, "title": {"text": "lots held"}, "domain": [0.2, 0.33]},
        "yaxis4": {**axis, "title": {"text": "PnL"}, "domain": [0.0, 0.17]},
        "shapes": [shape | {"fillcolor": "rgba(255,114,92,0.10)", "line": {"width": 0}, "layer": "below"}],
        "hovermode": "x",
        "title": {"text": ""},
    }
    return {"data": traces, "layout": layout}


def _line(
    name: str, x: np.ndarray, y: np.ndarray, colour: str, width: float, axis: str = "y", shape: str = "hv"
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": literal(name),
        "x": numbers(x),
        "y": numbers(y),
        "yaxis": axis,
        "connectgaps": False,
        "line": {"color": colour, "width": width, "shape": shape},
        "hovertemplate": f"{literal(name)} %{{y:,.6~g}}<extra></extra>",
    }


def _of(table: Any, episode: int) -> dict[str, np.ndarray]:
    rows = np.flatnonzero(table.column("episode").to_numpy() == episode)
    return {name: table.column(name).to_numpy()[rows] for name in table.column_names}
