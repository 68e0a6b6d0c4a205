"""A band of results: every episode under each fill model, nothing else changed, and no model mistaken for a sample."""

import json
import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from days import fall, feed_of, limit, mark, once, play, quoted, seat, take
from results_folder import rows, unit
from test_tournament import small
from typer.testing import CliRunner

from lobarena.benchmarks import fill_models, report, report_series
from lobarena.benchmarks.config import ConfigError, settings
from lobarena.benchmarks.fill_band import MEASURES, band
from lobarena.benchmarks.manifest import new_manifest, write_manifest
from lobarena.benchmarks.programme import fields, units
from lobarena.benchmarks.results import Results, ResultsError, ResultWriter, read
from lobarena.benchmarks.statistics import leaderboard, paired_differences
from lobarena.benchmarks.tables import digest
from lobarena.benchmarks.tournament import data_root, run
from lobarena.cli import app
from lobarena.data.schema import ASK, BID
from lobarena.sim.market import Market, Rules

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
    names = fill_models.played(results)
    boards = {one: leaderboard(fill_models.under(results, one).episodes) for one in names}
    found = band(results)
    assert {row["agent"] for row in found["agents"]} == {"join", "foic", "idle"}
    for row in found["agents"]:
        every = {one: next(r for r in board if r["agent"] == row["agent"]) for one, board in boards.items()}
        for key in MEASURES:
            values = [one[key] for one in every.values() if math.isfinite(one[key])]
            if values:
                assert (row[f"{key}_low"], row[f"{key}_high"]) == (min(values), max(values))
        assert row["pnl_mean"] == every[names[0]]["pnl_mean"]
        for one in names:  # each model has the interval of its own episodes
            assert row["models"][one]["pnl_low"] == pytest.approx(every[one]["pnl_low"])
    idle = next(row for row in found["agents"] if row["agent"] == "idle")
    assert (idle["pnl_mean_low"], idle["pnl_mean_high"], idle["maker_lots"]) == (0, 0, 0)
    assert [row["contract"] for row in found["contracts"]] == ["RBSYN"] * 3
    assert [row["pnl_mean_low"] for row in found["contracts"]] == [row["pnl_mean_low"] for row in found["agents"]]


def test_the_models_change_something(results):
    """Else every other test here would pass on seven copies of one run."""
    row = next(row for row in band(results)["agents"] if row["agent"] == "join")
    assert row["pnl_mean_low"] < row["pnl_mean_high"]
    assert row["fills_low"] < row["fills_high"]
    assert 0 < row["certain_lots"] < row["maker_lots"]


def test_no_statistic_takes_the_models_for_a_sample(results):
    for count in (leaderboard, paired_differences):
        with pytest.raises(ValueError, match=r"choose one with fill_models\.under"):
            count(results.episodes)
    for draw in (report_series.mean_curves, report_series.inventories, report_series.latencies):
        with pytest.raises(ValueError, match=r"choose one with fill_models\.under"):
            draw(results)
    (row,) = [row for row in report.as_json(results)["leaderboard"] if row["agent"] == "join"]
    assert (row["episodes"], row["blocks"]) == (2, 2)


def differences(first, second, gap, low=-1.0, high=9.0):
    return {"track": "solo", "first": first, "second": second, "difference": gap, "low": low, "high": high}


