import io
import pickle
import random
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lobarena.data.contracts import plain_contract
from lobarena.data.hftbacktest_file import RECORD
from lobarena.data.importers import read
from lobarena.data.recording import DataError, EventRecording
from lobarena.data.schema import ASK, BID, CLEAR, DELETE, LEVEL, LIMIT, REDUCE, TAKE, TRADE

# hftbacktest/types.py of 2.4
DEPTH, TRADED, DEPTH_CLEAR, DEPTH_SNAPSHOT, DEPTH_BBO = 1, 2, 3, 4, 5
ADD, CANCEL, MODIFY, FILL = 10, 11, 12, 13
EXCH, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
BOTH = EXCH | LOCAL

NOON = 1_723_118_400_000_000_000  # ns, 2024-08-08 12:00 UTC
NAN = float("nan")
FIELDS = ("side", "price", "size")
Row = tuple[int, int, float, float, int]


def row(ev: int, at: int, px: float = NAN, qty: float = 0.0, order: int = 0, flags: int = BOTH) -> Row:
    return ev | flags, NOON + at, px, qty, order


def array(*rows: Row) -> np.ndarray[Any, Any]:
    records = np.zeros(len(rows), np.dtype(RECORD.descr, align=True))
    for record, (ev, time, px, qty, order) in zip(records, rows, strict=True):
        record["ev"], record["exch_ts"], record["local_ts"] = ev, time, time + 5
        record["px"], record["qty"], record["order_id"] = px, qty, order
    return records


def save(folder: Path, *rows: Row, name: str = "btcusdt_20240808.npz") -> Path:
    path = folder / name
    np.savez_compressed(path, data=array(*rows))
    return path


def one(path: Path, **options: Any) -> EventRecording:
    (recording,) = read(path, **options)
    assert isinstance(recording, EventRecording)
    assert (np.diff(recording.events["time"]) >= 0).all()
    return recording


def told(recording: EventRecording) -> dict[str, int]:
    return {found.kind: found.count for found in recording.findings if found.kind != "contract told by the numbers"}


def rows(recording: EventRecording) -> list[tuple[int, ...]]:
    """Kind, ns since noon, side, ticks and lots of each event."""
    events = recording.events
    columns = (events["kind"], events["time"] - NOON, *(events[name] for name in FIELDS))
    return list(zip(*(column.tolist() for column in columns), strict=True))


def orders(recording: EventRecording) -> list[tuple[int, ...]]:
    """Kind, number, side, ticks and lots of each event."""
    events = recording.events
    columns = (events["kind"], events["ref"], *(events[name] for name in FIELDS))
    return list(zip(*(column.tolist() for column in columns), strict=True))


FIRST = (
    row(DEPTH_SNAPSHOT | BUY, 0, 100.1, 0.002),
    row(DEPTH_SNAPSHOT | BUY, 0, 100.0, 0.005),
    row(DEPTH_SNAPSHOT | SELL, 0, 100.2, 0.003),
)


def test_levels_and_trades_of_the_exchange_count_and_those_of_the_local_side_do_not(tmp_path: Path) -> None:
    recording = one(
        save(
            tmp_path,
            *FIRST,
            row(TRADED | SELL, 3, 100.1, 0.001, flags=EXCH),
            row(DEPTH | BUY, 4, 100.1, 0.001, flags=EXCH),
            row(TRADED | SELL, 3, 100.1, 0.001, flags=LOCAL),
            row(DEPTH | BUY, 4, 100.1, 0.001, flags=LOCAL),
        )
    )
    assert (recording.symbol, recording.exchange, recording.trading_day) == ("BTCUSDT", "UNKNOWN", date(2024, 8, 8))
    assert (recording.contract.tick, recording.contract.multiplier) == (Decimal("0.1"), Decimal("0.001"))
    assert rows(recording) == [
        (LEVEL, 0, BID, 1001, 2),
        (LEVEL, 0, BID, 1000, 5),
        (LEVEL, 0, ASK, 1002, 3),
        (TRADE, 3, ASK, 1001, 1),
        (LEVEL, 4, BID, 1001, 1),
    ]
    assert recording.levels
    assert told(recording) == {"local event": 2}
    assert recording.rows_in == 7


