"""When a trading day trades: its sessions and phases in ns UTC, and which trading day a moment belongs to."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from lobarena.data.clock import DAY, SECOND, UNREADABLE, to_date, to_days
from lobarena.data.contracts import Contract
from lobarena.data.schema import BREAK, CALL, CLOSED, CONTINUOUS


def weekday_before(day: date) -> date:
    """The last weekday before a day: the evening on which its night session ran, where no holiday lies between."""
    return day - timedelta(days={0: 3, 6: 2}.get(day.weekday(), 1))


def weekday_after(day: date) -> date:
    """The first weekday after a day: the trading day of its night session, where no holiday lies between."""
    return day + timedelta(days={4: 3, 5: 2}.get(day.weekday(), 1))


def utc(day: date, clock: str, timezone: str) -> int:
    """ "HH:MM" of a calendar day in a zone -> ns since the epoch, UTC; "24:00" is the midnight after."""
    hours, minutes = int(clock[:2]), int(clock[3:])
    local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone)) + timedelta(hours=hours, minutes=minutes)
    return int(local.timestamp()) * SECOND


def session_times(contract: Contract, trading_day: date, night_date: date | None = None) -> npt.NDArray[np.int64]:
    """(k, 2) i8, ns UTC: start and end of the trading day's sessions in order.

    `night_date` is the calendar evening of the night session: the weekday before, so that Friday's night belongs to
    Monday. None leaves the night out, as on the first day after a holiday.
    """
    spans = []
    for session in contract.sessions_on(trading_day):
        day = night_date if session.night else trading_day
        if day is not None:
            past_midnight = timedelta(days=1 if session.end < session.start else 0)
            start = utc(day, session.start, contract.timezone)
            spans.append((start, utc(day + past_midnight, session.end, contract.timezone)))
    return np.array(sorted(spans), np.int64).reshape(-1, 2)


def phase_times(
    contract: Contract, trading_day: date, night_date: date | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]:
    """(m,) i8 ns UTC and (m,) i1 phase that begins then: CALL, then CONTINUOUS and BREAK in turn, CLOSED at the end."""
    spans = session_times(contract, trading_day, night_date)
    times, phases = [], []
    if len(spans) and contract.auction_minutes:
        times, phases = [int(spans[0, 0]) - int(contract.auction_minutes * 60 * SECOND)], [CALL]
    for start, end in spans.tolist():
        times += [start, end]
        phases += [CONTINUOUS, BREAK]
    phases[-1:] = [CLOSED] if phases else []
    return np.array(times, np.int64), np.array(phases, np.int8)


def trading_days(contract: Contract, local: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(n,) ns of the exchange's wall clock -> (n,) trading days, days since the epoch.

    From 18:00 on, a product with a night session trades for the next weekday; before 06:00 it still does.
    UNREADABLE stays.
    """
    if not any(session.night for session in contract.sessions):
        return np.where(local == UNREADABLE, UNREADABLE, local // DAY)
    shifted = local // (6 * 3600 * SECOND) - 3  # a night runs from 18:00 to 06:00 and then the day it belongs to begins
    quarters, places = np.unique(shifted, return_inverse=True)
    days = np.full(len(quarters), UNREADABLE)
    for k, quarter in enumerate(quarters.tolist()):
        if abs(quarter) < 400_000:
            evening, part = divmod(quarter, 4)
            days[k] = to_days(weekday_after(to_date(evening))) if part < 2 else evening + 1
    return days[places.reshape(-1)]


def evening_of(trading_day: date, local: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(n,) ns since midnight, all of one trading day -> (n,) ns of the exchange's wall clock: evenings belong to the
    weekday before, hours before 06:00 to the morning after that evening. UNREADABLE stays.
    """
    night, day = to_days(weekday_before(trading_day)), to_days(trading_day)
    hour = local // (3600 * SECOND)
    days = np.where(hour >= 18, night, np.where(hour < 6, night + 1, day))
    return np.where(local == UNREADABLE, UNREADABLE, days * DAY + local)
