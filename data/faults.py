"""Rows that cannot be used, one mask a kind. Each test is on one row alone."""

import numpy as np

from lobarena.data.clock import UNREADABLE
from lobarena.data.contracts import Contract
from lobarena.data.raw import Floats, Mask, Raw

_INT32 = np.iinfo(np.int32).max
_EXACT = 2.0**53  # whole numbers beyond are no longer exact in a double
_EMPTY = 1e300  # CTP shows the largest double where a side has no price

EXPLANATIONS = {
    "wrong number of columns": "the line has too few or too many cells",
    "unreadable number": "a cell holds text where a number belongs",
    "unreadable time": "no time of the layout's form",
    "outside the sessions": "neither in a session nor its auction nor after the close",
    "price not a number": "NaN or infinite price of a level or of the last trade",
    "price not positive": "negative price, or zero with a size",
    "price off the tick": "price between two ticks of the contract",
    "price out of range": "price beyond 32-bit ticks",
    "size not a number": "NaN or infinite size beside a price",
    "size not positive": "negative size",
    "negative size": "negative change of volume",
    "size zero with a price": "a level without lots shows a price",
    "size not whole": "fraction of a lot",
    "size out of range": "size beyond 32 bits",
    "crossed": "best bid above best ask",
    "locked": "best bid equals best ask",
    "levels out of order": "a deeper level is better than, or missing before, the next",
    "beyond the price limit": "bid above the upper or ask below the lower limit of the day",
    "no last price": "last price missing after the first trade",
    "volume not a number": "cumulative volume is NaN, infinite or a fraction",
    "negative volume": "cumulative volume below zero",
    "volume out of range": "volume beyond exact whole numbers",
    "shrinking volume": "cumulative volume below that of an earlier row",
    "shrinking turnover": "cumulative turnover below that of an earlier row",
}


def faults(raw: Raw, contract: Contract) -> dict[str, Mask]:
    """kind -> (n,) rows of that kind, without the tests that need the other rows."""
    out = dict(raw.bad)
    out["unreadable time"] = (raw.time == UNREADABLE) | (raw.day == UNREADABLE)
    for price, size in ((raw.bid, raw.bid_size), (raw.ask, raw.ask_size)):
        for kind, mask in _side(price, size, contract).items():
            out[kind] = out.get(kind, np.zeros(len(raw), bool)) | mask
    out["price not a number"] |= np.isinf(raw.last)
    out["price not positive"] |= raw.last < 0
    shown = np.isfinite(raw.last) & (raw.last > 0)
    beyond = shown & (raw.last / contract.tick_size >= _INT32)
    out["price out of range"] |= beyond
    out["price off the tick"] |= shown & ~beyond & contract.off_tick(raw.last)
    traded = np.maximum.accumulate(shown) if len(shown) else shown
    out["no last price"] = traded & (np.isnan(raw.last) | (raw.last == 0))
    bid, ask, both = raw.bid[:, 0], raw.ask[:, 0], (raw.bid_size[:, 0] > 0) & (raw.ask_size[:, 0] > 0)
    out["crossed"], out["locked"] = both & (bid > ask), both & (bid == ask)
    out["levels out of order"] = _unordered(raw.bid, raw.bid_size, -1) | _unordered(raw.ask, raw.ask_size, 1)
    half = contract.tick_size / 2
    if raw.upper is not None and raw.lower is not None:
        limited = (raw.upper > 0) & (raw.lower > 0) & (raw.upper < _EMPTY) & (raw.lower < _EMPTY)
        over = (raw.bid_size[:, 0] > 0) & (bid > raw.upper + half)
        out["beyond the price limit"] = limited & (over | ((raw.ask_size[:, 0] > 0) & (ask < raw.lower - half)))
    if raw.volume is not None:
        with np.errstate(invalid="ignore"):
            out["volume not a number"] = ~np.isfinite(raw.volume) | (np.rint(raw.volume) != raw.volume)
        out["negative volume"], out["volume out of range"] = (
            raw.volume < 0,
            np.isfinite(raw.volume) & (raw.volume > _EXACT),
        )
    return out


def _side(price: Floats, size: Floats, contract: Contract) -> dict[str, Mask]:
    """Faults of the levels of one side, (n, levels) -> (n,) masks. A level with size 0 and no price is not there."""
    there = size > 0
    written = np.isfinite(price) & (price != 0) & (np.abs(price) < _EMPTY)
    with np.errstate(invalid="ignore", over="ignore"):
        far = there & np.isfinite(price) & (np.abs(price / contract.tick_size) >= _INT32)
        off = there & written & ~far & contract.off_tick(price)
        parts = np.isfinite(size) & (np.rint(size) != size)
    masks = {
        "price not a number": (there & ~np.isfinite(price)) | np.isinf(price),
        "price not positive": (there & (price <= 0)) | (price < 0),
        "price out of range": far,
        "price off the tick": off & (price > 0),
        "size not a number": np.isinf(size) | (np.isnan(size) & written),
        "size not positive": size < 0,
        "size zero with a price": (size == 0) & written & (price > 0),
        "size not whole": parts,
        "size out of range": np.isfinite(size) & (size > _INT32),
    }
    return {kind: _some(mask) for kind, mask in masks.items()}


def _unordered(price: Floats, size: Floats, away: int) -> Mask:
    """(n,) rows whose levels do not get worse one after the other (`away` +1 up, -1 down), or leave one out."""
    there = size > 0
    worse = (price[:, 1:] - price[:, :-1]) * away > 0
    return _some(there[:, 1:] & ~(there[:, :-1] & worse))


def _some(mask: Mask) -> Mask:
    """(n, k) -> (n,) rows where any is true; column by column: numpy's own takes ten times as long on short rows."""
    found = np.zeros(len(mask), bool)
    for column in mask.T:
        found |= column
    return found


def shrinking(values: Floats) -> Mask:
    """(n,) the fewest entries that must go so that the rest never falls; of two as good, the later one goes."""
    bad = np.zeros(len(values), bool)
    if len(values) < 2 or not (np.diff(values) < 0).any():
        return bad
    from bisect import bisect_right

    tails: list[float] = []  # largest first value, negated, of a rising run of each length
    ends: list[int] = []  # and its place
    before = np.full(len(values), -1)
    for i in range(len(values) - 1, -1, -1):  # from the end, so that the earlier of two is kept
        value = -float(values[i])
        k = bisect_right(tails, value)
        before[i] = ends[k - 1] if k else -1
        tails[k : k + 1] = [value]
        ends[k : k + 1] = [i]
    bad[:] = True
    place = ends[-1]
    while place >= 0:
        bad[place] = False
        place = int(before[place])
    return bad
