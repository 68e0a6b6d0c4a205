"""Checks of what pays: activity, fees, churning, and whether rewards are the change of wealth."""

import numpy as np

from lobarena.benchmarks.lint_play import RANDOM, Trace
from lobarena.benchmarks.lint_verdict import Judged, Seen, Verdict

WEALTH = ("pnl", "spread", "holding", "fees", "liquidation")  # names of parts that make up the change of wealth
ENOUGH = 6  # episodes: so many heads in a row fall by chance once in 64 times


def activity_pays(seen: Seen) -> Judged:
    """Is some simple policy that trades better than idling, by two standard errors over the episodes?"""
    returns = {name: np.array([trace.rewards.sum() for trace in traces]) for name, traces in seen.traces.items()}
    idle = {name for name, traces in seen.traces.items() if all(_still(trace) for trace in traces)}
    if not idle:
        return Verdict.UNCHECKED, "no simple policy stays idle", ""
    fix = "lower fees or penalties, or offer actions that can earn: the learner will learn to do nothing"
    if len(idle) == len(returns):
        return Verdict.FAULT, "no simple policy ever trades", fix
    rest = max(float(returns[name].mean()) for name in idle)  # an idle one may still pay penalties
    trading = {name: (float(r.mean()) - rest, float(r.std(ddof=1)) / np.sqrt(len(r))) for name, r in returns.items()}
    trading = {name: beside for name, beside in trading.items() if name not in idle}
    best = max(trading, key=lambda name: trading[name][0] / max(trading[name][1], 1e-12))
    more, error = trading[best]
    figure = f"the best that trades ({best}) earns {more:+.3g} +- {error:.2g} an episode beside idling"
    if more > 2 * error:
        return Verdict.OK, figure, ""
    if all(gain < -2 * doubt for gain, doubt in trading.values()):
        return Verdict.FAULT, figure, fix
    return Verdict.WARNING, figure, "give more --episodes; if it stays so, " + fix


def _still(trace: Trace) -> bool:
    if "position" in trace.told:
        return trace.traded == 0
    return bool((trace.rewards == 0).all())


def fees(seen: Seen) -> Judged:
    if not seen.has("fees"):
        return Verdict.UNCHECKED, "infos tell no fees", 'put the fees paid so far into info["fees"]'
    falls = [change[change < -1e-9] for trace in seen.every if (change := trace.gained("fees")) is not None]
    fell, traded = np.concatenate(falls), float(np.nansum([trace.traded for trace in seen.every]))
    paid = sum(float(trace.told["fees"][-1] - trace.told["fees"][0]) for trace in seen.every)
    if len(fell):
        figure = f"fees fall at {len(fell):,} steps, by up to {-fell.min():.3g}"
        return Verdict.FAULT, figure, "check the sign of the fees; a rebate above the spread's loss is a money machine"
    if traded > 0 and paid == 0:
        return Verdict.WARNING, f"{traded:,.0f} lots were traded free of fees", "charge what the venue charges"
    return Verdict.OK, f"fees never fall; {paid:,.4g} paid for {traded:,.0f} lots", ""


def churning(seen: Seen) -> Judged:
    """Actions drawn at random know nothing; when they earn in every episode, trading itself pays."""
    traces = seen.traces[RANDOM]
    if not (seen.has("wealth") and seen.has("position")):
        return Verdict.UNCHECKED, "infos tell no wealth or no position", 'put both into info: "wealth", "position"'
    gains = np.array([trace.told["wealth"][-1] - trace.told["wealth"][0] for trace in traces if trace.traded > 0])
    won = int((gains > 0).sum())
    if won == len(gains) and len(gains) < ENOUGH:
        return (
            Verdict.UNCHECKED,
            f"random actions traded in {len(gains)} episodes only",
            "give more --steps, --episodes",
        )
    figure = (
        f"random actions win in {won} of the {len(gains)} episodes in which they trade, {gains.mean():+.3g} on average"
    )
    if won == len(gains):
        return Verdict.FAULT, figure, "fills come too cheap: check fill prices, queue positions and fees"
    return Verdict.OK, figure, ""


def parts(seen: Seen) -> Judged:
    if not seen.has("parts"):
        return Verdict.UNCHECKED, "infos tell no parts of the reward", 'put the terms of the reward into info["parts"]'
    off = max(float(np.abs(trace.told["parts"][1:].sum(axis=1) - trace.rewards).max()) for trace in seen.every)
    size = max(float(np.abs(trace.rewards).max()) for trace in seen.every)
    figure = f"parts sum to the reward within {off:.2g}"
    if not off <= 1e-5 * max(size, 1e-9):
        return Verdict.FAULT, figure, "make the reward the sum of its parts; a term was added to one of them only"
    return Verdict.OK, figure, ""


def wealth(seen: Seen) -> Judged:
    """The reward, or the parts of it that are of wealth, must be the change of wealth times an episode's unit."""
    if not seen.has("wealth"):
        return Verdict.UNCHECKED, "infos tell no wealth", 'put the wealth, net of fees, into info["wealth"]'
    columns = [k for k, name in enumerate(seen.part_names) if name in WEALTH]
    told = bool(columns) and seen.has("parts")
    others = [k for k in range(len(seen.part_names)) if k not in columns]
    plain = told and all((trace.told["parts"][:, others] == 0).all() for trace in seen.every)
    off, units = 0.0, []
    for trace in seen.every:
        change = np.diff(trace.told["wealth"])
        rewards = trace.told["parts"][1:, columns].sum(axis=1) if told and not plain else trace.rewards
        square, largest = float(rewards @ rewards), float(np.abs(change).max())
        units.append(float(change @ rewards) / square if square > 0 else 0.0)
        off = max(
            off, float(np.abs(change - units[-1] * rewards).max()) / largest if largest > 0 else float(square > 0)
        )
    worst = min((unit for unit in units if unit != 0), default=1.0)
    what = "the parts of wealth" if told and not plain else "the reward"
    figure = f"{what} times {worst:.4g} is the change of wealth within {off:.2g} of the largest one"
    if worst > 0 and off <= 1e-5:
        return Verdict.OK, figure, ""
    fix = "reward the change of marked wealth net of fees; put anything else into parts of its own"
    return (Verdict.FAULT if told or worst <= 0 else Verdict.WARNING), figure, fix
