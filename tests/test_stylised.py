import numpy as np
import pytest

from lobarena.benchmarks.stylised import STEP_NS, by_volatility, measure, windows_of
from lobarena.data.schema import AUCTION, SNAPSHOT


def shots(mid2: np.ndarray, spread: int = 2, size: int = 10, lots: int = 3, start: int = 0) -> np.ndarray:
    """Snapshots every half second from `start` ns; mid2 is twice the mid, ticks."""
    rows = np.zeros(len(mid2), SNAPSHOT)
    rows["time"] = start + STEP_NS * np.arange(len(mid2))
    rows["bid"][:, 0], rows["ask"][:, 0] = (mid2 - spread) // 2, (mid2 + spread) // 2
    rows["bid_size"][:, 0], rows["ask_size"][:, 0] = size, 3 * size
    rows["volume"] = lots * (np.arange(len(mid2)) // 2)  # trades in every second interval
    return rows


def flat(n: int = 600, start: int = 0) -> np.ndarray:
    return shots(np.full(n, 2_000), start=start)


def test_the_measures_of_a_market_worked_out_by_hand():
    found = measure([shots(2_000 + 2 * np.arange(600))])  # the mid rises one tick each half second
    assert (found.spread, found.one_tick, found.depth) == (2, 0, 20)
    assert found.lots == pytest.approx(3 * 60, rel=0.01)
    assert found.quiet == pytest.approx(0.5, abs=0.01)
    assert found.volatility_1s == pytest.approx(2)  # two ticks a second
    assert found.volatility_60s == pytest.approx(120 / 60**0.5)


def test_a_random_walk_has_the_same_volatility_on_both_scales():
    steps = np.random.default_rng(1).choice([-2, 2], 50_000)  # a tick up or down each half second
    found = measure([shots(10**6 + np.cumsum(steps))])
    assert found.volatility_1s == pytest.approx(2**0.5, rel=0.02)
    assert found.volatility_60s == pytest.approx(2**0.5, rel=0.2)


def test_no_move_is_counted_from_one_window_to_the_next():
    assert measure([flat(), shots(np.full(600, 9_000))]).volatility_1s == 0


def test_nothing_to_measure_is_said():
    with pytest.raises(ValueError, match="longer recording"):
        measure([])


def test_windows_are_whole_and_without_holes():
    day = flat(1_800)
    day["kind"][:5] = AUCTION
    assert [len(rows) for rows in windows_of(day)] == [595, 600, 600]
    holed = np.delete(day, np.arange(700, 800))  # 50 s missing of the second window
    assert [int(rows["time"][0]) // 10**9 for rows in windows_of(holed)] == [2, 600]
    assert [len(rows) for rows in windows_of(day[:1_000])] == [595]


def test_a_row_that_is_missing_is_the_row_before_it():
    day = flat(600)
    day["volume"] = np.arange(600)
    assert windows_of(np.delete(day, 300))[0]["volume"][299:302].tolist() == [299, 299, 301]


def test_windows_fall_into_terciles_of_volatility():
    rng = np.random.default_rng(2)
    windows = [shots(10**5 + 2 * np.cumsum(rng.integers(-k, k + 1, 600))) for k in (3, 1, 9, 2, 8, 5)]
    calm, normal, wild = by_volatility(windows)
    assert [part[0] is windows[k] for part, k in ((calm, 1), (normal, 0), (wild, 2))] == [True] * 3
    assert [len(part) for part in (calm, normal, wild)] == [2, 2, 2]
