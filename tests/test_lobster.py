from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lobster_day import BOOKS, MESSAGES, NAME, made_up, write_pair
from typer.testing import CliRunner

from lobarena.benchmarks.conformance import app
from lobarena.benchmarks.conformance_events import Messages, check_messages
from lobarena.cli_data import app as data_app
from lobarena.data.catalogue import days, read_day
from lobarena.data.contracts import plain_contract
from lobarena.data.importers import read
from lobarena.data.lobster import matches
from lobarena.data.lobster_files import read_pair
from lobarena.data.recording import DataError, EventRecording
from lobarena.data.schema import (
    ASK,
    BID,
    BREAK,
    CANCEL,
    CLOSED,
    CONTINUOUS,
    DELETE,
    LEVEL,
    LIMIT,
    PHASE,
    REDUCE,
    TAKE,
)
from lobarena.data.source import peek
from lobarena.sim.event_feed import event_feed
from lobarena.sim.market import Market, Rules

SAMPLES = "l3/lobster_excerpts"
AAPL, MSFT = "AAPL_message_10_first998.csv.gz", "MSFT_message_50_1000rows_from0959-59.csv.gz"
SHORT = "AAPL_{}_2_first.csv"
DAY = date(2012, 6, 21)


def day_of(path: Path, **more: Any) -> EventRecording:
    (recording,) = read(path, **more)
    assert isinstance(recording, EventRecording)
    return recording


def told(recording: EventRecording) -> list[tuple[int, ...]]:
    """kind, side, ticks, shares, number of every event."""
    names = ("kind", "side", "price", "size", "ref")
    return list(zip(*(recording.events[name].tolist() for name in names), strict=True))


def counts(recording: EventRecording) -> dict[str, tuple[int, int]]:
    return {finding.kind: (finding.count, finding.first_row) for finding in recording.findings}


def changed(rows: tuple[str, ...], at: int, row: str) -> tuple[str, ...]:
    """The rows with one replaced; `at` is 1-based."""
    return (*rows[: at - 1], row, *rows[at:])


def test_every_message_becomes_its_event(tmp_path: Path) -> None:
    recording = day_of(write_pair(tmp_path))
    assert told(recording) == [
        (LEVEL, BID, 1001, 50, -1),  # the first row without the first message's 30
        (LEVEL, BID, 1000, 90, -1),
        (LEVEL, ASK, 1002, 60, -1),
        (LEVEL, ASK, 1004, 10, -1),
        (LIMIT, BID, 1001, 30, 0),
        (TAKE, ASK, 1001, 20, -1),
        (CANCEL, BID, 1001, 10, -1),
        (CANCEL, BID, 1001, 20, -1),
        (REDUCE, BID, 1001, 5, 0),
        (LEVEL, BID, 1001, 25, -1),  # 50 of nobody's were there too: whose lots left is the cancel model's choice
        (TAKE, ASK, 1001, 25, -1),
        (LEVEL, BID, 999, 70, -1),  # comes into sight
        (LIMIT, ASK, 1003, 40, 1),
        (DELETE, ASK, 1003, 0, 1),
        (LEVEL, ASK, 1004, 15, -1),
    ]
    assert counts(recording) == {
        "hidden execution": (1, 6),
        "cross trade": (1, 10),
        "unknown order": (3, 2),
        "level in doubt": (1, 5),
        "level comes into sight": (2, 7),
    }
    assert "7 shares" in next(found.explanation for found in recording.findings if found.kind == "hidden execution")
    assert (recording.orders, recording.rows_in, recording.quarantined) == (2, 10, 0)


def test_times_are_exact_nanoseconds_of_new_york(tmp_path: Path) -> None:
    recording = day_of(write_pair(tmp_path))
    open_ = int(np.datetime64("2012-06-21T13:30:00", "ns").astype(np.int64))
    assert recording.events["time"][0] == open_ + 1
    assert recording.events["time"][5] == open_ + 500_000_000
    assert np.all(np.diff(recording.events["time"]) >= 0)


