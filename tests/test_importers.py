from datetime import date
from pathlib import Path

import numpy as np
import pytest
from files import (
    BEST,
    GOOD_ROWS,
    STAR,
    TQ,
    VNPY,
    WONDER,
    best,
    star_row,
    wonder_row,
    write_rows,
)

from lobarena.data.contracts import Contract, contract
from lobarena.data.importers import read
from lobarena.data.recording import DataError, Recording
from lobarena.data.schema import AUCTION, SETTLEMENT, TRADING

TQ_ROW = "SHFE.cu1909,1,{},47820.0,10,47830.0,10,,0,,0,,0,47780.0,10,47770.0,10,,0,,0,,0,47800.0,1,1,1,8240,{},{},x"


def test_a_best_quote_file_is_read_by_its_name(tmp_path: Path) -> None:
    (recording,) = read(best(tmp_path))
    rows = recording.snapshots
    assert (recording.symbol, recording.exchange, recording.trading_day) == ("RB1805", "SHFE", date(2017, 11, 13))
    assert rows["kind"].tolist() == [AUCTION, TRADING, TRADING, TRADING, TRADING, SETTLEMENT]
    assert rows["volume"].tolist() == [2334, 3084, 3500, 3550, 3550, 3550]
    assert rows["interest"][0] == 1095
    assert rows["bid"][1].tolist() == [3813, 0, 0, 0, 0]
    assert (rows["turnover"] == -1).all()
    assert [str(time)[:10] for time in rows["time"][[0, -1]].astype("M8[ns]")] == ["2017-11-10", "2017-11-13"]


def test_rows_after_midnight_are_of_the_morning_after_the_evening(tmp_path: Path) -> None:
    rows = ["21:00:00.500,3998,32,3999,15,3999,278,2910", "00:30:00.0,3998,29,3999,18,3999,308,2906"]
    (recording,) = read(best(tmp_path, rows, "ag1806_20171113.csv"))
    assert str(recording.snapshots["time"][1].astype("M8[ns]"))[:16] == "2017-11-10T16:30"  # 00:30 on the 11th


def test_a_best_quote_file_without_a_telling_name_asks_for_contract_and_day(tmp_path: Path) -> None:
    path = best(tmp_path, name="ticks.csv.gz")
    with pytest.raises(DataError, match="neither contract nor date; name it like rb1805_20171113"):
        read(path)
    (recording,) = read(path, contract=contract("rb1805"), day=date(2017, 11, 13))
    assert recording.symbol == "RB1805"


def test_a_wondertrader_file_has_whole_turnover_limits_and_settlement(tmp_path: Path) -> None:
    rows = [
        wonder_row(92900400, 240, 376560000.0, upper=5737.800000000001),
        wonder_row(93000400, 311, 487976040.0),
        wonder_row(153048900, 311, 487976040.0, settle=5278.6),
    ]
    (recording,) = read(write_rows(tmp_path / "if.csv", WONDER, rows))
    assert recording.snapshots["kind"].tolist() == [AUCTION, TRADING, SETTLEMENT]
    assert recording.snapshots["turnover"].tolist() == [6276000, 8132934, 8132934]
    assert recording.snapshots["upper"].tolist() == [28689] * 3
    assert recording.snapshots["settle"].tolist() == [0, 0, 26393]
    assert {f.kind: f.count for f in recording.findings}["floating dust"] == 1


def test_a_vnpy_file_has_no_volume(tmp_path: Path) -> None:
    row = "RM705,20170320,{},2374.0,0.0,2372.0,2374.0,264.0,65.0"
    (recording,) = read(write_rows(tmp_path / "rm.csv", VNPY, [row.format("09:00:00.5"), row.format("09:00:01.0")]))
    assert (recording.symbol, recording.trading_day) == ("RM705", date(2017, 3, 20))
    assert recording.snapshots["time"].tolist() == [1489971600500000000, 1489971601000000000]
    assert "no volume" in [f.kind for f in recording.findings]