def test_an_order_counts_only_where_every_model_agrees():
    """The better one stands first in every model's rows, so that a pair may be turned round between them."""
    found = fill_models.orders(
        {
            "a/x": [differences("x", "y", 3.0, 1.0), differences("x", "z", 4.0, 1.0), differences("y", "z", 0.0)],
            "b/x": [differences("x", "y", 1.0), differences("x", "z", 2.0, 1.0), differences("z", "y", 0.0)],
            "c/x": [differences("y", "x", 5.0, 2.0, 8.0), differences("x", "z", 1.0), differences("y", "z", 0.0)],
        }
    )
    keys = ("first", "second", "verdict", "models", "of", "clear", "difference", "difference_low", "difference_high")
    assert [tuple(row[key] for key in keys) for row in found] == [
        ("x", "y", "undecided", 2, 3, 1, 3.0, -5.0, 3.0),
        ("x", "z", "better under all", 3, 3, 2, 4.0, 1.0, 4.0),
        ("y", "z", "undecided", 0, 3, 0, 0.0, 0.0, 0.0),
    ]
    turned = fill_models.orders({"a": [differences("y", "x", 1.0)], "b": [differences("y", "x", 2.0)]})
    assert [(row["first"], row["difference_high"]) for row in turned] == [("y", 2.0)]
    assert fill_models.orders({"a": [differences("x", "y", 1.0)], "b": []}) == []


def test_certain_lots_fill_at_one_instant_side_and_price_under_every_model(tmp_path):
    """Under both models 2 of the lots at t = 1; at t = 2 the price differs, at t = 3 one model has no fill."""
    manifest = new_manifest({"fills": "point", "cancel_model": "a", "impact": "x"}, 0, [], [])
    one, two = ({"agent": "foic", "role": "maker", "side": 1, "episode": episode} for episode in (0, 1))
    fills = [
        rows("fills", 3, **one, time=np.array([1, 2, 3]), price=np.array([10, 10, 10]), size=np.array([2, 4, 1])),
        rows("fills", 2, **two, time=np.array([1, 2]), price=np.array([10, 11]), size=np.array([5, 4])),
        rows("fills", 1, **two | {"role": "taker"}, time=3, price=10, size=1),
    ]
    episodes = [
        rows("episodes", 1, episode=episode, track="solo", agent="foic", status="ok", fill_model=model)
        for episode, model in enumerate(("a/x", "b/x"))
    ]
    small_unit = unit(0)
    results = Results(
        tmp_path,
        manifest,
        pa.concat_tables(episodes),
        pa.concat_tables(fills),
        small_unit["decisions"],
        small_unit["curve"],
    )
    (row,) = band(results)["agents"]
    assert (row["maker_lots"], row["certain_lots"]) == (7, 2)
    assert row["certain"] == pytest.approx(2 / 7)
    assert row["certain_of_any"] == pytest.approx(2 / (5 + 4 + 4 + 1))
    assert [one["maker_lots"] for one in row["models"].values()] == [7, 9]


def test_a_pessimistic_queue_fills_a_passive_order_no_sooner_than_an_optimistic_one():
    """No theorem for agents, whose quotes follow their fills; here one bid of 9 lots rests and nothing answers it."""
    moves = [limit(50, BID, 999, 10)]
    for k in range(8):
        moves += [fall(100 + 20 * k, BID, 999, 1, u=0.1 * k), take(110 + 20 * k, ASK, 999, 2)]
    feed = feed_of([*quoted({999: 10}, {1_001: 10}), *moves, mark(400), mark(990)])
    for impact in fill_models.IMPACTS:
        lots = []
        for queue in fill_models.QUEUES:
            market = play(Market(feed, Rules(queue, impact=impact)), [seat()], [once(bids=[(999, 9)])], 950)
            fills = market.fills
            lots.append(int(fills["size"][(fills["maker_owner"] == 1) & (fills["price"] == 999)].sum()))
        assert lots == sorted(lots)
        assert lots[0] < lots[-1]


def test_a_killed_band_compares_whole_markets_alone_and_goes_on_to_the_same_bytes(results, tmp_path):
    """Killed in the middle of a market's seven models; finished in two processes."""
    config = small(**BAND)

    def stop(done, total, what):
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "run", processes=1, on_progress=stop)
    part = read(tmp_path / "run")
    assert part.manifest["status"] == "partial"
    assert part.episodes.num_rows == 10
    assert fill_models.played(part) == fill_models.played(results)
    assert fill_models.under_all(part, fill_models.played(part)).episodes.num_rows == 7
    assert [row["agent"] for row in band(part)["agents"]] == ["join"]
    report.html(part, tmp_path / "page.html")
    again = read(run(config, tmp_path / "run", processes=2))
    assert again.manifest["digests"] == results.manifest["digests"]


