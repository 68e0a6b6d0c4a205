"""Synthetic futures days, made by a crowd of orders in the real book and recorded like the exchange's feed.

The embedded days are what everything runs on when no recorded data is given; docs/synthetic.md says how near they come.
A day is the day session alone (no night), with its breaks, after an opening auction.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from lobarena.data.catalogue import read_day, write
from lobarena.data.contracts import CONTRACTS, Contract
from lobarena.data.recording import DataError, Quarantine, Recording
from lobarena.data.schema import AUCTION, BID, LEVELS, SNAPSHOT, UNKNOWN
from lobarena.data.sessions import session_times
from lobarena.sim._jit import cache_folder
from lobarena.sim.book import new_book
from lobarena.sim.flow import FLOW, PATH, PERIOD_S, open_auction, trade
from lobarena.sim.profiles import PACE_S, PROFILES, REACH, REGIMES, Regime
from lobarena.sim.random import generator

DAYS = (date(2024, 1, 3), date(2024, 1, 4), date(2024, 1, 5))
TRAINING_DAYS = tuple(date(2023, 11, 20) + timedelta(7 * week + day) for week in range(6) for day in range(5))
CODES = tuple(PROFILES)

PERIOD_NS = int(PERIOD_S * 1e9)
CYCLE_MINUTES = 45  # of trading, in which the market is once calm, once normal and once wild
BATCH = 65_536  # draws made at once
AUCTION_NS = 59_500_000_000  # before the session, when the auction matches and its row is published
MARGIN_TICKS = 64  # room of the book beyond the price limits
_SETTLE_SD, _GAP_SD = 0.01, 0.003  # of the settlement about the profile's price, of the opening about the settlement


def synthetic_day(
    code: str, day: date, seed: int = 0, minutes: int | None = None, regimes: Sequence[str] = REGIMES
) -> Recording:
    """The made-up trading day of one product; its symbol is the code with SYN behind it, "RBSYN".

    minutes : only so many of trading; regimes : which ones the day passes through, in seeded turns and lengths.
    The same arguments give the same bytes. ValueError for an unknown code or regime, or a day at the weekend.
    """
    contract = _contract(code)
    code, profile = contract.code, PROFILES[contract.code]
    times, turns = _plan(contract, day, seed, minutes, regimes)
    rng = generator(seed, "synthetic", code, day)
    settle = round(profile.price * (1 + _SETTLE_SD * float(rng.standard_normal())))
    reach = int(settle * contract.daily_limit)
    lower, upper = settle - reach, settle + reach
    book = new_book(base=lower - MARGIN_TICKS)
    flow = np.zeros(1, FLOW)
    flow["regimes"] = profile.rows()
    flow["lower"], flow["upper"] = MARGIN_TICKS, MARGIN_TICKS + 2 * reach
    path = np.zeros(len(times), PATH)
    path["time"], path["regime"] = times, turns
    path["seconds"] = PERIOD_S * _pace(profile.swing, len(times), rng)
    flow["left"] = path["seconds"][0]
    volatility = np.array([regime.volatility for regime in profile.regimes])[turns]
    opening = MARGIN_TICKS + reach + _GAP_SD * settle * float(rng.standard_normal())
    wander = np.cumsum(volatility * np.sqrt(path["seconds"]) * rng.standard_normal(len(times)))
    path["reference"] = np.clip(opening + wander, MARGIN_TICKS + 2, MARGIN_TICKS + 2 * reach - 2)

    shots = np.zeros(len(times) + 1, SNAPSHOT)
    orders = _auction_orders(profile.regimes[turns[0]], round(opening), rng)
    open_auction(book, flow, orders, _opens(contract, day) - AUCTION_NS, shots[:1])
    while flow[0]["row"] < len(times):
        draws = np.empty((BATCH, 5))
        draws[:, :3], draws[:, 3:] = rng.standard_exponential((BATCH, 3)), rng.random((BATCH, 2))
        trade(book, flow, path, draws, shots[1:])
    shots["kind"][0] = AUCTION
    shots["received"] = shots["interest"] = UNKNOWN
    shots["upper"], shots["lower"], shots["depth"] = upper, lower, LEVELS
    shots["row"] = np.arange(1, len(shots) + 1)
    nothing = Quarantine(np.zeros(0, SNAPSHOT))
    source = f"synthetic {code}, seed {seed}"
    return Recording(contract, contract.symbol, contract.exchange, day, shots, nothing, [], source, len(shots))


def regime_spans(
    code: str, day: date, seed: int = 0, minutes: int | None = None, regimes: Sequence[str] = REGIMES
) -> np.ndarray:
    """(k, 3) i8: start and end (ns UTC) and regime (place in REGIMES) of each stretch of the same synthetic day.

    A snapshot belongs to the stretch with start < time <= end; a session's break ends a stretch.
    """
    times, turns = _plan(_contract(code), day, seed, minutes, regimes)
    first = np.flatnonzero((np.diff(turns, prepend=-1) != 0) | (np.diff(times, prepend=0) != PERIOD_NS))
    last = np.append(first[1:], len(times)) - 1
    return np.stack([times[first] - PERIOD_NS, times[last], turns[first]], axis=1)


def embedded(codes: Sequence[str] = CODES, days: Sequence[date] = DAYS, seed: int = 0) -> list[Recording]:
    """The synthetic days of these products, by product and day; those of CODES and DAYS are made once and stored."""
    return [
        _stored(code, day, seed) if day in DAYS else synthetic_day(code, day, seed) for code in codes for day in days
    ]


def embedded_root(seed: int = 0) -> Path:
    """The catalogue of the embedded days, CODES by DAYS; what is not there yet is made first (some seconds)."""
    for code in CODES:
        for day in DAYS:
            if not _place(code, day, seed).exists():
                write(_root(seed), synthetic_day(code, day, seed))
    return _root(seed)


def training_root(seed: int = 0) -> Path:
    """The catalogue of earlier days for learners, CODES by TRAINING_DAYS; what is not there yet is made first.

    No day of it is an embedded one, so that a tournament on those meets nothing that a learner has seen.
    """
    root = _root(seed).parent / f"training-{seed}"
    for code in CODES:
        for day in TRAINING_DAYS:
            contract = _contract(code)
            if not (root / contract.exchange / contract.symbol / f"{day:%Y%m%d}.parquet").exists():
                write(root, synthetic_day(code, day, seed))
    return root


def _stored(code: str, day: date, seed: int) -> Recording:
    """An embedded day from its file; made, or made again when the file is damaged."""
    try:
        stored = read_day(_place(code, day, seed))
        assert isinstance(stored, Recording)
        return stored
    except DataError:
        recording = synthetic_day(code, day, seed)
        write(_root(seed), recording, overwrite=True)
        return recording


def _root(seed: int) -> Path:
    """Beside the compiled kernels, named by all that the days depend on: other sources never meet old days."""
    here = Path(__file__).parent
    makers = [here / f"{name}.py" for name in ("synthetic", "profiles", "flow", "book", "bits", "auction", "random")]
    data = [here.parent / "data" / f"{name}.py" for name in ("schema", "contracts", "sessions", "catalogue")]
    content = b"".join(path.read_bytes() for path in makers + data) + np.__version__.encode()
    return cache_folder().parent / f"synthetic-{hashlib.sha256(content).hexdigest()[:16]}" / f"seed-{seed}"


def _place(code: str, day: date, seed: int) -> Path:
    contract = _contract(code)
    return _root(seed) / contract.exchange / contract.symbol / f"{day:%Y%m%d}.parquet"


def _contract(code: str) -> Contract:
    known = code.upper()
    if known not in PROFILES:
        raise ValueError(f"no synthetic days of {code!r}; choose among {', '.join(PROFILES)}")
    return replace(CONTRACTS[known], symbol=f"{known}SYN")


def _opens(contract: Contract, day: date) -> int:
    return int(session_times(contract, day)[0, 0])


def _plan(
    contract: Contract, day: date, seed: int, minutes: int | None, regimes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) i8 ns UTC of the snapshots, and (n,) i8 regime of the half second before each."""
    unknown = [name for name in regimes if name not in REGIMES]
    if unknown or not regimes:
        raise ValueError(f"regimes are {', '.join(regimes) or 'none'}; choose among {', '.join(REGIMES)}")
    if day.weekday() >= 5:
        raise ValueError(f"{day} is a weekend day without trading; choose a weekday")
    if minutes is not None and minutes < 1:
        raise ValueError(f"minutes is {minutes}; give at least 1, or None for the whole day")
    spans = session_times(contract, day).tolist()
    times = np.concatenate([np.arange(start + PERIOD_NS, end + 1, PERIOD_NS) for start, end in spans])
    a_minute = 60 * 10**9 // PERIOD_NS
    times = times[: None if minutes is None else minutes * a_minute]
    rng = generator(seed, "synthetic", contract.code, day, "regimes")
    cycles = max(1, round(len(times) / (CYCLE_MINUTES * a_minute)))
    chosen = [REGIMES.index(name) for name in regimes]
    order = np.concatenate([rng.permutation(chosen) for _ in range(cycles)])
    ends = np.cumsum(rng.uniform(0.5, 1.5, len(order)))
    ends = np.rint(ends / ends[-1] * len(times)).astype(np.int64)
    return times, np.repeat(order, np.diff(ends, prepend=0)).astype(np.int64)


def _pace(swing: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) f8, mean 1: how fast the crowd's time runs; `swing` of it is the square of a wandering normal number."""
    kept = 1 - PERIOD_S / PACE_S
    state = float(rng.standard_normal())
    wander = np.zeros(n)
    for k, step in enumerate((np.sqrt(1 - kept**2) * rng.standard_normal(n)).tolist()):
        state = kept * state + step
        wander[k] = state
    return 1 - swing + swing * wander**2


def _auction_orders(regime: Regime, opening: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 3) i8 side, level index and lots: a book such as the flow keeps up, some of it crossing."""
    count = max(20, int(2 * regime.behind * REACH / regime.limit_size))
    side = rng.integers(2, size=count)
    distance = rng.exponential(REACH, count).astype(np.int64) - 1
    lots = rng.geometric(1 / regime.limit_size, count)
    price = np.where(side == BID, opening - distance, opening + distance)
    return np.stack([side, price, lots], axis=1).astype(np.int64)
