"""A stress run on one made-up window: its folder, its numbers, its pages, the search and the random compositions."""

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from lobarena.benchmarks import stress_random, stress_report
from lobarena.benchmarks.config import ConfigError, settings
from lobarena.benchmarks.explain import explain, lines
from lobarena.benchmarks.manifest import ResultsError
from lobarena.benchmarks.results import digest, read
from lobarena.benchmarks.shock_episodes import CALM, library, read_story, story_of
from lobarena.benchmarks.stress import run
from lobarena.benchmarks.stress_compositions import compose
from lobarena.benchmarks.stress_config import StressConfig
from lobarena.benchmarks.stress_figures import frontier, least_sizes
from lobarena.benchmarks.stress_measures import _flat_after, _recovery, breakers, by_regime, by_story, measured, ranking
from lobarena.benchmarks.stress_moments import worst_moments
from lobarena.benchmarks.stress_run import together
from lobarena.benchmarks.stress_search import read_frontier, search
from lobarena.cli import app

SECOND = 10**9
OPTIONS = {
    "agents": ("foic", "idle", "foic+inventory(3)+loss(2000)"),
    "episodes": ("limit-up-lock", "feed-outage"),
    "contracts": ("RBSYN",),
    "days": ("20240103", "20240105"),
    "episode_minutes": 4.0,
    "capital_margins": 1.1,
    "grace_s": 20.0,
}


def config(**options: Any) -> StressConfig:
    return settings(None, OPTIONS | options, StressConfig)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(config(), tmp_path_factory.mktemp("stress") / "run", processes=1)


def test_every_agent_meets_every_episode_and_its_calm_twin(folder: Path) -> None:
    rows = measured(read(folder))
    assert [(row["story"], row["agent"]) for row in rows] == [
        (story, agent)
        for story in (CALM, *OPTIONS["episodes"])
        for agent in OPTIONS["agents"]  # type: ignore[union-attr]
    ]
    assert {row["broken"] for row in rows} == {0}
    assert all(row["against_calm"] == 0 for row in rows if row["story"] == CALM or row["agent"] == "idle")


def test_a_lock_ruins_who_is_short_and_the_breaker_saves_it(folder: Path) -> None:
    rows = {(row["story"], row["agent"]): row for row in measured(read(folder))}
    bare, worn = rows["limit-up-lock", "foic"], rows["limit-up-lock", "foic+inventory(3)+loss(2000)"]
    assert (bare["survived"], bare["closed_out"], worn["survived"]) == (False, True, True)
    assert bare["calls"] >= 1
    assert bare["pnl"] < worn["pnl"] < 0
    assert worn["notes"]["breaker_loss"] == 1
    saved = breakers(list(rows.values()))
    assert [row["agent"] for row in saved] == ["foic+inventory(3)+loss(2000)"]
    assert saved[0]["saves"] > 0
    assert (saved[0]["ruins_bare"], saved[0]["ruins"]) == (1, 0)


def test_the_ranking_goes_by_the_worst_case(folder: Path) -> None:
    rows = measured(read(folder))
    order = ranking(rows)
    assert [row["agent"] for row in order] == ["idle", "foic+inventory(3)+loss(2000)", "foic"]
    assert order[-1]["worst_story"] == "limit-up-lock"
    assert (order[-1]["ruins"], order[-1]["episodes"]) == (1, 2)
    assert {row["regime"] for row in by_regime(rows)} <= {"calm", "normal", "wild"}
    assert len(by_story(rows)) == 9
    assert next(row["agent"] for row in worst_moments(rows)) == "foic"


def test_a_fill_in_an_extreme_market_is_told_like_any_other(folder: Path) -> None:
    fills = read(folder).fills.to_pylist()
    in_lock = [row for row in fills if row["episode"] == 3]
    maker = next(row for row in in_lock[::-1] if row["role"] == "maker")
    story = explain(folder, maker["fill"])
    assert story.joined_ahead == maker["joined"] == story.traded + story.cancelled + story.before
    assert story.aggressor
    forced = next(row for row in in_lock if row["reason"] == "liquidation")
    assert "the venue, which closed the position" in "\n".join(lines(explain(folder, forced["fill"]), str))


