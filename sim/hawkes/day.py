"""A living day: the crowd's traits, its opening auction and, each half second, what no seat can change.

The day is a record of events like any other (catalogues, tournaments and environments need not know), but its rows say
how the crowd is, not what it did. What it does comes about in play.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from lobarena.data.contracts import CONTRACTS, Contract
from lobarena.data.recording import DataError, EventRecording
from lobarena.data.schema import ASK, BID, BOTH, EVENT, MARK, SNAPSHOT, STAND, STIR, SWELL, TRAIT, UNCROSS
from lobarena.data.sessions import session_times
from lobarena.sim.feed import MARGIN_TICKS, Feed, with_phases
from lobarena.sim.hawkes.fit import Fit, regime_names, traits_of
from lobarena.sim.hawkes.traits import REACH, REGIMES, TRAITS
from lobarena.sim.random import generator
from lobarena.sim.types import LARGE, NONE, SMALL

PERIOD_NS, PERIOD_S = 500_000_000, 0.5  # of the rows
AUCTION_NS = 59_500_000_000  # before the session, when the auction matches and its row is published
_SETTLE_SD, _GAP_SD = 0.01, 0.003  # of the settlement about the fit's price, of the opening about the settlement
_SLOWEST, _FASTEST = 0.05, 20.0  # pace
_SMALLEST, _LARGEST = 0.2, 5.0  # factor on the size of limit orders
_PRESS = 0.9  # of one, by which programmes of a side may prevail
_MOST = 100_000  # lots of one order: a full book of them is within the 32 bits of a level


def living_day(
    fit: Fit, day: date, seed: int = 0, minutes: int | None = None, regimes: Sequence[str] = REGIMES
) -> EventRecording:
    """The living trading day (day session) of a fit's product; its symbol is the code with LIVE behind it, "RBLIVE".

    minutes : only so many of trading; regimes : which ones it passes through, by the fit's chain among them.
    The same arguments give the same bytes. ValueError for an unknown regime or a day at the weekend.
    """
    contract = replace(CONTRACTS[fit.code], symbol=f"{fit.code}LIVE")
    times = _times(contract, day, minutes)
    unknown = [name for name in regimes if name not in REGIMES]
    if unknown or not regimes:
        raise ValueError(f"regimes are {', '.join(regimes) or 'none'}; choose among {regime_names()}")
    rng = generator(seed, "crowd", contract.symbol, day)
    settle = round(fit.price.level * (1 + _SETTLE_SD * float(np.clip(rng.standard_normal(), -3, 3))))
    limit = max(4 * REACH, int(settle * contract.daily_limit))
    lower, upper = settle - limit, settle + limit
    turns = _chain(fit, [REGIMES.index(name) for name in regimes], len(times), rng)
    jumps, alarm = _news(fit, len(times), rng)
    spells = _log_normal(fit.pace.swing, _wander(fit.pace.spell_s, len(times), rng))
    pace = np.clip(spells * np.array(fit.regimes.pace)[turns] * alarm, _SLOWEST, _FASTEST)
    steps = fit.price.volatility * np.array(fit.regimes.volatility)[turns] * np.sqrt(PERIOD_S * pace)
    opening = settle + _GAP_SD * settle * float(np.clip(rng.standard_normal(), -3, 3))
    reference = np.clip(opening + np.cumsum(steps * rng.standard_normal(len(times)) + jumps), lower + 2, upper - 2)

    stirs = np.zeros(len(times), EVENT)
    stirs["time"], stirs["kind"], stirs["side"], stirs["u"] = times, STIR, turns, pace
    stirs["price"] = np.floor(reference)
    stirs["size"] = np.floor(1_000 * (reference - np.floor(reference)))
    stirs["ref"] = rng.integers(1, 2**62, len(times))  # a generator of nought would stand still
    swells = np.zeros(len(times), EVENT)
    deep = _log_normal(fit.swell.depth, _wander(fit.swell.depth_s, len(times), rng))
    press = np.clip(fit.swell.press * _wander(fit.swell.press_s, len(times), rng), -_PRESS, _PRESS)
    swells["time"], swells["kind"], swells["ref"], swells["side"] = times, SWELL, NONE, BOTH
    swells["u"], swells["price"] = np.clip(deep, _SMALLEST, _LARGEST), np.rint(1_000 * press)
    traits = traits_of(fit)
    factor = float(traits[0]["depth"][turns[0]]) * float(swells["u"][0])
    book = _opening(fit, traits[0], factor, float(reference[0]), rng)
    book = book[(book["kind"] == UNCROSS) | ((book["price"] >= lower) & (book["price"] <= upper))]
    halves = np.stack([swells, stirs], axis=1).reshape(-1)
    events = np.concatenate([_written(traits), book, halves])
    events["time"][: len(events) - len(halves)] = times[0] - AUCTION_NS
    return EventRecording(
        contract=contract,
        symbol=contract.symbol,
        exchange=contract.exchange,
        trading_day=day,
        events=events,
        orders=0,
        lower=lower,
        upper=upper,
        source=f"living crowd {fit.code}, seed {seed}",
        rows_in=len(events),
    )


def living_feed(recording: EventRecording, publish_ms: int = 500, digest: str = "") -> Feed:
    """A living day made ready to run, published every `publish_ms`. DataError when its rows make no sense."""
    if publish_ms < 1:
        raise ValueError(f"publish_ms is {publish_ms}; give a whole number of milliseconds, at least 1")
    events, what = recording.events, f"{recording.symbol} {recording.trading_day}"
    traits = _read(events[events["kind"] == TRAIT], what)
    lower, upper = recording.lower, recording.upper
    acts = events[events["kind"] != TRAIT]
    stirs = acts[acts["kind"] == STIR]
    opened = _check(acts, what, lower, upper)
    base, spans = max(0, lower - MARGIN_TICKS), session_times(recording.contract, recording.trading_day)
    width = upper + MARGIN_TICKS - base
    sessions = np.array([s for s in spans.tolist() if ((stirs["time"] >= s[0]) & (stirs["time"] < s[1])).any()])
    if not len(sessions) or not 0 < lower < upper or width > LARGE[0]:
        raise DataError(f"{what}: no row lies in a session, or its limits are none or over {LARGE[0]:,} ticks apart")
    ends = [int(stirs["time"][stirs["time"] < end].max()) + PERIOD_NS for _, end in sessions]
    step = publish_ms * 1_000_000
    grids = [np.arange(start + step, end + 1, step) for (start, _), end in zip(sessions, ends, strict=True)]
    marks = np.concatenate([np.array([opened], np.int64), *grids])
    rows = np.zeros(len(marks), EVENT)
    rows["time"], rows["kind"], rows["ref"] = marks, MARK, NONE
    acts = np.insert(acts, np.searchsorted(acts["time"], marks, "right"), rows)
    return Feed(
        contract=recording.contract,
        day=recording.trading_day,
        events=with_phases(acts, sessions),
        snapshots=np.zeros(0, SNAPSHOT),
        base=base,
        size=SMALL if width <= SMALL[0] else LARGE,
        lower=lower,
        upper=upper,
        sessions=sessions,
        live=True,
        digest=digest or hashlib.sha256(np.ascontiguousarray(events).data).hexdigest(),
        traits=traits,
    )


def _check(acts: np.ndarray, what: str, lower: int, upper: int) -> int:
    """ns UTC of the opening auction; DataError unless every row is one that a kernel may act upon.

    They are orders, then the auction that matches them, then two rows for each half second.
    """
    again = "make the day again"
    if (np.diff(acts["time"]) < 0).any():
        raise DataError(f"{what}: its rows are not in the order of time; {again}")
    stands = int(np.argmax(acts["kind"] != STAND))
    book, auction = acts[:stands], acts[stands : stands + 1]
    swells, stirs = acts[stands + 1 :: 2], acts[stands + 2 :: 2]
    kinds = [auction["kind"].tolist(), set(swells["kind"].tolist()), set(stirs["kind"].tolist())]
    if kinds != [[UNCROSS], {SWELL}, {STIR}] or not np.array_equal(swells["time"], stirs["time"]):
        raise DataError(f"{what}: its rows are no orders, auction and half seconds, in this order; {again}")
    opened = int(auction["time"][0])
    if stirs["time"][0] <= opened:
        raise DataError(f"{what}: its auction is not before its first half second; {again}")
    sane = np.isfinite(stirs["u"]) & (stirs["u"] > 0) & (stirs["u"] <= _FASTEST) & (stirs["ref"] > 0)
    sane &= (stirs["side"] >= 0) & (stirs["side"] < len(REGIMES)) & (stirs["size"] >= 0) & (stirs["size"] < 1_000)
    sane &= (stirs["price"] >= lower - MARGIN_TICKS) & (stirs["price"] <= upper + MARGIN_TICKS)
    sane &= (swells["u"] >= _SMALLEST) & (swells["u"] <= _LARGEST) & (np.abs(swells["price"]) <= 1_000 * _PRESS)
    sane &= (swells["side"] == BOTH) & (swells["size"] == 0)
    if not sane.all():
        raise DataError(f"{what}: half second {int(np.argmin(sane))} has a number that no crowd has; {again}")
    sane = np.isin(book["side"], (BID, ASK)) & (book["size"] > 0) & (book["size"] <= _MOST)
    sane &= (book["price"] >= lower) & (book["price"] <= upper)
    if not sane.all():
        raise DataError(f"{what}: order {int(np.argmin(sane))} of its opening book is none; {again}")
    return opened


def _times(contract: Contract, day: date, minutes: int | None) -> np.ndarray:
    """(n,) i8 ns UTC: the beginnings of the half seconds of the day session."""
    if day.weekday() >= 5:
        raise ValueError(f"{day} is a weekend day without trading; choose a weekday")
    if minutes is not None and minutes < 1:
        raise ValueError(f"minutes is {minutes}; give at least 1, or None for the whole day")
    times = np.concatenate([np.arange(start, end, PERIOD_NS) for start, end in session_times(contract, day).tolist()])
    return np.asarray(times[: None if minutes is None else minutes * 120])


def _chain(fit: Fit, allowed: Sequence[int], n: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) i8 regimes: exponential stays, then a draw among the others that are allowed."""
    turns, at = np.zeros(n, np.int64), 0
    now = int(rng.choice(allowed))
    while at < n:
        stay = max(1, round(rng.exponential(fit.regimes.minutes[now]) * 60 / PERIOD_S))
        turns[at : at + stay] = now
        at += stay
        chances = np.array([fit.regimes.to[now][k] if k in allowed else 0.0 for k in range(len(REGIMES))])
        now = int(rng.choice(len(REGIMES), p=chances / chances.sum())) if chances.sum() > 0 else now
    return turns