def test_a_message_takes_levels_away_before_it_sets_others(tmp_path: Path) -> None:
    rise = row(DEPTH | BUY, 5, 100.2, 0.001), row(DEPTH | BUY, 5, 100.0, 0), row(DEPTH | SELL, 5, 100.2, 0)
    assert [entry[1:] for entry in rows(one(save(tmp_path, *FIRST, *rise)))[3:]] == [
        (5, BID, 1000, 0),
        (5, ASK, 1002, 0),
        (5, BID, 1002, 1),
    ]
    twice = row(DEPTH | BUY, 5, 100.0, 0), row(DEPTH | BUY, 5, 99.9, 0), row(DEPTH | BUY, 5, 100.0, 0.007)
    assert [entry[3:] for entry in rows(one(save(tmp_path, *FIRST, *twice)))[3:]] == [(1000, 0), (999, 0), (1000, 7)]


def test_a_clear_of_one_side_takes_away_what_the_snapshot_behind_it_does_not_set(tmp_path: Path) -> None:
    deep = row(DEPTH | BUY, 1, 90.0, 0.001), row(DEPTH | BUY, 1, 99.9, 0.004), row(DEPTH | SELL, 1, 120.0, 0.001)
    clear = row(DEPTH_CLEAR | BUY, 7, 99.0), row(DEPTH_SNAPSHOT | BUY, 7, 100.0, 0.006)
    assert rows(one(save(tmp_path, *FIRST, *deep, *clear)))[6:] == [
        (LEVEL, 7, BID, 999, 0),  # inside what is cleared and not set again; 90.0 lies behind
        (LEVEL, 7, BID, 1001, 0),
        (LEVEL, 7, BID, 1000, 6),
    ]
    asks = row(DEPTH_CLEAR | SELL, 8, 110.0), row(DEPTH_SNAPSHOT | SELL, 8, 100.3, 0.006)
    assert rows(one(save(tmp_path, *FIRST, *deep, *asks)))[6:] == [(LEVEL, 8, ASK, 1002, 0), (LEVEL, 8, ASK, 1003, 6)]


def test_a_clear_without_a_price_takes_the_whole_side_and_without_a_side_the_book(tmp_path: Path) -> None:
    assert rows(one(save(tmp_path, *FIRST, row(DEPTH_CLEAR | BUY, 7))))[3:] == [
        (LEVEL, 7, BID, 1000, 0),
        (LEVEL, 7, BID, 1001, 0),
    ]
    both = row(DEPTH_CLEAR, 7), row(DEPTH_SNAPSHOT | BUY, 7, 100.1, 0.001)
    assert rows(one(save(tmp_path, *FIRST, *both)))[3:] == [(CLEAR, 7, BID, 0, 0), (LEVEL, 7, BID, 1001, 1)]


def test_random_changes_and_clears_make_the_book_that_hftbacktest_makes(tmp_path: Path) -> None:
    draw = random.Random(7)
    stream, books, depth = [], [], ({}, {})
    for at in range(0, 6_000, 2):
        side, flag = draw.choice([(BID, BUY), (ASK, SELL)])
        price = draw.randrange(900, 1_000) if side == BID else draw.randrange(1_001, 1_100)
        if draw.random() < 0.02:
            stream.append(row(DEPTH_CLEAR | flag, at, price / 10))
            for there in [p for p in depth[side] if (p >= price if side == BID else p <= price)]:
                del depth[side][there]
            for ticks in range(price, price + 6) if side == BID else range(price - 5, price + 1):
                size = draw.randrange(1, 4)
                stream.append(row(DEPTH_SNAPSHOT | flag, at, ticks / 10, size / 1_000))
                depth[side][ticks] = size
        else:
            size = draw.choice([0, 0, 1, 2, 3])
            stream.append(row(DEPTH | flag, at, price / 10, size / 1_000))
            depth[side].pop(price, None)
            if size:
                depth[side][price] = size
        books.append((at, [dict(side) for side in depth]))
    events = one(save(tmp_path, *stream)).events
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    done = 0
    for at, expected in books:
        stop = int(np.searchsorted(events["time"], NOON + at, "right"))
        for side, price, size in zip(*(events[name][done:stop].tolist() for name in FIELDS), strict=True):
            sides[side][price] = size
        done = stop
        assert [{price: size for price, size in side.items() if size} for side in sides] == expected, at
    assert (events["kind"] == LEVEL).all()