def test_a_tqsdk_file_counts_volume_and_amount_twice(tmp_path: Path) -> None:
    rows = [
        TQ_ROW.format(1568613693000000000, 7360, 1756292000.0),
        TQ_ROW.format(1568613694000000000, 7370, 1758682000.0),
    ]
    (recording,) = read(write_rows(tmp_path / "cu.csv", TQ, rows))
    assert (recording.symbol, recording.trading_day) == ("CU1909", date(2019, 9, 16))
    assert recording.snapshots["volume"].tolist() == [0, 5]
    assert recording.snapshots["turnover"].tolist() == [0, 5 * 4780]
    assert recording.snapshots["ask"][0].tolist() == [4782, 4783, 0, 0, 0]
    assert recording.snapshots["depth"].tolist() == [2, 2]


def test_two_days_in_one_file_are_refused_unless_split(tmp_path: Path) -> None:
    rows = [star_row("2018-08-29 22:00:01.000", 2), star_row("2018-08-30 22:00:01.000", 2)]
    path = write_rows(tmp_path / "two.csv", STAR, rows)
    with pytest.raises(DataError, match="the trading days 2018-08-30 and 2018-08-31; pass split=True"):
        read(path)
    assert [one.trading_day for one in read(path, split=True)] == [date(2018, 8, 30), date(2018, 8, 31)]


def test_the_day_asked_for_must_be_the_day_of_the_file(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "if.csv", WONDER, [wonder_row(93000400, 311, 487976040.0)])
    with pytest.raises(DataError, match="holds the trading day 2021-01-04, not only the day=2021-01-05 asked for"):
        read(path, day=date(2021, 1, 5))


def test_unknown_columns_list_the_layouts_the_nearest_and_what_is_missing(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "odd.csv", BEST.replace("cumvol", "volume"), GOOD_ROWS)
    with pytest.raises(DataError) as caught:
        read(path)
    for part in ("odd.csv: unknown columns (time,", "WonderTrader, StarQuant, best quote, vn.py, TqSdk", "cumvol"):
        assert part.replace("(time,", "(time, ") in str(caught.value)
    assert "nearest is best quote, which also needs cumvol. For another layout pass read(path, columns=" in str(
        caught.value
    )


def test_a_contract_without_a_specification_asks_for_one(tmp_path: Path) -> None:
    path = best(tmp_path, name="xx1805_20171113.csv")
    with pytest.raises(DataError, match=r"xx1805_20171113\.csv: no specification of 'xx1805'.*read\(path, contract="):
        read(path)
    own = Contract(
        **{slot: getattr(contract("RB"), slot) for slot in Contract.__slots__} | {"code": "XX", "symbol": "XX"}
    )
    assert read(path, contract=own)[0].symbol == "XX1805"


def test_two_contracts_in_one_file_are_refused(tmp_path: Path) -> None:
    rows = [
        star_row("2018-08-29 22:00:01.000", 2),
        star_row("2018-08-29 22:00:02.000", 2).replace("RB 1901", "RB 1905"),
    ]
    with pytest.raises(DataError, match="SHFE F RB 1901 and SHFE F RB 1905; give a file of one contract"):
        read(write_rows(tmp_path / "two.csv", STAR, rows))


def test_a_file_without_any_readable_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row has a time that can be read; check the time column"):
        read(best(tmp_path, ["noon,1,1,2,1,1,1,1"]))


EXPECTED_2017 = {  # symbol: rows, lots of the day
    "T1803": (24124, 49940),
    "AG1806": (22547, 54300),
    "CU1712": (20959, 34358),
    "I1801": (42649, 1206692),
    "NI1805": (51515, 284873),
    "RB1805": (41298, 2317920),
    "RU1801": (40447, 332149),
    "ZN1801": (48675, 207297),
}


