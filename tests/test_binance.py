import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lobarena.data.binance_lines import LONGEST
from lobarena.data.contracts import contract, plain_contract
from lobarena.data.importers import read
from lobarena.data.recording import DataError, EventRecording
from lobarena.data.schema import ASK, BID, CLEAR, LEVEL, TRADE

SAMPLE = "l2/binance_usdm_btcusdt_20240808/usdm_btcusdt_20240808.gz"
NOON = 1_723_118_400_000  # ms, 2024-08-08 12:00 UTC
Sides = list[dict[int, int]]
Levels = dict[str, str]


def line(message: dict[str, Any], at: int, late: int = 5) -> str:
    return f"{(NOON + at + late) * 1_000_000} {json.dumps(message)}"


def depth(at: int, first: int, last: int, previous: int, b: Levels, a: Levels, late: int = 5) -> str:
    data = {"e": "depthUpdate", "E": NOON + at, "T": NOON + at, "s": "BTCUSDT", "U": first, "u": last, "pu": previous}
    data |= {"b": [list(level) for level in b.items()], "a": [list(level) for level in a.items()]}
    return line({"stream": "btcusdt@depth@0ms", "data": data}, at, late)


def bids(levels: Any) -> str:
    return depth(1, 11, 20, 10, {}, {}).replace('"b": []', f'"b": {json.dumps(levels)}')


def trade(at: int, number: int, price: Any, size: Any, sold: Any = False, kind: str = "MARKET") -> str:
    data = {"e": "trade", "E": NOON + at, "T": NOON + at, "s": "BTCUSDT", "t": number, "p": price, "q": size}
    return line({"stream": "btcusdt@trade", "data": data | {"X": kind, "m": sold}}, at)


def quote(at: int, number: int, bid: str, bids: str, ask: str, asks: str) -> str:
    data = {"e": "bookTicker", "u": number, "s": "BTCUSDT", "b": bid, "B": bids, "a": ask, "A": asks}
    return line({"stream": "btcusdt@bookTicker", "data": data | {"T": NOON + at, "E": NOON + at}}, at)


def snapshot(at: int, last: int, b: Levels, a: Levels) -> str:
    levels = {"bids": [list(level) for level in b.items()], "asks": [list(level) for level in a.items()]}
    return line({"lastUpdateId": last, "E": NOON + at, "T": NOON + at} | levels, at)


FIRST = depth(0, 1, 10, 0, {"100.1": "0.002", "100.0": "0.005"}, {"100.2": "0.003"})


def save(folder: Path, *lines: str) -> Path:
    path = folder / "btcusdt.txt"
    path.write_text("".join(f"{text}\n" for text in lines))
    return path


def one(path: Path, **options: Any) -> EventRecording:
    (recording,) = read(path, **options)
    assert isinstance(recording, EventRecording)
    assert recording.levels
    assert (np.diff(recording.events["time"]) >= 0).all()
    return recording


def told(recording: EventRecording) -> dict[str, int]:
    return {found.kind: found.count for found in recording.findings if found.kind != "contract told by the numbers"}


def rows(recording: EventRecording) -> list[tuple[int, int, int, int, int]]:
    """Kind, ms since noon, side, ticks and lots of each event."""
    events = recording.events
    at = events["time"] // 1_000_000 - NOON
    return list(zip(*(c.tolist() for c in (events["kind"], at, *map(events.__getitem__, FIELDS))), strict=True))


FIELDS = ("side", "price", "size")


def book(events: np.ndarray[Any, Any]) -> Sides:
    """Sizes by price of both sides behind the events."""
    sides: Sides = [{}, {}]
    for kind, side, price, size in zip(*(events[name].tolist() for name in ("kind", *FIELDS)), strict=True):
        if kind == CLEAR:
            sides = [{}, {}]
        elif kind == LEVEL:
            sides[side][price] = size
            if not size:
                del sides[side][price]
    return sides


def test_depth_becomes_levels_and_a_trade_comes_before_the_depth_of_its_millisecond(tmp_path: Path) -> None:
    change = depth(7, 11, 12, 10, {"100.3": "0.001"}, {"100.2": "0.000", "100.4": "0.010"})
    recording = one(save(tmp_path, FIRST, change, trade(7, 1, "100.2", "0.003"), trade(8, 2, "100.1", "0.001", True)))
    assert (recording.symbol, recording.exchange, recording.trading_day) == ("BTCUSDT", "BINANCE", date(2024, 8, 8))
    assert (recording.contract.tick, recording.contract.multiplier) == (Decimal("0.1"), Decimal("0.001"))
    assert recording.contract.fees.open == 0
    assert rows(recording) == [
        (LEVEL, 0, BID, 1001, 2),
        (LEVEL, 0, BID, 1000, 5),
        (LEVEL, 0, ASK, 1002, 3),
        (TRADE, 7, BID, 1002, 3),
        (LEVEL, 7, ASK, 1002, 0),  # falls come first: no book in between is crossed
        (LEVEL, 7, BID, 1003, 1),
        (LEVEL, 7, ASK, 1004, 10),
        (TRADE, 8, ASK, 1001, 1),
    ]
    assert recording.rows_in == 4


