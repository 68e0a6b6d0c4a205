"""Synthetic futures days: what the venue publishes of a living crowd (sim/hawkes) that nobody else trades with.

The embedded days are what everything runs on when no recorded data is given; docs/synthetic.md says how near they come.
A day is the day session alone (no night), with its breaks, after an opening auction.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lobarena.data.catalogue import read_day, write
from lobarena.data.contracts import CONTRACTS, Contract
from lobarena.data.recording import DataError, Recording
from lobarena.data.schema import STIR
from lobarena.sim._jit import cache_folder
from lobarena.sim.hawkes.traits import REGIMES

if TYPE_CHECKING:
    from lobarena.sim.hawkes.fit import Fit

DAYS = (date(2024, 1, 3), date(2024, 1, 4), date(2024, 1, 5))
TRAINING_DAYS = tuple(date(2023, 11, 20) + timedelta(7 * week + day) for week in range(6) for day in range(5))
CODES = ("FU", "RB", "CU", "AG")
PERIOD_NS = 500_000_000  # between two snapshots

# No fuel oil was at hand: its crowd is that of another product, about a price of its own.
_LIKE = {"FU": ("RB", 3_050)}  # code: the fit, ticks


def synthetic_day(
    code: str, day: date, seed: int = 0, minutes: int | None = None, regimes: Sequence[str] = REGIMES
) -> Recording:
    """The made-up trading day of one product; its symbol is the code with SYN behind it, "RBSYN".

    It is the living day of the same arguments ("RBLIVE") as recorded with no seat in the market.
    minutes : only so many of trading; regimes : which ones the day passes through, by the fit's chain among them.
    The same arguments give the same bytes. ValueError for an unknown code or regime, or a day at the weekend.
    """
    from lobarena.sim.hawkes.day import living_day, living_feed
    from lobarena.sim.hawkes.record import recorded

    contract = _contract(code)
    made = recorded(living_feed(living_day(_fit(contract.code), day, seed, minutes, regimes)))
    return replace(made, contract=contract, symbol=contract.symbol, source=f"synthetic {contract.code}, seed {seed}")


def regime_spans(
    code: str, day: date, seed: int = 0, minutes: int | None = None, regimes: Sequence[str] = REGIMES
) -> np.ndarray:
    """(k, 3) i8: start and end (ns UTC) and regime (place in REGIMES) of each stretch of the same synthetic day.

    A snapshot belongs to the stretch with start < time <= end; a session's break ends a stretch.
    """
    from lobarena.sim.hawkes.day import living_day

    events = living_day(_fit(_contract(code).code), day, seed, minutes, regimes).events
    rows = events[events["kind"] == STIR]
    times, turns = rows["time"], rows["side"].astype(np.int64)
    first = np.flatnonzero((np.diff(turns, prepend=-1) != 0) | (np.diff(times, prepend=0) != PERIOD_NS))
    last = np.append(first[1:], len(times)) - 1
    return np.stack([times[first], times[last] + PERIOD_NS, turns[first]], axis=1)


def embedded(codes: Sequence[str] = CODES, days: Sequence[date] = DAYS, seed: int = 0) -> list[Recording]:
    """The synthetic days of these products, by product and day; those of CODES and DAYS are made once and stored."""
    return [
        _stored(code, day, seed) if day in DAYS else synthetic_day(code, day, seed) for code in codes for day in days
    ]


def embedded_root(seed: int = 0) -> Path:
    """The catalogue of the embedded days, CODES by DAYS; what is not there yet is made first (some seconds)."""
    return _made(_root(seed), DAYS, seed)


def training_root(seed: int = 0) -> Path:
    """The catalogue of earlier days for learners, CODES by TRAINING_DAYS; what is not there yet is made first.

    No day of it is an embedded one, so that a tournament on those meets nothing that a learner has seen.
    """
    return _made(_root(seed).parent / f"training-{seed}", TRAINING_DAYS, seed)


def _made(root: Path, days: Sequence[date], seed: int) -> Path:
    for code in CODES:
        for day in days:
            if not _place(root, code, day).exists():
                write(root, synthetic_day(code, day, seed))
    return root


def _stored(code: str, day: date, seed: int) -> Recording:
    """An embedded day from its file; made, or made again when the file is damaged."""
    try:
        stored = read_day(_place(_root(seed), code, day))
        assert isinstance(stored, Recording)
        return stored
    except DataError:
        recording = synthetic_day(code, day, seed)
        write(_root(seed), recording, overwrite=True)
        return recording


def _root(seed: int) -> Path:
    """Beside the compiled kernels, named by all that the days depend on: other sources never meet old days."""
    here = Path(__file__).parent
    engine = ("synthetic", "auction", "bits", "book", "crowd", "exchange", "feed", "market", "matching", "random")
    makers = [here / f"{name}.py" for name in engine]
    makers += [path for kind in ("py", "toml") for path in sorted((here / "hawkes").rglob(f"*.{kind}"))]
    data = [here.parent / "data" / f"{name}.py" for name in ("schema", "contracts", "sessions", "catalogue")]
    content = b"".join(path.read_bytes() for path in makers + data) + np.__version__.encode()
    return cache_folder().parent / f"synthetic-{hashlib.sha256(content).hexdigest()[:16]}" / f"seed-{seed}"


def _place(root: Path, code: str, day: date) -> Path:
    contract = _contract(code)
    return root / contract.exchange / contract.symbol / f"{day:%Y%m%d}.parquet"


def _contract(code: str) -> Contract:
    known = code.upper()
    if known not in CODES:
        raise ValueError(f"no synthetic days of {code!r}; choose among {', '.join(CODES)}")
    return replace(CONTRACTS[known], symbol=f"{known}SYN")


def _fit(code: str) -> "Fit":
    from lobarena.sim.hawkes.fit import packaged

    fits = packaged()
    if code not in _LIKE:
        return fits[code]
    like, level = _LIKE[code]
    fit = fits[like]
    return fit.model_copy(update={"code": code, "price": fit.price.model_copy(update={"level": level})})
