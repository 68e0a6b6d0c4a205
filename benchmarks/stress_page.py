"""One self-contained HTML page of a stress run; it opens without a network."""

import html
import json
from typing import Any

from lobarena.benchmarks.report_figures import plot
from lobarena.benchmarks.report_style import CSS, JS
from lobarena.benchmarks.report_tables import DATA, Column, table
from lobarena.benchmarks.results import Results
from lobarena.benchmarks.shock_episodes import CALM
from lobarena.benchmarks.stress_figures import frontier, matrix
from lobarena.benchmarks.stress_moments import books, moment, worst_moments
from lobarena.benchmarks.stress_report import BREAKERS, FRONTIER, RANKING, REGIMES, STORIES

_CITED = (
    Column("name", "episode", form=""),
    Column("title", "what happens", form=""),
    Column("event", "imitates", form=""),
    Column("date", "date", form=""),
    Column("venue", "venue", form=""),
    Column("source", "source", form=""),
    Column("holds", "what still holds", form=""),
)
_NOTES = {
    "ranking": "Worst case over all episodes and windows, then the mean. Everyone met the same painted markets. "
    "Intervals: 95 %, bootstrap over the windows. Against calm: less what the same agent made in the same window "
    "without a shock.",
    "matrix": "The worst PnL over the windows, in % of the capital of a seat; a cross where one was not survived.",
    "regimes": "Thirds of the volatility of the windows without shock, each against the median of its contract.",
    "breakers": "The same agent with and without, in the same markets. Saves: mean over all episodes. Costs: over calm "
    "windows.",
    "frontier": "All shocks of an episode grow together; the mark is the least size that ruined the agent in any "
    "window, an open triangle where none did up to the largest size tried. Episodes that ruined nobody are not drawn.",
    "moments": "The worst episode of each agent. Shaded: the time of the shocks. Green and violet: bought and sold; "
    "crosses: closed out by the venue or at the end.",
}


def page(results: Results, summary: dict[str, Any]) -> str:
    """The whole page; summary: what `stress_report.as_json` says."""
    from plotly.offline import get_plotlyjs

    name = html.escape(results.folder.resolve().name)
    body = _header(results, summary, name) + _ranking(summary) + _regimes(summary) + _breakers(summary)
    body += _frontier(summary) + _moments(results, summary) + _tables(summary) + _stories(summary) + _facts(results)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{name} · lobarena</title>'
        f'<link rel="icon" href="data:,"><style>{CSS}</style><script>{get_plotlyjs()}</script></head>\n'
        f"<body><main>{body}</main><script>{JS}</script></body></html>\n"
    )


def _header(results: Results, summary: dict[str, Any], name: str) -> str:
    manifest, rows = results.manifest, summary["episodes"]
    shocked = [row for row in rows if row["story"] != CALM]
    tiles = {
        "agents": len({row["agent"] for row in rows}),
        "episodes": len(summary["stories"]),
        "windows": len({(row["contract"], row["day"], row["segment"]) for row in rows}),
        "played": len(rows),
        "not survived": sum(not row["survived"] for row in shocked),
        "margin calls": sum(row["calls"] for row in rows),
        "fills": results.fills.num_rows,
        "broken invariants": len(summary["broken"]),
    }
    cards = "".join(f'<div class="card"><span class="soft">{k}</span><b>{v:,}</b></div>' for k, v in tiles.items())
    places = ["ranking", "regimes", "breakers", "frontier", "moments", "tables", "stories", "facts"]
    links = "".join(f'<a href="#{place}">{place}</a>' for place in places)
    status = html.escape(manifest["status"])
    return (
        f'<header><h1>{name}</h1><p class="soft"><span class="badge {status}">{status}</span> lobarena '
        f"{html.escape(manifest['lobarena'])}, begun {html.escape(manifest['created'])}, seed "
        f"{html.escape(str(manifest['seed']))}, config {html.escape(manifest['config_digest'][:12])}.</p>"
        f'<nav>{links}</nav></header><div class="tiles">{cards}</div>'
    )


