"""Made-up days: targets hang on numbers of the past looks, and a made-up teacher's layers hold what they hang on."""

import numpy as np

from lobarena.agents.distill.lessons import Lessons, Told
from lobarena.agents.windows.day import VOLATILITY, Day
from lobarena.agents.windows.numbers import COUNT

LAYERS, WIDTH = 3, 24


def signals(numbers):
    """(n, 3) what will come, without noise: a mean of the past, a product, a number of the look before."""
    slow = np.zeros(len(numbers))
    for k in range(1, len(numbers)):
        slow[k] = 0.8 * slow[k - 1] + 0.6 * numbers[k, 2]
    before = np.concatenate([[0], numbers[:-1, 3]])
    return np.stack([slow, numbers[:, 1] * np.sign(numbers[:, 4]), before], 1)


def made_up_day(looks=900, seed=0, noise=0.3, pause=300):
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(looks, COUNT)).astype(np.float32)
    numbers[:, VOLATILITY] = np.repeat(rng.normal(size=looks // 10 + 1), 10)[:looks]
    place = np.concatenate([np.arange(1, pause + 1), [0], np.arange(1, looks - pause)])
    targets = signals(numbers) + noise * rng.normal(size=(looks, 3))
    targets[place == 0] = np.nan
    scales = np.array([[0.0, 1.0]] * 3)
    return Day("XX1", 20240103, np.arange(looks) * 5 * 10**9, place, numbers, targets, scales, f"{seed:064x}")


def made_up_told(day, seed=0, deaf=0):
    """Layer l holds the signal of task l in its first units, all hold noise; the forecast is the signal itself."""
    rng = np.random.default_rng(100 + seed)
    signal = signals(day.numbers)
    states = rng.normal(size=(len(signal), LAYERS, WIDTH)).astype(np.float16)
    for task in range(3):
        states[:, task, : WIDTH // 4] += 2 * signal[:, task, None]
    forecast = signal.astype(np.float32)
    forecast[:deaf] = np.nan
    return Told(states, forecast)


def lessons(looks=900, seed=0, deaf=0, noise=0.3):
    day = made_up_day(looks, seed, noise)
    return Lessons.of([day], told=made_up_told(day, seed, deaf))
