"""The tables of the evidence as Markdown, Parquet and one self-contained HTML page."""

import html
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lobarena.benchmarks import evidence_statistics as statistics
from lobarena.benchmarks.evidence import KINDS, MANIFEST, REFERENCES, finished, is_ablation
from lobarena.benchmarks.evidence_config import Evidence
from lobarena.benchmarks.evidence_units import MONEY, Rows
from lobarena.benchmarks.manifest import no_space
from lobarena.benchmarks.report_style import CSS, JS
from lobarena.benchmarks.report_tables import Column, shown, table

PAGE, TEXT = "index.html", "evidence.md"
_LABEL = Column("label", "forecaster", form="")
_MONEY = (
    _LABEL,
    Column("seeds", "seeds"),
    Column("episodes", "episodes"),
    Column("pnl", "EPnL", "CNY", ",.0f"),
    Column("pnl_sd", "sd", "CNY", ",.0f"),
    Column("map", "MAP", "lots", ",.2f"),
    Column("pnl_map", "PnLMAP", "CNY / lot", ",.1f"),
    Column("low", "low", "95 %", ",.1f"),
    Column("high", "high", "95 %", ",.1f"),
    Column("pr", "PR", "bp", ",.3f", 1e4),
    Column("sharpe", "Sharpe", "per episode", ",.2f"),
    Column("mdd", "MDD", "CNY", ",.0f"),
    Column("lots", "lots", "/ episode", ",.1f"),
)
_PAIRS = (
    _LABEL,
    Column("blocks", "episodes"),
    Column("difference", "CMM less it", "CNY / lot", ",.1f"),
    Column("low", "low", "95 %", ",.1f"),
    Column("high", "high", "95 %", ",.1f"),
    Column("p", "p", "", ".4f"),
    Column("p_holm", "p", "Holm", ".4f"),
)
_SKILL = (
    _LABEL,
    Column("seeds", "seeds"),
    Column("mid move", "mid move", "R²", ".4f"),
    Column("spread", "spread", "R²", ".4f"),
    Column("volume", "volume", "R²", ".4f"),
    Column("mean", "mean", "R²", ".4f"),
    Column("lowest", "lowest seed", "R²", ".4f"),
    Column("highest", "highest seed", "R²", ".4f"),
    Column("kept", "kept", "% of the teacher's", ",.1f", 100),
)
_REGIME = (
    _LABEL,
    Column("episodes", "episodes"),
    Column("pnl", "EPnL", "CNY", ",.0f"),
    Column("map", "MAP", "lots", ",.2f"),
    Column("pnl_map", "PnLMAP", "CNY / lot", ",.1f"),
    Column("lots", "lots", "/ episode", ",.1f"),
)
_FACTS = (
    _LABEL,
    Column("parameters", "parameters"),
    Column("flop", "FLOP", "a look"),
    Column("look_us", "one look", "us", ",.1f"),
    Column("train_cpu_s", "training", "CPU s", ",.1f"),
)
_WEIGHTS = (
    Column("task", "task", form=""),
    Column("seeds", "seeds"),
    Column("apart", "calm and wild apart", "total variation", ".3f"),
)


def write(config: Evidence, out: Path) -> tuple[Path, list[str]]:
    """Tables, Markdown and page of what a folder holds so far; the page's path and the verdicts."""
    rows: dict[str, Rows] = {kind: [] for kind in (*KINDS, "facts")}
    for _, unit in finished(out):
        for kind in rows:
            rows[kind] += unit[kind]
    for kind in KINDS:
        _replace(
            out / f"{kind}.parquet", lambda path, kind=kind: pq.write_table(pa.Table.from_pylist(rows[kind]), path)
        )
    sections, said = _sections(config, rows)
    manifest = json.loads((out / MANIFEST).read_text("utf-8"))
    units, wanted = len(list(finished(out))), len(config.units(REFERENCES)) * len(config.groups)
    head = f"{units} of {wanted} units; settings {manifest['digest'][:16]}"
    _replace(out / TEXT, lambda path: path.write_text(markdown(head, said, sections), "utf-8"))
    _replace(out / PAGE, lambda path: path.write_text(page(out.resolve().name, head, said, sections), "utf-8"))
    return out / PAGE, said


