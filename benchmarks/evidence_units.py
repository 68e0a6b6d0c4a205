"""One unit of the evidence: a method trained with a seed, its rule chosen on validation episodes, its test played once.

Rules are drawn log-uniformly from the space of `rule_tuning`, the same ones for everybody, the default first; chosen is
the best PnLMAP of the validation episodes of a contract, once after fees and once before them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lobarena.agents.distill.lessons import Units
from lobarena.agents.forecast import Rule
from lobarena.agents.validation import pnlmap
from lobarena.agents.windows.targets import TASKS
from lobarena.benchmarks.evidence_days import Scene
from lobarena.benchmarks.evidence_forecasts import Told, for_the_rule
from lobarena.benchmarks.quoting_rule import Played, play
from lobarena.benchmarks.rule_tuning import LEAST_FILLS, SPACE

Rows = list[dict[str, Any]]
REGIMES = ("calm", "normal", "wild")
MONEY = ("net", "gross")  # after fees and before them; rules are chosen for each


@lru_cache(maxsize=4)
def rules(count: int) -> tuple[Rule, ...]:
    """The default, and others drawn; orders are of one lot, so that kappa_v stays."""
    rng = np.random.default_rng(0)
    found = [Rule()]
    for _ in range(count - 1):
        drawn = {name: float(np.exp(rng.uniform(*np.log(SPACE[name])))) for name in ("gamma", "kappa_s", "kappa_c")}
        found.append(Rule(**drawn))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Judged:
    """What the test gave: a row an episode and money, a row a contract, regime and task, and the rules."""

    episodes: Rows
    skill: Rows
    weights: Rows  # mean weight of each student in each regime


def judge(
    told: Told, validate: Sequence[Scene], test: Sequence[Scene], units: Units, count: int, minutes: float
) -> Judged:
    """told : of the looks of all validation scenes, then of all test scenes, in order."""
    parts = list(_split(told, [*validate, *test]))
    episodes: Rows = []
    for place, scene in enumerate(test):
        tried = _play(validate[place], parts[place], rules(count), minutes)
        chosen = [best(tried, money) for money in MONEY]
        played = _play(scene, parts[len(validate) + place], [rules(count)[k] for k in chosen], minutes)
        for number, money in enumerate(MONEY):
            episodes += _episodes(scene, played, number, money, units, chosen[number])
    return Judged(episodes, _skill(parts[len(validate) :], test, units), _weights(parts[len(validate) :], test, units))


def best(tried: Played, money: str) -> int:
    """Place of the rule with the best PnLMAP among those that trade; the default where none does."""
    pnl = tried.pnl + (tried.fees if money == "gross" else 0)
    found = [pnlmap(pnl[k], tried.map[k]) if tried.lots[k].mean() >= LEAST_FILLS else -np.inf for k in range(len(pnl))]
    return int(np.argmax(found))


def _split(told: Told, scenes: Sequence[Scene]) -> Iterator[Told]:
    at = 0
    for scene in scenes:
        own = slice(at, at + len(scene.day.time))
        at = own.stop
        yield Told(told.label, told.forecast[own], told.confidence[own], told.weights[own])
    if at != len(told.forecast):
        raise ValueError(f"forecasts of {len(told.forecast):,} looks for scenes of {at:,}")


def _play(scene: Scene, told: Told, chosen: Sequence[Rule], minutes: float) -> Played:
    table = for_the_rule(told, scene.day.scales, scene.day.place)[None]
    return play(scene.stage, minutes, table, chosen, [0] * len(chosen))


def _episodes(scene: Scene, played: Played, number: int, money: str, units: Units, rule: int) -> Rows:
    gross = money == "gross"
    stage, volatility = scene.stage, scene.day.volatility
    mean = np.array([volatility[b:e].mean() for b, e in zip(stage.begins, stage.ends, strict=True)])
    regime = units.regime(mean.astype(np.float32))
    return [
        {
            "contract": stage.ground.symbol,
            "episode": stage.episodes[k],
            "opens": int(stage.looks["published"][stage.begins[k]]),
            "regime": REGIMES[regime[k]],
            "money": money,
            "rule": rule,
            "pnl": float(played.pnl[number, k] + (played.fees[number, k] if gross else 0)),
            "fees": float(played.fees[number, k]),
            "map": float(played.map[number, k]),
            "lots": float(played.lots[number, k]),
            "notional": float(played.notional[number, k]),
            "mdd": float((played.mdd_gross if gross else played.mdd)[number, k]),
            "sharpe": float((played.sharpe_gross if gross else played.sharpe)[number, k]),
        }
        for k in range(len(stage.episodes))
    ]


def _skill(parts: Sequence[Told], test: Sequence[Scene], units: Units) -> Rows:
    """R2 of each task, of all looks of a contract and of those of each regime, with the sums that it is made of."""
    found: Rows = []
    for told, scene in zip(parts, test, strict=True):
        target, regime = scene.day.scaled, units.regime(scene.day.volatility)
        known = np.isfinite(target).all(1) & np.isfinite(told.forecast).all(1) & (scene.day.place >= 8)
        for name, own in (("all", known), *((REGIMES[k], known & (regime == k)) for k in range(len(REGIMES)))):
            if own.sum() < 2:
                continue
            y, error = target[own], target[own] - told.forecast[own]
            total, left = ((y - y.mean(0)) ** 2).sum(0), (error**2).sum(0)
            found += [
                {
                    "contract": scene.stage.ground.symbol,
                    "regime": name,
                    "task": task,
                    "looks": int(own.sum()),
                    "total": float(total[k]),
                    "left": float(left[k]),
                    "r2": float(1 - left[k] / total[k]) if total[k] > 0 else float("nan"),
                }
                for k, task in enumerate(TASKS)
            ]
    return found


def _weights(parts: Sequence[Told], test: Sequence[Scene], units: Units) -> Rows:
    if not parts[0].weights.shape[1]:
        return []
    weights = np.concatenate([one.weights for one in parts])
    regime = np.concatenate([units.regime(scene.day.volatility) for scene in test])
    known = np.isfinite(weights).all((1, 2))
    return [
        {"regime": REGIMES[k], "task": task, "student": student, "weight": float(mean[student, place])}
        for k in range(len(REGIMES))
        if (known & (regime == k)).any()
        for mean in [weights[known & (regime == k)].mean(0)]
        for place, task in enumerate(TASKS)
        for student in range(weights.shape[1])
    ]
