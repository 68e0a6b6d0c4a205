"""From files of weights to quotes: equal to the batch look by look, and whatever is wrong with a file is told."""

import json
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch
from lessons_made_up import made_up_day, made_up_told
from test_agents import context, observation, walk

from lobarena.agents.base import NO_QUOTES, check_quotes
from lobarena.agents.distill.agent import Cmm, Distilled
from lobarena.agents.distill.design import Design
from lobarena.agents.distill.forecaster import About, StudentSize, forecaster, store, with_rule
from lobarena.agents.distill.lessons import Draw, Lessons
from lobarena.agents.distill.mixture import FORMS, Gate, Mixture
from lobarena.agents.distill.student import Size, Students, read_rows
from lobarena.agents.distill.training import MEAN, Schedule
from lobarena.agents.forecast import Rule
from lobarena.agents.learner import TrainingError
from lobarena.agents.table import make, parse
from lobarena.agents.teacher.base import Base
from lobarena.agents.weight_file import WeightsError, read_arrays, write
from lobarena.agents.windows.course import Course
from lobarena.agents.windows.numbers import COUNT, INSTANT_NAMES, NAMES
from lobarena.benchmarks.distilling import Plan, arrays_of, distill, lessons_of, methods, of_courses

FITTED = {"sigma": 0.5, "spread": 1.2, "volume": 3.0, "size": 12.0}
PLAN = {
    "size": Size(2, 16, 2, 4),
    "design": Design(rank=2, components=4, prune=0.0),
    "gate": Gate(steps=6, every=3, features=16, space=3),
    "schedule": Schedule(steps=4, every=2, draw=Draw(4, 32, 16, 4, 8)),
}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def made_up_course():
    day = made_up_day(looks=1200)
    at = np.arange(len(day.time))
    known = day.place > 0
    return Course("XX1", (day,), (known & (at < 700),), (known & (at >= 720) & (at < 950),), (known & (at >= 960),))


def trained(name, out, told=made_up_told, **more):
    return distill(Plan(name, **PLAN), of_courses([made_up_course()], told), out, **more)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    out = tmp_path_factory.mktemp("distilled")
    return {name: trained(name, out / name).file for name in ("cmm", "average", "none")}


def test_the_three_kinds_come_out_as_asked(files):
    sizes = {name: forecaster(file).about.size.students for name, file in files.items()}
    assert sizes == {"cmm": 18, "average": 2, "none": 1}
    assert forecaster(files["cmm"]).about.form == "regime"
    one = forecaster(files["none"])
    most = PLAN["size"].parameters
    assert most / 2 < one.parameters <= most + (COUNT + 2) * 3  # a line beside
    assert {"cmm", "none", "average", "kd", "flexkd"} <= set(methods())


@pytest.mark.parametrize("form", FORMS)
def test_look_by_look_gives_the_forecast_and_confidence_of_the_batch(tmp_path, form):
    given = Lessons.of([made_up_day(looks=500)])
    size = Size(4, 7, 2)
    students = Students(size, np.full(15, 0.1), np.full(15, 1.3), 1)
    tasks = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], bool)
    mixture = Mixture(Gate(form=form, features=32, space=3), tasks, 7)
    with torch.no_grad():
        mixture.mean.normal_(generator=torch.Generator().manual_seed(0)).mul_(0.2)
        for one in (mixture.prior, mixture.score):
            one.normal_(generator=torch.Generator().manual_seed(1))
    cuts = [-0.4, 0.5]
    about = About(
        format=1, method="cmm", size=StudentSize(**asdict(size)), form=form, numbers=list(INSTANT_NAMES),
        lines=list(NAMES), mean=[0.0, 1.0, 2.0], sd=[1.0, 0.5, 2.0], cuts=cuts,
    )  # fmt: skip
    path = store(tmp_path / "student.safetensors", arrays_of(students), arrays_of(mixture), about, Base.none())
    z, told = read_rows(students, given.numbers, given.begins, given.ends)
    regime = np.searchsorted(cuts, given.volatility)
    with torch.no_grad():
        forecast, confidence, _ = mixture(*map(torch.from_numpy, (z, told, regime)))
    day, market = made_up_day(looks=500), forecaster(path).follow()
    for k in range(500):
        if day.place[k] == 1:
            market.begin()
        if day.place[k]:
            found, sure = market.read(day.numbers[k])
            np.testing.assert_allclose(found, forecast[k].numpy() * about.sd + about.mean, atol=1e-5)
            assert sure == pytest.approx(float(confidence[k]), abs=1e-5)


@pytest.mark.parametrize("kind", ["cmm", "average"])
def test_agents_quote_within_their_limits_forget_what_was_and_need_no_future(files, kind):
    agent = make("cmm" if kind == "cmm" else "student", weights=str(files[kind]))
    agent.reset(context(**FITTED))
    first = walk(agent, 120)
    for quotes in first:
        check_quotes(quotes)
    assert first[:7] == [NO_QUOTES] * 7
    assert sum(bool(quotes.bids or quotes.asks) for quotes in first) > 80
    agent.reset(context(**FITTED))
    assert walk(agent, 120) == first
    assert agent.act(observation(None, 3_801)) == NO_QUOTES
    assert agent.parameters > 0
    assert agent.flop >= 2 * agent.parameters


def test_what_an_agent_foretells_is_what_it_quotes_from(files):
    agent = Cmm(str(files["cmm"]), kappa_s=0.0, kappa_c=0.0, gamma=0.0)
    looks = np.concatenate([observation(3_800 + k % 3, 3_801 + k % 3, after_s=k / 2).reshape(1) for k in range(20)])
    agent.reset(context(**FITTED))
    told = agent.forecast(looks)
    assert np.isinf(told[:7]).all()
    agent.reset(context(**FITTED))
    quotes = [agent.act(look) for look in looks]
    for k in range(7, 20):
        mid = (looks[k]["bid"][0] + looks[k]["ask"][0]) / 2
        assert quotes[k].bids[0][0] == np.floor(mid + told[k, 0] - 0.5)
        assert quotes[k].asks[0][0] == np.ceil(mid + told[k, 0] + 0.5)