def test_fills_take_from_their_makers_once(tmp_path: Path) -> None:
    recording = one(
        save(
            tmp_path,
            row(ADD | BUY, 0, 100.1, 5, 77),
            row(ADD | BUY, 1, 100.1, 3, 12),
            row(ADD | SELL, 2, 100.3, 4, 9),
            row(TRADED | SELL, 3, 100.1, 6),
            row(FILL | BUY, 3, 100.1, 5, 77),
            row(FILL | BUY, 3, 100.1, 1, 12),
            row(CANCEL | BUY, 3, NAN, 0, 77),  # mirrors the fill
            row(MODIFY | BUY, 3, 100.1, 2, 12),  # likewise
            row(MODIFY | BUY, 4, 100.1, 1, 12),  # smaller: keeps its place
            row(MODIFY | BUY, 5, 100.1, 8, 12),  # larger: loses it
            row(MODIFY | SELL, 6, 100.4, 4, 9),  # another price
            row(CANCEL | SELL, 7, NAN, 0, 9),
        )
    )
    assert orders(recording) == [
        (LIMIT, 0, BID, 1001, 5),
        (LIMIT, 1, BID, 1001, 3),
        (LIMIT, 2, ASK, 1003, 4),
        (TAKE, -1, ASK, 1001, 5),
        (TAKE, -1, ASK, 1001, 1),
        (REDUCE, 1, BID, 1001, 1),
        (DELETE, 1, BID, 1001, 1),
        (LIMIT, 3, BID, 1001, 8),
        (DELETE, 2, ASK, 1003, 4),
        (LIMIT, 4, ASK, 1004, 4),
        (DELETE, 4, ASK, 1004, 4),
    ]
    assert recording.orders == 5
    assert not recording.levels
    assert told(recording) == {"event not used": 1}


def test_a_clear_of_one_side_deletes_its_orders_and_one_of_both_is_a_clear(tmp_path: Path) -> None:
    there = row(ADD | BUY, 0, 100.1, 5, 1), row(ADD | SELL, 0, 100.3, 4, 2), row(ADD | BUY, 0, 100.0, 1, 3)
    assert orders(one(save(tmp_path, *there, row(DEPTH_CLEAR | BUY, 1))))[3:] == [
        (DELETE, 0, BID, 1001, 5),
        (DELETE, 2, BID, 1000, 1),
    ]
    recording = one(save(tmp_path, *there, row(DEPTH_CLEAR, 1), row(ADD | BUY, 1, 100.1, 5, 1)))
    assert orders(recording)[3:] == [(CLEAR, -1, BID, 0, 0), (LIMIT, 3, BID, 1001, 5)]


def test_odd_orders_are_counted(tmp_path: Path) -> None:
    recording = one(
        save(
            tmp_path,
            row(ADD | BUY, 0, 100.1, 5, 1),
            row(ADD | SELL, 1, 100.0, 2, 2),
            row(FILL | BUY, 2, 100.1, 9, 1),
            row(CANCEL | BUY, 3, NAN, 0, 55),
        )
    )
    assert told(recording) == {"unknown order": 1, "fill beyond the order": 1, "add across the spread": 1}
    assert orders(recording)[-1] == (TAKE, -1, ASK, 1001, 5)
    lost = [row(CANCEL | BUY, k, NAN, 0, k) for k in range(2, 5)]
    with pytest.raises(DataError, match="row 2: 3 rows speak of orders that are not in the book"):
        read(save(tmp_path, row(ADD | BUY, 0, 100.1, 5, 1), *lost))
    with pytest.raises(DataError, match="row 2: order 1 is in the book already"):
        read(save(tmp_path, row(ADD | BUY, 0, 100.1, 5, 1), row(ADD | BUY, 1, 100.1, 5, 1)))


