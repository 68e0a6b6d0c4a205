import json
import math
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plotly.offline import get_plotlyjs
from results_folder import make_run
from rich.console import Console

from lobarena.benchmarks import report, report_figures, report_series
from lobarena.benchmarks.report_tables import AGENT, LEADERBOARD, Column, shown, table
from lobarena.benchmarks.results import Results, ResultsError, read

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read(make_run(tmp_path_factory.mktemp("runs") / "run <1>", ("foic", "glft", EVIL), days=3, failing="glft"))


@pytest.fixture(scope="module")
def page(results: Results, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The HTML page, less the source of plotly.js."""
    whole = report.html(results, tmp_path_factory.mktemp("pages") / "new" / "report.html").read_text(encoding="utf-8")
    assert whole.count(get_plotlyjs()) == 1
    assert len(whole) < 10_000_000
    return whole.replace(get_plotlyjs(), "")


class Elements(HTMLParser):
    """Every start tag with its attributes, and what the elements hold, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.held: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.held.append("")

    def handle_data(self, data: str) -> None:
        if self.held:
            self.held[-1] += data

    def figures(self) -> dict[str, Any]:
        """Plotly figures by the id of their script element."""
        both = zip(self.tags, self.held, strict=True)
        return {
            str(attrs["id"]): json.loads(held)
            for (tag, attrs), held in both
            if tag == "script" and attrs.get("type") == "application/json"
        }


def test_the_page_asks_no_network_for_anything(page: str) -> None:
    for tag, attrs in Elements(page).tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert (attrs.get(name) or "#").startswith(("#", "data:,")), (tag, name)
    assert not re.search(r"https?://|url\(|@import|@font-face", page)


def test_names_from_the_data_are_never_markup(page: str) -> None:
    scripts = [attrs for tag, attrs in Elements(page).tags if tag == "script"]
    assert len([attrs for attrs in scripts if "id" not in attrs]) == 2
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<b>nothing" not in page
    assert "glft returned &lt;b&gt;nothing&lt;/b&gt;" in page
    assert "<h1>run &lt;1&gt;</h1>" in page


def test_every_plot_has_its_figure_and_no_line_is_too_long(page: str) -> None:
    elements = Elements(page)
    wanted = [attrs["data-figure"] for _, attrs in elements.tags if attrs.get("class") == "plot"]
    assert wanted == list(elements.figures())
    assert len(wanted) == 2 * 4 + 3
    for figure in elements.figures().values():
        assert figure["data"]
        assert all(len(trace["x"]) <= report_series.POINTS for trace in figure["data"])


def test_the_page_shows_the_numbers_of_the_json(page: str, results: Results) -> None:
    for row in report.as_json(results)["leaderboard"]:
        assert f'data-value="{row["pnl_mean"]}">{row["pnl_mean"]:,.0f}</td>' in page
        assert f"{row['pnl_low']:,.0f} to {row['pnl_high']:,.0f}" in page


def test_the_json_is_plain_and_complete(results: Results) -> None:
    summary = report.as_json(results)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    parts = ["schema", "currency", "run", "leaderboard", "differences", "contracts", "failures"]
    assert list(summary) == [*parts, "fill_models", "sweep", "calls", "band", "band_contracts", "band_orders"]
    assert len(summary["leaderboard"]) == 6
    assert len(summary["differences"]) == 6
    assert {row["contract"] for row in summary["contracts"]} == {"rb2405", "cu2404"}
    assert [(row["agent"], row["day"]) for row in summary["failures"]] == [("glft", 20240104)] * 4
    pnl = [row["pnl"] for row in results.episodes.to_pylist() if row["track"] == "arena" and row["agent"] == "foic"]
    (row,) = [row for row in summary["leaderboard"] if row["track"] == "arena" and row["agent"] == "foic"]
    assert row["pnl_mean"] == pytest.approx(sum(pnl) / len(pnl))
    assert row["flop"] is None


def test_what_fails_for_one_reason_is_one_line_on_the_terminal(results: Results) -> None:
    out = StringIO()
    report.terminal(results, Console(file=out, width=400))
    failed = [line for line in out.getvalue().splitlines() if line.startswith("failed: ")]
    assert len(failed) == len({row["error"] for row in report.as_json(results)["failures"]})
    assert "20240104) and " in failed[0]


def test_a_file_of_an_agent_is_named_without_its_folders() -> None:
    spec = "llm:every=60,model=/a/b c/m.gguf,transcript=../t.jsonl@per-token:prefill=2"
    assert report._without_folders(spec) == "llm:every=60,model=m.gguf,transcript=t.jsonl@per-token:prefill=2"
    assert report._without_folders("CNY / episode") == "CNY / episode"


def test_the_terminal_shows_every_agent_and_failure_literally(results: Results) -> None:
    out = StringIO()
    report.terminal(results, Console(file=out, width=250))
    printed = out.getvalue()
    assert printed.count(EVIL) >= 4
    assert "solo: best mean PnL first" in printed
    assert "arena: what the best leads by, paired" in printed
    assert "glft returned <b>nothing</b>" in printed
    for row in report.as_json(results)["leaderboard"]:
        assert f"{row['pnl_low']:,.0f} to {row['pnl_high']:,.0f}" in printed


def test_another_episode_can_be_chosen_and_an_unknown_one_is_refused(results: Results, tmp_path: Path) -> None:
    assert "<h2>Episode 2</h2>" in report.html(results, tmp_path / "two.html", 2).read_text(encoding="utf-8")
    with pytest.raises(ResultsError, match=r"no episode 99; its episodes: 0 to 23"):
        report.html(results, tmp_path / "none.html", 99)
    assert [path.name for path in tmp_path.iterdir()] == ["two.html"]


def test_a_partial_run_is_reported_as_such_and_an_empty_one_too(tmp_path: Path) -> None:
    partial = read(make_run(tmp_path / "partial", ("foic",), days=1, contracts=("rb2405",), finish=False))
    assert "The run is not finished" in report.html(partial, tmp_path / "partial.html").read_text(encoding="utf-8")
    empty = read(make_run(tmp_path / "empty", (), days=0, finish=False))
    out = StringIO()
    report.terminal(empty, Console(file=out))
    assert "no finished episode" in out.getvalue()
    assert "No episode to show" in report.html(empty, tmp_path / "empty.html").read_text(encoding="utf-8")


def test_the_mean_curve_ends_at_the_mean_pnl(results: Results) -> None:
    curves = report_series.mean_curves(results)
    for row in report.as_json(results)["leaderboard"]:
        minutes, pnl = curves[row["track"]][row["agent"]]
        assert minutes[-1] == pytest.approx(2.0)
        assert pnl[-1] == pytest.approx(row["pnl_mean"])


def test_inventory_shares_sum_to_one_and_keep_their_mean(results: Results) -> None:
    for agents in report_series.inventories(results).values():
        for lots, share in agents.values():
            assert share.sum() == pytest.approx(1)
            assert set(np.diff(lots)) == {1.0}
    lots, share = report_series.inventories(results)["solo"]["foic"]
    rows = results.episodes.to_pylist()
    mine = {row["episode"] for row in rows if row["track"] == "solo" and row["agent"] == "foic"}
    held = [row["position"] for row in results.curve.to_pylist() if row["episode"] in mine]
    assert (lots * share).sum() == pytest.approx(np.mean(held))


def test_the_attribution_bars_sum_to_the_mark_of_the_pnl(results: Results) -> None:
    board = [row for row in report.as_json(results)["leaderboard"] if row["track"] == "solo"]
    *parts, pnl = report_figures.attribution(board, "CNY")["data"]
    assert np.sum([part["x"] for part in parts], axis=0) == pytest.approx(pnl["x"], abs=1e-3)


def test_latencies_are_percentiles_over_all_decisions(results: Results) -> None:
    seats = report_series.seats_of(results.episodes)
    mine = [
        row["latency"] / 1000
        for row in results.decisions.to_pylist()
        if seats[row["episode"], row["seat"]] == ("arena", "glft")
    ]
    found = report_series.latencies(results)["arena"]["glft"]["charged"]
    assert found == pytest.approx([*np.percentile(mine, (50, 90, 99)), max(mine)])


def test_the_episode_view_has_gaps_where_there_is_no_quote_and_every_fill(results: Results) -> None:
    episode = report_series.liveliest(results)
    assert episode is not None
    view = report_series.episode_view(results, episode)
    rows = [row for row in results.fills.to_pylist() if row["episode"] == episode]
    assert [seat["agent"] for seat in view] == ["foic", "glft", EVIL]
    assert sum(len(seat["fills"]["time"]) for seat in view) == len(rows)
    assert view[0]["time"][0] == 0
    assert 0 < np.isnan(view[0]["bid"]).sum() < len(view[0]["bid"])


def test_thinning_keeps_both_ends() -> None:
    assert report_series.thinned(3).tolist() == [0, 1, 2]
    kept = report_series.thinned(100_000)
    assert (kept[0], kept[-1], len(kept)) == (0, 99_999, report_series.POINTS)


def test_numbers_read_as_people_write_them() -> None:
    assert shown(Column("x", "x"), {"x": 1234567.8}) == "1,234,568"
    assert shown(Column("x", "x"), {"x": -0.2}) == "0"
    assert shown(Column("x", "x", form=",.1f", scale=100), {"x": 0.1234}) == "12.3"
    assert shown(Column("x", "x"), {"x": math.nan}) == shown(Column("x", "x"), {}) == "-"
    assert shown(Column("day", "day", form="d"), {"day": 20240102}) == "20240102"


def test_cells_carry_the_value_to_sort_by() -> None:
    row = {"agent": 'a"b', "pnl_mean": 5.5, "pnl_low": None, "pnl_high": None, "pnl_sd": None}
    written = table((AGENT, *LEADERBOARD[2:5]), [row])
    assert '<td class="text" data-value="a&quot;b">a&quot;b</td><td data-value="5.5">6</td>' in written
    assert '<td data-value="">- to -</td><td data-value="">-</td>' in written
