"""Main effects of cells: functional ANOVA by weighted least squares (our formulation)."""

from collections.abc import Sequence

import numpy as np

from lobarena.agents.distill.design import Cell
from lobarena.agents.learner import TrainingError


def effects(cells: Sequence[Cell], weight: np.ndarray) -> tuple[list[Cell], np.ndarray]:
    """Main effects of cells: (a student an effect, (K, C) by which it is made of the cells' values).

    Weighted least squares under effects that sum to zero over each axis; an axis of one value has none.
    """
    columns, rows = [np.ones((len(cells), 1))], []
    axes = []
    for axis in ("groups", "tasks", "regimes"):
        values = list(dict.fromkeys(getattr(cell, axis) for cell in cells))
        axes.append((axis, values))
        coded = np.array([[float(getattr(cell, axis) == value) for value in values] for cell in cells])
        columns.append(coded[:, :-1] - coded[:, -1:])
    x = np.concatenate(columns, 1)
    solved = np.linalg.solve(x.T @ (weight[:, None] * x), x.T * weight)
    students, place = [], 1
    everything = {axis: tuple(sorted({v for value in values for v in value})) for axis, values in axes}
    for axis, values in axes:
        own = solved[place : place + len(values) - 1]
        place += len(values) - 1
        if len(values) > 1:
            rows.append(np.concatenate([own, -own.sum(0, keepdims=True)]))
            students += [Cell(**(everything | {axis: value})) for value in values]
    if len(students) < 3:
        raise TrainingError(f"{len(students)} main effects are too few to agree; keep two axes or more")
    return students, np.concatenate(rows)
