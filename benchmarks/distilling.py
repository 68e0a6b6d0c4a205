"""Students are distilled from a teacher on the days of several contracts; what all of it depends on is kept beside.

CMM is trained in two parts: the students together, then the gate over them while they stay as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.agents.distill.cells import take_apart
from lobarena.agents.distill.cooperation import Cooperation, Shares
from lobarena.agents.distill.design import Design
from lobarena.agents.distill.forecaster import WEIGHTS, About, Forecaster, StudentSize, store
from lobarena.agents.distill.lessons import Lessons, Told, Units, Voice, units
from lobarena.agents.distill.light import shares
from lobarena.agents.distill.mixture import Gate, Mixture, Sight, fit, fused
from lobarena.agents.distill.student import Size, Students, as_large, read_rows
from lobarena.agents.distill.taught import CONTROLS, Taught, course
from lobarena.agents.distill.training import MEAN, Judge, Schedule, judged, skill, train
from lobarena.agents.learner import TrainingError
from lobarena.agents.teacher.base import Base
from lobarena.agents.windows.course import Course
from lobarena.agents.windows.day import Day
from lobarena.agents.windows.numbers import INSTANT_NAMES, NAMES
from lobarena.benchmarks.teaching import data_digest, rows_of

CMM = "cmm"
Advance = Callable[[int, int, str], None]
Fuse = Callable[[np.ndarray], np.ndarray]
"""(n, K, 3) standardised forecasts of all students -> (n, 3) of them together."""
Play = Callable[[Forecaster], Mapping[str, float]]
"""More scalars of a validation, such as PnLMAP of the quoting rule, from the students as they are at that moment."""


@dataclass(frozen=True)
class Plan:
    """What is distilled, and how."""

    method: str  # of losses.METHODS, a control of taught.CONTROLS, or "cmm"
    size: Size = field(default_factory=lambda: Size(18))  # of CMM's students, or of what has several or their size
    weight: float | None = None  # of a method's loss beside the task
    design: Design = field(default_factory=Design)
    shares: Shares = field(default_factory=Shares)
    gate: Gate = field(default_factory=Gate)
    schedule: Schedule = field(default_factory=Schedule)


@dataclass(frozen=True, eq=False)
class Distilled:
    """Trained students."""

    file: Path
    history: list[dict[str, float]]  # a row a validation
    gate: list[dict[str, float]]  # likewise of the gate, of what the lines leave over; empty without one
    skill: float  # mean R2 on the validation part of what the file forecasts


def methods() -> list[str]:
    """Every name that may be distilled."""
    from lobarena.agents.distill.losses import METHODS

    return [CMM, *CONTROLS, *METHODS]


@dataclass(frozen=True, eq=False)
class Material:
    """What every method learns from and is chosen on, and what a file of weights says of it."""

    learn: Lessons
    validate: Lessons
    units: Units
    about: About  # of no method yet


def material(
    learn: Lessons, validate: Lessons, contracts: Sequence[str], data: str, teacher: str = "", command: str = ""
) -> Material:
    """data, teacher : digests of the days and of the teacher's weights."""
    found = units(learn)
    about = About(
        format=1,
        method="",
        size=StudentSize(students=1, width=1, blocks=1, bins=0),
        form="",
        numbers=list(INSTANT_NAMES),
        lines=list(NAMES),
        mean=found.mean.tolist(),
        sd=found.sd.tolist(),
        cuts=found.cuts.tolist(),
        data=data,
        teacher=teacher,
        contracts=list(contracts),
        command=command,
    )
    return Material(learn, validate, found, about)


def distill(
    plan: Plan, given: Material, out: Path, play: Play | None = None, advance: Advance = lambda done, total, text: None
) -> Distilled:
    """Train in a folder, or go on there."""
    run = _cmm if plan.method == CMM else _one
    return run(plan, replace(given, about=given.about.model_copy(update={"method": plan.method})), out, play, advance)


def of_courses(
    courses: Sequence[Course], told: Callable[[Day], Told] | None, teacher: str = "", command: str = ""
) -> Material:
    """All looks of some courses. told : of every look of a day; None where there is no teacher"""
    lined = lines(courses)
    learn, validate = (lessons_of(courses, part, lined, heard) for part, heard in (("learn", told), ("validate", None)))
    return material(learn, validate, [one.symbol for one in courses], data_digest(courses), teacher, command)


def lines(courses: Sequence[Course]) -> Base:
    """The lines that a teacher of the same days begins with, too."""
    names = [one.symbol for one in courses]
    return Base.of(rows_of(courses, "learn", names), rows_of(courses, "validate", names), len(names))


def lessons_of(courses: Sequence[Course], part: str, base: Base, told: Callable[[Day], Told] | None = None) -> Lessons:
    """The looks of a part ("learn", "validate", "test") of every contract, with what a teacher told of them."""
    pairs = [pair for one in courses for pair in zip(*one.part(part), strict=True)]
    return lessons(pairs, base, [one.symbol for one in courses], told)


