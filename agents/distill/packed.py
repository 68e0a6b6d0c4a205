"""The weights of students and gate in the order in which the kernel of `fused` reads them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lobarena.agents.distill.fused import ALONE, EMPIRICAL, FIXED, REGIME, REGIMES, Y
from lobarena.agents.distill.lanes import LANES
from lobarena.agents.windows.numbers import INSTANT

Arrays = Mapping[str, np.ndarray]
_FORMS = {"": ALONE, "average": FIXED, "learned": FIXED, "regime": REGIME, "empirical": EMPIRICAL}
_NEVER = -1e30  # log of no weight, finite


@dataclass(frozen=True, eq=False)
class Packed:
    """What `fused.foretell` is given, and markets share."""

    sizes: np.ndarray  # (6,) i8
    weights: np.ndarray  # f4
    room: int  # float32 numbers of a market's memory


def pack(students: Arrays, gate: Arrays, form: str, size: Any) -> Packed:
    """From the arrays of `student.Students` and `mixture.Mixture`, checked, and `size` of the former.

    Widths are rounded up to whole LANES, with zeros. What is known beforehand goes into the weights: tasks into A, 2 pi
    into the frequencies, 2 / K and 1 / tau into mu_-i and the learned scores; <mu_i, mu_-i> stands behind each mu_-i.
    """
    count, width = size.students, size.width
    half, space = gate["frequency"].shape if gate else (0, 0)
    sharpness = math.exp(-min(max(float(gate["log_temperature"]), -5), 5)) if gate else 1.0
    scores = gate["score"] * sharpness if form == "learned" else np.zeros((count, space))
    others = _others(gate, sharpness) if form == "regime" else np.zeros((count, 0))
    parts = [students["shift"], students["scale"], _prior(gate, form, count)]
    if gate:
        parts.append(_tiles(gate["frequency"].T / (2 * math.pi), long=False))
    parts.append(np.array([sharpness]))
    for block in range(size.blocks):
        for enter in students[f"enter.{block}"]:
            for matrix in (_wide(enter[:, :width]), _wide(enter[:, width:])):
                parts += [matrix[-1], _tiles(matrix[:-1], block > 0)]
        for leave in students[f"leave.{block}"]:
            inputs = len(leave) - 1 - width
            parts += [_wide(leave)[-1], _tiles(leave[:inputs], block > 0), _tiles(leave[inputs:-1])]
    for k in range(count):
        head = students["head"][k]
        parts += [_wide(head)[-1], _tiles(head[:-1])]
        if gate:
            a = gate["space"][k]
            parts += [_tiles(a[:width]), _tiles(a[width:] * gate["tasks"][k][:, None]), scores[k]]
        parts.append(others[k])
    padded = _whole(width)
    room = (size.blocks + 4) * count * padded + INSTANT + LANES + _whole(space) + _whole(half) + half * 4
    room += count * (Y + 1 + 2 * half)
    return Packed(
        sizes=np.array([count, padded, size.blocks, _FORMS[form], half, space]),
        weights=np.concatenate([np.ravel(part) for part in parts]).astype(np.float32),
        room=room,
    )


def _whole(count: int) -> int:
    return -(-count // LANES) * LANES


def _wide(matrix: np.ndarray) -> np.ndarray:
    """(n, m) -> (n, m rounded up)"""
    return np.pad(matrix, ((0, 0), (0, _whole(matrix.shape[1]) - matrix.shape[1])))


def _long(matrix: np.ndarray) -> np.ndarray:
    """(n, m) -> (n rounded up, m)"""
    return np.pad(matrix, ((0, _whole(len(matrix)) - len(matrix)), (0, 0)))


def _tiles(matrix: np.ndarray, long: bool = True) -> np.ndarray:
    """(n, m) as `lanes.add` reads it: (m / LANES, n, LANES); long when the input is a row of whole LANES."""
    wide = _wide(_long(matrix) if long else matrix)
    return wide.reshape(len(wide), -1, LANES).swapaxes(0, 1)


def _prior(gate: Arrays, form: str, students: int) -> np.ndarray:
    """(G, K, 3) f8: what is added to the scores; of averages the log of the weights themselves."""
    tasks = np.broadcast_to(gate["tasks"] if gate else 1.0, (REGIMES, students, Y))
    prior = (
        -np.log(np.broadcast_to(tasks.sum(1, keepdims=True), tasks.shape)) if form in ("", "average") else gate["prior"]
    )
    return np.where(tasks > 0, np.maximum(prior, _NEVER), _NEVER)


def _others(gate: Arrays, sharpness: float) -> np.ndarray:
    """(K, G (R + 1)): mu_-i and <mu_i, mu_-i> of each regime, for embeddings of length sqrt(R / 2)."""
    mean = gate["mean"].astype(float)  # (G, K, R)
    experts = mean.shape[1]
    others = (mean.sum(1, keepdims=True) - mean) / max(experts - 1, 1) * (2 / experts * sharpness)
    offset = (mean * others).sum(2, keepdims=True)
    both = np.concatenate([others / math.sqrt(len(gate["frequency"])), offset], 2)
    return both.swapaxes(0, 1).reshape(experts, -1)
