"""Written times to nanoseconds, a whole column at once."""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow

UNREADABLE = np.iinfo(np.int64).min  # a time or day that cannot be read
SECOND, DAY = 1_000_000_000, 86_400_000_000_000  # ns
EPOCH = date(1970, 1, 1)

Times = npt.NDArray[np.int64]
Chars = npt.NDArray[np.uint8]  # (n, width) bytes of text, 0 behind its end


def characters(column: "pyarrow.StringArray", width: int = 32) -> Chars:
    """A text column as (n, width) bytes, cut at `width`, 0 behind the end of each text."""
    _, offsets, data = column.buffers()
    n = len(column)
    if data is None or data.size == 0:
        return np.zeros((n, width), np.uint8)
    start = np.frombuffer(offsets, np.int32)[column.offset : column.offset + n + 1].astype(np.int64)
    longest = min(width, int(np.diff(start).max(initial=0)))
    text = np.frombuffer(data, np.uint8)
    place = start[:-1, None] + np.arange(longest)
    out = np.zeros((n, width), np.uint8)
    out[:, :longest] = np.where(place < start[1:, None], text[np.minimum(place, len(text) - 1)], 0)
    return out


def _digits(chars: Chars, start: int, stop: int) -> Times:
    """The number in columns start..stop, UNREADABLE where a byte is no digit."""
    value = np.zeros(len(chars), np.int64)
    good = np.ones(len(chars), bool)
    for k in range(start, stop):
        digit = chars[:, k].astype(np.int64) - ord("0")
        good &= (digit >= 0) & (digit <= 9)
        value = value * 10 + digit
    return np.where(good, value, UNREADABLE)


def clock_of(chars: Chars, start: int = 0) -> Times:
    """ "HH:MM:SS" from a column on -> (n,) ns since midnight."""
    hours, minutes, seconds = (_digits(chars, start + k, start + k + 2) for k in (0, 3, 6))
    good = (hours >= 0) & (hours < 24) & (minutes >= 0) & (minutes < 60) & (seconds >= 0) & (seconds < 60)
    good &= (chars[:, start + 2] == ord(":")) & (chars[:, start + 5] == ord(":"))
    return np.where(good, ((hours * 60 + minutes) * 60 + seconds) * SECOND, UNREADABLE)


def date_of(chars: Chars) -> Times:
    """ "YYYY-MM-DD", "YYYY/MM/DD" or "YYYY.MM.DD" at the front -> (n,) days since the epoch."""
    year, month, day = _digits(chars, 0, 4), _digits(chars, 5, 7), _digits(chars, 8, 10)
    mark = chars[:, 4]
    good = np.isin(mark, [ord(c) for c in "-/."]) & (chars[:, 7] == mark) & (year >= 0) & (month >= 0) & (day >= 0)
    return days_of(np.where(good, (year * 100 + month) * 100 + day, UNREADABLE))


def day_of(chars: Chars) -> Times:
    """ "20210104", "2021-01-04" or "2021/01/04" at the front -> (n,) days since the epoch."""
    plain = days_of(_digits(chars, 0, 8))
    return np.where(plain == UNREADABLE, date_of(chars), plain)


def days_of(written: npt.NDArray[np.float64] | Times) -> Times:
    """(n,) numbers 20210104 -> (n,) days since the epoch; UNREADABLE where there is no such day."""
    values, places = np.unique(written, return_inverse=True)
    days = np.full(len(values), UNREADABLE)
    for k, value in enumerate(values.tolist()):
        if np.isfinite(value) and 19000101 <= value <= 22001231 and value == int(value):
            year, rest = divmod(int(value), 10_000)
            try:
                days[k] = (date(year, *divmod(rest, 100)) - EPOCH).days
            except ValueError:
                continue
    return days[places.reshape(-1)]


def to_date(days: int) -> date:
    """Days since the epoch -> date."""
    return EPOCH + timedelta(days=int(days))


def to_days(day: date) -> int:
    """Date -> days since the epoch."""
    return (day - EPOCH).days


