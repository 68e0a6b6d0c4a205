"""Each fault that breaks training is found in a toy market that has it, and nothing is found in a sound one."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from toy_market import ToyMarket

from lobarena.benchmarks.lint import ACTIONS, CHECKS, Finding, Verdict, lint
from lobarena.benchmarks.lint_play import RANDOM, draw, policies
from lobarena.cli import main
from lobarena.cli_lint import _parse
from lobarena.sim.env import MarketMaking

OURS = "lobarena/MarketMaking-v0"

FAULTS = {  # what is broken in the toy -> the checks that must call it a fault
    "picky": {"actions"},
    "nan": {"finite"},
    "bounds": {"bounds"},
    "random": {"determinism", "interface", "look-ahead"},
    "small": {"reward scale"},
    "large": {"reward scale"},
    "stale": {"news", "private state"},
    "blind": {"private state"},
    "costly": {"activity pays"},
    "rebate": {"fees"},
    "churn": {"churning"},
    "foresight": {"look-ahead"},
    "parts": {"reward parts"},
    "unearned": {"reward and wealth"},
}
WARNINGS = {"seedless": "determinism", "free": "fees"}


def findings(fault: str = "", **options: Any) -> dict[str, Finding]:
    return {one.check: one for one in lint(partial(ToyMarket, fault), **options)}


def of(verdict: Verdict, found: dict[str, Finding]) -> set[str]:
    return {name for name, one in found.items() if one.verdict is verdict}


def test_a_sound_market_passes_every_check():
    found = findings()
    assert list(found) == [ACTIONS, *CHECKS]
    assert {name: one for name, one in found.items() if one.verdict is not Verdict.OK} == {}
    assert not any(one.fix for one in found.values())


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_broken_is_called_a_fault_and_a_fix_is_named(fault: str):
    found = findings(fault)
    assert of(Verdict.FAULT, found) == FAULTS[fault], {name: one.figure for name, one in found.items()}
    assert all(found[name].fix for name in FAULTS[fault])


def test_every_check_has_a_market_that_it_faults():
    assert set().union(*FAULTS.values()) == {ACTIONS, *CHECKS} - {"observation scale"}  # which warns at most


@pytest.mark.parametrize("fault", WARNINGS)
def test_what_may_be_meant_so_is_warned_of(fault: str):
    found = findings(fault)
    assert of(Verdict.FAULT, found) == set()
    assert found[WARNINGS[fault]].verdict is Verdict.WARNING


def test_checks_that_need_what_infos_do_not_tell_say_that_they_did_not_run():
    found = findings("silent")
    assert of(Verdict.UNCHECKED, found) == {"fees", "churning", "look-ahead", "reward parts", "reward and wealth"}
    assert of(Verdict.FAULT, found) == set()


def test_an_environment_of_somebody_else_is_judged_by_what_it_shows():
    found = {one.check: one for one in lint(lambda: gymnasium.make("Pendulum-v1", disable_env_checker=True), 3, 100)}
    assert of(Verdict.FAULT, found) == set()
    assert found["look-ahead"].verdict is Verdict.UNCHECKED
    assert "alter_after" in found["look-ahead"].fix


def test_large_observations_are_warned_of():
    def make() -> Any:
        space = gymnasium.spaces.Box(-1e6, 1e6, (4,), np.float32)
        return gymnasium.wrappers.TransformObservation(ToyMarket(), lambda seen: seen * np.float32(1e4), space)

    found = {one.check: one for one in lint(make, 3, 60)}
    assert found["observation scale"].verdict is Verdict.WARNING
    assert "normalise" in found["observation scale"].fix


@pytest.mark.parametrize(
    "options",
    [{}, {"action": "continuous"}, {"action": "ladder", "order_size": 3}, {"reward": "hybrid"}, {"contract": "all"}],
    ids=str,
)
def test_our_environment_has_no_fault_and_is_checked_in_full(options: dict[str, Any]):
    found = {one.check: one for one in lint(lambda: gymnasium.make(OURS, disable_env_checker=True, **options), 6, 200)}
    assert {name: one for name, one in found.items() if one.verdict is Verdict.FAULT} == {}
    assert of(Verdict.UNCHECKED, found) <= {"churning", "activity pays"}


def test_a_glance_at_the_recorded_future_is_found_in_our_environment():
    class Seer(MarketMaking):
        """Its first number tells where the day ends."""

        def step(self, action: Any) -> Any:
            seen, *rest = super().step(action)
            shots = self.batch.day(0).feed.snapshots
            seen[0] = shots["bid"][-1, 0] % 5
            return seen, *rest

    found = {one.check: one for one in lint(lambda: Seer(day="20240103"), 2, 60)}
    assert found["look-ahead"].verdict is Verdict.FAULT
    assert "observation of step 1" in found["look-ahead"].figure


def test_an_observation_of_the_book_alone_lacks_the_private_state():
    found = {one.check: one for one in lint(lambda: MarketMaking(observation=("imbalance",)), 4, 200)}
    assert found["private state"].verdict is Verdict.FAULT


@pytest.mark.parametrize(
    "space",
    [
        gymnasium.spaces.Discrete(100, start=3),
        gymnasium.spaces.Box(-1, 1, (2,), np.float32),
        gymnasium.spaces.Box(-np.inf, np.inf, (3, 2), np.float64),
        gymnasium.spaces.Box(0, 5, (21,), np.int32),
        gymnasium.spaces.MultiDiscrete([3, 4]),
    ],
    ids=str,
)
def test_simple_policies_act_inside_every_space_and_repeat(space: Any):
    rng = np.random.default_rng(0)
    for name, policy in policies(space).items():
        actions = [policy(rng) for _ in range(3)]
        assert all(space.contains(action) for action in actions), name
        assert name == RANDOM or all(np.array_equal(actions[0], action) for action in actions)
    assert np.array_equal(draw(space, np.random.default_rng(4)), draw(space, np.random.default_rng(4)))


def test_too_few_episodes_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        lint(ToyMarket, 1)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            main(["lint", *arguments])
        written = capsys.readouterr()
        return int(exit_.value.code or 0), written.out, written.err

    return call


def test_the_command_shows_a_row_a_check_and_ends_well_without_a_fault(run: Run):
    code, out, _ = run("toy_market:ToyMarket", "--episodes", "6", "--steps", "60")
    assert code == 0
    assert all(name in out for name in CHECKS)


def test_a_fault_is_exit_code_1_and_in_the_numbers(run: Run):
    code, out, _ = run("toy_market:ToyMarket:fault=blind,steps=50", "--json", "-")
    told = json.loads(out)
    assert code == 1
    assert told["count"]["fault"] == 1
    assert [row["check"] for row in told["checks"] if row["verdict"] == "fault"] == ["private state"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lobarena/MarketMaking-v9", "did you mean 'lobarena/MarketMaking-v0'"),
        ("CartPole", "did you mean 'CartPole"),
        ("toy_market:Market", "no attribute 'Market'"),
        ("no_such_module:Env", "No module named 'no_such_module'"),
        ("toy_market:ToyMarket:speed=3", "unexpected keyword argument 'speed'"),
        ("toy_market:ToyMarket:fault", "write NAME=VALUE"),
    ],
)
def test_an_environment_that_cannot_be_made_is_wrong_use_and_explained(run: Run, text: str, message: str):
    code, _, err = run(text)
    assert code == 2
    assert message in " ".join(err.replace("│", " ").split())


def test_keyword_arguments_are_values_and_words():
    assert _parse("lobarena/MarketMaking-v0") == ("lobarena/MarketMaking-v0", {})
    assert _parse("m:C") == ("m:C", {})
    assert _parse("lobarena/MarketMaking-v0:reward='hybrid:eta=0.5,zeta=0.01',seed=3,impact=decay") == (
        "lobarena/MarketMaking-v0",
        {"reward": "hybrid:eta=0.5,zeta=0.01", "seed": 3, "impact": "decay"},
    )
    assert _parse("m:C:opponents=('glft','foic:N=1'),reward=dampened:eta=0.5") == (
        "m:C",
        {"opponents": ("glft", "foic:N=1"), "reward": "dampened:eta=0.5"},
    )