def _log_normal(sd: float, wander: np.ndarray) -> np.ndarray:
    """(n,) f8, mean 1 in the long run."""
    return np.asarray(np.exp(sd * wander - sd**2 / 2))


def _wander(spell_s: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) f8: a standard normal number each half second that forgets itself in `spell_s` (an AR(1) process)."""
    kept = float(np.exp(-PERIOD_S / spell_s))
    state, wander = float(rng.standard_normal()), np.zeros(n)
    for k, step in enumerate((np.sqrt(1 - kept**2) * rng.standard_normal(n)).tolist()):
        state = kept * state + step
        wander[k] = state
    return wander


def _news(fit: Fit, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(n,) f8 jumps of the reference price, ticks, and (n,) f8 factor on the pace that they leave behind."""
    there = rng.random(n) < fit.price.news * PERIOD_S / 3600
    jumps = np.where(there, rng.choice((-1.0, 1.0), n) * rng.exponential(max(fit.price.jump, 1e-9), n), 0.0)
    kept, state, alarm = float(np.exp(-PERIOD_S / fit.pace.alarm_s)), 0.0, np.ones(n)
    for k in np.flatnonzero(there).tolist() if fit.pace.alarm > 1 else ():
        after = (fit.pace.alarm - 1) * kept ** np.arange(min(n - k, int(12 * fit.pace.alarm_s / PERIOD_S) + 1))
        state = max(state, 1.0)
        alarm[k : k + len(after)] = np.maximum(alarm[k : k + len(after)], 1 + after)
    return jumps, alarm