Section = tuple[str, tuple[Column, ...], Rows]


def _sections(config: Evidence, rows: dict[str, Rows]) -> tuple[list[Section], list[str]]:
    money = statistics.money_table(rows["episodes"])
    pairs = statistics.against_cmm(rows["episodes"])
    skill = statistics.skill_table(rows["skill"])
    regimes = statistics.regime_table(rows["episodes"])
    found: list[Section] = [
        (f"Forecast skill on the test part, {group}", _SKILL, [row for row in skill if row["group"] == group])
        for group in dict.fromkeys(row["group"] for row in skill)
    ]
    for one in MONEY:
        for name in sorted({row["product"] for row in pairs}):
            own = [row for row in pairs if row["product"] == name and row["money"] == one]
            kinds = (("methods and controls", False), ("ablations", True))
            for what, ablation in kinds:
                chosen = [row for row in own if is_ablation(row["label"]) == ablation]
                chosen.sort(key=lambda row: row["difference"])
                found.append((f"CMM against {what}, {name}, {one}", _PAIRS, chosen))
    for group, contract, one in sorted({(row["group"], row["contract"], row["money"]) for row in money}):
        own = [row for row in money if (row["contract"], row["money"]) == (contract, one)]
        found.append((f"{contract} ({group}), {one}", _MONEY, own))
    for group, regime, one in sorted({(row["group"], row["regime"], row["money"]) for row in regimes}):
        own = [row for row in regimes if (row["group"], row["regime"], row["money"]) == (group, regime, one)]
        own = sorted((row for row in own if not is_ablation(row["label"])), key=lambda row: -row["pnl_map"])
        found.append((f"{regime} episodes, {group}, {one}", _REGIME, own))
    weights = statistics.weight_table(rows["weights"])
    found += [
        (f"Weights of the gate, {group}", _WEIGHTS, [row for row in weights if row["group"] == group])
        for group in dict.fromkeys(row["group"] for row in weights)
    ]
    found.append(("Size and time", _FACTS, statistics.fact_table(rows["facts"])))
    methods = [name for name in config.methods if name != statistics.CMM]
    return [one for one in found if one[2]], statistics.verdicts(pairs, methods)


def markdown(head: str, said: Sequence[str], sections: Sequence[Section]) -> str:
    """All tables as text."""
    lines = ["# Evidence about CMM", "", head, "", *(f"- {one}" for one in said), ""]
    for title, columns, rows in sections:
        lines += [f"## {title}", "", "| " + " | ".join(_title(column) for column in columns) + " |"]
        lines.append("|" + "|".join("---" if not column.form else "---:" for column in columns) + "|")
        lines += ["| " + " | ".join(_cell(column, row) for column in columns) + " |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def page(name: str, head: str, said: Sequence[str], sections: Sequence[Section]) -> str:
    """The whole page; every text is escaped."""
    body = f"<h1>Evidence about CMM</h1><p class='soft'>{html.escape(name)}: {html.escape(head)}</p>"
    body += "<ul>" + "".join(f"<li>{html.escape(one)}</li>" for one in said) + "</ul>"
    for title, columns, rows in sections:
        body += f'<h2>{html.escape(title)}</h2><div class="card">{table(columns, rows)}</div>'
    script = JS.split("const style =")[0]  # tables sort; there is no plot
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Evidence · lobarena</title>'
        f'<link rel="icon" href="data:,"><style>{CSS}</style></head>\n'
        f"<body><main>{body}</main><script>{script}</script></body></html>\n"
    )


def _title(column: Column) -> str:
    return f"{column.title}, {column.unit}" if column.unit else column.title


def _cell(column: Column, row: dict[str, Any]) -> str:
    value = row.get(column.key)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    return shown(column, row).replace("|", "\\|")


def _replace(path: Path, make: Any) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with no_space(path.parent):
        make(beside)
        os.replace(beside, path)
