"""What a crowd is searched in: a box of some forty numbers, and the fit at each of its points."""

from dataclasses import dataclass

import numpy as np

from lobarena.benchmarks.crowd_counts import Counted
from lobarena.sim.hawkes.fit import Fit

LATER = 0.6  # share of cancels in the later half of their queue: assumed, snapshots cannot show it


@dataclass(frozen=True, slots=True)
class Space:
    """One number that is searched: its range, and whether in the log."""

    low: float
    high: float
    log: bool = False


SPACE = {
    # of what would just keep up depth and volume (`counted`): both are hit from the first trial on
    "take": Space(0.6, 1.7, True),
    "near": Space(0.4, 2.0, True),
    "behind": Space(0.2, 3.0, True),
    "limit": Space(0.02, 0.4, True),  # of the mean depth
    "take_size": Space(0.3, 1.5, True),  # of the median half second's volume
    "cancel": Space(0.003, 0.6, True),
    "cancel_behind": Space(0.1, 3.0, True),  # of that at the best price
    "improve": Space(0.0, 1.0),
    "heal": Space(0.0, 10.0),
    "limit_tail": Space(1.15, 6.0, True),
    "take_tail": Space(1.15, 6.0, True),
    "take_take": Space(0.05, 0.6),
    "take_other": Space(0.0, 0.2),
    "take_near": Space(0.0, 0.5),
    "take_near_other": Space(0.0, 0.5),
    "take_cancel": Space(0.0, 0.5),
    "take_cancel_other": Space(0.0, 0.5),
    "near_near": Space(0.0, 0.4),
    "cross": Space(0.0, 0.2),  # near limit orders and cancels, of each other
    "cancel_cancel": Space(0.0, 0.4),
    "fast_s": Space(0.03, 2.0, True),
    "slow_s": Space(2.0, 120.0, True),
    "slow": Space(0.0, 0.9),
    "volatility": Space(0.1, 1.3),  # of that over 60 s
    "impact": Space(0.0, 0.6),  # of the volatility over 60 s, for a mean market order
    "tilt": Space(0.0, 0.95),
    "lean": Space(0.02, 3.0, True),
    "edge": Space(0.0, 2.0),  # usual spreads
    "chase": Space(0.05, 10.0, True),
    "pull": Space(0.0, 1.0),
    "news": Space(0.0, 20.0),
    "jump": Space(1.0, 12.0, True),  # volatilities over 1 s
    "swing": Space(0.0, 1.2),
    "spell_s": Space(2.0, 300.0, True),
    "walk": Space(0.0, 0.6),
    "depth": Space(0.0, 1.2),
    "depth_s": Space(5.0, 600.0, True),
    "press": Space(0.0, 0.6),
    "press_s": Space(1.0, 300.0, True),
    # powers of the factors that were counted: windows vary within a regime, too
    "pace_power": Space(0.0, 2.0),
    "volatility_power": Space(0.0, 2.0),
    "depth_power": Space(0.0, 2.0),
}


def fit_from(known: Counted, x: dict[str, float]) -> Fit:
    """The fit at one point of the space; FitError or pydantic's error where no crowd is possible."""
    take_size = max(1.0, x["take_size"] * known.half)
    limit = max(1.0, x["limit"] * known.depth)
    branching = x["take_take"] + x["take_other"]
    behind = x["cancel_behind"] * x["cancel"]
    take = x["take"] * known.lots * (1 - branching) / take_size
    near = x["near"] * (2 * known.depth * x["cancel"] + known.lots) / limit
    reach = 6.0
    rate = 2 * known.depth * behind * x["behind"] * reach / limit
    mean = float(np.sqrt(take_size))
    least = 1e-4
    return Fit.model_validate(
        {
            "code": known.code,
            "source": known.source,
            "orders": {
                "take": max(take, least),
                "near": max(near, least),
                "far": max(rate, least),
                "reach": reach,
                "improve": x["improve"],
                "heal": x["heal"],
                "usual": known.usual,
                "walk": x["walk"],
                "cancel": x["cancel"],
                "cancel_behind": max(behind, least),
                "later": LATER,
            },
            "sizes": {
                "limit": limit,
                "limit_tail": x["limit_tail"],
                "take": take_size,
                "take_tail": x["take_tail"],
            },
            "excitement": {
                "take_take": (x["take_take"], x["take_other"]),
                "take_near": (x["take_near"], x["take_near_other"]),
                "take_cancel": (x["take_cancel"], x["take_cancel_other"]),
                "near_near": (x["near_near"], 0.5 * x["near_near"]),
                "near_cancel": (x["cross"], x["cross"]),
                "cancel_near": (x["cross"], x["cross"]),
                "cancel_cancel": (x["cancel_cancel"], 0.5 * x["cancel_cancel"]),
                "fast_s": x["fast_s"],
                "slow_s": x["slow_s"],
                "slow": x["slow"],
            },
            "swell": {name: x[name] for name in ("depth", "depth_s", "press", "press_s")},
            "price": {
                "level": known.level,
                "volatility": x["volatility"] * known.volatility_60s,
                "impact": x["impact"] * known.volatility_60s / mean,
                "tilt": x["tilt"],
                "lean": x["lean"] / known.usual,
                "edge": x["edge"] * known.usual,
                "chase": x["chase"],
                "pull": x["pull"],
                "news": x["news"],
                "jump": x["jump"] * known.volatility_1s,
            },
            "pace": {"swing": x["swing"], "spell_s": x["spell_s"], "alarm": 3.0, "alarm_s": 10.0},
            "regimes": known.regimes
            | {name: _powered(known.regimes[name], x[f"{name}_power"]) for name in ("pace", "volatility", "depth")},
        }
    )


