"""The report of a results folder: in the terminal, as an HTML page, as JSON. It reads the folder, reruns nothing."""

import json
import math
import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lobarena.benchmarks import fill_models
from lobarena.benchmarks.fill_band import band
from lobarena.benchmarks.latency_sweep import outside, sweep
from lobarena.benchmarks.manifest import ResultsError, no_space
from lobarena.benchmarks.report_sweep import grid
from lobarena.benchmarks.report_tables import (
    ACTIVITY,
    AGENT,
    BAND,
    BAND_CONTRACTS,
    CALLS,
    CURRENCY,
    DIFFERENCES,
    LEADERBOARD,
    Column,
    shown,
)
from lobarena.benchmarks.results import Results
from lobarena.benchmarks.statistics import leaderboard, paired_differences

if TYPE_CHECKING:
    from rich.console import Console

TRACK = Column("track", "track", form="")
CALL_COUNTS = tuple(column.key for column in CALLS if column is not AGENT)
_RUN = ("schema", "status", "lobarena", "seed", "config_digest", "created")
_TERMINAL = (
    *(column for column in LEADERBOARD if column.key not in ("es95", "es99", "pnl_sd", "pr", "episodes")),
    *(column for column in ACTIVITY if column.key in ("map", "fills", "quoting_share", "latency_p50_us")),
)


def as_json(results: Results) -> dict[str, Any]:
    """All numbers of the report under stable keys, ready for json.dump; what is not known is None.

    run: facts of the manifest. leaderboard, differences: as in `statistics`. contracts: the leaderboard of each
    contract, with the keys exchange and contract. failures: a row a failed episode and seat. currency: of all money.
    sweep: as in `latency_sweep.sweep`. calls: what became of language models' calls, a row a track and agent that made
    any. All but failures and sweep are of the settings' own fill model, the first of fill_models. band, band_contracts,
    band_orders: agents, contracts and orders of `fill_band.band`.
    """
    everything, whole = results, outside(results)
    names = fill_models.played(whole)
    results, doubt = fill_models.under(whole, names[0]), band(whole)
    seed, episodes = int(results.manifest["seed"]), results.episodes
    where = zip(episodes.column("exchange").to_pylist(), episodes.column("contract").to_pylist(), strict=True)
    contracts = []
    for exchange, contract in sorted(set(where)):
        own = episodes.filter(
            pc.and_(pc.equal(episodes.column("exchange"), exchange), pc.equal(episodes.column("contract"), contract))
        )
        contracts += [{"exchange": exchange, "contract": contract, **row} for row in leaderboard(own, seed=seed)]
    failed = everything.episodes.filter(pc.not_equal(everything.episodes.column("status"), "ok"))
    columns = ["episode", "track", "exchange", "contract", "day", "segment", "rotation", "seat", "agent", "fill_model"]
    columns += ["sweep"]
    summary = {
        "schema": 1,
        "currency": CURRENCY,
        "run": {key: results.manifest[key] for key in _RUN} | {"folder": str(results.folder)},
        "leaderboard": leaderboard(episodes, seed=seed),
        "differences": paired_differences(episodes, seed=seed),
        "contracts": contracts,
        "failures": failed.select([*columns, "error"]).to_pylist(),
        "fill_models": names,
        "sweep": sweep(everything),
        "calls": calls(episodes),
        "band": doubt["agents"],
        "band_contracts": doubt["contracts"],
        "band_orders": doubt["orders"],
    }
    known: dict[str, Any] = _known(summary)
    return known


def terminal(results: Results, console: "Console") -> None:
    """Print a table a track, and what the best agent leads by."""
    summary = as_json(results)
    if not results.complete:
        console.print(f"partial run: {results.episodes.num_rows:,} rows of finished episodes", style="yellow")
    if not summary["leaderboard"]:
        console.print("no finished episode")
    for track in dict.fromkeys(row["track"] for row in summary["leaderboard"]):
        board = [row for row in summary["leaderboard"] if row["track"] == track]
        _print(console, f"{track}: best mean PnL first", _TERMINAL, board)
        leads = [row for row in summary["differences"] if row["track"] == track and row["first"] == board[0]["agent"]]
        if leads:
            _print(console, f"{track}: what the best leads by, paired", DIFFERENCES, leads)
    if summary["sweep"]["points"]:
        _print(console, "latency sweep, solo: PnLMAP when every decision takes so long", *grid(summary["sweep"]))
    if summary["calls"]:
        _print(console, "calls of language models", (TRACK, *CALLS), summary["calls"])
    _terminal_band(summary, console)
    alike: dict[tuple[str, str], list[dict[str, Any]]] = {}  # what failed for one reason is one line
    for row in summary["failures"]:
        alike.setdefault((row["agent"], row["error"]), []).append(row)
    for (agent, error), rows in alike.items():
        more = f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""
        what = (
            f"failed: {agent} in episode {rows[0]['episode']} ({rows[0]['contract']}, {rows[0]['day']}){more}: {error}"
        )
        console.print(what, style="red", markup=False, highlight=False)


