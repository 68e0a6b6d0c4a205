"""What breaks training in an environment, found before a night is spent on it: `lobarena lint`.

Simple policies (constant actions, actions drawn at random) play the same few episodes; every check judges by what was
seen of them. Infos that tell `wealth`, `position`, `fees`, `time` and `parts`, as ours do, let all checks run; a check
that lacks what it needs says that it did not run. No paper: the faults are those that made published market-making
environments learnable for the wrong reason, or not at all; the bounds of ok, warning and fault are our choice.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from gymnasium.utils.env_checker import check_env

from lobarena.benchmarks.lint_future import ALTER, hook
from lobarena.benchmarks.lint_play import RANDOM, Env, Trace, play, policies


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    UNCHECKED = "not checked"


@dataclass(frozen=True)
class Finding:
    """One check's verdict: the figure that it rests on, and what to do about it ("" when ok)."""

    check: str
    verdict: Verdict
    figure: str
    fix: str = ""


@dataclass(frozen=True, eq=False)
class Seen:
    """All that the checks judge by."""

    make: Callable[[], Env]
    seed: int
    steps: int
    traces: dict[str, list[Trace]]  # policy -> one trace a seed, the same seeds for all
    part_names: tuple[str, ...]

    @property
    def every(self) -> list[Trace]:
        return [trace for traces in self.traces.values() for trace in traces]

    def has(self, key: str) -> bool:
        """Whether every info of every trace tells a key."""
        return all(key in trace.told for trace in self.every)


Judged = tuple[Verdict, str, str]
WEALTH = ("pnl", "spread", "holding", "fees", "liquidation")  # names of parts that make up the change of wealth
ACTIONS = "actions"
ENOUGH = 6  # episodes: so many heads in a row fall by chance once in 64 times


def lint(make: Callable[[], Env], episodes: int = 8, steps: int = 500, seed: int = 0) -> list[Finding]:
    """Judge an environment: whether it takes its actions, then in the order of CHECKS.

    make : makes a new, equal environment at each call
    episodes, steps : each policy plays the first `steps` steps of so many episodes, seeds seed, seed + 1, ...
    """
    if episodes < 2 or steps < 2:
        raise ValueError(f"{episodes} episodes of {steps} steps tell nothing; give at least 2 of each")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gymnasium's remarks on style are no faults
        env = make()
        played = policies(env.action_space)
        try:
            traces = {
                name: [play(env, policy, name, seed + k, steps) for k in range(episodes)]
                for name, policy in played.items()
            }
        except Exception as error:
            said = f"{type(error).__name__}: {error}".partition("\n")[0]
            unchecked = (Finding(name, Verdict.UNCHECKED, "not every policy could be played") for name in CHECKS)
            return [Finding(ACTIONS, Verdict.FAULT, said, "take every action of action_space"), *unchecked]
        names = tuple(getattr(env.unwrapped, "part_names", ()))
        seen = Seen(make, seed, steps, traces, names)
        figure = f"{len(played)} policies were played, {_looks(seen):,} steps"
        return [Finding(ACTIONS, Verdict.OK, figure), *(Finding(name, *check(seen)) for name, check in CHECKS.items())]


def _interface(seen: Seen) -> Judged:
    try:
        check_env(seen.make().unwrapped, skip_render_check=True)
    except Exception as error:
        first = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        return Verdict.FAULT, first, "make gymnasium.utils.env_checker.check_env pass"
    return Verdict.OK, "gymnasium's checker passes", ""


def _finite(seen: Seen) -> Judged:
    bad = sum(
        int((~np.isfinite(array)).sum())
        for trace in seen.every
        for array in (trace.seen, trace.rewards, *trace.told.values())
    )
    if bad:
        return Verdict.FAULT, f"{bad:,} values are NaN or infinite", "find the division or logarithm that makes them"
    return Verdict.OK, "observations, rewards and infos are finite", ""


def _bounds(seen: Seen) -> Judged:
    outside = sum(trace.outside for trace in seen.every)
    if outside:
        fix = "clip, or widen observation_space; shape and dtype must be the space's"
        return Verdict.FAULT, f"{outside:,} of {_looks(seen):,} observations are not in the observation space", fix
    return Verdict.OK, f"all of {_looks(seen):,} observations are in their space", ""


def _looks(seen: Seen) -> int:
    return sum(len(trace.rewards) for trace in seen.every)


def _deterministic(seen: Seen) -> Judged:
    """Two new environments and a used one, the same seed and actions: the same bytes. Another seed: others."""
    one = seen.traces[RANDOM][0]
    env = seen.make()
    policy = policies(env.action_space)[RANDOM]
    for again in (play(env, policy, RANDOM, seen.seed, seen.steps) for _ in range(2)):
        for what, a, b in (("observations", one.seen, again.seen), ("rewards", one.rewards, again.rewards)):
            if a.tobytes() != b.tobytes():
                step = _first_unequal(a, b)
                fix = "draw every random number from self.np_random, and reset all state in reset()"
                return Verdict.FAULT, f"the same seed gives other {what} from step {step} on", fix
    first, second, *_ = next(traces for name, traces in seen.traces.items() if name != RANDOM)  # the same actions
    if first.seen.tobytes() == second.seen.tobytes():
        return Verdict.WARNING, "two seeds give the same observations", "use the seed, or say that nothing is random"
    return Verdict.OK, "the same bytes for the same seed, others for another", ""


def _reward_scale(seen: Seen) -> Judged:
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


