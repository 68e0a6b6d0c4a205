"""What breaks training in an environment, found before a night is spent on it: `lobarena lint`.

Simple policies (constant actions, actions drawn at random) play the same few episodes; every check judges by what was
seen of them. Infos that tell `wealth`, `position`, `fees`, `time` and `parts`, as ours do, let all checks run; a check
that lacks what it needs says that it did not run. No paper: the faults are those that made published market-making
environments learnable for the wrong reason, or not at all; the bounds of ok, warning and fault are our choice.
"""

import warnings
from collections.abc import Callable

from lobarena.benchmarks import lint_money as money
from lobarena.benchmarks import lint_signal as signal
from lobarena.benchmarks import lint_stream as stream
from lobarena.benchmarks.lint_play import Env, play, policies
from lobarena.benchmarks.lint_verdict import Finding, Judged, Seen, Verdict

ACTIONS = "actions"


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
        figure = f"{len(played)} policies were played, {seen.looks:,} steps"
        return [Finding(ACTIONS, Verdict.OK, figure), *(Finding(name, *check(seen)) for name, check in CHECKS.items())]


CHECKS: dict[str, Callable[[Seen], Judged]] = {
    "interface": stream.interface,
    "finite": stream.finite,
    "bounds": stream.bounds,
    "determinism": stream.deterministic,
    "reward scale": signal.reward_scale,
    "observation scale": signal.observation_scale,
    "news": signal.news,
    "private state": signal.private_state,
    "activity pays": money.activity_pays,
    "fees": money.fees,
    "churning": money.churning,
    "look-ahead": stream.look_ahead,
    "reward parts": money.parts,
    "reward and wealth": money.wealth,
}
