"""What must hold of every replay (docs/replay.md), on days made by hand or at random."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from books import check_queue, levels_of
from days import (
    CONTRACT,
    LOWER,
    UPPER,
    Script,
    account,
    at,
    crowd_book,
    once,
    play,
    random_recording,
    recording,
    seat,
    shot,
)

from lobarena.data.contracts import Fee
from lobarena.data.schema import (
    ASK,
    AUCTION,
    BID,
    CANCEL,
    EVENT,
    LIMIT,
    MARK,
    PHASE,
    SETTLEMENT,
    TAKE,
)
from lobarena.sim.feed import Feed, snapshot_feed
from lobarena.sim.market import Latency, Market, Rules, Seat
from lobarena.sim.types import NONE, SMALL

CANCEL_MODELS = ("back", "pro rata", "power", "front")
IMPACTS = ("restore", "decay", "keep")
EDGE_LOW, EDGE_HIGH = LOWER - 64, LOWER - 64 + SMALL[0] - 1


def quoter(seed: int) -> Script:
    """Quotes at random about the touch, sometimes takes, sometimes leaves all as it is."""
    rng = np.random.default_rng(seed)

    def decide(seen: Any) -> dict[str, Any] | None:
        if rng.random() < 0.5 or seen["bid_size"][0] == 0 or seen["ask_size"][0] == 0:
            return None
        middle = (int(seen["bid"][0]) + int(seen["ask"][0])) // 2
        bid, ask = middle - int(rng.integers(0, 4)), middle + 1 + int(rng.integers(0, 4))
        return {
            "bids": [(bid - k, int(rng.integers(1, 6))) for k in range(rng.integers(0, 3))],
            "asks": [(ask + k, int(rng.integers(1, 6))) for k in range(rng.integers(0, 3))],
            "take": int(rng.integers(-3, 4)) if rng.random() < 0.2 else 0,
        }

    return decide


def random_feed(seed: int, rows: int = 40) -> Feed:
    return snapshot_feed(random_recording(seed, rows))


def shown_after_each_event(feed: Feed) -> Feed:
    """The same day with a publication after every event, so that a seat without latency looks at each."""
    shows = np.zeros(len(feed.events), EVENT)
    shows["time"], shows["kind"], shows["ref"] = feed.events["time"], MARK, NONE
    return replace(feed, events=np.stack([feed.events, shows], axis=1).reshape(-1))


def end_of(feed: Feed) -> float:
    """Milliseconds after the open, just behind the last snapshot."""
    return (int(feed.snapshots["time"][-1]) - at(0)) / 1e6 + 1


def run(feed: Feed, seats: Iterable[Seat], scripts: Iterable[Script], **rules: Any) -> Market:
    return play(Market(feed, Rules(**rules)), list(seats), list(scripts), end_of(feed))


def digest(market: Market) -> str:
    records = (market.fills, market.curve, market.marks)  # field by field: bytes between fields mean nothing
    parts = [rows[name].tobytes() for rows in records for name in rows.dtype.names or ()]
    return hashlib.sha256(b"".join([*parts, market.fees.tobytes(), market.after.tobytes()])).hexdigest()


# Without seats the record comes out as it went in.


@pytest.mark.kernels
@pytest.mark.parametrize("turnover", [True, False])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_without_seats_every_snapshot_is_met(depth: int, turnover: bool) -> None:
    for day in range(3):
        market = Market(snapshot_feed(random_recording(day, 60, turnover, depth)))
        assert market.run() == 0
        v = market.venue[0]
        assert (int(v["shots"]), int(v["met"]), int(v["first_missed"])) == (60, 60, 0)
        assert (int(v["moved"]), int(v["unfilled"]), int(v["fills"])) == (0, 0, 0)
        last = market.feed.snapshots[-1]
        assert v["volume"] == last["volume"]
        assert not turnover or v["turnover"] == last["turnover"]


@pytest.mark.kernels
def test_a_lying_record_is_noticed() -> None:
    feed = random_feed(0)
    feed.snapshots["bid_size"][20, 0] += 1
    market = Market(feed)
    market.run()
    # the lie is met, and then the next row's events start from it
    assert (int(market.venue[0]["met"]), int(market.venue[0]["first_missed"])) == (38, 21)


@pytest.mark.kernels
def test_an_auction_row_and_a_settlement_row_are_met() -> None:
    shots = [
        shot(-60_000, {999: 5}, {1_001: 6}, 40, 40_000, 1_000, kind=AUCTION),
        shot(500, {999: 7}, {1_001: 6}, 42, 41_998, 999),
        shot(6 * 3_600_000 + 60_000 * 40, {999: 7}, {1_001: 6}, 42, 41_998, 999, kind=SETTLEMENT),
    ]
    market = Market(snapshot_feed(recording(shots)))
    market.run()
    v = market.venue[0]
    assert (int(v["shots"]), int(v["met"]), int(v["volume"]), int(v["turnover"])) == (3, 3, 42, 41_998)


@pytest.mark.kernels
def test_a_side_that_empties_at_a_price_limit_is_met() -> None:
    shots = [
        shot(500, {1_098: 5}, {1_099: 6}, 0, 0, 1_098),
        shot(1_000, {1_100: 900}, {}, 6, 6_594, 1_099),
        shot(1_500, {1_100: 950}, {}, 6, 6_594, 1_099),
        shot(2_000, {1_099: 3}, {1_100: 4}, 956, 6_594 + 950 * 1_100, 1_100),
    ]
    market = Market(snapshot_feed(recording(shots)))
    market.run()
    assert (int(market.venue[0]["met"]), int(market.venue[0]["moved"])) == (4, 0)


# A far-away seat changes nothing.


@pytest.mark.kernels
@pytest.mark.parametrize("impact", IMPACTS)
def test_a_far_seat_that_never_trades_changes_nothing(impact: str) -> None:
    feed = random_feed(5)
    alone = run(feed, [seat()], [quoter(1)], impact=impact)
    watched = run(feed, [seat(), seat()], [quoter(1), once(bids=[(LOWER, 3)], asks=[(UPPER, 3)])], impact=impact)
    assert len(alone.fills) > 5
    assert _without_ids(alone.fills) == _without_ids(watched.fills)
    assert alone.marks.tolist() == watched.marks.tolist()
    assert alone.curve.tolist() == watched.curve[watched.curve["seat"] == 1].tolist()
    for side in (BID, ASK):
        assert crowd_book(alone, side) == crowd_book(watched, side)


@pytest.mark.kernels
def test_a_far_seat_leaves_the_record_met() -> None:
    feed = random_feed(6)
    market = run(feed, [seat()], [once(bids=[(LOWER, 3)], asks=[(UPPER, 3)])])
    v = market.venue[0]
    assert (int(v["met"]), int(v["moved"]), len(market.fills)) == (40, 0, 0)
    alone = Market(feed)
    alone.run()
    for side in (BID, ASK):
        assert crowd_book(alone, side) == crowd_book(market, side)


def _without_ids(fills: np.ndarray) -> list[tuple[int, ...]]:
    """Order numbers count everybody's orders, so a further seat may change them; nothing else."""
    names = [name for name in fills.dtype.names or () if name not in ("maker", "taker")]
    return [tuple(int(fill[name]) for name in names) for fill in fills]


