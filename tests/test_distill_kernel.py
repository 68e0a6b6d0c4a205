"""The kernel tells what torch tells, and quotes what the readable rule quotes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from distilled_made_up import DEFAULT, FITTED, OWN, SMALL, a_walk, batch, by_kernel, made_up, windows
from numba import config
from test_agents import context

from lobarena.agents.base import NO_QUOTES
from lobarena.agents.distill.agent import Cmm
from lobarena.agents.distill.forecaster import forecaster
from lobarena.agents.distill.lanes import LANES, add
from lobarena.agents.distill.mixture import FORMS
from lobarena.agents.distill.smooth import cosine, sigmoid
from lobarena.agents.distill.student import Size
from lobarena.agents.forecast import Forecast, Rule, to_quotes
from lobarena.agents.quoting import Volatility, limit_of, view
from lobarena.agents.weight_file import WeightsError, read_arrays, write
from lobarena.agents.windows.day import scales
from lobarena.agents.windows.numbers import COUNT, STATE, read_one
from lobarena.agents.windows.units import Units
from lobarena.sim._jit import kernel

COMPILED = not config.DISABLE_JIT
ROWS, LOOKS = (100, 100) if COMPILED else (2, 10)  # windows: every look with what came before it in its row


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def cmm(tmp_path_factory):
    return made_up(tmp_path_factory.mktemp("cmm") / "student.safetensors")


@pytest.mark.kernels
def test_the_kernel_tells_what_torch_tells_of_ten_thousand_windows(cmm):
    students, mixture, path = cmm
    assert students.size == DEFAULT
    numbers = windows(ROWS, LOOKS)
    forecast, confidence = batch(students, mixture, numbers, 1)
    found = by_kernel(forecaster(path), numbers, OWN)
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


def readable(agent, looks, least=8):
    """The same decisions in Python: numbers, forecast, volatility, rule."""
    made, told, quotes = context(**FITTED), [], []
    units, state, numbers = Units.of(FITTED), np.zeros(1, STATE), np.zeros(COUNT, np.float32)
    scale, market, moves = (
        scales(units),
        forecaster(agent.weights).follow(made.contract.symbol),
        Volatility(FITTED["sigma"]),
    )
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
    assert sum(bool(one.bids) for one in quotes) > len(looks) // 4
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
