"""The numbers of looks worked out by hand, targets that are the future's, and nothing else that is."""

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from lobarena.agents.calibration import fit
from lobarena.agents.windows.course import course
from lobarena.agents.windows.day import Day, read_day
from lobarena.agents.windows.numbers import COUNT, INSTANT, NAMES, PAUSE_NS, STATE, read_all, read_one
from lobarena.agents.windows.ridge import ridge
from lobarena.agents.windows.scores import blocks, score
from lobarena.agents.windows.targets import targets
from lobarena.agents.windows.units import Units
from lobarena.data.schema import BREAK, CONTINUOUS
from lobarena.sim.feed import feed_of
from lobarena.sim.synthetic import synthetic_day
from lobarena.sim.types import OBSERVATION

kernels = pytest.mark.kernels
UNITS = Units(move=2.0, spread=2.0, volume=4.0, size=8.0)
SECOND = 10**9


def look(at_s, bid, ask, bid_size=(8,), ask_size=(8,), volume=0, turnover=0, last=0, phase=CONTINUOUS):
    row = np.zeros(1, OBSERVATION)
    row["published"] = row["time"] = round(at_s * SECOND)
    for name, first, sizes, step in (("bid", bid, bid_size, -1), ("ask", ask, ask_size, 1)):
        row[name][0, : len(sizes)] = [first + step * k for k in range(len(sizes))]
        row[f"{name}_size"][0, : len(sizes)] = sizes
    row["volume"], row["turnover"], row["last"], row["phase"] = volume, turnover, last, phase
    return row


class Reader:
    def __init__(self):
        self.state = np.zeros(1, STATE)

    def __call__(self, *args, **fields):
        out = np.full(COUNT, np.nan, np.float32)
        if not read_one(look(*args, **fields), self.state, UNITS.record(), out):
            return None
        assert np.isfinite(out).all()
        return dict(zip(NAMES, out.tolist(), strict=True))


@kernels
def test_the_second_look_by_hand():
    read = Reader()
    first = read(0.0, 99, 101, (8, 16), (4, 4))
    assert first["move"] == first["flow"] == first["volume"] == first["gap"] == 0
    assert first["imbalance"] == pytest.approx(1 / 3)
    assert first["deep imbalance"] == pytest.approx(16 / 32)
    assert first["microprice"] == pytest.approx((1 / 3) * 1 / 2)
    assert first["bid size"] == 0
    assert first["ask size"] == pytest.approx(math.log(0.5))
    assert first["volume, 10 s"] == first["volatility, 10 s"] * 2 == pytest.approx(math.log(1.02), abs=1e-6)
    # the bid rises by two ticks with 6 lots; 3 lots were bought at 101: half a spread above the old mid of 100
    second = read(0.5, 101, 103, (6,), (5,), volume=3, turnover=303, last=101)
    assert second["move"] == 1.0
    assert second["flow"] == pytest.approx(math.log1p((6 + 4) / 8))  # 6 came at the bid, the 4 at the ask are gone
    assert second["deep flow"] == 0.0  # the second level is not there any more
    assert second["volume"] == second["signed volume"] == pytest.approx(math.log1p(3 / 4))
    assert second["last"] == -1.0
    assert second["drift, 2.5 s"] == pytest.approx(1 / math.sqrt(2.5), rel=1e-6)
    w = math.exp(-0.2)
    assert second["volume, 2.5 s"] == pytest.approx(math.log(0.02 + (5 * w + 0.75) / 5), rel=1e-5)
    assert second["volatility, 2.5 s"] == pytest.approx(math.log(0.02 + (5 * w + 1) / 5) / 2, rel=1e-5)
    assert second["imbalance, 2.5 s"] == pytest.approx(w / 3 + (1 - w) / 11, rel=1e-5)