def test_a_band_of_which_no_market_is_whole_says_so(results, tmp_path):
    names = fill_models.played(results)
    few = results.episodes.filter(pc.is_in(results.episodes.column("fill_model"), pa.array(names[:2])))
    early = replace(results, episodes=few)
    assert band(early) == {"agents": [], "contracts": [], "orders": []}
    page = report.html(early, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "No market was played under every fill model yet" in page


def test_recorded_latencies_of_a_point_run_serve_every_model(tmp_path):
    point = small(agents=("foic",), tracks=("solo",), decision_latency="distribution")
    source = run(point, tmp_path / "point", processes=1)
    replay = small(
        agents=("foic",), tracks=("solo",), fills="band", decision_latency="recorded", recorded_from=str(source)
    )
    played = read(run(replay, tmp_path / "band", processes=1))
    own = fill_models.under(played, fill_models.played(played)[0])
    assert own.decisions.column("latency").to_pylist() == read(source).decisions.column("latency").to_pylist()
    first = pc.min(read(source).decisions.column("latency")).as_py()
    assert pc.min(played.decisions.column("latency")).as_py() == first


def test_the_report_shows_the_band_in_terminal_page_and_json(results, tmp_path):
    wide = {"COLUMNS": "200"}
    done = CliRunner().invoke(app, ["report", str(results.folder), "--json", str(tmp_path / "n.json")], env=wide)
    assert done.exit_code == 0, done.output
    assert "solo: band, the least to the most over 7 fill models; mean PnL under pro rata/decay" in done.output
    assert "of 3 pairs of agents have one order under all models" in done.output
    summary = json.loads((tmp_path / "n.json").read_text())
    assert len(summary["fill_models"]) == 7
    assert len(summary["band"]) == len(summary["band_contracts"]) == len(summary["band_orders"]) == 3
    page = (results.folder / "report.html").read_text()
    assert "Fills under doubt" in page
    assert "front/restore" in page
    for row in summary["band"]:
        assert f"{row['pnl_mean_low']:,.0f} to {row['pnl_mean_high']:,.0f}" in page


def test_a_results_folder_from_before_the_band_still_reads(tmp_path):
    """Schema 1 had no such column: it is what the settings say."""
    config = small(cancel_model="back", agents=("idle",), tracks=("solo",))
    folder = run(config, tmp_path / "run", processes=1)
    table = read(folder).episodes.drop_columns("fill_model")
    pq.write_table(table, folder / "episodes.parquet")
    manifest = json.loads((folder / "manifest.json").read_text()) | {"schema": 1}
    manifest["digests"]["episodes.parquet"] = digest(table)
    write_manifest(folder, manifest)
    assert set(read(folder).episodes.column("fill_model").to_pylist()) == {"back/decay"}


def test_fills_is_point_or_band():
    with pytest.raises(ConfigError, match="did you mean 'band'"):
        settings(None, {"fills": "bnd"})


def test_units_that_an_older_version_left_unfinished_are_played_again(tmp_path):
    writer = ResultWriter(tmp_path, new_manifest({"cancel_model": "back", "impact": "keep"}, 0, [], []))
    (tmp_path / "parts" / "0123abcd").mkdir()  # a part was a folder of four files once
    (tmp_path / "parts" / "0123abcd" / "episodes.parquet").write_bytes(b"PAR1")
    assert writer.done() == set()
    writer.write("unit 0", **unit(0))
    assert read(tmp_path).episodes.num_rows == 1


def test_settings_that_are_no_table_are_refused(tmp_path):
    write_manifest(tmp_path, new_manifest({}, 0, [], []) | {"config": []})
    with pytest.raises(ResultsError, match=r"damaged \(config is no table of settings\)"):
        read(tmp_path)
