"""IMM: losses, ladder and expert by hand, the replay against a slow obvious one; it learns and resumes on the toy."""

import gymnasium
import numpy as np
import pytest
import torch
from toy_actors import ToyMarket, assert_resumes, assert_same, begun, mean_reward

import lobarena.sim  # noqa: F401 - registers the environment
from lobarena.agents.demonstrations import Expert, ladder
from lobarena.agents.imm import Imm, imitation_loss, policy_loss, smoothed, td_target, trend_loss
from lobarena.agents.imm_network import Representation, follow
from lobarena.agents.replay import Replay

T = torch.tensor


def small(**changes: object) -> Imm:
    return Imm(**({"history": 4, "demonstrations": 4_000, "cloning": 100, "batch": 128} | changes))


def test_the_target_takes_the_smaller_critic_and_ends_with_the_episode():
    target = td_target(T([1.0, 1.0]), T([0.0, 1.0]), T([4.0, 4.0]), T([2.0, 6.0]), gamma=0.5)
    assert target.tolist() == [2.0, 1.0]


def test_smoothing_noise_and_actions_are_clipped():
    action = smoothed(T([[0.0, 0.9, -0.2]]), T([[2.0, 0.3, -0.1]]), largest=0.5)
    torch.testing.assert_close(action, T([[0.5, 1.0, -0.3]]))


def test_imitation_is_the_mean_squared_distance_of_quotes():
    own = T([[0.0, 0.0], [1.0, 1.0]]).requires_grad_()
    loss = imitation_loss(own, T([[1.0, 2.0], [1.0, 0.0]]))
    assert loss.item() == 3.0  # (1 + 4 + 0 + 1) / 2
    loss.backward()
    assert own.grad is not None
    assert own.grad.tolist() == [[-1.0, -2.0], [0.0, 1.0]]


def test_the_policy_gradient_has_the_size_of_its_values_divided_out():
    value = T([3.0, -1.0]).requires_grad_()
    loss = policy_loss(value)
    assert loss.item() == -0.5
    loss.backward()
    assert value.grad is not None
    assert value.grad.tolist() == [-0.25, -0.25]


def test_trends_beyond_the_path_do_not_count():
    loss = trend_loss(T([[0.5, 0.0], [3.0, 9.0]]), T([[0.0, 7.0], [0.0, 0.0]]), T([[1.0, 0.0], [1.0, 0.0]]))
    assert loss.item() == pytest.approx((0.125 + 2.5) / 2)
    assert trend_loss(T([[1.0, 1.0]]), T([[0.0, 0.0]]), T([[0.0, 0.0]])).item() == 0


def test_a_quote_becomes_lots_on_the_ladder():
    quotes = np.array([[1 / 3, -0.2, -1.0, 0.0]])  # a tick up, two ticks behind; bid on one level, ask halving
    assert ladder(quotes).tolist() == [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0.5]]


def test_a_quote_far_enough_away_withdraws_its_side_and_none_is_before_the_best():
    assert ladder(np.array([[1.0, 0.6, -1.0, -1.0]])).tolist() == [[0, 1, 0, 0, 0, 0, 0, 0, 0, 0]]  # ask 7 ticks behind
    assert ladder(np.array([[1.0, -1.0, -1.0, -1.0]])).tolist() == [[1, 0, 0, 0, 0, 0, 0, 0, 1, 0]]  # bid would be -3


def test_the_expert_leans_against_inventory_and_with_the_trend():
    quotes = Expert(a=2.0, b=-10.0, d=0.5)(np.array([0.0, 0.1, 0.0, -1.0]), np.array([0.0, 0.0, 1.0, 0.0]))
    np.testing.assert_allclose(quotes[:, 0], [0, -1 / 3, 0.5 / 3, 1.0], rtol=1e-6)
    np.testing.assert_allclose(quotes[:, 1:], [[-0.2, -1, -1]] * 4, rtol=1e-6)


def test_the_representation_sees_every_look():
    torch.manual_seed(1)
    network = Representation(looks=8, width=3)
    window = torch.randn(1, 8, 3, requires_grad=True)
    network(window.reshape(1, -1)).sum().backward()
    assert window.grad is not None
    assert (window.grad[0].abs().sum(1) > 0).all()


def test_a_window_of_a_length_that_is_no_power_of_two_is_refused():
    with pytest.raises(ValueError, match="power of two"):
        Representation(looks=6, width=3)


def test_targets_follow_by_the_rate():
    slow, fast = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    with torch.no_grad():
        slow.weight.fill_(1.0)
        fast.weight.fill_(3.0)
    follow(slow, fast, 0.25)
    assert slow.weight.item() == 1.5


