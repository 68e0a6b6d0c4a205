"""The students that come with the package: they play without parameters, and say what they were made of."""

import pytest

from lobarena.agents.distill.agent import PACKAGED
from lobarena.agents.distill.forecaster import forecaster
from lobarena.agents.table import make


@pytest.mark.parametrize(("name", "method"), [("cmm", "cmm"), ("student", "tofd"), ("untaught", "none")])
def test_packaged_students_are_of_made_up_days_alone(name, method):
    about = forecaster(PACKAGED / f"{name}.safetensors").about
    assert about.method == method
    assert sorted(about.contracts) == ["AGSYN", "CUSYN", "FUSYN", "RBSYN"]
    assert bool(about.teacher) == (method != "none")
    assert "lobarena llm tune" in about.command
    assert make(name).digest


def test_the_packaged_three_have_about_the_same_size():
    sizes = [sum(one.size for one in forecaster(PACKAGED / f"{name}.safetensors").students.values()) for name in NAMES]
    assert max(sizes) < 1.3 * min(sizes)


NAMES = ("cmm", "student", "untaught")