# Conservation, order of the queues, no crossed book: at every event.


class Witness:
    """Watches a market at every look of a seat."""

    def __init__(self, market: Market, inner: Script):
        self.market, self.inner = market, inner
        self.ahead: dict[tuple[int, int], int] = {}
        self.places: dict[int, list[int]] = {}
        self.looks = 0

    def __call__(self, seen: Any) -> dict[str, Any] | None:
        self.looks += 1
        self.conserved()
        self.book_in_order()
        self.queue_ahead_never_grows()
        return self.inner(seen)

    def conserved(self) -> None:
        v = self.market.venue[0]
        assert int(v["seat"]["cash"].sum()) + int(v["crowd_cash"]) == 0
        assert int(v["seat"]["position"].sum()) + int(v["crowd_position"]) == 0

    def book_in_order(self) -> None:
        record, levels = self.market.book[0], levels_of(self.market.book)
        assert record["best"][BID] < record["best"][ASK]
        occupied = np.flatnonzero(record["level"]["head"] != NONE)
        bids, asks = occupied[occupied < levels], occupied[occupied >= levels] - levels
        assert record["best"][BID] == (bids[-1] if len(bids) else -1)
        assert record["best"][ASK] == (asks[0] if len(asks) else levels)
        places: dict[int, list[int]] = {}
        for index in occupied.tolist():
            slots = check_queue(record, index, levels)
            assert (np.diff(record["orders"]["time"][slots]) >= 0).all()
            places[index] = [int(record["orders"]["use"][slot]) * SMALL[1] + slot for slot in slots]
            stayed = [one for one in self.places.get(index, []) if one in places[index]]
            assert places[index][: len(stayed)] == stayed, "an order overtook another in its queue"
        self.places = places

    def queue_ahead_never_grows(self) -> None:
        record, v = self.market.book[0], self.market.venue[0]
        found = {}
        for number in range(1, int(v["seats"]) + 1):
            for work in v["seat"][number]["work"]:
                if work["id"] != NONE:
                    slot = int(work["id"]) % SMALL[1]
                    lots, before = 0, int(record["orders"]["prev"][slot])
                    while before != NONE:
                        lots, before = (
                            lots + int(record["orders"]["qty"][before]),
                            int(record["orders"]["prev"][before]),
                        )
                    key = (number, int(work["id"]))
                    assert lots <= self.ahead.get(key, int(record["orders"]["ahead"][slot]))
                    found[key] = lots
        self.ahead = found


