"""From raw rows to a Recording: one right repair is made, what cannot be used is kept apart, all is counted.

Volume, turnover and their like count from a baseline. Where the first row stands at the beginning of the trading day,
the baseline is 0 and the auction's volume counts; else it is the first trusted row, whose volume becomes 0.
"""

from datetime import date

import numpy as np

from lobarena.data.clock import SECOND, UNREADABLE, to_local
from lobarena.data.contracts import Contract
from lobarena.data.faults import EXPLANATIONS, faults, shrinking
from lobarena.data.raw import Floats, Mask, Raw, Times, found
from lobarena.data.recording import NOTED, QUARANTINED, REPAIRED, DataError, Finding, Quarantine, Recording
from lobarena.data.schema import AUCTION, SETTLEMENT, SNAPSHOT, TRADING, UNKNOWN
from lobarena.data.sessions import session_times, weekday_before

GRACE = 3 * SECOND  # the last book of a session is published just after its end, the first just before its start
GAP = 60 * SECOND  # a longer silence within a session is noted
_OUTSIDE = -1  # of no kind a snapshot can have
_DOUBT = 0.1  # share of odd changes of volume above which a feed was counted once
_INT32 = np.iinfo(np.int32).max
_GONE = {
    "blank line": "lines without any cell; removed",
    "subscription stub": "shown at each reconnection, without quotes; removed",
    "virtual auction": "price and size at which a call auction would match by now, no book of orders; removed",
}


def check(raw: Raw, contract: Contract, day: date, strict: bool = False) -> Recording:
    """The recording of one trading day of one contract.

    `strict` raises DataError at the first finding that is not merely noted. Every row is kept, removed or quarantined,
    and counted.
    """
    log: list[Finding | None] = [found(n.kind, n.mask, raw.row, n.explanation, n.action) for n in raw.notes]
    use = np.ones(len(raw), bool)
    for kind, mask in raw.gone.items():
        log.append(found(kind, mask & use, raw.row, _GONE[kind], REPAIRED, removed=True))
        use &= ~mask
    rows, night = _snapshots(raw, contract, log, use), _has_night(raw, contract)
    spans = session_times(contract, day, weekday_before(day) if night else None)
    if not len(spans):
        raise DataError(f"{raw.source.path}: {contract.symbol} has no session on {day}; check sessions of the contract")
    kinds = _kinds(raw.time, spans, contract)
    rows["kind"] = np.where(kinds == _OUTSIDE, TRADING, kinds)

    bad = {kind: mask & use for kind, mask in faults(raw, contract).items()}
    bad["outside the sessions"] = use & (kinds == _OUTSIDE) & ~bad["unreadable time"]
    fit = use & ~np.any(list(bad.values()), axis=0)

    timed = np.flatnonzero(use & ~bad["unreadable time"])
    back = np.zeros(len(raw), bool)
    back[timed[1:]] = raw.time[timed[1:]] < raw.time[timed[:-1]]
    log.append(found("out of time order", back, raw.row, "earlier than the row above; sorted by time", REPAIRED))
    order = np.flatnonzero(fit)[np.argsort(raw.time[fit], kind="stable")]
    for kind, values in (("shrinking volume", raw.volume), ("shrinking turnover", raw.turnover)):
        bad[kind] = np.zeros(len(raw), bool)
        if values is not None:
            known = order[np.isfinite(values[order])]
            bad[kind][known[shrinking(values[known])]] = True
            order = order[~bad[kind][order]]
    if not len(order):
        reasons = [f"{kind} ({int(mask.sum())} rows)" for kind, mask in bad.items() if mask.any()]
        raise DataError(f"{raw.source.path}: no row of {day} can be used: {', '.join(reasons) or 'all are stubs'}")
    again = _repeats(rows.take(order))  # indexing takes three times as long with records
    double = np.zeros(len(raw), bool)
    double[order[again]] = True
    log.append(found("duplicate", double, raw.row, "same time and content as the row above; removed", REPAIRED, True))
    order = order[~again]

    began = bool(raw.time[order[0]] < spans[0, 0] + 60 * SECOND) and (
        night or rows["kind"][order[0]] == AUCTION or not any(s.night for s in contract.sessions_on(day))
    )
    _count(rows, raw, contract, day, order, began, log)
    kept = rows.take(order)
    rows["depth"] = kept["depth"] = _depth(kept)
    log += _notes(kept, raw, spans)
    log += [found(kind, mask, raw.row, EXPLANATIONS[kind], QUARANTINED) for kind, mask in bad.items()]
    findings = [finding for finding in log if finding is not None]
    for finding in findings:
        if strict and finding.action != NOTED:
            raise DataError(
                f"{raw.source.path}, row {finding.first_row}: {finding}. Mend the file, or read it not strictly"
            )
    return Recording(
        contract=contract,
        symbol=contract.symbol,
        exchange=contract.exchange,
        trading_day=day,
        snapshots=kept,
        quarantine=_quarantine(raw, rows, bad),
        findings=findings,
        source=raw.source.path.name,
        rows_in=len(raw),
    )


