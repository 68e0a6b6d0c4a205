import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from dbn_files import BUY, LAST, NOBODY, SECOND, SELL, SNAPSHOT, START, levels, metadata, order, write_dbn
from typer.testing import CliRunner

from lobarena.cli_data import app as data_app
from lobarena.data.catalogue import days, read_day
from lobarena.data.contracts import Contract, Session, plain_contract
from lobarena.data.importers import read
from lobarena.data.recording import DataError, EventRecording
from lobarena.data.schema import (
    ASK,
    BID,
    CANCEL,
    CLEAR,
    DELETE,
    LEVEL,
    LIMIT,
    REDUCE,
    TAKE,
    TRADE,
)
from lobarena.sim.event_feed import event_feed
from lobarena.sim.market import Market

FIXTURES = "l3/databento_fixtures"
BEST = 14_881  # 3720.25 in ticks of ES
BIDS = [(3720.25, 24), (3720.0, 31)]
ASKS = [(3720.5, 10), (3720.75, 34)]


def day_of(path: Path, **more: Any) -> EventRecording:
    (recording,) = read(path, **more)
    assert isinstance(recording, EventRecording)
    return recording


def told(recording: EventRecording) -> list[tuple[int, ...]]:
    """kind, side, ticks, lots, number of every event."""
    names = ("kind", "side", "price", "size", "ref")
    return list(zip(*(recording.events[name].tolist() for name in names), strict=True))


def counts(recording: EventRecording) -> dict[str, tuple[int, int]]:
    return {finding.kind: (finding.count, finding.first_row) for finding in recording.findings}


def orders(folder: Path, *records: bytes, **more: Any) -> EventRecording:
    return day_of(write_dbn(folder / "mbo.dbn.zst", records), **more)


def shown(folder: Path, *records: bytes) -> EventRecording:
    return day_of(write_dbn(folder / "mbp-10.dbn.zst", records, metadata("mbp-10")))


def test_orders_come_shrink_keep_or_lose_their_place_and_go(tmp_path: Path) -> None:
    recording = orders(
        tmp_path,
        order("A", 7, BUY, 3720.25, 5),
        order("A", 8, SELL, 3720.5, 4, at=1),
        order("C", 7, BUY, 3720.25, 2, at=2),
        order("M", 7, BUY, 3720.25, 2, at=3),
        order("M", 7, BUY, 3720.25, 2, at=3),  # nothing new
        order("M", 7, BUY, 3720.25, 6, at=4),  # grows: to the back
        order("M", 8, SELL, 3720.75, 4, at=5),  # another price
        order("N", 0, at=5),
        order("C", 7, BUY, 3720.25, 6, at=6),
        order("R", 0, at=7),
    )
    assert told(recording) == [
        (LIMIT, BID, BEST, 5, 0),
        (LIMIT, ASK, BEST + 1, 4, 1),
        (REDUCE, BID, BEST, 2, 0),
        (REDUCE, BID, BEST, 1, 0),
        (DELETE, BID, BEST, 0, 0),
        (LIMIT, BID, BEST, 6, 2),
        (DELETE, ASK, BEST + 1, 0, 1),
        (LIMIT, ASK, BEST + 2, 4, 3),
        (DELETE, BID, BEST, 0, 2),
        (CLEAR, BID, 0, 0, -1),
    ]
    assert (recording.orders, recording.rows_in, counts(recording)) == (4, 10, {})
    assert recording.events["time"].tolist()[:3] == [START, START + SECOND, START + 2 * SECOND]