def _observation_scale(seen: Seen) -> Judged:
    rows = np.concatenate([trace.seen for trace in seen.every])
    size = np.sqrt(np.nanmean(np.square(rows), axis=0))
    still = int((np.nanstd(rows, axis=0) == 0).sum())
    figure = f"root mean square up to {size.max():.3g}; {still} of {rows.shape[1]} numbers never change"
    if size.max() > 100:
        return Verdict.WARNING, figure, "normalise observations to order 1 (normalise=True, or VecNormalize)"
    if still > rows.shape[1] // 2:
        return Verdict.WARNING, figure, "leave out what never changes"
    return Verdict.OK, figure, ""


def _news(seen: Seen) -> Judged:
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


def _private_state(seen: Seen) -> Judged:
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
    shown = [np.nan_to_num(np.concatenate([t.seen for t in traces[k::2]])) for k in (0, 1)]
    held = [np.concatenate([t.told["position"] for t in traces[k::2]]) for k in (0, 1)]
    if held[0].std() == 0 or held[1].std() == 0:
        return 1.0  # nothing to tell
    spread = shown[0].std(axis=0)
    link = np.abs((shown[0] - shown[0].mean(axis=0)).T @ (held[0] - held[0].mean())) / np.where(spread > 0, spread, 1)
    best = np.argsort(-link, kind="stable")[:50]
    one, two = (np.column_stack([part[:, best], np.ones(len(part))]) for part in shown)
    weights = np.linalg.lstsq(one, held[0], rcond=None)[0]
    return float(1 - np.square(held[1] - two @ weights).sum() / np.square(held[1] - held[1].mean()).sum())


def _activity_pays(seen: Seen) -> Judged:
    """Of the simple policies, is the best one idle? Returns are compared episode by episode."""
    returns = {name: np.array([trace.rewards.sum() for trace in traces]) for name, traces in seen.traces.items()}
    idle = {name for name, traces in seen.traces.items() if all(_still(trace) for trace in traces)}
    if not idle:
        return Verdict.UNCHECKED, "no simple policy stays idle", ""
    fix = "lower fees or penalties, or offer actions that can earn: the learner will learn to do nothing"
    if len(idle) == len(returns):
        return Verdict.FAULT, "no simple policy ever trades", fix
    best = max(returns.keys() - idle, key=lambda name: float(returns[name].mean()))
    rest = max(idle, key=lambda name: float(returns[name].mean()))
    more = returns[best] - returns[rest]
    error = float(more.std(ddof=1)) / np.sqrt(len(more))
    figure = f"the best that trades ({best}) earns {more.mean():+.3g} +- {error:.2g} an episode beside idling"
    if more.mean() >= 0:
        return Verdict.OK, figure, ""
    return (Verdict.FAULT if more.mean() < -2 * error else Verdict.WARNING), figure, fix


def _still(trace: Trace) -> bool:
    if "position" in trace.told:
        return trace.traded == 0
    return bool((trace.rewards == 0).all())


def _fees(seen: Seen) -> Judged:
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


def _churning(seen: Seen) -> Judged:
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


def _look_ahead(seen: Seen) -> Judged:
    """Change all data later than a moment; nothing up to that moment may differ by a bit."""
    env = seen.make()
    alter = hook(env.unwrapped)
    if alter is None or not seen.has("time"):
        fix = f'offer {ALTER}(time), which changes all later data, and info["time"]'
        return Verdict.UNCHECKED, f"the environment has no {ALTER}(time)", fix
    policy = policies(env.action_space)[RANDOM]
    one = seen.traces[RANDOM][0]
    times = one.told["time"]
    middle = len(times) // 2
    alter(int(times[middle]))
    other = play(env, policy, RANDOM, seen.seed, seen.steps)
    fix = "compute features from what was published by then; mind centred windows and whole-day statistics"
    for what, a, b in (
        ("observation", one.seen[: middle + 1], other.seen[: middle + 1]),
        ("reward", one.rewards[:middle], other.rewards[:middle]),
    ):
        if a.tobytes() != b.tobytes():
            return (
                Verdict.FAULT,
                f"the {what} of step {_first_unequal(a, b)} changes with data later than step {middle}",
                fix,
            )
    if one.seen[middle:].tobytes() == other.seen[middle:].tobytes():
        return Verdict.UNCHECKED, f"{ALTER} changed nothing that can be seen", "make it change all later data"
    return Verdict.OK, f"steps 0 to {middle} are the same whatever comes later", ""


def _first_unequal(a: np.ndarray, b: np.ndarray) -> int:
    """The first row in which two unequal arrays part."""
    return next(
        (k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x.tobytes() != y.tobytes()), min(len(a), len(b))
    )


def _parts(seen: Seen) -> Judged:
    if not seen.has("parts"):
        return Verdict.UNCHECKED, "infos tell no parts of the reward", 'put the terms of the reward into info["parts"]'
    off = max(float(np.abs(trace.told["parts"][1:].sum(axis=1) - trace.rewards).max()) for trace in seen.every)
    size = max(float(np.abs(trace.rewards).max()) for trace in seen.every)
    figure = f"parts sum to the reward within {off:.2g}"
    if not off <= 1e-5 * max(size, 1e-9):
        return Verdict.FAULT, figure, "make the reward the sum of its parts; a term was added to one of them only"
    return Verdict.OK, figure, ""


def _wealth(seen: Seen) -> Judged:
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


CHECKS: dict[str, Callable[[Seen], Judged]] = {
    "interface": _interface,
    "finite": _finite,
    "bounds": _bounds,
    "determinism": _deterministic,
    "reward scale": _reward_scale,
    "observation scale": _observation_scale,
    "news": _news,
    "private state": _private_state,
    "activity pays": _activity_pays,
    "fees": _fees,
    "churning": _churning,
    "look-ahead": _look_ahead,
    "reward parts": _parts,
    "reward and wealth": _wealth,
}
