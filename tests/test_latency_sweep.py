"""The latency sweep: everyone alone at each latency, beside the tournament and apart from its numbers."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pyarrow as pa
import pytest
from results_folder import make_run, rows
from rich.console import Console
from test_tournament import small

from lobarena.benchmarks import report
from lobarena.benchmarks.latency_sweep import outside, sweep
from lobarena.benchmarks.results import Results, digest, read
from lobarena.benchmarks.statistics import leaderboard
from lobarena.benchmarks.tournament import run

MS = 1_000_000
SWEEP = {"tracks": ("solo",), "latency_sweep": ("0", "2s")}


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Results:
    return read(run(small(**SWEEP), tmp_path_factory.mktemp("sweep") / "run", processes=1))


def swept(results: Results, pnl: dict[str, dict[int, list[float]]], held: float = 2.0) -> Results:
    """The folder with a sweep of its own: agent -> latency -> PnL by block."""
    tables = [results.episodes]
    number = 10_000
    for agent, latencies in pnl.items():
        for ns, values in latencies.items():
            days = 20240102 + np.arange(len(values))
            same = {"track": "solo", "agent": agent, "status": "ok", "fills": 1 if any(values) else 0, "sweep": ns}
            episode = number + np.arange(len(values))
            tables.append(
                rows("episodes", len(values), episode=episode, day=days, pnl=np.array(values), map=held, **same)
            )
            number += len(values)
    return replace(results, episodes=pa.concat_tables(tables))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Results:
    return read(make_run(tmp_path_factory.mktemp("made") / "run", ("foic", "<b>")))


def test_every_agent_is_charged_each_latency_and_nothing_else_changes(played, tmp_path):
    found = played.episodes.to_pylist()
    assert {row["sweep"] for row in found} == {-1, 0, 2_000 * MS}
    for row in found:
        charged = {-1: 1_000.0}.get(row["sweep"], row["sweep"] / 1_000)
        assert row["latency_p50_us"] == row["latency_max_us"] == charged
    alone = read(run(small(tracks=("solo",)), tmp_path / "run", processes=1))
    assert digest(outside(played).episodes) == digest(alone.episodes)
    zero = read(run(small(tracks=("solo",), decision_latency="zero"), tmp_path / "zero", processes=1))
    pnl = {ns: [(row["agent"], row["pnl"]) for row in found if row["sweep"] == ns] for ns in (0, 2_000 * MS)}
    assert [(row["agent"], row["pnl"]) for row in zero.episodes.to_pylist()] == pnl[0] != pnl[2_000 * MS]


def test_a_killed_sweep_goes_on_to_the_same_bytes_in_two_processes(played, tmp_path):
    def stop(done, total, what):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(small(**SWEEP), tmp_path / "run", processes=1, on_progress=stop)
    part = read(tmp_path / "run")
    assert part.episodes.num_rows == 4
    report.html(part, tmp_path / "page.html")
    again = read(run(small(**SWEEP), tmp_path / "run", processes=2))
    assert again.manifest["digests"] == played.manifest["digests"]


def test_no_mean_runs_over_the_latencies(played):
    with pytest.raises(ValueError, match=r"leave them out with latency_sweep\.outside"):
        leaderboard(played.episodes)
    summary = report.as_json(played)
    assert {row["episodes"] for row in summary["leaderboard"]} == {2}
    assert summary["leaderboard"] == report.as_json(outside(played))["leaderboard"]


def test_pnlmap_and_its_paired_difference_are_ratios_of_sums(made):
    found = sweep(swept(made, {"a": {0: [4.0, 8.0], 10 * MS: [1.0, 5.0]}}, held=2.0))
    zero, late = found["points"]
    assert (zero["pnl_mean"], zero["pnl_map"], zero["blocks"]) == (6.0, 3.0, 2)
    assert (late["pnl_map"], late["difference"]) == (1.5, -1.5)
    # both blocks lose 3, so the paired difference has no width though PnLMAP has
    assert (late["difference_low"], late["difference_high"]) == (-1.5, -1.5)
    assert (late["pnl_map_low"], late["pnl_map_high"]) == (0.5, 2.5)


@pytest.mark.parametrize(
    ("pnl", "verdict", "clear"),
    [
        ({0: 5.0, 10 * MS: 1.0, 1_000 * MS: -2.0}, "stops between 10ms and 1s", [0, 10 * MS]),
        ({0: 5.0, 10 * MS: 1.0}, "paid up to 10ms, the longest tried", [0, 10 * MS]),
        ({0: -5.0, 10 * MS: -1.0}, "never paid", []),
        ({0: -5.0, 10 * MS: 1.0}, "no break-even: paid at 10ms alone", [10 * MS]),
        ({0: 5.0, 10 * MS: -1.0, 1_000 * MS: 1.0}, "no break-even: paid at 0, 1s alone", [0, 1_000 * MS]),
        ({0: 0.0, 10 * MS: 0.0}, "never traded", []),
    ],
)
def test_the_break_even_is_said_plainly(made, pnl, verdict, clear):
    (agent,) = sweep(swept(made, {"a": {ns: [value, value] for ns, value in pnl.items()}}))["agents"]
    assert (agent["verdict"], agent["clear"]) == (verdict, clear)


def test_an_interval_across_0_is_not_clear(made):
    (agent,) = sweep(swept(made, {"a": {0: [-1.0, 9.0]}}))["agents"]
    assert (agent["paid"], agent["clear"]) == ([0], [])


def test_the_front_holds_who_is_beaten_by_nobody_that_thinks_no_longer(made):
    pnl = {"a": {0: 5.0, 10 * MS: 4.0}, "b": {0: 3.0, 10 * MS: 6.0}, "idle": {0: 0.0, 10 * MS: 0.0}}
    points = sweep(swept(made, {k: {ns: [v, v] for ns, v in one.items()} for k, one in pnl.items()}))["points"]
    assert [(row["agent"], row["latency"]) for row in points if row["front"]] == [("a", 0), ("b", 10 * MS)]


def test_blocks_that_were_not_played_at_every_latency_do_not_count(made):
    found = sweep(swept(made, {"a": {0: [4.0, 8.0], 10 * MS: [1.0]}}))
    assert [(row["blocks"], row["pnl_mean"]) for row in found["points"]] == [(1, 4.0), (1, 1.0)]
    assert sweep(made) == {"points": [], "agents": []}


def test_the_page_and_the_terminal_show_the_sweep_with_names_escaped(made, tmp_path):
    pnl = {"foic": {0: [5.0, 7.0], 10 * MS: [-5.0, 1.0]}, "<b>": {0: [-1.0, 1.5], 10 * MS: [0.0, -1.0]}}
    results = swept(made, pnl)
    page = report.html(results, tmp_path / "page.html").read_text(encoding="utf-8")
    body = page[page.index('<section id="sweep">') :]
    body = body[: body.index("</section>")]
    assert "stops between 0 and 10ms" in body
    assert "&lt;b&gt;" in body
    assert "<b>" not in body
    assert body.count('class="plot"') == 2
    console = Console(file=StringIO(), width=200)
    report.terminal(results, console)
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert "latency sweep, solo" in told
    assert "stops between 0 and 10ms" in told
    report.html(made, tmp_path / "none.html")
    assert 'id="sweep"' not in (tmp_path / "none.html").read_text(encoding="utf-8")
