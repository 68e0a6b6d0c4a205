import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import lobarena.sim  # noqa: F401 - registers the environment
from lobarena.sim.env import CLEAR, MarketMaking
from lobarena.sim.features import FEATURES

NAME = "lobarena/MarketMaking-v0"


def make(**options):
    return gymnasium.make(NAME, episode_minutes=2, **options)


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


def test_gymnasiums_own_checker_passes():
    check_env(make().unwrapped, skip_render_check=True)


def test_the_docstring_specifies_every_observation_with_its_bounds():
    space = make().observation_space
    rows = [
        line for line in MarketMaking.__doc__.splitlines() if line.strip().startswith("| ") and line.count("|") == 6
    ]
    covered = set()
    for row in rows:
        cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
        if not cells[0][:1].isdigit():
            continue
        low, _, high = cells[0].partition("-")
        for index in range(int(low), int(high or low) + 1):
            covered.add(index)
            assert (space.low[index], space.high[index]) == (float(cells[2]), float(cells[3])), FEATURES[index]
    assert covered == set(range(space.shape[0]))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    one, two = play(make(), 5), play(make(), 5)
    assert one[0].tobytes() == two[0].tobytes()
    assert one[1].tobytes() == two[1].tobytes()
    assert play(make(), 6)[0].tobytes() != one[0].tobytes()


def test_rewards_are_the_change_of_marked_wealth_and_sum_to_it_after_liquidation():
    env = make()
    env.reset(seed=1)
    tick_value = env.unwrapped.market.feed.contract.tick_value
    before = 0.0
    for step in range(10_000):
        _, reward, over, _, info = env.step(step % 9)
        assert reward * tick_value == pytest.approx(info["wealth"] - before, abs=1e-6)
        before = info["wealth"]
        if over:
            break
    assert over
    assert info["position"] == 0


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


def test_a_step_after_the_end_asks_for_a_reset():
    env = make().unwrapped
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        env.step(0)


def test_the_position_never_passes_its_limit():
    env = make(order_size=2, position_limit=3)
    env.reset(seed=3)
    over = False
    while not over:
        *_, over, _, info = env.step(0)
        assert abs(info["position"]) <= 3


def test_opponents_change_the_market_and_an_unknown_one_is_named():
    alone, crowded = play(make(), 4), play(make(opponents=("foic", "foic:N=1")), 4)
    assert alone[0].shape == crowded[0].shape
    assert alone[0].tobytes() != crowded[0].tobytes()
    with pytest.raises(ValueError, match="foic"):
        make(opponents=("fioc",)).reset()


def test_the_last_observation_is_the_learners_own_not_an_opponents():
    env = make(opponents=("foic",)).unwrapped
    env.reset(seed=4)
    over = False
    while not over:
        observation, _, over, _, _ = env.step(CLEAR)  # never quotes, so it never holds anything; foic does
    assert abs(env.market.fills["size"].sum()) > 0
    assert observation[24] == 0.0
    assert (observation[25], observation[27]) == (100.0, 100.0)


def test_what_comes_later_cannot_be_seen_before():
    """Change every row of the record after a moment: nothing before it differs by a bit."""
    from dataclasses import replace

    from lobarena.data.catalogue import read_day
    from lobarena.sim import env as module
    from lobarena.sim.feed import snapshot_feed

    one, other = make().unwrapped, make().unwrapped
    one.reset(seed=9, options={"segment": 0})
    feed, file = one.market.feed, one.files
    opens, closes = int(one.market.venue[0]["opens"]), int(one.market.venue[0]["closes"])
    moment = (opens + closes) // 2
    day = read_day(next(f for f in file if f.trading_day == feed.day))
    shots = day.snapshots.copy()
    late = shots["time"] > moment
    for name in ("bid", "ask", "last"):
        shots[name][late] += 7
    shots["bid_size"][late] += 1
    shots["turnover"][late] += 7 * (shots["volume"][late] - shots["volume"][~late][-1])
    changed = snapshot_feed(replace(day, snapshots=shots), 0)

    def run(env, feed):
        env.files = [next(f for f in env.files if f.trading_day == feed.day)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_feed", lambda *_: feed)
            env.market = None
            seen, rewards = [env.reset(seed=9, options={"segment": 0})[0]], []
            over = False
            while not over and int(env.market.venue[0]["now"]) <= moment:
                observation, reward, over, _, info = env.step(0)
                if info["time"] <= moment:
                    seen.append(observation)
                    rewards.append(reward)
        return np.array(seen).tobytes(), np.array(rewards).tobytes()

    assert run(one, feed) == run(other, changed)


def test_importing_the_package_beside_gymnasium_registers_the_environment():
    code = "import gymnasium, lobarena; print(gymnasium.spec('lobarena/MarketMaking-v0').entry_point)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "lobarena.sim.env:MarketMaking"


def test_the_environment_loads_neither_torch_nor_pandas():
    code = (
        "import sys, gymnasium, lobarena.sim; env = gymnasium.make('lobarena/MarketMaking-v0'); env.reset(seed=0);"
        "env.step(0); print([m for m in ('torch', 'pandas', 'plotly') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
