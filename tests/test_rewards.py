"""What each reward pays: parts worked out by hand, and in episodes."""

from dataclasses import dataclass
from typing import ClassVar

import gymnasium
import numpy as np
import pytest

import lobarena.sim  # noqa: F401 - registers the environment
from lobarena.sim.rewards import (
    PARTS,
    REWARDS,
    Dampened,
    Hybrid,
    Imm,
    InventoryPenalised,
    Pnl,
    Reward,
    Step,
    judge,
    reward_of,
)

NAME = "lobarena/MarketMaking-v0"
# spread, holding, fees, closed, lots, position of a step; the change of wealth is 3 + 4 - 1 - 2 = 4
GOOD = (3.0, 4.0, 1.0, -2.0, 5, -6)
BAD = (-3.0, -4.0, 1.0, 0.0, 2, 1)  # wealth -8


def judged(reward, step):
    parts = np.zeros(len(PARTS))
    total = judge(reward_of(reward).weights()[0], *step, parts)
    return total, dict(zip(PARTS, parts.tolist(), strict=True))


@pytest.mark.kernels
@pytest.mark.parametrize(
    ("reward", "step", "total", "extra"),
    [
        ("pnl", GOOD, 4.0, {}),
        ("pnl", BAD, -8.0, {}),
        ("dampened:eta=0.5", GOOD, 2.0, {"dampening": -2.0}),
        ("dampened:eta=0.5", BAD, -8.0, {"dampening": 0.0}),
        ("dampened symmetric:eta=0.25", GOOD, 3.0, {"dampening": -1.0}),
        ("dampened symmetric:eta=0.25", BAD, -7.0, {"dampening": 1.0}),
        ("hybrid:eta=0.5,zeta=0.1", GOOD, 4 - 2 + 3 - 3.6, {"dampening": -2.0, "made": 3.0, "inventory": -3.6}),
        ("hybrid:eta=0.5,zeta=0.1", BAD, -8 - 3 - 0.1, {"dampening": 0.0, "made": -3.0, "inventory": -0.1}),
        ("imm:bonus=0.5,zeta=2,free=4", GOOD, 4 + 2.5 - 4, {"volume": 2.5, "inventory": -4.0}),
        ("imm:bonus=0.5,zeta=2,free=4", BAD, -8 + 1.0, {"volume": 1.0, "inventory": 0.0}),
        ("inventory:zeta=0.5", GOOD, 4 - 18.0, {"inventory": -18.0}),
        ("inventory:zeta=0.5", BAD, -8 - 0.5, {"inventory": -0.5}),
    ],
)
def test_parts_by_hand(reward, step, total, extra):
    paid, parts = judged(reward, step)
    first = dict(zip(PARTS[:4], (step[0], step[1], -step[2], step[3]), strict=True))
    assert parts == pytest.approx(dict.fromkeys(PARTS, 0.0) | first | extra)
    assert paid == pytest.approx(total)
    assert sum(parts.values()) == pytest.approx(paid)


def test_defaults_are_those_of_the_table():
    assert reward_of("pnl") == Pnl()
    assert reward_of("pnl").plain
    assert reward_of("dampened") == Dampened(eta=0.5)
    assert reward_of("hybrid: zeta = 0.3") == Hybrid(eta=0.5, zeta=0.3)
    assert reward_of(" imm :free=1,bonus=2") == Imm(bonus=2, zeta=0.05, free=1)
    assert reward_of(InventoryPenalised(0.2)) == InventoryPenalised(0.2)
    for name, kind in REWARDS.items():
        assert reward_of(name) == kind()
        assert reward_of(name).plain == (name == "pnl")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("dampend", "no reward 'dampend'; did you mean 'dampened'\\? Known: pnl"),
        ("pln", "did you mean 'pnl'"),
        ("hybrd:eta=1", "did you mean 'hybrid'"),
        ("dampened:eat=1", "has no parameter 'eat'; it has eta"),
        ("pnl:eta=1", "has no parameter 'eta'; it has none"),
        ("dampened:eta", "eta is ''; give a number"),
        ("dampened:eta=much", "eta is 'much'; give a number"),
        ("dampened:eta=nan", "finite number that is not negative"),
        ("hybrid:zeta=inf", "finite number that is not negative"),
        ("imm:bonus=-1", "finite number that is not negative"),
        (Hybrid(eta=float("nan")), "finite number that is not negative"),
    ],
)
def test_a_reward_that_means_nothing_is_refused_with_the_fix(spec, message):
    with pytest.raises(ValueError, match=message):
        gymnasium.make(NAME, reward=spec)


def episode(seed=3, **settings):
    """(rewards, parts, infos from the reset on) of an episode that trades."""
    settings = {"contract": "RBSYN", "episode_minutes": 1, "action": "ladder", "order_size": 4} | settings
    env = gymnasium.make(NAME, **settings).unwrapped
    _, info = env.reset(seed=seed)
    env.action_space.seed(seed)
    rewards, infos, over = [], [info], False
    while not over:
        _, reward, over, _, info = env.step(env.action_space.sample())
        rewards.append(reward)
        infos.append(info)
    tick = env.batch.day(0).feed.contract.tick_value
    return np.array(rewards), np.array([info["parts"] for info in infos[1:]]), infos, tick


