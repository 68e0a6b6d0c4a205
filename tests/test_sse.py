from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from sse_day import ORDERS, SHOTS, TRADES, changed, folder, packed, texts

from lobarena.data import importers, sse
from lobarena.data.contracts import plain_contract
from lobarena.data.recording import DataError, EventRecording
from lobarena.data.schema import (
    ASK,
    BID,
    BREAK,
    CALL,
    CLOSED,
    CONTINUOUS,
    DELETE,
    LIMIT,
    PHASE,
    TAKE,
    UNCROSS,
)


def clock(time: int) -> str:
    """ns UTC -> the wall clock in Shanghai."""
    return str(np.datetime64(int(time), "ns") + np.timedelta64(8, "h"))[11:21]


def test_an_order_is_sent_with_what_it_traded_and_what_it_left(tmp_path: Path) -> None:
    day = sse.read(folder(tmp_path))
    sent = {
        int(day.numbers[event["ref"]]): (
            int(event["kind"]),
            int(event["side"]),
            int(event["price"]),
            int(event["size"]),
        )
        for event in day.events[np.isin(day.events["kind"], (LIMIT, TAKE))]
    }
    assert sent[3] == (LIMIT, ASK, 1001, 200)
    assert sent[7] == (LIMIT, BID, 1001, 250)
    assert sent[8] == (TAKE, ASK, 999, 150), "an order that left nothing takes, at its worst price"
    assert sorted(sent) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]


def test_phases_and_auctions_stand_in_the_sequence(tmp_path: Path) -> None:
    day = sse.read(folder(tmp_path))
    marks = day.events[np.isin(day.events["kind"], (PHASE, UNCROSS))]
    assert [(clock(mark["time"]), int(mark["kind"]), int(mark["side"]), int(mark["price"])) for mark in marks] == [
        ("09:15:00.0", PHASE, CALL, 0),
        ("09:25:00.5", UNCROSS, BID, 1000),  # yesterday's close is the reference
        ("09:25:00.5", PHASE, BREAK, 0),
        ("09:30:00.0", PHASE, CONTINUOUS, 0),
        ("11:30:00.0", PHASE, BREAK, 0),
        ("13:00:00.0", PHASE, CONTINUOUS, 0),
        ("14:57:00.0", PHASE, CALL, 0),
        ("15:00:00.5", UNCROSS, BID, 999),  # the last trade is
        ("15:00:00.5", PHASE, CLOSED, 0),
    ]
    assert (np.diff(day.events["time"]) >= 0).all()


def test_a_trade_after_its_session_still_belongs_to_it(tmp_path: Path) -> None:
    late = [(150, "11:30:00.020", 10.03, 50, 12, 10, "B"), (151, "14:57:00.010", 10.03, 50, 13, 10, "B")]
    orders = changed(ORDERS, 148, 1, "11:29:59.000")
    day = sse.read(folder(tmp_path, texts(orders, [*TRADES, *late])))
    kinds = [(clock(event["time"])[:8], int(event["kind"])) for event in day.events]
    assert kinds.index(("11:30:00", TAKE)) < kinds.index(("11:30:00", PHASE)) < kinds.index(("13:00:00", PHASE))
    assert kinds.index(("14:57:00", TAKE)) < kinds.index(("14:57:00", PHASE))


def test_an_auction_without_a_trade_is_held_all_the_same(tmp_path: Path) -> None:
    day = sse.read(folder(tmp_path, texts(trades=[row for row in TRADES if row[-1] != "N"])))
    held = day.events[day.events["kind"] == UNCROSS]
    assert [clock(time) for time in held["time"]] == ["09:25:00.0", "15:00:00.0"]
    assert held["price"].tolist() == [1000, 999]


def test_trades_name_maker_taker_and_the_event_that_causes_them(tmp_path: Path) -> None:
    day = sse.read(folder(tmp_path))
    rows = [
        (*(int(day.numbers[trade[who]]) for who in ("maker", "taker")), int(trade["price"]), int(trade["size"]))
        for trade in day.trades
    ]
    assert rows == [
        (1, 2, 1001, 200),
        (1, 3, 1001, 100),
        (3, 7, 1001, 100),
        (6, 7, 1001, 100),
        (7, 8, 1001, 50),
        (4, 8, 999, 100),
        (10, 11, 1003, 100),
    ]
    causes = day.events[day.trades["event"]]
    assert causes["kind"].tolist() == [UNCROSS, UNCROSS, LIMIT, LIMIT, TAKE, TAKE, UNCROSS]
    assert (causes["ref"] == np.where(causes["kind"] == UNCROSS, -1, day.trades["taker"])).all()


