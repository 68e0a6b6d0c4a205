"""What must hold of every replay (docs/replay.md), on days made by hand or at random."""

from dataclasses import replace
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
    crowd_book,
    once,
    play,
    random_recording,
    recording,
    seat,
    shot,
)
from runs import CANCEL_MODELS, IMPACTS, end_of, quoter, random_feed, run, without_ids

from lobarena.data.contracts import Fee
from lobarena.data.schema import (
    ASK,
    AUCTION,
    BID,
    EVENT,
    MARK,
    SETTLEMENT,
)
from lobarena.sim.feed import Feed, snapshot_feed
from lobarena.sim.market import Latency, Market, Rules, Seat
from lobarena.sim.types import NONE, SMALL

EDGE_LOW, EDGE_HIGH = LOWER - 64, LOWER - 64 + SMALL[0] - 1


def shown_after_each_event(feed: Feed) -> Feed:
    """The same day with a publication after every event, so that a seat without latency looks at each."""
    shows = np.zeros(len(feed.events), EVENT)
    shows["time"], shows["kind"], shows["ref"] = feed.events["time"], MARK, NONE
    return replace(feed, events=np.stack([feed.events, shows], axis=1).reshape(-1))


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
    assert without_ids(alone.fills) == without_ids(watched.fills)
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
