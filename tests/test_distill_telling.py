"""What a teacher tells of a day: its forecasts and states, computed once, refused when of another; and the command."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_teacher import SCHEDULE, build, made_up_course, made_up_day
from tiny_model import tiny_model

from lobarena.agents.teacher.chunks import Rows
from lobarena.agents.teacher.trained import trained
from lobarena.agents.teacher.training import corrections
from lobarena.agents.weight_file import WeightsError
from lobarena.benchmarks.teaching import teach
from lobarena.benchmarks.telling import telling
from lobarena.cli import main


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    out = tmp_path_factory.mktemp("teacher")
    model = tiny_model(out / "model")
    file, _ = teach([made_up_course()], build(model), model, replace(SCHEDULE, steps=3), out / "run")
    return trained(file, model)


def test_a_teacher_tells_its_forecasts_and_the_states_that_they_are_read_from(teacher, tmp_path):
    day = made_up_day()
    told = telling(teacher, "a", 2, tmp_path)(day)
    correction = corrections(teacher.teacher, Rows.of([day]))
    expected = teacher.forecast(day.symbol, day.numbers, correction)
    np.testing.assert_allclose(told.forecast, expected, rtol=2e-3, atol=2e-3)
    known = np.isfinite(expected).all(1)
    with torch.no_grad():
        again = teacher.teacher.head(torch.from_numpy(told.states[known, -1].astype(np.float32))).numpy()
    again = teacher.forecast(day.symbol, day.numbers[known], again)
    np.testing.assert_allclose(again, expected[known], rtol=1e-2, atol=1e-2)


def test_what_was_told_once_is_not_computed_again_and_other_files_are_refused(teacher, tmp_path, monkeypatch):
    day = made_up_day()
    first = telling(teacher, "a", 2, tmp_path)(day)
    monkeypatch.setattr("lobarena.benchmarks.telling.read", None)
    second = telling(teacher, "a", 2, tmp_path)(day)
    np.testing.assert_array_equal(first.states, second.states)
    (file,) = tmp_path.glob("*.npy")
    np.save(file, np.zeros((3, 3), np.float16))
    with pytest.raises(WeightsError, match="of another teacher or day"):
        telling(teacher, "a", 2, tmp_path)(day)
    file.write_bytes(b"\x93NUMPY")
    with pytest.raises(WeightsError, match="damaged"):
        telling(teacher, "a", 2, tmp_path)(day)
    with pytest.raises(ValueError, match="layers asked for"):
        telling(teacher, "a", 99, tmp_path)


def test_a_method_that_does_not_exist_is_wrong_use_and_names_those_that_do(capsys):
    with pytest.raises(SystemExit) as left:
        main(["distill", "kdd"])
    assert left.value.code == 2
    assert "reviewkd" in "".join(capsys.readouterr())