def packed_clock(written: npt.NDArray[np.float64]) -> Times:
    """(n,) numbers HHMMSSmmm, 93000500 for 09:30:00.500 -> (n,) ns since midnight."""
    safe = np.where((written >= 0) & (written < 240_000_000) & (written == np.rint(written)), written, -1.0).astype(
        np.int64
    )
    seconds, thousandths = safe // 1000, safe % 1000
    hours, minutes, rest = seconds // 10_000, seconds // 100 % 100, seconds % 100
    good = (safe >= 0) & (minutes < 60) & (rest < 60)
    return np.where(good, ((hours * 60 + minutes) * 60 + rest) * SECOND + thousandths * 1_000_000, UNREADABLE)


def add_fraction(seconds: Times, chars: Chars, start: int) -> tuple[Times, npt.NDArray[np.bool_]]:
    """Whole seconds (n,) plus the fraction written from a column on, ".5" or nothing -> ns.

    Some recorders print the milliseconds without leading zeros, 5 ms as ".5" and 97 ms as ".97". Read as decimals such
    rows run backwards; the reading with fewer steps back is taken, or the one that the digits leave. Second result:
    (n,) rows that decimals would set before the row above (or else all with few digits); all False where decimals are
    right.
    """
    value = np.zeros(len(chars), np.int64)
    length = np.zeros(len(chars), np.int64)
    alive = chars[:, start] == ord(".")
    good = alive | (chars[:, start] == 0)
    for k in range(start + 1, min(start + 10, chars.shape[1])):
        alive &= chars[:, k] != 0
        digit = chars[:, k].astype(np.int64) - ord("0")
        good &= ~alive | ((digit >= 0) & (digit <= 9))
        value = np.where(alive, value * 10 + digit, value)
        length += alive
    if chars.shape[1] > start + 10:
        good &= ~alive | (chars[:, start + 10] == 0)
    good &= (seconds != UNREADABLE) & ~((chars[:, start] == ord(".")) & (length == 0))
    decimal = np.where(good, seconds + value * 10 ** (9 - length), UNREADABLE)
    short, full = (length > 0) & (length < 3) & (value > 0), length == 3
    if short.any() and length.max() == 3:
        unpadded = np.where(good, seconds + value * 1_000_000, UNREADABLE)
        back, still = (np.append(False, times[1:] < times[:-1]) for times in (decimal, unpadded))
        cut = short.mean() > 0.01 and (full & (value % 10 == 0) & (value > 0)).any()  # ".97" beside ".980": no decimals
        if cut or still.sum() < back.sum():
            mended = back & ~still
            return unpadded, mended if mended.any() else short
    return decimal, np.zeros(len(chars), bool)


def to_utc(local: Times, timezone: str) -> Times:
    """(n,) ns of a zone's wall clock, counted from 1970-01-01 00:00 there -> (n,) ns UTC; UNREADABLE stays."""
    hours, places = np.unique(np.floor_divide(local, 3600 * SECOND), return_inverse=True)
    zone = ZoneInfo(timezone)
    offsets = np.zeros(len(hours), np.int64)
    for k, hour in enumerate(hours.tolist()):
        if 0 <= hour < 2_000_000:  # to the year 2198; an unreadable time is far below
            offset = (datetime(1970, 1, 1, tzinfo=zone) + timedelta(hours=hour)).utcoffset()
            offsets[k] = int(offset.total_seconds()) * SECOND if offset else 0
    return np.where(local == UNREADABLE, UNREADABLE, local - offsets[places.reshape(-1)])


def to_local(times: Times, timezone: str) -> Times:
    """(n,) ns UTC -> (n,) ns of a zone's wall clock; UNREADABLE stays."""
    hours, places = np.unique(np.floor_divide(times, 3600 * SECOND), return_inverse=True)
    zone = ZoneInfo(timezone)
    offsets = np.zeros(len(hours), np.int64)
    for k, hour in enumerate(hours.tolist()):
        if 0 <= hour < 2_000_000:
            offset = datetime.fromtimestamp(hour * 3600, zone).utcoffset()
            offsets[k] = int(offset.total_seconds()) * SECOND if offset else 0
    return np.where(times == UNREADABLE, UNREADABLE, times + offsets[places.reshape(-1)])