def test_ticker_day_and_contract_come_from_the_name(tmp_path: Path) -> None:
    recording = day_of(write_pair(tmp_path))
    assert (recording.symbol, recording.exchange, recording.trading_day) == ("AAPL", "NASDAQ", DAY)
    assert (recording.contract.tick, recording.contract.timezone) == (Decimal("0.01"), "America/New_York")
    assert [(one.start, one.end) for one in recording.contract.sessions] == [("09:30", "16:00")]


def test_packed_files_with_windows_line_ends_are_the_same_day(tmp_path: Path) -> None:
    (tmp_path / "packed").mkdir()
    packed = write_pair(tmp_path / "packed", [f"{row}\r" for row in MESSAGES], [f"{row}\r" for row in BOOKS], end=".gz")
    assert day_of(packed).events.tobytes() == day_of(write_pair(tmp_path)).events.tobytes()


def test_an_orderbook_file_alone_gives_nothing_and_fails_nothing(tmp_path: Path) -> None:
    write_pair(tmp_path)
    assert read(tmp_path / NAME.format("orderbook")) == []


def test_a_book_of_many_levels_is_told_by_the_beginning_of_its_first_row(tmp_path: Path) -> None:
    path = tmp_path / NAME.format("orderbook")
    path.write_text(",".join(f"{100_000 + k},{k + 1},{99_999 - k},{k + 1}" for k in range(400)) + "\n")
    assert matches(path, peek(path, 4096))
    assert not matches(path, b"time,bid,bidq\n1,2,3\n")
    assert not matches(tmp_path / "ticks.csv", peek(path, 4096))


def test_a_shortened_name_finds_the_one_orderbook_file_that_begins_alike(tmp_path: Path) -> None:
    path = write_pair(tmp_path, name=SHORT)
    longer = path.rename(tmp_path / "AAPL_message_2_first_from0930.csv")
    assert day_of(longer, day=DAY).rows_in == 10
    (tmp_path / "AAPL_orderbook_2.csv").write_text("\n".join(BOOKS))
    with pytest.raises(DataError, match=r"AAPL_orderbook_2_first_from0930.csv beside it, and 2 files could be it"):
        read(longer, day=DAY)


def test_without_its_orderbook_file_it_says_which_it_needs(tmp_path: Path) -> None:
    path = write_pair(tmp_path)
    (tmp_path / NAME.format("orderbook")).unlink()
    (tmp_path / "MSFT_2012-06-21_34200000_57600000_orderbook_2.csv").write_text("\n".join(BOOKS))
    with pytest.raises(DataError, match=rf"needs its orderbook file {NAME.format('orderbook')} beside it, and none is"):
        read(path)


def test_a_day_must_be_told_and_be_the_day_asked_for(tmp_path: Path) -> None:
    path = write_pair(tmp_path, name=SHORT)
    with pytest.raises(DataError, match=r"its name does not tell the day; give the trading day, read\(path, day="):
        read(path)
    assert day_of(path, day=DAY).trading_day == DAY
    with pytest.raises(DataError, match="holds the trading day 2012-06-21, not the day=2012-06-22 asked for"):
        read(write_pair(tmp_path), day=date(2012, 6, 22))


def test_prices_off_the_cent_ask_for_their_tick(tmp_path: Path) -> None:
    books = tuple(row.replace("100200", "100250") for row in BOOKS)
    path = write_pair(tmp_path, books=books)
    with pytest.raises(DataError, match=r"row 1: a price of its orderbook file is not in steps of 0.01; give its tick"):
        read(path)
    fine = plain_contract("AAPL", "NASDAQ", Decimal("0.0001"))
    assert day_of(path, contract=fine).events["price"][2] == 100_250
    with pytest.raises(DataError, match=r"a tick of 0.00005 is finer than LOBSTER's 0.0001"):
        read(path, contract=plain_contract("AAPL", "NASDAQ", Decimal("0.00005")))


def test_a_halt_is_a_break_and_the_day_has_all_its_phases(tmp_path: Path) -> None:
    halts = ("34208.0,7,0,0,-1,-1", "34209.0,7,0,0,0,-1", "34210.0,7,0,0,1,-1")
    recording = day_of(write_pair(tmp_path, MESSAGES + halts, BOOKS + BOOKS[-1:] * 3))
    phases = recording.events[recording.events["kind"] == PHASE]
    clocks = [str(time.astype("M8[ns]"))[11:19] for time in phases["time"]]
    assert list(zip(clocks, phases["side"].tolist(), strict=True)) == [
        ("13:30:00", CONTINUOUS),
        ("13:30:08", BREAK),
        ("13:30:10", CONTINUOUS),
        ("20:00:00", CLOSED),
    ]
    assert counts(recording)["halt"] == (3, 11)
    assert PHASE not in day_of(write_pair(tmp_path)).events["kind"], "without halts the feed knows the phases"