def test_an_execution_is_sent_as_its_aggressor_and_its_makers_leave_once(tmp_path: Path) -> None:
    recording = orders(
        tmp_path,
        order("A", 7, SELL, 3720.5, 5),
        order("A", 8, SELL, 3720.5, 4),
        order("A", 9, SELL, 3720.5, 3),
        order("T", 0, BUY, 3720.5, 7, at=1, flags=0),
        order("F", 7, SELL, 3720.5, 5, at=1, flags=0),
        order("F", 8, SELL, 3720.5, 2, at=1, flags=0),
        order("C", 7, SELL, 3720.5, 5, at=1, flags=0),
        order("M", 8, SELL, 3720.5, 2, at=1),  # the venue may tell a fill as a change
        order("C", 8, SELL, 3720.5, 2, at=2),
        order("C", 9, SELL, 3720.5, 3, at=3),
    )
    assert told(recording)[3:] == [
        (TAKE, BID, BEST + 1, 7, -1),
        (DELETE, ASK, BEST + 1, 0, 1),
        (DELETE, ASK, BEST + 1, 0, 2),
    ]
    assert counts(recording) == {}


def test_a_maker_that_cancels_more_than_it_traded_cancels_the_rest(tmp_path: Path) -> None:
    recording = orders(
        tmp_path,
        order("A", 7, SELL, 3720.5, 9),
        order("T", 0, BUY, 3720.5, 2, at=1, flags=0),
        order("F", 7, SELL, 3720.5, 2, at=1, flags=0),
        order("C", 7, SELL, 3720.5, 5, at=1),
        order("T", 0, BUY, 3720.5, 1, at=2, flags=0),
        order("F", 7, SELL, 3720.5, 1, at=2, flags=0),
        order("M", 7, SELL, 3720.75, 3, at=2),
    )
    assert told(recording)[1:] == [
        (TAKE, BID, BEST + 1, 2, -1),
        (REDUCE, ASK, BEST + 1, 3, 0),
        (TAKE, BID, BEST + 1, 1, -1),
        (DELETE, ASK, BEST + 1, 0, 0),
        (LIMIT, ASK, BEST + 2, 3, 1),
    ]


def test_trades_that_met_no_shown_order_are_told_and_not_sent(tmp_path: Path) -> None:
    recording = orders(
        tmp_path,
        order("A", 7, SELL, 3720.5, 9),
        order("T", 0, NOBODY, 3720.5, 4, at=1),  # an auction
        order("T", 0, BUY, 3720.375, 4, at=2),  # hidden, between ticks
        order("T", 0, BUY, 3720.5, 6, at=3, flags=0),  # 4 of it implied
        order("F", 7, SELL, 3720.5, 2, at=3, flags=0),
        order("C", 7, SELL, 3720.5, 2, at=3),
        order("T", 0, NOBODY, 3720.5, 1, at=4, flags=0),
        order("F", 7, SELL, 3720.5, 1, at=4, flags=0),
        order("C", 7, SELL, 3720.5, 1, at=4),  # no aggressor is known: a cancel like any other
    )
    assert told(recording)[1:] == [(TAKE, BID, BEST + 1, 2, -1), (REDUCE, ASK, BEST + 1, 1, 0)]
    assert counts(recording) == {
        "trade without a side": (2, 2),
        "trade between ticks": (1, 3),
        "trade beyond its fills": (1, 4),
        "fill without a trade": (1, 8),
    }


def test_orders_from_before_the_record_are_anonymous(tmp_path: Path) -> None:
    recording = orders(
        tmp_path,
        order("C", 1, BUY, 3720.25, 3),
        order("M", 2, SELL, 3720.5, 4, at=1),  # a change of an unknown order enters it
        order("T", 0, SELL, 3720.25, 2, at=2, flags=0),
        order("F", 3, BUY, 3720.25, 2, at=2, flags=0),
        order("C", 3, BUY, 3720.25, 2, at=2),
        order("C", 4, NOBODY, None, 2, at=3),
    )
    assert told(recording) == [
        (CANCEL, BID, BEST, 3, -1),
        (LIMIT, ASK, BEST + 1, 4, 0),
        (TAKE, ASK, BEST, 2, -1),
    ]
    assert counts(recording)["unknown order"] == (3, 1)


def test_a_number_that_is_added_twice_replaces_the_first(tmp_path: Path) -> None:
    recording = orders(
        tmp_path, order("A", 7, BUY, 3720.25, 5), order("A", 7, BUY, 3720.0, 2), order("A", 8, BUY, 3720.0)
    )
    assert told(recording) == [(LIMIT, BID, BEST, 5, 0), (DELETE, BID, BEST, 0, 0), (LIMIT, BID, BEST - 1, 2, 1)]
    assert counts(recording) == {"order number used twice": (1, 2), "order of no lots": (1, 3)}


