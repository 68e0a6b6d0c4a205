"""Several learners in one book: PettingZoo's own checks, fairness, conservation, and who leaves when."""

import gymnasium
import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

from lobarena.agents.base import Context
from lobarena.agents.table import make
from lobarena.sim.seats_env import Seats, parallel_env

SETTINGS = {"contract": "RBSYN", "day": "20240104", "episode_minutes": 0.5}
TOUCH = np.array([1, 0, 0, 0, 0] * 2, np.float32)  # a lot at each best price


class Fixed:
    """A generator whose permutations are given: who sits where is not drawn."""

    def __init__(self, seed, order):
        self.rng, self.order = np.random.default_rng(seed), np.array(order) - 1

    def __getattr__(self, name):
        return getattr(self.rng, name)

    def permutation(self, k):
        assert k == len(self.order)
        return self.order


def seated(order, seed=0, episode=30, **settings):
    """An environment whose n-th agent sits in seat order[n], at the start of an episode, and its observations."""
    env = Seats(len(order), **SETTINGS | settings)
    env.np_random = Fixed(seed, order)
    seen, _ = env.reset(options={"episode": episode})
    assert env.batch.cases[0]["seats"][: len(order)].tolist() == list(order)
    return env, seen


@pytest.mark.parametrize("kind", ["offsets", "continuous", "ladder"])
def test_pettingzoos_own_checks_pass(kind, capsys):
    parallel_api_test(Seats(3, action=kind, opponents=("foic",), **SETTINGS), num_cycles=150)
    parallel_seed_test(lambda: parallel_env(2, action=kind, **SETTINGS))


def test_one_seat_is_the_single_environment():
    settings = SETTINGS | {"action": "ladder", "order_size": 3, "opponents": ("random", "foic"), "reward": "hybrid"}
    seats, env = Seats(1, **settings), gymnasium.make("lobarena/MarketMaking-v0", **settings).unwrapped
    env.action_space.seed(0)
    for seed in (1, 2):
        seen, infos = seats.reset(seed=seed)
        observation, info = env.reset(seed=seed)
        assert seen["seat_1"].tobytes() == observation.tobytes()
        over = False
        while not over:
            action = env.action_space.sample()
            observation, reward, over, _, info = env.step(action)
            seen, rewards, ends, cut, infos = seats.step({"seat_1": action})
            assert seen["seat_1"].tobytes() == observation.tobytes()
            assert (rewards["seat_1"], ends["seat_1"], cut["seat_1"]) == (reward, over, False)
            assert infos["seat_1"].pop("parts").tobytes() == info.pop("parts").tobytes()
            assert infos["seat_1"] == info
        assert seats.agents == []
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        seats.step({"seat_1": action})


def test_a_learner_in_the_second_seat_meets_the_market_as_an_opponent_does():
    """The orders of FOIC sent by a learner are FOIC: the first seat's learner cannot tell them apart."""
    env, seen = seated((1, 2), action="orders")
    single = gymnasium.make("lobarena/MarketMaking-v0", **SETTINGS, action="orders", opponents=("foic:N=1",)).unwrapped
    single.reset(seed=0)
    observation, _ = single.reset(options={"episode": 30})
    foic = make("foic", N=1)
    contract = env.batch.day(0).feed.contract
    foic.reset(Context(contract, 2, 1, 20, 0, 0, np.random.default_rng(0)))
    over, traded = False, 0
    while not over:
        assert seen["seat_1"].tobytes() == observation.tobytes()
        mine, theirs = np.zeros(21, np.int32), np.zeros(21, np.int32)
        look = env.batch.learners[0, 0]["look"]
        mine[:2], mine[10:12] = (look["bid"][0], 1), (look["ask"][0], 1)
        quotes = foic.act(env.batch.learners[0, 1]["look"])
        for at, ladder in ((0, quotes.bids), (10, quotes.asks)):
            for price, size in ladder:
                theirs[at : at + 2] = price, size
        seen, rewards, ends, _, infos = env.step({"seat_1": mine, "seat_2": theirs})
        observation, reward, over, _, info = single.step(mine)
        assert rewards["seat_1"] == reward
        assert infos["seat_1"]["wealth"] == info["wealth"]
        assert ends["seat_1"] == over
        traded += infos["seat_2"]["lots"]
    assert traded > 0


def test_what_the_crowd_and_the_seats_have_sums_to_nothing_at_every_step():
    env = Seats(3, action="ladder", order_size=4, opponents=("foic", "random"), **SETTINGS)
    env.reset(seed=3)
    generator, lots = np.random.default_rng(0), 0
    while env.agents:
        *_, infos = env.step({name: generator.random(10, np.float32) for name in env.agents})
        venue = env.batch.venues[0]
        assert venue["seat"]["cash"].sum() + venue["crowd_cash"] == 0
        assert venue["seat"]["position"].sum() + venue["crowd_position"] == 0
        for name, info in infos.items():
            seat = venue["seat"][env.batch.cases[0]["seats"][env.possible_agents.index(name)]]
            assert info["position"] == seat["position"]
            assert info["fees"] == seat["fees"]
            lots += info["lots"]
    assert lots > 20
    assert not venue["seat"]["position"].any()


