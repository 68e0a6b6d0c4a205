"""One self-contained HTML page of a probe's folder; it opens without a network and measures nothing again."""

import html
import json
import os
from pathlib import Path
from typing import Any

from lobarena.agents.probe.bootstrap import ENOUGH_DAYS
from lobarena.benchmarks import probe_figures as figures
from lobarena.benchmarks.manifest import no_space
from lobarena.benchmarks.probe import read_probe
from lobarena.benchmarks.report_style import CSS, JS
from lobarena.benchmarks.report_tables import Column, table

PAGE = "index.html"

_ROWS = (
    Column("task", "task", form=""),
    Column("regime", "regime", form=""),
    Column("train_rows", "train", "rows"),
    Column("test_rows", "test", "rows"),
    Column("sum", "sum of F", "over layers", ".4f"),
    Column("floor", "floor", "", ".4f"),
    Column("brightest", "brightest", "layer", ""),
    Column("gain", "less the control", "R²", ".4f"),
    Column("gain_low", "low", "95 %", ".4f"),
    Column("gain_high", "high", "95 %", ".4f"),
    Column("control", "control", "R²", ".4f"),
    Column("control_background", "its background", "R²", ".4f"),
    Column("own", "model's own", "R²", ".4f"),
    Column("correlation", "rank corr.", "F, fall", ".2f"),
    Column("correlation_low", "low", "95 %", ".2f"),
    Column("correlation_high", "high", "95 %", ".2f"),
)
_DARK = (
    Column("task", "task", form=""),
    Column("regime", "regime", form=""),
    Column("why", "fluorescence", form=""),
    Column("quench_why", "quenching", form=""),
)


def write_page(folder: Path) -> Path:
    """Write index.html beside the tables of a probe; its path."""
    folder = Path(folder)
    manifest, tables = read_probe(folder)
    path = folder / PAGE
    temporary = folder / f".{PAGE}.{os.getpid()}"
    with no_space(folder):
        temporary.write_text(page(folder.resolve().name, manifest, tables), encoding="utf-8")
        os.replace(temporary, path)
    return path


def page(name: str, manifest: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> str:
    """The whole page, of what `read_probe` read."""
    from plotly.offline import get_plotlyjs

    body = _header(name, manifest, tables) + _light(tables, manifest) + _special(tables, manifest)
    body += _table(tables) + _facts(manifest)
    title = html.escape(name)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title} · lobarena</title>'
        f'<link rel="icon" href="data:,"><style>{CSS}</style><script>{get_plotlyjs()}</script></head>\n'
        f"<body><main>{body}</main><script>{JS}</script></body></html>\n"
    )


def _header(name: str, manifest: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> str:
    said = "".join(f"<li>{html.escape(str(sentence))}</li>" for sentence in manifest["sentences"])
    days = int(manifest["days"])
    few = f" Intervals come from {days} days of test: too few to be relied on." if days < ENOUGH_DAYS else ""
    rows = tables["rows"]
    tiles = [
        ("layers", len(manifest["layers"])),
        ("rows", len(rows)),
        ("dark rows", sum(row["dark"] for row in rows)),
        ("days of test", days),
    ]
    cards = "".join(
        f'<div class="card"><span class="soft">{what}</span><b>{count:,}</b></div>' for what, count in tiles
    )
    return (
        f"<header><h1>{html.escape(name)}</h1>"
        f'<p class="soft">Normalized fluorescent probe, lobarena {html.escape(str(manifest["lobarena"]))}, '
        f"{html.escape(str(manifest['created']))}. Intervals: 95 %, bootstrap over days of test.{few}</p></header>"
        f'<div class="tiles">{cards}</div><div class="card"><ol>{said}</ol></div>'
    )


def _light(tables: dict[str, list[dict[str, Any]]], manifest: dict[str, Any]) -> str:
    cells, rows = tables["brightness"], tables["rows"]
    first = _plot(
        "share",
        "Normalized fluorescence, F̂",
        "Share of a row's light, brightness less that of shifted targets, that each layer gives; a row sums to 1.",
        figures.heat(cells, rows, "f_hat", "share", "why"),
    )
    if manifest["quenching"] is None:
        second = (
            '<div class="card"><h3>Quenching</h3><p>Not run: no model was given. What the heat maps show is what can '
            "be read from a layer, not what the model uses.</p></div>"
        )
    else:
        second = _plot(
            "fall",
            "Quenching",
            "Share of a row's fall of the model's own forecast when the layer's state is its mean over the regime.",
            figures.heat(cells, rows, "fall_hat", "share", "quench_why"),
        )
    third = _plot(
        "rho",
        "Brightness, ρ",
        "Out-of-sample R² of the read-out of each layer, dark rows too; 'book' is the same of the raw features. "
        "Negative values have the colour of 0.",
        figures.heat(cells, rows, "rho", "R²", None, "control"),
    )
    fourth = _plot(
        "background",
        "Background, ρ₀",
        "The same with targets shifted in time, mean over the lags, on the scale of the brightness.",
        figures.heat(cells, rows, "background", "R²", None, "control_background", "rho"),
    )
    return (
        f'<section id="light"><h2>Layer, task, regime</h2><div class="pair">{first}{second}</div>'
        f'<div class="pair">{third}{fourth}</div></section>'
    )


def _special(tables: dict[str, list[dict[str, Any]]], manifest: dict[str, Any]) -> str:
    rows = tables["specialisation"]
    counted = "; ".join(f"{of}: {', '.join(map(str, names)) or 'nothing'}" for of, names in manifest["counted"].items())
    head = '<section id="variance"><h2>Specialisation</h2>'
    if not rows:
        return f'{head}<p class="soft">Too few cells could be measured to be compared.</p></section>'
    drawn = _plot(
        "shares",
        "Shares of the variance",
        "'layer x task' is how far layers specialise, what holds 'regime' how far features vary with volatility. Grey: "
        f"what sampling noise alone would give. Counted cells, {counted}.",
        figures.shares(rows),
    )
    return f"{head}{drawn}</section>"


def _table(tables: dict[str, list[dict[str, Any]]]) -> str:
    rows = tables["rows"]
    dark = [row for row in rows if row["why"] or row["quench_why"] not in ("", "not run")]
    why = f'<div class="card"><h3>Dark rows</h3>{table(_DARK, dark)}</div>' if dark else ""
    return f'<section id="rows"><h2>Rows</h2><div class="card">{table(_ROWS, rows)}</div>{why}</section>'


def _facts(manifest: dict[str, Any]) -> str:
    part = {key: manifest[key] for key in ("source", "config", "seed", "machine", "versions", "digests")}
    written = html.escape(json.dumps(part, indent=2, ensure_ascii=False))
    return f'<section id="facts"><h2>Run facts</h2><div class="card"><pre>{written}</pre></div></section>'


def _plot(name: str, title: str, note: str, figure: dict[str, Any]) -> str:
    """A card with a plot; its figure stands beside it as JSON in which nothing can end the script element."""
    data = json.dumps(figure, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<div class="card"><h3>{html.escape(title)}</h3><p class="soft">{html.escape(note)}</p>'
        f'<div class="plot" data-figure="{name}-data"></div>'
        f'<script type="application/json" id="{name}-data">{data}</script></div>'
    )
