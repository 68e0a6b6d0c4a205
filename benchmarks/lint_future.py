"""The market that goes another way after a moment: what the look-ahead check plays beside the recorded one."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from lobarena.data.catalogue import DayFile, read_day
from lobarena.data.recording import Recording
from lobarena.sim.env import MarketMaking
from lobarena.sim.feed import snapshot_feed
from lobarena.sim.settings import Day, make_day

ALTER = "alter_after"
TICKS = 7  # by which later prices move


def hook(env: Any) -> Callable[[int], None] | None:
    """What changes all data of an unwrapped environment later than a time, before its next reset; None without it.

    Any environment may bring a method `alter_after(time)`, in the unit of its info["time"]. For ours on snapshots it is
    made here, through the whole way of the data: the recorded rows change, and the day is inferred from them anew.
    """
    if hasattr(env, ALTER):
        found: Callable[[int], None] = getattr(env, ALTER)
        return found
    if not isinstance(env, MarketMaking) or not all(_is_snapshots(file) for file in env.batch.files[:1]):
        return None
    return lambda time: _alter(env, time)


def _is_snapshots(file: DayFile) -> bool:
    return isinstance(read_day(file), Recording)


def _alter(env: MarketMaking, time: int) -> None:
    settings, files = env.settings, env.batch.files

    @lru_cache(maxsize=8)
    def day(number: int) -> Day:
        recording = read_day(files[number])
        if not isinstance(recording, Recording):
            raise ValueError(f"{recording.symbol} {recording.trading_day} is no record of snapshots")
        feed = snapshot_feed(_altered(recording, time), settings.seed)
        return make_day(feed, settings.rules(), (settings.seat(),) * (1 + len(settings.opponents)))

    env.batch.day = day  # type: ignore[method-assign]


def _altered(recording: Recording, time: int) -> Recording:
    """Prices moved, sizes grown in all rows later than the first one after a time.

    That row stays: what happened since the row before it is inferred from the two of them, the time in between.
    """
    shots = recording.snapshots.copy()
    late = shots["time"] > time
    if late.any():
        late &= shots["time"] > shots["time"][late][0]
    if not late.any():
        return recording
    for name in ("bid", "ask", "last"):
        shots[name][late] += TICKS * (shots[name][late] != 0)
    for name in ("bid_size", "ask_size"):
        shots[name][late] *= 2
    shots["turnover"][late] += TICKS * (shots["volume"][late] - shots["volume"][~late][-1])
    return replace(recording, snapshots=shots)