def test_a_snapshot_counts_from_its_own_time_not_its_orders(tmp_path: Path) -> None:
    snapshot, old = SNAPSHOT | LAST, -400_000.0
    recording = orders(
        tmp_path,
        order("R", 0, at=old, flags=snapshot, received=START),
        order("A", 7, BUY, 3720.25, 5, at=old, flags=snapshot, received=START),
        order("A", 8, BUY, 3720.25, 6, at=old + 9, flags=snapshot, received=START),
        order("C", 7, BUY, 3720.25, 5, at=1),
    )
    assert [row[0] for row in told(recording)] == [CLEAR, LIMIT, LIMIT, DELETE]
    assert recording.events["time"].tolist() == [START, START, START, START + SECOND]
    assert recording.trading_day == date(2020, 12, 28)


def test_a_stamp_that_runs_back_is_raised(tmp_path: Path) -> None:
    recording = orders(tmp_path, order("A", 7, BUY, 3720.25, 5, at=2), order("C", 7, BUY, 3720.25, 5, at=1))
    assert recording.events["time"].tolist() == [START + 2 * SECOND] * 2
    assert counts(recording) == {"time runs back": (1, 2)}


def test_each_instrument_has_its_recording_and_the_name_of_the_metadata(tmp_path: Path) -> None:
    records = [
        order("A", 1, BUY, 3720.25, 5),
        order("A", 1, BUY, 49.5, 5, instrument=77),
        order("A", 2, BUY, 49.25, 5, instrument=77, at=1),
        order("A", 3, BUY, 8.0, 1, instrument=99),
    ]
    path = write_dbn(tmp_path / "x.dbn", records, metadata(symbols={"ESH1": 5482, "ESH1-ESM1": 77}))
    found = [one for one in read(path) if isinstance(one, EventRecording)]
    assert [(one.symbol, one.exchange, one.rows_in) for one in found] == [
        ("ESH1-ESM1", "GLBX", 2),
        ("ID99", "GLBX", 1),
        ("ESH1", "GLBX", 1),
    ]
    assert [(one.contract.tick, one.contract.multiplier) for one in found] == [
        (Decimal("0.25"), 1),  # the greatest common divisor
        (Decimal(8), 1),
        (Decimal("0.25"), 50),
    ]
    assert [list(counts(one)) for one in found] == [["tick inferred"], ["tick inferred"], []]
    with pytest.raises(DataError, match=r"holds 3 instruments, contract= names one"):
        read(path, contract=plain_contract("ESH1", "GLBX", Decimal("0.25")))


def test_venues_of_one_instrument_are_kept_apart(tmp_path: Path) -> None:
    records = [order("A", 1, BUY, 9.5, 5, publisher=39), order("A", 1, SELL, 9.25, 5, publisher=40)]
    path = write_dbn(tmp_path / "x.dbn", records, metadata(dataset="DBEQ.BASIC", symbols={"BRK.B": 5482}))
    assert [(one.symbol, one.exchange) for one in read(path)] == [("BRK-B", "DBEQ-39"), ("BRK-B", "DBEQ-40")]


def test_a_stock_is_no_future_of_the_same_letters(tmp_path: Path) -> None:
    records = [order("A", 1, BUY, 29.53, 5), order("A", 2, BUY, 29.52, 5)]
    path = write_dbn(tmp_path / "x.dbn", records, metadata(dataset="XNAS.ITCH", symbols={"ESH1": 5482}))
    assert day_of(path).contract.tick == Decimal("0.01")


