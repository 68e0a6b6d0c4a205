import math

import numpy as np
import pyarrow as pa
import pytest
from results_folder import rows

from lobarena.benchmarks.statistics import holm, leaderboard, paired_differences


def board(pnl: dict[str, list[float]], **columns: object) -> pa.Table:
    """Episodes of the track solo, one a block and agent: agent -> PnL by day."""
    return pa.concat_tables(
        rows(
            "episodes",
            len(values),
            agent=agent,
            track="solo",
            status="ok",
            day=20240102 + np.arange(len(values)),
            pnl=np.array(values),
            **columns,
        )
        for agent, values in pnl.items()
    )


def test_means_and_deviations_are_over_episodes_and_the_best_stands_first() -> None:
    first, second = leaderboard(board({"low": [1.0, 3.0], "high": [5.0, 9.0]}, map=2.0, notional=100.0, refused=3))
    assert [first["agent"], second["agent"]] == ["high", "low"]
    assert (first["pnl_mean"], first["pnl_sd"], first["pnl_map"], first["pr"]) == (7.0, math.sqrt(8), 3.5, 0.07)
    assert (first["episodes"], first["blocks"], first["refused"], first["failures"]) == (2, 2, 6, 0)


def test_the_interval_of_two_blocks_is_their_range_and_of_one_there_is_none() -> None:
    (two,) = leaderboard(board({"a": [1.0, 3.0]}))
    assert (two["pnl_low"], two["pnl_high"]) == (1.0, 3.0)
    (one,) = leaderboard(board({"a": [1.0]}))
    assert math.isnan(one["pnl_low"])
    assert math.isnan(one["pnl_sd"])


def test_the_interval_is_that_of_the_mean_where_blocks_are_many() -> None:
    pnl = np.random.default_rng(3).normal(10, 4, size=400)
    (row,) = leaderboard(board({"a": pnl.tolist()}), seed=1)
    half = 1.96 * pnl.std() / math.sqrt(400)
    assert row["pnl_low"] == pytest.approx(pnl.mean() - half, abs=0.03)
    assert row["pnl_high"] == pytest.approx(pnl.mean() + half, abs=0.03)


def test_episodes_of_one_block_stay_together() -> None:
    pnl = np.random.default_rng(3).normal(10, 4, size=100)
    apart = board({"a": pnl.tolist()})
    together = pa.concat_tables(
        [apart.set_column(6, apart.schema.field("rotation"), pa.array([k] * 100, pa.int32())) for k in range(9)]
    )
    (one,), (nine,) = leaderboard(apart), leaderboard(together)
    assert nine["episodes"] == 900
    assert nine["blocks"] == 100
    assert nine["pnl_high"] - nine["pnl_low"] == pytest.approx(one["pnl_high"] - one["pnl_low"])


def test_the_seed_gives_the_numbers_and_another_agent_changes_nobodys() -> None:
    pnl = {name: np.random.default_rng(k).normal(size=20).tolist() for k, name in enumerate("abc")}
    assert leaderboard(board(pnl), seed=5) == leaderboard(board(pnl), seed=5)
    assert leaderboard(board(pnl), seed=5) != leaderboard(board(pnl), seed=6)
    alone = {row["agent"]: row for row in leaderboard(board({"a": pnl["a"], "c": pnl["c"]}), seed=5)}
    for row in leaderboard(board(pnl), seed=5):
        assert row["agent"] == "b" or row["pnl_low"] == pytest.approx(alone[row["agent"]]["pnl_low"])


def test_a_pandas_frame_gives_the_same_as_an_arrow_table() -> None:
    table = board({"a": [1.0, 2.0], "b": [2.0, 4.0]}, sharpe=1.0)
    assert leaderboard(table) == leaderboard(table.to_pandas())


def test_pairing_finds_a_small_edge_under_a_large_common_swing() -> None:
    generator = np.random.default_rng(2)
    swing, edge = generator.normal(0, 1000, size=40), generator.normal(5, 2, size=40)
    table = board({"plain": swing.tolist(), "better": (swing + edge).tolist()})
    (pair,) = paired_differences(table)
    assert (pair["first"], pair["second"], pair["blocks"]) == ("better", "plain", 40)
    assert pair["difference"] == pytest.approx(edge.mean())
    assert pair["low"] > 0
    assert pair["p"] == pair["p_holm"] == pytest.approx(1e-4)
    intervals = {row["agent"]: (row["pnl_low"], row["pnl_high"]) for row in leaderboard(table)}
    assert intervals["plain"][1] > intervals["better"][0]


def test_p_values_of_equal_agents_are_spread_over_0_to_1() -> None:
    generator = np.random.default_rng(4)
    found = []
    for _ in range(200):
        a, b = generator.normal(size=(2, 30)).tolist()
        found.append(paired_differences(board({"a": a, "b": b}), resamples=499)[0]["p"])
    assert 0.01 < np.mean(np.array(found) < 0.05) < 0.10
    assert 0.4 < np.mean(found) < 0.6


def test_the_same_numbers_differ_by_nothing() -> None:
    (pair,) = paired_differences(board({"a": [1.0, 2.0] * 4, "b": [1.0, 2.0] * 4}))
    assert (pair["difference"], pair["low"], pair["high"], pair["p"]) == (0, 0, 0, 1)


def test_pairs_are_compared_on_the_blocks_that_both_met() -> None:
    (pair,) = paired_differences(board({"a": [1.0, 2.0, 100.0], "b": [0.0, 0.0]}))
    assert (pair["blocks"], pair["difference"]) == (2, 1.5)
    assert math.isnan(pair["p"])
    assert math.isnan(pair["p_holm"])


def test_holm_is_the_one_worked_out_by_hand() -> None:
    assert holm([0.04, 0.01, math.nan, 0.03]) == pytest.approx([0.06, 0.03, math.nan, 0.06], nan_ok=True)
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_failures_are_counted_and_keep_their_pnl() -> None:
    table = board({"a": [-10.0, 2.0]})
    failed = table.set_column(
        table.schema.get_field_index("status"), table.schema.field("status"), pa.array(["failed", "ok"])
    )
    (row,) = leaderboard(failed)
    assert (row["failures"], row["pnl_mean"]) == (1, -4.0)


def test_tracks_do_not_mix_and_undefined_values_do_not_spread() -> None:
    solo = board({"a": [1.0, 3.0]}, sharpe=np.array([np.nan, 2.0]), flop=np.nan)
    arena = solo.set_column(1, solo.schema.field("track"), pa.array(["arena"] * 2))
    found = leaderboard(pa.concat_tables([solo, arena]))
    assert [row["track"] for row in found] == ["solo", "arena"]
    assert found[0]["sharpe"] == 2.0
    assert math.isnan(found[0]["flop"])