def test_a_first_message_of_each_type_is_taken_back_from_the_first_row(tmp_path: Path) -> None:
    for kind, found in ((1, 50), (2, 110), (3, 110), (4, 110), (5, 80), (6, 80)):
        path = write_pair(tmp_path, (f"34200.1,{kind},11,30,100100,1",), BOOKS[:1])
        first = told(day_of(path))
        assert (LEVEL, BID, 1001, found, -1) in first[:4]
        assert result(path).passed


def test_one_sided_and_empty_books_are_books(tmp_path: Path) -> None:
    none = "9999999999,0,-9999999999,0,9999999999,0,-9999999999,0"
    books = ("9999999999,0,100100,30,9999999999,0,-9999999999,0", none)
    recording = day_of(write_pair(tmp_path, ("34200.1,1,11,30,100100,1", "34200.2,3,11,30,100100,1"), books))
    assert told(recording) == [(LIMIT, BID, 1001, 30, 0), (DELETE, BID, 1001, 0, 0)]


def test_sizes_that_contradict_the_book_are_counted_and_the_book_decides(tmp_path: Path) -> None:
    messages = ("34200.1,1,11,30,100100,1", "34200.2,2,11,40,100100,1", "34200.3,3,11,30,100100,1")
    books = ("100200,60,100100,30", "100200,60,100100,10", "100200,60,100100,10")
    path = write_pair(tmp_path, messages, books, NAME.replace("_2.", "_1."))
    recording = day_of(path)
    assert counts(recording)["order of another size"] == (1, 2)
    assert told(recording)[2:4] == [(REDUCE, BID, 1001, 40, 0), (LEVEL, BID, 1001, 10, -1)]
    assert result(path).shown == result(path).replayed


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("34200.5,9,7,20,100100,1", "row 2: its type is none of 1 to 7"),
        ("34200.5,4,7,20,100100,2", "row 2: its direction is neither 1 nor -1"),
        ("34200.5,4,7,-20,100100,1", "row 2: its size is no positive 32-bit number of shares"),
        ("34200.5,4,7,0,100100,1", "row 2: its size is no positive 32-bit number"),
        ("34200.5,4,7,3000000000,100100,1", "row 2: its size is no positive 32-bit number"),
        ("34200.5,4,7,20,-100100,1", "row 2: its price is not positive"),
        ("34200.5,4,7,20,99999999999900,1", "row 2: its price is beyond 32 bits of ticks"),
        ("34200.5,4,7,20,100150,1", "row 2: its price is not in steps of 0.01; give its tick, contract="),
        ("34199.5,4,7,20,100100,1", "row 2: its time runs back"),
        ("99999.5,4,7,20,100100,1", "row 2: its time is no second of a day"),
        ("-1.5,4,7,20,100100,1", "row 2: its time is no second of a day"),
        ("34200.5,1,11,20,100100,1", "row 2: this order was new before; remove the repeated rows"),
        ("nan,4,7,20,100100,1", "damaged or no LOBSTER file"),
        ("34200.0000000001,4,7,20,100100,1", "damaged or no LOBSTER file"),
        ("34200.5,4,7,NaN,100100,1", "damaged or no LOBSTER file"),
        ("34200.5,4,99999999999999999999,20,100100,1", "damaged or no LOBSTER file"),
        ("34200.5,4,7,20,100100", "damaged or no LOBSTER file"),
        ("34200.5,4,7,20,100100,1,1", "damaged or no LOBSTER file"),
        ("", "damaged or no LOBSTER file"),
        ('34200.5,4,"7,20,100100,1', "damaged or no LOBSTER file"),
    ],
)
def test_a_message_that_cannot_be_true_is_refused(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(write_pair(tmp_path, changed(MESSAGES, 2, row)))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("100200,60,100100,-5,100400,10,100000,90", "row 2: bid levels are no book: a size without a price"),
        ("100200,60,100100,0,100400,10,100000,90", "row 2: bid levels are no book: a size without a price"),
        ("100200,60,100100,60,9999999999,5,100000,90", "row 2: ask levels are no book: a size without a price"),
        ("100200,60,100100,60,100400,9999999999,100000,90", "row 2: ask levels are no book: a size beyond 32 bits"),
        ("100200,60,100100,60,-100400,10,100000,90", "row 2: ask levels are no book: a price is not positive"),
        ("100200,60,100100,60,100100,10,100000,90", "row 2: ask levels are no book: prices are out of order"),
        ("9999999999,0,100100,60,100400,10,100000,90", "row 2: ask levels are no book: prices are out of order"),
        ("100200,60,100100,60,99999999999900,10,100000,90", "row 2: a price of its orderbook file is beyond 32 bits"),
        ("100200,60,100100,60", "damaged or no LOBSTER file"),
        ("100200,60,100100,nan,100400,10,100000,90", "damaged or no LOBSTER file"),
    ],
)
def test_a_book_that_is_none_is_refused(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(write_pair(tmp_path, books=changed(BOOKS, 2, row)))


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"orderbook_2.csv has 9 rows, .*message_2.csv has 10; a message needs its row"):
        read(write_pair(tmp_path, books=BOOKS[:-1]))
    with pytest.raises(DataError, match=r"has 2 levels, the name of .*message_3.csv says 3; give files of one request"):
        read(write_pair(tmp_path, name=NAME.replace("_2.", "_3.")))
    with pytest.raises(DataError, match=r"has 6 columns; an orderbook file has four a level"):
        read(write_pair(tmp_path, books=[row.rsplit(",", 2)[0] for row in BOOKS]))


