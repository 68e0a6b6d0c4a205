"""Teachers of a tiny random model: causal, the same in chunks and look by look, resumable, and what they refuse."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import torch
from tiny_model import tiny_model

from lobarena.agents.base import NO_QUOTES, Context
from lobarena.agents.calibration import fit
from lobarena.agents.llm.answer import LlmError
from lobarena.agents.table import make
from lobarena.agents.teacher.backbone import backbone
from lobarena.agents.teacher.base import Base
from lobarena.agents.teacher.chunks import CONTEXT, LOOKS, Rows
from lobarena.agents.teacher.recorded import recorded
from lobarena.agents.teacher.stream import Stream
from lobarena.agents.teacher.trained import trained
from lobarena.agents.teacher.training import CHECKPOINT, Schedule, corrections, skill
from lobarena.agents.weight_file import WeightsError, read_arrays
from lobarena.agents.windows.course import Course
from lobarena.agents.windows.day import Day, read_day
from lobarena.agents.windows.looks import looks
from lobarena.agents.windows.numbers import COUNT
from lobarena.benchmarks import teacher_table
from lobarena.benchmarks.foretelling import record
from lobarena.benchmarks.teaching import rows_of, teach
from lobarena.data.schema import CONTINUOUS
from lobarena.sim.feed import feed_of
from lobarena.sim.synthetic import synthetic_day

SCHEDULE = Schedule(steps=6, batch=4, every=3)


def made_up_day(looks=700, seed=0, pause=300):
    """Spread and volume follow a number of the look, with noise; the move another's size, and a sign before it."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(looks, COUNT)).astype(np.float32)
    place = np.concatenate([np.arange(1, pause + 1), [0], np.arange(1, looks - pause)])
    targets = rng.normal(size=(looks, 3)) * 0.3
    targets[:, 1] += numbers[:, 1]
    targets[:, 2] += numbers[:, 2] + 0.5
    targets[:, 0] += np.abs(numbers[:, 4])
    targets[1:, 0] += np.sign(numbers[:-1, 3])
    targets[place == 0] = np.nan
    scales = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    return Day("XX1", 20240103, np.arange(looks) * 5 * 10**9, place, numbers, targets, scales, f"{seed:064x}")


def made_up_course(seed=0, looks=700):
    day = made_up_day(looks, seed)
    at = np.arange(looks)
    known, cut, last = day.place > 0, looks * 4 // 7, looks * 11 // 14
    parts = at < cut, (at >= cut + 10) & (at < last), at >= last + 10
    return Course("XX1", (day,), *((known & part,) for part in parts))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("model"))


def build(model, **changes):
    from lobarena.agents.llm.local import digest
    from lobarena.agents.teacher.trained import Build

    return replace(Build(digest(model), 0), **changes)


@pytest.fixture(scope="module")
def taught(model, tmp_path_factory):
    out = tmp_path_factory.mktemp("teacher") / "run"
    file, history = teach([made_up_course()], build(model), model, SCHEDULE, out)
    return file, history


def test_chunks_that_cover_the_days_name_every_look_once():
    day = made_up_day()
    rows = Rows.of([day, day])
    seen = np.zeros(2 * len(day.time), int)
    for chunk, wanted in rows.covering(5):
        assert chunk.shape == wanted.shape
        assert chunk.shape[1] == LOOKS
        np.add.at(seen, chunk[wanted], 1)
        inside = chunk[0][chunk[0] >= 0]
        assert (np.diff(inside) == 1).all()
        assert (np.diff(np.tile(day.place, 2)[inside]) == 1).all()
    np.testing.assert_array_equal(seen, np.tile(day.place > 0, 2).astype(int))


def test_drawn_chunks_stay_in_their_row_of_looks():
    day = made_up_day()
    rows = Rows.of([day])
    chunks = rows.drawn(np.random.default_rng(0), 200)
    for chunk in chunks:
        inside = chunk[chunk >= 0]
        assert len(inside)
        assert (day.place[inside] > 0).all()
        assert (np.diff(day.place[inside]) == 1).all()
    assert len(np.unique(chunks[:, 0])) > 100


