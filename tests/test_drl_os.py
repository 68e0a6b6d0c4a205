"""Order stacking by branching double Q-learning: target and replay by hand, and a market of known best ladders."""

from typing import Any

import numpy as np
import pytest
import torch
from toy_quoting import BEST_LADDER, BEST_MEAN, ToyMarket

from lobarena.agents.branching import Branching, loss, target
from lobarena.agents.checkpoints import Checkpoint, load, save
from lobarena.agents.drl_os import DrlOs, mirror
from lobarena.agents.look_replay import Replay


def test_the_target_is_the_mean_over_levels_of_what_the_frozen_network_says_of_the_chosen():
    online = torch.tensor([[[0.0, 1.0], [5.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]]])  # chooses 1, 0 and 0, 1
    frozen = torch.tensor([[[9.0, 3.0], [7.0, 9.0]], [[8.0, 0.0], [0.0, 8.0]]])
    wanted = target(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.0]), online, frozen)
    assert wanted.tolist() == [1 + 0.5 * (3 + 7) / 2, 2.0]


def test_the_loss_is_that_of_the_actions_taken_by_weight():
    values = torch.tensor([[[0.0, 9.0], [9.0, 2.0]], [[1.0, 9.0], [1.0, 9.0]]])
    actions, wanted, weights = torch.tensor([[0, 1], [0, 0]]), torch.tensor([0.5, 3.0]), torch.tensor([3.0, 1.0])
    assert loss(values, actions, wanted, weights).item() == pytest.approx((3 * (0.25 + 2.25) / 2 + 4) / 4)


def test_values_of_a_level_differ_by_its_advantages_about_one_common_value():
    network = Branching(3, 4, 8, seed=1)
    values = network(torch.randn(5, 3))
    assert values.shape == (5, 4, 2)
    torch.testing.assert_close(values.mean(-1), values.mean(-1)[:, :1].expand(5, 4))
    again = Branching(3, 4, 8, seed=1)(torch.ones(1, 3))
    assert torch.equal(again, network(torch.ones(1, 3)))
    assert not torch.equal(again, Branching(3, 4, 8, seed=2)(torch.ones(1, 3)))


def filled(earned: list[float], over: set[int], void: set[int], looks: int = 20) -> Replay:
    """One environment that sees its row's number."""
    replay = Replay(looks, 1, 1, 1)
    for k, reward in enumerate(earned):
        here = np.array([[k]]), np.array([[k % 2]]), np.array([reward]), np.array([k in over]), np.array([k in void])
        replay.add(*here)
    return replay


def test_a_drawn_step_sums_discounted_rewards_up_to_its_reach_or_its_end():
    replay = filled([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0], over={3}, void={4})
    seen, done, returns, discounts, then = replay.draw(np.random.default_rng(0), 200, reach=2, gamma=0.5)
    steps = {
        int(s): (int(d), float(r), float(f), int(t))
        for s, d, r, f, t in zip(seen[:, 0], done[:, 0], returns, discounts, then[:, 0], strict=True)
    }
    assert steps == {
        0: (0, 1 + 0.5 * 2, 0.25, 2),
        1: (1, 2 + 0.5 * 4, 0.25, 3),
        2: (0, 4 + 0.5 * 8, 0.0, 4),  # the episode ended with the step from 3
        3: (1, 8.0, 0.0, 4),
    }  # 4 is void; 5 and 6 have not been followed by two looks yet


def test_a_step_that_a_slice_cut_short_goes_as_far_as_its_last_look():
    replay = filled([1.0, 2.0], over=set(), void=set())
    replay.close(np.array([[2]]))
    for k in range(3, 8):
        replay.add(np.array([[k]]), np.array([[0]]), np.array([100.0]), np.array([False]), np.array([False]))
    seen, _, returns, discounts, then = replay.draw(np.random.default_rng(0), 200, reach=4, gamma=0.5)
    first = seen[:, 0] == 0
    assert set(returns[first]) == {2.0}
    assert set(discounts[first]) == {0.25}
    assert set(then[first, 0]) == {2.0}
    assert 2.0 not in seen