@kernels
@pytest.mark.parametrize("broken", [{"phase": BREAK}, {"bid_size": ()}, {"ask_size": (0,)}])
def test_a_look_that_cannot_be_read_ends_the_row(broken):
    read = Reader()
    first = read(0.0, 99, 101)
    assert read(0.5, 99, 101, **broken) is None
    assert read(1.0, 119, 121) == pytest.approx(first | {"move": 0.0})


@kernels
def test_a_pause_makes_the_memory_begin_anew():
    read, fresh = Reader(), Reader()
    read(0.0, 99, 101)
    late = PAUSE_NS / SECOND
    assert read(late, 109, 111) == fresh(late, 109, 111)


@kernels
def test_the_numbers_mirror_when_the_market_does():
    """Bids for asks: what has a side changes its sign, what has none stays."""
    read, other = Reader(), Reader()
    for k, (bid, ask) in enumerate([(99, 101), (100, 102), (98, 101), (98, 99)]):
        left, right = (3 + k, 9), (7, 2 + k)
        told = read(k / 2, bid, ask, left, right, volume=5 * k, turnover=500 * k, last=100)
        mirrored = other(k / 2, 200 - ask, 200 - bid, right, left, volume=5 * k, turnover=500 * k, last=100)
    sided = ("move", "flow", "deep flow", "signed volume", "imbalance", "deep imbalance", "microprice", "last", "drift")
    for name, value in told.items():
        stem = name.split(",")[0]
        twin = stem.replace("bid", "ask") if stem.startswith("bid") else stem.replace("ask", "bid")
        expected = -mirrored[name] if stem in sided else mirrored[twin if stem != twin else name]
        assert value == pytest.approx(expected, abs=1e-6), name


def test_targets_by_hand():
    rows = np.concatenate([
        look(0.0, 99, 101), look(1.0, 100, 101, volume=2), look(2.0, 100, 104, volume=7), look(9.0, 100, 102, volume=9),
    ])  # fmt: skip
    found = targets(rows, np.array([1, 2, 3, 4]), horizon_s=2.0)
    assert found[0].tolist() == pytest.approx([2.0, 2.5, math.log(8)])
    assert found[1].tolist() == pytest.approx([1.5, 4.0, math.log(6)])  # until 3.0 the look of 2.0 is the last
    assert np.isnan(found[2:]).all()  # nothing is published within two seconds; the day ends


def test_targets_do_not_reach_over_a_pause_or_the_end_of_the_day():
    rows = np.concatenate([look(k, 99 + k, 101 + k) for k in range(6)])
    place = np.array([1, 2, 3, 1, 2, 3])
    known = np.isfinite(targets(rows, place, 2.0)).all(1)
    assert known.tolist() == [True, False, False, True, False, False]


@pytest.fixture(scope="module")
def recording():
    return synthetic_day("RB", date(2024, 1, 3), seed=5, minutes=12)


@pytest.fixture(scope="module")
def day(recording):
    feed = feed_of(recording)
    return read_day(feed, fit([feed]))


def test_no_number_knows_what_comes_after_it(recording, day):
    shots = recording.snapshots
    half = len(shots) // 2
    later = shots.copy()
    later["bid"][half:] += 3
    later["ask"][half:] += 3
    later["bid_size"][half:, 0] += 5
    other = read_day(feed_of(replace(recording, snapshots=later)), fit([feed_of(recording)]))
    before = day.time < shots["time"][half]
    assert before.sum() > 500
    np.testing.assert_array_equal(day.numbers[before], other.numbers[before])
    assert not np.array_equal(day.numbers[~before], other.numbers[~before])
    assert day.digest != other.digest