def lessons(
    pairs: Sequence[tuple[Day, np.ndarray]],
    base: Base,
    contracts: Sequence[str],
    told: Callable[[Day], Told] | None = None,
) -> Lessons:
    """Days and the looks of them that may be asked for, one behind the other, with what a teacher told of them.

    base : the lines of `contracts`
    """
    days, masks = [day for day, _ in pairs], [mask for _, mask in pairs]
    heard = None
    if told is not None:
        found = [told(day) for day in days]
        states = np.concatenate([np.asarray(one.states, np.float16) for one in found])
        heard = Told(states, np.concatenate([one.forecast for one in found]))
    return Lessons.of(days, masks, heard, base, contracts)


def _one(plan: Plan, given: Material, out: Path, play: Play | None, advance: Advance) -> Distilled:
    learn, scale, seed = given.learn, given.units, plan.schedule.seed
    asked = course(plan.method, plan.size)
    students = Students(asked.size, scale.shift, scale.scale, seed)
    objective = Taught(asked.method, asked.size, learn, scale, plan.weight, seed=seed)
    about = given.about.model_copy(update={"size": StudentSize(**asdict(asked.size))})
    judge = _judge(lambda told: told.mean(1), given.validate, scale, about, {}, play)
    settings = _settings(about) | {"weight": plan.weight, "taught by": asked.method}
    history = train(students, objective, learn, scale, judge, plan.schedule, out, settings, advance)
    best = max(history, key=lambda row: row[plan.schedule.best])
    about = about.model_copy(update={"validation": best})
    base = given.validate.shared(_left(students, lambda told: told.mean(1), given.validate, scale))
    return Distilled(store(out / WEIGHTS, arrays_of(students), {}, about, base), history, [], best[MEAN])


def _cmm(plan: Plan, given: Material, out: Path, play: Play | None, advance: Advance) -> Distilled:
    learn, scale, seed = given.learn, given.units, plan.schedule.seed
    if learn.told is None:
        raise TrainingError("cmm learns from a teacher; give --teacher FILE of lobarena teach")
    rows = np.flatnonzero(learn.known & (learn.heard() >= 1))
    voice = Voice(learn.told, rows)
    advance(0, plan.schedule.steps, "taking features apart")
    share = shares(voice, learn, rows, plan.design.groups, scale)
    parts = take_apart(learn, voice, rows, scale, plan.design, share, seed)
    size = as_large(plan.size, len(parts.cells))
    students = Students(size, scale.shift, scale.scale, seed)
    objective = Cooperation(parts, size, learn, voice, scale, plan.shares, seed)
    about = given.about.model_copy(update={"size": StudentSize(**asdict(size)), "form": "average"})
    plain = Mixture(Gate(form="average"), parts.tasks, size.width)
    judge = _judge(objective.together, given.validate, scale, about, arrays_of(plain), play)
    settings = _settings(about) | {"design": asdict(plan.design), "shares": asdict(plan.shares)}
    history = train(students, objective, learn, scale, judge, plan.schedule, out, settings, advance)
    later = sight(students, given.validate, scale)
    gate, seen = fit(plan.gate, parts.tasks, sight(students, learn, scale), later)
    told = later.everywhere(fused(gate, later)[0], len(given.validate.target))
    base = given.validate.shared(told * scale.sd + scale.mean)
    found = judged(given.validate, told, scale)
    about = about.model_copy(update={"form": plan.gate.form, "validation": found})
    return Distilled(
        store(out / WEIGHTS, arrays_of(students), arrays_of(gate), about, base), history, seen, found[MEAN]
    )


def _left(students: Students, fuse: Fuse, lessons: Lessons, scale: Units) -> np.ndarray:
    """(n, 3) what students forecast together, as a target."""
    _, told = read_rows(students, lessons.numbers, lessons.begins, lessons.ends)
    return np.asarray(fuse(told) * scale.sd + scale.mean)


def arrays_of(module: Any) -> dict[str, np.ndarray]:
    """A module's parameters and buffers by name."""
    return {name: value.detach().numpy().copy() for name, value in module.state_dict().items()}


def sight(students: Students, lessons: Lessons, scale: Units) -> Sight:
    """What trained students hold of all looks."""
    z, told = read_rows(students, lessons.numbers, lessons.begins, lessons.ends)
    return Sight.of(z, told, (lessons.target - scale.mean) / scale.sd, scale.regime(lessons.volatility))


def _settings(about: About) -> dict[str, Any]:
    told = about.model_dump(exclude={"command", "validation", "form"})
    return {name: told[name] for name in sorted(told)}


def _judge(
    fuse: Fuse,
    validate: Lessons,
    scale: Units,
    about: About,
    gate: Mapping[str, np.ndarray],
    play: Play | None,
) -> Judge:
    by_skill = skill(fuse, validate, scale)
    if play is None:
        return by_skill

    def judge(students: Students) -> Mapping[str, float]:
        base = validate.shared(_left(students, fuse, validate, scale))
        return dict(by_skill(students)) | dict(play(Forecaster(arrays_of(students), gate, about, base)))

    return judge
