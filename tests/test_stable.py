"""PPO, SAC and DQN by stable-baselines3: they learn, stop and go on to the same bits, and act without the library."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
import toy_training

from lobarena.agents import checkpoints, stable_weights
from lobarena.agents.stable import Dqn, Ppo, Sac
from lobarena.agents.validation import validate
from lobarena.agents.weight_file import WeightsError, read
from lobarena.sim.sb3 import StableVecEnv

QUICK = {
    "ppo": lambda: Ppo(rollout=32, batch_size=128, learning_rate=3e-3),
    "ppo offsets": lambda: Ppo(rollout=32, batch_size=128, learning_rate=3e-3, action="offsets"),
    "sac": lambda: Sac(learning_starts=200, train_freq=2, learning_rate=3e-3, gamma=0.5, buffer=2_000),
    "dqn": lambda: Dqn(
        learning_starts=200, train_freq=1, learning_rate=1e-3, gamma=0.5, target_every=200, buffer=2_000
    ),
}


@pytest.fixture(params=sorted(QUICK))
def make(request):
    return QUICK[request.param]


def begun(learner, seed=3):
    venv = toy_training.Toy(8, action=learner.action)
    learner.begin(venv.single_observation_space, venv.single_action_space, seed)
    return learner, venv


def same(first, second):
    return first.keys() == second.keys() and all(
        first[key].tobytes() == second[key].tobytes() and first[key].dtype == second[key].dtype for key in first
    )


def test_the_first_policy_of_a_continuous_action_quotes_where_it_is_told_to_start():
    for learner in (Ppo(start=-0.6), Sac(start=-0.6)):
        learner, venv = begun(learner)
        learner.weights()
        observations, _ = venv.reset(seed=0)
        np.testing.assert_allclose(learner.act(observations)[:, 1], -0.6, atol=0.05)


def test_a_unit_scales_what_networks_hear_and_not_what_is_logged():
    logged = [begun(Ppo(rollout=32, batch_size=128, unit=unit, action="offsets"))[0] for unit in (1.0, 4.0)]
    told = [learner.learn(toy_training.Toy(8), 512, 0.0, 3) for learner in logged]
    assert told[0]["value_loss"] > 5 * told[1]["value_loss"]
    assert abs(told[0]["reward"]) <= 1
    assert abs(told[1]["reward"] - told[0]["reward"]) < 0.2


def test_it_learns_what_earns(make):
    learner, venv = begun(make())
    stage = toy_training.Toy(6, action=learner.action, between=(20, 26))
    learner.weights()
    before = validate(learner.act, stage, range(6)).pnlmap
    for k in range(6):
        logged = learner.learn(venv, 2_048, k / 6, k)
    assert all(np.isfinite(value) for value in logged.values())
    assert "reward" in logged
    assert validate(learner.act, stage, range(6)).pnlmap > before + 6


def test_two_slices_are_two_slices_in_one_life_or_two(make, tmp_path):
    learner, venv = begun(make())
    learner.learn(venv, 512, 0.0, 11)
    checkpoints.save(tmp_path, checkpoints.Checkpoint({}, learner.weights(), learner.state()))
    kept = checkpoints.load(tmp_path)
    other, other_venv = begun(make(), seed=99)
    other.load_weights(kept.weights)
    other.load_state(kept.state)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - the generator of the library
    assert learner.learn(venv, 512, 0.5, 12) == other.learn(other_venv, 512, 0.5, 12)
    assert same(learner.weights(), other.weights())
    assert same(learner.state(), other.state())


def test_weights_alone_are_a_beginning_too(make):
    learner, venv = begun(make())
    learner.learn(venv, 512, 0.0, 11)
    other, _ = begun(make(), seed=99)
    other.load_weights(learner.weights())
    assert same(other.weights(), learner.weights())
    other.learn(venv, 512, 0.0, 12)
    assert not same(other.weights(), learner.weights())


def test_the_beginning_depends_on_the_seed_alone(make):
    first, second, other = (begun(make(), seed)[0] for seed in (1, 1, 2))
    assert same(first.weights(), second.weights())
    assert not same(first.weights(), other.weights())


def test_acting_is_what_the_library_would_do(make):
    learner, venv = begun(make())
    learner.learn(venv, 512, 0.0, 1)
    model = learner._model(venv.num_envs, 1, 0.0)
    learner._put(model)
    seen = np.random.default_rng(5).uniform(-2, 2, (50, 3)).astype(np.float32)
    expected, _ = model.predict(seen, deterministic=True)
    np.testing.assert_allclose(learner.act(seen), expected, rtol=1e-4, atol=1e-5)


def test_a_slice_takes_the_steps_that_it_was_asked_for(make):
    learner, venv = begun(make())
    for steps in (512, 1_200):
        before = int(learner.state()["counters"][0])
        learner.learn(venv, steps, 0.0, 1)
        assert int(learner.state()["counters"][0]) - before == steps


def test_a_slice_that_is_no_whole_number_of_rollouts_takes_no_rollout_more():
    learner, venv = begun(QUICK["ppo"]())
    learner.learn(venv, 808, 0.0, 1)  # 101 looks of 8 environments: three rollouts of about 32
    assert 808 <= int(learner.state()["counters"][0]) <= 808 + 8 * 3


def test_weights_that_do_not_fit_are_named(make):
    learner, _ = begun(make())
    weights = learner.weights()
    with pytest.raises(ValueError, match=r"has 0\.bias, 0\.weight"):
        learner.load_weights({"0.weight": weights["0.weight"]})
    with pytest.raises(ValueError, match=r"1\.bias is float32\(3,\)"):
        learner.load_weights(weights | {"1.bias": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match=r"1\.bias is float64"):
        learner.load_weights(weights | {"1.bias": np.zeros(64)})


def test_acting_needs_neither_torch_nor_the_library():
    script = """
