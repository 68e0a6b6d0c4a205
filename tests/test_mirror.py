"""Bid and ask are mirror images: a mirrored record with mirrored seats gives mirrored fills."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from days import (
    LOWER,
    UPPER,
    Script,
    random_recording,
    recording,
    seat,
    shot,
)
from runs import CANCEL_MODELS, IMPACTS, quoter, random_feed, run, without_ids

from lobarena.data.schema import (
    BID,
    CANCEL,
    LIMIT,
    MARK,
    PHASE,
    TAKE,
)
from lobarena.sim.feed import snapshot_feed
from lobarena.sim.market import Latency


def mirrored(events: np.ndarray, about: int) -> np.ndarray:
    """The same events with every price p -> about - p and the sides swapped."""
    seen = events.copy()
    priced = np.isin(events["kind"], (LIMIT, TAKE, CANCEL))
    seen["price"][priced] = about - events["price"][priced]
    sided = events["kind"] != PHASE
    seen["side"][sided] = 1 - events["side"][sided]
    return seen


def mirrored_shots(shots: np.ndarray, about: int) -> np.ndarray:
    seen = shots.copy()
    for one, other in (("bid", "ask"), ("ask", "bid")):
        there = shots[f"{other}_size"] > 0
        seen[one] = np.where(there, about - shots[other], 0)
        seen[f"{one}_size"] = shots[f"{other}_size"]
    seen["last"] = np.where(shots["last"] > 0, about - shots["last"], 0)
    known = shots["turnover"] >= 0
    seen["turnover"] = np.where(known, about * shots["volume"] - shots["turnover"], shots["turnover"])
    seen["lower"], seen["upper"] = about - shots["upper"], about - shots["lower"]
    return seen


def mirror_script(script: Script, about: int) -> Script:
    """What `script` would do in the mirror."""

    def decide(seen: Any) -> dict[str, Any] | None:
        seen = seen.copy()
        for one, other in (("bid", "ask"), ("own_bid", "own_ask")):
            sizes = seen[f"{one}_size"].copy(), seen[f"{other}_size"].copy()
            prices = seen[one].copy(), seen[other].copy()
            seen[one] = np.where(sizes[1] > 0, about - prices[1], 0)
            seen[other] = np.where(sizes[0] > 0, about - prices[0], 0)
            seen[f"{one}_size"], seen[f"{other}_size"] = sizes[1], sizes[0]
        decision = script(seen)
        if decision is None:
            return None
        return {
            "bids": [(about - price, size) for price, size in decision["asks"]],
            "asks": [(about - price, size) for price, size in decision["bids"]],
            "take": -decision["take"],
        }

    return decide


def _one_sided(script: Script, side: str) -> Script:
    """Quotes of one side alone: which side's order of one decision arrives first is a convention, not a symmetry."""

    def decide(seen: Any) -> dict[str, Any] | None:
        decision = script(seen)
        return decision and {"bids": [], "asks": [], "take": 0, side: decision[side]}

    return decide


def _mirror_fills(fills: np.ndarray, about: int) -> list[tuple[int, ...]]:
    found = without_ids(fills)
    names = [name for name in fills.dtype.names or () if name not in ("maker", "taker")]
    price, mid2, side = names.index("price"), names.index("mid2"), names.index("side")
    turned = []
    for row in found:
        values = list(row)
        values[price], values[mid2], values[side] = about - row[price], 2 * about - row[mid2], 1 - row[side]
        turned.append(tuple(values))
    return turned


@pytest.mark.kernels
@pytest.mark.parametrize("impact", IMPACTS)
@pytest.mark.parametrize("model", CANCEL_MODELS)
def test_mirrored_events_with_mirrored_seats_give_mirrored_fills(model: str, impact: str) -> None:
    about = LOWER + UPPER
    feed = random_feed(11)
    turned = replace(feed, events=mirrored(feed.events, about), snapshots=mirrored_shots(feed.snapshots, about))
    seats = [seat(), seat(latency=Latency(1_000_000, 2_000_000, 3_000_000))]
    scripts = [_one_sided(quoter(1), "bids"), _one_sided(quoter(2), "asks")]
    inner = [_one_sided(quoter(1), "bids"), _one_sided(quoter(2), "asks")]
    plain = run(feed, seats, scripts, cancel_model=model, impact=impact)
    mirror = run(turned, seats, [mirror_script(one, about) for one in inner], cancel_model=model, impact=impact)
    assert len(plain.fills) > 5
    assert _mirror_fills(plain.fills, about) == without_ids(mirror.fills)


@pytest.mark.kernels
@pytest.mark.parametrize("turnover", [True, False])
@pytest.mark.parametrize("depth", [1, 5])
def test_a_mirrored_record_has_mirrored_trades_where_the_quotes_moved(depth: int, turnover: bool) -> None:
    about = LOWER + UPPER
    compared = 0
    for day in range(5):
        rows = random_recording(day, 60, turnover, depth)
        turned = replace(rows, snapshots=mirrored_shots(rows.snapshots, about))
        plain, mirror = (
            _trades_of(mirrored(snapshot_feed(rows).events, about)),
            _trades_of(snapshot_feed(turned).events),
        )
        middle = rows.snapshots["bid"][:, 0] + rows.snapshots["ask"][:, 0]
        for k in np.flatnonzero(np.diff(middle)) + 1:
            assert plain[k] == mirror[k], f"day {day}, snapshot {k}"
            compared += len(plain[k]) > 0
    assert compared > 50


@pytest.mark.kernels
def test_a_trade_in_the_middle_of_quotes_that_stay_has_no_preferred_side() -> None:
    shots = [shot(500 * (k + 1), {999: 10}, {1_001: 10}, k, 1_000 * k, 1_000) for k in range(200)]
    events = snapshot_feed(recording(shots)).events
    buys = int((events["side"][events["kind"] == TAKE] == BID).sum())
    assert 60 < buys < 140, f"{buys} of 199 trades at the mid are buys"


@pytest.mark.kernels
def test_buys_and_sells_of_quotes_that_stay_have_no_preferred_order() -> None:
    shots = [shot(500 * (k + 1), {999: 10}, {1_001: 10}, 2 * k, 2_000 * k, 1_001 - 2 * (k % 2)) for k in range(200)]
    first = [one[0][0] for one in _trades_of(snapshot_feed(recording(shots)).events) if len(one) == 2]
    assert len(first) > 150
    assert 0.3 < first.count(BID) / len(first) < 0.7, f"{first.count(BID)} of {len(first)} intervals begin with a buy"


def _trades_of(events: np.ndarray) -> list[list[tuple[int, int, int]]]:
    """Of each interval, the crowd's aggressors in their order: (side, price, lots)."""
    found: list[list[tuple[int, int, int]]] = [[]]
    for row in events:
        if row["kind"] == TAKE:
            found[-1].append((int(row["side"]), int(row["price"]), int(row["size"])))
        elif row["kind"] == MARK:
            found.append([])
    return found