def test_an_episode_is_listed_fill_by_fill(folder: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    chosen = ["explain", str(folder), "--episode", "limit-up-lock"]
    done = runner.invoke(app, [*chosen, "--agent", "foic", "--seconds", "120:", "--json", str(tmp_path / "told.json")])
    assert done.exit_code == 0, done.output
    assert "episode 3: foic in limit-up-lock, RBSYN 20240105" in done.output
    told = json.loads((tmp_path / "told.json").read_text())["fills"]
    assert told[-1]["reason"] == "liquidation"
    assert told[-1]["position"] == 0
    assert all(row["seconds"] >= 120 for row in told)
    assert [row["position"] for row in told[1:]] == [
        before["position"] + row["lots"] for before, row in pairwise(told)
    ], "every fill of the seat is there"
    several = runner.invoke(app, chosen)
    assert isinstance(several.exception, ResultsError)
    assert "3 episodes fit; give --agent, or the number of one: 3 (limit-up-lock, foic" in str(several.exception)
    assert "it has calm, limit-up-lock, feed-outage" in str(runner.invoke(app, [*chosen[:3], "lock"]).exception)
    for wrong in ([], ["7", "--episode", "3"], ["--episode", "3", "--seconds", "soon"]):
        assert runner.invoke(app, ["explain", str(folder), *wrong]).exit_code == 2


def test_a_fill_on_a_living_day_is_told_with_the_crowds_order_that_hit_it(tmp_path: Path) -> None:
    living = run(
        config(data="crowd", contracts=("RBLIVE",), agents=("foic",), episodes=("flash-crash",)),
        tmp_path / "run",
        processes=1,
    )
    made = [row for row in read(living).fills.to_pylist() if row["role"] == "maker" and row["joined"] > 0]
    story = explain(living, made[len(made) // 2]["fill"])
    assert story.aggressor == "an order of the crowd, which lives"
    assert story.joined_ahead == made[len(made) // 2]["joined"] == story.traded + story.cancelled + story.before
    assert {row["broken"] for row in measured(read(living))} == {0}


def test_watches_together_are_each_called_at_their_own_pauses() -> None:
    called: list[tuple[str, int]] = []

    class Paused:
        venue = np.zeros(1, [("pause", "i8")])

    def every(name: str, step: int) -> Any:
        def watch(market: Any) -> None:
            now = int(market.venue[0]["pause"])
            called.append((name, now))
            market.venue[0]["pause"] = step if now == 2**62 else now + step if now < 6 else 2**62

        return watch

    market: Any = Paused()
    market.venue[0]["pause"] = 2**62
    both = together(every("a", 2), every("b", 3))
    both(market)
    while market.venue[0]["pause"] < 2**62:
        both(market)
    assert called[2:] == [("a", 2), ("b", 3), ("a", 4), ("a", 6), ("b", 6)]


def test_a_killed_run_goes_on_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int, what: str) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config(), tmp_path / "run", processes=1, on_progress=stop)
    partial = read(tmp_path / "run")
    assert not partial.complete
    stress_report.as_json(partial)
    played = []
    run(config(), tmp_path / "run", processes=1, on_progress=lambda done, total, what: played.append(done))
    assert played[0] == 4
    digests = [json.loads((one / "manifest.json").read_text())["digests"] for one in (folder, tmp_path / "run")]
    assert digests[0] == digests[1]


def test_the_page_escapes_what_it_shows_and_carries_its_moments(folder: Path, tmp_path: Path) -> None:
    page = stress_report.html(read(folder), tmp_path / "report.html").read_text("utf-8")
    assert "best bid" in page
    assert "http://" not in page.split("</script>")[-1]
    hostile = tmp_path / "hostile"
    shutil.copytree(folder, hostile)
    manifest = json.loads((hostile / "manifest.json").read_text())
    manifest["stress"][0]["title"] = "<script>alert(1)</script>"
    table = pq.read_table(hostile / "episodes.parquet")
    names = ["<img src=x onerror=alert(2)>" if name == "foic" else name for name in table.column("agent").to_pylist()]
    table = table.set_column(table.schema.get_field_index("agent"), table.schema.field("agent"), pa.array(names))
    pq.write_table(table, hostile / "episodes.parquet")
    manifest["digests"]["episodes.parquet"] = digest(table)
    (hostile / "manifest.json").write_text(json.dumps(manifest))
    page = stress_report.html(read(hostile), tmp_path / "hostile.html").read_text("utf-8")
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page


def test_markdown_has_every_episode(folder: Path, tmp_path: Path) -> None:
    text = stress_report.markdown(read(folder), tmp_path / "report.md").read_text("utf-8")
    assert "| foic | 3 | 3 | 1 | 2 |" in text
    assert text.partition("## Every episode")[2].count("| limit-up-lock |") == 3


def test_a_tournament_is_no_stress_run(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    manifest = json.loads((other / "manifest.json").read_text())
    del manifest["stress"]
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ResultsError, match="no stress run"):
        stress_report.as_json(read(other))


def test_the_search_ends_between_survival_and_ruin_and_is_not_repeated(folder: Path) -> None:
    chosen = config(agents=("foic", "idle"), episodes=("limit-up-lock",))
    rows = search(chosen, folder, processes=1)
    sizes = {row["agent"]: (row["survived"], row["ruined"]) for row in rows}
    assert sizes["idle"] == (16.0, None)
    low, high = sizes["foic"]
    assert 1 / 32 < low < high <= 1
    assert high / low < 1.1
    assert read_frontier(folder) == rows
    count: list[int] = []
    assert search(chosen, folder, processes=1, on_progress=lambda done, total, what: count.append(done)) == rows
    assert not count
    assert least_sizes(rows) == {"limit-up-lock": high}
    assert least_sizes([row for row in rows if row["agent"] == "idle"]) == {"limit-up-lock": None}


def test_the_frontier_has_the_episodes_that_ruin_the_first_to_break_on_top() -> None:
    def row(agent: str, story: str, ruined: float | None) -> dict[str, Any]:
        return {"agent": agent, "story": story, "survived": 1.0, "ruined": ruined}

    rows = [row("a", "mild", 4.0), row("a", "none", None), row("a", "hard", None)]
    rows += [row("b", "mild", None), row("b", "none", None), row("b", "hard", 0.5)]
    drawn = frontier(rows)
    assert drawn["layout"]["yaxis"]["ticktext"] == ["hard", "mild"]
    assert [trace["x"] for trace in drawn["data"]] == [[20.8, 4.0], [0.5, 20.8]]
    places = [(round(y, 3), x) for trace in drawn["data"] for x, y in zip(trace["x"], trace["y"], strict=True)]
    assert len(set(places)) == 4, "no mark hides another"


def test_two_windows_are_too_few_to_tell_regimes_apart(folder: Path) -> None:
    assert {row["regime"] for row in measured(read(folder))} == {"normal"}


def test_a_damaged_frontier_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "frontier.json").write_text('[{"agent": "foic"}]')
    with pytest.raises(ResultsError, match="delete it and search again"):
        read_frontier(tmp_path)


def test_random_compositions_break_nothing_and_are_those_of_their_seed() -> None:
    found = stress_random.play_random(config(days=()), 40)
    assert found["broken"] == []
    counts = found["counts"]
    assert counts["checks"] > 20_000
    assert sum(n for name, n in counts.items() if name.startswith("shock ")) >= 40
    stories = [[compose(np.random.default_rng(seed)).shocks for seed in range(30)] for _ in range(2)]
    assert stories[0] == stories[1]


def test_a_broken_invariant_is_told_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stress_random.Guard, "_legal", lambda self, prices: np.zeros(len(prices), bool))
    found = stress_random.play_random(config(days=()), 6)
    assert found["broken"]
    assert found["broken"][0]["limits"] == 1
    assert "shocks" in found["broken"][0]


