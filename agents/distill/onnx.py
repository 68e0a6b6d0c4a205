"""Students and gate as an ONNX graph, for runtimes other than this one: a look and the state before it -> what follows.

    numbers     (n, COUNT) f4      a look of each of n markets, as `windows.numbers` writes it
    contract    (n,) i8            1 + its place among the contracts that the file's properties name; 0 is any other
    state       (blocks, K, n, H)  f4, zeros where a row of looks begins
    forecast    (n, 3) f4          in units of the contract, as `Forecaster` tells it
    confidence  (n,) f4            0 .. 1
    next_state  as state

The graph is that of `student` and `mixture`, node by node; the file's properties name the numbers, tasks and units.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.agents.distill.forecaster import Forecaster
from lobarena.agents.distill.fused import CUT, VOLATILITY, Y
from lobarena.agents.weight_file import WeightsError, replace_bytes
from lobarena.agents.windows.numbers import COUNT, INSTANT, NAMES
from lobarena.agents.windows.targets import TASKS

OPSET, IR = 17, 8  # so that onnxruntime 1.13 and later read it
MARGIN = 1e-5  # at which a graph counts as equal


class ExportError(WeightsError):
    """Weights that cannot be exported, or whose export cannot be checked; the text names the fix."""


def export(forecaster: Forecaster, path: Path) -> Path:
    """Write the graph, whole or not at all; the path. ExportError without the package onnx or for another suffix."""
    if path.suffix != ".onnx":
        raise ExportError(f"{path}: an ONNX file ends in .onnx; name it {path.with_suffix('.onnx')}")
    model = _model(forecaster)
    return replace_bytes(path, model.SerializeToString(deterministic=True))


def differences(forecaster: Forecaster, path: Path, looks: int = 10_000, seed: int = 0) -> dict[str, float]:
    """The largest difference of forecast and confidence between onnxruntime and the kernel, on rows of made-up looks.

    Each of 100 markets is followed for looks / 100, so that the state counts. ExportError when a difference is above
    MARGIN, or onnxruntime is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ExportError("onnxruntime is missing; pip install 'lobarena[export]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    markets = 100
    rng, about = np.random.default_rng(seed), forecaster.about
    symbols = ["", *about.contracts]
    contract = rng.integers(len(symbols), size=markets)
    ours = [forecaster.follow(symbols[place]) for place in contract.tolist()]
    state = np.zeros((about.size.blocks, about.size.students, markets, about.size.width), np.float32)
    worst = {"forecast": 0.0, "confidence": 0.0}
    for _ in range(-(-looks // markets)):
        numbers = rng.normal(size=(markets, COUNT)).astype(np.float32)
        forecast, confidence, state = session.run(None, {"numbers": numbers, "contract": contract, "state": state})
        told = [one.read(row) for one, row in zip(ours, numbers, strict=True)]
        away = np.abs([row for row, _ in told] - forecast) / np.maximum(1, np.abs(forecast))
        worst["forecast"] = max(worst["forecast"], float(away.max()))
        worst["confidence"] = max(worst["confidence"], float(np.abs([sure for _, sure in told] - confidence).max()))
    if not max(worst.values()) <= MARGIN:
        raise ExportError(f"{path} differs from the kernel by {max(worst.values()):.1e}; report it with the weights")
    return worst


class _Graph:
    """Nodes and constants in the order in which they are asked for; a value is known by its name."""

    def __init__(self, onnx: Any) -> None:
        self.onnx, self.nodes, self.constants = onnx, [], []  # type: ignore[var-annotated]

    def constant(self, value: Any, kind: Any = np.float32) -> str:
        """The name of an array."""
        name = f"c{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.array(value, kind), name))
        return name

    def __call__(self, kind: str, *inputs: Any, name: str = "", **attributes: Any) -> str:
        """A node of that kind; inputs are names, or numbers that become constants."""
        names = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        name = name or f"v{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, names, [name], **attributes))
        return name

    def sum(self, value: str, *axes: int, keep: int = 0) -> str:
        """Over these axes."""
        return self("ReduceSum", value, self.constant(axes, np.int64), keepdims=keep)

    def part(self, value: str, begin: int, end: int, axis: int) -> str:
        """begin .. end of an axis."""
        return self("Slice", value, *(self.constant([one], np.int64) for one in (begin, end, axis)))

    def affine(self, x: str, weight: np.ndarray) -> str:
        """(K or 1, n, in), (K, in + 1, out) -> (K, n, out)"""
        return self("Add", self("MatMul", x, weight[:, :-1]), weight[:, -1:])


def _model(forecaster: Forecaster) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ExportError("onnx is missing; pip install 'lobarena[export]'") from error
    about, g = forecaster.about, _Graph(onnx)
    size, f4 = about.size, onnx.TensorProto.FLOAT
    z, told = _students(g, forecaster)
    if forecaster.gate:
        forecast = _gate(g, forecaster, z, told)
    else:
        forecast = g("Div", g.sum(told, 0), size.students)
        g("ConstantOfShape", g.part(g("Shape", "numbers"), 0, 1, 0), name="confidence", value=_one(onnx))
    known = g("Max", "contract", g.constant(0, np.int64))  # -1 would be the last one
    level, gain, line = (
        g("Gather", np.stack(part), known)
        for part in zip(*map(forecaster.line, range(1 + len(about.contracts))), strict=True)
    )
    lined = g("Squeeze", g("MatMul", g("Unsqueeze", "numbers", one := g.constant([1], np.int64)), line), one)
    g("Add", g("Add", level, g("Mul", gain, forecast)), lined, name="forecast")
    state = [size.blocks, size.students, "n", size.width]
    shapes: dict[str, Sequence[Any]] = {"numbers": ["n", COUNT], "contract": ["n"], "state": state}
    gives: dict[str, Sequence[Any]] = {"forecast": ["n", Y], "confidence": ["n"], "next_state": state}
    inputs, outputs = (
        [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64 if name == "contract" else f4, shape)
            for name, shape in part.items()
        ]
        for part in (shapes, gives)
    )
    graph = onnx.helper.make_graph(g.nodes, about.method, inputs, outputs, g.constants)
    model = onnx.helper.make_model(
        graph, producer_name="lobarena", ir_version=IR, opset_imports=[onnx.helper.make_opsetid("", OPSET)]
    )
    told_of = {"numbers": json.dumps(NAMES), "tasks": json.dumps(TASKS), "about": about.model_dump_json()}
    onnx.helper.set_model_props(model, told_of)
    onnx.checker.check_model(model, full_check=True)
    return model


def _one(onnx: Any) -> Any:
    return onnx.helper.make_tensor("one", onnx.TensorProto.FLOAT, [1], [1.0])


def _students(g: _Graph, forecaster: Forecaster) -> tuple[str, str]:
    """z (K, n, H) and forecasts (K, n, 3), standardised; writes next_state."""
    students, size = forecaster.students, forecaster.about.size
    x = g("Div", g("Sub", g.part("numbers", 0, INSTANT, 1), students["shift"]), students["scale"])
    u = g("Unsqueeze", g("Clip", x, -CUT, CUT), g.constant([0], np.int64))
    states = []
    for block in range(size.blocks):
        enter, leave = students[f"enter.{block}"], students[f"leave.{block}"]
        inputs = enter.shape[1] - 1
        gate = g("Sigmoid", g.affine(u, enter[:, :, : size.width]))
        before = g("Squeeze", g.part("state", block, block + 1, 0), g.constant([0], np.int64))
        candidate = g.affine(u, enter[:, :, size.width :])
        h = g("Add", g("Mul", g("Sub", 1.0, gate), before), g("Mul", gate, candidate))
        mixed = g("Add", g("MatMul", u, leave[:, :inputs]), g.affine(h, leave[:, inputs:]))
        u = g("Mul", mixed, g("Sigmoid", mixed))
        states.append(g("Unsqueeze", h, g.constant([0], np.int64)))
    g("Concat", *states, axis=0, name="next_state")
    return u, g.affine(u, students["head"])


def _gate(g: _Graph, forecaster: Forecaster, z: str, told: str) -> str:
    """The fused forecast (n, 3), standardised; writes the confidence."""
    gate, experts = forecaster.gate, forecaster.about.size.students
    u = g("MatMul", g("Concat", z, g("Mul", told, gate["tasks"][:, None]), axis=2), gate["space"])
    angle = g("MatMul", u, gate["frequency"].T)
    waves = g("Concat", g("Cos", angle), g("Sin", angle), axis=2)
    phi = g("Div", waves, math.sqrt(len(gate["frequency"])))  # (K, n, R)
    total = g.sum(phi, 0)
    pairs = g("Sub", g.sum(g("Mul", total, total), 1), experts)  # an embedding has length one
    agreement = g("Div", pairs, experts * (experts - 1)) if experts > 1 else g("Add", g("Mul", pairs, 0.0), 1.0)
    g("Clip", agreement, 0.0, 1.0, name="confidence")
    weights = _weights(g, forecaster, u, phi, total, pairs)
    return g.sum(g("Mul", weights, told), 0)


def _weights(g: _Graph, forecaster: Forecaster, u: str, phi: str, total: str, pairs: str) -> str:
    """(K, n or 1, 3)"""
    gate, experts, form = forecaster.gate, forecaster.about.size.students, forecaster.about.form
    tasks = gate["tasks"]
    if form == "average":
        return g.constant((tasks / tasks.sum(0))[:, None])
    volatility = g("Cast", g.part("numbers", VOLATILITY, VOLATILITY + 1, 1), to=g.onnx.TensorProto.DOUBLE)
    above = g("Greater", volatility, g.constant(forecaster.about.cuts, np.float64))  # (n, 2)
    regime = g.sum(g("Cast", above, to=g.onnx.TensorProto.INT64), 1)
    if form == "learned":
        contribution = g.sum(g("Mul", u, gate["score"][:, None]), 2)
    elif form == "empirical":
        near = g("Sub", g.sum(g("Mul", phi, total), 2), 1.0)
        without = g("Div", g("Sub", pairs, g("Mul", near, 2.0)), (experts - 1) * (experts - 2))
        contribution = g("Mul", g("Sub", g("Div", near, experts - 1), without), 2 / experts)
    else:
        mean = gate["mean"].astype(float)  # (G, K, R)
        others = (mean.sum(1, keepdims=True) - mean) / (experts - 1) * 2 / experts
        of_regime = g("Transpose", g("Gather", others, regime), perm=[1, 0, 2])
        offset = g("Transpose", g("Gather", (mean * others).sum(2), regime), perm=[1, 0])
        contribution = g("Sub", g.sum(g("Mul", phi, of_regime), 2), offset)
    temperature = np.exp(np.clip(gate["log_temperature"], -5, 5))
    prior = g("Transpose", g("Gather", np.where(tasks > 0, gate["prior"], -np.inf), regime), perm=[1, 0, 2])
    score = g("Unsqueeze", g("Div", contribution, temperature), g.constant([2], np.int64))
    return g("Softmax", g("Add", score, prior), axis=0)