def test_prices_off_the_tick_of_the_contract_are_refused(tmp_path: Path) -> None:
    path = write_dbn(tmp_path / "x.dbn", [order("A", 1, BUY, 3720.25, 5)])
    with pytest.raises(DataError, match=r"ESH1, record 1: its price is no positive number of ticks of 0.5 .*contract="):
        read(path, contract=plain_contract("ESH1", "GLBX", Decimal("0.5")))
    with pytest.raises(DataError, match=r"is finer than DBN's 1e-9"):
        read(path, contract=plain_contract("ESH1", "GLBX", Decimal("1e-10")))
    off = write_dbn(tmp_path / "off.dbn", [order("A", 1, BUY, 3720.3, 5)])
    assert day_of(off).contract.tick == Decimal("3720.3"), "not on the product's tick: told by the prices"


CME = Contract(
    **{name: getattr(plain_contract("ES", "CME", Decimal("0.25")), name) for name in Contract.__slots__}
    | {"timezone": "America/Chicago", "sessions": (Session("17:00", "16:00", night=True),)}
)


def test_an_evening_of_the_contract_belongs_to_the_weekday_after(tmp_path: Path) -> None:
    hour = 3600.0
    records = [  # 13:00 UTC is 07:00 in Chicago
        order("A", 7, BUY, 3720.25, 5),
        order("A", 8, BUY, 3720.25, 4),
        order("M", 7, BUY, 3720.25, 9, at=1),  # behind 8 from now on
        order("C", 8, BUY, 3720.25, 1, at=11 * hour),  # 18:00, Monday evening
        order("C", 7, BUY, 3720.25, 9, at=(4 * 24 + 11) * hour),  # Friday evening, New Year's Day
    ]
    path = write_dbn(tmp_path / "x.dbn", records)
    utc = [one for one in read(path, split=True) if isinstance(one, EventRecording)]
    assert [one.trading_day for one in utc] == [date(2020, 12, 28), date(2020, 12, 29), date(2021, 1, 2)]
    found = [one for one in read(path, contract=CME, split=True) if isinstance(one, EventRecording)]
    assert [one.trading_day for one in found] == [date(2020, 12, 28), date(2020, 12, 29), date(2021, 1, 4)]
    assert [one.rows_in for one in found] == [3, 1, 1]
    assert told(found[1]) == [
        (LIMIT, BID, BEST, 4, 0),  # what rests comes in again, in its order
        (LIMIT, BID, BEST, 9, 1),
        (REDUCE, BID, BEST, 1, 0),
    ]
    assert told(found[2])[-1] == (DELETE, BID, BEST, 0, 1)
    assert found[1].events["time"][0] == START + 11 * 3600 * SECOND
    with pytest.raises(DataError, match=r"2020-12-28, 2020-12-29, 2021-01-04, not only the day=2020-12-29 asked for"):
        read(path, contract=CME, day=date(2020, 12, 29))


def test_levels_say_what_changed_and_keep_what_left_the_window(tmp_path: Path) -> None:
    full = [(3720.25 - k / 4, 10 + k) for k in range(10)]
    up = [(3720.5, 3), *full[:9]]  # the tenth bid leaves the window
    recording = shown(
        tmp_path,
        levels("A", full, ASKS),
        levels("M", [*full[:4], (full[4][0], 99), *full[5:]], ASKS, at=1),
        levels("A", [*up[:5], (full[4][0], 99), *up[6:]], [(3720.75, 34)], at=2),  # 3720.5 asked is gone
        levels("C", [*full[:4], (full[4][0], 99), *full[5:9], (full[9][0], 50)], [(3720.75, 34)], at=3),
    )
    assert told(recording)[:12] == [(LEVEL, BID, BEST - k, 10 + k, -1) for k in range(10)] + [
        (LEVEL, ASK, BEST + 1, 10, -1),
        (LEVEL, ASK, BEST + 2, 34, -1),
    ]
    assert told(recording)[12:] == [
        (LEVEL, BID, BEST - 4, 99, -1),
        (LEVEL, BID, BEST + 1, 3, -1),
        (LEVEL, ASK, BEST + 1, 0, -1),
        (LEVEL, BID, BEST + 1, 0, -1),
        (LEVEL, BID, BEST - 9, 50, -1),  # grew out of sight
    ]
    assert (recording.levels, recording.orders) == (True, 0)