@pytest.mark.kernels
@pytest.mark.parametrize("impact", IMPACTS)
@pytest.mark.parametrize("model", CANCEL_MODELS)
def test_nothing_is_lost_and_queues_keep_their_order_at_every_event(model: str, impact: str) -> None:
    feed = shown_after_each_event(random_feed(CANCEL_MODELS.index(model), 15))
    market = Market(feed, Rules(cancel_model=model, impact=impact))
    seats = [seat(position_limit=30), seat(latency=Latency(3_000_000, 7_000_000, 2_000_000)), seat()]
    watch = Witness(market, quoter(7))
    play(market, seats, [watch, quoter(8), quoter(9)], end_of(feed))
    watch.conserved()
    assert watch.looks > 100
    assert len(market.fills) > 10


@pytest.mark.kernels
def test_fees_are_the_sum_of_the_fills_and_cash_their_turnover() -> None:
    market = run(random_feed(3), [seat(), seat()], [quoter(1), quoter(2)])
    for number in (1, 2):
        fills = market.fills
        signs = np.where(fills["side"] == BID, 1, -1)
        sign = signs * (fills["taker_owner"] == number) - signs * (fills["maker_owner"] == number)
        cash = -(sign * fills["price"].astype(np.int64) * fills["size"]).sum()
        paid = (market.fees * (np.stack([fills["maker_owner"], fills["taker_owner"]], 1) == number)).sum()
        assert int(account(market, number)["cash"]) == cash
        assert float(account(market, number)["fees"]) == pytest.approx(paid)
        assert market.wealth(number) == pytest.approx(int(cash) * 10 - paid)


# Bid and ask are mirror images.


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
    found = _without_ids(fills)
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
    assert _mirror_fills(plain.fills, about) == _without_ids(mirror.fills)


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


# Nobody sees the future.


@pytest.mark.kernels
def test_changing_the_future_changes_nothing_before_it() -> None:
    rows = random_recording(21, 40)
    other = random_recording(22, 40).snapshots[25:].copy()
    other["volume"] += 10_000
    other["turnover"] += 10_000_000
    other["row"] = rows.snapshots["row"][25:]
    changed = replace(rows, snapshots=np.concatenate([rows.snapshots[:25], other]))
    until = int(rows.snapshots["time"][24])
    seen: list[list[str]] = [[], []]
    fills = []
    for which, day in enumerate((rows, changed)):

        def spy(inner: Script, log: list[str]) -> Script:
            def decide(look: Any) -> dict[str, Any] | None:
                if look["time"] < until:
                    log.append(str(look.tolist()))
                return inner(look)

            return decide

        market = run(snapshot_feed(day), [seat(), seat()], [spy(quoter(1), seen[which]), spy(quoter(2), seen[which])])
        fills.append(market.fills[market.fills["time"] < until].tolist())
    assert len(seen[0]) > 40
    assert seen[0] == seen[1]
    assert len(fills[0]) > 0
    assert fills[0] == fills[1]


