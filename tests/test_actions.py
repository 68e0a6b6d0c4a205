"""What each action means, on one look worked out by hand; and every way in which one means nothing."""

import gymnasium
import numpy as np
import pytest

import lobarena.sim  # noqa: F401 - registers the environment
from lobarena.data.schema import BREAK, CONTINUOUS
from lobarena.sim.actions import (
    CLEAR,
    CROSSED,
    FAULTS,
    GOOD,
    KINDS,
    NOT_FINITE,
    NOT_WHOLE,
    OUTSIDE,
    WIDTH,
    choose,
)
from lobarena.sim.env_spaces import action_space
from lobarena.sim.types import OBSERVATION

NAME = "lobarena/MarketMaking-v0"
kernels = pytest.mark.kernels


def act(kind, action, size=2, **fields):
    """(fault, bids, asks, lots of a market order) on a book of 100 at 103; bids and asks are {level: (ticks, lots)}."""
    look = np.zeros(1, OBSERVATION)
    o = look[0]
    o["phase"], o["lower"], o["upper"], o["position_limit"] = CONTINUOUS, 50, 150, 10
    o["bid"][0], o["bid_size"][0], o["ask"][0], o["ask_size"][0] = 100, 4, 103, 5
    for name, value in fields.items():
        if o[name].shape:
            o[name][0] = value
        else:
            o[name] = value
    given = np.zeros(WIDTH)
    values = np.atleast_1d(np.asarray(action, float))
    given[: len(values)] = values
    target = np.full((2, 5, 2), 7, np.int32)  # of the step before
    fault, take = choose(KINDS.index(kind), given, look, size, target)
    sides = [{k: tuple(row) for k, row in enumerate(side.tolist()) if row[1]} for side in target]
    return int(fault), *sides, int(take)


def pair(low, high, lots=2):
    return GOOD, {0: (low, lots)}, {0: (high, lots)}, 0


@kernels
@pytest.mark.parametrize(
    ("choice", "low", "high"),
    [  # the mid is 101.5, half the spread 1.5: 101.5 - 1.5 = 100, 101.5 - 3 = 98.5 -> 98, ...
        (0, 100, 103),
        (1, 98, 105),
        (2, 97, 106),
        (3, 95, 108),
        (4, 94, 109),
        (5, 100, 106),
        (6, 97, 103),
        (7, 98, 109),
        (8, 94, 105),
    ],
)
def test_offsets_lie_whole_half_spreads_from_the_mid_rounded_outwards(choice, low, high):
    assert act("offsets", choice) == pair(low, high)


@kernels
def test_the_tenth_offset_takes_the_quotes_back_and_closes_the_position():
    assert act("offsets", CLEAR, position=-3) == (GOOD, {}, {}, 3)
    assert act("offsets", CLEAR, position=3, ask_size=0) == (GOOD, {}, {}, -3)
    for nobody in ({"bid_size": 0}, {"phase": BREAK}):  # to sell to
        assert act("offsets", CLEAR, position=3, **nobody) == (GOOD, {}, {}, 0)
    assert act("offsets", CLEAR) == (GOOD, {}, {}, 0)


@kernels
@pytest.mark.parametrize(
    ("action", "low", "high"),
    [
        ((0, -1), 100, 103),  # 101.5 -+ 1.5
        ((0, 1), 86, 117),  # 101.5 -+ 15 = 86.5, 116.5
        ((0, 0), 93, 110),  # -+ 5.5 half spreads: 93.25, 109.75
        ((1, -1), 107, 111),  # the centre is 101.5 + 7.5 = 109: 107.5, 110.5
        ((-1, -1), 92, 96),
        ((0.2, -1), 101, 105),  # the centre is 101.5 + 1.5 = 103: 101.5, 104.5
    ],
)
def test_continuous_moves_its_centre_and_its_width(action, low, high):
    assert act("continuous", action) == pair(low, high)