def test_no_forecast_changes_when_later_looks_do(model, taught):
    teacher = trained(taught[0], model).teacher
    day = made_up_day(seed=3)
    later = day.numbers.copy()
    later[200:] = 0
    first, second = (corrections(teacher, Rows.of([replace(day, numbers=numbers)])) for numbers in (day.numbers, later))
    np.testing.assert_allclose(first[:200], second[:200], atol=1e-6)
    assert np.abs(first[200:280] - second[200:280]).max() > 1e-4


@pytest.mark.parametrize("lora", [0, 2])
def test_look_by_look_gives_the_corrections_of_the_chunks(model, tmp_path, lora):
    day = made_up_day(looks=180, seed=4, pause=150)
    file, _ = teach([made_up_course()], build(model, lora=lora), model, replace(SCHEDULE, steps=3), tmp_path / "run")
    teacher = trained(file, model).teacher
    whole = corrections(teacher, Rows.of([day]))
    stream, k = Stream(teacher), 0
    for count in (1, 3, 1, CONTEXT, 5, 40, 2, 1, 50):
        told = stream.read(list(day.numbers[k : k + count]))
        k += count
        np.testing.assert_allclose(told, whole[k - 1], atol=1e-5)
    assert k > 2 * LOOKS


def test_what_is_learnt_goes_with_what_the_line_leaves_and_validation_is_no_worse_for_it(model, tmp_path):
    course = made_up_course(looks=2_800)
    schedule = Schedule(steps=150, batch=16, rate=1e-3, every=50)
    file, history = teach([course], build(model), model, schedule, tmp_path / "run")
    one = trained(file, model)
    learn, validate = (rows_of([course], part, ["XX1"]) for part in ("learn", "validate"))
    left, told = one.base.left(learn)[:, 0], corrections(one.teacher, learn)[:, 0]
    known = np.isfinite(left) & np.isfinite(told)
    assert np.corrcoef(left[known], told[known])[0, 1] > 0.1
    assert min(skill(one.base.line(learn.numbers, 1), learn)[1:]) > 0.8
    line = skill(one.base.line(validate.numbers, 1), validate)
    best = max(history, key=lambda row: row["validation/mean"])
    assert best["validation/mean"] > line.mean() - 0.01  # which looks are judged differs a little
    assert [row["steps"] for row in history] == [50, 100, 150]


def test_every_contract_has_a_line_and_a_share_of_its_own():
    first, second = made_up_course(), made_up_course(seed=1)
    day = replace(second.days[0], symbol="YY2", targets=-second.days[0].targets)
    courses = [first, replace(second, symbol="YY2", days=(day,))]
    parts = [rows_of(courses, name, ["XX1", "YY2"]) for name in ("learn", "validate")]
    base = Base.of(*parts, 2)
    np.testing.assert_allclose(base.weight[1, 1, 1], 1.0, atol=0.1)
    np.testing.assert_allclose(base.weight[2, 1, 1], -1.0, atol=0.1)
    np.testing.assert_allclose(base.sd[1:], [[1.2, 0.3, 0.3]] * 2, rtol=0.15)
    learn = parts[0]
    left = base.left(learn)
    correction = np.where(learn.contract[:, None] == 1, left, -left) * 2  # half of it helps the first, none the second
    shares = base.shared(left, learn.contract, correction).share
    np.testing.assert_allclose(shares[1], 0.5, atol=0.01)
    np.testing.assert_array_equal(shares[2], 0)


def test_a_contract_that_was_not_learnt_from_has_the_line_of_all(model, taught):
    one = trained(taught[0], model)
    numbers, nothing = made_up_day().numbers[:5], np.zeros((5, 3))
    np.testing.assert_array_equal(one.forecast("ZZ9", numbers, nothing), one.base.line(numbers, 0))
    assert one.contracts == ("XX1",)


