import json

import pytest

from lobarena.agents import table
from lobarena.agents.base import Quotes
from lobarena.benchmarks.config import ConfigError, settings
from lobarena.benchmarks.programme import fields, units
from lobarena.benchmarks.results import ResultsError, read
from lobarena.benchmarks.tournament import data_root, run

SMALL = {"contracts": ("RBSYN",), "episode_minutes": 3.0, "episodes_per_day": 1, "days": (), "agents": ("foic", "idle")}


def small(**options):
    return settings(None, SMALL | options)


class Crashing:
    """Works for ten decisions, then divides by zero."""

    def reset(self, context):
        self.left = 10

    def act(self, observation):
        self.left -= 1
        return Quotes(bids=[(int(observation["bid"][0]), 1)]) if self.left else 1 // 0


class Greedy:
    """Quotes a million lots."""

    def reset(self, context):
        pass

    def act(self, observation):
        return Quotes(bids=[(int(observation["bid"][0]), 1_000_000)])


class Unborn:
    def __init__(self):
        raise MemoryError("no room for my weights")


@pytest.fixture
def bad_agents(monkeypatch):
    for name, one in (("crashing", Crashing), ("greedy", Greedy), ("unborn", Unborn)):
        monkeypatch.setitem(table.AGENTS, name, f"{__name__}:{one.__name__}")


def test_two_runs_of_one_manifest_have_equal_digests_in_one_and_in_two_processes(tmp_path):
    config = small(rotations=2)
    runs = [run(config, tmp_path / str(n), processes=n) for n in (1, 2)]
    digests = [json.loads((folder / "manifest.json").read_text())["digests"] for folder in runs]
    assert len(digests[0]) == 4
    assert digests[0] == digests[1]
    assert digests[0] != read(run(small(rotations=2, seed=1), tmp_path / "other", processes=1)).manifest["digests"]


def test_both_tracks_seat_every_agent_and_the_attribution_sums_to_the_pnl(tmp_path):
    results = read(run(small(agents=("foic", "glft", "random")), tmp_path / "run", processes=1))
    rows = results.episodes.to_pylist()
    assert {row["track"] for row in rows} == {"solo", "arena"}
    assert {row["agent"] for row in rows} == {"foic", "glft", "random"}
    arena = {(row["rotation"], row["seat"]): row["agent"] for row in rows if row["track"] == "arena"}
    assert arena[0, 1] != arena[1, 1]
    for row in rows:
        parts = ("spread_half_ticks", "adverse_half_ticks", "holding_half_ticks", "liquidation_half_ticks")
        assert sum(row[part] for part in parts) == row["pnl_half_ticks"]
        assert row["pnl"] == pytest.approx(row["pnl_half_ticks"] * row["tick_value"] / 2 - row["fees"])
        assert row["latency_p50_us"] == 1_000.0
    assert any(row["fills"] for row in rows)


def test_a_bad_agent_costs_itself_the_episode_and_nobody_else_anything(tmp_path, bad_agents):
    config = small(tracks=("arena",), rotations=1, agents=("foic", "crashing", "unborn", "greedy"))
    rows = {row["agent"]: row for row in read(run(config, tmp_path / "run", processes=1)).episodes.to_pylist()}
    assert rows["crashing"]["status"] == "failed"
    assert "ZeroDivisionError" in rows["crashing"]["error"]
    assert rows["crashing"]["decisions"] == 10
    assert (rows["unborn"]["status"], rows["unborn"]["decisions"]) == ("failed", 0)
    assert "no room for my weights" in rows["unborn"]["error"]
    assert (rows["greedy"]["status"], rows["greedy"]["fills"]) == ("ok", 0)
    assert rows["greedy"]["refused"] > 0
    assert rows["foic"]["status"] == "ok"


def test_an_agent_that_kills_its_process_fails_its_own_episodes_only(tmp_path, monkeypatch):
    """The agent is a file on the path, as a user's would be: the processes that play must find it too."""
    (tmp_path / "deadly.py").write_text(
        "import os\n\n\nclass Deadly:\n    def reset(self, context):\n        pass\n\n"
        "    def act(self, observation):\n        os._exit(1)\n"
    )
    info = tmp_path / "deadly-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[lobarena.agents]\ndeadly = deadly:Deadly\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    config = small(tracks=("solo",), agents=("idle", "deadly", "foic"))
    rows = read(run(config, tmp_path / "run", processes=2)).episodes.to_pylist()
    assert {row["agent"]: row["status"] for row in rows} == {"idle": "ok", "deadly": "failed", "foic": "ok"}
    assert all("died twice" in row["error"] for row in rows if row["agent"] == "deadly")


