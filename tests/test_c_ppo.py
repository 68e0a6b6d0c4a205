"""C-PPO: its losses by hand, its encoder, and that it learns and resumes on the toy market."""

import gymnasium
import numpy as np
import pytest
import torch
from toy_actors import ToyMarket, assert_resumes, assert_same, begun, mean_reward

import lobarena.sim  # noqa: F401 - registers the environment
from lobarena.agents.attention import AttentionEncoder
from lobarena.agents.c_ppo import CPpo, advantages, clipped_objective, log_density


def column(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float32).reshape(-1, 1)


def small(**changes: object) -> CPpo:
    return CPpo(**({"history": 5, "horizon": 64, "learning_rate": 2e-3} | changes))


def test_advantages_are_those_worked_out_by_hand():
    rewards, values = column(1, 2, 3), column(0.5, 1, 1.5, 2)
    going_on = advantages(rewards, values, column(0, 0, 0), gamma=0.5, lam=0.5)
    assert going_on.flatten().tolist() == [1.59375, 2.375, 2.5]


def test_advantages_end_with_the_episode():
    rewards, values = column(1, 2, 3), column(0.5, 1, 1.5, 2)
    ended = advantages(rewards, values, column(0, 1, 0), gamma=0.5, lam=0.5)
    assert ended.flatten().tolist() == [1.25, 1.0, 2.5]


def test_the_objective_takes_the_worse_of_ratio_and_clipped_ratio():
    log_ratio = torch.tensor([1.5, 0.5, 0.5]).log()
    value = clipped_objective(log_ratio, torch.tensor([1.0, -1.0, 1.0]), 0.2)
    assert value.item() == pytest.approx((1.2 - 0.8 + 0.5) / 3)


def test_beyond_the_clip_nothing_pulls_further():
    log_ratio = torch.tensor([1.5, 0.5]).log().requires_grad_()
    clipped_objective(log_ratio, torch.tensor([1.0, -1.0]), 0.2).backward()
    assert log_ratio.grad is not None
    assert log_ratio.grad.tolist() == [0, 0]


def test_the_density_is_that_of_independent_normals():
    actions, mean, log_std = torch.randn(7, 2), torch.randn(7, 2), torch.tensor([-1.0, 0.5])
    theirs = torch.distributions.Normal(mean, log_std.exp()).log_prob(actions).sum(1)
    torch.testing.assert_close(log_density(actions, mean, log_std), theirs)


def test_the_encoder_sees_every_look_and_knows_their_order():
    torch.manual_seed(1)
    encoder = AttentionEncoder(looks=6, width=3)
    window = torch.randn(1, 6, 3)
    plain = encoder(window.reshape(1, -1))
    for look in range(6):
        changed = window.clone()
        changed[0, look] += 1
        assert not torch.allclose(encoder(changed.reshape(1, -1)), plain), look
    assert not torch.allclose(encoder(window.flip(1).reshape(1, -1)), plain)


def test_a_size_that_the_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="multiple of heads"):
        AttentionEncoder(looks=4, width=3, size=30)


def test_it_learns_to_quote_wide_and_to_shed_inventory():
    market = ToyMarket(32, small().environment())
    learner = begun(small(), market)
    before = mean_reward(learner, market)
    for k in range(3):
        learner.learn(market, 20_000, k / 3, seed=k)
    assert mean_reward(learner, market) > before + 0.15
    inventory = np.zeros((2, market.single_observation_space.shape[0]), np.float32)
    inventory[:, market.places[0]], inventory[:, market.places[2]] = (-0.5, 0.5), 0.5
    short, long = learner.act(inventory)
    assert short[0] > long[0] + 0.5


def test_a_resumed_training_is_the_unbroken_one(tmp_path):
    assert_resumes(small, ToyMarket(16, small().environment()), steps=2_500, folder=tmp_path)


def test_steps_that_only_bring_a_new_episode_teach_nothing():
    market = ToyMarket(8, small().environment())
    clean, poisoned = (begun(small(), market) for _ in range(2))
    clean.learn(market, 2_000, 0.0, seed=1)
    poisoned.learn(ToyMarket(8, small().environment(), poison=1e6), 2_000, 0.0, seed=1)
    assert_same(clean, poisoned)


def test_global_generators_are_left_alone():
    market = ToyMarket(8, small().environment())
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    begun(small(), market).learn(market, 500, 0.0, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_actions_stay_inside_their_space_and_weights_under_a_megabyte():
    market = ToyMarket(8, small().environment())
    learner = begun(small(), market)
    actions = learner.act(np.full((3, market.single_observation_space.shape[0]), 1e4, np.float32))
    assert actions.shape == (3, 2)
    assert actions.dtype == np.float32
    assert (np.abs(actions) <= 1).all()
    assert sum(array.nbytes for array in learner.weights().values()) < 1_000_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("actor.0.bias"), "actor.0.bias is missing"),
        (lambda w: w.update({"actor.0.bias": np.zeros(3, np.float32)}), "actor.0.bias has shape"),
        (lambda w: w["actor.0.bias"].fill(np.nan), "actor.0.bias holds NaN"),
    ],
)
def test_weights_that_do_not_fit_are_named(change, message):
    learner = begun(small(), ToyMarket(8, small().environment()))
    weights = learner.weights()
    change(weights)
    with pytest.raises(ValueError, match=message):
        learner.load_weights(weights)


def test_it_learns_in_the_environment_that_it_asks_for():
    learner = CPpo(horizon=16)
    venv = gymnasium.make_vec("lobarena/MarketMaking-v0", num_envs=2, contract="RBSYN", **learner.environment())
    begun(learner, venv)
    assert np.isfinite(list(learner.learn(venv, 64, 0.0, seed=1).values())).all()
    observations, _ = venv.reset(seed=2)
    venv.step(learner.act(observations))