def test_a_run_stopped_half_way_goes_on_to_the_same_weights(model, taught, tmp_path):
    class StoppedError(Exception):
        pass

    def stop(done, total, text):
        if done == 5:
            raise StoppedError

    out = tmp_path / "run"
    with pytest.raises(StoppedError):
        teach([made_up_course()], build(model), model, SCHEDULE, out, advance=stop)
    file, history = teach([made_up_course()], build(model), model, SCHEDULE, out)
    assert file.read_bytes() == taught[0].read_bytes()
    assert (out / CHECKPOINT).read_bytes() == (taught[0].parent / CHECKPOINT).read_bytes()
    assert history == taught[1]


def test_a_folder_of_another_training_is_refused(model, taught):
    with pytest.raises(WeightsError, match="another training"):
        teach([made_up_course(seed=1)], build(model), model, SCHEDULE, taught[0].parent)


def test_a_random_control_has_the_architecture_and_none_of_the_weights(model):
    own, control, again = (backbone(model, 0, *rest) for rest in (("pretrained", 0), ("random", 1), ("random", 1)))
    shapes = {name: value.shape for name, value in own.state_dict().items()}
    assert shapes == {name: value.shape for name, value in control.state_dict().items()}
    name = "layers.0.self_attn.q_proj.weight"
    assert not torch.equal(own.state_dict()[name], control.state_dict()[name])
    assert torch.equal(again.state_dict()[name], control.state_dict()[name])
    assert len(backbone(model, 1).layers) == 1
    with pytest.raises(ValueError, match="3 layers asked for"):
        backbone(model, 3)


def test_a_teacher_of_another_model_is_refused(taught, tmp_path):
    other = tiny_model(tmp_path / "other", seed=1)
    with pytest.raises(WeightsError, match="belongs to a model"):
        trained(taught[0], other)


@pytest.mark.parametrize("change", ["names", "build", "contracts", "array", "nan", "line"])
def test_a_damaged_or_foreign_file_is_refused(model, taught, tmp_path, change):
    from lobarena.agents.weight_file import write

    arrays, about = read_arrays(taught[0], 1 << 24)
    settings = dict(about["settings"])
    if change == "array":
        arrays.pop("head.weight")
    elif change == "nan":
        arrays["head.weight"][0, 0] = np.nan
    elif change == "line":
        arrays["base.sd"][0, 0] = np.inf
    else:
        settings[change] = {"names": ["move"], "build": {"model": "x"}, "contracts": ["XX1", "YY2"]}[change]
    path = write(tmp_path / "bad.safetensors", arrays, about | {"settings": settings})
    with pytest.raises(WeightsError):
        trained(path, model)


def test_a_constant_target_is_told_by_name():
    day = made_up_day()
    day.targets[:, 1] = np.where(day.place > 0, 1.0, np.nan)
    with pytest.raises(ValueError, match="'spread' is the same"):
        Base.of(Rows.of([day]), Rows.of([day]), 0)


@pytest.fixture(scope="module")
def market(model, taught):
    feed = feed_of(synthetic_day("CU", date(2024, 1, 3), seed=2, minutes=3))
    context = Context(feed.contract, 1, 2, 5, *feed.sessions[0].tolist(), np.random.default_rng(0), fit([feed]))
    return looks(feed), context


def whole(seen):
    """Looks with a mid."""
    return (seen["phase"] == CONTINUOUS) & (seen["bid_size"][:, 0] > 0) & (seen["ask_size"][:, 0] > 0)


def agent_of(model, taught, **parameters):
    return make("tuned-llm", weights=str(taught[0]), model=str(model), **parameters)


