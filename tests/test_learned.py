"""Learners in the tournament: the same looks, the same quotes and the same money as in their environment."""

import gymnasium
import numpy as np
import pytest
from markets import UPPER, after, day_of
from test_agents import context, observation

from lobarena.agents import learned
from lobarena.agents.base import Context, check_quotes
from lobarena.agents.learned import Learned
from lobarena.agents.learner import LEARNERS, TrainingError, hyperparameters, make_learner
from lobarena.agents.stable import Dqn, Ppo, Sac
from lobarena.agents.table import AGENTS, describe, make, parse
from lobarena.agents.weight_file import Card, WeightsError, write
from lobarena.benchmarks.config import ConfigError, settings
from lobarena.benchmarks.programme import entries
from lobarena.sim.blocks import layout
from lobarena.sim.market import Latency, Market, Rules, Seat

STABLE = {"ppo": Ppo(), "ppo continuous": Ppo(action="continuous"), "sac": Sac(), "dqn": Dqn()}


def untrained(folder, policy, seed=5, **card):
    """A file of weights as they begin."""
    env = gymnasium.make("lobarena/MarketMaking-v0", **policy.environment())
    policy.begin(env.observation_space, env.action_space, seed)
    told = policy.environment()
    about = {
        "learner": policy.name,
        "observation": tuple(told["observation"]),
        "history": int(told.get("history", 0)),
        "features": env.observation_space.shape[0],
        "normalise": True,
        "action": told["action"],
        "reward": told["reward"],
        "hyperparameters": hyperparameters(policy),
    }
    rng = np.random.default_rng(seed)
    weights = {  # livelier than how a network begins, so that the quotes differ from look to look
        key: (rng.normal(size=array.shape) / np.sqrt(array.shape[-1])).astype(np.float32)
        for key, array in policy.weights().items()
    }
    near, away = (0, 1.0) if told["action"] == "offsets" else (1, -1.0)
    weights["2.bias"][near] += away  # and near enough to the touch to be filled
    return write(folder / f"{policy.name}.safetensors", weights, Card(**about | card))


@pytest.fixture(params=sorted(STABLE))
def agent(request, tmp_path):
    learner = STABLE[request.param]
    return make(learner.name, weights=str(untrained(tmp_path, learner)))


def test_an_episode_of_the_tournament_is_an_episode_of_the_environment(agent):
    env = gymnasium.make(
        "lobarena/MarketMaking-v0", contract="RBSYN", episode_minutes=10, **agent._policy.environment()
    )
    seen, info = env.reset(seed=0, options={"episode": 1})
    place, opens, closes = env.unwrapped.episodes[1]
    over, wealths = False, []
    while not over:
        seen, _, over, _, info = env.step(agent._policy.act(seen[None])[0])
        wealths.append(info["wealth"])
    assert len(set(wealths)) > 10
    assert info["fees"] > 0
    feed = env.unwrapped.batch.day(place).feed
    market = Market(feed, Rules())
    latency = Latency(*[5_000_000] * 3)
    market.start([Seat(latency=latency, position_limit=20)], opens, closes)
    agent.reset(Context(feed.contract, 1, 1, 20, opens, closes, np.random.default_rng(0)))
    looks = 0
    while (seat := market.run()) > 0:
        quotes = agent.act(market.observation(seat))
        check_quotes(quotes)
        market.decide(seat, quotes.bids, quotes.asks, quotes.take, thinking_ns=1_000_000)
        looks += 1
    assert looks == len(wealths)
    assert market.wealth(1) == pytest.approx(wealths[-1], rel=1e-12)


def test_it_begins_each_episode_anew(agent):
    def walk():
        agent.reset(context())
        return [agent.act(observation(3_800 + k % 3, 3_801 + k % 3, k % 5 - 2, after_s=k / 2)) for k in range(60)]

    assert walk() == walk()
    assert len(set(map(str, walk()))) > 2


def test_what_it_costs_is_counted(agent):
    arrays = agent._policy.weights()
    assert agent.parameters == sum(array.size for array in arrays.values()) > 4_000
    assert agent.flop == 2 * agent.parameters


def test_a_locked_or_closed_market_is_not_quoted(agent):
    agent.reset(context())
    market = Market(day_of(*[(k / 2, UPPER, 500, 0, 0, UPPER, 2 * k) for k in range(1, 20)]))
    market.start([Seat()], after(0.75), after(8))
    while (seat := market.run()) > 0:
        quotes = agent.act(market.observation(seat))
        assert not any((*quotes.bids, *quotes.asks, quotes.take))
        market.decide(seat)