def test_a_trade_is_told_before_its_effect_and_a_level_that_came_back_is_set(tmp_path: Path) -> None:
    def trade(size: int, at: float) -> bytes:
        return levels("T", BIDS, ASKS, side=BUY, price=3720.5, size=size, at=at)

    recording = shown(
        tmp_path,
        levels("A", BIDS, ASKS),
        trade(4, 1),
        trade(2, 1),
        levels("C", BIDS, [(3720.5, 4), ASKS[1]], at=1),  # as the trades say: no news
        levels("T", BIDS, [(3720.5, 4), ASKS[1]], side=BUY, price=3720.5, size=4, at=2),
        levels("A", BIDS, [(3720.5, 4), ASKS[1]], at=2),  # gone and back at once
    )
    assert told(recording)[4:] == [
        (TRADE, BID, BEST + 1, 4, -1),
        (TRADE, BID, BEST + 1, 2, -1),
        (TRADE, BID, BEST + 1, 4, -1),
        (LEVEL, ASK, BEST + 1, 4, -1),
    ]


def test_a_trade_without_a_side_goes_to_whoever_pays_the_quote(tmp_path: Path) -> None:
    wide = ([(3720.0, 5)], [(3720.75, 5)])
    recording = shown(
        tmp_path,
        levels("A", *wide),
        levels("T", *wide, price=3720.75, size=1, at=1),
        levels("T", *wide, price=3720.0, size=1, at=2),
        levels("T", *wide, price=3720.25, size=1, at=3),
        levels("T", *wide, side=SELL, price=3720.375, size=1, at=4),
    )
    assert told(recording)[2:] == [(TRADE, BID, BEST + 2, 1, -1), (TRADE, ASK, BEST - 1, 1, -1)]
    assert counts(recording) == {"hidden trade": (2, 4)}


def test_only_the_last_record_of_an_event_shows_a_book(tmp_path: Path) -> None:
    recording = shown(
        tmp_path,
        levels("A", BIDS, ASKS),
        levels("A", [(3720.5, 9), *BIDS], ASKS, at=1, flags=0),  # crossed on the way
        levels("C", [(3720.5, 9), *BIDS], ASKS[1:], at=1),
    )
    assert told(recording)[4:] == [(LEVEL, BID, BEST + 1, 9, -1), (LEVEL, ASK, BEST + 1, 0, -1)]
    assert counts(recording) == {"crossed": (1, 2)}
    unmarked = shown(tmp_path, levels("A", BIDS, ASKS, flags=0), levels("C", BIDS, ASKS[1:], at=1, flags=0))
    assert told(unmarked)[4:] == [(LEVEL, ASK, BEST + 1, 0, -1)]


def test_a_clear_empties_both_sides(tmp_path: Path) -> None:
    recording = shown(tmp_path, levels("A", BIDS, ASKS), levels("R", [], [], at=1), levels("A", BIDS[:1], [], at=2))
    assert told(recording)[4:] == [(CLEAR, BID, 0, 0, -1), (LEVEL, BID, BEST, 24, -1)]


