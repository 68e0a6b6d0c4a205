"""The ONNX graph tells what torch tells, int8 weights nearly so, and the command says by how much less."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from distilled_made_up import FITTED, SMALL, a_walk, batch, by_kernel, made_up, windows
from lessons_made_up import made_up_day
from test_agents import context
from typer.testing import CliRunner

from lobarena.agents.distill.agent import Cmm
from lobarena.agents.distill.forecaster import forecaster
from lobarena.agents.distill.mixture import FORMS
from lobarena.agents.distill.onnx import ExportError, differences, export
from lobarena.agents.distill.quantise import quantise, quantised, widened
from lobarena.agents.weight_file import WeightsError, read_arrays, write
from lobarena.agents.windows.course import Course
from lobarena.agents.windows.numbers import COUNT
from lobarena.benchmarks import forecast_days
from lobarena.cli import app


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def cmm(tmp_path_factory):
    return made_up(tmp_path_factory.mktemp("cmm") / "student.safetensors")


@pytest.mark.parametrize("form", ["", *FORMS])
def test_the_graph_tells_what_torch_tells_of_ten_thousand_windows(tmp_path, cmm, form):
    students, mixture, path = cmm if form == "regime" else made_up(tmp_path / "s.safetensors", SMALL, form)
    numbers = windows(100, 100) if form == "regime" else windows(10, 20)
    graph = export(forecaster(path), tmp_path / "s.onnx")
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    size, told = students.size, []
    state = np.zeros((size.blocks, size.students, len(numbers), size.width), np.float32)
    contract = np.arange(len(numbers)) % 2
    for k in range(numbers.shape[1]):
        *both, state = session.run(None, {"numbers": numbers[:, k], "contract": contract, "state": state})
        told.append(both)
    lines = np.repeat(contract, numbers.shape[1])
    forecast, confidence = batch(students, mixture, numbers, lines)
    np.testing.assert_allclose(np.stack([one for one, _ in told], 1), forecast, atol=2e-5, rtol=1e-5)
    np.testing.assert_allclose(np.stack([one for _, one in told], 1), confidence, atol=1e-5)
    properties = session.get_modelmeta().custom_metadata_map
    assert len(json.loads(properties["numbers"])) == COUNT


def test_a_graph_of_other_weights_does_not_pass_for_equal(tmp_path, cmm):
    other = forecaster(made_up(tmp_path / "other.safetensors", seed=9)[2])
    graph = export(other, tmp_path / "other.onnx")
    assert max(differences(other, graph, 200).values()) <= 1e-5
    with pytest.raises(ExportError, match="differs from the kernel by"):
        differences(forecaster(cmm[2]), graph, 200)


def test_what_an_export_lacks_is_named(tmp_path, cmm, monkeypatch):
    one = forecaster(cmm[2])
    with pytest.raises(ExportError, match=r"ends in \.onnx; name it .*out\.onnx"):
        export(one, tmp_path / "out.pt")
    for name, call in (("onnx", export), ("onnxruntime", differences)):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ExportError, match=f"{name} is missing; pip install 'lobarena\\[export\\]'"):
            call(one, tmp_path / "out.onnx")


def test_int8_weights_are_within_half_a_step_and_keep_their_biases(cmm):
    arrays, _ = read_arrays(cmm[2])
    one = {name.removeprefix("students."): array for name, array in arrays.items() if name.startswith("students.")}
    stored = quantised(one)
    back = widened(stored)
    assert set(back) == set(one)
    assert stored["enter.0.int8"].dtype == np.int8
    assert np.abs(stored["leave.1.int8"]).max(1).min() == 127  # every output uses the whole range
    for name in ("enter.0", "leave.1", "head"):
        np.testing.assert_array_equal(back[name][:, -1], one[name][:, -1])
        off = np.abs(back[name] - one[name])[:, :-1]
        assert (off <= stored[f"{name}.step"][:, None] * 0.501).all()
        assert off.max() > 0


def test_a_file_of_int8_weights_plays_and_is_smaller(tmp_path, cmm):
    path = quantise(cmm[2], tmp_path / "int8.safetensors")
    assert path.stat().st_size < 0.55 * cmm[2].stat().st_size
    numbers = windows(3, 50)
    before, after = (by_kernel(forecaster(one), numbers) for one in (cmm[2], path))
    off = np.abs(after - before)[..., :3]
    assert 0 < off.mean() < 0.1 * before[..., :3].std()
    agent = Cmm(str(path))
    agent.reset(context(**FITTED))
    assert any(agent.act(look).bids for look in a_walk(30))


@pytest.mark.parametrize("change", ["step lost", "shape", "dtype", "both", "nan"])
def test_damaged_int8_weights_are_refused(tmp_path, cmm, change):
    arrays, about = read_arrays(quantise(cmm[2], tmp_path / "int8.safetensors"))
    if change == "step lost":
        arrays.pop("gate.space.step")
    elif change == "shape":
        arrays["students.head.step"] = arrays["students.head.step"][:, :2]
    elif change == "dtype":
        arrays["students.head.int8"] = arrays["students.head.int8"].astype(np.int32)
    elif change == "both":
        arrays["students.head"] = np.zeros((18, 17, 3), np.float32)
    else:
        arrays["students.enter.0.step"][0, 0] = np.nan
    with pytest.raises(WeightsError, match=r"bad\.safetensors"):
        forecaster(write(tmp_path / "bad.safetensors", arrays, about))


def test_the_command_writes_both_and_says_what_int8_loses(tmp_path, cmm, monkeypatch):
    day, at = made_up_day(looks=4_000), np.arange(4_000)
    known = day.place > 0
    course = Course("XX1", (day,), (known & (at < 1_000),), (known & (at >= 1_000),), (known & (at < 0),))
    monkeypatch.setattr(forecast_days, "courses", lambda *options: [course])
    out = [str(tmp_path / name) for name in ("cmm.onnx", "int8.safetensors", "told.json")]
    arguments = ["export", str(cmm[2]), "--onnx", out[0], "--int8", out[1], "--json", out[2]]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    told = json.loads(Path(out[2]).read_text())
    assert told["onnx"]["forecast"] <= 1e-5
    for row in told["int8"]["r2"]:
        assert row["float32"] - row["int8"] == pytest.approx(row["loss"])
        assert row["low"] <= row["loss"] <= row["high"]
    assert "95 % interval" in done.output
    assert CliRunner().invoke(app, ["export", str(cmm[2])]).exit_code == 2