def test_the_agent_quotes_every_few_looks_once_it_has_read_enough(model, taught, market):
    seen, context = market
    agent = agent_of(model, taught, every=2, least=9)
    agent.reset(context)
    quotes = [agent.act(row) for row in seen[:40]]
    first = int(np.flatnonzero(whole(seen))[0])
    asked = [k for k, one in enumerate(quotes) if one is not None and one != NO_QUOTES]
    assert asked[0] == first + 9  # the tenth look is the first even one with nine before it
    assert set(np.diff(asked)) == {2}
    assert all(one.bids[0][0] < one.asks[0][0] for one in (quotes[k] for k in asked))
    agent.reset(context)
    assert [agent.act(row) for row in seen[:40]] == quotes


def test_what_the_agent_foretells_is_what_the_teacher_forecasts_of_the_day(model, taught, market):
    seen, context = market
    agent = agent_of(model, taught)
    agent.reset(context)
    told = agent.forecast(seen[:150])
    feed = feed_of(synthetic_day("CU", date(2024, 1, 3), seed=2, minutes=3))
    day, one = read_day(feed, context.fitted), trained(taught[0], model)
    taught_day = one.forecast(day.symbol, day.numbers, corrections(one.teacher, Rows.of([day])))
    taught_day = taught_day * day.scales[:, 1] + day.scales[:, 0]
    both = np.isfinite(told).all(1)
    assert both.sum() > 60
    np.testing.assert_allclose(told[both, 0], taught_day[:150][both, 0], atol=1e-4)
    np.testing.assert_allclose(told[both, 2], np.expm1(np.maximum(0, taught_day[:150][both, 2])), atol=1e-3)


def test_a_recording_holds_what_the_agent_foretells(model, taught, market, tmp_path):
    seen, context = market
    agent = agent_of(model, taught)
    agent.reset(context)
    told = agent.forecast(seen)
    day = read_day(feed_of(synthetic_day("CU", date(2024, 1, 3), seed=2, minutes=3)), context.fitted)
    every = (np.ones(len(day.time), bool),)
    course = Course(day.symbol, (day,), every, every, every, context.fitted)
    (one,) = recorded(record(taught[0], model, [course], tmp_path / "told.safetensors", tmp_path / "told"))[0].values()
    new = np.isfinite(told).all(1)
    np.testing.assert_array_equal(one.time, -(-seen["published"][new] // 10**6) * 10**6)
    np.testing.assert_allclose(one.forecast, told[new], rtol=5e-3, atol=5e-3)
    assert new.sum() > 100


def test_the_agent_pulls_its_quotes_where_there_is_no_mid(model, taught, market):
    seen, context = market
    agent = agent_of(model, taught, least=1, every=1)
    agent.reset(context)
    rows = seen[whole(seen)][:3].copy()
    rows["ask_size"][1] = 0
    quotes = [agent.act(row) for row in rows]
    assert quotes[0] != NO_QUOTES
    assert quotes[1] == NO_QUOTES
    assert quotes[2] not in (None, NO_QUOTES)


def test_an_agent_without_weights_says_how_to_make_them(model, tmp_path):
    with pytest.raises(LlmError, match="lobarena teach"):
        make("tuned-llm")
    with pytest.raises(LlmError, match="no such file"):
        make("tuned-llm", weights=str(tmp_path / "none.safetensors"))


def test_the_table_judges_every_forecaster_on_the_same_looks(model, taught):
    rows = teacher_table.table([made_up_course()], {"tiny": trained(taught[0], model)}, lambda text: None, readout=True)
    assert [row["forecaster"] for row in rows] == [
        "hand-made, ridge", "hand-made, boosted trees", "tiny", "tiny, ridge",
    ]  # fmt: skip
    assert len({row["looks"] for row in rows}) == 1
    assert rows[0]["spread"][0] > 0.8
    assert rows[0]["spread"][1] < rows[0]["spread"][0] < rows[0]["spread"][2]
    assert rows[0]["spread less"] == [0, 0, 0]
    text = teacher_table.markdown(rows)
    assert text.count("\n") == 5
    assert "| XX1 | tiny, ridge |" in text
