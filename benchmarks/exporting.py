"""What exported weights lose: R2 of their forecasts on the validation part, beside those they were made from."""

from collections.abc import Sequence

import numpy as np

from lobarena.agents.distill.forecaster import Forecaster
from lobarena.agents.windows.course import Course
from lobarena.agents.windows.scores import BLOCK_NS, Score, score


def skills(forecasters: Sequence[Forecaster], courses: Sequence[Course]) -> list[Score]:
    """R2 of the three tasks of each over the validation parts of all contracts; draws are paired by blocks of time."""
    told: list[list[np.ndarray]] = [[] for _ in forecasters]
    targets, times = [], []
    for number, course in enumerate(courses):
        for day, mask in zip(*course.part("validate"), strict=True):
            targets.append(day.scaled[mask])
            times.append(np.stack([np.full(int(mask.sum()), number), day.time[mask] // BLOCK_NS], 1))
            for one, forecasts in zip(forecasters, told, strict=True):
                forecasts.append(one.forecast(day.numbers, day.place, course.symbol)[mask, :3])
    block = np.unique(np.concatenate(times), axis=0, return_inverse=True)[1].reshape(-1)
    return [score(np.concatenate(forecasts), np.concatenate(targets), block) for forecasts in told]
