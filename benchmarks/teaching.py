"""A teacher is trained on the days of several contracts, and everything that it depends on is written beside it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.agents.teacher.base import Base
from lobarena.agents.teacher.chunks import Rows
from lobarena.agents.teacher.trained import Build, make
from lobarena.agents.teacher.training import WEIGHTS, Schedule, train
from lobarena.agents.windows.course import Course
from lobarena.agents.windows.numbers import NAMES

Advance = Callable[[int, int, str], None]


def rows_of(courses: Sequence[Course], part: str, contracts: Sequence[str] = ()) -> Rows:
    """The looks of a part ("learn", "validate", "test") of every contract; `contracts` are told apart."""
    days, masks = [], []
    for course in courses:
        own, wanted = course.part(part)
        days += own
        masks += wanted
    return Rows.of(days, masks, contracts)


def data_digest(courses: Sequence[Course]) -> str:
    """SHA-256 of all days and of which looks are learnt from."""
    found = hashlib.sha256()
    for course in courses:
        for day, mask in zip(course.days, course.learn, strict=True):
            found.update(day.digest.encode() + np.packbits(mask).tobytes())
    return found.hexdigest()


def teach(
    courses: Sequence[Course],
    build: Build,
    model: Path,
    schedule: Schedule,
    out: Path,
    command: str = "",
    advance: Advance = lambda done, total, text: None,
) -> tuple[Path, list[dict[str, float]]]:
    """Train, or go on: (the file of weights, a row a validation)."""
    contracts = [course.symbol for course in courses]
    learn, validate = rows_of(courses, "learn", contracts), rows_of(courses, "validate", contracts)
    base = Base.of(learn, validate, len(contracts))
    known = learn.numbers[np.isfinite(learn.targets).all(1)].astype(np.float64)
    shift, scale = known.mean(0), known.std(0)
    teacher = make(build, model, shift, np.where(scale > 1e-6, scale, 1.0))
    about: dict[str, Any] = {"build": asdict(build), "names": list(NAMES), "data": data_digest(courses)}
    about |= {"contracts": contracts, "command": command}
    history = train(teacher, base, learn, validate, schedule, out, about, advance)
    return out / WEIGHTS, history
