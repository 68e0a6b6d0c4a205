"""Trained files without training: students and a gate as large as those of `lobarena distill cmm`, or smaller."""

from dataclasses import asdict

import numpy as np
import torch
from test_agents import observation

from lobarena.agents.distill import hajek
from lobarena.agents.distill.forecaster import About, StudentSize, store
from lobarena.agents.distill.mixture import Gate, Mixture, Sight
from lobarena.agents.distill.student import Size, Students, read_rows
from lobarena.agents.teacher.base import Base
from lobarena.agents.windows.day import VOLATILITY
from lobarena.agents.windows.numbers import COUNT, INSTANT, INSTANT_NAMES, NAMES
from lobarena.benchmarks.distilling import arrays_of

DEFAULT = Size(18, 16, 2)
CUTS = [-0.4, 0.5]
OWN = "RB"  # has a line of its own
_drawn = np.random.default_rng(7)
LINES = Base(*(_drawn.uniform(-0.2, 0.4, shape).astype(np.float32) for shape in ((2, COUNT, 3), (2, 3))),
             *(_drawn.uniform(0.4, 1.0, (2, 3)).astype(np.float32) for _ in range(2)))  # fmt: skip
FITTED = {"sigma": 0.5, "spread": 1.2, "volume": 3.0, "size": 12.0}
SMALL = Size(4, 7, 3)


def made_up(path, size=DEFAULT, form="regime", space=8, features=256, seed=0):
    """Students, gate (None for the form "") and the path of their file."""
    rng = np.random.default_rng(seed)
    students = Students(size, rng.normal(size=INSTANT) / 10, rng.uniform(0.8, 1.2, INSTANT), seed)
    mixture = mixed(students, Gate(form=form, space=space, features=features), rng) if form else None
    about = About(
        format=1, method="cmm" if form else "kd", size=StudentSize(**asdict(size)), form=form,
        numbers=list(INSTANT_NAMES), lines=list(NAMES), mean=[0.1, 0.2, -0.3], sd=[0.9, 0.5, 1.5], cuts=CUTS,
        contracts=[OWN],
    )  # fmt: skip
    return students, mixture, store(path, arrays_of(students), arrays_of(mixture) if form else {}, about, LINES)


def mixed(students, gate, rng):
    """A gate that has seen looks: its bandwidth, means, prior and scores are what looks like these give."""
    numbers = rng.normal(size=(600, COUNT)).astype(np.float32)
    z, told = read_rows(students, numbers[:, :INSTANT], np.array([0]), np.array([600]))
    tasks = np.eye(3, dtype=bool)[np.arange(students.size.students) % 3]
    seen = Sight.of(z, told, rng.normal(size=(600, 3)), np.searchsorted(CUTS, numbers[:, VOLATILITY]))
    mixture = Mixture(gate, tasks, students.size.width)
    with torch.no_grad():
        mixture.frequency /= hajek.median_bandwidth(mixture.points(seen.z, seen.told))
        mixture.settle(seen)
        for one in (mixture.prior, mixture.score):
            one.normal_(generator=torch.Generator().manual_seed(1))
    return mixture


def batch(students, mixture, numbers, place=0):
    """What torch tells of (B, T, COUNT) looks: forecasts (B, T, 3) in units of the contract, confidence (B, T).

    place : of the line, one or (B T,)
    """
    with torch.no_grad():
        read = students.read(torch.from_numpy(numbers[..., :INSTANT]))
        told = students.forecast(read.z)
        if mixture is None:
            forecast, sure = told.mean(0), torch.ones(numbers.shape[:2])
        else:
            z, told = (one.permute(1, 2, 0, 3).flatten(0, 1) for one in (read.z, told))
            regime = torch.from_numpy(np.searchsorted(CUTS, numbers[..., VOLATILITY].reshape(-1)))
            forecast, sure, _ = mixture(z, told, regime)
    forecast, sure = forecast.numpy().reshape(*numbers.shape[:2], 3), sure.numpy().reshape(numbers.shape[:2])
    left = forecast * np.array([0.9, 0.5, 1.5]) + np.array([0.1, 0.2, -0.3])
    whole = LINES.corrected(numbers.reshape(-1, COUNT).astype(float), place, left.reshape(-1, 3))
    return whole.reshape(left.shape), sure


def windows(rows, looks, seed=3):
    """Numbers of rows of looks; some lie far out, where they are cut."""
    numbers = np.random.default_rng(seed).normal(size=(rows, looks, COUNT))
    return (numbers * np.where(np.arange(looks) % 10 == 9, 8, 1)[:, None]).astype(np.float32)


def by_kernel(one, numbers, symbol=""):
    place = np.tile(np.arange(1, numbers.shape[1] + 1), len(numbers))
    return one.forecast(numbers.reshape(-1, COUNT), place, symbol).reshape(*numbers.shape[:2], 4)


def a_walk(count, seed=5):
    """Looks of a market that moves, with one-sided books, a closed market, a pause and positions among them."""
    rng = np.random.default_rng(seed)
    bid, volume, found = 3_800, 0, []
    for k in range(count):
        bid += int(rng.integers(-2, 3))
        volume += int(rng.integers(0, 9))
        look = observation(
            bid, None if k % 37 == 36 else bid + int(rng.integers(1, 4)), int(rng.integers(-5, 6)), k / 2
        )
        look["bid_size"] = rng.integers(1, 60, 5)
        look["ask_size"] = rng.integers(1, 60, 5) if look["ask_size"][0] else 0
        look["volume"], look["turnover"] = volume, volume * bid
        look["published"] += 10**11 if k > 2 * count // 3 else 0
        look["phase"] = 1 if k == count // 2 else look["phase"]
        found.append(look.reshape(1))
    return np.concatenate(found)