def test_a_full_ring_forgets_its_oldest_looks():
    replay = filled([float(k) for k in range(50)], over=set(), void=set(), looks=10)
    seen, _, returns, _, then = replay.draw(np.random.default_rng(0), 300, reach=3, gamma=1.0)
    assert set(seen[:, 0]) == set(range(40, 47))
    assert np.array_equal(returns, 3 * seen[:, 0] + 3)
    assert np.array_equal(then, seen + 3)


def begun(**settings: Any) -> tuple[DrlOs, ToyMarket]:
    learner = DrlOs(**settings)
    venv = ToyMarket(32, **learner.environment())
    learner.begin(venv.single_observation_space, venv.single_action_space, 0)
    return learner, venv


def test_it_learns_which_orders_to_keep_of_a_market_where_that_is_known():
    learner, venv = begun(alpha=0.003, gamma=0.8, reach=1, follow=0.02, batch=128, pause=32, quiet=10.0)
    for part in range(5):
        learner.learn(venv, 10_000, part / 5, seed=part)
    observations, _ = venv.reset(seed=99)
    total, right = 0.0, []
    for _ in range(300):
        ladders = learner.act(observations)
        right.append(np.mean(ladders == np.array([BEST_LADDER[bool(wild)] for wild in venv.wild])))
        observations, rewards, *_ = venv.step(ladders)
        total += float(rewards.mean()) / 300
    assert np.mean(right) > 0.8
    assert total > 0.8 * BEST_MEAN["ladder"]


def test_a_slice_after_a_save_is_the_slice_without_one_to_the_bit(tmp_path):
    learner, venv = begun(memory=1_000)
    learner.learn(venv, 2_000, 0.0, seed=1)
    save(tmp_path, Checkpoint({}, learner.weights(), learner.state()))
    weights, state = (kept := load(tmp_path)).weights, kept.state
    log = learner.learn(venv, 2_000, 0.5, seed=2)
    other, venv = begun(memory=1_000)
    other.load_weights(weights)
    other.load_state(state)
    assert other.learn(venv, 2_000, 0.5, seed=2) == log
    for ours, theirs in ((other.weights(), learner.weights()), (other.state(), learner.state())):
        assert set(ours) == set(theirs)
        assert all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)
    assert any(weights[name].tobytes() != learner.weights()[name].tobytes() for name in weights)


def test_in_the_mirror_bids_are_asks_and_what_has_a_direction_has_the_other():
    names = [
        "own bid size, place 1",
        "position / limit",
        "own ask size, place 1",
        "order flow, memory 0.8",
        "volatility",
    ]
    order, sign = mirror(names)
    seen = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (seen[order] * sign).tolist() == [3.0, -2.0, 1.0, -4.0, 5.0]


def test_the_policy_is_that_of_the_network():
    learner, venv = begun()
    learner.learn(venv, 3_000, 0.0, seed=1)
    observations, _ = venv.reset(seed=3)
    with torch.no_grad():
        values = learner.average(torch.from_numpy(observations))
    assert np.array_equal(learner.act(observations), values.argmax(-1).float().numpy())


def test_the_weights_are_less_than_a_megabyte_and_of_single_precision():
    weights = begun()[0].weights()
    assert sum(array.nbytes for array in weights.values()) < 1_000_000
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}


def test_what_does_not_fit_is_told_with_what_would():
    learner, venv = begun()
    with pytest.raises(ValueError, match="`hidden` it was trained with"):
        learner.load_weights(begun(hidden=16)[0].weights())
    with pytest.raises(ValueError, match="missing"):
        learner.load_weights({})
    with pytest.raises(ValueError, match="not finite"):
        learner.load_weights({name: array * np.nan for name, array in learner.weights().items()})
    with pytest.raises(ValueError, match=r"make the environment with \*\*learner.environment"):
        learner.begin(venv.single_observation_space, ToyMarket(2, "offsets", ("inventory",)).single_action_space, 0)


def test_a_learner_that_diverges_says_so():
    learner, venv = begun()
    learner.network.value.bias.data[:] = float("nan")
    with pytest.raises(ValueError, match="diverged"):
        learner.learn(venv, 3_000, 0.0, seed=0)
