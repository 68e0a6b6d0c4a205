"""One look worked out by hand."""

import math

import numpy as np
import pytest

from lobarena.sim.features import ABSENT, FEATURES, HIGHEST, LOWEST, MEMORY, features
from lobarena.sim.types import OBSERVATION

pytestmark = pytest.mark.kernels
AT = {name: place for place, (name, _, _) in enumerate(FEATURES)}


def look(**fields):
    seen = np.zeros(1, OBSERVATION)
    seen[0]["position_limit"], seen[0]["closes"], seen[0]["time"] = 4, 1_000, 250
    for name, value in fields.items():
        if isinstance(value, list):
            value = [*value, *[0] * (seen[0][name].size - len(value))]
        seen[0][name] = value
    return seen


def read(seen, memory):
    out = np.empty(len(FEATURES), np.float32)
    features(seen, memory, LOWEST, HIGHEST, out)
    return {name: float(out[place]) for name, place in AT.items()}


BOOK = {"bid": [100, 98], "bid_size": [3, 1], "ask": [103], "ask_size": [1]}


def test_a_look_by_hand():
    memory = np.zeros(1, MEMORY)
    first = read(look(**BOOK, volume=10, position=-2, own_bid=[99], own_bid_size=[2], own_bid_ahead=[5]), memory)
    assert (first["bid 1 distance"], first["bid 2 distance"], first["bid 3 distance"]) == (1.5, 3.5, ABSENT)
    assert first["bid 1 size"] == pytest.approx(math.log(4))
    assert (first["ask 1 distance"], first["ask 2 distance"]) == (1.5, ABSENT)
    assert (first["imbalance"], first["mid move"], first["volatility"]) == (0.5, 0.0, 0.0)
    assert (first["position"], first["time left"]) == (-0.5, 0.75)
    assert (first["own bid distance"], first["own ask distance"], first["own ask ahead"]) == (2.5, ABSENT, -1.0)
    assert first["own bid ahead"] == pytest.approx(math.log(6))
    second = read(look(**BOOK | {"ask": [105]}, volume=17), memory)
    assert second["mid move"] == 1.0
    assert second["volume"] == pytest.approx(math.log(8))
    assert second["volatility"] == pytest.approx(math.sqrt(0.02))


def test_one_sided_and_empty_books_keep_a_mid():
    memory = np.zeros(1, MEMORY)
    assert read(look(bid=[100], bid_size=[3]), memory)["bid 1 distance"] == 0.0
    empty = read(look(), memory)
    assert (empty["mid move"], empty["imbalance"], empty["bid 1 distance"]) == (0.0, 0.0, ABSENT)


def test_what_is_beyond_the_bounds_is_cut_to_them():
    seen = read(look(bid=[100], bid_size=[3], ask=[900], ask_size=[1], position=9, time=2_000), np.zeros(1, MEMORY))
    assert (seen["bid 1 distance"], seen["position"], seen["time left"]) == (100.0, 1.0, 0.0)
