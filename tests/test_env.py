"""The single environment against its slow twin, and what it promises on its own."""

import subprocess
import sys
import warnings
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from naive_env import EVERY, play_both

import lobarena.sim  # noqa: F401 - registers the environment
from lobarena.data.catalogue import read_day
from lobarena.sim import batch as batches
from lobarena.sim.actions import CLEAR, KINDS
from lobarena.sim.blocks import BLOCKS
from lobarena.sim.feed import feed_of
from lobarena.sim.settings import make_day

NAME = "lobarena/MarketMaking-v0"
REWARDS = ("pnl", "dampened:eta=0.3", "dampened symmetric", "hybrid:zeta=0.02", "imm:free=1", "inventory:zeta=0.1")
OPPONENTS = ((), ("glft", "foic:N=1"), ("random", "foic"), ("random", "random", "join"))


def make(**options):
    return gymnasium.make(NAME, **({"episode_minutes": 2} | options))


def play(env, seed, choose=lambda k: k % 9, steps=10_000):
    """(observations, rewards, last info) of one episode."""
    first, info = env.reset(seed=seed)
    seen, rewards = [first], []
    for step in range(steps):
        observation, reward, over, cut, info = env.step(choose(step))
        seen.append(observation)
        rewards.append(reward)
        if over or cut:
            break
    return np.array(seen), np.array(rewards), info


def orders_near(rng):
    """A chooser of `orders` actions about the best prices, now and then with a market order."""

    def choose(naive, _space):
        bid, ask = int(naive.look["bid"][0]), int(naive.look["ask"][0])
        action = np.zeros(21, np.int32)
        action[0:10:2], action[10:20:2] = bid - rng.integers(0, 4, 5), ask + rng.integers(0, 4, 5)
        action[1:20:2] = rng.integers(0, 3, 10)
        action[20] = rng.integers(-2, 3) if rng.random() < 0.2 else 0
        return action

    return choose


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(len(REWARDS)))
def test_every_step_is_that_of_the_slow_environment(kind, number):
    """Observations, rewards, parts, accounts and ends; the twin replays the day from its first event."""
    rng = np.random.default_rng([number, KINDS.index(kind)])
    _, naive = play_both(
        seed=int(rng.integers(1_000)),
        episode=int(rng.integers(600)),
        choose=orders_near(rng) if kind == "orders" else None,
        contract=("RBSYN", "CUSYN")[number % 2],
        action=kind,
        reward=REWARDS[number],
        opponents=OPPONENTS[number % 4],
        order_size=3,
        position_limit=7,
        normalise=number != 1,
    )
    assert kind not in ("orders", "ladder") or naive.booked > 0


@pytest.mark.parametrize(
    "settings",
    [
        {"every_ms": 130},
        {"every_ms": 1_700, "order_size": 2, "position_limit": 2},
        {"network_ms": 0, "decision_us": 0},
        {"network_ms": 0, "decision_us": 0, "opponents": ("foic", "random")},
        {"network_ms": 700, "decision_us": 900_000, "action": "ladder"},
        {"cancel_model": "back", "impact": "keep", "action": "ladder", "order_size": 5},
        {"cancel_model": "front", "impact": "restore", "action": "ladder", "order_size": 5},
        {"observation": ("time left", "levels"), "history": 0, "normalise": False},
        {"observation": ("history window", "queue positions"), "history": 7, "action": "ladder"},
    ],
    ids=str,
)
def test_it_agrees_under_every_setting(settings):
    play_both(**{"contract": "AGSYN", "day": "20240104", "episode": 77, "seed": 5} | settings)


def test_a_random_start_between_two_checkpoints_is_the_replay_of_the_day():
    for seed in range(6):
        play_both(seed=seed, contract="RBSYN", opponents=("foic:N=1",), episode_minutes=0.3)


