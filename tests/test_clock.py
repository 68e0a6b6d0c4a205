import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lobarena.data.clock import (
    DAY,
    SECOND,
    UNREADABLE,
    add_fraction,
    characters,
    clock_of,
    day_of,
    packed_clock,
    to_local,
    to_utc,
)

MS = 1_000_000


def clocks(*texts: str) -> list[int]:
    chars = characters(pa.array(texts))
    return list(add_fraction(clock_of(chars), chars, 8)[0].tolist())


def test_clocks_are_read_with_their_fraction() -> None:
    assert clocks("00:00:00", "09:30:00.5", "23:59:59.999999999") == [0, 34_200_500 * MS, DAY - 1]


@pytest.mark.parametrize("text", ["", "9:30:00", "24:00:00", "09:60:00", "09:30:00.", "09:30:00,5", "09:30:00.5x", "x"])
def test_a_text_that_is_no_clock_is_unreadable(text: str) -> None:
    assert clocks(text) == [UNREADABLE]


def test_milliseconds_without_leading_zeros_are_read_in_their_order() -> None:
    chars = characters(pa.array(["00:00:01.980", "00:00:02.5", "00:00:02.97", "00:00:02.496"]))
    times, repaired = add_fraction(clock_of(chars), chars, 8)
    assert (times // MS).tolist() == [1980, 2005, 2097, 2496]
    assert repaired.tolist() == [False, False, False, True]


def test_milliseconds_without_leading_zeros_are_known_by_their_digits_in_any_order() -> None:
    chars = characters(pa.array(["00:00:02.97", "00:00:01.980", "00:00:02.5"]))
    times, repaired = add_fraction(clock_of(chars), chars, 8)
    assert (times // MS).tolist() == [2097, 1980, 2005]
    assert repaired.tolist() == [True, False, True]


def test_tenths_of_a_second_stay_tenths() -> None:
    assert clocks("00:00:00.5", "00:00:01.0", "00:00:01.5") == [500 * MS, 1000 * MS, 1500 * MS]


@pytest.mark.parametrize("text", ["20210104", "2021-01-04", "2021/01/04", "2021.01.04"])
def test_days_are_read_in_three_forms(text: str) -> None:
    assert day_of(characters(pa.array([text]))).tolist() == [18631]


@pytest.mark.parametrize("text", ["20210230", "2021-1-4", "2021-01/04", "2021.01-04", "today", ""])
def test_a_text_that_is_no_day_is_unreadable(text: str) -> None:
    assert day_of(characters(pa.array([text]))).tolist() == [UNREADABLE]


def test_packed_clocks_are_read() -> None:
    written = np.array([93000500.0, 240000000.0, 96000000.0, -1.0, np.nan, 1.5])
    assert packed_clock(written).tolist() == [34_200_500 * MS] + [UNREADABLE] * 5


@given(st.integers(0, 4_000_000_000), st.sampled_from(["Asia/Shanghai", "UTC"]))
def test_zones_go_there_and_back(seconds: int, zone: str) -> None:
    times = np.array([seconds * SECOND])
    assert to_utc(to_local(times, zone), zone).tolist() == times.tolist()


def test_shanghai_is_eight_hours_ahead() -> None:
    assert to_utc(np.array([18631 * DAY, UNREADABLE]), "Asia/Shanghai").tolist() == [18631 * DAY - DAY // 3, UNREADABLE]