@kernels
def test_the_ladder_stands_at_the_best_prices_and_behind_them():
    fault, bids, asks, take = act("ladder", [1, 0, 0.5, 0.1, 0.12, 0, 0.25, 0, 0, 1], size=4, position=-1)
    assert (fault, take) == (GOOD, 0)
    assert bids == {0: (100, 4), 1: (98, 2)}  # 0.4 and 0.48 lots are none, and leave no gap
    assert asks == {0: (104, 1), 1: (107, 4)}


@kernels
def test_at_the_limit_only_the_reducing_side_is_quoted():
    assert act("offsets", 0, position=10) == (GOOD, {}, {0: (103, 2)}, 0)
    assert act("offsets", 0, position=-9) == (GOOD, {0: (100, 2)}, {0: (103, 1)}, 0)
    assert act("offsets", 0, position=-10, size=30) == (GOOD, {0: (100, 20)}, {}, 0)
    assert act("continuous", (0, -1), position=-10) == (GOOD, {0: (100, 2)}, {}, 0)
    assert act("ladder", np.ones(10), position=7) == (
        GOOD,
        {0: (100, 2), 1: (99, 1)},
        {k: (103 + k, 2) for k in range(5)},
        0,
    )
    assert act("ladder", np.ones(10), position=12)[1] == {}  # beyond it, as after another's error


@kernels
@pytest.mark.parametrize(("kind", "action"), [("offsets", 0), ("continuous", (0, -1))])
def test_a_locked_book_is_not_quoted_at_one_price_on_both_sides(kind, action):
    assert act(kind, action, ask=100) == (GOOD, {}, {}, 0)


@kernels
@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize("fields", [{"bid_size": 0}, {"ask_size": 0}, {"phase": BREAK}], ids=str)
def test_a_closed_or_one_sided_market_is_not_quoted(kind, fields):
    action = {"offsets": 1, "continuous": (0, 0), "ladder": np.ones(10)}[kind]
    assert act(kind, action, **fields) == (GOOD, {}, {}, 0)


@kernels
def test_prices_beyond_the_daily_limits_are_left_out():
    assert act("offsets", 4, lower=95) == (GOOD, {}, {0: (109, 2)}, 0)
    assert act("offsets", 4, upper=108) == (GOOD, {0: (94, 2)}, {}, 0)
    assert act("ladder", np.ones(10), lower=99, upper=103)[1:3] == ({0: (100, 2), 1: (99, 2)}, {0: (103, 2)})


@kernels
def test_orders_go_out_as_they_are():
    action = np.zeros(21)
    action[:4], action[8:10], action[12:14], action[20] = (99, 3, 101, 2), (99, 1), (200, 5), -4
    wanted = GOOD, {0: (99, 3), 1: (101, 2), 2: (99, 1)}, {0: (200, 5)}, -4
    assert act("orders", action, phase=BREAK, bid_size=0, position=10) == wanted
    action[10] = 5  # a price with no lots crosses nothing
    assert act("orders", action)[0] == GOOD


def orders(**cells):
    action = np.zeros(21)
    for place, value in cells.items():
        action[int(place[1:])] = value
    return action


@pytest.mark.parametrize(
    ("kind", "action", "fault"),
    [
        ("offsets", -1, OUTSIDE),
        ("offsets", 10, OUTSIDE),
        ("offsets", 0.5, OUTSIDE),
        ("offsets", 1e300, OUTSIDE),
        ("continuous", (0, 1.001), OUTSIDE),
        ("continuous", (-1.001, 0), OUTSIDE),
        ("continuous", (np.nan, 0), NOT_FINITE),
        ("continuous", (0, -np.inf), NOT_FINITE),
        ("ladder", [0.5] * 9 + [1.1], OUTSIDE),
        ("ladder", [-0.1] + [0.5] * 9, OUTSIDE),
        ("ladder", [0.5] * 9 + [np.nan], NOT_FINITE),
        ("orders", orders(_0=99.5, _1=1), NOT_WHOLE),
        ("orders", orders(_0=99, _1=0.5), NOT_WHOLE),
        ("orders", orders(_0=99, _1=-1), NOT_WHOLE),
        ("orders", orders(_0=-99, _1=1), NOT_WHOLE),
        ("orders", orders(_20=0.5), NOT_WHOLE),
        ("orders", orders(_20=2**31), NOT_WHOLE),
        ("orders", orders(_0=2**40, _1=1), NOT_WHOLE),
        ("orders", orders(_20=np.inf), NOT_FINITE),
        ("orders", orders(_3=np.nan), NOT_FINITE),
        ("orders", orders(_0=100, _1=1, _10=100, _11=1), CROSSED),
        ("orders", orders(_0=90, _1=1, _8=101, _9=1, _10=120, _11=1, _18=100, _19=2), CROSSED),
    ],
)
@kernels
def test_an_action_that_means_nothing_is_refused(kind, action, fault):
    assert act(kind, action)[0] == fault
    assert act(kind, action, phase=BREAK, bid_size=0)[0] == fault
    if fault in FAULTS:
        assert FAULTS[fault]


