"""Checks of what a learner gets to learn from: the scale of rewards and observations, news, its own state."""

from collections.abc import Sequence

import numpy as np

from lobarena.benchmarks.lint_play import RANDOM, Trace
from lobarena.benchmarks.lint_verdict import Judged, Seen, Verdict


def reward_scale(seen: Seen) -> Judged:
    """Of a step: 1e-3 to 1e3 is fine, beyond 1e-6 and 1e6 single precision and common learning rates fail."""
    step = float(np.std(np.concatenate([trace.rewards for trace in seen.every])))
    whole = float(np.std([trace.rewards.sum() for trace in seen.every]))
    figure = f"standard deviation {step:.3g} a step, {whole:.3g} an episode"
    worst = max(_beyond(step, 1e-3, 1e3), _beyond(whole, 1e-3, 1e4))
    verdict = (Verdict.OK, Verdict.WARNING, Verdict.FAULT)[worst]
    return verdict, figure, "" if not worst else "scale rewards to order 1 by a constant"


def _beyond(figure: float, low: float, high: float) -> int:
    """0 between the bounds, 1 outside, 2 by a factor of 1,000 or more (or nothing at all)."""
    return int(not low <= figure <= high) + int(not low / 1e3 <= figure <= high * 1e3)


def observation_scale(seen: Seen) -> Judged:
    rows = np.concatenate([trace.seen for trace in seen.every])
    size = np.sqrt(np.nanmean(np.square(rows), axis=0))
    still = int((np.nanstd(rows, axis=0) == 0).sum())
    figure = f"root mean square up to {size.max():.3g}; {still} of {rows.shape[1]} numbers never change"
    if size.max() > 100:
        return Verdict.WARNING, figure, "normalise observations to order 1 (normalise=True, or VecNormalize)"
    if still > rows.shape[1] // 2:
        return Verdict.WARNING, figure, "leave out what never changes"
    return Verdict.OK, figure, ""


def news(seen: Seen) -> Judged:
    """Share of observations that equal the one before, byte by byte, under random actions."""
    same = [
        (trace.seen[k].tobytes() == trace.seen[k - 1].tobytes())
        for trace in seen.traces[RANDOM]
        for k in range(1, len(trace.seen))
    ]
    share = float(np.mean(same)) if same else 0.0
    figure = f"{share:.1%} of consecutive observations are byte-identical"
    fix = "decide when something is new, or show what moves: time left, own orders, volume"
    verdict = Verdict.FAULT if share > 0.9 else Verdict.WARNING if share > 0.5 else Verdict.OK
    return verdict, figure, fix if share > 0.5 else ""


def private_state(seen: Seen) -> Judged:
    """Two policies at the same step of the same episode with other positions must see other things; and a straight
    line through the observation should tell the position."""
    fix = "show the position and the own orders in the observation"
    equal, apart = 0, 0
    for traces in zip(*seen.traces.values(), strict=True):
        one = next(trace for trace in traces if trace.policy == RANDOM)
        for other in traces:
            size = min(len(one.seen), len(other.seen))
            held = [trace.told.get("position", np.cumsum([0, *trace.rewards]))[:size] for trace in (one, other)]
            differ = held[0] != held[1]  # without a position: what was earned so far, which is private too
            apart += int(differ.sum())
            equal += int((differ & (one.seen[:size] == other.seen[:size]).all(axis=1)).sum())
    if apart == 0:
        return Verdict.UNCHECKED, "no two policies came to other positions or rewards", ""
    share = equal / apart
    figure = f"observations are the same at {share:.1%} of moments at which two policies stand differently"
    if share > 0.5:
        return Verdict.FAULT, figure, fix
    if not seen.has("position"):
        return Verdict.OK, figure, ""
    told = _told_by(seen.traces[RANDOM])
    figure += f"; they tell {max(told, 0):.0%} of the position's variance"
    return (Verdict.OK, figure, "") if told > 0.5 else (Verdict.WARNING, figure, fix)


def _told_by(traces: Sequence[Trace]) -> float:
    """R^2 of the position by least squares on the 50 best correlated numbers of the observation, fitted on the even
    episodes and measured on the odd ones."""
    shown = [_clean(np.concatenate([t.seen for t in traces[k::2]])) for k in (0, 1)]
    held = [_clean(np.concatenate([t.told["position"] for t in traces[k::2]])) for k in (0, 1)]
    if held[0].std() == 0 or held[1].std() == 0:
        return 1.0  # nothing to tell
    spread = shown[0].std(axis=0)
    link = np.abs((shown[0] - shown[0].mean(axis=0)).T @ (held[0] - held[0].mean())) / np.where(spread > 0, spread, 1)
    best = np.argsort(-link, kind="stable")[:50]
    one, two = (np.column_stack([part[:, best], np.ones(len(part))]) for part in shown)
    weights = np.linalg.lstsq(one, held[0], rcond=None)[0]
    return float(1 - np.square(held[1] - two @ weights).sum() / np.square(held[1] - held[1].mean()).sum())


def _clean(array: np.ndarray) -> np.ndarray:
    """Zeros for what is not finite, which has a check of its own."""
    return np.where(np.isfinite(array), array, 0.0)
