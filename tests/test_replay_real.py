"""What must hold of every replay (docs/replay.md), on recorded days."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from days import Script, account, crowd_book, once

from lobarena.data.contracts import Fee
from lobarena.data.importers import read
from lobarena.data.recording import Recording
from lobarena.data.schema import ASK, BID, TRADING
from lobarena.sim.feed import Feed, snapshot_feed
from lobarena.sim.market import Latency, Market, Rules, Seat

pytestmark = pytest.mark.realdata

MINUTE = 60 * 10**9
DAYS = {
    "IF 2021-01-04": "cffex_if_2021/CFFEX.IF.HOT_tick_20210104.csv.gz",
    "IF 2021-01-05": "cffex_if_2021/CFFEX.IF.HOT_tick_20210105.csv.gz",
    "IF 2021-01-06": "cffex_if_2021/CFFEX.IF.HOT_tick_20210106.csv.gz",
    "rb1805": "shfe_2017/rb1805_20171113.csv.gz",
    "cu1712": "shfe_2017/cu1712_20171113.csv.gz",
    "ag1806": "shfe_2017/ag1806_20171113.csv.gz",
    "ni1805": "shfe_2017/ni1805_20171113.csv.gz",
    "zn1801": "shfe_2017/zn1801_20171113.csv.gz",
    "i1801": "shfe_2017/i1801_20171113.csv.gz",
    "ru1801": "shfe_2017/ru1801_20171113.csv.gz",
    "T1803": "shfe_2017/T1803_20171113.csv.gz",
    "RM705": "czce_2017/RM705-2017-03-20.csv.gz",
    "RB1901": "shfe_2018/SHFE_F_RB_1901_2018-08-29.csv.gz",
    "NI1811": "shfe_2018/SHFE_F_NI_1811_2018-08-29.csv.gz",
    "CF809": "shfe_2018/ZCE_F_CF_809_2018-08-20.csv.gz",
    "cu1909": "shfe_cu1909_2019/SHFE_cu1909_2019-09-16_2019-09-16_ticks5.csv",
}


@lru_cache(maxsize=2)
def recordings(path: Path) -> list[Recording]:
    return read(path, split=True)


@pytest.fixture
def days_of(shared_data: Path) -> Callable[[str], list[Recording]]:
    """The recordings of a file of DAYS."""

    def load(name: str) -> list[Recording]:
        path = shared_data / "futures" / DAYS[name]
        assert path.is_file(), f"{path} is missing from the folder of real recordings"
        return recordings(path)

    return load


def busiest(days: list[Recording]) -> Feed:
    return snapshot_feed(max(days, key=lambda day: len(day.snapshots)))


def without_ids(fills: np.ndarray) -> list[tuple[int, ...]]:
    names = [name for name in fills.dtype.names or () if name not in ("maker", "taker")]
    return [tuple(row) for row in fills[names].tolist()]


def joining(lots: int = 1, most: int = 10) -> Script:
    """Joins both best prices while the position allows: a passive market maker."""

    def decide(seen: Any) -> dict[str, Any]:
        if seen["bid_size"][0] == 0 or seen["ask_size"][0] == 0:
            return {}
        position = int(seen["position"])
        return {
            "bids": [(int(seen["bid"][0]), lots)] if position < most else [],
            "asks": [(int(seen["ask"][0]), lots)] if position > -most else [],
        }

    return decide


def play(
    feed: Feed, seats: list[Seat], scripts: list[Script], opens: int, minutes: float, seed: int = 0, **rules: Any
) -> Market:
    market = Market(feed, Rules(**rules))
    market.start(seats, opens, opens + int(minutes * MINUTE), seed)
    while (number := market.run()) > 0:
        decision = scripts[number - 1](market.observation(number))
        market.decide(number, **({"keep": True} if decision is None else decision))
    return market


def middle_of(feed: Feed) -> int:
    """ns UTC, a quarter into the longest session with rows."""
    times = feed.snapshots["time"][feed.snapshots["kind"] == TRADING]
    rows = [((times >= start) & (times < end)).sum() for start, end in feed.sessions]
    start, end = feed.sessions[int(np.argmax(rows))]
    inside = times[(times >= start) & (times < end)]
    return int(inside[len(inside) // 4])


@pytest.mark.parametrize("name", DAYS)
def test_without_seats_every_snapshot_is_met(days_of: Callable[[str], list[Recording]], name: str) -> None:
    for day in days_of(name):
        feed = snapshot_feed(day)
        market = Market(feed)
        assert market.run() == 0
        v = market.venue[0]
        assert int(v["shots"]) == len(feed.snapshots)
        assert int(v["met"]) == int(v["shots"]), f"{day.symbol} {day.trading_day}: first missed row {v['first_missed']}"
        assert (int(v["moved"]), int(v["unfilled"])) == (0, 0)
        last = feed.snapshots[-1]
        assert int(v["volume"]) == int(last["volume"])
        assert last["turnover"] < 0 or int(v["turnover"]) == int(last["turnover"])


@pytest.mark.parametrize("name", ["IF 2021-01-04", "RB1901", "rb1805"])
@pytest.mark.parametrize("impact", ["restore", "decay", "keep"])
def test_a_far_seat_changes_nothing(days_of: Callable[[str], list[Recording]], name: str, impact: str) -> None:
    feed = busiest(days_of(name))
    opens = middle_of(feed)
    near = Seat(latency=Latency(spread=0.5))
    alone = play(feed, [near], [joining()], opens, 5, impact=impact)
    far = once(bids=[(feed.lower, 3)], asks=[(feed.upper, 3)])
    watched = play(feed, [near, near], [joining(), far], opens, 5, impact=impact)
    assert len(alone.fills) > 3
    assert without_ids(alone.fills) == without_ids(watched.fills)
    assert alone.marks.tolist() == watched.marks.tolist()
    assert alone.curve.tolist() == watched.curve[watched.curve["seat"] == 1].tolist()
    for side in (BID, ASK):
        assert crowd_book(alone, side) == crowd_book(watched, side)


@pytest.mark.parametrize("name", ["IF 2021-01-04", "RB1901", "rb1805"])
def test_nothing_is_created_or_lost_at_any_look(days_of: Callable[[str], list[Recording]], name: str) -> None:
    feed = busiest(days_of(name))
    looks = 0
    market = Market(feed)
    market.start([Seat()] * 4, middle_of(feed), middle_of(feed) + 10 * MINUTE, 3)
    scripts = [joining(2), joining(5, 20), joining(1), joining(3)]
    while (number := market.run()) > 0:
        v = market.venue[0]
        assert int(v["seat"]["cash"].sum()) + int(v["crowd_cash"]) == 0
        assert int(v["seat"]["position"].sum()) + int(v["crowd_position"]) == 0
        assert market.book[0]["best"][BID] < market.book[0]["best"][ASK]
        market.decide(number, **(scripts[number - 1](market.observation(number)) or {"keep": True}))
        looks += 1
    assert looks > 1_000
    assert len(market.fills) > 20
    assert [int(account(market, number)["position"]) for number in range(1, 5)] == [0] * 4
    assert int(market.venue[0]["crowd_position"]) == 0


def test_changing_the_future_changes_nothing_before_it(days_of: Callable[[str], list[Recording]]) -> None:
    day = days_of("IF 2021-01-04")[0]
    rows = day.snapshots
    opens = middle_of(snapshot_feed(day))
    cut = int(np.searchsorted(rows["time"], opens + 3 * MINUTE))
    shuffled = rows.copy()
    later = shuffled[cut:]
    for name in ("bid", "ask", "bid_size", "ask_size"):
        later[name] = np.roll(later[name], 7, axis=0)
    later["volume"] += 500
    later["turnover"] += 500 * int(rows["last"][cut])
    until, logs, fills = int(rows["time"][cut - 1]), [], []
    for which in (rows, shuffled):
        log: list[Any] = []

        def spy(seen: Any, log: list[Any] = log, inner: Script = joining()) -> Any:  # noqa: B008 - one a day
            if seen["time"] < until:
                log.append(str(seen.tolist()))
            return inner(seen)

        market = play(snapshot_feed(replace(day, snapshots=which)), [Seat()], [spy], opens, 5)
        logs.append(log)
        fills.append(market.fills[market.fills["time"] < until].tolist())
    assert len(logs[0]) > 200
    assert logs[0] == logs[1]
    assert fills[0] == fills[1] != []


def test_cancel_models_bound_how_often_a_passive_seat_is_reached(days_of: Callable[[str], list[Recording]]) -> None:
    feed = busiest(days_of("RB1901"))
    lots = {}
    for model in ("back", "pro rata", "front"):
        market = play(feed, [Seat()], [joining(1, 50)], middle_of(feed), 20, cancel_model=model)
        made = market.fills["maker_owner"] == 1
        lots[model] = int(market.fills["size"][made].sum())
    assert 0 < lots["back"] <= lots["pro rata"] <= lots["front"]


def test_more_latency_never_helps_a_passive_seat_on_average(days_of: Callable[[str], list[Recording]]) -> None:
    gains = []
    for name in ("IF 2021-01-04", "RB1901", "rb1805"):
        feed = busiest(days_of(name))
        free = replace(feed, contract=replace(feed.contract, fees=Fee("lot", 0.0, 0.0, 0.0)))
        for piece in range(6):
            opens = middle_of(feed) + piece * 5 * MINUTE
            wealth = []
            for delay in (1_000_000, 400_000_000):
                market = play(free, [Seat(latency=Latency(delay, delay, delay))], [joining()], opens, 5)
                wealth.append(market.wealth(1) / feed.contract.tick_value)
            gains.append(wealth)
    more = np.diff(np.array(gains), axis=1)[:, 0]
    assert more.mean() < 2 * more.std(ddof=1) / np.sqrt(len(more)), np.mean(gains, axis=0)


def test_more_fees_never_help(days_of: Callable[[str], list[Recording]]) -> None:
    feed = busiest(days_of("IF 2021-01-05"))
    wealth = []
    for factor in (0.0, 1.0, 3.0):
        fees = feed.contract.fees
        dear = Fee(fees.by, fees.open * factor, fees.close * factor, fees.close_today * factor)
        market = play(
            replace(feed, contract=replace(feed.contract, fees=dear)), [Seat()], [joining()], middle_of(feed), 10
        )
        wealth.append(market.wealth(1))
    assert wealth[0] > wealth[1] > wealth[2]
