"""Random compositions of shocks, of every kind and of sizes far beyond what any market has seen."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lobarena.benchmarks.shock_episodes import Story
from lobarena.data.schema import LEVELS
from lobarena.sim.line import CLOCK, FAULTS
from lobarena.sim.shocks.cascade import Cascade
from lobarena.sim.shocks.kinds import KINDS
from lobarena.sim.shocks.ladder import Spoof, Spread, Withdraw
from lobarena.sim.shocks.orders import Stuff, Sweep
from lobarena.sim.shocks.prices import Move, Volatility
from lobarena.sim.shocks.shock import Shock
from lobarena.sim.shocks.venue import LIMITS, Gate, Halt, Latency, Line, Rule

MOST = 4  # shocks in one composition


def compose(rng: np.random.Generator) -> Story:
    """One to four shocks of random kinds and sizes, in the order of their start."""
    shocks = sorted((_shock(rng) for _ in range(int(rng.integers(1, MOST + 1)))), key=lambda shock: shock.at_s)
    return Story("random", "a random composition", tuple(shocks))


def _shock(rng: np.random.Generator) -> Shock:
    kind = list(KINDS)[int(rng.integers(len(KINDS)))]
    at, last = float(rng.uniform(0, 20)), float(rng.uniform(1, 15))
    return _MADE[kind](rng, at, last)


def _one(rng: np.random.Generator, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _move(rng: np.random.Generator, at: float, last: float) -> Shock:
    unit, sign = _one(rng, "limit", "percent"), _one(rng, -1.0, 1.0)
    top = sign * float(rng.uniform(0.2, 1.4) if unit == "limit" else rng.uniform(0.05, 12))
    points = ((0.0, 0.0), (last / 2, top), (last, top), (last + 5, float(rng.uniform(0, 1)) * top))
    return Move(at, 0.0, points, unit, float(rng.uniform(0, 100)))


def _withdraw(rng: np.random.Generator, at: float, last: float) -> Shock:
    shares = tuple(rng.choice([0.0, 0.5, 0.9, 1.0], LEVELS).tolist())
    return Withdraw(at, last, shares, _one(rng, "both", "bid", "ask"), float(rng.uniform(0, 10)))


def _spoof(rng: np.random.Generator, at: float, last: float) -> Shock:
    lots, level, flip_s = float(rng.uniform(0.1, 50)), int(rng.integers(1, 1 + LEVELS)), float(rng.uniform(0, 5))
    return Spoof(at, last, _one(rng, "bid", "ask"), lots, level, flip_s)


def _sweep(rng: np.random.Generator, at: float, last: float) -> Shock:
    orders, lots, growth = int(rng.integers(1, 60)), float(rng.uniform(0.1, 60)), float(rng.uniform(0.9, 1.3))
    return Sweep(at, last, _one(rng, "buy", "sell"), orders, lots, growth, float(rng.uniform(0.1, 12)))


def _cascade(rng: np.random.Generator, at: float, last: float) -> Shock:
    seats = tuple((float(rng.uniform(0.1, 30)), float(rng.uniform(0.01, 0.5))) for _ in range(int(rng.integers(1, 4))))
    pace, impact = float(rng.uniform(0.01, 3)), float(rng.choice([0.0, rng.uniform(0, 0.5)]))
    return Cascade(at, last, _one(rng, "long", "short"), seats, pace, impact)


def _halt(rng: np.random.Generator, at: float, last: float) -> Shock:
    last = max(3.0, last)
    return Halt(at, last, float(rng.choice([0.0, 1.0, last / 2])), float(rng.uniform(0.1, 5)))


def _rule(rng: np.random.Generator, at: float, last: float) -> Shock:
    rule = _one(rng, "fees", "margin", "position limit", "largest order")
    return Rule(at, last, rule, float(rng.uniform(0, 1) if rule in LIMITS else rng.uniform(1, 12)))


def _line(rng: np.random.Generator, at: float, last: float) -> Shock:
    fault = _one(rng, *FAULTS)
    jump = _one(rng, -1.0, 1.0) * float(rng.uniform(1, 5_000)) if fault == FAULTS[CLOCK] else 0.0
    return Line(at, last, fault, jump)


_MADE: dict[str, Callable[[np.random.Generator, float, float], Shock]] = {
    "move": _move,
    "volatility": lambda rng, at, last: Volatility(at, last, float(rng.uniform(0, 40))),
    "spread": lambda rng, at, last: Spread(at, last, float(rng.uniform(1, 40))),
    "withdraw": _withdraw,
    "spoof": _spoof,
    "sweep": _sweep,
    "stuff": lambda rng, at, last: Stuff(at, min(last, 5.0), float(rng.uniform(10, 1_000)), int(rng.integers(2, 8))),
    "cascade": _cascade,
    "halt": _halt,
    "rule": _rule,
    "gate": lambda rng, at, last: Gate(at, last),
    "latency": lambda rng, at, last: Latency(at, last, float(rng.uniform(0, 4_000))),
    "line": _line,
}
