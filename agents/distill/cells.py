"""What each student of CMM is to learn of a teacher: orthogonal parts of its features (OFDD; our formulation).

A cell is a group of layers, a task and a stretch of regimes. Its Q (D, r) holds r directions of the group's features:
each is the rank-one reduced-rank regression of the task's target on what the directions found before it leave of the
features, in the cell's regimes (ridge; the cells of a group take turns, the brightest first). So Q_j' Q_k = 0 within a
group. A scalar target has one direction of regression only; the later ones are what forecasts it without the earlier.

"cells": a student a cell, which learns Q' h. "axes": a student a group, a task and a stretch: the main effects of
H_c(x) = Q_c Q_c' h(x) over the cells (functional ANOVA, by weighted least squares), each cut to r principal axes.
Shapes: G groups, D width, K students, r rank, p components.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from lobarena.agents.distill.design import Cell, Design, every_cell
from lobarena.agents.distill.effects import effects
from lobarena.agents.distill.lessons import Lessons, Units, Voice
from lobarena.agents.learner import TrainingError
from lobarena.agents.windows.targets import TASKS

_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class Parts:
    """The students' targets, linear in the groups' features h (G, D)."""

    cells: tuple[Cell, ...]  # K
    weight: np.ndarray  # (K,) w_k, sums to 1
    to: np.ndarray  # (K, G, D, r) f4: q_k = sum over g of to' h - shift; mean square 1 on training looks
    shift: np.ndarray  # (K, r) f4
    whole: np.ndarray  # (G, D, p) f4: principal components of all, mean square 1
    whole_shift: np.ndarray  # (p,) f4
    base: tuple[Cell, ...]  # cells that Q belongs to; the students' own in the design "cells"
    q: np.ndarray  # (C, D, r) f8 orthonormal columns

    @property
    def tasks(self) -> np.ndarray:
        """(K, 3) bool: what each student forecasts."""
        return np.array([[task in cell.tasks for task in range(len(TASKS))] for cell in self.cells])


def grouped(states: np.ndarray, groups: int) -> np.ndarray:
    """(n, L, D) -> (n, G, D): means over layers that lie together; ValueError when there are fewer layers."""
    if states.shape[1] < groups:
        raise TrainingError(
            f"{states.shape[1]} layers make no {groups} groups; store more layers or ask for fewer groups"
        )
    return np.stack([part.mean(1) for part in np.array_split(states, groups, axis=1)], 1)


def take_apart(
    lessons: Lessons, voice: Voice, rows: np.ndarray, units: Units, design: Design, share: np.ndarray, seed: int = 0
) -> Parts:
    """The parts that students learn, from training looks alone.

    rows : places of looks with a target that the teacher told of; share : (G, 3, REGIMES) F-hat, NaN in dark rows
    ValueError when a stretch has too few looks, or when a group's width does not hold its cells' directions.
    """
    some = rows[:: -(-len(rows) // _ROWS)]
    h = grouped(voice.states(some), design.groups).astype(np.float64)
    y = (lessons.target[some] - units.mean) / units.sd
    regime = units.regime(lessons.volatility[some])
    lit = np.where(np.isfinite(share), share, 1 / design.groups)  # of a dark row nothing is known: all alike
    cells = every_cell(design)
    light = np.array([_of(cell, lit) for cell in cells])
    if design.kind == "cells":
        kept = _kept(cells, light, design.prune)
        cells, light = [cells[k] for k in kept], light[kept]
    q = np.zeros((len(cells), h.shape[2], design.rank))
    for group in range(design.groups):
        own = [k for k, cell in enumerate(cells) if cell.groups == (group,)]
        own.sort(key=lambda k: -light[k])
        if own:
            found = _directions(h[:, group], y, regime, [cells[k] for k in own], design, seed + group)
            q[own] = found
    if design.kind == "cells":
        students = list(cells)
        to = np.zeros((len(cells), *h.shape[1:], design.rank))
        for k, cell in enumerate(cells):
            to[k, cell.groups[0]] = q[k]
    else:
        students, to = _axes(h, cells, np.maximum(light, 1e-3), q, design)
    to, shift = _scaled(h, to)
    flat = h.reshape(len(h), -1)
    whole = _principal(np.cov(flat.T), min(design.components, flat.shape[1])).reshape(1, *h.shape[1:], -1)
    whole, whole_shift = _scaled(h, whole)
    weight = np.ones(len(students)) if design.equal else np.array([_of(cell, lit) for cell in students])
    weight = np.maximum(weight, 1e-3)
    return Parts(
        cells=tuple(students),
        weight=weight / weight.sum(),
        to=to,
        shift=shift,
        whole=whole[0],
        whole_shift=whole_shift[0],
        base=tuple(cells),
        q=q,
    )


def _of(cell: Cell, share: np.ndarray) -> float:
    return float(share[np.ix_(cell.groups, cell.tasks, cell.regimes)].mean())


def _kept(cells: Sequence[Cell], light: np.ndarray, least: float) -> list[int]:
    bright: dict[tuple[int, ...], int] = {}  # the brightest cell of each task
    for k, cell in enumerate(cells):
        if cell.tasks not in bright or light[k] > light[bright[cell.tasks]]:
            bright[cell.tasks] = k
    kept = [k for k in range(len(cells)) if light[k] >= least or k in bright.values()]
    if len(kept) < 3:
        raise TrainingError(
            f"{len(kept)} students are left and three are needed to agree; lower prune, or use more cells"
        )
    return kept


def _directions(
    h: np.ndarray, y: np.ndarray, regime: np.ndarray, cells: Sequence[Cell], design: Design, seed: int
) -> np.ndarray:
    """(cells, D, r) of one group, all orthonormal together. h : (n, D)"""
    width, count = h.shape[1], len(cells) * design.rank
    if count > width:
        raise TrainingError(
            f"{len(cells)} cells of rank {design.rank} do not fit a teacher of width {width}; lower the rank, or prune"
        )
    if design.random:
        drawn = np.linalg.qr(np.random.default_rng(seed).normal(size=(width, count)))[0]
        return np.asarray(drawn.T.reshape(len(cells), design.rank, width).transpose(0, 2, 1))
    grams: dict[tuple[int, ...], np.ndarray] = {}
    crosses = []
    for cell in cells:
        own = np.isin(regime, cell.regimes)
        if own.sum() < 2 * design.rank:
            raise TrainingError(
                f"regimes {cell.regimes} have {own.sum()} looks told of; use fewer stretches or more days"
            )
        centred = h[own] - h[own].mean(0)
        grams.setdefault(cell.regimes, centred.T @ centred / len(centred))
        target = y[own][:, cell.tasks]
        crosses.append(centred.T @ (target - target.mean(0)) / len(centred))
    ridge = design.penalty * float(np.mean([np.trace(gram) / width for gram in grams.values()])) * np.eye(width)
    q = np.zeros((len(cells), width, design.rank))
    before = np.zeros((width, 0))
    for k, (place, cell) in product(range(design.rank), enumerate(cells)):
        gram, cross = grams[cell.regimes], crosses[place] - before @ (before.T @ crosses[place])
        b = np.linalg.solve(gram + ridge, cross)
        if b.shape[1] > 1:  # the direction of most explained variance over the tasks
            b = b @ np.linalg.eigh(b.T @ gram @ b)[1][:, -1:]
        b = b[:, 0]
        for _ in range(2):
            b = b - before @ (before.T @ b)
        size = np.linalg.norm(b)
        if not size > 1e-12:
            raise TrainingError(f"nothing of the target of {cell} is left after {k} directions; lower the rank")
        q[place, :, k] = b / size
        before = np.concatenate([before, q[place, :, k : k + 1]], 1)
        for name, one in grams.items():
            grams[name] = _without(one, q[place, :, k])
    return q


def _without(gram: np.ndarray, q: np.ndarray) -> np.ndarray:
    """(I - q q') gram (I - q q')"""
    product_ = gram @ q
    return np.asarray(gram - np.outer(product_, q) - np.outer(q, product_) + (q @ product_) * np.outer(q, q))


def _axes(
    h: np.ndarray, cells: Sequence[Cell], weight: np.ndarray, q: np.ndarray, design: Design
) -> tuple[list[Cell], np.ndarray]:
    groups, width = h.shape[1:]
    students, by = effects(cells, weight)
    covariance = np.cov(h.reshape(len(h), -1).T)
    to = np.zeros((len(students), groups * width, design.rank))
    for k in range(len(students)):
        effect = np.zeros((groups, width, width))
        for c, cell in enumerate(cells):
            effect[cell.groups[0]] += by[k, c] * q[c] @ q[c].T
        flat = effect.reshape(-1, width)
        to[k] = flat @ _principal(flat.T @ covariance @ flat, design.rank)
    return students, to.reshape(len(students), groups, width, design.rank)


def _principal(covariance: np.ndarray, count: int) -> np.ndarray:
    """(n, count) directions of most variance, the largest first."""
    return np.asarray(np.linalg.eigh(covariance)[1][:, ::-1][:, :count])


def _scaled(h: np.ndarray, to: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maps of mean square 1 on h, and what to take off for mean 0. to : (K, G, D, r)"""
    found = np.einsum("ngd,kgdr->knr", h, to)
    scale = found.std(1)
    scale = np.sqrt((scale**2).mean(1)).clip(min=1e-9)
    return (to / scale[:, None, None, None]).astype(np.float32), (found.mean(1) / scale[:, None]).astype(np.float32)
