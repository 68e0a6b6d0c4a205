"""One self-contained HTML page of a results folder; it opens without a network."""

import html
import json
from collections.abc import Iterable
from typing import Any

from lobarena.benchmarks import report_figures as figures
from lobarena.benchmarks import report_series as series
from lobarena.benchmarks.report_style import CSS, JS
from lobarena.benchmarks.report_sweep import section as sweep
from lobarena.benchmarks.report_tables import (
    ACTIVITY,
    ATTRIBUTION,
    BAND,
    BAND_CONTRACTS,
    BAND_MORE,
    CALLS,
    CONTRACTS,
    COST,
    CURRENCY,
    DATA,
    DIFFERENCES,
    EFFORT,
    FAILURES,
    LEADERBOARD,
    ORDERS,
    THINKING,
    table,
)
from lobarena.benchmarks.results import Results

TRACK_NOTES = {
    "solo": "Each agent alone against the replayed market.",
    "arena": "All agents in one market, competing for the same queue.",
}
ORDER_NOTE = (
    "Mean paired difference under each model, over the same blocks. Clear of 0: under how many models its 95 % "
    "interval over the blocks lies above 0."
)
PAIR_NOTE = "Over the blocks that both have met; two-sided bootstrap p-values, Holm's correction over the pairs."


def page(whole: Results, results: Results, summary: dict[str, Any], episode: int | None) -> str:
    """The whole page. results: the part of `whole` that the settings' own fill model gave. summary: what
    `report.as_json` says. episode: the one whose quotes are drawn, None for none.
    """
    from plotly.offline import get_plotlyjs

    agents = sorted({row["agent"] for row in summary["leaderboard"]})
    tracks = list(dict.fromkeys(row["track"] for row in summary["leaderboard"]))
    shown = {
        "curves": series.mean_curves(results),
        "inventory": series.inventories(results),
        "latency": series.latencies(results),
    }
    body = _header(results, summary, tracks)
    body += "".join(_track(f"track-{number}", track, summary, shown, agents) for number, track in enumerate(tracks))
    body += sweep(summary["sweep"], agents) + _band(summary) + _thinking(summary) + _episode(whole, episode, agents)
    body += _contracts(summary) + _trouble(summary) + _facts(results.manifest)
    title = html.escape(results.folder.resolve().name)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title} · lobarena</title>'
        f'<link rel="icon" href="data:,"><style>{CSS}</style><script>{get_plotlyjs()}</script></head>\n'
        f"<body><main>{body}</main><script>{JS}</script></body></html>\n"
    )


def _header(results: Results, summary: dict[str, Any], tracks: list[str]) -> str:
    manifest, status = results.manifest, html.escape(results.manifest["status"])
    note = "" if results.complete else " The run is not finished: what follows covers the episodes done so far."
    tiles = [
        ("market runs", len(set(results.episodes.column("episode").to_pylist()))),
        ("agents", len({row["agent"] for row in summary["leaderboard"]})),
        ("contracts", len(set(results.episodes.column("contract").to_pylist()))),
        ("trading days", len(set(results.episodes.column("day").to_pylist()))),
        ("fills", results.fills.num_rows),
        ("decisions", results.decisions.num_rows),
        ("failed episodes", len(summary["failures"])),
    ]
    if len(summary["fill_models"]) > 1:
        tiles.append(("fill models", len(summary["fill_models"])))
    cards = "".join(
        f'<div class="card"><span class="soft">{name}</span><b>{count:,}</b></div>' for name, count in tiles
    )
    places = [(f"track-{place}", track) for place, track in enumerate(tracks)]
    places += [("sweep", "latency sweep")] if summary["sweep"]["points"] else []
    places += [("band", "fills under doubt")] if len(summary["fill_models"]) > 1 else []
    places += [
        ("thinking", "thinking"),
        ("episode", "one episode"),
        ("contracts", "contracts"),
        ("trouble", "failures"),
        ("facts", "run facts"),
    ]
    links = "".join(f'<a href="#{place}">{html.escape(name)}</a>' for place, name in places)
    return (
        f"<header><h1>{html.escape(results.folder.resolve().name)}</h1>"
        f'<p class="soft"><span class="badge {status}">{status}</span> lobarena {html.escape(manifest["lobarena"])}, '
        f"begun {html.escape(manifest['created'])}, seed {html.escape(str(manifest['seed']))}, "
        f"config {html.escape(manifest['config_digest'][:12])}.{note}</p><nav>{links}</nav></header>"
        f'<div class="tiles">{cards}</div>'
    )