@pytest.mark.parametrize("steps", [5, 12, 31])
def test_a_sample_is_what_a_slow_look_through_the_paths_finds(steps):
    rng = np.random.default_rng(steps)
    rows, n, horizons = 12, 3, (2, 4)
    replay, past = Replay(rows, n, 1, 1), []
    ended = np.zeros(n, bool)
    for t in range(steps):
        over = (rng.random(n) < 0.15) & ~ended
        seen = (100 * np.arange(n)[:, None] + t).astype(np.float32)  # says which environment and step it is
        step = {"seen": seen, "move": rng.integers(-3, 4, n), "over": over, "valid": ~ended}
        past.append(step)
        replay.add(seen, step["move"], np.zeros((n, 1)), seen[:, 0], over, ~ended)
        ended = over
    replay.cut()
    batch = replay.sample(400, horizons, np.random.default_rng(1))
    found = set()
    for k in range(len(batch.seen)):
        env, t = divmod(int(batch.seen[k, 0]), 100)
        found.add((env, t))
        assert t >= steps - rows
        assert past[t]["valid"][env]
        assert batch.then[k, 0] == batch.seen[k, 0] + 1
        assert batch.terminated[k] == past[t]["over"][env]
        for j, horizon in enumerate(horizons):
            path = [u for u in range(t, t + horizon) if u < steps - 1 and past[u]["valid"][env]]
            assert batch.known[k, j] == (len(path) == horizon)
            if batch.known[k, j]:
                assert batch.moves[k, j] == sum(past[u + 1]["move"][env] for u in path)
    oldest = max(0, steps - rows)
    assert found == {(e, t) for e in range(n) for t in range(oldest, steps - 1) if past[t]["valid"][e]}


def test_it_learns_to_do_better_than_an_expert_that_quotes_too_near():
    market = ToyMarket(32, small().environment())
    learner = begun(small(expert_a=0.0, expert_b=-3.0, expert_d=0.0, learning_rate=1e-3, imitation=0.5), market)
    for k in range(3):
        learner.learn(market, 20_000, k / 3, seed=k)
    shown = mean_reward(ExpertAlone(learner), market)
    assert mean_reward(learner, market) > shown + 0.3


def test_it_begins_as_its_expert():
    market = ToyMarket(32, small().environment())
    learner = begun(small(cloning=600, learning_rate=1e-3, demonstrations=6_000), market)
    learner.learn(market, 6_000, 0.0, seed=1)
    observations, _ = market.reset(seed=9)
    for _ in range(50):
        observations, *_ = market.step(ladder(learner.quotes(observations)))
    assert np.abs(learner.quotes(observations) - learner.shown(observations)).mean() < 0.1


class ExpertAlone:
    def __init__(self, learner: Imm) -> None:
        self.learner = learner

    def act(self, observations: np.ndarray) -> np.ndarray:
        return ladder(self.learner.shown(observations))


def test_a_resumed_training_is_the_unbroken_one(tmp_path):
    assert_resumes(
        lambda: small(demonstrations=1_000), ToyMarket(16, small().environment()), steps=2_500, folder=tmp_path
    )


def test_steps_that_only_bring_a_new_episode_teach_nothing():
    market = ToyMarket(8, small().environment())
    clean, poisoned = (begun(small(demonstrations=400), market) for _ in range(2))
    clean.learn(market, 2_000, 0.0, seed=1)
    poisoned.learn(ToyMarket(8, small().environment(), poison=1e6), 2_000, 0.0, seed=1)
    assert_same(clean, poisoned)


def test_a_training_goes_on_with_as_many_environments_as_it_began_with():
    learner = begun(small(demonstrations=400), ToyMarket(8, small().environment()))
    learner.learn(ToyMarket(8, small().environment()), 800, 0.0, seed=1)
    with pytest.raises(ValueError, match="go on with as many, not 4"):
        learner.learn(ToyMarket(4, small().environment()), 800, 0.0, seed=1)


def test_weights_and_states_that_do_not_fit_are_named():
    market = ToyMarket(8, small().environment())
    learner = begun(small(demonstrations=400), market)
    learner.learn(market, 800, 0.0, seed=1)
    weights, state = learner.weights(), learner.state()
    assert sum(array.nbytes for array in weights.values()) < 1_000_000
    weights["policy.actor.0.bias"][0] = np.inf
    with pytest.raises(ValueError, match=r"policy.actor.0.bias holds NaN or infinity"):
        learner.load_weights(weights)
    del state["replay.move"]
    with pytest.raises(ValueError, match="no move"):
        learner.load_state(state)


def test_it_learns_in_the_environment_that_it_asks_for():
    learner = Imm(demonstrations=40, cloning=2)
    venv = gymnasium.make_vec("lobarena/MarketMaking-v0", num_envs=2, contract="RBSYN", **learner.environment())
    begun(learner, venv)
    assert np.isfinite(list(learner.learn(venv, 100, 0.0, seed=1).values())).all()
    observations, _ = venv.reset(seed=2)
    venv.step(learner.act(observations))
