"""The plots of a probe as plotly figures: heat maps of layers by task and regime, shares of variance."""

import html
import math
from collections.abc import Sequence
from typing import Any

Figure = dict[str, Any]
Rows = Sequence[dict[str, Any]]

_LIGHT = [[0, "#10142b"], [0.25, "#1d3f72"], [0.5, "#1f8a8a"], [0.75, "#7bd45a"], [1, "#f7ffb0"]]  # as it glows
_SHARES = {"F": "#4269d0", "F-hat": "#3ca951"}


def heat(
    cells: Rows, rows: Rows, key: str, unit: str, why: str | None, extra: str | None = None, most: str = ""
) -> Figure:
    """Layers to the right, a row a task and regime.

    cells : rows of brightness.parquet; rows : of rows.parquet; key : the column that is drawn
    why : the column of `rows` that tells why a row is dark, None to draw dark rows too
    extra : a column of `rows` drawn to the right of the layers, as the control is
    most : the column whose largest value is the brightest colour, `key` when empty
    """
    layers = list(dict.fromkeys(cell["layer"] for cell in cells))
    places = {layer: place for place, layer in enumerate(layers)}
    index = {(row["task"], row["regime"]): place for place, row in enumerate(rows)}
    width = len(layers) + (2 if extra else 0)
    z: list[list[float | None]] = [[None] * width for _ in rows]
    text = [[""] * width for _ in rows]
    for cell in cells:
        row, place = index[cell["task"], cell["regime"]], places[cell["layer"]]
        if why is None or not rows[row][why]:
            z[row][place] = _known(cell[key])
            text[row][place] = f"layer {label(cell['layer']).removeprefix('layer ')}: {_said(cell, key)}"
    for row, whole in zip(range(len(rows)), rows, strict=True):
        if extra:
            z[row][-1] = _known(whole[extra])
            text[row][-1] = f"raw features of the book: {_said(whole, extra)}"
    step = max(1, math.ceil(len(layers) / 16))
    ticks = [*range(0, len(layers), step), *([width - 1] if extra else [])]
    names = [*(label(layer).removeprefix("layer ") for layer in layers), *(["", "book"] if extra else [])]
    titles = [f"{label(row['task'])}, {label(row['regime'])}" for row in rows]
    return {
        "data": [
            {
                "type": "heatmap",
                "z": z,
                "text": text,
                "hovertemplate": "%{text}<extra>%{y}</extra>",
                "y": titles,
                "x": list(range(width)),
                "colorscale": _LIGHT,
                "zmin": 0,
                "zmax": max((cell[most or key] for cell in cells if cell[most or key] > 0), default=1.0),
                "xgap": 1,
                "ygap": 2,
                "colorbar": {"title": {"text": unit}, "thickness": 12},
            }
        ],
        "layout": {
            "height": 150 + 34 * len(rows),
            "xaxis": {"title": {"text": "layer"}, "showgrid": False, "zeroline": False}
            | {"tickangle": 0, "tickvals": ticks, "ticktext": [names[place] for place in ticks]},
            "yaxis": {"autorange": "reversed", "showgrid": False, "zeroline": False, "type": "category"},
            "annotations": [
                _dark(titles[place], row[why], (len(layers) - 1) / 2)
                for place, row in enumerate(rows)
                if why and row[why]
            ],
        },
    }


def shares(rows: Rows) -> Figure:
    """A bar a component with its interval, for F and F-hat; the mark is what noise alone would give."""
    order = list(dict.fromkeys(row["component"] for row in rows))
    traces: list[dict[str, Any]] = []
    for of in dict.fromkeys(row["of"] for row in rows):
        own = {row["component"]: row for row in rows if row["of"] == of}
        parts = [component for component in order if component in own]
        value, low, high, noise = ([own[part][key] for part in parts] for key in ("share", "low", "high", "noise"))
        whole = {"type": "bar", "orientation": "h", "name": label(f"share of the variance of {of}")}
        traces.append(
            whole
            | {
                "y": parts,
                "x": [_percent(share) for share in value],
                "marker": {"color": _SHARES.get(of, "#9498a0")},
                "error_x": {
                    "array": [_beyond(b, a) for a, b in zip(value, high, strict=True)],
                    "arrayminus": [_beyond(a, b) for a, b in zip(value, low, strict=True)],
                    "thickness": 1.2,
                    "color": "#888",
                },
                "offsetgroup": of,
                "hovertemplate": "%{y}: %{x:.1f} %<extra>" + label(of) + "</extra>",
            }
        )
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": label(f"noise alone, {of}"),
                "y": parts,
                "x": [_percent(share) for share in noise],
                "offsetgroup": f"{of} noise",
                "marker": {"color": "rgba(136,136,136,0.45)"},
                "hovertemplate": "%{y}: noise alone %{x:.1f} %<extra>" + label(of) + "</extra>",
            }
        )
    layout = {"barmode": "group", "height": 170 + 62 * len(order), "xaxis": {"title": {"text": "% of the variance"}}}
    return {"data": traces, "layout": layout | {"yaxis": {"autorange": "reversed", "type": "category"}}}


def label(name: Any) -> str:
    """A name as plotly shows it literally: it reads a small HTML in labels, and % starts a field."""
    return html.escape(str(name)).replace("%{", "%&#123;")


def _dark(row: str, why: str, middle: float) -> dict[str, Any]:
    text = f"dark: {label(why)}"
    return {"x": middle, "y": row, "text": text, "showarrow": False, "font": {"size": 11, "color": "#8a93a3"}}


def _said(row: dict[str, Any], key: str) -> str:
    low, high = row.get(f"{key}_low"), row.get(f"{key}_high")
    ends = f" [{low:.4f}, {high:.4f}]" if low is not None and high is not None and math.isfinite(low + high) else ""
    return f"{row[key]:.4f}{ends}"


def _known(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None


def _percent(share: float) -> float | None:
    return round(100 * share, 3) if math.isfinite(share) else None


def _beyond(far: float, near: float) -> float | None:
    """Length of an error bar; a percentile interval of a share need not hold the share itself."""
    return round(100 * max(0.0, far - near), 3) if math.isfinite(far - near) else None
