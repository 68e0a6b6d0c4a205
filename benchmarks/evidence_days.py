"""What evidence is learnt from and judged on: windows of the learning days, and episodes of the later ones as days."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from lobarena.agents.distill.lessons import Lessons
from lobarena.agents.teacher.base import Base
from lobarena.agents.windows.course import Course
from lobarena.agents.windows.day import Day, scales
from lobarena.agents.windows.numbers import COUNT, STATE, read_all
from lobarena.agents.windows.targets import HORIZON_S, targets
from lobarena.agents.windows.units import Units
from lobarena.benchmarks.distilling import lessons
from lobarena.benchmarks.quoting_rule import Ground, Stage, watch
from lobarena.sim.synthetic import embedded_root, training_root

WINDOW = 512  # looks in a row that are learnt from


@dataclass(frozen=True, eq=False)
class Scene:
    """Some episodes of a contract: to be played, and their looks as a day, memories begun anew with each episode."""

    course: Course
    stage: Stage
    day: Day


def windows(course: Course, share: float) -> list[tuple[Day, np.ndarray]]:
    """Stretches of WINDOW looks of every learning day, in all about this share: days, and which looks may be asked."""
    found = []
    step = max(1, round(WINDOW / share))
    for day, mask in zip(*course.part("learn"), strict=True):
        for start in range(0, len(day.time), step):
            own = slice(start, min(start + WINDOW, len(day.time)))
            if mask[own].any():
                found.append((_cut(day, own), mask[own]))
    return found


def _cut(day: Day, own: slice) -> Day:
    place = day.place[own].copy()
    row = np.arange(len(place))
    first = np.flatnonzero(place <= 1)  # where a row of looks begins in the window, or there is none
    goes_on = row < (first[0] if len(first) else len(place))
    place[goes_on] = row[goes_on] + 1
    digest = hashlib.sha256(f"{day.digest} {own.start} {own.stop}".encode()).hexdigest()
    return replace(
        day, time=day.time[own], place=place, numbers=day.numbers[own], targets=day.targets[own], digest=digest
    )


def scenes(course: Course, part: str, data: str, minutes: float, most: int) -> Scene:
    """At most so many whole episodes of the part "validate" or "test" of a contract."""
    days, masks = course.part(part)
    if part == "validate":  # those of the last day: the nearest to what is played
        days, masks = days[-1:], masks[-1:]
    known = np.concatenate([day.time[mask] for day, mask in zip(days, masks, strict=True)])
    between = (int(known[0]), int(known[-1] + HORIZON_S * 1e9))
    day = f"{days[0].day}" if len(days) == 1 else ""
    stage = watch(Ground(_folder(data, part), course.symbol, day, between), minutes, most, course.fitted["sigma"])
    units = Units.of(course.fitted)
    numbers, place = np.zeros((len(stage.looks), COUNT), np.float32), np.zeros(len(stage.looks), np.int64)
    for begin, end in zip(stage.begins.tolist(), stage.ends.tolist(), strict=True):
        read_all(stage.looks[begin:end], np.zeros(1, STATE), units.record(), numbers[begin:end], place[begin:end])
    digest = hashlib.sha256(f"{[one.digest for one in days]} {between} {minutes} {stage.episodes}".encode()).hexdigest()
    looks = Day(
        symbol=course.symbol,
        day=days[0].day,
        time=stage.looks["published"].copy(),
        place=place,
        numbers=numbers,
        targets=targets(stage.looks, place),
        scales=scales(units),
        digest=digest,
    )
    return Scene(course, stage, looks)


@cache
def _folder(data: str, part: str) -> str:
    """Where the days of a part lie; found once, since finding the made-up ones takes longer than playing them."""
    if data != "training":
        return data
    return str(embedded_root(0) if part == "test" else training_root(0))


def whole(found: Sequence[Scene], base: Base, contracts: Sequence[str]) -> Lessons:
    """All looks of some scenes; `base` the lines of `contracts`."""
    return lessons([(one.day, np.isfinite(one.day.targets).all(1)) for one in found], base, contracts)