def test_time_to_flat_and_recovery_by_hand() -> None:
    time, held = np.arange(6) * SECOND, np.array([1, 2, 2, 0, 1, 0])
    assert _flat_after(time, held, SECOND) == 2.0
    assert np.isnan(_flat_after(time, np.array([1, 1, 1, 1, 1, 0]), SECOND))
    assert _recovery(time, np.array([0.0, 5, -3, 0, 5, 6])) == 2.0
    assert np.isnan(_recovery(time, np.array([0.0, 5, -3, 0, 1, 2])))
    assert _recovery(time, np.arange(6.0)) == 0.0


def test_every_episode_cites_what_it_imitates() -> None:
    stories = library()
    assert len(stories) >= 25
    for story in stories:
        assert story.imitates is not None
        assert story.imitates.source
        assert story.imitates.date.year < 2026
        assert story.scaled(2.0).shocks != story.shocks or story.name == "open-gap"


GOOD = {
    "title": "a title",
    "holds": ["lots"],
    "imitates": {"event": "an event", "date": "2020-01-01", "venue": "a venue", "source": "a source"},
    "shocks": [{"kind": "sweep"}],
}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"shocks": [{"kind": "swep"}]}, "did you mean 'sweep'"),
        ({"shocks": [{"kind": "sweep", "ordrs": 3}]}, "did you mean 'orders'"),
        ({"shocks": [{"kind": "sweep", "orders": "many"}]}, "orders"),
        ({"shocks": [{"kind": "sweep", "side": "up"}]}, "side"),
        ({"shocks": [{"kind": "halt", "for_s": 1}]}, "at least 2 s"),
        ({"shocks": []}, "shocks"),
        ({"holds": ["lotz"]}, "did you mean 'lots'"),
        ({"extra": 1}, "extra"),
        ({"imitates": {"event": "no source"}}, "imitates"),
    ],
)
def test_an_episode_that_is_wrong_says_where_and_how(changed: dict[str, Any], told: str) -> None:
    story_of("good", GOOD)
    with pytest.raises(ConfigError, match=told):
        story_of("bad", GOOD | changed)