def test_a_snapshot_sets_the_prices_it_spans_and_of_an_unbroken_chain_the_rest_stays(tmp_path: Path) -> None:
    before = depth(1, 11, 20, 10, {"90.0": "7", "99.0": "1"}, {"120.0": "8"})
    late = depth(3, 21, 30, 20, {"100.0": "0.004"}, {})  # ends behind the snapshot, though it was written before it
    image = snapshot(2, 25, {"100.1": "0.002", "98.0": "2"}, {"100.2": "0.003", "101.0": "3"})
    recording = one(save(tmp_path, FIRST, before, late, image))
    assert book(recording.events) == [
        {1001: 2, 980: 2000, 1000: 4, 900: 7000},  # 99.0 is inside what the snapshot spans, 90.0 is not
        {1002: 3, 1010: 3000, 1200: 8000},
    ]
    assert told(recording) == {"no snapshot yet": 2}
    only = recording.events[recording.events["time"] == (NOON + 2) * 1_000_000]
    assert only["price"].tolist() == [1000, 990, 980, 1010]  # what the snapshot confirms is not told again


def test_a_gap_clears_the_book_and_a_snapshot_brings_it_back(tmp_path: Path) -> None:
    image = snapshot(1, 10, {"100.1": "0.002", "100.0": "0.005"}, {"100.2": "0.003"})
    after = depth(9, 100, 110, 50, {"99.9": "1"}, {"100.3": "2"})
    recording = one(save(tmp_path, FIRST, image, after))
    assert book(recording.events) == [{999: 1000}, {1003: 2000}]
    assert told(recording)["gap in the depth"] == 1
    healed = one(save(tmp_path, FIRST, image, after, snapshot(10, 120, {"99.9": "1", "99.0": "5"}, {"100.3": "2"})))
    assert book(healed.events) == [{999: 1000, 990: 5000}, {1003: 2000}]


def test_a_snapshot_from_behind_a_gap_clears_what_it_does_not_show(tmp_path: Path) -> None:
    image = snapshot(9, 105, {"99.9": "1"}, {"100.3": "2"})
    recording = one(save(tmp_path, FIRST, depth(9, 100, 110, 90, {"99.8": "1"}, {}), image))
    assert told(recording)["gap in the depth"] == 1
    assert [row[0] for row in rows(recording)].count(CLEAR) == 1
    assert book(recording.events) == [{999: 1000, 998: 1000}, {1003: 2000}]


def test_repeated_and_late_updates_are_put_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    second, third = depth(1, 11, 20, 10, {"100.1": "5"}, {}), depth(2, 21, 30, 20, {"100.1": "9"}, {})
    recording = one(save(tmp_path, FIRST, third, second, third))
    assert told(recording) == {"depth repeated": 1, "depth out of order": 1, "no snapshot yet": 3}
    assert book(recording.events)[BID][1001] == 9000
    assert recording.findings[-1].removed + recording.findings[-2].removed == 1


def test_a_stream_whose_times_run_backwards_is_sorted_and_told(tmp_path: Path) -> None:
    changes = depth(50, 11, 20, 10, {"100.1": "5"}, {}), depth(20, 21, 30, 20, {"100.1": "9"}, {})
    recording = one(save(tmp_path, FIRST, *changes, trade(60, 1, "100.2", "1"), trade(45, 2, "100.2", "2")))
    assert told(recording) == {"depth out of time order": 1, "trades out of time order": 1, "no snapshot yet": 3}
    assert book(recording.events)[BID][1001] == 9000
    assert [row[4] for row in rows(recording) if row[0] == TRADE] == [2000, 1000]
    assert {"up to 30 ms", "up to 15 ms"} <= {found.explanation.partition(" before")[0] for found in recording.findings}