import sys
import gymnasium
import numpy as np
from lobarena.agents.stable import Dqn
learner = Dqn(width=2)
learner.begin(gymnasium.spaces.Box(-1, 1, (3,), np.float32), gymnasium.spaces.Discrete(4), 0)
shapes = {"0": (2, 3), "1": (2, 2), "2": (4, 2)}
arrays = {f"{k}.weight": np.ones(shape, np.float32) for k, shape in shapes.items()}
learner.load_weights(arrays | {f"{k}.bias": np.zeros(shape[0], np.float32) for k, shape in shapes.items()})
assert learner.act(np.ones((5, 3), np.float32)).shape == (5,)
print(not {"torch", "stable_baselines3"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


@pytest.fixture
def archive(tmp_path):
    from stable_baselines3 import PPO

    model = PPO("MlpPolicy", StableVecEnv(toy_training.Toy(2)), seed=1)
    model.save(tmp_path / "model.zip")
    return tmp_path / "model.zip", model


def test_an_archive_becomes_a_file_of_weights(archive, tmp_path, monkeypatch, capsys):
    path, model = archive
    name, weights = stable_weights.from_archive(path)
    assert (name, {key: array.tolist() for key, array in weights.items()}) == (
        "ppo",
        {key: array.tolist() for key, array in stable_weights.from_model(model)[1].items()},
    )
    out = tmp_path / "w.safetensors"
    told = '{"observation": ["imbalance"], "action": "offsets"}'
    monkeypatch.setattr(sys, "argv", ["x", str(path), str(out), "--environment", told])
    stable_weights.main()
    assert f"ppo:weights={out}" in capsys.readouterr().out
    arrays, card = read(out, "ppo")
    assert (card.observation, card.features, card.action) == (("imbalance",), 3, "offsets")
    learner, _ = begun(Ppo(**card.hyperparameters))
    learner.load_weights(arrays)
    seen = np.random.default_rng(5).uniform(-2, 2, (20, 3)).astype(np.float32)
    assert learner.act(seen).tolist() == model.predict(seen, deterministic=True)[0].tolist()


def test_an_archive_with_code_in_it_runs_nothing(archive, tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("policy.pth", pickle.dumps({"action_net.weight": Evil()}))
        file.writestr("data", "{}")
    with pytest.raises(WeightsError, match="no archive of stable-baselines3 with plain tensors"):
        stable_weights.from_archive(path)
    assert not (tmp_path / "owned").exists()


def test_what_is_no_archive_or_another_network_is_told(tmp_path, monkeypatch):
    path = tmp_path / "model.zip"
    path.write_bytes(b"PK nothing")
    with pytest.raises(WeightsError, match="no archive"):
        stable_weights.from_archive(path)
    with pytest.raises(WeightsError, match="no policy network"):
        stable_weights.from_tensors({"a": np.ones(1)})
    layers = ((64, 3), (32, 64), (10, 32))
    tensors = {f"{layer}.weight": np.ones(shape) for layer, shape in zip(Ppo.layers, layers, strict=True)}
    tensors |= {f"{layer}.bias": np.ones(shape[0]) for layer, shape in zip(Ppo.layers, layers, strict=True)}
    with pytest.raises(WeightsError, match="of one width"):
        stable_weights.from_tensors(tensors)
    monkeypatch.setattr(sys, "argv", ["x", str(path), str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="no archive"):
        stable_weights.main()