def test_unknown_episodes_and_short_windows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'flash-crash'"):
        library(["flash-crsh"])
    with pytest.raises(ConfigError, match="no such episode file"):
        read_story(tmp_path / "none.toml")
    (tmp_path / "torn.toml").write_text("title = ")
    with pytest.raises(ConfigError, match="not a readable TOML file"):
        library([str(tmp_path / "torn.toml")])
    with pytest.raises(ConfigError, match="give a longer episode_minutes"):
        run(config(episode_minutes=2.0), tmp_path / "run", processes=1)


def test_the_command_plays_reports_and_prints_its_settings(tmp_path: Path) -> None:
    runner = CliRunner()
    printed = runner.invoke(app, ["stress", "foic", "--episodes", "fat-finger", "--print-config"])
    assert 'agents = ["foic"]' in printed.stdout
    arguments = "--episodes fat-finger --contracts RBSYN --days 20240103,20240104 --episode-minutes 3 --processes 1"
    done = runner.invoke(
        app, ["stress", "foic,foic+loss(2000)", *arguments.split(), "--out", str(tmp_path / "run"), "--json", "-"]
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "report.html").exists()
    assert (tmp_path / "run" / "report.md").exists()
    told = json.loads((tmp_path / "run" / "manifest.json").read_text())["stress"]
    assert [story["name"] for story in told] == ["fat-finger"]
    played = runner.invoke(app, ["stress", "--random", "3", "--seed", "5", "--processes", "1"])
    assert played.exit_code == 0, played.output
    assert "no invariant was broken" in played.stdout