def html(results: Results, path: Path | str, episode: int | None = None) -> Path:
    """Write the report as one HTML file that opens without a network; its path.

    episode: the market run whose quotes and fills are drawn; the one with the most fills when None.
    ResultsError when there is no such episode.
    """
    from lobarena.benchmarks.report_page import page
    from lobarena.benchmarks.report_series import liveliest

    present = set(results.episodes.column("episode").to_pylist())
    if episode is not None and episode not in present:
        span = f"{min(present)} to {max(present)}" if present else "none yet"
        raise ResultsError(f"{results.folder} has no episode {episode}; its episodes: {span}")
    own = outside(results)
    own = fill_models.under(own, fill_models.played(own)[0])
    chosen = liveliest(own) if episode is None else episode
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with no_space(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(page(results, own, as_json(results), chosen), encoding="utf-8")
        os.replace(temporary, path)
    return path


def calls(episodes: pa.Table) -> list[dict[str, Any]]:
    """What became of language models' calls, a row a track and agent that made any: counts by name, of all episodes."""
    found: dict[tuple[str, str], Counter[str]] = {}
    columns = (episodes.column(name).to_pylist() for name in ("track", "agent", "notes"))
    for track, agent, notes in zip(*columns, strict=True):
        counts = _counts(notes)
        if "asked" in counts:
            found.setdefault((track, agent), Counter(dict.fromkeys(CALL_COUNTS, 0))).update(counts)
    return [{"track": track, "agent": agent, **counts} for (track, agent), counts in found.items()]


def _counts(notes: str) -> dict[str, int]:
    """The counts in a cell of `notes`; what is none is left out."""
    try:
        told = json.loads(notes)
    except ValueError:
        return {}
    return {name: n for name, n in told.items() if isinstance(n, int)} if isinstance(told, dict) else {}


def _terminal_band(summary: dict[str, Any], console: "Console") -> None:
    names = summary["fill_models"]
    if len(names) > 1 and not summary["band"]:
        console.print("no market was played under every fill model yet: no band", style="yellow")
    for track in dict.fromkeys(row["track"] for row in summary["band"]):
        rows, places, pairs = (
            [row for row in summary[key] if row["track"] == track] for key in ("band", "band_contracts", "band_orders")
        )
        title = f"{track}: band, the least to the most over {len(names)} fill models; mean PnL under {names[0]}"
        _print(console, title, tuple(column for column in BAND if column.key != "map"), rows)
        if len({(row["exchange"], row["contract"]) for row in places}) > 1:
            _print(console, f"{track}: band by contract", BAND_CONTRACTS, places)
        undecided = [f"{row['first']} and {row['second']}" for row in pairs if row["verdict"] == "undecided"]
        order = (
            f"{track}: {len(pairs) - len(undecided)} of {len(pairs)} pairs of agents have one order under all models"
        )
        told = f"{order}; undecided: {', '.join(undecided)}" if undecided else order
        console.print(told, markup=False, highlight=False, soft_wrap=True)


def _print(console: "Console", title: str, columns: tuple[Column, ...], rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left")
    for column in columns:
        name = Text(f"{column.title}\n{column.unit}" if column.unit else column.title)
        table.add_column(name, justify="left" if column.form == "" else "right", overflow="fold")
    for row in rows:
        style = "bold" if row is rows[0] and AGENT in columns else ""
        table.add_row(*(Text(_without_folders(shown(column, row))) for column in columns), style=style)
    console.print(table)


def _without_folders(text: str) -> str:
    """ "cmm:weights=/far/away/student.safetensors" -> "cmm:weights=student.safetensors": a terminal is narrow."""
    return re.sub(r"=[^,=@+]*/(?=[^,=@+/])", "=", text)


def _known(value: Any) -> Any:
    """The value with None in place of what is not a finite number."""
    if isinstance(value, dict):
        return {key: _known(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_known(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
