"""The common quoting rule over many episodes at once, in the native environment: forecasts made beforehand, then fills.

What `Foretold` does look by look in a match is done here for many pairs of episode, forecaster and rule side by side;
a test holds wealth, fees and lots of every episode equal to those of that match. The forecasts are of the market as it
was without these quotes; the mid that they are laid around is the one that the quotes have led to.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lobarena.agents.forecast import Rule
from lobarena.data.schema import CONTINUOUS
from lobarena.sim.batch import Batch
from lobarena.sim.minds import HALF_LIFE_S, PAUSE_S
from lobarena.sim.settings import Settings
from lobarena.sim.types import OBSERVATION, QUOTE_LEVELS

SIDE_BY_SIDE = 120  # environments; from Batch.THREADED on a second core would take part
POSITION_LIMIT = 20  # lots, as the tournament's default
_ASK = 2 * QUOTE_LEVELS  # where the asks of an action of the kind "orders" begin: price, lots


@dataclass(frozen=True)
class Ground:
    """Where episodes lie: one contract on one day, between two moments."""

    data: str  # as Settings take it
    symbol: str
    day: str  # YYYYMMDD
    between: tuple[int, int]  # ns UTC


@dataclass(frozen=True, eq=False)
class Stage:
    """The episodes of a ground, and what a seat that quotes nothing sees in them."""

    ground: Ground
    episodes: tuple[int, ...]  # their places in the environment
    looks: np.ndarray  # (m,) OBSERVATION, episode after episode
    begins: np.ndarray  # (e,) i8 first look of each episode
    ends: np.ndarray  # (e,) i8 one behind its last
    sigma: float  # ticks a root second, where the volatility of an episode begins
    tick_value: float  # currency a tick and lot


@dataclass(frozen=True, eq=False)
class Played:
    """(j, e) of every job and episode, in currency where not said otherwise; gross is before fees."""

    pnl: np.ndarray
    fees: np.ndarray
    map: np.ndarray  # lots
    lots: np.ndarray
    notional: np.ndarray  # both sides, lots at the mid of the look after
    mdd: np.ndarray
    mdd_gross: np.ndarray
    sharpe: np.ndarray  # over the looks of an episode
    sharpe_gross: np.ndarray


def batch_of(ground: Ground, n: int, minutes: float) -> Batch:
    """n environments of a ground, charged as the tournament charges by default."""
    settings = Settings(
        data=ground.data,
        contract=ground.symbol,
        day=ground.day,
        between=ground.between,
        action="orders",
        episode_minutes=minutes,
        position_limit=POSITION_LIMIT,
    )
    return Batch(settings, n)


def watch(ground: Ground, minutes: float, most: int, sigma: float) -> Stage:
    """Play episodes of a ground without quotes, at most so many, spread over it; sigma : where volatility begins."""
    batch = batch_of(ground, 1, minutes)
    count = len(batch.episodes)
    if not count:
        raise ValueError(f"{ground.symbol} {ground.day} has no whole episode of {minutes:g} minutes; make them shorter")
    chosen = tuple(sorted({int((k + 0.5) * count / min(most, count)) for k in range(min(most, count))}))
    looks, ends = [], []
    for episode in chosen:
        batch.begin(0, np.random.default_rng(0), episode)
        batch.settle([0])
        while not batch.out[0, 0]:
            looks.append(batch.learners[0, 0]["look"].tobytes())
            batch.step()
        ends.append(len(looks))
    seen = np.frombuffer(b"".join(looks), OBSERVATION)
    begins = np.array([0, *ends[:-1]])
    tick_value = batch.day(0).feed.contract.tick_value
    return Stage(ground, chosen, seen, begins, np.array(ends), sigma, tick_value)


def play(
    stage: Stage, minutes: float, forecasts: np.ndarray, rules: Sequence[Rule], which: Sequence[int] | None = None
) -> Played:
    """Every episode by every job, a pair of forecasts and rule.

    forecasts : (f, m, 4) move (ticks), spread (ticks), volume (lots), confidence at each look; not finite where none
    which : of each job, the place of its forecasts; the same place as its rule by default
    Orders are of one lot, so that kappa_v plays no part.
    """
    told_by = np.arange(len(rules)) if which is None else np.asarray(which)
    gamma, tau, kappa_s, kappa_c = (
        np.array([getattr(rule, name) for rule in rules]) for name in ("gamma", "tau_s", "kappa_s", "kappa_c")
    )
    jobs, episodes = len(rules), len(stage.episodes)
    todo = [(job, episode) for episode in range(episodes) for job in range(jobs)]
    n = min(SIDE_BY_SIDE, len(todo))
    batch = batch_of(stage.ground, n, minutes)
    look, actions = batch.learners["look"][:, 0], batch.actions[:, 0]
    actions[:] = 0
    job, episode, row, busy = (np.zeros(n, np.int64) for _ in range(4))
    tally, volatility = _Tally(n, stage.tick_value), _Volatility(n, stage.sigma)
    found = {name: np.zeros((jobs, episodes)) for name in Played.__dataclass_fields__}

    def begin(i: int) -> None:
        busy[i] = bool(todo)
        if todo:
            job[i], episode[i] = todo.pop(0)
            row[i] = stage.begins[episode[i]]
            batch.begin(i, np.random.default_rng(0), stage.episodes[episode[i]])
            batch.settle([i])
            tally.begin(i)
            volatility.begin(i)

    for i in range(n):
        begin(i)
    last, published = stage.ends - 1, stage.looks["published"]
    while busy.any():
        seen = look["published"]
        while (late := (row < last[episode]) & (published[np.minimum(row + 1, last[-1])] <= seen)).any():
            row += late
        mid = _mid(look)
        sigma = volatility.update(seen, mid)
        risk = gamma[job] * sigma * sigma * tau[job]
        low, high, known = _prices(
            forecasts[told_by[job], row], look["position"], mid, risk, kappa_s[job], kappa_c[job]
        )
        position = look["position"].astype(np.int64)
        for column, price, room in ((0, low, POSITION_LIMIT - position), (_ASK, high, POSITION_LIMIT + position)):
            legal = known & (room > 0) & (look["lower"] <= price) & (price <= look["upper"])
            actions[:, column], actions[:, column + 1] = np.where(legal, price, 0), legal
        batch.step()
        tally.step(batch, mid)
        for i in np.flatnonzero(batch.out[:, 0] & (busy > 0)).tolist():
            for name, value in tally.told(i).items():
                found[name][job[i], episode[i]] = value
            begin(i)
    return Played(**found)


def _mid(look: np.ndarray) -> np.ndarray:
    """(n,) f8 ticks; NaN where the market is closed or a side is empty."""
    there = (look["phase"] == CONTINUOUS) & (look["bid_size"][:, 0] > 0) & (look["ask_size"][:, 0] > 0)
    return np.where(there, (look["bid"][:, 0] + look["ask"][:, 0]) / 2, np.nan)


def _prices(
    told: np.ndarray, position: np.ndarray, mid: np.ndarray, risk: np.ndarray, kappa_s: np.ndarray, kappa_c: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bid and ask of `agents.forecast.to_quotes`, in whole ticks, and where there are any: all (n,)."""
    known = np.isfinite(told).all(1) & np.isfinite(mid)
    told = np.where(known[:, None], told, 0.0)
    reservation = np.where(known, mid, 0.0) + told[:, 0] - risk * position
    half = np.maximum(0.5, kappa_s * told[:, 1] / 2 + kappa_c * (1 - told[:, 3]))
    low, high = np.floor(reservation - half), np.ceil(reservation + half)
    return low, high, known & (low < high)


