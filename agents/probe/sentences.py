"""Three sentences that say what a probe found, made of its numbers alone."""

import math
from collections.abc import Sequence

import numpy as np

from lobarena.agents.probe.bootstrap import ENOUGH_DAYS
from lobarena.agents.probe.measure import Result
from lobarena.agents.probe.regimes import REGIMES


def sentences(result: Result) -> tuple[str, str, str]:
    """What shines and how it compares; whether layers specialise; whether regimes matter and what quenching says."""
    return _light(result), _layers(result), _regimes(result)


def _light(result: Result) -> str:
    lit = np.argwhere(result.why == "")
    rows = result.why.size
    few = "" if result.days >= ENOUGH_DAYS else f" (intervals from {result.days} days of test are not to be relied on)"
    if not len(lit):
        return f"All {rows} rows of task and regime are dark: no layer tells more of them than shifted targets do{few}."
    task, regime = max(lit, key=lambda place: _largest(result, *place))
    layer = int(result.brightest[task, regime])
    value, low, high = (float(part[layer, task, regime]) for part in result.rho)
    rho = _interval(value, low, high)
    gain, least, most = (float(part[task, regime]) for part in result.gain)
    verdict = _beside_zero(least, most, "more", "less", "not clearly more or less")
    return (
        f"Of {rows} rows of task and regime {rows - len(lit)} are dark; brightest is {_named(result.layers[layer])} "
        f"for {result.tasks[task]} in the {REGIMES[regime]} regime, with an out-of-sample R² of {rho} "
        f"against {_number(result.background[layer, task, regime])} for shifted targets, {verdict} than the raw "
        f"features of the book tell (difference {_interval(gain, least, most)}){few}."
    )


def _named(layer: str) -> str:
    return f"layer {layer}" if layer.isdecimal() else layer


def _layers(result: Result) -> str:
    return f"{_specialise(result, ('layer x task',), 'Layers specialise by task')}."


def _regimes(result: Result) -> str:
    told = _specialise(result, ("layer x regime", "layer x task x regime"), "What layers tell changes with volatility")
    seen = result.quenching
    if seen is None:
        return f"{told}; no layer was quenched, so nothing here is causal."
    if math.isnan(overall := float(seen.overall.value)):
        return f"{told}; quenching has no row that is lit on both sides, so it neither supports nor contradicts this."
    low, high = float(seen.overall.low), float(seen.overall.high)
    verdict = _beside_zero(low, high, "agrees with", "contradicts", "neither supports nor contradicts")
    rows = int((~np.isnan(seen.correlation.value)).sum())
    return (
        f"{told}; quenching {verdict} the order of the layers (rank correlation {_interval(overall, low, high, 2)}, "
        f"mean of {rows} rows)."
    )


def _specialise(result: Result, components: Sequence[str], claim: str) -> str:
    """The claim with the shares that carry it, of F-hat where it was counted, else of F."""
    found = {(row["of"], row["component"]): row for row in result.specialisation}
    for of in ("F-hat", "F"):
        rows = [found[of, component] for component in components if (of, component) in found]
        if not rows or any(math.isnan(row["share"]) for row in rows):
            continue
        shares = ", ".join(
            f"{row['component']} {_percent(row['share'])} of the variance of {of} "
            f"[{_percent(row['low'])}, {_percent(row['high'])}], noise alone would give {_percent(row['noise'])}"
            for row in rows
        )
        beyond = [row for row in rows if row["low"] > row["noise"]]
        verdict = "beyond noise" if beyond else "not told apart from noise"
        return f"{claim}: {verdict} ({shares})"
    return f"{claim}: not measured, since too few rows are lit to compare them"


def _largest(result: Result, task: int, regime: int) -> float:
    return float(result.light.value[:, task, regime].max())


def _beside_zero(low: float, high: float, above: str, below: str, neither: str) -> str:
    return above if low > 0 else below if high < 0 else neither


def _interval(value: float, low: float, high: float, places: int = 3) -> str:
    if math.isnan(low) or math.isnan(high):
        return f"{_number(value, places)} [no interval]"
    return f"{_number(value, places)} [{_number(low, places)}, {_number(high, places)}]"


def _number(value: float, places: int = 3) -> str:
    """Rounded, and never -0."""
    return f"{round(float(value), places) + 0.0:.{places}f}"


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.0%}"