@kernels
def test_looks_one_by_one_give_the_numbers_of_the_whole_day():
    rng = np.random.default_rng(0)
    rows = np.concatenate([
        look(k / 2, 99 + int(rng.integers(3)), 103, (int(rng.integers(0, 5)), 3), (4,), volume=3 * k)
        for k in range(60)
    ])  # fmt: skip
    out, place = np.zeros((60, COUNT), np.float32), np.zeros(60, np.int64)
    read_all(rows, np.zeros(1, STATE), UNITS.record(), out, place)
    state, one = np.zeros(1, STATE), np.zeros(COUNT, np.float32)
    for k in range(60):
        readable = read_one(rows[k : k + 1], state, UNITS.record(), one)
        assert (place[k] > 0) == readable
        if readable:
            assert place[k] == state[0]["looks"]
            np.testing.assert_array_equal(one, out[k])
    assert (place == 0).any()
    assert place.max() > 3


def test_units_name_what_was_not_fitted():
    with pytest.raises(ValueError, match="sigma, size"):
        Units.of({"spread": 1.0, "volume": 2.0})
    with pytest.raises(ValueError, match="unit of move is nan"):
        Units.of({"sigma": math.nan, "spread": 1.0, "volume": 2.0, "size": 1.0})


def test_a_course_keeps_its_parts_apart_in_time(day):
    first = int(day.time[len(day.time) * 3 // 4])
    split = course("RBSYN", [day], first, embargo_ns=20 * SECOND)
    (learn,), (validate,), (test,) = split.learn, split.validate, split.test
    time = day.time
    assert time[learn].max() + 25 * SECOND <= time[validate].min() + SECOND
    assert time[validate].max() + 5 * SECOND < first <= time[test].min()
    assert not (learn & validate).any()
    assert not (validate & test).any()
    with pytest.raises(ValueError, match="no look to learn from"):
        course("RBSYN", [day], int(time[0]))
    with pytest.raises(ValueError, match="no look for test"):
        course("RBSYN", [day], int(time[-1]) + 1)


def test_a_perfect_forecast_has_an_r2_of_one_and_the_mean_one_of_nought():
    rng = np.random.default_rng(1)
    target, block = rng.normal(size=(400, 3)), np.repeat(np.arange(20), 20)
    perfect = score(target, target, block)
    assert perfect.value.tolist() == perfect.low.tolist() == [1, 1, 1]
    mean = score(np.tile(target.mean(0), (400, 1)), target, block)
    np.testing.assert_allclose(mean.value, 0, atol=1e-12)
    half = score(target / 2, target, block)
    by_hand = 1 - ((target / 2) ** 2).sum(0) / ((target - target.mean(0)) ** 2).sum(0)
    np.testing.assert_allclose(half.value, by_hand)
    less = half.less(mean)
    assert (less.low > 0.7).all()
    noisy = score(target + rng.normal(size=(400, 3)), target, block)
    assert (noisy.low < noisy.value).all()
    assert (noisy.value < noisy.high).all()
    np.testing.assert_allclose(half.less(noisy).draws, half.draws - noisy.draws)


def test_blocks_are_ten_minutes():
    assert blocks(np.array([0, 599, 600, 7_000]) * SECOND).tolist() == [0, 0, 1, 2]


def test_ridge_finds_a_line_and_shrinks_noise():
    rng = np.random.default_rng(2)
    x, later = rng.normal(size=(500, 4)), rng.normal(size=(500, 4))
    weight = np.array([[1.0, 0, 0], [0, 2.0, 0], [0, 0, 0], [0, 0, 0]])
    noise = rng.normal(size=(500, 3))
    noise[:, :2] *= 0.01
    fit_ = ridge(5 + 3 * x, x @ weight + noise, 5 + 3 * later, later @ weight)
    np.testing.assert_allclose(fit_.forecast(5 + 3 * later)[:, :2], (later @ weight)[:, :2], atol=0.02)
    assert np.abs(fit_.forecast(5 + 3 * later)[:, 2]).max() < 0.3  # nothing to find: the largest penalty


def test_instant_numbers_come_first():
    assert NAMES[INSTANT].endswith("2.5 s")
    assert len(NAMES) == COUNT
    assert isinstance(Day.__doc__, str)
