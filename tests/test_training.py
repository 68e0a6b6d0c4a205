"""Training: slices, validation, checkpoints; killed at any moment it goes on to the same bits."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_training
from toy_training import Linear

from lobarena.agents import checkpoints
from lobarena.agents.learner import AstrayError
from lobarena.agents.split import Part, Split, by_days, by_time, clipped
from lobarena.agents.training import Plan, TrainingError, episodes_of, train
from lobarena.agents.validation import Outcome, pnlmap, validate
from lobarena.agents.weight_file import read

SPLIT = Split((Part(("TOY",), (0, 10)),), (Part(("TOY",), (20, 26)),))
PLAN = Plan(SPLIT, envs=8, slice_steps=400, environment="toy_training:Toy-v0")
HOUR = 3_600 * 10**9


def run(folder, budget=2_000, seed=1, plan=PLAN, learner=None, **kwargs):
    return train(learner or Linear(), plan, folder, budget, seed, **kwargs)


def test_a_learner_finds_what_earns_and_the_best_weights_are_the_result(tmp_path):
    said = []
    done = run(tmp_path, 8_000, learner=Linear(alpha=0.0005), on_progress=lambda *args: said.append(args))
    values = [row["validation/pnlmap"] for row in done.history]
    assert values[-1] > values[0] + 10
    assert done.best["validation/pnlmap"] == max(values)
    weights, card = read(done.weights, "linear")
    assert (card.steps, card.pnlmap, card.features) == (done.best["steps"], max(values), 3)
    assert (card.observation, card.action, card.seed) == (("levels",), "offsets", 1)
    learner = Linear()
    venv = toy_training.Toy(6, between=(20, 26))
    learner.begin(venv.single_observation_space, venv.single_action_space, 5)
    learner.load_weights(weights)
    assert validate(learner.act, venv, range(6)).pnlmap == max(values)
    assert [args[0] for args in said] == [400 * k for k in range(21)]
    assert "best" in said[-1][2]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    same, again, other = (
        run(tmp_path / name, seed=seed).weights.read_bytes() for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert same == again != other


SCRIPT = """
import sys
from pathlib import Path
from lobarena.agents.split import Part, Split
from lobarena.agents.training import Plan, train
from toy_training import Linear
split = Split((Part(("TOY",), (0, 10)),), (Part(("TOY",), (20, 26)),))
plan = Plan(split, envs=8, slice_steps=400, environment="toy_training:Toy-v0")
train(Linear(slow=0.02), plan, Path(sys.argv[1]), 12_000, 3, lambda *args: print(args, flush=True))
"""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("unbroken")
    return run(folder, 12_000, 3, learner=Linear(slow=0.02)).weights.read_bytes()


def test_killed_again_and_again_it_goes_on_to_the_same_bytes(tmp_path, unbroken):
    folder = tmp_path / "killed"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command, kills, at = [sys.executable, "-c", SCRIPT, str(folder)], 0, [0]
    for pause in (0.0, 0.003, 0.011, 0.017, 0.023, 0.5, None):
        running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert running.stdout is not None
        if pause is None:
            running.communicate(timeout=60)
            assert running.returncode == 0
            break
        running.stdout.readline()  # it has begun or gone on
        running.stdout.readline()
        time.sleep(pause)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        kills += 1
        left = checkpoints.load(folder)
        at.append(left.steps if left else 0)
    assert kills == 6
    assert at == sorted(at)
    assert at[-1] > 0
    assert (folder / "weights.safetensors").read_bytes() == unbroken
    assert tensorboard(folder) == [400 * k for k in range(1, 31)]
    assert not list(folder.glob("*.part"))


def tensorboard(folder, tag="validation/pnlmap"):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"), purge_orphaned_data=True).Reload()
    return [event.step for event in found.Scalars(tag)]


def test_a_slice_that_was_logged_but_not_kept_is_not_shown_twice(tmp_path, monkeypatch):
    save = checkpoints.save

    def dies_later(folder, checkpoint):
        if len(checkpoint.history) == 3:
            raise KeyboardInterrupt
        return save(folder, checkpoint)

    monkeypatch.setattr(checkpoints, "save", dies_later)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    monkeypatch.setattr(checkpoints, "save", save)
    assert tensorboard(tmp_path) == [400, 800, 1_200]
    time.sleep(1.1)  # TensorBoard reads the files of a folder by the second of their making
    run(tmp_path)
    assert tensorboard(tmp_path) == [400, 800, 1_200, 1_600, 2_000]


def test_patience_ends_a_training_that_gets_no_better(tmp_path):
    done = run(tmp_path, 8_000, plan=replace(PLAN, patience=2), learner=Linear(alpha=0.0))
    assert done.stopped_early
    assert len(done.history) == 3
    assert done.best["steps"] == 400


def test_a_finished_training_is_not_trained_again(tmp_path):
    first = run(tmp_path)
    stamp = (tmp_path / checkpoints.NAME).stat().st_mtime_ns
    assert run(tmp_path).history == first.history
    assert (tmp_path / checkpoints.NAME).stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"budget": 4_000}, "budget"),
        ({"seed": 2}, "seed"),
        ({"learner": Linear(alpha=0.1)}, "hyperparameters"),
        ({"plan": replace(PLAN, slice_steps=800)}, "slice_steps"),
    ],
)
def test_a_folder_of_another_training_is_refused(tmp_path, change, named):
    run(tmp_path)
    with pytest.raises(TrainingError, match=rf"other {named}; give another folder"):
        run(tmp_path, **change)


def test_weights_that_are_no_numbers_stop_the_training_and_the_last_good_checkpoint_stays(tmp_path):
    with pytest.raises(TrainingError, match=r"theta became NaN .* between step 800 and 1,200.*smaller learning rate"):
        run(tmp_path, learner=Linear(broken_at=3))
    kept = checkpoints.load(tmp_path)
    assert kept is not None
    assert kept.steps == 800
    assert np.isfinite(kept.weights["theta"]).all()


def test_a_learner_that_cannot_go_on_in_the_middle_of_a_slice_went_astray_too(tmp_path, monkeypatch):
    learn = Linear.learn

    def refused(self, venv, steps, done, seed):
        if self.slices == 2:
            raise ValueError("the action [nan] of environment 3 is not a finite number")
        return learn(self, venv, steps, done, seed)

    monkeypatch.setattr(Linear, "learn", refused)
    with pytest.raises(AstrayError, match=r"\[nan\] of environment 3 .* between step 800 and 1,200; the checkpoint"):
        run(tmp_path)
    kept = checkpoints.load(tmp_path)
    assert kept is not None
    assert kept.steps == 800


@pytest.mark.parametrize(
    ("budget", "plan", "message"),
    [
        (0, PLAN, "--budget"),
        (-5, PLAN, "--budget"),
        (1_000, replace(PLAN, envs=-1), "envs, slice_steps, patience and episodes are not negative"),
        (1_000, replace(PLAN, split=Split((), ())), "no day to learn from"),
        (1_000, replace(PLAN, split=Split(SPLIT.train, ())), "none to validate on"),
        (1_000, replace(PLAN, split=Split((Part(("TOY",), (5, 5)),), SPLIT.validation)), "no episode fits between"),
        (1_000, replace(PLAN, split=Split(SPLIT.train, (Part(("TOY",), (5, 5)),))), "no episode fits between"),
    ],
)
def test_what_cannot_be_trained_is_told_with_its_fix(tmp_path, budget, plan, message):
    with pytest.raises(TrainingError, match=message):
        run(tmp_path, budget, plan=plan)
    assert not (tmp_path / "weights.safetensors").exists()


def test_two_trainings_of_one_folder_do_not_meet(tmp_path):
    errors = []

    def meddle(*_):
        if not errors:
            try:
                run(tmp_path)
            except TrainingError as error:
                errors.append(str(error))

    run(tmp_path, on_progress=meddle)
    assert "another process trains in" in errors[0]


def test_a_damaged_checkpoint_is_told(tmp_path):
    run(tmp_path)
    path = tmp_path / checkpoints.NAME
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors"):
        run(tmp_path)


def test_slices_take_turns_over_the_parts_of_the_split(tmp_path, monkeypatch):
    met = []
    learn = Linear.learn

    def watched(self, venv, steps, done, seed):
        met.append((venv.episodes[0][0], steps, round(done, 2)))
        return learn(self, venv, steps, done, seed)

    monkeypatch.setattr(Linear, "learn", watched)
    two = Split((Part(("A",), (0, 3)), Part(("B",), (4, 9))), SPLIT.validation)
    run(tmp_path, 1_000, plan=replace(PLAN, split=two))
    assert met == [("A", 400, 0.0), ("B", 400, 0.4), ("A", 200, 0.8)]


def test_a_checkpoint_of_thousands_of_slices_is_read_again(tmp_path):
    row = {f"train/scalar number {k}": 0.123456789012345 for k in range(20)}
    history = [row | {"steps": float(k), "validation/pnlmap": 0.0} for k in range(4_000)]
    arrays = {"theta": np.zeros(3, np.float32)}
    checkpoints.save(tmp_path, checkpoints.Checkpoint({}, arrays, {}, arrays, history))
    assert checkpoints.load(tmp_path).history == history


def test_the_checkpoint_is_numbers_and_text_alone(tmp_path):
    run(tmp_path)
    content = (tmp_path / checkpoints.NAME).read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert {name.partition("/")[0] for name in header} == {"__metadata__", "weights", "state", "best"}


def test_validation_takes_each_episode_once_and_pnlmap_is_a_ratio_of_means():
    venv = toy_training.Toy(3, between=(0, 9))
    outcome = validate(lambda seen: np.where(seen[:, 0] > 0, 4, 2), venv, [0, 4, 8])
    assert outcome.pnl.tolist() == [20.0, 20.0, 20.0]
    assert outcome.pnlmap == 20.0
    assert pnlmap(np.array([6.0, -2.0]), np.array([0.5, 0.3])) == pytest.approx(5.0)
    assert Outcome(np.zeros(2), np.zeros(2)).pnlmap == 0.0


def test_validation_is_the_same_however_many_episodes_are_played_at_a_time():
    found = [validate(noisy, toy_training.Toy(n, between=(0, 9)), list(range(7))) for n in (1, 3, 4, 7)]
    assert len(set(found[0].pnl.tolist())) > 3
    assert {(tuple(one.pnl), tuple(one.map)) for one in found} == {(tuple(found[0].pnl), tuple(found[0].map))}


def noisy(seen):
    return np.where(seen[:, 1] > 0, 4, 2)


def test_validation_episodes_are_spread_over_the_part():
    assert episodes_of(3, 0) == [0, 1, 2]
    assert episodes_of(3, 5) == [0, 1, 2]
    assert episodes_of(10, 2) == [2, 7]


def day(number, start=9, end=15):
    return np.array([[number * 24 * HOUR + start * HOUR, number * 24 * HOUR + end * HOUR]])


def test_whole_days_are_split_with_a_day_of_embargo():
    split = by_days({"A": [day(k) for k in range(10)], "B": [day(k) for k in range(10)]})
    assert split.train == (Part(("A", "B"), (int(day(0)[0, 0]), int(day(6)[0, 1]))),)
    assert split.validation == (Part(("A", "B"), (int(day(8)[0, 0]), int(day(9)[0, 1]))),)
    with pytest.raises(ValueError, match="A has 2 days"):
        by_days({"A": [day(0), day(1)]})


def test_contracts_of_other_days_are_parts_of_their_own():
    split = by_days({"A": [day(k) for k in range(4)], "B": [day(k) for k in range(4, 8)]})
    assert [part.contracts for part in split.train] == [("A",), ("B",)]


def test_time_is_split_by_trading_time_with_an_embargo():
    sessions = np.array([[0, 4 * HOUR], [10 * HOUR, 16 * HOUR]])  # ten hours of trading
    split = by_time({"A": sessions}, 0.7, HOUR)
    assert split.train[0].between == (0, 13 * HOUR)
    assert split.validation[0].between == (14 * HOUR, 16 * HOUR)
    edge = by_time({"A": sessions}, 0.4, HOUR)  # the cut falls on a break: the embargo is over before it ends
    assert edge.train[0].between == (0, 4 * HOUR)
    assert edge.validation[0].between == (10 * HOUR, 16 * HOUR)
    with pytest.raises(ValueError, match="too little time"):
        by_time({"A": sessions}, 0.7, 5 * HOUR)
    with pytest.raises(ValueError, match="too little time"):
        by_time({"A": np.zeros((0, 2), np.int64)})


def test_sessions_are_clipped_to_what_may_be_learnt_from():
    sessions = np.array([[0, 4], [10, 16], [20, 30]])
    assert clipped(sessions, 2, 12).tolist() == [[2, 4], [10, 12]]