def _run(order, policies):
    """(rewards, observations) of each policy, by seat; policies are by agent."""
    env, seen = seated(order, action="ladder", order_size=2, reward="hybrid", opponents=("random",))
    found = {seat: [] for seat in order}
    while env.agents:
        actions = {name: policies[name](seen[name]) for name in env.agents}
        seen, rewards, _, _, infos = env.step(actions)
        for name, seat in zip(env.possible_agents, order, strict=True):
            found[seat].append((rewards[name], seen[name].tobytes(), infos[name]["wealth"], infos[name]["map"]))
    return found


def test_a_policys_numbers_follow_its_seat_and_never_its_name():
    def touch(_):
        return TOUCH

    def lean(seen):
        return np.clip(np.full(10, 0.5, np.float32) + seen[20], 0, 1)

    def far(_):
        return np.array([0, 0, 1, 0, 1] * 2, np.float32)

    one = _run((1, 2, 3), {"seat_1": touch, "seat_2": lean, "seat_3": far})
    other = _run((3, 1, 2), {"seat_1": far, "seat_2": touch, "seat_3": lean})
    assert one == other
    assert len({wealth for rows in one.values() for *_, wealth, _ in rows[-1:]}) > 1
    assert _run((2, 1, 3), {"seat_1": touch, "seat_2": lean, "seat_3": far}) != one


def test_no_name_is_better_placed_than_another():
    """Equal policies that fight for the same queues: each name has the lower seat, and the fills, as often."""
    env = Seats(2, action="ladder", **SETTINGS | {"episode_minutes": 0.2})
    env.reset(seed=11)
    lower, apart, episodes = 0, [], 250
    for _ in range(episodes):
        env.reset()
        first = int(env.batch.cases[0]["seats"][0] == 1)
        lots = np.zeros(2)
        while env.agents:
            *_, infos = env.step(dict.fromkeys(env.agents, TOUCH))
            lots += [infos["seat_1"]["lots"], infos["seat_2"]["lots"]]
        lower += first
        apart.append(lots[0] - lots[1])
    apart = np.array(apart)
    spread = np.sqrt(episodes) / 2
    assert abs(lower - episodes / 2) < 4 * spread
    assert (apart != 0).sum() > 10
    assert abs(apart.mean()) < 3 * apart.std() / np.sqrt(episodes)


@pytest.mark.parametrize("leaver", [0, 1])
def test_a_learner_whose_margin_is_called_leaves_and_the_others_play_on(leaver):
    env, seen = seated((1, 2), action="orders")
    names = env.possible_agents
    buy, nothing = np.zeros(21, np.int32), np.zeros(21, np.int32)
    buy[20] = 3
    *_, infos = env.step(dict.fromkeys(names, buy))
    assert [infos[name]["position"] for name in names] == [3, 3]
    before = infos[names[leaver]]["wealth"]
    env.batch.venues[0]["seat"]["capital"][1 + leaver] = 1.0
    seen, rewards, over, _, infos = env.step(dict.fromkeys(names, nothing))
    gone, stays = names[leaver], names[1 - leaver]
    tick = env.batch.day(0).feed.contract.tick_value
    assert (over[gone], over[stays]) == (True, False)
    assert env.agents == [stays]
    assert infos[gone]["position"] == 0
    assert infos[gone]["parts"][3] < 0
    assert rewards[gone] * tick == pytest.approx(infos[gone]["wealth"] - before)
    assert infos[stays]["position"] == 3
    steps = 0
    while env.agents:
        seen, rewards, over, cut, infos = env.step({stays: nothing})
        assert set(seen) == set(rewards) == set(over) == set(cut) == set(infos) == {stays}
        steps += 1
    assert over[stays]
    assert infos[stays]["position"] == 0
    assert steps > 50
    again, _ = env.reset(seed=1)
    assert env.agents == names
    assert set(again) == set(names)


def test_an_action_that_means_nothing_leaves_everything_as_it_was():
    """A market order of the first learner must not go out twice because the second one's action was wrong."""
    one, _ = seated((1, 2), action="orders")
    other, _ = seated((1, 2), action="orders")
    buy, nothing, wrong = np.zeros((3, 21))
    buy[20], wrong[:2], wrong[10:12] = 1, (5_000, 1), (4_000, 1)
    with pytest.raises(ValueError, match="bid at or above an ask"):
        one.step({"seat_1": buy, "seat_2": wrong})
    for _ in range(4):
        told = [env.step({"seat_1": buy, "seat_2": nothing}) for env in (one, other)]
        assert told[0][0]["seat_1"].tobytes() == told[1][0]["seat_1"].tobytes()
        assert told[0][4]["seat_1"]["position"] == told[1][4]["seat_1"]["position"]
        assert told[0][4]["seat_1"]["time"] == told[1][4]["seat_1"]["time"]


def test_what_is_wrong_with_actions_and_seats_is_said():
    env, _ = seated((1, 2))
    with pytest.raises(ValueError, match="no action for 'seat_2'; every agent"):
        env.step({"seat_1": 0})
    with pytest.raises(ValueError, match=r"shape \(2,\); \(\) is wanted"):
        env.step({"seat_1": 0, "seat_2": np.array([1, 2])})
    with pytest.raises(ValueError, match="lies outside its space"):
        env.step({"seat_1": 0, "seat_2": 10})
    with pytest.raises(ValueError, match="at least one"):
        Seats(0, **SETTINGS)
    with pytest.raises(ValueError, match="17 seats asked for, a market has at most 16"):
        Seats(15, opponents=("foic", "idle"), **SETTINGS)
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        Seats(2, **SETTINGS).step({})
