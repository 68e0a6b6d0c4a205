"""One look worked out by hand, block by block."""

import math

import numpy as np
import pytest

from lobarena.sim.blocks import ALONE, BLOCKS, DEFAULT, FARTHEST, FIXED, HISTORY, LARGEST, ROW, composed, layout
from lobarena.sim.features import MEMORY, show
from lobarena.sim.types import OBSERVATION

kernels = pytest.mark.kernels
ALL = tuple(BLOCKS)


def look(**fields):
    seen = np.zeros(1, OBSERVATION)
    o = seen[0]
    o["position_limit"], o["opens"], o["closes"], o["time"] = 4, 0, 1_000, 250
    o["own_bid_ahead"] = o["own_ask_ahead"] = -1
    for name, value in fields.items():
        if isinstance(value, list):
            value = [*value, *[-1 if name.endswith("ahead") else 0] * (o[name].size - len(value))]
        o[name] = value
    return seen


class Reader:
    """What an observation of some blocks says of one look after the other, by name."""

    def __init__(self, blocks=ALL, history=0, normalise=False):
        self.names = [feature.name for feature in composed(blocks, history)]
        self.layout, self.memory = layout(blocks, history, normalise), np.zeros(1, MEMORY)
        self.history = np.zeros((history, len(ROW)), np.float32)

    def __call__(self, seen):
        out = np.full(len(self.layout), np.nan, np.float32)
        show(seen, self.memory, self.history, self.layout, out)
        return dict(zip(self.names, out.tolist(), strict=True)) if not self.history.size else out


BOOK = {"bid": [100, 98], "bid_size": [3, 1], "ask": [103], "ask_size": [1]}


@kernels
def test_the_book_by_hand():
    read = Reader()
    first = read(look(**BOOK, volume=10))
    assert [first[f"bid {k} distance"] for k in (1, 2, 3)] == [1.5, 3.5, FARTHEST]
    assert [first[f"ask {k} distance"] for k in (1, 2)] == [1.5, FARTHEST]
    assert first["bid 1 size"] == pytest.approx(math.log(4))
    assert first["bid 3 size"] == first["ask 2 size"] == 0.0
    assert (first["imbalance of the best sizes"], first["imbalance of all sizes seen"]) == (0.5, pytest.approx(0.6))
    assert first["volume since the last look"] == pytest.approx(math.log(11))
    assert (first["mid move since the last look"], first["volatility, memory 0.98"], first["order flow"]) == (0, 0, 0)
    second = read(look(**BOOK | {"ask": [105]}, volume=17))
    assert second["mid move since the last look"] == 1.0
    assert second["volume since the last look"] == pytest.approx(math.log(8))
    assert second["volatility, memory 0.98"] == pytest.approx(math.sqrt(0.02))
    third = read(look(**BOOK | {"ask": [105]}, volume=17))
    assert third["volatility, memory 0.98"] == pytest.approx(math.sqrt(0.98 * 0.02))
    assert third["volume since the last look"] == 0.0


@kernels
@pytest.mark.parametrize(
    ("book", "flow"),  # before: 3 at 100, 1 at 103; divided by the mean best size, cut to -1 and 1
    [
        ({}, 0.0),
        ({"bid_size": [4]}, 2 / 5),  # one more lot to buy
        ({"bid_size": [2]}, -2 / 3),
        ({"ask_size": [2]}, -2 / 5),
        ({"bid": [101], "bid_size": [1]}, 1.0),
        ({"bid": [99], "bid_size": [5]}, -1.0),  # the 3 went
        ({"ask": [104], "ask_size": [3]}, 2 / 6),  # the 1 went
        ({"ask": [102], "ask_size": [1]}, -2 / 4),  # 1 came
    ],
)
def test_order_flow_by_hand(book, flow):
    read = Reader()
    read(look(**BOOK))
    seen = read(look(**BOOK | book))
    assert seen["order flow"] == pytest.approx(flow)
    assert seen["order flow, memory 0.8"] == pytest.approx(0.2 * flow)
    again = read(look(**BOOK | book))
    assert again["order flow"] == 0.0
    assert again["order flow, memory 0.8"] == pytest.approx(0.8 * 0.2 * flow)


@kernels
def test_own_orders_and_their_queues_by_hand():
    own = {"own_bid": [100, 98, 98, 95], "own_bid_size": [2, 1, 3, 1], "own_bid_ahead": [5, 9, 4, 0]}
    own |= {"own_ask": [105, 106], "own_ask_size": [7, 2], "own_ask_ahead": [-1, 0]}
    seen = Reader()(look(**BOOK, **own, position=-2))
    assert (seen["own bid distance below the mid"], seen["own ask distance above the mid"]) == (1.5, 3.5)
    assert seen["own bid size"] == pytest.approx(math.log(3))
    assert seen["own bid lots ahead"] == pytest.approx(math.log(6))
    assert seen["own ask size"] == pytest.approx(math.log(8))
    assert seen["own ask lots ahead"] == ALONE  # it was not in the book that the seat sees
    bids = [seen[f"own bid size, place {k}"] for k in range(1, 6)]
    assert bids == pytest.approx([math.log(3), 0, math.log(5), 0, 0])  # both orders at 98; 95 is out of reach
    ahead = [seen[f"own bid lots ahead, place {k}"] for k in range(1, 6)]
    assert ahead == pytest.approx([math.log(6), ALONE, math.log(5), ALONE, ALONE])
    assert [seen[f"own ask size, place {k}"] for k in (1, 3, 4)] == pytest.approx([0, math.log(8), math.log(3)])
    assert [seen[f"own ask lots ahead, place {k}"] for k in (3, 4)] == [ALONE, 0.0]
    assert (seen["position / limit"], seen["time left / length"]) == (-0.5, 0.75)
    nothing = Reader()(look(**BOOK))
    assert nothing["own bid distance below the mid"] == FARTHEST
    assert (nothing["own bid size"], nothing["own bid lots ahead"]) == (0.0, ALONE)