def test_all_seven_learners_are_listed_with_what_they_are():
    rows = {row[0]: row for row in describe()}
    assert set(LEARNERS) <= set(AGENTS) & set(rows)
    for name in LEARNERS:
        assert f"lobarena train {name}" in rows[name][2]
        assert rows[name][3] == {"weights": ""}


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_without_weights_the_command_that_makes_them_is_told(name, monkeypatch, tmp_path):
    monkeypatch.setattr(learned, "PACKAGED", tmp_path)
    with pytest.raises(WeightsError, match=rf"lobarena train {name}` and give {name}:weights=FILE"):
        make(name)
    with pytest.raises(ConfigError, match=rf"agents: .*lobarena train {name}"):
        entries(settings(None, {"agents": (name,)}))
    assert parse(f"{name}:weights=a.safetensors") == (name, {"weights": "a.safetensors"})


def test_the_packaged_weights_are_taken_when_there_are_some(monkeypatch, tmp_path):
    untrained(tmp_path, Dqn())
    monkeypatch.setattr(learned, "PACKAGED", tmp_path)
    assert isinstance(make("dqn"), Learned)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"learner": "sac"}, "weights of 'sac', not of 'dqn'"),
        ({"observation": ("levels",)}, r"trained on 35 numbers, its blocks levels have 20"),
        ({"observation": ("levles",)}, "no observation block 'levles'"),
        ({"history": 5}, "history is 5 looks"),
        ({"action": "offset"}, "no action 'offset'"),
        ({"action": "continuous"}, r"has float32\(2, 64\)"),
        ({"hyperparameters": {"width": 32}}, r"has float32\(32,"),
        ({"hyperparameters": {"wdith": 32}}, "did you mean 'width'"),
        ({"hyperparameters": {"width": "many"}}, "width is 'many'"),
        ({"history": 10**9}, "history is 1,000,000,000, at most 10,000"),
        ({"features": 10**12}, "features is 1,000,000,000,000, at most"),
    ],
)
def test_weights_that_do_not_fit_are_told_before_the_start(tmp_path, card, message):
    path = untrained(tmp_path, Dqn(), **card)
    with pytest.raises(WeightsError, match=message) as told:
        make("dqn", weights=str(path))
    assert str(path) in str(told.value)


def test_arrays_that_break_the_learner_are_told_as_a_damaged_file(tmp_path):
    blocks = make_learner("rl-ds").environment()["observation"]
    card = Card("rl-ds", blocks, 0, len(layout(blocks, 0, True)), True, "offsets", "pnl")
    arrays = {"table": np.zeros((24_576, 10), np.float32), "tilings": np.zeros(0, np.int64)}
    path = write(tmp_path / "rl-ds.safetensors", arrays, card)
    with pytest.raises(WeightsError, match="train again, lobarena train rl-ds"):
        make("rl-ds", weights=str(path))


def test_a_learner_is_made_by_name_and_text():
    assert make_learner("ppo", {"learning_rate": "0.01", "epochs": "7", "action": "continuous"}) == Ppo(
        learning_rate=0.01, epochs=7, action="continuous"
    )
    for settings_, message in (
        ({"learning_rte": 1}, "did you mean 'learning_rate'"),
        ({"learning_rate": "fast"}, "give a value like 0.001"),
        ({"learning_rate": "nan"}, "give a value like"),
        ({"epochs": "1.5"}, "give a value like 4"),
    ):
        with pytest.raises(TrainingError, match=message):
            make_learner("ppo", settings_)
    assert make_learner("rl-ds", {"shares": "0.5,0.2,0.3"}) == make_learner("rl-ds", {"shares": [0.5, 0.2, 0.3]})
    for shares in ("0.5,0.5", "0.5,0.2,most", [0.5]):
        with pytest.raises(TrainingError, match=r"shares is .*; give a value like|shares is 'most'; give a value like"):
            make_learner("rl-ds", {"shares": shares})
    with pytest.raises(TrainingError, match="no learner 'pp'; did you mean"):
        make_learner("pp")


def test_the_layout_of_the_file_is_the_layout_of_the_environment(agent):
    env = gymnasium.make("lobarena/MarketMaking-v0", **agent._policy.environment())
    assert agent._layout.tobytes() == layout(agent._policy.environment()["observation"], 0, True).tobytes()
    assert len(agent._layout) == env.observation_space.shape[0]