def _powered(factors: tuple[float, ...], power: float) -> tuple[float, ...]:
    """The factors drawn apart or together; their mean stays."""
    raised = np.array(factors) ** power
    return tuple(np.clip(raised * np.mean(factors) / raised.mean(), 0.05, 10).tolist())


def point_of(known: Counted, fit: Fit) -> dict[str, float]:
    """The point of the space at which `fit_from` gives this fit, or the nearest one that it can give.

    A crowd that is faster in all regimes is one of higher rates, so that a fit which `settled` has sped up is met, too.
    """
    o, e, p = fit.orders, fit.excitement, fit.price
    speed = float(np.mean(fit.regimes.pace) / np.mean(known.regimes["pace"]))
    cancel, lots = o.cancel * speed, known.lots
    behind = o.cancel_behind / o.cancel
    found = {
        "take": o.take * speed * fit.sizes.take / (lots * (1 - sum(e.take_take))),
        "near": o.near * speed * fit.sizes.limit / (2 * known.depth * cancel + lots),
        "behind": o.far * fit.sizes.limit / (2 * known.depth * o.cancel_behind * o.reach),
        "limit": fit.sizes.limit / known.depth,
        "take_size": fit.sizes.take / known.half,
        "cancel": cancel,
        "cancel_behind": behind,
        "limit_tail": fit.sizes.limit_tail,
        "take_tail": fit.sizes.take_tail,
        "take_take": e.take_take[0],
        "take_other": e.take_take[1],
        "take_near": e.take_near[0],
        "take_near_other": e.take_near[1],
        "take_cancel": e.take_cancel[0],
        "take_cancel_other": e.take_cancel[1],
        "near_near": e.near_near[0],
        "cross": e.near_cancel[0],
        "cancel_cancel": e.cancel_cancel[0],
        "fast_s": e.fast_s / speed,
        "slow_s": e.slow_s / speed,
        "volatility": p.volatility * np.sqrt(speed) / known.volatility_60s,
        "impact": p.impact * np.sqrt(fit.sizes.take) / known.volatility_60s,
        "lean": p.lean * known.usual,
        "edge": p.edge / known.usual,
        "chase": p.chase * speed,
        "jump": p.jump / known.volatility_1s,
        "improve": o.improve,
        "heal": o.heal,
        "walk": o.walk,
        "slow": e.slow,
        **{name: getattr(p, name) for name in ("tilt", "pull", "news")},
        **{name: getattr(fit.pace, name) for name in ("swing", "spell_s")},
        **{name: getattr(fit.swell, name) for name in ("depth", "depth_s", "press", "press_s")},
    }
    for name in ("pace", "volatility", "depth"):
        was, now = (np.log(np.array(one)[[0, 2]]) for one in (known.regimes[name], getattr(fit.regimes, name)))
        apart = float(was[1] - was[0])
        found[f"{name}_power"] = float(now[1] - now[0]) / apart if abs(apart) > 1e-6 else 1.0
    return {name: float(np.clip(found[name], s.low, s.high)) for name, s in SPACE.items()}


def from_cube(place: np.ndarray) -> dict[str, float]:
    """A point of the unit cube as numbers of the space."""
    return {
        name: float(s.low * (s.high / s.low) ** at if s.log else s.low + (s.high - s.low) * at)
        for (name, s), at in zip(SPACE.items(), place.tolist(), strict=True)
    }


def to_cube(point: dict[str, float]) -> np.ndarray:
    """A point of the space in the unit cube."""
    return np.array(
        [
            np.log(point[name] / s.low) / np.log(s.high / s.low) if s.log else (point[name] - s.low) / (s.high - s.low)
            for name, s in SPACE.items()
        ]
    )