def test_trades_that_hit_no_order_or_come_again_are_left_out(tmp_path: Path) -> None:
    trades = [trade(1, 5, "100.2", "1"), trade(1, 5, "100.2", "1"), trade(2, 6, "95.0", "7", kind="INSURANCE_FUND")]
    recording = one(save(tmp_path, FIRST, *trades, trade(3, 9, "100.2", "2")))
    assert [row[4] for row in rows(recording) if row[0] == TRADE] == [1000, 2000]
    kinds = {"not a trade of the book": 1, "trade repeated": 1, "trades missing": 1, "no snapshot yet": 1}
    assert told(recording) == kinds


def test_the_book_ticker_checks_the_book(tmp_path: Path) -> None:
    image = snapshot(1, 10, {"100.1": "0.002", "100.0": "0.005"}, {"100.2": "0.003"})
    right = quote(2, 15, "100.1", "0.009", "100.2", "0.003"), depth(2, 11, 20, 10, {"100.1": "0.009"}, {})
    wrong = depth(3, 21, 30, 20, {"100.1": "0.008"}, {}), quote(3, 30, "100.1", "0.007", "100.2", "0.003")
    assert "book ticker differs" not in told(one(save(tmp_path, FIRST, image, *right)))
    recording = one(save(tmp_path, FIRST, image, *right, *wrong))
    assert told(recording)["book ticker differs"] == 1
    assert "of 2 updates compared" in next(f.explanation for f in recording.findings if f.kind == "book ticker differs")


def test_a_crossed_book_is_told(tmp_path: Path) -> None:
    recording = one(save(tmp_path, FIRST, depth(2, 11, 20, 10, {"100.2": "1"}, {})))
    assert told(recording)["crossed"] == 1


def test_a_slow_clock_of_the_recorder_is_told_and_changes_nothing(tmp_path: Path) -> None:
    slow = one(save(tmp_path, depth(0, 1, 10, 0, {"100.1": "2"}, {"100.2": "3"}, late=-1_270)))
    assert told(slow)["clock of the recorder is behind"] == 1
    assert "-1,270 ms in the median and -1,270 ms at least" in slow.findings[0].explanation
    usual = one(save(tmp_path, depth(0, 1, 10, 0, {"100.1": "2"}, {"100.2": "3"})))
    assert slow.events.tobytes() == usual.events.tobytes()


def test_days_are_split_and_the_second_begins_with_the_book_it_found(tmp_path: Path) -> None:
    midnight = 12 * 3_600_000
    later = depth(midnight + 90_000, 21, 30, 20, {"100.1": "0"}, {"100.3": "1"})
    path = save(
        tmp_path, FIRST, depth(90_000, 11, 20, 10, {"100.0": "7"}, {}), depth(midnight, 20, 20, 10, {}, {}), later
    )
    with pytest.raises(DataError, match=r"2024-08-08 and 2024-08-09; pass split=True"):
        read(path)
    first, second = read(path, split=True)
    assert isinstance(first, EventRecording)
    assert isinstance(second, EventRecording)
    assert (first.rows_in, second.rows_in, first.trading_day.day, second.trading_day.day) == (2, 2, 8, 9)
    assert book(second.events) == [{1000: 7000}, {1002: 3, 1003: 1000}]
    assert book(second.events[:3]) == book(first.events) == [{1001: 2, 1000: 7000}, {1002: 3}]


def test_less_than_a_minute_of_a_neighbouring_day_is_left_out(tmp_path: Path) -> None:
    midnight = 12 * 3_600_000
    path = save(
        tmp_path, FIRST, depth(midnight - 1, 11, 20, 10, {"99.0": "1"}, {}), trade(midnight + 900, 1, "99", "1")
    )
    recording = one(path)
    assert told(recording)["outside the day"] == 1
    assert recording.trading_day == date(2024, 8, 8)
    assert recording.rows_in == 3
    with pytest.raises(DataError, match="not only the day=2024-08-09 asked for"):
        read(path, day=date(2024, 8, 9))


def test_a_contract_names_tick_lot_and_fees(tmp_path: Path) -> None:
    given = plain_contract("BTC", "BINANCE", Decimal("0.05"), Decimal("0.0005"))
    recording = one(save(tmp_path, FIRST), contract=given)
    assert book(recording.events) == [{2002: 4, 2000: 10}, {2004: 6}]
    assert (recording.symbol, recording.contract.code) == ("BTCUSDT", "BTC")


def test_prices_off_the_tick_of_a_contract_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"row 1: 1 prices or sizes are not whole numbers of tick 0\.2 .* give a contract="
    ):
        read(save(tmp_path, FIRST), contract=plain_contract("BTCUSDT", "BINANCE", Decimal("0.2"), Decimal("0.001")))


