"""The vector environment against single ones, byte by byte, through resets of every kind."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from naive_env import EVERY

from lobarena.sim.vector_env import VectorMarketMaking

NAME = "lobarena/MarketMaking-v0"
SETTINGS = {"contract": "RBSYN", "episode_minutes": 0.1, "order_size": 3, "position_limit": 7, "reward": "hybrid"}


def make_vec(n, **settings):
    return gymnasium.make_vec(NAME, num_envs=n, **SETTINGS | settings)


def singles(n, **settings):
    return [gymnasium.make(NAME, **SETTINGS | settings).unwrapped for _ in range(n)]


def actions_of(space, rng, n, kind):
    if kind != "orders":
        return np.array([space.sample() for _ in range(n)])
    found = np.zeros((n, 21), np.int32)
    found[:, 20] = rng.integers(-2, 3, n)  # market orders alone are never crossed
    return found


def same(venv_said, single_said, row):
    """One environment's part of what the two kinds say: observations and infos, equal by the byte."""
    seen, infos = venv_said
    observation, info = single_said
    assert seen[row].tobytes() == observation.tobytes(), row
    assert set(infos) == set(info)
    for name, value in info.items():
        assert infos[name][row].tobytes() == np.asarray(value, infos[name].dtype).tobytes(), (row, name)


@pytest.mark.parametrize(
    ("n", "kind", "settings"),
    [
        (3, "offsets", {"opponents": ("random", "foic")}),
        (3, "continuous", {"opponents": ("glft",), "contract": ("RBSYN", "AGSYN"), "reward": "pnl"}),
        (3, "ladder", {"observation": EVERY, "history": 3}),
        (3, "orders", {"observation": EVERY, "history": 3}),
        (130, "ladder", {"observation": EVERY, "history": 2, "opponents": ("foic:N=1",)}),
        (130, "offsets", {"opponents": ("random",), "episode_minutes": 0.04, "day": "20240104"}),
    ],
)
def test_each_environment_is_the_single_one_through_every_reset(n, kind, settings):
    venv = make_vec(n, action=kind, **settings)
    (env,) = singles(1, action=kind, **settings)
    venv.single_action_space.seed(1)
    rng = np.random.default_rng(1)
    first = venv.reset(seed=40)
    steps = []
    for _ in range(14 if "day" in settings else 34):
        actions = actions_of(venv.single_action_space, rng, n, kind)
        steps.append((actions, *venv.step(actions)))
    resets = 0
    for row in range(n):
        same(first, env.reset(seed=40 + row), row)
        over = False
        for actions, seen, rewards, ended, cut, infos in steps:
            if over:  # AutoresetMode.NEXT_STEP
                said, reward, last, resets = env.reset(), 0.0, False, resets + 1
            else:
                observation, reward, last, _, info = env.step(actions[row])
                said = observation, info
            same((seen, infos), said, row)
            assert rewards[row].tobytes() == np.float64(reward).tobytes()
            assert (ended[row], cut[row]) == (last, False)
            over = last
    assert resets >= 2 * n
    assert infos["lots"].dtype == np.float64


def test_masks_and_named_episodes_reset_a_part():
    venv, envs = make_vec(3), singles(3)
    venv.reset(seed=7)
    for row, env in enumerate(envs):
        env.reset(seed=7 + row)
    for _ in range(5):
        seen, *_, infos = venv.step(np.array([1, 2, 3]))
        told = [env.step(action)[::4] for env, action in zip(envs, (1, 2, 3), strict=True)]
    mask = np.array([True, False, True])
    said = venv.reset(seed=[11, None, 12], options={"reset_mask": mask, "episode": [4, 5, 600]})
    same(said, envs[0].reset(seed=11, options={"episode": 4}), 0)
    same(said, told[1], 1)
    same(said, envs[2].reset(seed=12, options={"episode": 600}), 2)
    seen, rewards, _, _, infos = venv.step(np.array([1, 2, 3]))
    for row, env in enumerate(envs):
        observation, reward, _, _, info = env.step(row + 1)
        same((seen, infos), (observation, info), row)
        assert rewards[row] == reward


def test_a_validation_run_plays_every_episode_once():
    venv = make_vec(1, day="20240103", episode_minutes=30)
    count = len(venv.episodes)
    venv = make_vec(count, day="20240103", episode_minutes=30, opponents=("foic",))
    _, infos = venv.reset(seed=0, options={"episode": range(count)})
    spans = np.array(venv.episodes)
    assert (infos["time"] > spans[:, 1]).all()
    assert (infos["time"] < spans[:, 1] + 2 * 10**9).all()
    done, wealth = np.zeros(count, bool), np.zeros(count)
    paid = np.zeros(count)
    while not done.all():
        _, rewards, over, _, infos = venv.step(np.full(count, 1))
        paid[~done] += rewards[~done]
        assert (infos["time"][over & ~done] == spans[over & ~done, 2]).all()
        wealth[over & ~done] = infos["wealth"][over & ~done]
        done |= over
    assert wealth.any()
    # every episode of the same length ends at the same step here, so that the infos are the last ones of all
    env = singles(1, day="20240103", episode_minutes=30, opponents=("foic",))[0]
    env.reset(seed=0, options={"episode": 2})
    over = False
    while not over:
        *_, over, _, info = env.step(1)
    assert info["wealth"] == wealth[2]