def _track(place: str, track: str, summary: dict[str, Any], shown: dict[str, Any], agents: list[str]) -> str:
    board = [row for row in summary["leaderboard"] if row["track"] == track]
    pairs = [row for row in summary["differences"] if row["track"] == track]
    blocks = max(row["blocks"] for row in board)
    plots = [
        (
            "PnL curves",
            "Mean over the episodes, marked at the mid, net of fees.",
            figures.pnl_curves(shown["curves"].get(track, {}), agents, CURRENCY),
        ),
        (
            "PnL attribution",
            "The parts sum to the gross PnL exactly; fees are taken off.",
            figures.attribution(board, CURRENCY),
        ),
        (
            "Inventory",
            "Share of time at each position.",
            figures.inventory(shown["inventory"].get(track, {}), agents),
        ),
        (
            "Decision latency",
            f"All decisions; charged is what the simulation waited, measured the wall clock. "
            f"0 is drawn at {figures.FLOOR_US} us.",
            figures.latency(shown["latency"].get(track, {})),
        ),
    ]
    drawn = [figures.plot(f"{place}-{number}", *plot) for number, plot in enumerate(plots)]
    compared = _more("Paired differences", PAIR_NOTE, table(DIFFERENCES, pairs)) if pairs else ""
    return (
        f'<section id="{place}"><h2>Track: {html.escape(track)}</h2>'
        f'<p class="soft">{TRACK_NOTES.get(track, "")} Intervals: 95 %, block bootstrap over {blocks:,} blocks '
        f"(contract, day, segment), the same draws for all agents.</p>"
        f'<div class="card"><h3>Leaderboard</h3>{table(LEADERBOARD, board)}</div>'
        f'<div class="card"><h3>Inventory, activity, latency</h3>{table(ACTIVITY, board)}</div>'
        f'<div class="pair">{drawn[0]}{drawn[1]}</div><div class="pair">{drawn[2]}{drawn[3]}</div>'
        f"{compared}{_more('Attribution and markouts', '', table(ATTRIBUTION, board))}</section>"
    )


def _band(summary: dict[str, Any]) -> str:
    """What the fills that nobody can know do to the results; nothing where one model was played."""
    names = summary["fill_models"]
    if len(names) < 2:
        return ""
    head = '<section id="band"><h2>Fills under doubt</h2><p class="soft">'
    if not summary["band"]:
        return f"{head}No market was played under every fill model yet.</p></section>"
    cards = "".join(
        _band_of(f"band-{number}", track, summary)
        for number, track in enumerate(dict.fromkeys(row["track"] for row in summary["band"]))
    )
    return (
        f"{head}The same episodes, seeds and event times under {len(names)} models of queue and impact "
        f"({html.escape(', '.join(names))}). They are bounds, not samples: a band runs from the least to the most over "
        f"the models, an interval over the episodes of one. All other sections show {html.escape(names[0])}.</p>"
        f"{cards}</section>"
    )


def _band_of(place: str, track: str, summary: dict[str, Any]) -> str:
    rows, contracts, pairs = (
        [row for row in summary[key] if row["track"] == track] for key in ("band", "band_contracts", "band_orders")
    )
    decided = sum(row["verdict"] != "undecided" for row in pairs)
    title = html.escape(track)
    drawn = figures.plot(
        place,
        f"Mean PnL, {track}",
        "The bar runs from the least to the most over the fill models; a mark is one of them with its 95 % interval "
        "over the episodes, the large one the settings' own. Colour tells the queue model, shape the impact rule.",
        figures.band(rows, summary["fill_models"], CURRENCY),
    )
    return (
        f'{drawn}<div class="card"><h3>Band, {title}</h3><p class="soft">Certain: maker lots that fill at the same '
        f"instant, side and price under every model, of those under the settings' own.</p>{table(BAND, rows)}</div>"
        f'<div class="card"><h3>Order of the agents, {title}: {decided} of {len(pairs)} pairs have one under all models'
        f'</h3><p class="soft">{html.escape(ORDER_NOTE)}</p>{table(ORDERS, pairs)}</div>'
        f"{_more('Further measures', '', table(BAND_MORE, rows))}"
        f"{_more('Band by contract', '', table(BAND_CONTRACTS, contracts))}"
    )


