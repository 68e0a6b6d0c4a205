from pathlib import Path

import numpy as np
from files import STAR, star_row, write_rows

from lobarena.data.importers import read
from lobarena.data.recording import Recording

NIGHT = "2018-08-29 "


def record(folder: Path, *rows: str) -> Recording:
    (recording,) = read(write_rows(folder / "RB.csv", STAR, rows))
    return recording


def test_a_size_shown_again_is_no_trade(tmp_path: Path) -> None:
    recording = record(
        tmp_path,
        star_row(NIGHT + "20:56:00", 5_263_276, stub=True),
        star_row(NIGHT + "20:59:01.342", 100),
        star_row(NIGHT + "21:00:01.000", 10),
        star_row(NIGHT + "21:00:01.500", 10),
        star_row(NIGHT + "21:00:02.000", 10, last=4161.0, bid=4160.0),
    )
    assert recording.snapshots["volume"].tolist() == [50, 55, 55, 60]
    assert {f.kind: f.count for f in recording.findings}["repeated size"] == 1


def test_a_stub_tells_what_was_traded_while_away(tmp_path: Path) -> None:
    recording = record(
        tmp_path,
        star_row(NIGHT + "21:10:00", 1000, stub=True),
        star_row(NIGHT + "21:10:01.000", 10),
        star_row(NIGHT + "21:20:00", 2000, stub=True),
        star_row(NIGHT + "21:20:01.000", 6),
    )
    assert recording.snapshots["volume"].tolist() == [0, (2006 - 1010) // 2]
    findings = {f.kind: f for f in recording.findings}
    assert findings["volume of an outage"].first_row == 4
    assert findings["baseline"].explanation.startswith("505 lots")
    assert findings["subscription stub"].removed == 2


def test_a_stub_bounds_the_sizes_before_it(tmp_path: Path) -> None:
    recording = record(
        tmp_path,
        star_row(NIGHT + "21:10:00", 1000, stub=True),
        star_row(NIGHT + "21:10:01.000", 10),
        star_row(NIGHT + "21:10:01.500", 10, oi=2002),  # the same trade, open interest corrected
        star_row(NIGHT + "21:10:02", 1010, stub=True),
        star_row(NIGHT + "21:10:03.000", 4),
    )
    assert recording.snapshots["volume"].tolist() == [0, 0, 2]


def test_a_recording_begun_between_stubs_counts_back_from_the_first(tmp_path: Path) -> None:
    recording = record(
        tmp_path,
        star_row(NIGHT + "21:10:01.000", 10),
        star_row(NIGHT + "21:10:02.000", 20),
        star_row(NIGHT + "21:10:03", 5000, stub=True),
        star_row(NIGHT + "21:10:04.000", 4),
    )
    assert recording.snapshots["volume"].tolist() == [0, 10, 12]


def test_a_stub_that_contradicts_the_rows_is_not_believed(tmp_path: Path) -> None:
    recording = record(
        tmp_path,
        star_row(NIGHT + "21:10:00", 1000, stub=True),
        star_row(NIGHT + "21:10:01.000", 10),
        star_row(NIGHT + "21:10:02", 20, stub=True),
        star_row(NIGHT + "21:10:03.000", 4),
    )
    assert recording.snapshots["volume"].tolist() == [0, 2]
    assert len(recording.quarantine.rows) == 0


def test_the_slow_clock_is_noted_and_kept(tmp_path: Path) -> None:
    recording = record(tmp_path, star_row(NIGHT + "21:10:01.000", 10), star_row(NIGHT + "21:10:02.000", 20))
    assert np.diff([recording.snapshots["received"], recording.snapshots["time"]], axis=0).tolist() == [
        [400_000_000] * 2
    ]
    assert {f.kind: f.action for f in recording.findings}["clock disagreement"] == "noted"


def test_a_negative_change_is_kept_apart(tmp_path: Path) -> None:
    recording = record(tmp_path, star_row(NIGHT + "21:10:01.000", 10), star_row(NIGHT + "21:10:02.000", -8))
    assert list(recording.quarantine.reasons) == ["negative size"]