class _Volatility:
    """`agents.quoting.Volatility` of n markets."""

    def __init__(self, n: int, sigma: float) -> None:
        self._first = sigma
        self._sigma, self._time, self._mid = np.full(n, sigma), np.zeros(n, np.int64), np.zeros(n)

    def begin(self, i: int) -> None:
        self._sigma[i], self._time[i] = self._first, 0

    def update(self, time: np.ndarray, mid: np.ndarray) -> np.ndarray:
        """(n,) ticks a root second; a look without a mid changes nothing."""
        seconds = np.where(self._time > 0, (time - self._time) / 1e9, np.inf)
        new = np.isfinite(mid) & (seconds > 0)
        moved = new & (seconds < PAUSE_S)
        over = np.where(moved, seconds, 1.0)
        weight, move = 0.5 ** (over / HALF_LIFE_S), np.where(moved, mid - self._mid, 0.0)
        after = np.sqrt(weight * (self._sigma * self._sigma) + (1 - weight) * move * move / over)
        self._sigma = np.where(moved, after, self._sigma)
        self._time, self._mid = np.where(new, time, self._time), np.where(new, mid, self._mid)
        return self._sigma


class _Tally:
    """What becomes of n episodes side by side, look by look."""

    def __init__(self, n: int, tick_value: float) -> None:
        self._tick_value = tick_value
        self._last, self._peak, self._mdd, self._sum, self._square = (np.zeros((2, n)) for _ in range(5))
        self._lots, self._notional, self._looks = np.zeros(n), np.zeros(n), np.zeros(n)
        self._now: tuple[np.ndarray, np.ndarray, np.ndarray] = (np.zeros(n), np.zeros(n), np.zeros(n))

    def begin(self, i: int) -> None:
        for one in (self._last, self._peak, self._mdd, self._sum, self._square):
            one[:, i] = 0
        for total in (self._lots, self._notional, self._looks):
            total[i] = 0

    def step(self, batch: Batch, mid: np.ndarray) -> None:
        """mid : (n,) ticks, of the look before"""
        wealth, fees, held, lots = batch.accounts[:, :, 0]
        both = np.stack([wealth, wealth + fees])  # net, gross
        change = both - self._last
        self._last = both
        np.maximum(self._peak, both, out=self._peak)
        np.maximum(self._mdd, self._peak - both, out=self._mdd)
        self._sum += change
        self._square += change * change
        self._looks += 1
        self._lots += lots
        self._notional += lots * np.nan_to_num(mid) * self._tick_value
        self._now = (wealth, fees, held)

    def told(self, i: int) -> dict[str, float]:
        wealth, fees, held = (float(one[i]) for one in self._now)
        looks = max(2.0, float(self._looks[i]))
        variance = (self._square[:, i] - self._sum[:, i] ** 2 / looks) / (looks - 1)
        sharpe = [
            float(total / np.sqrt(one * looks)) if one > 1e-12 else np.nan
            for total, one in zip(self._sum[:, i], variance, strict=True)
        ]
        return {
            "pnl": wealth,
            "fees": fees,
            "map": held,
            "lots": float(self._lots[i]),
            "notional": float(self._notional[i]),
            "mdd": float(self._mdd[0, i]),
            "mdd_gross": float(self._mdd[1, i]),
            "sharpe": sharpe[0],
            "sharpe_gross": sharpe[1],
        }
