from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from files import write_rows

from lobarena.data.columns import ColumnMap, columns_from, load_columns
from lobarena.data.contracts import contract
from lobarena.data.importers import read
from lobarena.data.recording import DataError

MAP = """
time = "ts"
bid = ["b"]
bid_size = ["bv"]
ask = ["a"]
ask_size = ["av"]
last = "px"
volume = "cum"
contract = "RB1901"
"""
HEADER = "ts,b,bv,a,av,px,cum"
ROWS = ["2018-08-29 21:00:01.500,4165,15,4166,203,4165,90", "2018-08-29 21:00:02.000,4165,15,4166,203,4165,96"]
PLAIN = ColumnMap("ts", ("b",), ("bv",), ("a",), ("av",), "px", volume="cum", contract="RB1901")


def test_a_column_map_reads_any_csv(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(MAP)
    data = write_rows(tmp_path / "any.csv", HEADER, ROWS)
    assert load_columns(tmp_path / "map.toml") == PLAIN
    (recording,) = read(data, columns=tmp_path / "map.toml")
    assert (recording.symbol, recording.trading_day) == ("RB1901", date(2018, 8, 30))
    assert recording.snapshots["volume"].tolist() == [45, 48]
    assert recording.snapshots["time"].tolist() == [1535547601500000000, 1535547602000000000]
    assert recording.snapshots["ask"][:, 0].tolist() == [4166, 4166]


def test_changes_are_summed_and_counted_as_told(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "any.csv", HEADER, ROWS)
    (recording,) = read(data, columns=replace(PLAIN, volume_is="change", counted_twice=False))
    assert recording.snapshots["volume"].tolist() == [90, 186]


@pytest.mark.parametrize(
    ("form", "stamp", "more"),
    [
        ("s", "1535547601", ""),
        ("ms", "1535547601000", ""),
        ("us", "1535547601000000", ""),
        ("ns", "1535547601000000000", ""),
        ("clock", "21:00:01", "20180829"),
        ("packed", "210001000", "2018-08-29"),
        ("datetime", "2018-08-29T21:00:01", ""),
    ],
)
def test_times_are_read_in_every_form(tmp_path: Path, form: str, stamp: str, more: str) -> None:
    data = write_rows(tmp_path / "any.csv", HEADER + ",day", [f"{stamp},4165,15,4166,203,4165,90,{more}"])
    (recording,) = read(data, columns=replace(PLAIN, time_format=form, date="day" if more else ""))
    assert recording.snapshots["time"].tolist() == [1535547601000000000]


def test_a_timezone_moves_the_clock(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "any.csv", HEADER, ["2018-08-29 13:00:01.5,4165,15,4166,203,4165,90"])
    (recording,) = read(data, columns=replace(PLAIN, timezone="UTC"))
    assert recording.snapshots["time"].tolist() == [1535547601500000000]


def test_an_evening_dated_with_its_trading_day_moves_to_the_weekday_before(tmp_path: Path) -> None:
    rows = [f"{clock},4165,15,4166,203,4165,90,20180903" for clock in ("21:00:01", "09:00:01")]
    data = write_rows(tmp_path / "any.csv", HEADER + ",day", rows)
    (recording,) = read(data, columns=replace(PLAIN, time_format="clock", date="day"))
    assert recording.trading_day == date(2018, 9, 3)
    assert [str(time)[:10] for time in recording.snapshots["time"].astype("M8[ns]")] == ["2018-08-31", "2018-09-03"]
    assert ("date is the trading day", 1, "repaired") in [(f.kind, f.count, f.action) for f in recording.findings]


def test_a_clock_without_a_date_asks_for_the_day(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "any.csv", HEADER, ["21:00:01,4165,15,4166,203,4165,90"])
    with pytest.raises(DataError, match=r"any\.csv: its rows have no date; give the trading day"):
        read(data, columns=replace(PLAIN, time_format="clock"))
    (recording,) = read(data, columns=replace(PLAIN, time_format="clock"), day=date(2018, 8, 30))
    assert recording.trading_day == date(2018, 8, 30)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("last =", "lats =", "unknown key lats; did you mean last?"),
        ('last = "px"\n', "", "key last is missing; say which column it is"),
        ('last = "px"', "last = 5", "last is 5; give a column name"),
        ('bid = ["b"]', 'bid = ["b", "b2"]', "must name the same number of columns, 1 to 5"),
        ('time = "ts"', 'time = "ts"\ntime_format = "swatch"', "time_format is 'swatch'; give one of datetime"),
        ('volume = "cum"', 'volume_is = "both"', 'volume_is is \'both\'; give "cumulative" or "change"'),
        ('time = "ts"', 'time = "ts', "not a readable TOML file"),
    ],
)
def test_a_wrong_column_map_names_file_key_and_fix(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "map.toml"
    path.write_text(MAP.replace(old, new, 1))
    with pytest.raises(DataError, match=r"map\.toml") as caught:
        load_columns(path)
    assert message in str(caught.value)


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "any.csv", HEADER, ROWS)
    with pytest.raises(DataError, match="the column map needs the columns vol; the header has ts, b"):
        read(data, columns=replace(PLAIN, volume="vol"))


def test_a_map_without_a_contract_asks_for_one(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "any.csv", HEADER, ROWS)
    with pytest.raises(DataError, match="no contract; add contract or symbol to the column map, or give contract="):
        read(data, columns=replace(PLAIN, contract=""))
    (recording,) = read(data, columns=replace(PLAIN, contract=""), contract=contract("RB1901"))
    assert recording.symbol == "RB1901"


def test_the_example_of_the_module_is_a_valid_map() -> None:
    import tomllib

    import lobarena.data.columns as module

    example = (module.__doc__ or "").split("it is\n")[1]
    columns = columns_from(tomllib.loads(example))
    assert columns.contract == "RB1901"
    assert columns.counted_twice is True
