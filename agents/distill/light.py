"""How much each group of layers knows of each task in each regime: F-hat, by which cells are weighted and pruned."""

import numpy as np

from lobarena.agents.distill.cells import grouped
from lobarena.agents.distill.lessons import REGIMES, Lessons, Units, Voice
from lobarena.agents.windows.targets import TASKS

_ROWS = 20_000
_EMBARGO = 120  # looks between what the probe reads and what it is judged on: a minute of snapshots


def shares(
    voice: Voice, lessons: Lessons, rows: np.ndarray, groups: int, units: Units, rank: int = 32, first: float = 0.7
) -> np.ndarray:
    """(G, 3, REGIMES) F-hat of groups of layers by the probe, read on the first part of training looks, judged on the
    rest; NaN in dark rows. rows : as of `take_apart`"""
    from lobarena.agents.probe.background import spread_lags
    from lobarena.agents.probe.brightness import excite
    from lobarena.agents.probe.evidence import Evidence
    from lobarena.agents.probe.fluorescence import FLOOR, darkness, floors, fluorescence, normalised, split
    from lobarena.agents.probe.plan import make_plan

    some = rows[:: -(-len(rows) // _ROWS)]
    cut = int(first * len(some))
    late = some >= some[min(cut, len(some) - 1)] + _EMBARGO
    if not late.any():
        return np.full((groups, len(TASKS), REGIMES), np.nan)
    count = len(some)
    evidence = Evidence(
        hidden=grouped(voice.states(some), groups),
        targets=lessons.target[some].astype(np.float64),
        volatility=lessons.volatility[some].astype(np.float64),
        raw=lessons.numbers[some].astype(np.float64),
        time=some,
        contract=np.zeros(count, np.int64),
        day=np.zeros(count, np.int64),
        train=np.arange(count) < cut,
        test=late,
        names=tuple(f"group {k}" for k in range(groups)),
    )
    plan = make_plan(evidence, spread_lags())
    rho, lagged = split(excite(evidence, plan, rank, lambda done, total, what: None))
    light = fluorescence(rho, lagged)
    found = normalised(light, darkness(rho, light, floors(lagged, FLOOR), plan.missing))
    assert found.shape == (groups, len(TASKS), REGIMES)
    return found
