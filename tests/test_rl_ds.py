"""SARSA(lambda) on tile codings: the update by hand, against a slow one, and on a market whose best action is known."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_quoting import BEST_MEAN, BEST_OFFSETS, ToyMarket

from lobarena.agents.rl_ds import OBSERVATION, RlDs, offsets
from lobarena.agents.tiles import ACTIONS, GROUPS, RULE, TRACE, WALK, best, capacity, evaluate, sarsa, tile

SHARE = (0.6, 0.1, 0.3)


class Table:
    """A table with `n` environments on it, and what the kernel needs beside them."""

    def __init__(self, n: int, tilings: int, rows: int, **rule: Any) -> None:
        self.rule = np.zeros(1, RULE)
        for key, value in ({"share": SHARE, "faintest": 0.01} | rule).items():
            self.rule[key] = value
        self.table, self.offsets = np.zeros((rows, ACTIONS), np.float32), offsets(tilings)
        size = capacity(tilings, self.rule["decay"][0], self.rule["faintest"][0])
        self.walks, self.traces = np.zeros(n, WALK), np.zeros((n, size), TRACE)
        self.rows, self.fresh = np.zeros((n, tilings), np.int32), np.zeros(tilings, np.int32)
        self.values, self.mark = np.zeros(ACTIONS), np.zeros(rows, np.uint8)

    def look(self, states: Any, rewards: Any, over: Any, draws: Any = None) -> float:
        draws = np.ones((2, len(self.walks))) if draws is None else draws
        errors: float = sarsa(
            self.table, self.offsets, self.walks, self.traces, self.rows, self.fresh, self.values, self.mark,
            np.asarray(states, np.float32), np.asarray(rewards, np.float64), np.asarray(over), draws, self.rule,
        )  # fmt: skip
        return errors

    def tiles(self, state: Any) -> list[int]:
        out = np.zeros(len(self.fresh), np.int32)
        tile(np.asarray(state, np.float32), self.offsets, len(self.table), out)
        return out.tolist()  # type: ignore[no-any-return]


@pytest.mark.kernels
def test_two_states_and_two_tilings_learn_what_paper_and_pencil_say():
    t = Table(1, 2, 1_000, step=0.1, gamma=0.5, decay=0.25)  # lambda 0.5; agent and market tilings
    a, b = np.full(8, 0.5), np.full(8, 9.5)
    assert len({*t.tiles(a), *t.tiles(b)}) == 4

    def weights(state: Any) -> list[float]:
        return [round(float(t.table[row, 0]), 6) for row in t.tiles(state)]

    t.look([a], [0.0], [False])
    t.look([b], [1.0], [False])  # error 1 + 0.5 x 0 - 0; A has trace 1
    assert weights(a) == [0.1, 0.1]
    t.look([a], [2.0], [True])  # error 2 - 0, whatever A is worth; A has trace 0.25, B 1
    assert weights(a) == [0.15, 0.15]
    assert weights(b) == [0.2, 0.2]
    assert t.walks[0]["traces"] == 0
    t.look([a], [50.0], [False])  # the first look of a new episode: nothing is learned from the way to it
    assert weights(a) == [0.15, 0.15]
    error = t.look([a], [0.0], [False])  # Q(A) = (0.6 + 0.1) 0.15 = 0.105; error 0.5 x 0.105 - 0.105 = -0.0525
    assert error == pytest.approx(0.0525, abs=1e-6)
    assert weights(a) == [0.14475, 0.14475]
    t.look([a], [1.0], [False])  # A again: its trace is replaced by 1, not 1.25
    assert weights(a) == [0.239684, 0.239684]  # error 1 - 0.5 x 0.7 x 0.14475 = 0.9493375
    assert (t.table[:, 1:] == 0).all()


class Naive:
    """The same with a dense table of traces, in plain Python."""

    def __init__(self, t: Table) -> None:
        self.q = np.zeros(t.table.shape)
        self.e = np.zeros((len(t.walks), *t.table.shape))
        self.last: list[Any] = [None] * len(t.walks)

    def value(self, rows: list[int], action: int) -> float:
        return sum(SHARE[k % GROUPS] * self.q[row, action] for k, row in enumerate(rows))

    def look(self, t: Table, states: Any, rewards: Any, over: Any, actions: Any) -> None:
        r = t.rule[0]
        for i, state in enumerate(states):
            rows, action = t.tiles(state), int(actions[i])
            if self.last[i] is not None:
                old, taken = self.last[i]
                error = rewards[i] + (0 if over[i] else r["gamma"] * self.value(rows, action)) - self.value(old, taken)
                self.e[i] *= r["decay"]
                self.e[i][self.e[i] < r["faintest"]] = 0
                self.e[i][old] = 0
                for row in old:
                    self.e[i, row, taken] += 1
                self.q += r["step"] * error * self.e[i]
            self.last[i] = None if over[i] else (rows, action)
            if over[i]:
                self.e[i] = 0


LOOK = st.tuples(
    st.integers(0, 3), st.integers(0, 3), st.integers(-3, 3), st.booleans(), st.floats(0, 1, exclude_max=True)
)


@pytest.mark.kernels
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(LOOK, LOOK), min_size=2, max_size=25), st.integers(2, 7), st.integers(3, 40))
def test_the_update_is_that_of_a_dense_table_of_traces(looks: list[Any], tilings: int, rows: int):
    t = Table(2, tilings, rows, step=0.05, gamma=0.9, decay=0.7, faintest=0.05, epsilon=0.5)
    naive = Naive(t)
    for pair in looks:
        states = [[0.4 * a, 0.4 * b, 0, 1, 0.7 * a, 0, 0.6 * b, 2] for a, b, *_ in pair]
        rewards, over = [float(look[2]) for look in pair], [look[3] and look[2] > 0 for look in pair]
        draws = np.array([[look[4] for look in pair], [(look[4] * 7) % 1 for look in pair]])
        t.look(states, rewards, over, draws)
        naive.look(t, states, rewards, over, t.walks["action"])
        np.testing.assert_allclose(t.table, naive.q, rtol=1e-4, atol=1e-5)
        assert not t.mark.any()


@pytest.mark.kernels
def test_an_exploring_environment_takes_the_action_of_its_draw_and_a_greedy_one_the_best():
    t = Table(2, 4, 500, epsilon=0.3)
    t.table[:, 6] = 1.0
    t.look(np.zeros((2, 8)), [0.0, 0.0], [False, False], np.array([[0.29, 0.31], [0.99, 0.99]]))
    assert t.walks["action"].tolist() == [9, 6]


@pytest.mark.kernels
def test_of_equal_values_the_first_action_is_best():
    assert best(np.zeros(ACTIONS)) == 0
    assert best(np.array([0.0, 1, 0, 1, 0, 0, 0, 0, 0, 0])) == 1


@pytest.mark.kernels
def test_a_value_weighs_the_tiles_of_each_group():
    table, values = np.zeros((4, ACTIONS), np.float32), np.zeros(ACTIONS)
    table[:, 3] = 1, 10, 100, 1_000
    evaluate(table, np.array([0, 1, 2, 3], np.int32), np.array([0.5, 0.25, 2.0]), values)
    assert values.tolist() == [0, 0, 0, 0.5 + 2.5 + 200 + 500, 0, 0, 0, 0, 0, 0]


@pytest.mark.kernels
def test_the_hash_is_the_same_on_every_machine_and_spreads_evenly():
    t = Table(1, 6, 24_576)
    assert t.tiles([1.2, -0.4, 3.0, 2.0, -1.5, 0.0, 4.9, 0.1]) == [4330, 14620, 22106, 5855, 15207, 24076]
    states = np.array([[a, b, 0, c, 0, 0, 0, 0] for a in range(-15, 15) for b in range(10) for c in range(10)])
    full = {t.tiles(state)[2] for state in states}
    assert len(full) > 0.9 * 8_192 * (1 - np.exp(-3_000 / 8_192))  # what a random hash hits of 3,000


@pytest.mark.kernels
def test_states_a_fraction_of_a_tile_apart_share_most_tiles_and_distant_ones_none():
    t = Table(1, 30, 100_000)
    here = t.tiles(np.full(8, 0.5))
    assert 20 <= sum(a == b for a, b in zip(here, t.tiles(np.full(8, 0.6)), strict=True)) < 30
    assert sum(a == b for a, b in zip(here, t.tiles(np.full(8, 3.5)), strict=True)) == 0


def begun(**settings: Any) -> tuple[RlDs, ToyMarket]:
    learner = RlDs(**settings)
    venv = ToyMarket(32, **learner.environment())
    learner.begin(venv.single_observation_space, venv.single_action_space, 0)
    return learner, venv


def test_it_learns_the_best_quotes_of_a_market_where_they_are_known():
    learner, venv = begun(alpha=0.01, alpha_floor=0.01)
    for part in range(8):
        learner.learn(venv, 30_000, part / 8, seed=part)
    observations, _ = venv.reset(seed=99)
    total, right = 0.0, []
    for _ in range(300):
        actions = learner.act(observations)
        right.append(np.mean(actions == np.where(venv.wild, BEST_OFFSETS[True], BEST_OFFSETS[False])))
        observations, rewards, *_ = venv.step(actions)
        total += float(rewards.mean()) / 300
    assert np.mean(right) > 0.8
    assert total > 0.85 * BEST_MEAN["offsets"]


def test_a_slice_after_a_save_is_the_slice_without_one_to_the_bit():
    learner, venv = begun()
    learner.learn(venv, 2_000, 0.0, seed=1)
    weights, state = learner.weights(), learner.state()
    log = learner.learn(venv, 2_000, 0.5, seed=2)
    other, venv = begun()
    other.load_weights(weights)
    other.load_state(state)
    assert other.learn(venv, 2_000, 0.5, seed=2) == log
    assert other.weights()["table"].tobytes() == learner.weights()["table"].tobytes() != weights["table"].tobytes()
    other.learn(venv, 2_000, 0.5, seed=3)
    assert other.weights()["table"].tobytes() != learner.weights()["table"].tobytes()


def test_epsilon_falls_from_0_7_to_0_0001_over_the_budget():
    learner, venv = begun()
    epsilons = [learner.learn(venv, 64, done, 0)["epsilon"] for done in (0.0, 0.5, 1.0)]
    assert epsilons == pytest.approx([0.7, (0.7 * 0.0001) ** 0.5, 0.0001])


def test_the_weights_are_less_than_a_megabyte():
    learner, _ = begun()
    assert sum(array.nbytes for array in learner.weights().values()) < 1_000_000


def test_what_does_not_fit_is_told_with_what_would():
    learner, venv = begun()
    with pytest.raises(ValueError, match=r"make the environment with \*\*learner.environment"):
        RlDs().begin(ToyMarket(2, "offsets", OBSERVATION[:1]).single_observation_space, venv.single_action_space, 0)
    with pytest.raises(ValueError, match="tilings=16"):
        learner.load_weights(begun(tilings=16)[0].weights())
    with pytest.raises(ValueError, match="are table and tilings, not table"):
        learner.load_weights({"table": np.zeros((2, ACTIONS), np.float32)})
    with pytest.raises(ValueError, match="not finite"):
        learner.load_weights(learner.weights() | {"table": np.full_like(learner.table, np.nan)})


def test_a_learner_that_diverges_says_so():
    learner, venv = begun(alpha=50.0)
    with pytest.raises(ValueError, match="diverged"), np.errstate(all="ignore"):
        learner.learn(venv, 200_000, 0.0, seed=0)