def test_a_few_stray_prices_are_left_out_and_counted(tmp_path: Path) -> None:
    many = {f"{100 - k / 10:.1f}": "1" for k in range(600)}, {f"{101 + k / 10:.1f}": "1" for k in range(600)}
    recording = one(save(tmp_path, FIRST, depth(1, 11, 20, 10, {**many[0], "50.123": "4"}, many[1])))
    assert recording.contract.tick == Decimal("0.1")
    assert told(recording)["off the grid"] == 1


def test_sizes_beyond_32_bits_of_lots_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="within 32 bits"):
        read(save(tmp_path, FIRST, depth(1, 11, 20, 10, {"100.0": "999999999999"}, {})))


def test_strict_refuses_what_was_repaired(tmp_path: Path) -> None:
    path = save(tmp_path, FIRST, depth(9, 100, 110, 50, {"99.9": "1"}, {}))
    with pytest.raises(DataError, match="row 2: repaired: gap in the depth, 1 rows"):
        read(path, strict=True)


def test_other_streams_are_counted(tmp_path: Path) -> None:
    mark = line({"stream": "btcusdt@markPrice", "data": {"e": "markPriceUpdate", "p": "100"}}, 1)
    refusal = line({"code": -1003, "msg": "Too many requests"}, 1)
    assert told(one(save(tmp_path, FIRST, mark, refusal))) == {"message of another stream": 2, "no snapshot yet": 1}


def test_a_last_line_cut_in_the_middle_is_removed(tmp_path: Path) -> None:
    recording = one(save(tmp_path, FIRST, depth(1, 11, 20, 10, {"100.1": "9"}, {})[:-40]))
    assert told(recording) == {"unreadable line": 1, "no snapshot yet": 1}
    assert recording.rows_in == 2
    assert book(recording.events)[BID][1001] == 2


@pytest.mark.parametrize(
    "bad",
    [
        trade(1, 1, 100.2, "1"),
        trade(1, 1, "-100.2", "1"),
        trade(1, 1, "NaN", "1"),
        trade(1, 1, "1e9", "1"),
        trade(1, 1, ["100.2"], "1"),
        trade(1, 1, "1" * 5_000, "1"),
        trade(1, 1, "100.2", None),
        trade(1, 1, "100.2", "1", sold="yes"),
        trade(1, 2**70, "100.2", "1"),
        trade(1, -2, "100.2", "1"),
        trade(10**15, 1, "100.2", "1"),
        trade(1, 1, "100.2", "1").replace('"t": 1', '"t": 1.5'),
        trade(1, 1, "100.2", "1").replace('"t": 1', '"t": true'),
        trade(1, 1, "100.2", "1").replace('"t": 1', '"t": Infinity'),
        trade(1, 1, "100.2", "1").replace('"t": 1', f'"t": {"9" * 5_000}'),
        bids(None),
        bids([["100.1"]]),
        bids([["100.1", "1", "2"]]),
        bids({"100.1": "1"}),
        "1723118400000000000 " + "[" * 100_000,
        "1723118400000000000 [1, 2]",
        "1723118400000000000 null",
        "1723118400000000000",
        "17231184000000000000000000000000 " + trade(1, 1, "100.2", "1").partition(" ")[2],
        "\x00\x01\x02",
        "",
    ],
)
def test_a_line_of_other_types_is_removed_alone_and_many_refuse_the_file(tmp_path: Path, bad: str) -> None:
    recording = one(save(tmp_path, FIRST, bad, trade(5, 9, "100.2", "3")))
    assert told(recording) == {"unreadable line": 1, "no snapshot yet": 1}
    assert [row[4] for row in rows(recording)] == [2, 5, 3, 3000]
    with pytest.raises(DataError, match="row 2: 3 of 4 lines are not"):
        read(save(tmp_path, FIRST, bad, bad, bad))


def test_bytes_that_are_no_text_are_one_unreadable_line(tmp_path: Path) -> None:
    path = save(tmp_path, FIRST)
    path.write_bytes(path.read_bytes() + b'1723118400000000000 {"e": "\xff\xfe"}\n')
    assert told(one(path)) == {"unreadable line": 1, "no snapshot yet": 1}


def test_a_line_of_a_million_levels_is_refused(tmp_path: Path) -> None:
    huge = bids([["100.1", "1"]] * 1_000_000)
    with pytest.raises(DataError, match=f"a line of more than {LONGEST:,} bytes"):
        read(save(tmp_path, FIRST, huge))