def test_random_orders_make_the_queues_of_the_market_that_wrote_them(tmp_path: Path) -> None:
    stream, queues = _market(4_000)
    recording = one(save(tmp_path, *stream))
    assert told(recording) == {}
    waiting: dict[tuple[int, int], list[list[int]]] = {}
    at: dict[int, tuple[int, int]] = {}
    for kind, number, side, price, size in orders(recording):
        if kind == LIMIT:
            at[number] = side, price
            waiting.setdefault((side, price), []).append([number, size])
            continue
        queue = waiting[at[number] if kind != TAKE else (1 - side, price)]
        if kind == TAKE:
            assert queue[0][1] >= size  # each fill meets the head of its queue
        place = 0 if kind == TAKE else [entry[0] for entry in queue].index(number)
        queue[place][1] -= size
        assert (queue[place][1] == 0) == (kind == DELETE) or kind == TAKE
        if not queue[place][1]:
            queue.pop(place)
    made = {key: [size for _, size in queue] for key, queue in waiting.items() if queue}
    assert made == queues
    assert sum(len(queue) for queue in made.values()) > 50


def _market(count: int) -> tuple[list[Row], dict[tuple[int, int], list[int]]]:
    """Rows of a market by order with price-time priority, and the sizes that wait in each queue at its end."""
    draw = random.Random(3)
    flags = {BID: BUY, ASK: SELL}
    queues: dict[tuple[int, int], list[list[int]]] = {}
    stream: list[Row] = []
    for name in range(1, count):
        side = draw.randrange(2)
        price = draw.randrange(990, 1_000) if side == BID else draw.randrange(1_001, 1_011)
        queue = queues.setdefault((side, price), [])
        act = draw.random()
        if act < 0.5 or not queue:
            queue.append([name, draw.randrange(1, 9)])
            stream.append(row(ADD | flags[side], name, price / 10, queue[-1][1], name))
        elif act < 0.7:  # a fill at the head, and the message of the maker that mirrors it
            maker = queue[0]
            size = draw.randrange(1, maker[1] + 1)
            maker[1] -= size
            stream.append(row(FILL | flags[side], name, price / 10, size, maker[0]))
            kind = MODIFY if maker[1] else CANCEL
            stream.append(row(kind | flags[side], name, price / 10, maker[1], maker[0]))
            if not maker[1]:
                queue.pop(0)
        elif act < 0.85:
            gone = queue.pop(draw.randrange(len(queue)))
            stream.append(row(CANCEL | flags[side], name, price / 10, gone[1], gone[0]))
        else:
            place = draw.randrange(len(queue))
            order, size = queue[place], draw.randrange(1, 9)
            stream.append(row(MODIFY | flags[side], name, price / 10, size, order[0]))
            if size > order[1]:
                queue.append(queue.pop(place))
            order[1] = size
    return stream, {key: [size for _, size in queue] for key, queue in queues.items() if queue}


def test_days_of_orders_are_split_and_the_second_begins_with_the_orders_that_rest(tmp_path: Path) -> None:
    day = 24 * 3_600_000_000_000
    path = save(
        tmp_path,
        row(ADD | BUY, 0, 100.1, 5, 1),
        row(ADD | BUY, 1, 100.1, 3, 2),
        row(ADD | SELL, 2, 100.3, 1, 3),
        row(MODIFY | BUY, 3, 100.1, 6, 1),
        row(CANCEL | SELL, 4, NAN, 0, 3),
        row(ADD | SELL, day, 100.3, 2, 4),
        row(CANCEL | BUY, day + 1, NAN, 0, 1),
    )
    with pytest.raises(DataError, match=r"2024-08-08 and 2024-08-09; pass split=True"):
        read(path)
    first, second = read(path, split=True)
    assert isinstance(first, EventRecording)
    assert isinstance(second, EventRecording)
    assert (first.orders, second.orders, first.rows_in, second.rows_in) == (4, 3, 5, 2)
    assert orders(second) == [
        (LIMIT, 0, BID, 1001, 3),
        (LIMIT, 1, BID, 1001, 6),
        (LIMIT, 2, ASK, 1003, 2),
        (DELETE, 1, BID, 1001, 6),
    ]