def test_the_best_quote_alone_is_a_window_of_one_level_and_a_day_begins_with_what_is_known(tmp_path: Path) -> None:
    records = [
        levels("A", BIDS[:1], ASKS[:1], depth=1),
        levels("A", [(3720.5, 3)], [(3720.75, 5)], at=1, depth=1),
        levels("C", BIDS[:1], [(3720.75, 5)], at=24 * 3600, depth=1),
    ]
    found = read(write_dbn(tmp_path / "x.dbn.zst", records, metadata("mbp-1")), split=True)
    first, second = (one for one in found if isinstance(one, EventRecording))
    assert told(first)[2:] == [
        (LEVEL, BID, BEST + 1, 3, -1),
        (LEVEL, ASK, BEST + 1, 0, -1),
        (LEVEL, ASK, BEST + 2, 5, -1),
    ]
    assert told(second) == [
        (LEVEL, BID, BEST + 1, 3, -1),
        (LEVEL, BID, BEST, 24, -1),
        (LEVEL, ASK, BEST + 2, 5, -1),
        (LEVEL, BID, BEST + 1, 0, -1),
    ]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (order("A", 2, NOBODY, 3720.25, 5), "record 2: an order of no side"),
        (order("A", 2, BUY, None, 5), "record 2: its price is no positive number of ticks"),
        (order("A", 2, BUY, -3720.25, 5), "record 2: its price is no positive number of ticks"),
        (order("A", 2, BUY, 0.0, 5), "record 2: its price is no positive number of ticks"),
        (
            order("M", 2, BUY, 900_000_000.0, 5),
            "record 2: its price is no positive number of ticks of 0.25 within 32 bits",
        ),
        (order("C", 1, BUY, 3720.25, 2**32 - 1), "record 2: its size is beyond 32 bits"),
        (
            order("A", 2, BUY, 3720.25, 5, flags=1 << 6),
            "record 2: a level, not an order .* fetch schema mbp-10 or mbp-1",
        ),
        (order("A", 2, BUY, 3720.25, 5, flags=1 << 4), "record 2: a level, not an order"),
        (order("A", 2, BUY, 3720.25, 5).replace(b"AB", b"ZB"), "record 2: an unknown action"),
        (order("A", 2, BUY, 3720.25, 5, at=-START / SECOND), "record 2: no time that can be read"),
    ],
)
def test_an_order_that_cannot_be_true_is_refused(tmp_path: Path, record: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        orders(tmp_path, order("A", 1, BUY, 3720.25, 5), record)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (levels("A", [BIDS[1], BIDS[0]], ASKS), "record 2: its bid levels are out of order"),
        (levels("A", BIDS, [ASKS[0], ASKS[0]]), "record 2: its ask levels are out of order"),
        (levels("A", [(-1.0, 5)], ASKS), "record 2: a bid price is no positive number of ticks"),
        (levels("A", BIDS, [(3720.5, 2**32 - 1)]), "record 2: a ask size is beyond 32 bits"),
        (levels("T", BIDS, ASKS, side=BUY, price=3720.5, size=2**32 - 1), "record 2: its size is beyond 32 bits"),
    ],
)
def test_levels_that_are_no_book_are_refused(tmp_path: Path, record: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        shown(tmp_path, levels("A", BIDS, ASKS), record)


def test_a_schema_without_a_book_says_what_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is of schema ohlcv-1s, not a record of a book's changes; fetch schema mbo"):
        read(write_dbn(tmp_path / "x.dbn", [], metadata("ohlcv-1s")))
    with pytest.raises(DataError, match=r"mixes schemas; fetch schema mbo"):
        read(write_dbn(tmp_path / "x.dbn", [], metadata(None)))
    with pytest.raises(DataError, match=r"holds no record of mbo; fetch"):
        read(write_dbn(tmp_path / "x.dbn", []))


def test_records_of_another_kind_between_are_left_out_and_send_times_are_read_over(tmp_path: Path) -> None:
    record, other = order("A", 1, BUY, 3720.25, 5), levels("A", BIDS, ASKS, depth=1)
    assert day_of(write_dbn(tmp_path / "x.dbn", [other, record, other])).rows_in == 1
    sent = bytes([16]) + record[1:] + (START).to_bytes(8, "little")
    assert told(day_of(write_dbn(tmp_path / "x.dbn", [sent] * 2, metadata(ts_out=True))))[0] == (LIMIT, BID, BEST, 5, 0)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    head, record = metadata(), order("A", 1, BUY, 3720.25, 5)
    path = tmp_path / "x.dbn"
    for data, message in (
        (head + record[:-8], "is cut short within a record"),
        (head + record + b"\0" * 16, "a record of 0 bytes at byte 56"),
        (head + record + bytes([15, 160]) + record[2:] + b"\0" * 4, "a record of 60 bytes, not 56"),
        (head + record + head + record, "a second DBN file begins at byte 56 of the records; give each by itself"),
        (head[:40], "is cut short within its metadata"),
        (head[:6], "is no DBN file inside"),
        (b"DBN\x09" + head[4:] + record, r"is DBN version 9, databento-dbn here reads up to \d; upgrade it"),
        (head[:8] + b"\xff" * (len(head) - 8) + record, "its metadata is damaged"),
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=rf"x\.dbn.* {message}|x\.dbn:? {message}"):
            read(path)


def test_a_packed_file_cut_short_changed_or_too_large_is_refused(tmp_path: Path) -> None:
    path = write_dbn(tmp_path / "x.dbn.zst", [order("A", k, BUY, 3720.25, k) for k in range(1, 900)])
    whole = path.read_bytes()
    for data in (whole[:-5], whole + b"junk and more"):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"x\.dbn\.zst: damaged or cut short .*fetch it again"):
            read(path)
    bomb = write_dbn(tmp_path / "bomb.dbn.zst", [bytes(50_000_000)])
    assert bomb.stat().st_size < 10_000
    with pytest.raises(
        DataError, match=r"bomb.dbn.zst unpacks to more than 1,000,000 bytes; split it, or raise limit="
    ):
        read(bomb, limit=1_000_000)


