"""`lobarena train` and `lobarena tune` from end to end: exit codes, messages, files that the next command takes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_cli import Run, run

from lobarena.agents.weight_file import read

__all__ = ["run"]  # the fixture
SMALL = ["--contracts", "RB", "--episode-minutes", "5", "--episodes", "2", "--slice-steps", "800"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from lobarena.cli import main

    folder = tmp_path_factory.mktemp("trained")
    with pytest.raises(SystemExit) as exit_:
        main(["train", "dqn", *SMALL, "--budget", "1600", "--out", str(folder), "--json", str(folder / "told.json")])
    assert not exit_.value.code
    return folder


def test_training_says_where_the_weights_are_and_a_tournament_takes_them(run: Run, trained: Path, tmp_path: Path):
    told = json.loads((trained / "told.json").read_text())
    assert [row["steps"] for row in told["history"]] == [800, 1_600]
    _, card = read(told["weights"], "dqn")
    assert card.command.startswith("lobarena train dqn --seed 0 --budget 1600 --contracts=RB --episode-minutes=5")
    code, out, _ = run("train", "dqn", *SMALL, "--budget", "1600", "--out", trained)
    assert code == 0
    assert "best, kept" in out
    use = f"lobarena tournament --agents dqn:weights={told['weights']},foic,idle"
    assert out.splitlines()[-1] == f"weights: {told['weights']}; use them: {use}"
    small = ["--contracts", "RB", "--episode-minutes", "5", "--episodes-per-day", "1", "--tracks", "solo"]
    code, out, err = run(*use.split()[1:], *small, "--out", tmp_path / "run", "--processes", "1", "--json", "-")
    assert code == 0, err
    row = next(row for row in json.loads(out)["leaderboard"] if row["agent"].startswith("dqn"))
    assert row["failures"] == 0
    assert row["parameters"] > 4_000
    assert row["flop"] == 2 * row["parameters"]


def test_the_command_in_the_card_makes_the_same_weights(run: Run, trained: Path, tmp_path: Path):
    _, card = read(trained / "weights.safetensors")
    code, _, err = run(*card.command.split()[1:], "--out", tmp_path)
    assert code == 0, err
    assert (tmp_path / "weights.safetensors").read_bytes() == (trained / "weights.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "pp"], "no learner 'pp'; did you mean 'ppo'"),
        (["train", "ppo", "--set", "learning_rte=1"], "did you mean 'learning_rate'"),
        (["train", "ppo", "--set", "learning_rate"], "is no NAME=VALUE"),
        (["train", "ppo", "--budget", "0"], "--budget"),
        (["train", "ppo", "--contracts", "XX"], "no contract 'XX' among the synthetic days"),
        (["train", "ppo", "--data", "nowhere"], "no such folder"),
        (["train", "ppo", "--config", "none.json"], "no best.json of lobarena tune"),
        (["train", "ppo", "--contracts", "RB", "--episode-minutes", "0"], "episode_minutes is positive"),
        (["train", "ppo", "--contracts", "RB", "--set", "reward=pln"], "reward"),
        (["train", "rl-ds", "--set", "gamma=2"], "gamma x lam below 1"),
        (["train", "rl-ds", "--set", "epsilon=0"], "alpha, epsilon and their floors are positive"),
        (["train", "drl-os", "--set", "epsilon_floor=0"], "alpha, epsilon and their floors are positive"),
        (["train", "imm", "--contracts", "RB", "--set", "history=6"], "give a power of two"),
        (["tune", "pp"], "no learner 'pp'"),
        (["tune", "ppo", "--budget", "0", "--contracts", "RB"], "--budget"),
        (["tournament", "--agents", "ppo:weights=none.safetensors"], "lobarena train ppo"),
    ],
)
def test_what_is_wrong_is_told_with_its_fix_and_exit_code_2(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*arguments)
    assert code == 2
    assert message in " ".join(err.replace("│", "").split())
    assert "Traceback" not in err


def test_another_training_in_the_folder_is_refused_unless_it_may_be_deleted(run: Run, tmp_path: Path):
    command = ["train", "dqn", *SMALL, "--out", tmp_path / "run", "--budget"]
    assert run(*command, "800")[0] == 0
    code, _, err = run(*command, "1600")
    assert code == 2
    assert "holds a training with other budget" in err
    assert "--overwrite" in err
    assert run(*command, "1600", "--overwrite")[0] == 0


@pytest.mark.parametrize("command", [["train", "dqn"], ["tune", "dqn", "--trials", "1"]])
def test_a_folder_that_no_training_made_is_never_deleted(run: Run, tmp_path: Path, command: list[str]):
    (tmp_path / "thesis.tex").write_text("years of work")
    code, _, err = run(*command, *SMALL, "--budget", "800", "--out", tmp_path, "--overwrite")
    assert code == 2
    assert "holds files that are not of a training" in " ".join(err.split())
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_tuning_writes_what_training_takes(run: Run, tmp_path: Path):
    study = tmp_path / "study"
    command = ["tune", "dqn", *SMALL, "--trials", "3", "--budget", "800", "--out", study]
    code, out, err = run(*command)
    assert code == 0, err
    best = study / "best.json"
    assert out.splitlines()[-1] == f"best: {best}; use it: lobarena train dqn --config {best}"
    trials = json.loads(run(*command, "--json", "-")[1])["trials"]
    assert [trial["pnlmap"] for trial in trials] == sorted((trial["pnlmap"] for trial in trials), reverse=True)
    assert run("train", "dqn", "--config", best, *SMALL, "--budget", "800", "--out", tmp_path / "run")[0] == 0
    _, card = read(tmp_path / "run" / "weights.safetensors")
    assert card.hyperparameters | trials[0]["settings"] == card.hyperparameters
    code, _, err = run("train", "ppo", "--config", best)
    assert code == 2
    assert "settings of 'dqn', not of 'ppo'" in err


def test_an_interrupted_training_resumes_to_the_same_bytes(tmp_path: Path):
    command = [sys.executable, "-c", "from lobarena.cli import main; main()", "train", "dqn", *SMALL]
    command += ["--budget", "4000"]
    running = subprocess.Popen(
        [*command, "--out", str(tmp_path / "broken")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while running.poll() is None and not (tmp_path / "broken" / "checkpoint.safetensors").exists():
        time.sleep(0.005)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate()
    assert running.returncode == 130, err
    assert "stopped; the same command resumes" in err
    assert not (tmp_path / "broken" / "weights.safetensors").exists()
    for name in ("broken", "whole"):
        done = subprocess.run([*command, "--out", str(tmp_path / name)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    broken, whole = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("broken", "whole"))
    assert broken == whole