def recordings(folder: Path) -> list[Recording]:
    """All of a folder of real recordings, at least one."""
    paths = sorted(folder.glob("*.csv*"))
    assert paths, f"{folder} holds no recordings"
    return [one for path in paths for one in read(path, split=True)]


def counts(recording: Recording) -> dict[str, int]:
    return {finding.kind: finding.count for finding in recording.findings}


@pytest.mark.realdata
def test_real_cffex_days_balance_to_the_tick(shared_data: Path) -> None:
    found = recordings(shared_data / "futures" / "cffex_if_2021")
    assert [one.rows_in for one in found] == [27955, 28254, 28138]
    assert [int(one.snapshots["volume"][-1]) for one in found] == [84288, 88203, 94934]
    assert int(found[0].snapshots["turnover"][-1]) * 60 == 132807388020
    for one in found:
        assert "turnover not whole" not in counts(one)
        assert (len(one.quarantine.rows), counts(one)["auction row"]) == (0, 1)
        assert counts(one)["settlement row"] in (2, 3)
    assert [counts(one).get("floating dust", 0) for one in found] == [0, 28251, 28135]


@pytest.mark.realdata
def test_real_days_of_2017_are_whole_and_halved(shared_data: Path) -> None:
    found = {one.symbol: one for one in recordings(shared_data / "futures" / "shfe_2017")}
    assert {name: (one.rows_in, int(one.snapshots["volume"][-1])) for name, one in found.items()} == EXPECTED_2017
    for name, one in found.items():
        assert counts(one).get("odd volume", 0) == 0
        assert len(one.quarantine.rows) == 0
        assert ("volume counted twice" in counts(one)) == (name != "T1803")
        assert counts(one)["settlement row"] == (2 if name == "T1803" else 1)
    assert {name for name, one in found.items() if "rounded interest" in counts(one)} == {"RB1805", "I1801"}


@pytest.mark.realdata
def test_real_iron_ore_runs_backwards_only_by_its_unpadded_milliseconds(shared_data: Path) -> None:
    (one,) = read(shared_data / "futures" / "shfe_2017" / "i1801_20171113.csv.gz")
    assert counts(one)["unpadded milliseconds"] == 3043
    assert "out of time order" not in counts(one)
    assert (np.diff(one.snapshots["row"]) > 0).all()


@pytest.mark.realdata
def test_real_pieces_of_2018_are_even_and_meet_their_stubs(shared_data: Path) -> None:
    found = recordings(shared_data / "futures" / "shfe_2018")
    assert len(found) == 13
    for one in found:
        assert counts(one).get("odd volume", 0) == 0
        assert counts(one)["clock disagreement"] > 0.99 * len(one.snapshots)
    rebar = {one.trading_day: one for one in found if one.symbol == "RB1901"}
    assert len(rebar[date(2018, 8, 30)].snapshots) == 11413
    assert counts(rebar[date(2018, 8, 30)])["gap"] == 7
    before_first, at_close, first_size = 1263446, 1302760, 10
    assert int(rebar[date(2018, 8, 29)].snapshots["volume"][-1]) == (at_close - before_first - first_size) // 2
    (cotton,) = [one for one in found if one.symbol == "CF809"]
    assert (len(cotton.snapshots), list(cotton.quarantine.rows["row"])) == (540, [416, 510])
    assert (cotton.snapshots["depth"] == 5).all()


@pytest.mark.realdata
def test_real_rapeseed_and_copper_are_read(shared_data: Path) -> None:
    (rapeseed,) = recordings(shared_data / "futures" / "czce_2017")
    assert (len(rapeseed.snapshots), counts(rapeseed)["no volume"]) == (16979, 16979)
    (copper,) = recordings(shared_data / "futures" / "shfe_cu1909_2019")
    rows = copper.snapshots
    assert (len(rows), int(rows["volume"][-1]), int(rows["depth"][0])) == (200, 830, 5)
    assert int((rows["ask"][:, 0] - rows["bid"][:, 0]).max()) == 117
