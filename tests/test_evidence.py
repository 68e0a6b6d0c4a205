"""The reduced evidence, end to end: it resumes, keeps its students, refuses other settings, and its page is escaped."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from test_teacher import SCHEDULE, build
from tiny_model import tiny_model

from lobarena.agents.distill.forecaster import forecaster
from lobarena.agents.table import make
from lobarena.benchmarks import evidence as module
from lobarena.benchmarks.config import ConfigError
from lobarena.benchmarks.evidence import prepare, run
from lobarena.benchmarks.evidence_config import CONFIGS, evidence
from lobarena.benchmarks.evidence_days import windows
from lobarena.benchmarks.evidence_forecasts import for_the_rule, forecasts
from lobarena.benchmarks.evidence_page import write
from lobarena.benchmarks.forecast_days import courses
from lobarena.benchmarks.manifest import ResultsError
from lobarena.benchmarks.quoting_rule import batch_of
from lobarena.benchmarks.rule_tuning import context_of
from lobarena.benchmarks.teaching import teach
from lobarena.sim.market import Market


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The packaged small settings with a teacher of a tiny random model."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("evidence")
    model = tiny_model(folder / "model")
    found = courses("training", ["FUSYN"], 2)
    file, _ = teach(found, build(model), model, replace(SCHEDULE, steps=1, every=1), folder / "teacher")
    small = evidence(CONFIGS / "evidence-small.toml")
    group = small.groups[0].model_copy(update={"teacher": str(file)})
    return small.model_copy(update={"groups": (group,), "model": str(model)})


@pytest.fixture(scope="module")
def done(config, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "evidence"
    run(config, out)
    return out


def test_every_method_ablation_gate_and_reference_has_its_rows_and_keeps_its_students(config, done):
    page, said = write(config, done)
    episodes = pq.read_table(done / "episodes.parquet").to_pylist()
    labels = {row["label"] for row in episodes}
    gates = {f"cmm: {gate} gate" for gate in config.gates}
    assert labels == {*config.methods, *config.ablations, *gates, "teacher", "line", "hand-made, ridge", "constant"}
    counts = {label: len([1 for row in episodes if row["label"] == label]) for label in labels}
    assert set(counts.values()) == {2 * config.groups[0].episodes}  # after fees and before them
    for row in episodes:
        other = next(
            one
            for one in episodes
            if (one["label"], one["opens"]) == (row["label"], row["opens"]) and one["money"] != row["money"]
        )
        if row["rule"] == other["rule"]:
            assert row["lots"] == other["lots"]
    kept = sorted(path.parent.name for path in done.glob("units/*/*/student.safetensors"))
    assert kept == ["cmm-0", "kd-0", "none-0", "without-orthogonality-0"]
    assert len(said) == 2
    text = (done / "evidence.md").read_text()
    assert "8 of 8 units" in text
    assert "CMM against methods and controls, FU, net" in text
    assert "<script>alert" not in page.read_text()


def test_all_methods_have_about_as_many_parameters(done):
    sizes = {path.parent.name: forecaster(path) for path in done.glob("units/*/*/student.safetensors")}
    of_students = {name: sum(a.size for a in one.students.values()) for name, one in sizes.items()}
    assert of_students["none-0"] <= 1.3 * of_students["kd-0"]


def test_a_run_goes_on_where_it_stopped_and_the_test_part_is_played_once(config, done, monkeypatch):
    lost = done / "units" / "made-up" / "kd-0"
    before = json.loads((lost / "rows.json").read_text())
    (lost / "rows.json").unlink()
    asked = []
    original = module.unit
    monkeypatch.setattr(module, "unit", lambda *a: asked.append(a[2]) or original(*a))
    run(config, done)
    assert asked == ["kd"]
    after = json.loads((lost / "rows.json").read_text())
    assert after["episodes"] == before["episodes"]
    assert after["skill"] == before["skill"]


def test_groups_can_be_chosen_and_an_unknown_one_is_named():
    whole = evidence(CONFIGS / "evidence.toml")
    made_up = whole.only(["made-up"])
    assert [group.name for group in made_up.groups] == ["made-up"]
    assert made_up.digest() != whole.digest()
    assert whole.only([group.name for group in whole.groups]) == whole
    with pytest.raises(ConfigError, match="no group 'madeup'; did you mean 'made-up'"):
        whole.only(["madeup"])


def test_other_settings_or_another_teacher_are_refused(config, done, tmp_path):
    with pytest.raises(ResultsError, match="other settings"):
        run(config.model_copy(update={"steps": 7}), done)
    missing = config.groups[0].model_copy(update={"teacher": str(tmp_path / "none.safetensors")})
    with pytest.raises(ConfigError, match="lobarena teach"):
        run(config.model_copy(update={"groups": (missing,)}), tmp_path / "new")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sead = 1", "did you mean 'seeds'"),
        ('methods = ["cmmm"]\n[[groups]]\nname="a"\ndata="b"\nteacher="c"', "did you mean 'cmm'"),
        ('methods = ["kd", "kd"]\n[[groups]]\nname="a"\ndata="b"\nteacher="c"', "twice"),
        ('[[groups]]\nname="../a"\ndata="b"\nteacher="c"', "groups.0.name"),
        ("steps = [", "not a readable TOML"),
    ],
)
def test_settings_that_mean_nothing_name_what_to_change(tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        evidence(tmp_path / "bad.toml")


def test_a_digest_is_of_the_settings_and_not_of_where_files_lie():
    settings = evidence(CONFIGS / "evidence.toml")
    group = settings.groups[0]
    elsewhere = group.model_copy(update={"data": "elsewhere", "teacher": "other.safetensors"})
    fewer = group.model_copy(update={"episodes": group.episodes - 1})
    assert settings.model_copy(update={"groups": (elsewhere, *settings.groups[1:])}).digest() == settings.digest()
    assert settings.model_copy(update={"groups": (fewer, *settings.groups[1:])}).digest() != settings.digest()


def test_windows_read_the_share_that_was_asked_for_and_begin_anew():
    (course,) = courses("training", ["FUSYN"], 2)
    pairs = windows(course, 0.1)
    looks = sum(len(day.time) for day, _ in pairs)
    everything = sum(mask.sum() for mask in course.learn)
    assert 0.05 < looks / everything < 0.2
    for day, mask in pairs:
        assert day.place[0] <= 1
        assert (np.diff(day.place)[day.place[1:] > 1] == 1).all()
        assert len(mask) == len(day.numbers)


def test_forecasts_of_a_batch_are_those_that_the_agent_makes_in_play(config, done, tmp_path):
    ready = prepare(config, config.groups[0], done / "told", lambda *_: None)
    file = done / "units" / "made-up" / "cmm-0" / "student.safetensors"
    (told,) = forecasts(file, ready.seen, ready.given.learn, ready.given.validate)
    scene = ready.validate[0]
    own = len(scene.day.time)  # scenes of validation come first
    told = replace(told, forecast=told.forecast[:own], confidence=told.confidence[:own])
    table = for_the_rule(told, scene.day.scales, scene.day.place)[: scene.stage.ends[0]]
    batch = batch_of(scene.stage.ground, 1, scene.stage.minutes)
    day, opens, closes = batch.episodes[scene.stage.episodes[0]]
    agent = make("cmm", weights=str(file))
    agent.reset(context_of(Market(batch.day(day).feed), opens, closes, dict(scene.course.fitted), 1))
    played = agent.forecast(scene.stage.looks[: scene.stage.ends[0]])
    np.testing.assert_allclose(table, played, rtol=1e-4, atol=1e-4)