def test_an_environment_forgets_the_episode_before():
    """The second episode of one environment and the first of a new one are equal by the byte."""
    settings = {"contract": "RBSYN", "observation": EVERY, "history": 4, "action": "ladder", "opponents": ("random",)}
    used, new = make(order_size=4, **settings), make(order_size=4, **settings)
    used.action_space.seed(0)
    play(used, 1, lambda _: used.action_space.sample(), 150)
    actions = [used.action_space.sample() for _ in range(300)]
    one, two = (play(env, 2, actions.__getitem__) for env in (used, new))
    assert one[0].tobytes() == two[0].tobytes()
    assert one[1].tobytes() == two[1].tobytes()
    assert one[2]["lots"] == two[2]["lots"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("blocks", [None, EVERY, ("history window",)], ids=["default", "every", "history"])
def test_gymnasiums_own_checker_passes(kind, blocks):
    env = make(**{} if blocks is None else {"observation": blocks, "history": 5}, action=kind).unwrapped
    with warnings.catch_warnings():
        if kind == "orders":  # in ticks and lots, as it says; and most of its space are crossed orders: test_actions
            env.action_space.sample = lambda *_: np.zeros(21, np.int32)
            warnings.filterwarnings("ignore", ".*symmetric and normalized space", UserWarning)
        check_env(env, skip_render_check=True)


def test_the_docstring_names_every_block_with_its_count_and_every_argument():
    text = " ".join(make().unwrapped.__doc__.split())
    for name, features in BLOCKS.items():
        assert f"`{name}` ({len(features)}" in text, name
    for name in make().unwrapped.settings.__dataclass_fields__:
        assert name in text, name


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    one, two = play(make(), 5), play(make(), 5)
    assert one[0].tobytes() == two[0].tobytes()
    assert one[1].tobytes() == two[1].tobytes()
    assert play(make(), 6)[0].tobytes() != one[0].tobytes()


def test_every_observation_lies_in_the_space():
    settings = {"observation": EVERY, "history": 2, "action": "ladder", "order_size": 9, "episode_minutes": 1}
    env = make(contract=("FUSYN", "RBSYN"), day="20240105", **settings)
    env.action_space.seed(0)
    for seed in range(3):
        seen, _, _ = play(env, seed, lambda _: env.action_space.sample())
        assert all(row in env.observation_space for row in seen)


def test_clearing_closes_the_position_by_a_market_order():
    env = make(order_size=3, position_limit=9)
    env.reset(seed=2)
    for _ in range(150):
        *_, info = env.step(0)
        if info["position"]:
            break
    assert info["position"] != 0
    for _ in range(4):
        *_, info = env.step(CLEAR)
    assert info["position"] == 0


def test_a_step_before_a_reset_or_after_the_end_asks_for_a_reset():
    env = make(episode_minutes=0.1).unwrapped
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        env.step(0)
    play(env, 1)
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        env.step(0)


@pytest.mark.parametrize("kind", ["offsets", "ladder"])
def test_the_position_never_passes_its_limit(kind):
    env = make(order_size=2, position_limit=3, action=kind)
    env.reset(seed=3)
    over, most = False, 0
    while not over:
        *_, over, _, info = env.step(0 if kind == "offsets" else np.ones(10, np.float32))
        most = max(most, abs(info["position"]))
    assert 0 < most <= 3


def test_opponents_change_the_market_and_an_unknown_one_is_named():
    alone, crowded = play(make(), 4), play(make(opponents=("foic", "foic:N=1")), 4)
    assert alone[0].shape == crowded[0].shape
    assert alone[0].tobytes() != crowded[0].tobytes()
    with pytest.raises(ValueError, match="foic"):
        make(opponents=("fioc",)).reset()


def test_the_last_observation_is_the_learners_own_not_an_opponents():
    env = make(opponents=("foic",), observation=("own orders", "inventory"), normalise=False).unwrapped
    env.reset(seed=4)
    over, traded = False, 0
    while not over:
        observation, _, over, _, info = env.step(CLEAR)  # never quotes, so it never holds anything; foic does
        traded += int(env.batch.venues[0]["seat"]["orders"][2])
        assert info["lots"] == 0
    assert traded > 0
    assert observation.tolist() == [50.0, 0.0, -1.0, 50.0, 0.0, -1.0, 0.0]


def _episode(monkeypatch, file, day, **settings):
    """(observations, rewards, times) of episode 20 on an altered day."""
    env = make(contract="RBSYN", day=f"{file.trading_day:%Y%m%d}", **settings).unwrapped
    made = make_day(feed_of(day), env.batch._rules, env.batch._seats)
    monkeypatch.setattr(batches, "day_of", lambda *_: made)
    env.action_space.seed(3)
    seen, info = env.reset(seed=9, options={"episode": 20})
    rows, rewards, times, over = [seen], [0.0], [info["time"]], False
    while not over:
        seen, reward, over, _, info = env.step(env.action_space.sample())
        rows.append(seen)
        rewards.append(reward)
        times.append(info["time"])
    return np.array(rows), np.array(rewards), np.array(times)


@pytest.mark.parametrize("settings", [{}, {"action": "ladder", "opponents": ("foic", "random")}], ids=["alone", "not"])
def test_what_comes_later_cannot_be_seen_before(monkeypatch, settings):
    """Change every row of the record after a moment: nothing before it differs by a bit, in any block; later all do."""
    env = make(contract="RBSYN").unwrapped
    number, opens, closes = env.episodes[20]
    file = env.batch.files[number]
    day, moment = read_day(file), (opens + closes) // 2
    shots = day.snapshots.copy()
    late = shots["time"] > moment
    for name in ("bid", "ask", "last"):
        shots[name][late] += 7
    shots["bid_size"][late] += 1
    shots["volume"][late] += 5
    shots["turnover"][late] += 7 * (shots["volume"][late] - shots["volume"][~late][-1])
    settings = settings | {"observation": EVERY, "history": 4}
    as_is = _episode(monkeypatch, file, day, **settings)
    altered = _episode(monkeypatch, file, replace(day, snapshots=shots), **settings)
    # what happens in the last half second before the first altered row is told by that row alone
    before = int(np.searchsorted(as_is[2], shots["time"][~late][-1] + 10_000_000))
    assert before > 100
    for one, other in zip(as_is, altered, strict=True):
        assert one[:before].tobytes() == other[:before].tobytes()
    at = 0
    for name in (*BLOCKS, "history window"):
        width = len(BLOCKS[name]) if name in BLOCKS else 4 * 14
        if name not in ("time left", "own orders", "queue positions", "inventory"):
            assert (as_is[0][before:-1, at : at + width] != altered[0][before:-1, at : at + width]).any(), name
        at += width


def test_the_list_of_episodes_tiles_the_sessions_and_lies_between_the_moments():
    env = make(contract="RBSYN", episode_minutes=7).unwrapped
    length = 7 * 60 * 10**9
    for one, other in zip(env.episodes, env.episodes[1:], strict=False):
        assert one[2] - one[1] == length
        assert one[0] < other[0] or one[2] <= other[1]
    _, opens, closes = env.episodes[5]
    inside = make(contract="RBSYN", episode_minutes=2, between=[opens, closes]).unwrapped
    minute = 60 * 10**9
    assert [e[1:] for e in inside.episodes] == [(opens + k * minute, opens + (k + 2) * minute) for k in (0, 2, 4)]
    for seed in range(20):
        _, info = inside.reset(seed=seed)
        venue = inside.batch.venues[0]
        assert opens <= venue["opens"] < venue["closes"] <= closes
        assert venue["closes"] - venue["opens"] == 2 * minute
        assert info["time"] > venue["opens"]


def test_importing_the_package_beside_gymnasium_registers_the_environment():
    code = "import gymnasium, lobarena; print(gymnasium.spec('lobarena/MarketMaking-v0').entry_point)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "lobarena.sim.env:MarketMaking"


def test_the_environment_loads_none_of_the_learners_packages():
    code = (
        "import sys, gymnasium, lobarena.sim; env = gymnasium.make('lobarena/MarketMaking-v0'); env.reset(seed=0);"
        "env.step(0); gymnasium.make_vec('lobarena/MarketMaking-v0', num_envs=2);"
        "unwanted = ('torch', 'pandas', 'plotly', 'pettingzoo', 'stable_baselines3', 'optuna');"
        "print([m for m in unwanted if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