def test_a_gzip_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "btcusdt.gz"
    lines = [FIRST, *(trade(k, k, "100.2", f"{k}") for k in range(1, 5_000))]
    path.write_bytes(gzip.compress("\n".join(lines).encode())[:-2_000])
    with pytest.raises(DataError, match=r"damaged or cut short .*fetch it again"):
        read(path)


def test_a_gzip_that_unpacks_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "btcusdt.gz"
    path.write_bytes(gzip.compress((FIRST + "\n" * 3_000_000).encode()))
    with pytest.raises(DataError, match="unpacks to more than 1,000,000 bytes"):
        read(path, limit=1_000_000)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([trade(1, 1, "100.2", "1")], "holds no depth; record the stream depth@0ms"),
        ([FIRST.replace('"pu": 0, ', "")], r"row 1: the spot market; give a recording of linear futures"),
        ([FIRST.replace('"s"', '"ps": "BTCUSD", "s"')], "row 1: inverse contracts"),
        (
            [FIRST, trade(1, 1, "9", "1").replace("BTCUSDT", "ETHUSDT")],
            "row 2: 'ETHUSDT' beside BTCUSDT; give one symbol",
        ),
        ([FIRST.replace("BTCUSDT", "../../etc")], r"row 1: the symbol is '../../etc'"),
        ([depth(1, 1, 2, 0, {}, {})], "no price above 0 that could tell a step; give contract="),
        ([snapshot(1, 1, {"9": "1"}, {})], "snapshots alone, which do not tell their symbol"),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_the_fix(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(save(tmp_path, *lines))


def test_snapshots_alone_are_a_record_with_a_contract(tmp_path: Path) -> None:
    path = save(tmp_path, snapshot(1, 1, {"9": "1"}, {"10": "2"}), snapshot(2, 7, {"8": "1"}, {"10": "3"}))
    recording = one(path, contract=plain_contract("BTCUSDT", "BINANCE", Decimal("1")))
    assert book(recording.events) == [{8: 1}, {10: 3}]


def test_a_file_of_another_contract_is_not_renamed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give a contract="):
        read(save(tmp_path, FIRST), contract=contract("RB"))


@pytest.mark.realdata
def test_the_real_recording_is_the_book_that_its_own_messages_make(shared_data: Path) -> None:
    recording = one(shared_data / SAMPLE)
    assert told(recording) == {
        "clock of the recorder is behind": 93_954,
        "no snapshot yet": 4,
        "outside the day": 5,
    }  # no gap, no crossed book, and the book ticker agrees after every update
    assert (recording.rows_in, recording.trading_day) == (93_954, date(2024, 8, 8))
    assert (recording.contract.tick, recording.contract.multiplier) == (Decimal("0.1"), Decimal("0.001"))
    events, at, sides = recording.events, 0, [{}, {}]
    compared = 0
    for number, (stamp, expected) in enumerate(_books(shared_data / SAMPLE)):
        stop = int(np.searchsorted(events["time"], stamp * 1_000_000, "right"))
        for kind, side, price, size in zip(*(events[n][at:stop].tolist() for n in ("kind", *FIELDS)), strict=True):
            if kind == LEVEL:
                sides[side][price] = size
        at = stop
        if number >= 10 and number % 40 == 0:
            shown = [{price: size for price, size in side.items() if size} for side in sides]
            assert shown == expected, number
            compared += 1
    assert compared > 150
    assert (events["kind"] == TRADE).sum() == 21_313


def _books(path: Path) -> Any:
    """Time, ms, and book after each update, by the exchange's rule: a snapshot, then all updates that end behind it."""
    book: Sides = [{}, {}]
    past = []

    def put(side: int, levels: Any) -> None:
        for price, size in levels:
            ticks, lots = int(Decimal(price) * 10), int(Decimal(size) * 1_000)
            book[side].pop(ticks, None)
            if lots:
                book[side][ticks] = lots

    with gzip.open(path, "rt") as file:
        for text in file:
            message = json.loads(text.partition(" ")[2])
            data = message.get("data", {})
            if "lastUpdateId" in message:
                for side, name, worst in ((BID, "bids", min), (ASK, "asks", max)):
                    edge = worst(int(Decimal(price) * 10) for price, _ in message[name])
                    for price in [p for p in book[side] if (p >= edge if side == BID else p <= edge)]:
                        del book[side][price]
                    put(side, message[name])
                for update in past:
                    if update["u"] > message["lastUpdateId"]:
                        put(BID, update["b"])
                        put(ASK, update["a"])
            elif data["e"] == "depthUpdate":
                past.append(data)
                put(BID, data["b"])
                put(ASK, data["a"])
                yield data["T"], book
