"""Weights in int8: each output's weights are whole steps, of which its largest is 127; biases stay float32.

The file is smaller, not by all of three quarters since means stay as they are, and is widened to float32 when
it is read: forecasts are those of the rounded weights, kernel and time the same. What is lost, `lobarena export
FILE --int8 OUT` says.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

Arrays = Mapping[str, np.ndarray]
LARGEST = 127
_WITH_BIAS, _WITHOUT = ("enter.", "leave.", "head", "bin_head"), ("space",)


def quantised(arrays: Arrays) -> dict[str, np.ndarray]:
    """Each matrix (K, in + 1, out) f4, the last row the bias, as `.int8` (K, in, out), `.step` and `.bias` (K, out).

    The matrix of the gate's space has no bias; everything else is as it was.
    """
    found: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if not name.startswith(_WITH_BIAS + _WITHOUT):
            found[name] = array
            continue
        matrix = array
        if name.startswith(_WITH_BIAS):
            matrix, found[f"{name}.bias"] = array[:, :-1], array[:, -1]
        step = np.abs(matrix).max(1) / np.float32(LARGEST)
        step = np.where(step > 0, step, np.float32(1))
        found[f"{name}.step"] = step
        found[f"{name}.int8"] = np.rint(matrix / step[:, None]).astype(np.int8)
    return found


def widened(arrays: Arrays) -> dict[str, np.ndarray]:
    """`quantised` undone: float32 matrices of rounded weights. ValueError when steps or biases do not fit."""
    found = dict(arrays)
    for name in [name for name in arrays if name.endswith(".int8")]:
        own = name.removesuffix(".int8")
        whole, step, bias = found.pop(name), found.pop(f"{own}.step", None), found.pop(f"{own}.bias", None)
        fits = own not in arrays and whole.dtype == np.int8 and whole.ndim == 3 and step is not None
        for one in (step, bias):
            fits = fits and (one is None or (one.dtype == np.float32 and one.shape == (len(whole), whole.shape[2])))
        if not fits or step is None:
            raise ValueError(f"the int8 weights of {own} lack their steps, or these do not fit them")
        matrix = whole * step[:, None]
        found[own] = matrix if bias is None else np.concatenate([matrix, bias[:, None]], 1)
    return found


def quantise(path: Path, out: Path) -> Path:
    """The file of students at `path` as one of int8 weights at `out`."""
    from lobarena.agents.distill.forecaster import forecaster, store

    one = forecaster(path)
    return store(out, quantised(one.students), quantised(one.gate), one.about, one.base)