@pytest.mark.parametrize("reward", ["pnl", "dampened", "dampened symmetric", "hybrid", "imm", "inventory"])
def test_parts_sum_to_the_reward_and_the_first_four_to_the_change_of_wealth(reward):
    rewards, parts, infos, tick = episode(reward=reward)
    wealth = np.array([info["wealth"] for info in infos])
    np.testing.assert_allclose(parts.sum(axis=1), rewards, atol=1e-9)
    np.testing.assert_allclose(parts[:, :4].sum(axis=1) * tick, np.diff(wealth), atol=1e-6)
    np.testing.assert_allclose(-parts[:-1, 2].sum() * tick, infos[-2]["fees"], atol=1e-6)
    assert sum(info["lots"] for info in infos) > 10
    assert (reward == "pnl") == (not parts[:, 4:].any())


def test_pnl_sums_to_the_wealth_at_the_end():
    rewards, _, infos, tick = episode()
    assert rewards.sum() * tick == pytest.approx(infos[-1]["wealth"])
    assert infos[-1]["position"] == 0


def test_the_terminal_liquidation_is_a_part_of_its_own_and_explains_the_last_step():
    env = gymnasium.make(NAME, contract="RBSYN", episode_minutes=0.5, action="orders", position_limit=20).unwrapped
    env.reset(seed=1)
    buy, nothing = np.zeros(21, np.int32), np.zeros(21, np.int32)
    buy[20] = 7
    *_, info = env.step(buy)
    assert (info["position"], info["lots"]) == (7, 7)
    assert info["parts"][0] < 0  # half spreads paid
    assert not info["parts"][3]
    over = False
    while not over:
        before = info
        _, reward, over, _, info = env.step(nothing)
        assert over or not info["parts"][3]
        assert not info["parts"][0]
        assert not info["parts"][2]  # the fee of the liquidation is in its part
    spread, holding, fees, closed = info["parts"][:4]
    tick = env.batch.day(0).feed.contract.tick_value
    assert info["lots"] == 7
    assert closed * tick == pytest.approx(info["wealth"] - before["wealth"] - holding * tick)
    assert closed * tick <= -7 * tick / 2 - (info["fees"] - before["fees"]) + 1e-9  # at least half a tick and the fee
    assert spread == fees == 0
    assert reward == pytest.approx(holding + closed)


@dataclass(frozen=True, slots=True)
class Target(Reward):
    """Wants two lots, and likes round numbers of trades."""

    extra: ClassVar[tuple[str, ...]] = ("away", "constant")

    def shape(self, step: Step) -> np.ndarray:
        assert all(column.shape == step.spread.shape for column in step)
        return np.stack([-np.abs(step.position - 2.0), np.full(len(step.lots), 0.25)], axis=1)


def test_a_reward_of_ones_own_adds_its_parts():
    plain, _, _, _ = episode()
    rewards, parts, infos, _ = episode(reward=Target())
    positions = np.array([info["position"] for info in infos[1:]])
    assert parts.shape[1] == len(PARTS) + 2
    np.testing.assert_allclose(parts[:, -2], -np.abs(positions - 2.0))
    np.testing.assert_allclose(rewards, plain + parts[:, -2] + 0.25)
    np.testing.assert_allclose(parts.sum(axis=1), rewards)
    env = gymnasium.make(NAME, reward=Target())
    assert env.unwrapped.part_names == (*PARTS, "away", "constant")


def test_a_reset_pays_nothing_whatever_the_reward():
    """The vector environment's reset inside a step has reward 0, and no parts; a reset has no parts either."""
    venv = gymnasium.make_vec(NAME, num_envs=2, contract="RBSYN", episode_minutes=0.1, reward=Target())
    _, infos = venv.reset(seed=0)
    assert not infos["parts"].any()
    over = np.zeros(2, bool)
    while not over.any():
        _, rewards, over, _, infos = venv.step(np.zeros(2, int))
        assert (rewards != 0).all()
    _, rewards, _, _, infos = venv.step(np.zeros(2, int))
    assert over.all()
    assert not rewards.any()
    assert not infos["parts"].any()
    _, rewards, _, _, infos = venv.step(np.zeros(2, int))
    assert (infos["parts"][:, -1] == 0.25).all()
    _, infos = venv.reset(seed=1)
    assert not infos["parts"].any()
    env = gymnasium.make(NAME, contract="RBSYN", reward=Target())
    _, info = env.reset(seed=0)
    assert not info["parts"].any()


def test_a_reward_of_ones_own_that_gives_nonsense_is_named():
    class Silent(Reward):
        extra = ("nothing",)

    class Wrong(Reward):
        extra = ("one",)

        def shape(self, step):
            return np.zeros((len(step.lots), 2))

    class Endless(Wrong):
        def shape(self, step):
            return np.full((len(step.lots), 1), np.nan)

    for kind, error, message in (
        (Silent, NotImplementedError, "give them in shape"),
        (Wrong, ValueError, "shape\\(\\) must give"),
        (Endless, ValueError, "finite numbers"),
    ):
        env = gymnasium.make(NAME, contract="RBSYN", reward=kind()).unwrapped
        with pytest.raises(error, match=message):
            env.reset(seed=0)