def test_gzip_will_do_and_another_zstd_file_is_no_dbn(tmp_path: Path) -> None:
    path = write_dbn(tmp_path / "x.dbn", [order("A", 1, BUY, 3720.25, 5)])
    packed = tmp_path / "x.dbn.gz"
    packed.write_bytes(pa.Codec("gzip").compress(path.read_bytes(), asbytes=True))
    assert told(day_of(packed)) == told(day_of(path))
    other = tmp_path / "other.zst"
    other.write_bytes(pa.Codec("zstd").compress(b"time,bid\n1,2\n", asbytes=True))
    with pytest.raises(DataError, match=r"other\.zst"):
        read(other)


def test_without_the_package_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_dbn(tmp_path / "x.dbn", [order("A", 1, BUY, 3720.25, 5)])
    monkeypatch.setitem(sys.modules, "databento_dbn", None)
    with pytest.raises(DataError, match=r"need the package databento-dbn; pip install lobarena\[dbn\]"):
        read(path)


def test_import_stores_every_instrument_and_day(tmp_path: Path) -> None:
    records = [order("A", 1, BUY, 3720.25, 5), order("A", 2, BUY, 50.0, 5, instrument=77, at=24 * 3600)]
    path = write_dbn(tmp_path / "x.dbn.zst", records, metadata(symbols={"ESH1": 5482, "CLG1": 77}))
    done = CliRunner().invoke(data_app, ["import", str(path), "--split", "--catalogue", str(tmp_path / "kept")])
    assert done.exit_code == 0, done.output
    stored = days(tmp_path / "kept")
    assert [one.path.parts[-3:] for one in stored] == [
        ("GLBX", "CLG1", "20201229.parquet"),
        ("GLBX", "ESH1", "20201228.parquet"),
    ]
    assert read_day(stored[0]).contract.multiplier == 1_000


