"""The spaces of one learner, and its actions as the kernels take them."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from lobarena.sim.actions import CLEAR, WIDTHS, kind_of


def action_space(action: str) -> gymnasium.spaces.Space[Any]:
    """The space of a kind of action; ValueError names the nearest kind."""
    kind = kind_of(action)
    if action == "offsets":
        return gymnasium.spaces.Discrete(CLEAR + 1)
    if action == "orders":
        low, high = np.zeros(WIDTHS[kind], np.int32), np.full(WIDTHS[kind], 2**31 - 1, np.int32)
        low[-1] = -(2**31) + 1
        return gymnasium.spaces.Box(low, high, dtype=np.int32)
    lowest = -1.0 if action == "continuous" else 0.0
    return gymnasium.spaces.Box(lowest, 1.0, (WIDTHS[kind],), np.float32)


def observation_space(layout: np.ndarray) -> gymnasium.spaces.Box:
    """The bounds of observations of a (F,) LAYOUT."""
    low, high = layout["low"] / layout["scale"], layout["high"] / layout["scale"]
    return gymnasium.spaces.Box(low, high, dtype=np.float32)


def fill(buffer: np.ndarray, action: Any, width: int) -> None:
    """Write one or more learners' actions into (..., WIDTH) f8; ValueError tells the shape that is wanted."""
    given = action if isinstance(action, np.ndarray) else np.asarray(action)
    there = buffer[..., :width] if width > 1 else buffer[..., 0]
    if given.shape != there.shape:
        raise ValueError(f"the action has shape {given.shape}; {there.shape} is wanted")
    there[...] = given


def taker(buffer: np.ndarray, width: int) -> Callable[[Any], None]:
    """`fill` for one learner, (WIDTH,) f8: a single number needs no array."""
    number = buffer.data

    def take(action: Any) -> None:
        if width == 1:
            try:
                number[0] = action
                return
            except (TypeError, ValueError):
                pass
        fill(buffer, action, width)

    return take
