"""Students correct the line of their contract: what they learn, what comes back, and how much of it counts."""

from dataclasses import replace

import numpy as np
import pytest
from lessons_made_up import made_up_told
from test_teacher import made_up_course

from lobarena.agents.distill.forecaster import forecaster
from lobarena.agents.distill.lessons import Lessons, Told
from lobarena.agents.distill.student import Size
from lobarena.agents.distill.training import Schedule
from lobarena.agents.teacher.base import Base
from lobarena.benchmarks.distilling import Plan, distill, lessons_of, lines, material, of_courses

NAMES = ["XX1", "YY2"]
PLAN = Plan("none", Size(2, 4, 1), schedule=Schedule(steps=4, every=2))


@pytest.fixture(scope="module")
def courses():
    """Of the second contract spread and volume follow the numbers the other way round, far from those of the first."""
    first, second = made_up_course(looks=1_400), made_up_course(seed=1, looks=1_400)
    day = replace(second.days[0], symbol="YY2", targets=8 - second.days[0].targets)
    return [first, replace(second, symbol="YY2", days=(day,))]


def test_what_is_learnt_is_what_the_line_leaves_and_comes_back_whole(courses):
    base = lines(courses)
    told = [np.random.default_rng(k).normal(size=(len(one.days[0].time), 3)) for k, one in enumerate(courses)]

    def listen(day):
        return Told(made_up_told(day).states, told[NAMES.index(day.symbol)].astype(np.float32))

    found = lessons_of(courses, "learn", base, listen)
    scaled = np.concatenate([np.where(one.learn[0][:, None], one.days[0].scaled, np.nan) for one in courses])
    assert set(found.contract) == {1, 2}
    np.testing.assert_allclose(found.whole(found.target), scaled, atol=1e-5)
    np.testing.assert_allclose(found.whole(found.told.forecast), np.concatenate(told), atol=1e-4)
    known = found.known
    assert np.abs(found.target[known].mean(0)).max() < 0.05
    np.testing.assert_allclose(found.target[known].std(0), 1, atol=0.05)
    half = replace(base, share=np.full_like(base.share, 0.5))
    np.testing.assert_allclose(found.whole(found.target, half)[known], (scaled + found.line)[known] / 2, atol=1e-5)


def test_a_student_with_lines_knows_which_contract_it_reads_and_one_without_does_not(courses, tmp_path):
    given = of_courses(courses, None)
    with_lines = distill(PLAN, given, tmp_path / "with")
    bare = [lessons_of(courses, part, Base.none(2)) for part in ("learn", "validate")]
    without = distill(PLAN, material(*bare, NAMES, "days"), tmp_path / "without")
    assert with_lines.skill > 0.5
    assert without.skill < with_lines.skill - 0.2


def test_a_file_forecasts_line_and_share_of_the_correction_by_contract(courses, tmp_path):
    given = of_courses(courses, None)
    one = forecaster(distill(PLAN, given, tmp_path / "run").file)
    assert one.about.contracts == NAMES
    assert (one.base.share >= 0).all()
    assert (one.base.share <= 1).all()
    day = courses[1].days[0]
    told = one.forecast(day.numbers, day.place, "YY2")[:, :3]
    level, gain, line = one.line(2)
    left = (told - level - day.numbers @ line) / np.where(gain > 0, gain, 1)
    read = day.place > 0
    other = one.forecast(day.numbers, day.place, "ZZ9")[:, :3]
    level, gain, line = one.line(0)
    np.testing.assert_allclose(other[read], (level + gain * left + day.numbers @ line)[read], atol=1e-4)
    assert one.place("ZZ9") == 0


def test_of_a_correction_that_helps_nobody_nothing_counts():
    rng = np.random.default_rng(0)
    left = rng.normal(size=(4_000, 3))
    found = Base.none(1).shared(left, np.ones(4_000, int), np.stack([left[:, 0], -left[:, 1], left[:, 2] / 2], 1))
    np.testing.assert_allclose(found.share[1], [1, 0, 1])


def test_lessons_without_lines_are_the_targets_themselves(courses):
    found = Lessons.of([courses[0].days[0]])
    known = found.known
    np.testing.assert_allclose(found.target[known], courses[0].days[0].scaled[known], rtol=1e-6)
    assert not found.line.any()