def test_a_file_cut_short_or_too_large_is_refused(tmp_path: Path) -> None:
    path = write_pair(tmp_path, end=".gz")
    with pytest.raises(DataError, match=r"unpacks to more than 50 bytes"):
        read(path, limit=50)
    book = tmp_path / (NAME.format("orderbook") + ".gz")
    book.write_bytes(book.read_bytes()[:-12])
    with pytest.raises(DataError, match=r"orderbook_2.csv.gz: damaged or cut short .*fetch it again"):
        read(path)


def test_a_level_of_more_shares_than_fit_is_refused(tmp_path: Path) -> None:
    books = [row.replace("100000,90", "100000,2147483640") for row in BOOKS]
    with pytest.raises(DataError, match="a level has more shares than 32 bits hold"):
        read(write_pair(tmp_path, ("34200.1,3,7,30,100000,1", *MESSAGES[1:]), books))


def test_a_crossed_book_is_told(tmp_path: Path) -> None:
    path = write_pair(tmp_path, books=changed(BOOKS, 10, "100000,60,100000,90,100400,15,99900,70"))
    assert counts(day_of(path))["crossed"] == (1, 10)


def test_import_stores_the_day_once_for_both_files(tmp_path: Path) -> None:
    write_pair(tmp_path)
    files = [str(path) for path in sorted(tmp_path.glob("*.csv"))]
    done = CliRunner().invoke(data_app, ["import", *files, "--catalogue", str(tmp_path / "kept")])
    assert done.exit_code == 0, done.output
    (stored,) = days(tmp_path / "kept")
    assert stored.path.parts[-3:] == ("NASDAQ", "AAPL", "20120621.parquet")
    kept = read_day(stored)
    assert isinstance(kept, EventRecording)
    assert kept.events.tobytes() == day_of(tmp_path / NAME.format("message")).events.tobytes()


def result(path: Path) -> Messages:
    return check_messages(path)


def test_each_row_comes_out_of_the_row_before_it(tmp_path: Path) -> None:
    found = result(write_pair(tmp_path))
    assert (found.rows, found.equal, found.in_sight, found.first) == (9, 7, 2, "")
    assert (found.replayed, found.shown, found.unfilled) == (20, 20, 0), "under two cancel models"
    assert (found.levels_set, found.first_set) == (2, 7)
    assert found.passed