def test_deletes_say_how_much_leaves(tmp_path: Path) -> None:
    day = sse.read(folder(tmp_path))
    assert day.deletes["size"].tolist() == [100, 400]
    events = day.events[day.deletes["event"]]
    assert events["kind"].tolist() == [DELETE, DELETE]
    assert day.numbers[events["ref"]].tolist() == [5, 4]


def test_snapshots_have_ten_levels_in_ticks(tmp_path: Path) -> None:
    shot = sse.read(folder(tmp_path)).shots[1]
    assert clock(shot["time"]) == "09:30:02.0"
    assert [int(shot[name]) for name in ("trades", "volume", "turnover", "row")] == [4, 500, 500_500, 2]
    assert shot["bid"].tolist() == [1001, 999] + [0] * 8
    assert shot["bid_size"].tolist() == [50, 500] + [0] * 8
    assert not shot["ask_size"].any()


def test_what_an_auction_would_leave_is_no_level(tmp_path: Path) -> None:
    shots = [("09:20:00.000", 0, 0, 0.0, ((10.01, 300), (0.0, 100)), ((10.01, 300),)), *SHOTS]
    shot = sse.read(folder(tmp_path, texts(shots=shots))).shots[0]
    assert shot["bid_size"][:2].tolist() == [300, 0]


def test_the_contract_is_a_stock_in_cents() -> None:
    contract = sse.stock("600519")
    assert (contract.tick_value, contract.multiplier, contract.exchange) == (0.01, 1, "SSE")
    assert [(s.start, s.end) for s in contract.sessions] == [("09:30", "11:30"), ("13:00", "14:57")]
    assert (contract.daily_limit, sse.stock("688001").daily_limit) == (0.1, 0.2)
    assert contract.fees.close - contract.fees.open == pytest.approx(0.001), "stamp duty is the seller's"


def test_the_day_comes_from_the_names_or_the_caller(tmp_path: Path) -> None:
    assert sse.read(folder(tmp_path / "a")).trading_day == date(2023, 2, 1)
    assert sse.read(packed(tmp_path)).trading_day == date(2023, 2, 1)
    assert sse.read(packed(tmp_path, inside="")).trading_day == sse.UNDATED
    given = sse.read(packed(tmp_path), day=date(2024, 5, 6))
    assert (given.trading_day, str(given.events["time"][0].astype("M8[ns]"))[:10]) == (date(2024, 5, 6), "2024-05-06")


def test_one_stock_of_several_must_be_named(tmp_path: Path) -> None:
    other = texts(symbol="600001")
    both = {name: text + other[name].split("\n", 1)[1] for name, text in texts().items()}
    path = folder(tmp_path, both)
    with pytest.raises(DataError, match="orders of 600000, 600001; name one by symbol="):
        sse.read(path)
    with pytest.raises(DataError, match="name one by symbol="):
        sse.read(path, symbol="600002")
    assert sse.read(path, symbol="600001").trades["size"].sum() == 750


def test_a_stamp_that_runs_back_is_raised(tmp_path: Path) -> None:
    day = sse.read(folder(tmp_path, texts(changed(ORDERS, 147, 1, "09:30:03.500"))))
    assert (np.diff(day.events["time"]) >= 0).all()
    assert clock(day.events["time"][day.events["size"] == 300][-1]) == "09:30:04.0"


