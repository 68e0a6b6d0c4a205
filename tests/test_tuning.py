"""Tuning: seeded, resumable, judged on validation alone."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from toy_training import Linear

from lobarena.agents import tuning
from lobarena.agents.split import Part, Split
from lobarena.agents.training import Plan, TrainingError
from lobarena.agents.tuning import read_best, tune

SPLIT = Split((Part(("TOY",), (0, 10)),), (Part(("TOY",), (20, 26)),))
PLAN = Plan(SPLIT, envs=8, slice_steps=80, environment="toy_training:Toy-v0")


def linear(name, settings):
    assert name == "linear"
    return Linear(**settings)


def run(folder, trials=7, budget=160, seed=4, make=linear, plan=PLAN, **kwargs):
    return tune("linear", plan, folder, trials, budget, seed, make=make, **kwargs)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("study")
    return folder, run(folder)


def test_the_best_trial_is_written_for_training(unbroken):
    folder, found = unbroken
    assert len(found) == 7
    assert len({trial.settings["alpha"] for trial in found}) == 7
    assert all(1e-4 <= trial.settings["alpha"] <= 0.5 for trial in found)
    best = max(found, key=lambda trial: trial.pnlmap)
    assert read_best(folder / "best.json", "linear") == best.settings
    assert json.loads((folder / "best.json").read_text())["pnlmap"] == best.pnlmap


def test_the_same_seed_tries_the_same(tmp_path, unbroken):
    assert run(tmp_path) == unbroken[1]


def test_more_trials_go_on_where_the_study_stopped(tmp_path, unbroken):
    said = []
    assert run(tmp_path, 3) == unbroken[1][:3]
    assert run(tmp_path, 7, on_progress=lambda *args: said.append(args)) == unbroken[1]
    assert [args[0] for args in said] == [4, 5, 6, 7]


def test_a_study_that_was_killed_goes_on_to_the_same_trials(tmp_path, unbroken):
    script = f"""
import sys
import time
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_tuning
import toy_training
learn = toy_training.Linear.learn
def late(self, *args):
    time.sleep(0.05)
    return learn(self, *args)
toy_training.Linear.learn = late
test_tuning.run(Path(sys.argv[1]), on_progress=lambda *args: print(args, flush=True))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for pause in (0.02, 0.06, 0.1):
        running = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
        )
        assert running.stdout is not None
        running.stdout.readline()
        time.sleep(pause)
        running.send_signal(signal.SIGKILL)
        running.communicate()
    assert run(tmp_path) == unbroken[1]


def test_a_choice_that_goes_astray_is_a_failed_trial(tmp_path):
    def fragile(name, settings):
        return Linear(**settings, broken_at=1 if settings.get("alpha", 0) > 0.005 else 0)

    found = run(tmp_path, make=fragile)
    failed = [trial for trial in found if trial.pnlmap is None]
    assert failed
    assert len(failed) < 7
    assert all(trial.settings["alpha"] > 0.005 and "NaN" in trial.error for trial in failed)
    with pytest.raises(TrainingError, match="every trial failed; the first: theta became NaN"):
        run(tmp_path / "all", 2, make=lambda name, settings: Linear(**settings, broken_at=1))


def test_what_cannot_be_tuned_is_told(tmp_path, unbroken, monkeypatch):
    with pytest.raises(TrainingError, match="0 trials; give at least 1"):
        run(tmp_path, 0)
    with pytest.raises(TrainingError, match="holds a study with budget 160, not 320"):
        run(unbroken[0], budget=320)
    with pytest.raises(TrainingError, match="holds a study with data , not other days"):
        run(unbroken[0], plan=replace(PLAN, data="other days"))
    assert run(unbroken[0], plan=replace(PLAN, command="the same, told otherwise")) == unbroken[1]
    with pytest.raises(TrainingError, match="--budget"):
        run(tmp_path / "none", budget=0)
    monkeypatch.setattr(Linear, "search_space", {})
    with pytest.raises(TrainingError, match="names nothing to tune"):
        run(tmp_path)


def test_a_best_file_of_another_agent_or_none_is_told(tmp_path, unbroken):
    with pytest.raises(TrainingError, match="settings of 'linear', not of 'ppo'"):
        read_best(unbroken[0] / tuning.BEST, "ppo")
    path = tmp_path / "best.json"
    for text in ("{", "[]", '{"agent": "ppo"}'):
        path.write_text(text)
        with pytest.raises(TrainingError, match=r"no best\.json of lobarena tune"):
            read_best(path, "ppo")