def _section(place: str, title: str, content: str) -> str:
    note = f'<p class="soft">{html.escape(_NOTES[place])}</p>' if place in _NOTES else ""
    return f'<section id="{place}"><h2>{html.escape(title)}</h2>{note}{content}</section>'


def _card(content: str) -> str:
    return f'<div class="card">{content}</div>'


def _ranking(summary: dict[str, Any]) -> str:
    shocked = [row for row in summary["matrix"] if row["story"] != CALM]
    drawn = plot("matrix", "Every agent in every episode", _NOTES["matrix"], matrix(shocked)) if shocked else ""
    return _section("ranking", "Who breaks", _card(table(RANKING, summary["ranking"])) + drawn)


def _regimes(summary: dict[str, Any]) -> str:
    return _section("regimes", "Market regimes", _card(table(REGIMES, summary["regimes"])))


def _breakers(summary: dict[str, Any]) -> str:
    rows = summary["breakers"]
    none = '<p class="soft">No agent wore a breaker beside its bare self, such as foic,foic+loss(20000).</p>'
    return _section("breakers", "Circuit breakers", _card(table(BREAKERS, rows)) if rows else none)


def _frontier(summary: dict[str, Any]) -> str:
    rows = summary["frontier"]
    if not rows:
        return _section("frontier", "Breaking points", '<p class="soft">Not searched: give --search.</p>')
    broken = any(row["ruined"] is not None for row in rows)
    drawn = plot("frontier", "Least size that ruins", "", frontier(rows)) if broken else ""
    every = f'<details class="card"><summary>every search</summary>{table(FRONTIER, rows)}</details>'
    return _section("frontier", "Breaking points", drawn + every)


def _moments(results: Results, summary: dict[str, Any]) -> str:
    chosen = worst_moments([row for row in summary["episodes"] if row["story"] != CALM])
    spans = {story["name"]: (story["at_s"], story["until_s"]) for story in summary["stories"]}
    shown = books(results, [int(row["episode"]) for row in chosen])
    drawn = "".join(
        plot(
            f"moment-{place}",
            f"{row['agent']} in {row['story']}",
            f"{row['exchange']} {row['contract']}, {row['day']}: {100 * row['pnl']:,.1f} % of capital, "
            f"{'survived' if row['survived'] else 'not survived'}.",
            moment(results, row, shown.get(int(row["episode"])), spans.get(row["story"], (0.0, 0.0))),
        )
        for place, row in enumerate(chosen)
    )
    return _section("moments", "Worst moments", drawn or '<p class="soft">Nobody lost anything.</p>')


def _tables(summary: dict[str, Any]) -> str:
    parts = ""
    for story in dict.fromkeys(row["story"] for row in summary["matrix"]):
        mine = [row for row in summary["matrix"] if row["story"] == story]
        title = html.escape(next((s["title"] for s in summary["stories"] if s["name"] == story), "no shock"))
        parts += (
            f'<details class="card"><summary>{html.escape(story)}</summary><p class="soft">{title}</p>'
            f"{table(STORIES[1:], mine)}</details>"
        )
    return _section("tables", "Episode by episode", parts)


def _stories(summary: dict[str, Any]) -> str:
    rows = [
        {**story, **story.get("imitates", {}), "holds": ", ".join(story.get("holds", []))}
        for story in summary["stories"]
    ]
    return _section("stories", "What the episodes imitate", _card(table(_CITED, rows)))


def _facts(results: Results) -> str:
    def written(*keys: str) -> str:
        part = {key: results.manifest[key] for key in keys if key in results.manifest}
        return f"<pre>{html.escape(json.dumps(part, indent=2, ensure_ascii=False))}</pre>"

    return _section(
        "facts",
        "Run facts",
        f'<div class="pair">{_card(written("seed", "config", "config_digest"))}{_card(written("agents"))}</div>'
        f"{_card(table(DATA, results.manifest['data']))}{_card(written('machine', 'versions', 'created', 'digests'))}",
    )