def _opening(fit: Fit, traits: np.void, factor: float, reference: float, rng: np.random.Generator) -> np.ndarray:
    """(m,) EVENT: the orders of the opening auction, as many at each price as would come and go there, and its match.

    As many again as stand at the best price are ready to pay a tick more than the reference price, or to take less.
    """
    rows, middle = [], int(np.floor(reference))
    shares = np.bincount(traits["distance"], minlength=REACH + 1) / len(traits["distance"])
    for side in (BID, ASK):
        for distance in range(-1, REACH + 1):
            near, behind = (
                fit.orders.near / fit.orders.cancel,
                fit.orders.far * shares[max(0, distance)] / fit.orders.cancel_behind,
            )
            count = rng.poisson(min(500.0, 0.5 * (behind if distance > 0 else near)))
            one = np.zeros(max(1 if distance < 2 else 0, int(count)), EVENT)
            one["kind"], one["side"], one["ref"] = STAND, side, NONE
            one["price"] = middle - distance if side == BID else middle + 1 + distance
            one["size"] = np.maximum(1, np.rint(rng.choice(traits["limit_size"], len(one)) * factor))
            rows.append(one)
    match = np.zeros(1, EVENT)
    match["kind"], match["ref"], match["price"] = UNCROSS, NONE, middle
    return np.concatenate([*rows, match])