@kernels
def test_an_order_inside_the_spread_or_through_the_mid_has_its_sign():
    seen = Reader()(look(**BOOK, own_bid=[102], own_bid_size=[1], own_bid_ahead=[0]))
    assert seen["own bid distance below the mid"] == -0.5
    assert all(seen[f"own bid size, place {k}"] == 0 for k in range(1, 6))


@kernels
def test_one_sided_and_empty_books_keep_a_mid():
    read = Reader()
    one = read(look(bid=[100], bid_size=[3]))
    assert (one["bid 1 distance"], one["imbalance of the best sizes"]) == (0.0, 1.0)
    empty = read(look())
    assert empty["mid move since the last look"] == empty["imbalance of the best sizes"] == 0.0
    assert empty["bid 1 distance"] == FARTHEST
    back = read(look(**BOOK))
    assert (back["mid move since the last look"], back["order flow"]) == (1.5, 0.0)
    other = read(look(ask=[104], ask_size=[2]))
    assert (other["mid move since the last look"], other["ask 1 distance"]) == (2.5, 0.0)


@kernels
def test_a_day_that_begins_empty_has_no_move_when_the_book_comes():
    read = Reader()
    read(look())
    assert read(look(**BOOK))["mid move since the last look"] == 0.0


@kernels
def test_what_is_beyond_the_bounds_is_cut_to_them():
    wide = {"bid": [100], "bid_size": [2**30], "ask": [900], "ask_size": [1]}
    read = Reader()
    seen = read(look(**wide, position=9, time=2_000, volume=2**60))
    assert (seen["bid 1 distance"], seen["position / limit"], seen["time left / length"]) == (50.0, 1.0, 0.0)
    assert seen["volume since the last look"] == LARGEST
    assert seen["bid 1 size"] == pytest.approx(30 * math.log(2), rel=1e-6)
    moved = read(look(**wide | {"ask": [10_000]}, own_ask=[9_999], own_ask_size=[1], position=-9))
    assert moved["mid move since the last look"] == moved["volatility, memory 0.98"] == 50.0
    assert (moved["own ask distance above the mid"], moved["position / limit"]) == (50.0, -1.0)


@kernels
def test_history_rows_are_the_last_looks_oldest_first():
    read = Reader(("time left", HISTORY), history=3)
    rows = [read(look(**BOOK | {"ask": [103 + 2 * k]}, volume=k)) for k in range(5)]
    last = rows[-1][1:].reshape(3, len(ROW))
    assert rows[-1][0] == 0.75
    assert last[:, 0].tolist() == [1.0, 1.0, 1.0]
    assert last[:, 1].tolist() == [7.0, 9.0, 11.0]
    assert last[:, 3] == pytest.approx([math.log(2)] * 3)
    assert last[0, 4:9] == pytest.approx([math.log(4), math.log(2), 0, 0, 0])
    assert last[0, 9:] == pytest.approx([math.log(2), 0, 0, 0, 0])
    early = rows[1][1:].reshape(3, len(ROW))
    assert not early[0].any()
    assert early[1:, 1].tolist() == [3.0, 5.0]


@kernels
def test_normalised_values_are_divided_by_their_scales_and_blocks_come_in_the_order_named():
    order = ("inventory", "levels", "volatility", "queue positions", "imbalance")
    seen = look(**BOOK, position=3)
    plain, scaled = Reader(order)(seen), Reader(order, normalise=True)(seen)
    features = composed(order, 0)
    assert features[0].name == "position / limit"
    assert list(plain) == [feature.name for feature in features]
    for feature in features:
        assert scaled[feature.name] == pytest.approx(plain[feature.name] / feature.scale)


def test_the_table_of_blocks_is_whole():
    assert sum(len(block) for block in BLOCKS.values()) == FIXED == len(composed(ALL, 0))
    assert set(DEFAULT) < set(BLOCKS)
    for feature in (*composed(ALL, 0), *ROW):
        assert feature.name
        assert feature.unit
        assert feature.low < feature.high
        assert feature.scale > 0
    for block in BLOCKS.values():
        assert len({feature.name for feature in block}) == len(block)


@pytest.mark.parametrize(
    ("blocks", "history", "message"),
    [
        (("levles",), 0, "no observation block 'levles'; did you mean 'levels'"),
        (("queue",), 0, "did you mean 'queue positions'"),
        ((), 0, "names no block, or one twice"),
        (("levels", "levels"), 0, "names no block, or one twice"),
        (("levels",), 3, "history is 3 looks; give the block 'history window'"),
        ((HISTORY,), 0, "history is 0 looks"),
        ((HISTORY,), -1, "history is -1 looks"),
    ],
)
def test_an_observation_that_means_nothing_is_refused_with_the_fix(blocks, history, message):
    with pytest.raises(ValueError, match=message):
        layout(blocks, history, True)