def traded_day(rng: np.random.Generator, rows: int) -> tuple[list[bytes], dict[tuple[int, int], int], int]:
    """Records of a venue with price-time priority, the lots at each (side, ticks) in the end, and the lots traded."""
    resting: dict[int, list[int]] = {}  # order -> side, ticks, lots; in the order in which they joined
    records: list[bytes] = []
    names = {BID: BUY, ASK: SELL}
    traded = number = 0

    def enter(side: int, ticks: int, size: int, action: str = "A", order_id: int = 0) -> None:
        resting[order_id] = [side, ticks, size]
        records.append(order(action, order_id, names[side], ticks / 4, size, at=len(records) / 100))

    for ticks in range(1960, 2041):
        if ticks != 2000:
            number += 1
            enter(BID if ticks < 2000 else ASK, ticks, int(rng.integers(1, 9)), order_id=number)
    while len(records) < rows:
        side = int(rng.integers(2))
        sign = 1 if side == BID else -1
        best = {way: (max if way == BID else min)(t for s, t, _ in resting.values() if s == way) for way in (BID, ASK)}
        mine = [one for one, held in resting.items() if held[0] == side]
        draw, at = rng.random(), len(records) / 100
        if draw < 0.4 or len(mine) < 10:
            number += 1
            enter(side, best[1 - side] - sign * int(rng.integers(1, 6)), int(rng.integers(1, 9)), order_id=number)
        elif draw < 0.6:
            one = mine[int(rng.integers(len(mine)))]
            size = int(rng.integers(1, resting[one][2] + 1))
            records.append(order("C", one, names[side], resting[one][1] / 4, size, at=at))
            resting[one][2] -= size
        elif draw < 0.8:
            one = mine[int(rng.integers(len(mine)))]
            ticks, left = resting[one][1:]
            size = int(rng.integers(1, 9))
            if size > left:
                del resting[one]
            enter(side, ticks, size, "M", one)
        else:  # an aggressor on the other side takes from this one
            queue = [one for one in mine if resting[one][1] == best[side]]
            size = int(rng.integers(1, sum(resting[one][2] for one in queue) + 1))
            traded += size
            price = best[side] / 4
            records.append(order("T", 0, names[1 - side], price, size, at=at, flags=0))
            fills = []
            for one in queue:
                lots = min(size, resting[one][2])
                if lots:
                    fills.append((one, lots))
                    resting[one][2] -= lots
                    size -= lots
            records += [order("F", one, names[side], price, lots, at=at, flags=0) for one, lots in fills]
            records += [order("C", one, names[side], price, lots, at=at) for one, lots in fills]
        resting = {one: held for one, held in resting.items() if held[2]}
    ends: dict[tuple[int, int], int] = {}
    for side, ticks, size in resting.values():
        ends[side, ticks] = ends.get((side, ticks), 0) + size
    return records, ends, traded


@pytest.mark.parametrize("seed", range(3))
def test_a_day_of_orders_ends_with_the_venues_own_book(tmp_path: Path, seed: int) -> None:
    records, ends, traded = traded_day(np.random.default_rng(seed), 1_500)
    recording = orders(tmp_path, *records)
    assert counts(recording) == {}
    market = Market(event_feed(recording))
    market.run()
    venue, book = market.venue[0], market.book[0]
    assert (venue["unfilled"], venue["volume"]) == (0, traded)
    sizes = book["level"]["size"].reshape(2, -1)
    found = {
        (side, int(level + book["base"])): int(sizes[side][level])
        for side in (BID, ASK)
        for level in np.flatnonzero(sizes[side]).tolist()
    }
    assert found == ends


@pytest.mark.realdata
def test_real_fixtures(shared_data: Path) -> None:
    def fixture(schema: str) -> EventRecording:
        recording = day_of(shared_data / FIXTURES / f"test_data.{schema}.v3.dbn.zst")
        assert (recording.symbol, recording.exchange, recording.rows_in) == ("ESH1", "GLBX", 2)
        assert (recording.trading_day, recording.contract.tick) == (date(2020, 12, 28), Decimal("0.25"))
        return recording

    assert told(fixture("mbo")) == [(CANCEL, ASK, 14_891, 1, -1), (CANCEL, ASK, 14_892, 1, -1)]
    assert told(fixture("mbp-1")) == [
        (LEVEL, BID, BEST, 24, -1),
        (LEVEL, ASK, BEST + 1, 11, -1),
        (LEVEL, ASK, BEST + 1, 12, -1),
    ]
    deep = told(fixture("mbp-10"))
    assert [row[:3] for row in deep[:20]] == [(LEVEL, BID, BEST - k) for k in range(10)] + [
        (LEVEL, ASK, BEST + 1 + k) for k in range(10)
    ]
    assert deep[20:] == [(LEVEL, BID, BEST - 1, 30, -1)]
    (trades,) = read(shared_data / FIXTURES / "test_data.trades.v3.dbn.zst")
    assert [finding.kind for finding in trades.findings] == ["trades alone"]
    rows = [tuple(int(row[name]) for name in ("kind", "side", "price", "size")) for row in trades.events]
    assert rows == [(TRADE, ASK, 14_881, 5), (TRADE, ASK, 14_881, 21)]