def test_rows_out_of_time_order_are_sorted_and_told(tmp_path: Path) -> None:
    recording = one(save(tmp_path, *FIRST, row(DEPTH | BUY, 90, 99.9, 0.001), row(DEPTH | BUY, 50, 99.9, 0.002)))
    assert told(recording) == {"out of time order": 1}
    assert [entry[4] for entry in rows(recording)[3:]] == [2, 1]


def test_rows_that_are_no_depth_and_no_trade_are_counted(tmp_path: Path) -> None:
    more = row(DEPTH_BBO | BUY, 1, 100.1, 1), row(103, 1, 100.1, 0), row(TRADED, 2, 100.1, 0.001)
    assert told(one(save(tmp_path, *FIRST, *more))) == {"event not used": 2, "event without a side": 1}


def test_the_dust_of_arithmetic_is_on_the_grid_and_a_few_strays_are_left_out(tmp_path: Path) -> None:
    dusty = [row(DEPTH | BUY, k, k * 0.1, 0.1 + 0.2) for k in range(1, 1_500)]
    recording = one(save(tmp_path, *dusty, row(DEPTH | BUY, 1_500, 7.12345, 0.3)))
    assert (recording.contract.tick, recording.contract.multiplier) == (Decimal("0.1"), Decimal("0.3"))
    assert told(recording) == {"off the grid": 1}
    assert recording.events["price"].tolist() == list(range(1, 1_500))
    with pytest.raises(DataError, match=r"row 1: 1,\d+ prices or sizes are not .* tick 0\.4 and lot 0\.3"):
        read(save(tmp_path, *dusty), contract=plain_contract("BTCUSDT", "BINANCE", Decimal("0.4"), Decimal("0.3")))


def test_names_tell_the_symbol_and_a_wrong_day_in_them_is_told(tmp_path: Path) -> None:
    assert one(save(tmp_path, *FIRST, name="usdm-ethusdt20240808.npz")).symbol == "USDM-ETHUSDT"
    assert told(one(save(tmp_path, *FIRST, name="ethusdt_20240807.npz"))) == {"another day": 1}
    assert one(save(tmp_path, *FIRST, name="feed.npz")).symbol == "FEED"


def test_a_plain_array_and_one_of_another_name_are_read_alike(tmp_path: Path) -> None:
    usual = one(save(tmp_path, *FIRST))
    np.save(tmp_path / "btcusdt_20240808.npy", array(*FIRST))
    np.savez(tmp_path / "named.npz", feed=array(*FIRST))
    np.savez(tmp_path / "both.npz", data=array(*FIRST), other=np.zeros(3))
    for name in ("btcusdt_20240808.npy", "named.npz", "both.npz"):
        assert one(tmp_path / name).events.tobytes() == usual.events.tobytes()
    np.savez(tmp_path / "unclear.npz", one=array(*FIRST), two=np.zeros(3))
    with pytest.raises(DataError, match=r"holds 2 arrays \(one.npy, two.npy\); give one array, called data"):
        read(tmp_path / "unclear.npz")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(DEPTH | BUY, 1, NAN, 1), "row 4: px is nan; give finite numbers"),
        (row(DEPTH | BUY, 1, float("inf"), 1), "row 4: px is inf"),
        (row(DEPTH | BUY, 1, -1.0, 1), r"row 4: px is -1\.0"),
        (row(DEPTH | BUY, 1, 1e300, 1), "row 4: px is 1e"),
        (row(DEPTH | BUY, 1, 100.0, NAN), "row 4: qty is nan"),
        (row(TRADED | BUY, 1, 100.0, -2.0), r"row 4: qty is -2\.0"),
        (row(DEPTH | BUY, 1, 100.0, 1e13), "row 4: 1 prices or sizes are not whole numbers .* within 32 bits"),
        (row(DEPTH | BUY, -NOON, 100.0, 1), "row 4: exch_ts 0 is no time in ns since 1970"),
        (row(DEPTH | BUY, 1 - NOON + NOON // 1_000, 100.0, 1), r"row 4: exch_ts 1723118400000001 is no time in ns"),
        (row(ADD | BUY, 1, 100.0, 1, 5), "holds orders and levels in one array"),
    ],
)
def test_numbers_that_cannot_be_are_refused(tmp_path: Path, bad: Row, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(save(tmp_path, *FIRST, bad))


def test_orders_with_trades_but_without_fills_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no fill tells whose order traded; convert it with fills"):
        read(save(tmp_path, row(ADD | BUY, 0, 100.1, 5, 1), row(TRADED | SELL, 1, 100.1, 5)))


def test_an_array_without_events_of_the_exchange_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="EXCH_EVENT"):
        read(save(tmp_path, row(DEPTH | BUY, 0, 100.1, 5, flags=LOCAL)))


