"""The kernel, the ONNX graph and int8 weights tell what torch tells; the kernel quotes what the rule quotes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from distilled_made_up import DEFAULT, batch, made_up
from lessons_made_up import made_up_day
from numba import config
from test_agents import context, observation
from typer.testing import CliRunner

from lobarena.agents.base import NO_QUOTES
from lobarena.agents.distill.agent import Cmm
from lobarena.agents.distill.forecaster import forecaster
from lobarena.agents.distill.lanes import LANES, add
from lobarena.agents.distill.mixture import FORMS
from lobarena.agents.distill.onnx import ExportError, differences, export
from lobarena.agents.distill.quantise import quantise, quantised, widened
from lobarena.agents.distill.smooth import cosine, sigmoid
from lobarena.agents.distill.student import Size
from lobarena.agents.forecast import Forecast, Rule, to_quotes
from lobarena.agents.quoting import Volatility, limit_of, view
from lobarena.agents.weight_file import WeightsError, read_arrays, write
from lobarena.agents.windows.course import Course
from lobarena.agents.windows.day import scales
from lobarena.agents.windows.numbers import COUNT, STATE, read_one
from lobarena.agents.windows.units import Units
from lobarena.benchmarks import forecast_days
from lobarena.cli import app
from lobarena.sim._jit import kernel

COMPILED = not config.DISABLE_JIT
ROWS, LOOKS = (100, 100) if COMPILED else (2, 10)  # windows: every look with what came before it in its row
FITTED = {"sigma": 0.5, "spread": 1.2, "volume": 3.0, "size": 12.0}
SMALL = Size(4, 7, 3)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def cmm(tmp_path_factory):
    return made_up(tmp_path_factory.mktemp("cmm") / "student.safetensors")


def windows(rows=ROWS, looks=LOOKS, seed=3):
    """Numbers of rows of looks; some lie far out, where they are cut."""
    numbers = np.random.default_rng(seed).normal(size=(rows, looks, COUNT))
    return (numbers * np.where(np.arange(looks) % 10 == 9, 8, 1)[:, None]).astype(np.float32)


def by_kernel(one, numbers):
    place = np.tile(np.arange(1, numbers.shape[1] + 1), len(numbers))
    return one.forecast(numbers.reshape(-1, COUNT), place).reshape(*numbers.shape[:2], 4)


@pytest.mark.kernels
def test_the_kernel_tells_what_torch_tells_of_ten_thousand_windows(cmm):
    students, mixture, path = cmm
    assert students.size == DEFAULT
    numbers = windows()
    forecast, confidence = batch(students, mixture, numbers)
    found = by_kernel(forecaster(path), numbers)
    np.testing.assert_allclose(found[..., :3], forecast, atol=1e-5)
    np.testing.assert_allclose(found[..., 3], confidence, atol=1e-5)
    assert forecast.std() > 1e-2  # that of a constant would say nothing


@pytest.mark.kernels
@pytest.mark.parametrize("form", ["", *FORMS])
@pytest.mark.parametrize("size", [SMALL, Size(3, 16, 1), Size(5, 20, 2)])
def test_every_form_and_size_is_equal_too(tmp_path, form, size):
    students, mixture, path = made_up(tmp_path / "s.safetensors", size, form, space=5, features=30)
    numbers = windows(5 if COMPILED else 1, 20 if COMPILED else 4)
    forecast, confidence = batch(students, mixture, numbers)
    found = by_kernel(forecaster(path), numbers)
    np.testing.assert_allclose(found[..., :3], forecast, atol=2e-5)  # of far looks forecasts are large
    np.testing.assert_allclose(found[..., 3], confidence, atol=1e-5)


@pytest.mark.kernels
def test_a_row_of_looks_begins_with_nothing_remembered(cmm):
    one, numbers = forecaster(cmm[2]), windows(1, 6)[0]
    told = one.forecast(numbers, np.array([1, 2, 0, 1, 2, 3]))
    assert np.isnan(told[2]).all()
    np.testing.assert_array_equal(told[3:], one.forecast(numbers[3:], np.array([1, 2, 3])))


@kernel
def _smooth(x, sigmoids, cosines):
    for j in range(x.shape[0]):
        sigmoids[j], cosines[j] = sigmoid(x[j]), cosine(x[j])


@pytest.mark.kernels
def test_the_smooth_functions_are_right_to_float32():
    x = np.concatenate([np.linspace(-40, 40, 3_001), np.linspace(-1, 1, 3_001), [-3e38, -1e3, 1e3]]).astype(np.float32)
    sigmoids, cosines = np.zeros_like(x), np.zeros_like(x)
    with np.errstate(over="ignore"):
        _smooth(x, sigmoids, cosines)
    exact = x[:-3].astype(float)
    np.testing.assert_allclose(sigmoids[:-3], 1 / (1 + np.exp(-exact)), rtol=3e-7)
    np.testing.assert_allclose(cosines[:-3], np.cos(2 * np.pi * exact), atol=3e-7)
    assert sigmoids[-3:].tolist() == pytest.approx([0, 0, 1], abs=1e-30)


@kernel
def _add(out, x, weights, place):
    add(out, x, weights, place)


@pytest.mark.kernels
@pytest.mark.parametrize(("inputs", "tiles"), [(1, 1), (15, 2), (16, 3)])
def test_lanes_are_a_matrix_product_and_touch_nothing_beside(inputs, tiles):
    rng = np.random.default_rng(0)
    x, out = rng.normal(size=inputs).astype(np.float32), rng.normal(size=tiles * LANES + 8).astype(np.float32)
    weights = rng.normal(size=5 + inputs * tiles * LANES + 5).astype(np.float32)
    matrix = weights[5:-5].reshape(tiles, inputs, LANES).swapaxes(0, 1).reshape(inputs, -1)
    expected = out.copy()
    expected[4:-4] += x @ matrix
    _add(out[4:-4], x, weights, 5)
    np.testing.assert_allclose(out, expected, atol=1e-5)


def a_walk(count, seed=5):
    """Looks of a market that moves, with one-sided books, a closed market, a pause and positions among them."""
    rng = np.random.default_rng(seed)
    bid, volume, found = 3_800, 0, []
    for k in range(count):
        bid += int(rng.integers(-2, 3))
        volume += int(rng.integers(0, 9))
        look = observation(
            bid, None if k % 37 == 36 else bid + int(rng.integers(1, 4)), int(rng.integers(-5, 6)), k / 2
        )
        look["bid_size"] = rng.integers(1, 60, 5)
        look["ask_size"] = rng.integers(1, 60, 5) if look["ask_size"][0] else 0
        look["volume"], look["turnover"] = volume, volume * bid
        look["published"] += 10**11 if k > 2 * count // 3 else 0
        look["phase"] = 1 if k == count // 2 else look["phase"]
        found.append(look.reshape(1))
    return np.concatenate(found)


def readable(agent, looks, least=8):
    """The same decisions in Python: numbers, forecast, volatility, rule."""
    made, told, quotes = context(**FITTED), [], []
    units, state, numbers = Units.of(FITTED), np.zeros(1, STATE), np.zeros(COUNT, np.float32)
    scale, market, moves = scales(units), forecaster(agent.weights).follow(), Volatility(FITTED["sigma"])
    rule = Rule(agent.gamma, Rule.tau_s, agent.kappa_s, agent.kappa_c, agent.kappa_v)
    for look in looks:
        told.append([np.inf] * 4)
        quotes.append(NO_QUOTES)
        if not read_one(look.reshape(1), state, units.record(), numbers):
            continue
        if state[0]["looks"] == 1:
            market.begin()
        forecast, confidence = market.read(numbers)
        seen = view(look)
        sigma = moves.update(seen.published, seen.mid)
        if state[0]["looks"] < least:
            continue
        move, spread, volume = forecast * scale[:, 1] + scale[:, 0]
        told[-1] = [move, max(0.0, spread), max(0.0, np.expm1(min(volume, 20.0))), confidence]
        quotes[-1] = to_quotes(Forecast(*told[-1]), rule, made, seen, sigma, limit_of(made, agent.c))
    return np.array(told), quotes


@pytest.mark.kernels
@pytest.mark.parametrize("rule", [{}, {"gamma": 2.0, "kappa_s": 0.2, "kappa_c": 3.0, "kappa_v": 2.0, "c": 4}])
def test_the_kernel_decides_as_numbers_forecast_and_rule_in_python(cmm, rule):
    agent, looks = Cmm(str(cmm[2]), **rule), a_walk(400 if COMPILED else 40)
    told, quotes = readable(agent, looks)
    agent.reset(context(**FITTED))
    assert [agent.act(look) for look in looks] == quotes
    agent.reset(context(**FITTED))
    np.testing.assert_allclose(agent.forecast(looks), told, rtol=1e-12)
    assert sum(bool(one.bids) for one in quotes) > len(looks) // 3
    assert any(len(one.bids) != len(one.asks) for one in quotes) or not rule  # the limit binds


def test_what_is_no_finite_price_is_told_and_not_quoted(tmp_path, cmm):
    arrays, about = read_arrays(cmm[2])
    arrays["students.head"] = np.full_like(arrays["students.head"], 3e38)
    agent = Cmm(str(write(tmp_path / "wild.safetensors", arrays, about)))
    agent.reset(context(**FITTED))
    with pytest.raises(WeightsError, match=r"wild\.safetensors forecasts no finite price; train again"):
        [agent.act(look) for look in a_walk(20)]
    agent.reset(context(**FITTED))
    with pytest.raises(WeightsError, match="no finite price"):
        agent.forecast(a_walk(20))


def test_a_gate_over_two_students_is_refused(tmp_path):
    path = made_up(tmp_path / "s.safetensors", Size(3, 5, 1), space=3, features=8)[2]
    arrays, about = read_arrays(path)
    about["size"]["students"] = 2
    for name, array in arrays.items():
        arrays[name] = array[:, :2] if name == "gate.mean" else array[:2] if array.shape[:1] == (3,) else array
    with pytest.raises(WeightsError, match="a gate over 2 students; three or more can agree"):
        forecaster(write(tmp_path / "two.safetensors", arrays, about))


def test_an_agent_plays_without_torch(cmm):
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from test_agents import context, walk\n"
        "from lobarena.agents.table import make\n"
        f"agent = make('cmm', weights={str(cmm[2])!r}); agent.reset(context(**{FITTED})); walk(agent, 20)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("form", ["", *FORMS])
def test_the_graph_tells_what_torch_tells_of_ten_thousand_windows(tmp_path, cmm, form):
    onnxruntime = pytest.importorskip("onnxruntime")
    students, mixture, path = cmm if form == "regime" else made_up(tmp_path / "s.safetensors", SMALL, form)
    numbers = windows(100, 100) if form == "regime" else windows(10, 20)
    graph = export(forecaster(path), tmp_path / "s.onnx")
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    size, told = students.size, []
    state = np.zeros((size.blocks, size.students, len(numbers), size.width), np.float32)
    for k in range(numbers.shape[1]):
        *both, state = session.run(None, {"numbers": numbers[:, k], "state": state})
        told.append(both)
    forecast, confidence = batch(students, mixture, numbers)
    np.testing.assert_allclose(np.stack([one for one, _ in told], 1), forecast, atol=2e-5, rtol=1e-5)
    np.testing.assert_allclose(np.stack([one for _, one in told], 1), confidence, atol=1e-5)
    properties = session.get_modelmeta().custom_metadata_map
    assert len(json.loads(properties["numbers"])) == COUNT


def test_a_graph_of_other_weights_does_not_pass_for_equal(tmp_path, cmm):
    pytest.importorskip("onnxruntime")
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
    pytest.importorskip("onnxruntime")
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