def test_a_stopped_run_is_readable_and_the_same_call_finishes_it(tmp_path):
    config = small(agents=("foic", "idle", "random"))
    whole = read(run(config, tmp_path / "whole", processes=1))

    def stop(done, total, what):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "stopped", processes=1, on_progress=stop)
    part = read(tmp_path / "stopped")
    assert part.manifest["status"] == "partial"
    assert len(set(part.episodes.column("episode").to_pylist())) == 2
    seen = []
    run(config, tmp_path / "stopped", processes=1, on_progress=lambda done, total, what: seen.append(done))
    assert seen[0] == 2
    assert read(tmp_path / "stopped").manifest["digests"] == whole.manifest["digests"]


def test_a_folder_of_another_config_is_refused_until_told_to_overwrite(tmp_path):
    run(small(tracks=("solo",), agents=("idle",)), tmp_path / "run", processes=1)
    with pytest.raises(ResultsError, match="seed is 0 there and 1 here; choose another --out, or --overwrite"):
        run(small(tracks=("solo",), agents=("idle",), seed=1), tmp_path / "run", processes=1)
    run(small(tracks=("solo",), agents=("idle",), seed=1), tmp_path / "run", processes=1, overwrite=True)


def test_recorded_latencies_replay_a_measured_run_exactly(tmp_path):
    measured = read(run(small(decision_latency="measured", tracks=("solo",)), tmp_path / "one", processes=1))
    replayed = read(
        run(
            small(decision_latency="recorded", recorded_from=str(tmp_path / "one"), tracks=("solo",)),
            tmp_path / "two",
            processes=1,
        )
    )
    assert measured.decisions.column("latency").to_pylist() == replayed.decisions.column("latency").to_pylist()
    for name in ("fills.parquet", "decisions.parquet", "curve.parquet", "episodes.parquet"):
        assert measured.manifest["digests"][name] == replayed.manifest["digests"][name]


@pytest.mark.parametrize("mode", ["zero", "distribution"])
def test_every_latency_mode_charges_what_it_says(tmp_path, mode):
    results = read(run(small(decision_latency=mode, tracks=("solo",)), tmp_path / "run", processes=1))
    latency = results.decisions.column("latency").to_numpy()
    assert (latency == 0).all() if mode == "zero" else len(set(latency.tolist())) > 100


def test_adding_an_agent_changes_nobody_elses_solo_numbers(tmp_path):
    one = read(run(small(tracks=("solo",), agents=("random",)), tmp_path / "one", processes=1)).episodes
    two = read(run(small(tracks=("solo",), agents=("foic", "random")), tmp_path / "two", processes=1)).episodes
    pnl = [row["pnl"] for row in two.to_pylist() if row["agent"] == "random"]
    assert one.column("pnl").to_pylist() == pnl


def test_what_is_fitted_on_is_never_played():
    config = small(train_days=1)
    for contract in fields(config, data_root(config)):
        assert contract.train
        assert not set(contract.train) & set(contract.test)
    single = small(days=("20240103",), embargo_s=60.0)
    (contract,) = fields(single, data_root(single))
    assert contract.train == contract.test
    for unit in units(single, [contract]):
        assert unit.episode.opens >= contract.cut + 60 * 10**9


def test_a_product_stands_for_its_contracts():
    names = [contract.symbol for contract in fields(small(contracts=("rb", "CUSYN")), data_root(small()))]
    assert names == ["RBSYN", "CUSYN"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"contracts": ("XY",)}, "no contract 'XY' in .*; it holds AGSYN"),
        ({"days": ("20300101",)}, "no day of RBSYN"),
        ({"agents": ("fioc",)}, "foic"),
        ({"agents": ("foic:M=1,Q=2",)}, "Q"),
        ({"data": "nowhere"}, "no such folder; give a catalogue made by `lobarena data import`"),
        ({"agents": tuple(f"foic:N={n}" for n in range(17))}, "17 agents in one book; at most 16"),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_runs(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        run(small(**options), tmp_path / "run", processes=1)
    assert not (tmp_path / "run").exists()