def test_gymnasium_makes_this_class_with_batched_spaces():
    venv = make_vec(4)
    assert type(venv.unwrapped) is VectorMarketMaking
    assert venv.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert venv.spec.kwargs["contract"] == "RBSYN"
    (env,) = singles(1)
    assert venv.single_observation_space == env.observation_space
    assert venv.single_action_space == env.action_space
    assert venv.observation_space.shape == (4, *env.observation_space.shape)
    assert venv.action_space.shape == (4,)
    assert venv.part_names == env.part_names
    assert venv.episodes == env.episodes
    seen, _ = venv.reset(seed=0)
    assert seen in venv.observation_space
    seen, rewards, over, cut, _ = venv.step(venv.action_space.sample())
    assert seen in venv.observation_space
    assert [one.dtype for one in (seen, rewards, over, cut)] == [np.float32, np.float64, bool, bool]


@pytest.mark.parametrize(
    "wrapper",
    [
        gymnasium.wrappers.vector.RecordEpisodeStatistics,
        lambda venv: gymnasium.wrappers.vector.NormalizeObservation(venv),
        lambda venv: gymnasium.wrappers.vector.ClipReward(venv, -1, 1),
    ],
)
def test_gymnasiums_vector_wrappers_run(wrapper):
    venv = wrapper(make_vec(3))
    venv.reset(seed=0)
    for _ in range(30):
        venv.step(venv.action_space.sample())


def test_what_a_step_returned_is_not_changed_by_the_next():
    venv = make_vec(3)
    seen, infos = venv.reset(seed=0)
    kept, old = seen.copy(), {name: value.copy() for name, value in infos.items()}
    one = venv.step(np.zeros(3, int))
    copies = [part.copy() for part in one[:4]]
    for _ in range(20):
        venv.step(np.ones(3, int))
    assert (seen == kept).all()
    assert all((infos[name] == old[name]).all() for name in infos)
    assert all((part == copy).all() for part, copy in zip(one[:4], copies, strict=True))


def test_what_is_wrong_with_a_reset_is_said():
    venv = make_vec(2)
    for arguments, message in (
        ({"seed": [1]}, "1 seeds for 2 environments"),
        ({"options": {"episode": [0]}}, "1 episodes named for 2 environments"),
        ({"options": {"episode": [0, 10**6]}}, r"episode is 1000000; the data have episodes 0 to \d+"),
        ({"options": {"reset_mask": np.array([True])}}, "reset_mask"),
        ({"options": {"reset_mask": np.ones(3, bool)}}, "reset_mask"),
    ):
        with pytest.raises(ValueError, match=message):
            venv.reset(**arguments)


def test_a_step_after_a_wrong_action_asks_for_a_reset_of_all():
    """The environments before the wrong one have moved and the others have not: a reset of some does not mend that."""
    venv = make_vec(3, action="continuous")
    venv.reset(seed=0, options={"episode": [0, 1, 2]})
    wrong, good = np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32)
    wrong[1, 0] = np.nan
    with pytest.raises(ValueError, match=r"action \[nan, 0.0\] of environment 1 is not a finite number"):
        venv.step(wrong)
    for _ in range(2):
        with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
            venv.step(good)
    venv.reset(options={"reset_mask": np.array([False, True, False])})
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        venv.step(good)
    venv.reset(seed=0)
    venv.step(good)


def test_a_wrong_action_beside_an_episode_that_is_over_is_not_forgotten():
    venv = make_vec(3, action="continuous")
    venv.reset(seed=0)
    good = np.zeros((3, 2), np.float32)
    for _ in range(4):
        venv.step(good)
    venv.reset(options={"reset_mask": np.array([False, True, True])})
    over = np.zeros(3, bool)
    while not over.any():
        _, _, over, _, _ = venv.step(good)
    assert over.tolist() == [True, False, False]
    wrong = good.copy()
    wrong[2] = np.inf
    with pytest.raises(ValueError, match="environment 2"):
        venv.step(wrong)
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        venv.step(good)


def test_the_action_of_an_environment_that_is_reset_does_not_count():
    venv = make_vec(2, action="continuous")
    venv.reset(seed=0)
    over = np.zeros(2, bool)
    while not over.all():
        _, _, over, _, _ = venv.step(np.zeros((2, 2)))
    _, rewards, _, _, _ = venv.step(np.full((2, 2), np.nan))
    assert not rewards.any()
