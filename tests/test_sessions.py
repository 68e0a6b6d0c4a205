from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from lobarena.data.clock import DAY, SECOND, UNREADABLE, to_days
from lobarena.data.contracts import contract
from lobarena.data.schema import BREAK, CALL, CLOSED, CONTINUOUS
from lobarena.data.sessions import evening_of, phase_times, session_times, trading_days, weekday_after, weekday_before

MONDAY, FRIDAY = date(2017, 11, 13), date(2017, 11, 10)


def at(day: int, hour: int, minute: int = 0) -> int:
    """ns UTC of a time in Shanghai, November 2017."""
    return int(datetime(2017, 11, day, hour, minute, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()) * SECOND


def test_friday_night_belongs_to_monday() -> None:
    assert session_times(contract("RB"), MONDAY, FRIDAY).tolist() == [
        [at(10, 21), at(10, 23)],
        [at(13, 9), at(13, 10, 15)],
        [at(13, 10, 30), at(13, 11, 30)],
        [at(13, 13, 30), at(13, 15)],
    ]


def test_a_night_past_midnight_ends_on_saturday() -> None:
    assert session_times(contract("AG"), MONDAY, FRIDAY)[0].tolist() == [at(10, 21), at(11, 2, 30)]


def test_without_a_night_the_day_begins_in_the_morning() -> None:
    assert session_times(contract("RB"), MONDAY)[0].tolist() == [at(13, 9), at(13, 10, 15)]


def test_phases_begin_with_the_call_and_end_closed() -> None:
    times, phases = phase_times(contract("IF"), MONDAY)
    assert times.tolist() == [at(13, 9, 25), at(13, 9, 30), at(13, 11, 30), at(13, 13), at(13, 15)]
    assert phases.tolist() == [CALL, CONTINUOUS, BREAK, CONTINUOUS, CLOSED]


@pytest.mark.parametrize(
    ("day", "hour", "trades"), [(9, 22, 10), (10, 0, 10), (10, 14, 10), (10, 21, 13), (11, 1, 13), (12, 20, 13)]
)
def test_an_evening_trades_for_the_next_weekday(day: int, hour: int, trades: int) -> None:
    local = np.array([to_days(date(2017, 11, day)) * DAY + hour * 3600 * SECOND])
    assert trading_days(contract("RB"), local).tolist() == [to_days(date(2017, 11, trades))]


def test_a_product_without_a_night_trades_on_the_calendar_day() -> None:
    local = np.array([to_days(FRIDAY) * DAY + 22 * 3600 * SECOND, UNREADABLE])
    assert trading_days(contract("IF"), local).tolist() == [to_days(FRIDAY), UNREADABLE]


def test_clocks_of_one_trading_day_fall_on_three_calendar_days() -> None:
    hours = np.array([21, 1, 9]) * 3600 * SECOND
    assert (evening_of(MONDAY, hours) // DAY).tolist() == [to_days(date(2017, 11, day)) for day in (10, 11, 13)]


def test_weekdays_skip_the_weekend() -> None:
    assert [weekday_before(MONDAY), weekday_after(FRIDAY)] == [FRIDAY, MONDAY]
    assert weekday_before(date(2017, 11, 12)) == FRIDAY
