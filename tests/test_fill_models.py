"""A band of results: every episode under each fill model, nothing else changed, and no model mistaken for a sample."""

import json

import pyarrow.compute as pc
import pytest
from test_tournament import small
from typer.testing import CliRunner

from lobarena.benchmarks import fill_models, report
from lobarena.benchmarks.config import ConfigError, settings
from lobarena.benchmarks.programme import fields, units
from lobarena.benchmarks.results import read
from lobarena.benchmarks.tournament import data_root, run
from lobarena.cli import app

BAND = {"agents": ("join", "foic", "idle"), "tracks": ("solo",), "fills": "band"}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return read(run(small(**BAND), tmp_path_factory.mktemp("band") / "run", processes=1))


def test_a_band_has_both_ends_of_queue_and_impact_and_the_settings_own_model_first():
    assert fill_models.models(settings()) == [("pro rata", "decay")]
    band = fill_models.models(settings(None, {"fills": "band"}))
    assert band[0] == ("pro rata", "decay")
    assert sorted(band[1:]) == sorted((q, i) for q in ("back", "pro rata", "front") for i in ("restore", "keep"))
    own = fill_models.models(settings(None, {"fills": "band", "cancel_model": "back", "impact": "keep"}))
    assert (own[0], len(own)) == (("back", "keep"), 6)


def test_every_episode_is_played_under_every_model_with_the_same_window_and_seat():
    config = small(**BAND)
    found = [unit.episode for unit in units(config, fields(config, data_root(config)))]
    places = {}
    for e in found:
        place = (e.track, e.contract, e.day, e.segment, e.rotation, e.opens, e.closes)
        places.setdefault(place, []).append((e.cancel_model, e.impact))
    assert len({e.number for e in found}) == len(found)
    assert all(len(set(models)) == 7 for models in places.values())


def test_the_point_estimate_is_that_of_a_run_without_a_band(results, tmp_path):
    alone = read(run(small(**BAND | {"fills": "point"}), tmp_path / "point", processes=1))
    own = fill_models.under(results, fill_models.played(results)[0])
    keys = ("contract", "day", "agent", "pnl", "map", "fills", "fill_model")
    assert own.episodes.select(keys).to_pylist() == alone.episodes.select(keys).to_pylist()
    boards = [report.as_json(one)["leaderboard"] for one in (results, alone)]
    simulated = [[{k: v for k, v in row.items() if not k.startswith("measured")} for row in rows] for rows in boards]
    assert simulated[0] == simulated[1]
    assert report.as_json(alone)["band"] == []


def test_the_band_is_the_least_and_the_most_over_the_models(results):
    rows = fill_models.band(results)
    assert [row["agent"] for row in rows]
    for row in rows:
        assert len(row["models"]) == 7
        assert row["pnl_mean_low"] == min(row["models"].values())
        assert row["pnl_mean_high"] == max(row["models"].values())
        assert row["fills_low"] <= row["fills"] <= row["fills_high"]
    assert {row["agent"]: row["pnl_mean_high"] for row in rows}["idle"] == 0


def test_an_order_counts_only_where_every_model_agrees():
    def row(agent, *means):
        return {"track": "solo", "agent": agent, "models": dict(zip("abc", means, strict=True))}

    verdicts = {
        (one["first"], one["second"]): (one["models"], one["verdict"])
        for one in fill_models.orders([row("x", 3, 3, 3), row("y", 2, 2, 4), row("z", 1, 1, 1)])
    }
    assert verdicts == {
        ("x", "y"): (2, "undecided"),
        ("x", "z"): (3, "better under all"),
        ("y", "z"): (3, "better under all"),
    }


def test_pessimistic_queues_fill_no_more_than_optimistic_ones_here(results):
    """Not a theorem: a fill moves the position and with it the quotes. JOIN always quotes at the touch, though."""
    table = results.episodes.filter(pc.equal(results.episodes.column("agent"), "join"))
    lots = {row["fill_model"]: row["fills"] for row in table.to_pylist()}
    assert lots["back/keep"] <= lots["front/keep"]


def test_a_killed_band_goes_on_and_one_process_equals_two(results, tmp_path):
    config = small(**BAND)
    again = read(run(config, tmp_path / "two", processes=2))
    assert again.manifest["digests"] == results.manifest["digests"]


def test_the_report_shows_the_band_in_terminal_page_and_json(results, tmp_path):
    done = CliRunner().invoke(app, ["report", str(results.folder), "--json", str(tmp_path / "n.json")])
    assert done.exit_code == 0, done.output
    assert "band over 7 fill models" in done.output
    summary = json.loads((tmp_path / "n.json").read_text())
    assert len(summary["fill_models"]) == 7
    page = (results.folder / "report.html").read_text()
    assert "Fills under doubt" in page
    assert "front/restore" in page


def test_a_results_folder_from_before_the_band_still_reads(tmp_path):
    """Schema 1 had no such column: it is what the settings say."""
    config = small(cancel_model="back", agents=("idle",), tracks=("solo",))
    folder = run(config, tmp_path / "run", processes=1)
    import pyarrow.parquet as pq

    from lobarena.benchmarks.manifest import write_manifest
    from lobarena.benchmarks.tables import digest

    table = read(folder).episodes.drop_columns("fill_model")
    pq.write_table(table, folder / "episodes.parquet")
    manifest = json.loads((folder / "manifest.json").read_text()) | {"schema": 1}
    manifest["digests"]["episodes.parquet"] = digest(table)
    write_manifest(folder, manifest)
    assert set(read(folder).episodes.column("fill_model").to_pylist()) == {"back/decay"}


def test_fills_is_point_or_band():
    with pytest.raises(ConfigError, match="did you mean 'band'"):
        settings(None, {"fills": "bnd"})
