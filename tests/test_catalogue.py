import errno
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from files import BEST_ROWS, GOOD_ROWS, best

from lobarena.data.catalogue import days, digest_of, read_day, write
from lobarena.data.importers import read
from lobarena.data.recording import DataError, Recording


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return read(best(tmp_path, BEST_ROWS))[0]


def test_a_day_comes_back_as_it_was_stored(tmp_path: Path, recording: Recording) -> None:
    path = write(tmp_path / "root", recording)
    assert path == tmp_path / "root" / "SHFE" / "RB1805" / "20171113.parquet"
    again = read_day(path)
    assert again.snapshots.tobytes() == recording.snapshots.tobytes()
    assert again.quarantine.rows.tobytes() == recording.quarantine.rows.tobytes()
    assert list(again.quarantine.reasons) == ["outside the sessions"]
    assert list(again.quarantine.texts) == [BEST_ROWS[3]]
    assert list(again.findings) == list(recording.findings)
    assert replace(again.contract) == recording.contract
    assert (again.source, again.rows_in, again.trading_day) == ("rb1805_20171113.csv", 7, date(2017, 11, 13))


def test_the_file_says_its_units(tmp_path: Path, recording: Recording) -> None:
    schema = pq.read_schema(write(tmp_path, recording))
    assert schema.field("volume").metadata == {b"unit": b"lots, cumulative, counted once"}
    assert pq.ParquetFile(write(tmp_path, recording)).metadata.row_group(0).column(0).compression == "LZ4"


def test_the_digest_is_of_the_content(tmp_path: Path, recording: Recording) -> None:
    (day,) = days(write(tmp_path / "root", recording).parents[2])
    assert day.digest == digest_of(recording) == digest_of(read_day(day))
    changed = recording.snapshots.copy()
    changed["ask_size"][0, 0] += 1
    assert digest_of(replace(recording, snapshots=changed)) != day.digest
    assert digest_of(replace(recording, contract=replace(recording.contract, multiplier=11))) != day.digest


def test_days_are_listed_by_name_and_filtered(tmp_path: Path, recording: Recording) -> None:
    root = tmp_path / "root"
    write(root, recording)
    write(root, replace(recording, trading_day=date(2017, 11, 14)))
    write(root, replace(recording, symbol="RB1801"))
    (root / "SHFE" / "RB1805" / "99999999.parquet").touch()
    (root / "SHFE" / "RB1805" / "notes.parquet").touch()
    assert [(day.symbol, day.trading_day.day) for day in days(root)] == [("RB1801", 13), ("RB1805", 13), ("RB1805", 14)]
    assert len(days(root, exchange="SHFE", symbol="rb1805")) == 2
    assert days(root, exchange="DCE") == []


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none is no catalogue folder; import a file first"):
        days(tmp_path / "none")


def test_another_content_of_a_day_is_not_overwritten_unasked(tmp_path: Path, recording: Recording) -> None:
    root = tmp_path / "root"
    path = write(root, recording)
    assert write(root, recording) == path
    other = read(best(tmp_path, GOOD_ROWS[:4]))[0]
    with pytest.raises(
        DataError, match=r"holds this day already, from another rb1805_20171113\.csv; pass overwrite=True"
    ):
        write(root, other)
    write(root, other, overwrite=True)
    assert len(read_day(path).snapshots) == 4
    assert not path.with_name("20171113.quarantine.parquet").exists()


@pytest.mark.parametrize(
    ("number", "message"), [(errno.ENOSPC, "no space left on the disk; free some"), (errno.EACCES, "cannot be written")]
)
def test_a_disk_that_refuses_leaves_no_half_file(
    tmp_path: Path, recording: Recording, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    def fail(table: Any, path: str, **options: Any) -> None:
        Path(path).write_bytes(b"PAR1 half")
        raise OSError(number, "refused")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(DataError, match=message):
        write(tmp_path / "root", recording)
    assert [path for path in (tmp_path / "root").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("size", [0, 3, 100, -9])
def test_a_damaged_file_is_refused(tmp_path: Path, recording: Recording, size: int) -> None:
    path = write(tmp_path, recording)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"20171113\.parquet: damaged or no Parquet file .*import its source again"):
        read_day(path)
    with pytest.raises(DataError, match="damaged or no Parquet file"):
        _ = days(tmp_path)[0].digest


def rewritten(path: Path, **changes: Any) -> Path:
    """The file with another description of itself."""
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"lobarena"]) | changes
    pq.write_table(table.replace_schema_metadata({b"lobarena": json.dumps(about).encode()}), path)
    return path


def test_a_newer_file_asks_for_an_upgrade(tmp_path: Path, recording: Recording) -> None:
    path = rewritten(write(tmp_path, recording), schema_version=99)
    with pytest.raises(DataError, match=r"has schema version 99, this lobarena reads up to \d+; upgrade lobarena"):
        read_day(path)


def test_changed_rows_do_not_match_the_digest(tmp_path: Path, recording: Recording) -> None:
    path = write(tmp_path, recording)
    table = pq.read_table(path)
    place = table.column_names.index("last")
    other = pa.array([1] * table.num_rows, pa.int32())
    pq.write_table(table.set_column(place, table.schema.field("last"), other), path)
    with pytest.raises(DataError, match="its rows do not match its digest"):
        read_day(path)


@pytest.mark.parametrize(
    "changes", [{"contract": {}}, {"trading_day": "soon"}, {"rows_in": 5}, {"schema_version": "x"}]
)
def test_a_wrong_description_is_refused(tmp_path: Path, recording: Recording, changes: dict[str, Any]) -> None:
    path = rewritten(write(tmp_path, recording), **changes)
    with pytest.raises(DataError, match=r"20171113\.parquet.*import its source again"):
        read_day(path)


def test_another_parquet_file_and_no_file_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="a Parquet file, but not of a catalogue"):
        read_day(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="no such file in the catalogue"):
        read_day(tmp_path / "b.parquet")


def test_lost_quarantined_rows_are_missed(tmp_path: Path, recording: Recording) -> None:
    path = write(tmp_path, recording)
    path.with_name("20171113.quarantine.parquet").unlink()
    with pytest.raises(DataError, match=r"20171113\.quarantine\.parquet: no such file"):
        read_day(path)
