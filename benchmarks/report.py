"""The report of a results folder: in the terminal, as an HTML page, as JSON. It reads the folder, reruns nothing."""

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from lobarena.benchmarks import fill_models
from lobarena.benchmarks.fill_band import band
from lobarena.benchmarks.manifest import ResultsError, no_space
from lobarena.benchmarks.report_tables import (
    ACTIVITY,
    AGENT,
    BAND,
    BAND_CONTRACTS,
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

_RUN = ("schema", "status", "lobarena", "seed", "config_digest", "created")
_TERMINAL = (
    *(column for column in LEADERBOARD if column.key not in ("es95", "es99", "pnl_sd", "pr", "episodes")),
    *(column for column in ACTIVITY if column.key in ("map", "fills", "quoting_share", "latency_p50_us")),
)


def as_json(results: Results) -> dict[str, Any]:
    """All numbers of the report under stable keys, ready for json.dump; what is not known is None.

    run: facts of the manifest. leaderboard, differences: as in `statistics`. contracts: the leaderboard of each
    contract, with the keys exchange and contract. failures: a row a failed episode and seat. currency: of all money.
    All but failures are of the settings' own fill model, the first of fill_models. band, band_contracts, band_orders:
    agents, contracts and orders of `fill_band.band`.
    """
    names = fill_models.played(results)
    whole, results = results, fill_models.under(results, names[0])
    doubt = band(whole)
    seed, episodes = int(results.manifest["seed"]), results.episodes
    where = zip(episodes.column("exchange").to_pylist(), episodes.column("contract").to_pylist(), strict=True)
    contracts = []
    for exchange, contract in sorted(set(where)):
        own = episodes.filter(
            pc.and_(pc.equal(episodes.column("exchange"), exchange), pc.equal(episodes.column("contract"), contract))
        )
        contracts += [{"exchange": exchange, "contract": contract, **row} for row in leaderboard(own, seed=seed)]
    failed = whole.episodes.filter(pc.not_equal(whole.episodes.column("status"), "ok"))
    columns = ["episode", "track", "exchange", "contract", "day", "segment", "rotation", "seat", "agent", "fill_model"]
    summary = {
        "schema": 1,
        "currency": CURRENCY,
        "run": {key: results.manifest[key] for key in _RUN} | {"folder": str(results.folder)},
        "leaderboard": leaderboard(episodes, seed=seed),
        "differences": paired_differences(episodes, seed=seed),
        "contracts": contracts,
        "failures": failed.select([*columns, "error"]).to_pylist(),
        "fill_models": names,
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
    _terminal_band(summary, console)
    for row in summary["failures"]:
        what = f"failed: {row['agent']} in episode {row['episode']} ({row['contract']}, {row['day']}): {row['error']}"
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
    own = fill_models.under(results, fill_models.played(results)[0])
    chosen = liveliest(own) if episode is None else episode
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with no_space(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(page(results, own, as_json(results), chosen), encoding="utf-8")
        os.replace(temporary, path)
    return path


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
        table.add_row(*(Text(shown(column, row)) for column in columns), style=style)
    console.print(table)


def _known(value: Any) -> Any:
    """The value with None in place of what is not a finite number."""
    if isinstance(value, dict):
        return {key: _known(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_known(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
