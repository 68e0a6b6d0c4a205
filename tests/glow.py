"""Made-up models whose layers hold what a test puts there."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lobarena.agents.probe.evidence import Evidence
from lobarena.agents.probe.regimes import REGIMES, regimes

TASKS = ("mid move", "spread", "volume")
DAYS, LOOKS, LAYERS, WIDTH = 12, 300, 4, 12  # eight days of train, four of test
PLACE = {"calm": 0, "usual": 1, "volatile": 2}

Planted = Sequence[tuple[int, int, str | None]]  # (layer, task, the only regime or None for all)


def columns(seed: int = 0) -> dict[str, Any]:
    """The arrays of an Evidence of noise: hidden states and raw features know nothing of the targets."""
    n, generator = DAYS * LOOKS, np.random.default_rng(seed)
    day = np.repeat(np.arange(DAYS), LOOKS)
    return {
        "hidden": generator.standard_normal((n, LAYERS, WIDTH)).astype(np.float16),
        "targets": generator.standard_normal((n, len(TASKS))),
        "volatility": generator.standard_normal(n),
        "raw": generator.standard_normal((n, 5)),
        "time": day * 86_400_000_000_000 + np.tile(np.arange(LOOKS), DAYS) * 500_000_000,
        "contract": np.zeros(n, np.int64),
        "day": day,
        "train": day < 8,
        "test": day >= 8,
        "names": tuple(f"L{layer}" for layer in range(LAYERS)),
        "tasks": TASKS,
    }


def planted(where: Planted, seed: int = 0) -> Evidence:
    """Noise but for the cells of `where`: four directions of the layer hold the target, blurred."""
    made = columns(seed)
    regime = regimes(made["volatility"], made["contract"], made["train"])
    hidden, noise = made["hidden"].astype(np.float64), np.random.default_rng(seed + 1)
    for layer, task, only in where:
        rows = np.ones(len(regime), bool) if only is None else regime == REGIMES.index(only)
        told = made["targets"][rows, task, None] + 0.5 * noise.standard_normal((int(rows.sum()), 4))
        hidden[rows, layer, :4] = told
    return Evidence(**(made | {"hidden": hidden.astype(np.float16)}))


def forward(evidence: Evidence, matters: Sequence[tuple[int, int]]) -> Callable[..., np.ndarray]:
    """A made-up forward pass: task t is forecast from the first numbers of layer l for each (l, t) of `matters`."""

    def quench(layer: int | None, mean: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
        states = evidence.hidden[rows].astype(np.float64)
        if layer is not None:
            states[:, layer] = mean
        forecast = np.zeros((len(rows), len(TASKS)))
        for place, task in matters:
            forecast[:, task] += states[:, place, :4].mean(axis=1) / sum(t == task for _, t in matters)
        return forecast

    return quench
