"""What a tuned language model tells of whole days, recorded so that it can be played without the model."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lobarena.agents.learner import TrainingError
from lobarena.agents.teacher.recorded import Record, store
from lobarena.agents.teacher.trained import trained
from lobarena.agents.windows.course import Course
from lobarena.agents.windows.day import Day
from lobarena.benchmarks.telling import telling

Advance = Callable[[int, int, str], None]


def record(
    teacher: Path,
    model: Path,
    courses: Sequence[Course],
    out: Path,
    told: Path,
    every: int = 2,
    least: int = 8,
    command: str = "",
    advance: Advance = lambda done, total, text: None,
) -> Path:
    """The file of a teacher's forecasts of the test part of some contracts; a teacher that learnt from it cheats.

    told : folder in which what was read of each day stays, so that a killed run goes on with the next day
    every : looks between two forecasts; least : looks that are read before the first, both as `tuned-llm` has them
    """
    from lobarena.agents.llm.local import digest

    one, weights = trained(teacher, model), hashlib.sha256(teacher.read_bytes()).hexdigest()
    listen = telling(one, weights, 1, told, advance)
    records, days = {}, hashlib.sha256()
    for course in courses:
        for day in course.part("test")[0]:
            forecast = listen(day).forecast.astype(float)
            own = np.isfinite(forecast).all(1) & (day.place >= least) & (day.place % every == 0)
            if own.any():
                records[f"{day.symbol}.{day.day}"] = Record(day.time[own], _whole(day, forecast)[own], day.limits)
                days.update(day.digest.encode())
    if not records:
        raise TrainingError("no look could be read; give longer days")
    about = {
        "tokens": every,
        "parameters": sum(part.numel() for part in one.teacher.parameters()),
        "model": digest(model),
        "teacher": weights,
        "data": days.hexdigest(),
        "command": command,
    }
    return store(out, records, about)


def _whole(day: Day, told: np.ndarray) -> np.ndarray:
    """(n, 3) in units of the contract -> (n, 4) as the rule takes them; the model is sure."""
    move, spread, volume = (told * day.scales[:, 1] + day.scales[:, 0]).T
    lots = np.expm1(np.clip(volume, 0, 20))
    return np.stack([move, np.maximum(spread, 0), lots, np.ones(len(told))], 1)