def _written(traits: np.ndarray) -> np.ndarray:
    """(k,) EVENT, the traits number by number: the file of a day holds all that its crowd is."""
    numbers = np.concatenate([np.asarray(traits[0][name], np.float64).reshape(-1) for name in TRAITS.names or ()])
    rows = np.zeros(len(numbers), EVENT)
    rows["kind"], rows["price"], rows["ref"] = TRAIT, np.arange(len(numbers)), numbers.view(np.int64)
    return rows


def _read(rows: np.ndarray, what: str) -> np.ndarray:
    """(1,) TRAITS from the rows of a day; DataError unless every number is there and can be one."""
    found = np.zeros(1, TRAITS)
    counts = [found[0][name].size for name in TRAITS.names or ()]
    numbers = np.ascontiguousarray(rows["ref"]).view(np.float64)
    whole = len(rows) == sum(counts) and bool((rows["price"] == np.arange(len(rows))).all())
    if not whole or not (np.isfinite(numbers).all() and (numbers >= 0).all() and (numbers <= 1e8).all()):
        raise DataError(f"{what}: the crowd's traits are damaged or of another version; make the day again")
    start = 0
    for name, count in zip(TRAITS.names or (), counts, strict=True):
        found[0][name] = numbers[start : start + count].reshape(found[0][name].shape)
        start += count
    t = found[0]
    sizes = max(int(t["limit_size"].max()) * float(max(1.0, t["depth"].max())) * _LARGEST, int(t["take_size"].max()))
    least = min(t["bound"], t["limit_mean"], t["take_mean"], *t["depth"].tolist())
    whole = least > 1e-6 and t["bound"] <= 1e5 and sizes <= _MOST
    if not whole or t["tilt"] >= 1 or max(t["place"], t["walk"]) > 1 or t["distance"].max() > REACH:
        raise DataError(f"{what}: the crowd's traits are no crowd's; make the day again")
    return found
