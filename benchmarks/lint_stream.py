"""Checks of what an environment gives, step by step: its interface, NaN, bounds, seeds, and no glance ahead."""

import numpy as np
from gymnasium.utils.env_checker import check_env

from lobarena.benchmarks.lint_future import ALTER, hook
from lobarena.benchmarks.lint_play import RANDOM, play, policies
from lobarena.benchmarks.lint_verdict import Judged, Seen, Verdict


def interface(seen: Seen) -> Judged:
    try:
        check_env(seen.make().unwrapped, skip_render_check=True)
    except Exception as error:
        first = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        return Verdict.FAULT, first, "make gymnasium.utils.env_checker.check_env pass"
    return Verdict.OK, "gymnasium's checker passes", ""


def finite(seen: Seen) -> Judged:
    bad = sum(
        int((~np.isfinite(array)).sum())
        for trace in seen.every
        for array in (trace.seen, trace.rewards, *trace.told.values())
    )
    if bad:
        return Verdict.FAULT, f"{bad:,} values are NaN or infinite", "find the division or logarithm that makes them"
    return Verdict.OK, "observations, rewards and infos are finite", ""


def bounds(seen: Seen) -> Judged:
    outside = sum(trace.outside for trace in seen.every)
    if outside:
        fix = "clip, or widen observation_space; shape and dtype must be the space's"
        return Verdict.FAULT, f"{outside:,} of {seen.looks:,} observations are not in the observation space", fix
    return Verdict.OK, f"all of {seen.looks:,} observations are in their space", ""


def deterministic(seen: Seen) -> Judged:
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


def look_ahead(seen: Seen) -> Judged:
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