@pytest.mark.parametrize(
    ("kind", "good", "bad", "message"),
    [
        ("offsets", 1, np.nan, r"the action \[nan\] lies outside its space"),
        ("offsets", 1, 12, r"the action \[12.0\] lies outside its space"),
        ("offsets", 1, np.array([1, 2]), r"the action has shape \(2,\); \(\) is wanted"),
        ("offsets", 1, np.array([1]), r"the action has shape \(1,\); \(\) is wanted"),
        ("continuous", (0, 0), (0, np.nan), r"the action \[0.0, nan\] is not a finite number"),
        ("continuous", (0, 0), (0, 2), "lies outside its space"),
        ("continuous", (0, 0), 0, r"the action has shape \(\); \(2,\) is wanted"),
        ("continuous", (0, 0), np.zeros(3), r"the action has shape \(3,\); \(2,\) is wanted"),
        ("ladder", np.zeros(10), np.zeros((1, 10)), r"the action has shape \(1, 10\); \(10,\) is wanted"),
        ("orders", np.zeros(21), orders(_0=4_000, _1=1, _10=4_000, _11=1), "has a bid at or above an ask"),
        ("orders", np.zeros(21), orders(_1=0.5), "names no whole ticks or lots, or fewer than none"),
    ],
)
def test_the_environment_says_what_is_wrong_and_nothing_has_happened(kind, good, bad, message):
    settings = {"contract": "RBSYN", "action": kind, "episode_minutes": 1}
    env, other = (gymnasium.make(NAME, **settings).unwrapped for _ in range(2))
    env.reset(seed=2)
    other.reset(seed=2)
    for _ in range(3):
        with pytest.raises(ValueError, match=message):
            env.step(bad)
        one, two = env.step(good), other.step(good)
        assert one[0].tobytes() == two[0].tobytes()
        assert one[4]["time"] == two[4]["time"]


def test_an_order_that_is_still_wanted_keeps_its_place_in_the_queue():
    """The ladder's order is not sent again while its price is wanted; lots ahead of it only fall."""
    settings = {"contract": "RBSYN", "action": "ladder", "observation": ("queue positions",), "normalise": False}
    env = gymnasium.make(NAME, **settings, episode_minutes=5).unwrapped
    env.reset(seed=5)
    for _ in range(400):
        env.step(np.ones(10, np.float32))
    seat = env.batch.venues[0]["seat"][1]
    assert seat["orders"] < 400  # not ten a look
    assert seat["orders"] >= 10


@pytest.mark.parametrize("kind", KINDS)
def test_spaces_are_as_documented(kind):
    space = action_space(kind)
    wanted = {
        "offsets": gymnasium.spaces.Discrete(10),
        "continuous": gymnasium.spaces.Box(-1, 1, (2,), np.float32),
        "ladder": gymnasium.spaces.Box(0, 1, (10,), np.float32),
    }
    if kind == "orders":
        assert (space.shape, space.dtype) == ((21,), np.int32)
        assert (space.low[:20] == 0).all()
        assert space.low[20] < 0
    else:
        assert space == wanted[kind]
    with pytest.raises(ValueError, match=f"no action '{kind}s'; did you mean '{kind}'"):
        action_space(f"{kind}s")