@pytest.mark.parametrize(
    ("biz", "place", "value", "message"),
    [
        (104, 4, 9.995, r"entrust.csv, row 4: OrderPrice is no positive price in steps of 0.01"),
        (104, 4, -9.99, r"entrust.csv, row 4: OrderPrice is no positive price"),
        (104, 4, "nan", r"entrust.csv, row 4: OrderPrice is no positive price"),
        (104, 5, 0, r"entrust.csv, row 4: Balance is no positive 32-bit number"),
        (104, 5, 2**31, r"entrust.csv, row 4: Balance is no positive 32-bit number"),
        (104, 5, "many", r"entrust.csv: .*damaged or of another layout"),
        (104, 1, "9h15", r"entrust.csv: .*damaged or of another layout"),
        (104, 1, "", r"entrust.csv, row 4: OrderTime is empty"),
        (104, 2, "M", r'entrust.csv, row 4: OrderType is neither "A" nor "D"'),
        (104, 6, "X", r'entrust.csv, row 4: OrderBSFlag is neither "B" nor "S"'),
        (104, 3, 1, r"entrust.csv, row 4: this order was added before; remove the repeated rows"),
        (104, 3, -4, r"entrust.csv, row 4: OrderNO is negative"),
        (104, 0, 103, r"BizIndex 103 is there twice; remove the repeated rows"),
    ],
)
def test_an_unusable_order_is_refused(tmp_path: Path, biz: int, place: int, value: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        sse.read(folder(tmp_path, texts(changed(ORDERS, biz, place, value))))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (2, 10.015, r"trade.csv, row 3: TradPrice is no positive price"),
        (3, -100, r"trade.csv, row 3: TradVolume is no positive 32-bit number"),
        (4, 3, r"trade.csv, row 3: no two orders are named"),
        (6, "Q", r'trade.csv, row 3: TradeBSFlag is none of "B", "S", "N"'),
        (3, 2**31 - 1, r"the order at BizIndex 131 has more shares than 32 bits hold"),
    ],
)
def test_an_unusable_trade_is_refused(tmp_path: Path, place: int, value: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        sse.read(folder(tmp_path, texts(trades=changed(TRADES, 131, place, value))))


def test_an_unusable_snapshot_is_refused(tmp_path: Path) -> None:
    rows = changed(SHOTS, "09:30:03.000", 3, "inf")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"snapshot.csv, row 3: Turnover is no sum of money"):
        sse.read(folder(tmp_path / "a", texts(shots=rows)))
    rows = changed(SHOTS, "09:30:03.000", 4, ((9.995, 400),))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"snapshot.csv, row 3: BidPrice1 is no positive price"):
        sse.read(folder(tmp_path / "b", texts(shots=rows)))
    with pytest.raises(DataError, match=r"snapshot.csv: no row of 600000"):
        sse.read(folder(tmp_path / "c", texts(shots=())))


def test_a_day_without_a_trade_is_a_day(tmp_path: Path) -> None:
    day = sse.read(folder(tmp_path, texts(trades=())))
    assert (len(day.trades), len(day.deletes), len(day.numbers)) == (0, 2, 10)


def test_a_day_without_an_order_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"entrust.csv: orders of no stock"):
        sse.read(folder(tmp_path, texts(orders=())))


def test_a_symbol_that_is_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"SecurityID '../evil' is no stock"):
        sse.read(folder(tmp_path, texts(symbol="../evil")))


def test_import_takes_the_zip_the_folder_and_the_folder_with_the_zip(tmp_path: Path) -> None:
    for name in ("files", "zipped", "above"):
        (tmp_path / name).mkdir()
    day = sse.read(folder(tmp_path / "files"))
    whole = packed(tmp_path / "zipped")
    for path in (folder(tmp_path / "above"), tmp_path / "above", whole, tmp_path / "zipped"):
        (recording,) = importers.read(path)
        assert isinstance(recording, EventRecording)
        assert recording.events.tobytes() == day.events.tobytes()
        assert (recording.symbol, recording.exchange, recording.trading_day) == ("600000", "SSE", date(2023, 2, 1))


def test_import_asks_for_a_day_that_nothing_tells(tmp_path: Path) -> None:
    path = packed(tmp_path, inside="")
    with pytest.raises(
        DataError, match=r"no folder or file name tells the day; give the trading day, read\(path, day="
    ):
        importers.read(path)
    (recording,) = importers.read(path, day=date(2023, 2, 1))
    assert recording.trading_day == date(2023, 2, 1)


def test_import_takes_a_contract_of_the_same_tick_alone(tmp_path: Path) -> None:
    path = packed(tmp_path)
    own = plain_contract("600000", "SSE", Decimal("0.01"))
    assert importers.read(path, contract=own)[0].contract == own
    with pytest.raises(DataError, match=r"prices are in steps of 0.01; give a contract of this tick"):
        importers.read(path, contract=plain_contract("600000", "SSE", Decimal("0.05")))


def test_a_zip_or_folder_that_is_no_such_day_goes_its_own_way(tmp_path: Path) -> None:
    assert not sse.matches(tmp_path, b"")
    assert not sse.matches(tmp_path / "nowhere", b"PK")
    path = packed(tmp_path)
    path.write_bytes(path.read_bytes()[:-300])
    assert not sse.matches(path, b"PK")
    with pytest.raises(DataError, match="damaged or cut short"):
        importers.read(path)