def test_experts_that_disagree_quote_wider(files):
    names = [Cmm(str(files["cmm"]), kappa_c=kappa) for kappa in (0.0, 8.0)]
    widths = []
    for agent in names:
        agent.reset(context(**FITTED))
        both = [quotes for quotes in walk(agent, 60) if quotes.bids and quotes.asks]
        widths.append(np.mean([quotes.asks[0][0] - quotes.bids[0][0] for quotes in both]))
    assert widths[1] > widths[0]


def test_an_agent_decides_without_torch(files):
    code = (
        "import sys; from lobarena.agents.table import make; "
        f"make('cmm', weights={str(files['cmm'])!r}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_same_settings_give_the_same_bytes_and_go_on_after_a_kill(files, tmp_path):
    class StoppedError(Exception):
        pass

    def stop(done, total, text):
        if done == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        trained("cmm", tmp_path / "run", advance=stop)
    assert trained("cmm", tmp_path / "run").file.read_bytes() == files["cmm"].read_bytes()


def test_a_validation_may_play_the_quoting_rule(tmp_path):
    seen = []

    def play(one):
        market = one.follow()
        seen.append(market.read(np.zeros(100, np.float32))[1])
        return {"validation/pnlmap": float(len(seen))}

    done = trained("cmm", tmp_path / "run", play=play)
    assert [row["validation/pnlmap"] for row in done.history] == [1, 2]
    assert MEAN in done.history[0]
    assert all(0 <= one <= 1 for one in seen)


def test_what_a_teacher_told_of_other_looks_is_refused():
    def short(day):
        told = made_up_told(day)
        return type(told)(told.states[:-1], told.forecast[:-1])

    with pytest.raises(TrainingError, match="told of 1,199 looks, the days have 1,200"):
        lessons_of([made_up_course()], "learn", Base.none(), short)


def test_cmm_without_a_teacher_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="give --teacher FILE"):
        trained("cmm", tmp_path / "run", told=None)


def test_agents_without_weights_or_with_the_others_say_what_to_give(files):
    with pytest.raises(WeightsError, match="lobarena distill cmm"):
        Cmm("nowhere.safetensors")
    with pytest.raises(WeightsError, match="is of the agent 'student'"):
        Cmm(str(files["none"]))
    with pytest.raises(WeightsError, match="is of the agent 'cmm'"):
        Distilled(str(files["cmm"]))
    with pytest.raises(WeightsError, match="no such file"):
        Distilled("nowhere.safetensors")
    assert parse(f"cmm:weights={files['cmm']},kappa_c=2")[1]["kappa_c"] == 2.0


@pytest.mark.parametrize(
    "change",
    [
        *("numbers", "lines", "mean", "sd", "size", "form", "extra key", "array lost", "array added"),
        *("line lost", "line added", "shape", "nan", "f8", "tasks"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(files, tmp_path, change):
    arrays, about = read_arrays(files["cmm"])
    if change in ("numbers", "lines", "mean", "sd", "size", "form"):
        wrong = {"numbers": ["move"], "lines": ["move"], "mean": [0, 1], "sd": [1.0, 0.0, 1.0], "form": "other"}
        about[change] = wrong.get(change) or about["size"] | {"width": 6}
    elif change == "extra key":
        about["more"] = 1
    elif change == "array lost":
        arrays.pop("students.head")
    elif change == "array added":
        arrays["gate.more"] = np.zeros(3, np.float32)
    elif change == "line lost":
        arrays["base.weight"] = arrays["base.weight"][:1]
    elif change == "line added":
        arrays["base.more"] = np.zeros(3, np.float32)
    elif change == "shape":
        arrays["gate.space"] = arrays["gate.space"][:, :, :-1]
    elif change == "nan":
        arrays["students.enter.0"][0, 0, 0] = np.nan
    elif change == "f8":
        arrays["gate.prior"] = arrays["gate.prior"].astype(np.float64)
    else:
        arrays["gate.tasks"][:, 1] = 0
    path = write(tmp_path / "bad.safetensors", arrays, about)
    with pytest.raises(WeightsError, match=r"bad\.safetensors"):
        forecaster(path)


def test_the_card_of_a_file_says_what_it_was_made_of(files):
    _, about = read_arrays(files["average"])
    assert about["contracts"] == ["XX1"]
    assert about["method"] == "average"
    assert len(about["data"]) == 64
    json.dumps(about, allow_nan=False)


def test_weights_keep_the_rule_that_was_tuned_with_them_and_parameters_go_over_it(files, tmp_path):
    path = tmp_path / "student.safetensors"
    path.write_bytes(files["cmm"].read_bytes())
    assert make("cmm", weights=str(path)).gamma == Rule.gamma
    with_rule(path, {"gamma": 0.5, "kappa_s": 2.0, "kappa_c": 0.25, "kappa_v": 0.05})
    agent = make("cmm", weights=str(path), kappa_c=3.0)
    assert (agent.gamma, agent.kappa_s, agent.kappa_c, agent.kappa_v) == (0.5, 2.0, 3.0, 0.05)
    arrays, about = read_arrays(path)
    bad = write(tmp_path / "bad.safetensors", arrays, about | {"rule": {"gamma": -0.5}})
    with pytest.raises(WeightsError, match="its rule is"):
        forecaster(bad)