def _snapshots(raw: Raw, contract: Contract, log: list[Finding | None], use: Mask) -> np.ndarray:
    """(n,) SNAPSHOT of all rows, sizes and prices as far as they fit; volume, turnover and interest come later."""
    rows = np.zeros(len(raw), SNAPSHOT)
    rows["row"], rows["time"] = raw.row, raw.time
    rows["received"] = UNKNOWN if raw.received is None else np.where(raw.received == UNREADABLE, UNKNOWN, raw.received)
    dust = np.zeros(len(raw), bool)
    digits = len(f"{contract.tick:f}".rstrip("0").partition(".")[2])
    for name, prices in (("last", raw.last), ("upper", raw.upper), ("lower", raw.lower), ("settle", raw.settle)):
        if prices is not None:
            rows[name], dusty = _ticks(prices, contract, digits)
            dust |= dusty
    for side, prices, sizes in (("bid", raw.bid, raw.bid_size), ("ask", raw.ask, raw.ask_size)):
        for level in range(prices.shape[1]):
            lots = np.where(np.isfinite(sizes[:, level]), np.clip(sizes[:, level], 0, _INT32), 0)
            ticks, dusty = _ticks(prices[:, level], contract, digits)
            rows[f"{side}_size"][:, level] = lots
            rows[side][:, level] = np.where(lots > 0, ticks, 0)
            dust |= dusty
    log.append(found("floating dust", dust & use, raw.row, "prices like 5806.400000000001; set on the tick", REPAIRED))
    return rows


def _ticks(prices: Floats, contract: Contract, digits: int) -> tuple[np.ndarray, Mask]:
    """(n,) prices -> (n,) i4 ticks, 0 where there is no such price, and the mask of those with floating dust."""
    off = contract.off_tick(prices)
    ticks = contract.to_ticks(np.where(off, 0.0, prices))
    return ticks, ~off & (np.round(prices, digits) != prices)


def _has_night(raw: Raw, contract: Contract) -> bool:
    """Whether any row is of the night; none is on the first day after a holiday, or in a recording of the day only."""
    hour = to_local(raw.time, contract.timezone) // (3600 * SECOND) % 24
    return bool(((raw.time != UNREADABLE) & ((hour >= 18) | (hour < 6))).any())


def _kinds(time: Times, spans: Times, contract: Contract) -> np.ndarray:
    """(n,) kind of each row by its time; _OUTSIDE where it is none."""
    kinds = np.full(len(time), _OUTSIDE, np.int64)
    kinds[(time > spans[-1, 1] + GRACE) & (time < spans[-1, 1] + 5 * 3600 * SECOND)] = SETTLEMENT
    call = spans[0, 0] - int(contract.auction_minutes * 60) * SECOND
    for start, end in spans.tolist():
        kinds[(time >= start - GRACE) & (time <= end + GRACE)] = TRADING
    kinds[(time >= call) & (time < spans[0, 0])] = AUCTION
    return kinds


def _repeats(rows: np.ndarray) -> Mask:
    """(n,) rows equal to the row above in everything but the recorder's stamp and the row number."""
    same = np.zeros(len(rows), bool)
    near = np.flatnonzero(rows["time"][1:] == rows["time"][:-1]) + 1
    one, other = rows.take(near), rows.take(near - 1)
    for name in ("row", "received"):
        one[name] = other[name] = 0
    width = f"V{rows.dtype.itemsize}"
    same[near] = one.view(width) == other.view(width)
    return same


