"""Students: look by look equals at once, every method trains them, runs go on to the same bits, bad numbers stop."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from lessons_made_up import WIDTH, lessons

from lobarena.agents.checkpoints import load
from lobarena.agents.distill import losses
from lobarena.agents.distill.lessons import Draw, Told, units
from lobarena.agents.distill.student import Size, Students, as_large, read_rows, scan
from lobarena.agents.distill.taught import CONTROLS, Taught, course
from lobarena.agents.distill.training import MEAN, Schedule, skill, train
from lobarena.agents.learner import TrainingError
from lobarena.agents.weight_file import WeightsError

DRAW = Draw(chunks=4, looks=32, warm=16, stride=4, least=8)
SCHEDULE = Schedule(steps=6, every=3, draw=DRAW)
SIZE = Size(students=2, width=6, blocks=2, bins=5)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def students_of(size, given, seed=0):
    found = units(given)
    return Students(size, found.shift, found.scale, seed), found


def run(name, given, out, size=SIZE, schedule=SCHEDULE, advance=lambda *_: None, change=None):
    asked = course(name, size)
    students, found = students_of(asked.size, given)
    objective = Taught(asked.method, asked.size, given, found)
    if change:
        change(students)
    judge = skill(lambda told: told.mean(1), given, found)
    history = train(students, objective, given, found, judge, schedule, out, {"method": name}, advance)
    return students, history


def test_the_scan_is_the_recurrence_look_by_look():
    keep, add = torch.rand(2, 3, 37, 4), torch.randn(2, 3, 37, 4)
    before = torch.randn(2, 3, 4)
    h, found = before, []
    for t in range(37):
        h = keep[:, :, t] * h + add[:, :, t]
        found.append(h)
    torch.testing.assert_close(scan(keep, add, before), torch.stack(found, 2))


def test_look_by_look_gives_what_reading_at_once_gives():
    students, _ = students_of(Size(3, 7), lessons())
    numbers = torch.randn(2, 90, 15)
    whole = students.read(numbers)
    state, stages = None, []
    for t in range(90):
        read = students.read(numbers[:, t : t + 1], state)
        state = read.state
        stages.append(read.stages)
    for k, stage in enumerate(whole.stages):
        torch.testing.assert_close(torch.cat([one[k] for one in stages], 2), stage, atol=1e-5, rtol=0)
    torch.testing.assert_close(state, whole.state, atol=1e-5, rtol=0)


def test_rows_are_read_from_their_beginnings_whatever_stretch_is_read_at_a_time():
    given = lessons()
    students, _ = students_of(Size(2, 5), given)
    z, told = read_rows(students, given.numbers, given.begins, given.ends, stretch=64)
    inside = np.zeros(len(z), bool)
    for begin, end in zip(given.begins, given.ends, strict=True):
        inside[begin:end] = True
        own = students.read(torch.from_numpy(given.numbers[begin:end])[None])
        np.testing.assert_allclose(z[begin:end], own.z[:, 0].permute(1, 0, 2).detach(), atol=1e-5)
        np.testing.assert_allclose(told[begin:end], students.forecast(own.z)[:, 0].permute(1, 0, 2).detach(), atol=1e-5)
    assert np.isnan(told[~inside]).all()
    assert not np.isnan(told[inside]).any()


def test_no_forecast_changes_when_later_looks_or_another_student_do():
    given = lessons()
    students, _ = students_of(Size(2, 5), given)
    numbers = torch.from_numpy(given.numbers[:80])[None]
    first = students.read(numbers).z
    later = numbers.clone()
    later[:, 50:] = 0
    assert torch.equal(students.read(later).z[:, :, :50], first[:, :, :50])
    with torch.no_grad():
        for one in students.parameters():
            one[1] += 1
    torch.testing.assert_close(students.read(numbers).z[0], first[0])
    assert not torch.allclose(students.read(numbers).z[1], first[1])


def test_parameters_are_counted_and_one_student_may_be_as_large_as_several():
    size = Size(4, 6, 3)
    students, _ = students_of(size, lessons())
    assert size.parameters == sum(one.numel() for one in students.parameters())
    big = as_large(size, 1)
    assert big.parameters <= size.parameters < Size(1, big.width + 1, 3).parameters


def test_chunks_ask_only_for_usable_looks_with_enough_before_them_in_their_row():
    given = lessons(deaf=100)
    usable = given.known & (given.heard() >= 3)
    begin = np.zeros(len(usable), int)
    for first, end in zip(given.begins, given.ends, strict=True):
        begin[first:end] = first
    seen = np.zeros(len(usable), bool)
    for k in range(60):
        rows, chunk, step = DRAW.chunk(given, usable, np.random.default_rng(k))
        own = rows[chunk, step]
        assert usable[own].all()
        assert (own - begin[own] >= DRAW.least - 1).all()
        fresh = rows[:, 0] == begin[rows[:, 0]]
        assert (step >= np.where(fresh[chunk], DRAW.least, DRAW.warm) - 1).all()
        seen[own] = True
    assert not seen[:102].any()
    assert seen[given.begins[1] : given.begins[1] + 40].any()


@pytest.mark.parametrize("name", [*CONTROLS, *losses.METHODS])
def test_every_method_and_control_trains(name, tmp_path):
    students, history = run(name, lessons(), tmp_path / "run", schedule=replace(SCHEDULE, steps=2, every=1))
    assert [row["steps"] for row in history] == [1, 2]
    assert all(np.isfinite(list(row.values())).all() for row in history)
    assert students.size.students == (2 if name == "average" else 1)
    assert ("taught" in history[0]) == (name != "none")


def test_a_planted_signal_is_learnt_and_a_teacher_without_noise_helps(tmp_path):
    given = lessons(looks=4000, noise=1.5)
    schedule = Schedule(steps=120, every=120, rate=1e-2, draw=Draw(8, 64, 24, 2, 8))
    truth = lessons(looks=1000, seed=5, noise=0.0)
    found = {}
    for name in ("none", "kd"):
        students, _ = run(name, given, tmp_path / name, Size(1, 12, 2), schedule)
        found[name] = skill(lambda told: told.mean(1), truth, units(given))(students)
    assert found["kd"]["validation/mid move"] > 0.8
    assert found["kd"][MEAN] > found["none"][MEAN] + 0.05


def test_a_run_stopped_half_way_goes_on_to_the_same_bits(tmp_path):
    class StoppedError(Exception):
        pass

    def stop(done, total, text):
        if done == 5:
            raise StoppedError

    given = lessons()
    _, history = run("vid", given, tmp_path / "whole")
    with pytest.raises(StoppedError):
        run("vid", given, tmp_path / "stopped", advance=stop)
    students, again = run("vid", given, tmp_path / "stopped")
    assert again == history
    name = "checkpoint.safetensors"
    assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    best = load(tmp_path / "whole").best["body.students.head"]
    np.testing.assert_array_equal(students.head.detach().numpy(), best)


def test_a_folder_of_another_training_is_refused(tmp_path):
    run("none", lessons(), tmp_path / "run")
    with pytest.raises(WeightsError, match="another training"):
        run("kd", lessons(), tmp_path / "run")


def test_a_gradient_that_is_no_number_stops_names_where_and_keeps_the_last_checkpoint(tmp_path):
    given = lessons()
    run("none", given, tmp_path / "good", schedule=replace(SCHEDULE, steps=3))

    def break_it(students):
        def advance(done, total, text):
            if done == 4:
                students.head.register_hook(lambda grad: grad * np.nan)

        return advance

    asked = course("none", SIZE)
    students, found = students_of(asked.size, given)
    objective, judge = Taught("", asked.size, given, found), skill(lambda told: told.mean(1), given, found)
    with pytest.raises(TrainingError, match=r"step 4: the gradient of students\.head is not finite"):
        train(students, objective, given, found, judge, SCHEDULE, tmp_path / "run", {}, break_it(students))
    kept = load(tmp_path / "run")
    assert kept.steps == 3
    assert all(np.isfinite(array).all() for array in kept.weights.values())


def test_the_scalar_that_chooses_may_be_any_that_the_validation_gives(tmp_path):
    given = lessons()
    asked = course("none", SIZE)
    students, found = students_of(asked.size, given)
    values = iter([1.0, 3.0, 2.0])
    judge = lambda _: {"validation/pnlmap": next(values)}  # noqa: E731
    schedule = replace(SCHEDULE, steps=3, every=1, best="validation/pnlmap")
    train(students, Taught("", asked.size, given, found), given, found, judge, schedule, tmp_path / "run", {})
    kept = load(tmp_path / "run")
    assert [row["validation/pnlmap"] for row in kept.history] == [1, 3, 2]
    assert not np.array_equal(kept.best["body.students.head"], kept.weights["body.students.head"])
    students, _ = students_of(asked.size, given)
    with pytest.raises(TrainingError, match="gave no number 'validation/mean'"):
        train(
            students, Taught("", asked.size, given, found), given, found,
            lambda _: {"validation/pnlmap": 0.0}, SCHEDULE, tmp_path / "other", {},
        )  # fmt: skip


def test_lessons_that_cannot_be_learnt_say_why():
    given = lessons()
    flat = replace(given, target=np.where(np.isnan(given.target), np.nan, given.target * [1, 0, 1]).astype("f4"))
    with pytest.raises(ValueError, match="'spread' is the same"):
        units(flat)
    with pytest.raises(ValueError, match=r"regime \d of 3 has no look"):
        units(replace(given, volatility=np.zeros_like(given.volatility)))
    with pytest.raises(ValueError, match="learns from a teacher"):
        Taught("kd", Size(), given.untold(), units(given))
    with pytest.raises(ValueError, match="no method 'kdd'; there are none, average, kd"):
        course("kdd", SIZE)
    broken = np.array(given.told.states)
    broken[50, 1, 3] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        Taught("fitnets", Size(), replace(given, told=Told(broken, given.told.forecast)), units(given))
    with pytest.raises(ValueError, match="make z narrower"):
        Taught("flexkd", Size(1, WIDTH + 1), given, units(given))
