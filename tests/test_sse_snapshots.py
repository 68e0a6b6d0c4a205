"""Snapshots of several Shanghai stocks in one file: named or split, auctions' virtual books, price limits, levels."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from files import SSE, best, sse_row, write_rows

from lobarena.benchmarks.conformance_snapshots import check_day, recordings
from lobarena.cli import main
from lobarena.data import importers
from lobarena.data.catalogue import days
from lobarena.data.importers import read
from lobarena.data.recording import DataError, Recording
from lobarena.data.schema import AUCTION, TRADING
from lobarena.data.sse import daily_limits, stock

VIRTUAL = sse_row("09:15:02.000", {2.73: 24_400, 0.0: 8_100}, {2.73: 24_400}, status="OCALL")
MATCHED = sse_row("09:25:01.000", {2.74: 314_500}, {2.75: 41_800}, 725_100, 1_986_774.0, 2.74)
OPENED = sse_row("09:30:03.000", {2.75: 82_700, 2.74: 500}, {2.76: 113_300}, 994_400, 2_728_434.0, 2.76)
DAY = [VIRTUAL, MATCHED, OPENED]


def other(rows: list[str], code: str) -> list[str]:
    return [line.replace("600103", code) for line in rows]


def counts(recording: Recording) -> dict[str, int]:
    return {finding.kind: finding.count for finding in recording.findings}


def test_a_stock_has_its_own_contract_day_and_auction(tmp_path: Path) -> None:
    (one,) = read(write_rows(tmp_path / "sse.csv", SSE, DAY))
    assert (one.symbol, one.exchange, one.trading_day) == ("600103", "SSE", date(2021, 12, 1))
    assert one.snapshots["kind"].tolist() == [AUCTION, TRADING]
    assert one.snapshots["volume"].tolist() == [725_100, 994_400]
    assert one.snapshots["turnover"].tolist() == [198_677_400, 272_843_400]
    assert str(one.snapshots["time"][1].astype("M8[ns]"))[:19] == "2021-12-01T01:30:03"
    assert one.snapshots["bid"][1].tolist() == [275, 274, 0, 0, 0]
    assert one.snapshots["row"].tolist() == [2, 3]


def test_the_virtual_book_of_an_auction_is_removed_and_counted(tmp_path: Path) -> None:
    closing = sse_row("14:57:03.000", {2.9: 100, 0.0: 5}, {2.9: 100}, 994_400, 2_728_434.0, 2.76, status="CCALL")
    (one,) = read(write_rows(tmp_path / "sse.csv", SSE, [*DAY, closing]))
    assert (one.rows_in, len(one.snapshots), one.quarantined) == (4, 2, 0)
    assert counts(one)["virtual auction"] == 2


def test_a_stock_that_never_gets_beyond_its_auction_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no row of 600103 shows a market \(virtual auction\)"):
        read(write_rows(tmp_path / "sse.csv", SSE, [VIRTUAL]))


def test_several_stocks_are_refused_unless_named_or_split(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "sse.csv", SSE, [*DAY, *other(DAY, "688339")])
    with pytest.raises(DataError, match="holds 600103 and 688339; name one by symbol=, or pass split=True"):
        read(path)
    assert [one.symbol for one in read(path, split=True)] == ["600103", "688339"]
    (named,) = read(path, symbol="688339")
    assert (named.symbol, named.snapshots["row"].tolist()) == ("688339", [5, 6])
    with pytest.raises(DataError, match="holds 600103 and 688339, not 600104; name another by symbol="):
        read(path, symbol="600104")


def test_rows_of_several_stocks_may_stand_mixed(tmp_path: Path) -> None:
    mixed = [line for pair in zip(DAY, other(DAY, "600519"), strict=True) for line in pair]
    first, second = read(write_rows(tmp_path / "sse.csv", SSE, mixed), split=True)
    assert (first.symbol, first.snapshots["row"].tolist()) == ("600103", [3, 5])
    assert (second.symbol, second.snapshots["row"].tolist()) == ("600519", [4, 6])
    assert "out of time order" not in counts(first) | counts(second)


def test_a_contract_of_the_caller_names_the_stock_and_its_limits(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "sse.csv", SSE, [*DAY, *other(DAY, "688339")])
    (one,) = read(path, contract=replace(stock("600103"), daily_limit=0.05))
    assert (one.symbol, int(one.snapshots["lower"][0]), int(one.snapshots["upper"][0])) == ("600103", 258, 286)


@pytest.mark.parametrize(
    ("code", "previous", "limits"),
    [
        ("600103", 2.72, (245, 299)),  # 2.448 and 2.992
        ("600103", 2.75, (248, 303)),  # halves are rounded up: 2.475 and 3.025
        ("688339", 2.72, (218, 326)),  # 20 %: 2.176 and 3.264
        ("600103", "", (0, 0)),
        ("600103", -1.0, (0, 0)),
    ],
)
def test_price_limits_follow_from_the_previous_close(
    tmp_path: Path, code: str, previous: float | str, limits: tuple[int, int]
) -> None:
    rows = [line.replace(",2.72,", f",{previous},", 1) for line in other(DAY, code)]
    (one,) = read(write_rows(tmp_path / "sse.csv", SSE, rows))
    assert (int(one.snapshots["lower"][0]), int(one.snapshots["upper"][0])) == limits
    assert counts(one).get("price limits derived", 0) == (3 if limits[1] else 0)
    assert "floating dust" not in counts(one)


def test_limits_of_many_closes_at_once_are_those_of_each() -> None:
    closes = np.arange(1, 5_000)
    lower, upper = daily_limits(stock("600103"), closes)
    assert [*zip(lower.tolist(), upper.tolist(), strict=True)] == [
        daily_limits(stock("600103"), close) for close in closes.tolist()
    ]
    assert np.array_equal(upper, np.floor(closes * 1.1 + 0.5 + 1e-9))


def test_levels_behind_the_fifth_are_noted(tmp_path: Path) -> None:
    deep = sse_row("09:30:06.000", {2.75 - k / 100: 100 + k for k in range(10)}, {2.76: 1}, 994_400, 2_728_434.0, 2.76)
    (one,) = read(write_rows(tmp_path / "sse.csv", SSE, [*DAY, deep]))
    assert counts(one)["deeper levels"] == 1
    assert one.snapshots["bid"][2].tolist() == [275, 274, 273, 272, 271]
    assert one.snapshots["bid_size"][2].tolist() == [100, 101, 102, 103, 104]


def test_a_row_without_a_stock_is_kept_apart_with_the_stock_above(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "sse.csv", SSE, [*DAY, "1,2,3", *other(DAY, "688339"), ""])
    first, second = read(path, split=True)
    (reason,) = first.quarantine.reasons
    assert (first.rows_in, reason.split("; ")[0]) == (4, "wrong number of columns")
    assert (second.rows_in, second.quarantined) == (3, 0)


@pytest.mark.parametrize("code", ["60010", "rb1805", "../../x", "000001", "6001030"])
def test_what_is_no_code_of_a_stock_is_refused_with_its_row(tmp_path: Path, code: str) -> None:
    with pytest.raises(DataError, match=r"sse\.csv, row 4: SecurityID .* is no stock's code of six digits"):
        read(write_rows(tmp_path / "sse.csv", SSE, [*DAY, *other(DAY, code)]))


def test_a_file_whose_rows_name_no_stock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row has a SecurityID; fetch the file again"):
        read(write_rows(tmp_path / "sse.csv", SSE, other(DAY, "")))


def test_a_file_of_one_contract_is_not_taken_for_another(tmp_path: Path) -> None:
    assert read(best(tmp_path), symbol="RB1805")[0].symbol == "RB1805"
    with pytest.raises(DataError, match="holds rb1805, not RB1810; name another by symbol=, or leave it out"):
        read(best(tmp_path), symbol="RB1810")


def test_a_record_of_events_has_one_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(importers.FORMATS, "any", (lambda path, head: True, lambda *_: []))
    with pytest.raises(DataError, match="holds events, of one contract; leave symbol= out"):
        read(write_rows(tmp_path / "sse.csv", SSE, DAY), symbol="600103")


def test_the_command_line_names_a_stock_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, catalogue = write_rows(tmp_path / "sse.csv", SSE, [*DAY, *other(DAY, "688339")]), tmp_path / "catalogue"
    arguments = ["data", "import", str(file), "--catalogue", str(catalogue)]
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "(here: --symbol, --split)" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        main([*arguments, "--symbol", "688339"])
    assert [one.symbol for one in days(catalogue)] == ["688339"]


@pytest.mark.realdata
def test_real_stocks_are_whole(shared_data: Path) -> None:
    (path,) = (shared_data / "limit" / "sse_20211201").glob("*.zip")
    found = read(path, split=True)
    assert len(found) == 30
    assert sum(one.rows_in for one in found) == 32_972
    assert sum(len(one.snapshots) for one in found) == 31_766
    assert sum(counts(one)["virtual auction"] for one in found) == 1_197
    assert sum(counts(one).get("duplicate", 0) for one in found) == 9
    assert not any(one.quarantined for one in found)
    for one in found:
        assert (one.snapshots["kind"] == AUCTION).sum() == counts(one)["auction row"]
        assert (one.snapshots["last"] <= one.snapshots["upper"]).all()
    (surge,) = [one for one in found if one.symbol == "600103"]
    assert (int(surge.snapshots["upper"][0]), int(surge.snapshots["last"].max())) == (299, 299)


@pytest.mark.realdata
@pytest.mark.kernels
def test_real_stocks_are_replayed_row_by_row(shared_data: Path) -> None:
    (path,) = (shared_data / "limit" / "sse_20211201").glob("*.zip")
    outcomes = [check_day(one) for one in recordings(path)]
    assert (len(outcomes), sum(one.met for one in outcomes)) == (30, 31_766)
    assert [one.symbol for one in outcomes if not one.passed or one.unexplained != "0"] == []
