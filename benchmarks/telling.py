"""What a trained teacher holds of every look of a day: the states of a few layers and its forecasts, computed once.

A day is one file, named by all that it depends on, whole or not at all: a killed run goes on with the next day.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lobarena.agents.distill.bridges import matched
from lobarena.agents.distill.lessons import Told
from lobarena.agents.learner import TrainingError
from lobarena.agents.teacher.chunks import Rows
from lobarena.agents.teacher.trained import Trained
from lobarena.agents.weight_file import WeightsError
from lobarena.agents.windows.day import Day

Advance = Callable[[int, int, str], None]


def telling(
    one: Trained, digest: str, layers: int, folder: Path, advance: Advance = lambda done, total, text: None
) -> Callable[[Day], Told]:
    """Day -> what the teacher told of its looks; looks with too few before them are NaN.

    digest : of the teacher's weights; layers : how many of them are kept, evenly spread, the last one included
    """
    depth = int(one.teacher.config.num_hidden_layers)
    if not 1 <= layers <= depth:
        raise TrainingError(f"{layers} layers asked for, the teacher has {depth}")
    chosen = [place + 1 for place in matched(layers, depth)]  # 0 is the embedding
    width = int(one.teacher.config.hidden_size)

    def told(day: Day) -> Told:
        key = hashlib.sha256(f"{digest} {day.digest} {chosen}".encode()).hexdigest()[:24]
        path = folder / f"{day.symbol}-{day.day}-{key}.npy"
        if not path.exists():
            states, forecast = read(one, day, chosen, advance)
            _write(path, np.concatenate([forecast, states.reshape(len(states), -1)], 1))
        return _open(path, len(day.time), len(chosen), width)

    return told


def read(
    one: Trained, day: Day, layers: list[int], advance: Advance = lambda done, total, text: None, batch: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """((n, L, D) f2 states, (n, 3) f2 forecasts in units of the contract) of a day's looks; NaN where not read."""
    import torch

    teacher, rows = one.teacher, Rows.of([day])
    states = np.full((len(rows.numbers), len(layers), int(teacher.config.hidden_size)), np.nan, np.float16)
    forecast = np.full((len(rows.numbers), 3), np.nan, np.float16)
    numbers, done = torch.from_numpy(rows.numbers), 0
    with torch.inference_mode():
        for chunk, wanted in rows.covering(batch):
            x = numbers[torch.from_numpy(np.maximum(chunk, 0))]
            found = teacher.states(x)
            correction, seen = teacher.head(found[-1]).numpy()[wanted], chunk[wanted]
            states[seen] = torch.stack([found[layer] for layer in layers], 2).numpy()[wanted]
            forecast[seen] = one.forecast(day.symbol, rows.numbers[seen], correction)
            done += int(wanted.sum())
            advance(done, len(rows.numbers), f"teacher reads {day.symbol} {day.day}")
    if np.isinf(states).any():
        raise TrainingError("a layer's states are beyond float16 (65,504); keep other layers")
    return states, forecast


def _write(path: Path, table: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.{os.getpid()}.npy")
    np.save(beside, table, allow_pickle=False)
    os.replace(beside, path)


def _open(path: Path, looks: int, layers: int, width: int) -> Told:
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} is damaged ({str(error)[:80]}); delete it") from error
    if table.shape != (looks, 3 + layers * width) or table.dtype != np.float16:
        raise WeightsError(f"{path} is of {table.shape} {table.dtype}, of another teacher or day; delete it")
    return Told(table[:, 3:].reshape(looks, layers, width), table[:, :3].astype(np.float32))