@pytest.mark.parametrize(
    ("at", "row", "first"),
    [
        (3, "100200,60,100100,55,100400,10,100000,90", "row 3: bid 1 is 10.01 x 50, not 10.01 x 55"),
        (3, "100200,60,100100,50,100400,10,100000,91", "row 3: bid 2 is 10.00 x 90, not 10.00 x 91"),
        (3, "100200,60,100000,90,100400,10,99900,70", "row 3: bid 1 is 10.01 x 50, not 10.00 x 90"),
        (8, "100200,60,100000,90,100400,10,99900,70", "row 8: ask 2 is 10.03 x 40, not 10.04 x 10"),
    ],
)
def test_a_row_that_its_message_does_not_make_fails(tmp_path: Path, at: int, row: str, first: str) -> None:
    found = result(write_pair(tmp_path, books=changed(BOOKS, at, row)))
    assert (found.first, found.passed) == (first, False)
    assert found.shown == found.replayed, "the importer sets what the messages do not tell"
    done = CliRunner().invoke(app, ["lobster", str(tmp_path / NAME.format("message"))])
    assert done.exit_code == 1


def test_the_command_tells_files_that_cannot_be_read(tmp_path: Path) -> None:
    write_pair(tmp_path)
    good, lost = str(tmp_path / NAME.format("message")), str(tmp_path / "MSFT_message_2.csv")
    assert CliRunner().invoke(app, ["lobster", good]).exit_code == 0
    done = CliRunner().invoke(app, ["lobster", good, lost])
    assert done.exit_code == 1
    assert "no such file" in done.output


@pytest.mark.parametrize("levels", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
def test_a_venue_that_shows_its_best_levels_alone_comes_out_row_by_row(tmp_path: Path, seed: int, levels: int) -> None:
    messages, books = made_up(np.random.default_rng(seed), 400, levels)
    path = write_pair(tmp_path, messages, books, NAME.replace("_2.", f"_{levels}."))
    found = result(path)
    assert found.passed, found
    assert found.in_sight > 10
    assert found.levels_set > 10
    assert "level in doubt" in counts(day_of(path))


@pytest.mark.parametrize("model", ["back", "pro rata", "front"])
def test_the_market_ends_with_the_last_row_whatever_the_cancel_model(tmp_path: Path, model: str) -> None:
    messages, books = made_up(np.random.default_rng(7), 400, 3)
    path = write_pair(tmp_path, messages, books, NAME.replace("_2.", "_3."))
    ends_as_recorded(path, day_of(path), model)


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "rows", "in_sight", "levels_set"), [(AAPL, 998, 318, 14), (MSFT, 999, 7, 5)])
def test_real_samples_come_out_row_by_row(
    shared_data: Path, name: str, rows: int, in_sight: int, levels_set: int
) -> None:
    found = result(shared_data / SAMPLES / name)
    assert (found.rows, found.equal, found.in_sight) == (rows, rows - in_sight, in_sight)
    assert (found.shown, found.replayed, found.unfilled) == (2 * (rows + 1), 2 * (rows + 1), 0)
    assert found.levels_set == levels_set
    assert found.right_maker == found.executions > 50


@pytest.mark.realdata
@pytest.mark.parametrize("name", [AAPL, MSFT])
def test_real_samples_replay_in_the_market(shared_data: Path, name: str) -> None:
    path = shared_data / SAMPLES / name
    ends_as_recorded(path, day_of(path, day=DAY), "pro rata")


def ends_as_recorded(path: Path, recording: EventRecording, model: str) -> None:
    """Replayed without a seat, every execution finds its shares and the book is the last row."""
    market = Market(event_feed(recording), Rules(cancel_model=model))
    market.run()
    pair = read_pair(path, 1 << 24)
    venue, book = market.venue[0], market.book[0]
    assert (venue["unfilled"], venue["volume"]) == (0, pair.size[pair.kind == 4].sum())
    sizes = book["level"]["size"].reshape(2, -1)
    for side in (BID, ASK):
        true = pair.sizes[side][-1] > 0
        prices = pair.prices[side][-1][true] // 100 - book["base"]
        levels = np.flatnonzero(sizes[side])
        levels = (levels[::-1] if side == BID else levels)[: len(prices)]
        assert levels.tolist() == prices.tolist()
        assert sizes[side][levels].tolist() == pair.sizes[side][-1][true].tolist()
