"""The comparison of learners with baselines: the same episodes, the same measures, numbers worked out by hand."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from test_learned import STABLE, untrained

from lobarena.agents.learner import TrainingError, make_learner
from lobarena.agents.training import judge
from lobarena.agents.validation import Outcome
from lobarena.agents.weight_file import read
from lobarena.benchmarks import learning
from lobarena.benchmarks.baselines import baseline
from lobarena.benchmarks.learning import as_text, compare
from lobarena.benchmarks.learning_days import _sessions, plan
from lobarena.data.catalogue import days, read_day, write
from lobarena.sim.batch import Batch
from lobarena.sim.settings import Settings
from lobarena.sim.synthetic import embedded_root, training_root


@pytest.fixture(scope="module")
def small():
    return plan("synthetic", ["RB"], episode_minutes=5, episodes=3)


def outcome(pnl, held):
    return Outcome(np.array(pnl, float), np.array(held, float))


def test_a_learner_played_as_a_baseline_is_what_its_environment_says(tmp_path, small):
    policy = STABLE["ppo continuous"]
    path = untrained(tmp_path, policy)
    weights, card = read(path)
    there = judge(make_learner("ppo", card.hyperparameters), small, weights)
    here = baseline(f"ppo:weights={path}", small)
    assert len(set(there.pnl.tolist())) == 3
    np.testing.assert_allclose(here.pnl, there.pnl, rtol=1e-12)
    np.testing.assert_allclose(here.map, there.map, rtol=1e-12)


def test_idle_earns_and_holds_nothing_and_the_random_one_has_its_own_stream(small):
    idle = baseline("idle", small)
    assert (idle.pnl.tolist(), idle.map.tolist(), idle.pnlmap) == ([0.0] * 3, [0.0] * 3, 0.0)
    first, again, other = (baseline("random", small, seed).pnl.tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_learners_see_earlier_days_than_any_tournament_and_validation_is_later_than_learning():
    chosen = plan()
    assert chosen.market["data"] == "training"
    (train,), (validation,) = chosen.split.train, chosen.split.validation
    played = min(day.trading_day for day in days(embedded_root()))
    learnt = sorted({day.trading_day for day in days(training_root())})
    assert learnt[-1] < played
    sides = [
        {
            day.trading_day
            for day in days(training_root())
            if any(part.between[0] <= moment < part.between[1] for moment in [int(_sessions(day)[0, 0])])
        }
        for part in (train, validation)
    ]
    assert sides == [set(learnt[:16]), set(learnt[17:])]
    assert train.contracts == validation.contracts == tuple(sorted({day.symbol for day in days(embedded_root())}))


def test_of_a_catalogue_only_what_the_tournament_fits_on_is_learnt_from():
    root = embedded_root()
    chosen = plan(str(root), ["RB"], embargo_s=90)
    (train,), (validation,) = chosen.split.train, chosen.split.validation
    first = min(days(root, symbol="RBSYN"), key=lambda day: day.trading_day)
    assert train.contracts == ("RBSYN",)
    for side in (train, validation):
        settings = Settings(data=str(root), contract=side.contracts, between=side.between, episode_minutes=5)
        batch = Batch(settings, 1)
        assert {batch.files[place].trading_day for place, _, _ in batch.episodes} == {first.trading_day}
    assert validation.between[0] - train.between[1] >= 90 * 10**9


def test_of_a_contract_with_one_day_only_its_first_part_is_learnt_from(tmp_path):
    day = read_day(min(days(embedded_root(), symbol="RBSYN"), key=lambda day: day.trading_day))
    write(tmp_path, day)
    chosen = plan(str(tmp_path), train_share=0.4)
    times = day.snapshots["time"]
    cut = int(times[0] + 0.4 * (times[-1] - times[0]))
    assert chosen.split.validation[0].between[1] <= cut
    assert chosen.split.train[0].between[0] >= times[0]


def test_what_cannot_be_learnt_from_is_told(tmp_path):
    with pytest.raises(TrainingError, match=r"no contract 'XX' among the synthetic days; choose among [A-Z]"):
        plan("synthetic", ["XX"])
    with pytest.raises(TrainingError, match="no such folder"):
        plan(str(tmp_path / "none"))
    with pytest.raises(TrainingError, match="holds no day"):
        plan(str(tmp_path))


def test_means_and_differences_are_those_of_the_hand():
    learnt = {"good": [outcome([4, 6], [1, 1]), outcome([2, 4], [0.5, 1.5])]}
    simple = {"idle": outcome([0, 0], [0, 0]), "foic": outcome([-2, -4], [2, 2])}
    rows = {row["agent"]: row for row in compare(learnt, simple, 500)}
    assert rows["good"]["pnlmap"] == pytest.approx((5 + 3) / 2)
    assert rows["foic"]["pnlmap"] == pytest.approx(-1.5)
    assert rows["good"]["difference to foic"] == pytest.approx(5.5)
    assert rows["good"]["low"] < 4 < rows["good"]["high"]
    assert rows["good"]["low to idle"] == rows["good"]["low"]
    assert rows["foic"]["low to foic"] == rows["foic"]["high to foic"] == 0
    assert list(rows) == ["good", "idle", "foic"]
    with pytest.raises(ValueError, match="other episodes"):
        compare({"good": [outcome([1], [1])]}, simple)


def test_a_difference_is_paired_by_episode():
    market = np.random.default_rng(0).normal(0, 100, 40)  # what a day does to everyone
    rows = compare({"better": [outcome(market + 3, np.ones(40))]}, {"foic": outcome(market, np.ones(40))}, 500)
    better = next(row for row in rows if row["agent"] == "better")
    assert better["low"] < 0 < better["high"]
    assert better["low to foic"] == pytest.approx(3) == better["high to foic"]


def test_the_command_trains_compares_and_writes_curves_and_a_page(tmp_path, capsys):
    command = ["--agents", "ppo,dqn", "--seeds", "2", "--budget", "3200", "--slice-steps", "1600", "--contracts", "RB"]
    command += ["--episodes", "2", "--episode-minutes", "5", "--out", str(tmp_path)]
    learning.main(command)
    first = capsys.readouterr()
    assert "| ppo | 2 |" in first.out
    assert "less random | less idle | less foic" in first.out
    curves = pq.read_table(tmp_path / "curves.parquet").to_pylist()
    assert [(row["agent"], row["seed"], row["steps"]) for row in curves[:4]] == [
        ("ppo", 0, 1_600),
        ("ppo", 0, 3_200),
        ("ppo", 1, 1_600),
        ("ppo", 1, 3_200),
    ]
    rows = json.loads((tmp_path / "learning.json").read_text())
    assert {row["agent"] for row in rows} == {"ppo", "dqn", "random", "idle", "foic"}
    content = (tmp_path / "learning.html").read_text()
    assert "Learning curves" in content
    assert "Plotly.react" in content
    stamp = (tmp_path / "ppo/seed-0/checkpoint.safetensors").stat().st_mtime_ns
    learning.main(command)
    assert capsys.readouterr().out == first.out
    assert (tmp_path / "ppo/seed-0/checkpoint.safetensors").stat().st_mtime_ns == stamp
    assert as_text(rows, learning.BASELINES) in first.out