@pytest.mark.kernels
def test_price_limits_seen_today_do_not_tell_of_later_prices() -> None:
    """Without recorded limits they come from the contract: what the day will reach must not widen them."""
    seen = []
    for high in (1_010, 1_300):
        shots = [shot(500, {999: 5}, {1_001: 5}, 0, 0, 1_000), shot(1_000, {high - 2: 5}, {high: 5}, 0, 0, 1_000)]
        day = recording(shots)
        day.snapshots["upper"] = day.snapshots["lower"] = 0
        looks: list[tuple[int, int]] = []

        def spy(look: Any, log: list[tuple[int, int]] = looks) -> None:
            log.append((int(look["lower"]), int(look["upper"])))

        play(Market(snapshot_feed(day)), [seat()], [spy], 900)
        seen.append(looks)
    assert seen[0] == seen[1] != []


# Latency and fees.


def _passive(seen: Any) -> dict[str, Any] | None:
    """Joins both best prices, a passive market maker."""
    if seen["bid_size"][0] == 0 or seen["ask_size"][0] == 0:
        return {"bids": [], "asks": []}
    room_up, room_down = 20 - int(seen["position"]), 20 + int(seen["position"])
    return {
        "bids": [(int(seen["bid"][0]), 2)] if room_up > 2 else [],
        "asks": [(int(seen["ask"][0]), 2)] if room_down > 2 else [],
    }


def walk(seed: int, rows: int = 400) -> Feed:
    """A martingale one tick a move, two ticks wide; most trades hit the quotes that it moves to."""
    rng = np.random.default_rng(seed)
    bid, volume, value, shots = 1_000, 0, 0, []
    for k in range(rows):
        move = int(rng.choice((-1, 0, 0, 0, 1)))
        buys, sells = (int(lots) for lots in rng.integers(0, 6, 2))
        buys, sells = (buys + 15 if move > 0 else buys), (sells + 15 if move < 0 else sells)
        if k:
            volume, value = volume + buys + sells, value + buys * (bid + 2) + sells * bid
        last = bid + 2 if move > 0 or (move == 0 and rng.random() < 0.5) else bid
        bid = min(max(bid + move, LOWER + 10), UPPER - 12)
        bids = {bid - level: int(rng.integers(10, 20)) for level in range(5)}
        asks = {bid + 2 + level: int(rng.integers(10, 20)) for level in range(5)}
        shots.append(shot(500 * (k + 1), bids, asks, volume, value, last))
    return snapshot_feed(recording(shots))


def test_more_latency_never_helps_a_passive_seat_on_average() -> None:
    free = replace(CONTRACT, fees=Fee("lot", 0.0, 0.0, 0.0))
    gains = np.zeros((40, 3))
    for day in range(len(gains)):
        feed = replace(walk(day), contract=free)
        for column, delay in enumerate((0, 50_000_000, 400_000_000)):
            market = run(feed, [Seat(latency=Latency(delay, delay, delay))], [_passive])
            gains[day, column] = market.wealth(1)
    for slow in (1, 2):
        more = gains[:, slow] - gains[:, slow - 1]
        assert more.mean() < 2 * more.std(ddof=1) / np.sqrt(len(more)), gains.mean(axis=0)


@pytest.mark.kernels
def test_more_fees_never_help_anyone() -> None:
    feed = random_feed(4)
    wealth = []
    for fee in (0.0, 1.0, 5.0):
        dear = replace(feed, contract=replace(CONTRACT, fees=Fee("lot", fee, fee, fee)))
        market = run(dear, [seat(), seat()], [quoter(1), quoter(2)])
        wealth.append([market.wealth(1), market.wealth(2)])
    assert len(market.fills) > 5
    assert (np.diff(wealth, axis=0) < 0).all()


# The same run gives the same bytes.


def digest_of_a_day(times: int = 1) -> str:
    """Of the last of several episodes on one Market."""
    feed = random_feed(31, 30)
    market = Market(feed)
    for _ in range(times):
        seats = [seat(latency=Latency(spread=0.3)), seat(), seat()]
        play(market, seats, [quoter(1), quoter(2), quoter(3)], end_of(feed))
    assert len(market.fills) > 10
    return digest(market)


def test_a_run_repeated_gives_the_same_bytes() -> None:
    assert digest_of_a_day() == digest_of_a_day()


def test_a_market_used_again_gives_the_same_bytes() -> None:
    assert digest_of_a_day(2) == digest_of_a_day()


def test_other_processes_give_the_same_bytes() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert set(pool.map(digest_of_a_day, [1, 1])) == {digest_of_a_day()}


def test_plain_python_gives_the_same_bytes() -> None:
    code = "import test_replay; print(test_replay.digest_of_a_day())"
    plain = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert plain.stdout.strip() == digest_of_a_day()
