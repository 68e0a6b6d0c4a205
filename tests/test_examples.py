"""Every example runs, in small, as its reader would run it; and none is left out of the README of examples."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SCRIPTS = {  # script -> (steps, what its last line says)
    "train_ppo.py": (64, r"64 steps learnt; .* CNY an episode over \d+ test episodes"),
    "own_reward.py": (700, r"churned +-?\d"),
    "rollout.py": (64 * 128, r"update +0: .* tick x lot a step"),
    "two_learners.py": (700, r"seat_2: .* in the second"),
}
NEEDS_RAY = "rllib.py"  # no dependency of the project, so it is read but not run


def run(*command: str | Path, path: str = "") -> str:
    """Standard output of a command in an environment whose PYTHONPATH begins with `path`."""
    paths = os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=300, env=os.environ | {"PYTHONPATH": paths}
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_and_tells_its_figures(name: str):
    steps, last = SCRIPTS[name]
    lines = run(sys.executable, EXAMPLES / name, "--steps", str(steps)).strip().splitlines()
    assert re.search(last, lines[-1]), lines[-1]


def test_the_parts_of_the_own_reward_sum_to_it():
    lines = run(sys.executable, EXAMPLES / "own_reward.py", "--steps", "2000").strip().splitlines()
    whole = float(re.search(r"reward (-?[\d,.]+) tick", lines[0]).group(1).replace(",", ""))
    parts = [float(line.split()[-1].replace(",", "")) for line in lines[1:]]
    assert parts[-2] < 0  # held
    assert parts[-1] < 0  # churned
    assert whole == pytest.approx(sum(parts), abs=0.01 * len(parts))


def test_an_agent_of_an_installed_package_plays_a_tournament(tmp_path: Path):
    shutil.copytree(EXAMPLES / "own_agent", tmp_path / "own_agent")
    installed = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    run(*pip, "--target", installed, tmp_path / "own_agent")
    play = "from lobarena.cli import main; import sys; main(sys.argv[1:])"
    options = ["--contracts", "RBSYN", "--episode-minutes", "2", "--episodes-per-day", "1", "--rotations", "1"]
    out = run(
        *(sys.executable, "-c", play, "tournament", "--agents", "touch:lean=2,idle", *options),
        *("--tracks", "solo", "--out", tmp_path / "results"),
        path=str(installed),
    )
    assert "touch" in out


def test_the_readme_of_examples_names_them_all():
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    there = {path.name for path in EXAMPLES.iterdir() if path.suffix == ".py"} | {"own_agent"}
    assert {Path(target).name for target in re.findall(r"\]\(([^)]+)\)", text)} == there
    assert there == {*SCRIPTS, NEEDS_RAY, "own_agent"}


def test_the_docstring_of_a_script_tells_the_command_that_runs_it():
    for name in (*SCRIPTS, NEEDS_RAY):
        told = ast.get_docstring(ast.parse((EXAMPLES / name).read_text(encoding="utf-8")))
        assert f"python examples/{name} --steps" in str(told), name
