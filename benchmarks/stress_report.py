"""The report of a stress run: in the terminal, as JSON, as Markdown, as one HTML page."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lobarena.benchmarks.manifest import ResultsError, no_space
from lobarena.benchmarks.report_tables import AGENT, Column, shown
from lobarena.benchmarks.results import Results
from lobarena.benchmarks.shock_episodes import CALM
from lobarena.benchmarks.stress_measures import breakers, by_regime, by_story, measured, ranking
from lobarena.benchmarks.stress_search import read_frontier

if TYPE_CHECKING:
    from rich.console import Console

_CAPITAL = "% of capital"
STORY = Column("story", "episode", form="")
RANKING = (
    AGENT,
    Column("rank_worst", "by worst"),
    Column("rank_mean", "by mean"),
    Column("ruins", "ruined", "episodes", bad=True),
    Column("episodes", "of"),
    Column("worst", "worst PnL", _CAPITAL, ",.1f", 100),
    Column("worst_story", "in", form=""),
    Column("es", "worst 5 %", _CAPITAL, ",.1f", 100),
    Column("mean", "mean PnL", _CAPITAL, ",.2f", 100),
    Column("mean_low", "95 % low", _CAPITAL, ",.2f", 100),
    Column("mean_high", "95 % high", _CAPITAL, ",.2f", 100),
    Column("against_calm", "against calm", _CAPITAL, ",.2f", 100),
    Column("calm", "calm PnL", _CAPITAL, ",.2f", 100),
    Column("drawdown", "worst drawdown", _CAPITAL, ",.1f", 100),
)
STORIES = (
    STORY,
    AGENT,
    Column("survived", "survived", "windows"),
    Column("episodes", "of"),
    Column("pnl", "PnL", _CAPITAL, ",.2f", 100),
    Column("against_calm", "against calm", _CAPITAL, ",.2f", 100),
    Column("worst", "worst", _CAPITAL, ",.2f", 100),
    Column("drawdown", "drawdown", _CAPITAL, ",.2f", 100),
    Column("shortfall", "ES 99 %", f"{_CAPITAL} / step", ",.3f", 100),
    Column("worst_position", "held at worst", "lots"),
    Column("at_limit", "at position limit", "% of time", ",.1f", 100),
    Column("locked", "market locked", "% of time", ",.1f", 100),
    Column("flat_s", "time to flat", "s", ",.0f"),
    Column("never_flat", "never flat", "windows"),
    Column("quoting", "two-sided", "% of shock", ",.1f", 100),
    Column("picked_off", "picked off", "% of fills", ",.1f", 100),
    Column("worst_second", "messages", "in worst s", ",.1f"),
    Column("recovery_s", "recovery", "s", ",.0f"),
    Column("never_recovered", "never", "windows"),
    Column("calls", "margin calls", "/ window", ",.2f"),
    Column("refused", "refused", "/ window", ",.1f"),
)
REGIMES = (
    AGENT,
    Column("regime", "regime", form=""),
    Column("windows", "windows"),
    Column("episodes", "episodes"),
    Column("ruins", "ruined", "episodes", bad=True),
    Column("worst", "worst PnL", _CAPITAL, ",.1f", 100),
    Column("mean", "mean PnL", _CAPITAL, ",.2f", 100),
    Column("against_calm", "against calm", _CAPITAL, ",.2f", 100),
)
BREAKERS = (
    AGENT,
    Column("bare", "against", form=""),
    Column("saves", "saves", _CAPITAL, ",.2f", 100),
    Column("saves_low", "95 % low", _CAPITAL, ",.2f", 100),
    Column("saves_high", "95 % high", _CAPITAL, ",.2f", 100),
    Column("costs", "costs when calm", _CAPITAL, ",.3f", 100),
    Column("worst_bare", "worst bare", _CAPITAL, ",.1f", 100),
    Column("worst", "worst", _CAPITAL, ",.1f", 100),
    Column("ruins_bare", "ruined bare", "episodes"),
    Column("ruins", "ruined", "episodes", bad=True),
    Column("trips", "trips", "in all"),
    Column("trips_calm", "of them calm"),
)
FRONTIER = (
    STORY,
    AGENT,
    Column("contract", "contract", form=""),
    Column("survived", "survived", "size", ",.2f"),
    Column("ruined", "ruined", "size", ",.2f"),
    Column("plays", "plays"),
)
_TERMINAL = tuple(column for column in RANKING if column.key not in ("mean_low", "mean_high", "drawdown"))


def as_json(results: Results) -> dict[str, Any]:
    """All numbers under stable keys, ready for json.dump; what is not known is None. Shares of capital, lots, s."""
    stories = results.manifest.get("stress")
    if stories is None:
        raise ResultsError(f"{results.folder} is no stress run; give the folder that `lobarena stress` wrote")
    rows, seed = measured(results), int(results.manifest["seed"])
    holds = {story["name"]: set(story["holds"]) for story in stories}
    summary = {
        "schema": 1,
        "run": {key: results.manifest[key] for key in ("status", "lobarena", "seed", "config_digest", "created")},
        "stories": stories,
        "ranking": ranking(rows, seed),
        "matrix": by_story(rows),
        "regimes": by_regime(rows),
        "breakers": breakers(rows, seed),
        "frontier": read_frontier(results.folder),
        "broken": [
            {name: row[name] for name in ("agent", "story", "contract", "day", "broken")}
            for row in rows
            if row["broken"] and {"clock", "feed"} <= holds.get(row["story"], {"clock", "feed"})
        ],
        "episodes": [{key: value for key, value in row.items() if key != "notes"} for row in rows],
    }
    known: dict[str, Any] = _known(summary)
    return known


def terminal(results: Results, console: "Console") -> None:
    """Print the ranking, what breakers do, and the frontier."""
    summary = as_json(results)
    if not results.complete:
        console.print(f"partial run: {results.episodes.num_rows:,} finished episodes", style="yellow")
    _print(console, "stress: best worst case first; everyone met the same episodes", _TERMINAL, summary["ranking"])
    _print(console, "by market regime of the calm window", REGIMES, summary["regimes"])
    _print(console, "circuit breakers: what they save in shocks and cost when calm", BREAKERS, summary["breakers"])
    _print(console, "breaking points: sizes survived and not survived", FRONTIER, summary["frontier"])
    for row in summary["broken"]:
        console.print(f"broken invariant: {row}", style="red", markup=False, highlight=False)


def markdown(results: Results, path: Path) -> Path:
    """The tables as Markdown; its path."""
    summary = as_json(results)
    parts = [f"# {results.folder.resolve().name}\n", "Money is in % of the capital of a seat.\n"]
    for title, columns, rows in (
        ("Ranking, best worst case first", RANKING, summary["ranking"]),
        ("Market regimes", REGIMES, summary["regimes"]),
        ("Circuit breakers", BREAKERS, summary["breakers"]),
        ("Breaking points", FRONTIER, summary["frontier"]),
        ("Every episode", STORIES, [row for row in summary["matrix"] if row["story"] != CALM]),
        ("Calm windows", STORIES[1:], [row for row in summary["matrix"] if row["story"] == CALM]),
    ):
        if rows:
            parts.append(f"## {title}\n\n{_markdown(columns, rows)}\n")
    return _write(path, "\n".join(parts))


def html(results: Results, path: Path) -> Path:
    """One HTML file that opens without a network; its path."""
    from lobarena.benchmarks.stress_page import page

    return _write(path, page(results, as_json(results)))


def _write(path: Path, text: str) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with no_space(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    return path


def _markdown(columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> str:
    head = [f"{c.title}, {c.unit}" if c.unit else c.title for c in columns]
    lines = [head, ["---" if c.form == "" else "---:" for c in columns]]
    lines += [[shown(c, row).replace("|", "\\|") for c in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _print(console: "Console", title: str, columns: Sequence[Column], rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(title=Text(title), title_justify="left")
    for column in columns:
        name = Text(f"{column.title}\n{column.unit}" if column.unit else column.title)
        table.add_column(name, justify="left" if column.form == "" else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(column, row)) for column in columns))
    console.print(table)


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _known(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_known(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