def _thinking(summary: dict[str, Any]) -> str:
    """What decisions took, and what became of language models' calls."""
    cards = ""
    for track in dict.fromkeys(row["track"] for row in summary["leaderboard"]):
        name = html.escape(track)
        board, calls = ([row for row in summary[key] if row["track"] == track] for key in ("leaderboard", "calls"))
        both = table(THINKING, board) + table(COST, board)
        cards += f'<div class="card"><h3>What a decision takes, {name}</h3>{both}</div>'
        if calls:
            cards += f'<div class="card"><h3>Calls of language models, {name}</h3>{table(CALLS, calls)}</div>'
    return (
        f'<section id="thinking"><h2>Thinking</h2><p class="soft">Percentiles are means over the episodes. FLOP and '
        f"parameters are what agents state. Energy is that of the whole machine while the agent decided. "
        f'"-" is unknown or not measured.</p>{cards}</section>'
    )


def _episode(results: Results, episode: int | None, agents: list[str]) -> str:
    view = [] if episode is None else series.episode_view(results, episode)
    if not view:
        return '<section id="episode"><h2>One episode</h2><p class="soft">No episode to show.</p></section>'
    facts = next(row for row in results.episodes.to_pylist() if row["episode"] == episode)
    note = f"{facts['track']}, {facts['exchange']} {facts['contract']}, {facts['day']}, segment {facts['segment']}"
    plots = [
        (
            "Quotes and fills",
            "Own best quotes over the mid, triangles are buys (up) and sales (down). Click a name to add its agent.",
            figures.quotes(view, agents),
        ),
        ("PnL", "Marked at the mid, net of fees.", figures.seat_curves(view, agents, "pnl", CURRENCY)),
        ("Position", "", figures.seat_curves(view, agents, "position", "lots")),
    ]
    drawn = [figures.plot(f"episode-{number}", *plot) for number, plot in enumerate(plots)]
    return (
        f'<section id="episode"><h2>Episode {episode:,}</h2><p class="soft">{html.escape(note)}</p>'
        f'{drawn[0]}<div class="pair">{drawn[1]}{drawn[2]}</div></section>'
    )


def _contracts(summary: dict[str, Any]) -> str:
    return (
        '<section id="contracts"><h2>Contracts</h2>'
        f'<div class="card">{table(CONTRACTS, summary["contracts"])}</div></section>'
    )


def _trouble(summary: dict[str, Any]) -> str:
    failed = table(FAILURES, summary["failures"]) if summary["failures"] else '<p class="soft">None.</p>'
    tracks = dict.fromkeys(row["track"] for row in summary["leaderboard"])
    effort = "".join(
        f'<div class="card"><h3>Decisions and refusals, {html.escape(track)}</h3>'
        f"{table(EFFORT, [row for row in summary['leaderboard'] if row['track'] == track])}</div>"
        for track in tracks
    )
    return (
        f'<section id="trouble"><h2>Failures and refusals</h2><div class="card"><h3>Failed episodes</h3>{failed}'
        f'</div>{effort}<p class="soft">"-" is unknown or not measured.</p></section>'
    )


def _facts(manifest: dict[str, Any]) -> str:
    def written(keys: Iterable[str]) -> str:
        part = {key: manifest[key] for key in keys if key in manifest}
        return f"<pre>{html.escape(json.dumps(part, indent=2, ensure_ascii=False))}</pre>"

    return (
        '<section id="facts"><h2>Run facts</h2><div class="pair">'
        f'<div class="card"><h3>Settings</h3>{written(["seed", "config", "config_digest"])}</div>'
        f'<div class="card"><h3>Agents</h3>{written(["agents"])}</div></div>'
        f'<div class="card"><h3>Data</h3>{table(DATA, manifest["data"])}</div>'
        f'<div class="card"><h3>Machine, versions, digests</h3>'
        f"{written(['machine', 'versions', 'created', 'schema', 'lobarena', 'digests'])}</div></section>"
    )


def _more(title: str, note: str, content: str) -> str:
    return (
        f'<details class="card"><summary>{html.escape(title)}</summary>'
        f'<p class="soft">{html.escape(note)}</p>{content}</details>'
    )