class Bomb:
    """Unpickling it raises."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('unpickled')",)


def test_objects_are_refused_and_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", data=np.array([Bomb()], object))
    with pytest.raises(DataError, match="the array is of type object, not the event_dtype"):
        read(tmp_path / "objects.npz")
    inside = io.BytesIO()
    with zipfile.ZipFile(inside, "w") as archive:
        archive.writestr("data.npy", pickle.dumps(Bomb()))
    (tmp_path / "pickle.npz").write_bytes(inside.getvalue())
    with pytest.raises(DataError, match="no array of numpy inside"):
        read(tmp_path / "pickle.npz")


def _packed(path: Path, header: str, data: bytes, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A ZIP with a hand-made data.npy."""
    text = header.encode() + b" " * (63 - (len(header) + 10) % 64) + b"\n"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("data.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data)
    return path


@pytest.mark.parametrize("shape", ["(1152921504606846976,)", "(3,)", "(-1,)", "(2, 1)", "()", "(2.0,)", "'x'"])
def test_a_header_that_tells_other_rows_than_there_are_is_refused(tmp_path: Path, shape: str) -> None:
    header = f"{{'descr': {RECORD.descr!r}, 'fortran_order': False, 'shape': {shape}}}"
    with pytest.raises(DataError, match=r"the header tells of|no array of numpy inside"):
        read(_packed(tmp_path / "x.npz", header, array(*FIRST[:2]).tobytes()))


@pytest.mark.parametrize("header", ["{", "(" * 5_000, "{'descr': '|O', 'shape': (1,)}", "__import__('os')", "\xff" * 9])
def test_a_header_that_is_none_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(DataError, match="no array of numpy inside"):
        read(_packed(tmp_path / "x.npz", header, b"\0" * 64))


def test_an_array_of_other_fields_is_refused(tmp_path: Path) -> None:
    for number, odd in enumerate((np.zeros(5), np.zeros(5, RECORD.newbyteorder(">")), np.zeros((5, 6)))):
        np.savez(tmp_path / f"{number}.npz", data=odd)
        with pytest.raises(DataError, match="not the event_dtype of hftbacktest 2"):
            read(tmp_path / f"{number}.npz")
    np.savez(tmp_path / "empty.npz", data=array())
    with pytest.raises(DataError, match="the array is empty"):
        read(tmp_path / "empty.npz")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    header = f"{{'descr': {RECORD.descr!r}, 'fortran_order': False, 'shape': (1000000,)}}"
    path = _packed(tmp_path / "x.npz", header, b"\0" * 64_000_000)
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="unpacks to more than 1,000,000 bytes"):
        read(path, limit=1_000_000)
    with zipfile.ZipFile(path) as archive:
        told_size = archive.infolist()[0].file_size.to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(told_size, (640).to_bytes(4, "little")))  # a ZIP that lies
    with pytest.raises(DataError, match="damaged, cut short or encrypted"):
        read(path, limit=1_000_000)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, *FIRST)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"damaged, cut short or encrypted .* write it again"):
        read(path)
    plain = tmp_path / "btcusdt_20240808.npy"
    np.save(plain, array(*FIRST))
    plain.write_bytes(plain.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"the header tells of \(3,\) rows, the file holds 2"):
        read(plain)