def _count(
    rows: np.ndarray, raw: Raw, contract: Contract, day: date, order: Times, began: bool, log: list[Finding | None]
) -> None:
    """Fill volume, turnover and interest of all rows: counted once, from the baseline."""
    first, everywhere = order[0], np.ones(len(order), bool)
    volume = np.zeros(len(raw)) if raw.volume is None else _safe(raw.volume)
    twice = contract.counted_twice(day) if raw.twice is None else raw.twice
    change = np.diff(volume[order], prepend=0.0 if began else volume[first])
    odd = change % 2 != 0
    if twice and odd.sum() > _DOUBT * np.count_nonzero(change):
        twice = False
        why = "changes of volume are odd though this day is counted twice; taken as counted once, not halved"
        log.append(found("odd volume", odd, raw.row[order], why, NOTED))
    elif twice:
        log.append(found("odd volume", odd, raw.row[order], "not even though counted twice; rounded down", NOTED))
    each = 2 if twice else 1
    base = 0.0 if began else volume[first]
    rows["volume"] = np.maximum(volume - base, 0) // each
    if not np.any(change):
        log.append(found("no volume", everywhere, raw.row[order], "the source shows no volume, or none traded", NOTED))
    elif twice:
        log.append(found("volume counted twice", everywhere, raw.row[order], "both sides counted; halved", REPAIRED))
    if base:
        shown = f"{base / each:,.0f} lots traded before the first row; volume and turnover count from there"
        log.append(found("baseline", np.arange(len(order)) == 0, raw.row[order], shown, NOTED))
    rows["interest"] = (
        UNKNOWN if raw.interest is None else np.where(raw.interest >= 0, _safe(raw.interest) // each, UNKNOWN)
    )
    rows["turnover"] = UNKNOWN
    if raw.turnover is None or not np.isfinite(raw.turnover[order]).any():
        log.append(found("no turnover", everywhere, raw.row[order], "the source does not record turnover", NOTED))
        return
    there = np.isfinite(raw.turnover)
    turnover = _safe(raw.turnover)
    start = 0.0 if began else turnover[order[there[order]][0]]
    value = np.maximum(turnover - start, 0) / each / contract.tick_value
    rows["turnover"] = np.where(there, np.rint(value), UNKNOWN)
    part = (np.abs(value - np.rint(value)) > 1e-3) & there
    log.append(found("no turnover", ~there[order], raw.row[order], "turnover missing in this row", NOTED))
    log.append(found("turnover not whole", part[order], raw.row[order], "no whole tick x lot; rounded", NOTED))


def _safe(values: Floats) -> Floats:
    """Values that fit 64-bit whole numbers; 0 for the others."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(values) & (np.abs(values) < 2.0**53), values, 0.0)


def _depth(rows: np.ndarray) -> int:
    """Levels a side that the feed shows, at least 1."""
    shown = (rows["bid_size"] > 0).any(axis=0) | (rows["ask_size"] > 0).any(axis=0)
    return int(np.flatnonzero(shown).max(initial=0)) + 1


def _notes(kept: np.ndarray, raw: Raw, spans: Times) -> list[Finding | None]:
    """What is legal but worth knowing, of the kept rows in order of time."""
    row, time, kind = kept["row"], kept["time"], kept["kind"]
    step = np.diff(time, prepend=time[0])
    stretch = np.searchsorted(spans[:, 0] - GRACE, time, side="right").clip(1)  # the auction belongs to the first
    within = (np.diff(stretch, prepend=stretch[0]) == 0) & (kind != SETTLEMENT)
    one, none = (kept["bid_size"][:, 0] > 0) != (kept["ask_size"][:, 0] > 0), ~(kept["bid_size"][:, 0] > 0)
    early = (kept["received"] != UNKNOWN) & (kept["received"] < time)
    lag = (kept["received"] - time)[early] / 1e9
    slow = (
        f"received {-lag.max():.3f} to {-lag.min():.3f} s before it was sent; the clocks differ" if early.any() else ""
    )
    large = kept["interest"] >= 500_000
    written = np.zeros(len(raw)) if raw.interest is None else raw.interest
    rounded = large & (len(row) > 9) & bool((written[np.isin(raw.row, row[large])] % 10 == 0).all())
    repeated = np.append(False, time[1:] == time[:-1])
    return [
        found("repeated stamp", repeated, row, "same time as the row before, other content", NOTED),
        found("settlement row", kind == SETTLEMENT, row, "after the close; marked as settlement", REPAIRED),
        found("auction row", kind == AUCTION, row, "before the open; marked as auction, its volume counts", NOTED),
        found("gap", within & (step > GAP), row, "more than 60 s after the row before, within a session", NOTED),
        found("clock disagreement", early, row, slow, NOTED),
        found("rounded interest", rounded, row, "open interest shown with six digits", NOTED),
        found("one-sided book", one, row, "no bid or no ask; legal at a price limit", NOTED),
        found("empty book", none & ~one, row, "neither bid nor ask", NOTED),
    ]


def _quarantine(raw: Raw, rows: np.ndarray, bad: dict[str, Mask]) -> Quarantine:
    apart = np.flatnonzero(np.any(list(bad.values()), axis=0))
    reasons = ["; ".join(kind for kind, mask in bad.items() if mask[place]) for place in apart]
    return Quarantine(rows[apart], reasons, [raw.source.text(int(raw.row[place])) for place in apart])
