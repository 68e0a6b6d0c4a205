import zipfile
from datetime import date
from pathlib import Path

import pytest
from sse_day import folder, packed, texts

from lobarena.data.recording import DataError
from lobarena.data.sse import read
from lobarena.data.sse_files import members


def test_folder_and_zip_give_the_same_day(tmp_path: Path) -> None:
    one, other = read(folder(tmp_path)), read(packed(tmp_path))
    assert one.events.tobytes() == other.events.tobytes()
    assert one.shots.tobytes() == other.shots.tobytes()


def test_a_folder_above_the_day_will_do(tmp_path: Path) -> None:
    folder(tmp_path)
    assert read(tmp_path).trades["size"].sum() == 750


def test_a_missing_path_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file or folder; give the ZIP or the folder with entrust.csv"):
        read(tmp_path / "nowhere.zip")


def test_a_zip_cut_short_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DataError, match=r"damaged, cut short or encrypted .*fetch it again"):
        read(path)


def test_a_zip_with_a_changed_byte_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path)
    data = bytearray(path.read_bytes())
    data[120] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DataError, match="fetch it again"):
        read(path)


def test_no_zip_at_all_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "day.zip"
    path.write_text("not an archive")
    with pytest.raises(DataError, match="no ZIP, damaged"):
        read(path)


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    files = texts()
    del files["trade.csv"]
    with pytest.raises(DataError, match=r"lacks trade.csv; a day needs entrust.csv, trade.csv, snapshot.csv"):
        read(packed(tmp_path, files))
    with pytest.raises(DataError, match=r"lacks trade.csv"):
        read(folder(tmp_path, files))


def test_two_days_in_one_zip_are_refused(tmp_path: Path) -> None:
    path = packed(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("20230202/entrust.csv", texts()["entrust.csv"])
    with pytest.raises(DataError, match=r"entrust.csv twice .*give one trading day"):
        read(path)


def test_a_member_that_climbs_out_of_its_folder_writes_nowhere(tmp_path: Path) -> None:
    inner = tmp_path / "in"
    inner.mkdir()
    before = packed(inner, inside="../../")
    assert read(before).trades["size"].sum() == 750
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "day.zip"]


def test_a_member_that_unpacks_too_large_is_refused(tmp_path: Path) -> None:
    files = texts()
    files["trade.csv"] += "\n" * 2_000_000
    with pytest.raises(DataError, match=r"trade.csv: unpacks to more than 1,000,000 bytes; raise limit="):
        read(packed(tmp_path, files), limit=1_000_000)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    files = texts()
    files["entrust.csv"] = files["entrust.csv"].replace("BizIndex", "Sequence").replace("Balance", "Left")
    with pytest.raises(DataError, match=r"entrust.csv lacks the columns Balance, BizIndex; give the Level-2 feed"):
        read(folder(tmp_path, files))


def test_further_columns_are_ignored(tmp_path: Path) -> None:
    files = texts()
    files["trade.csv"] = "\n".join(f"{line},more" for line in files["trade.csv"].splitlines())
    assert read(folder(tmp_path, files)).trades["size"].sum() == 750


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    files = texts()
    files["trade.csv"] = files["trade.csv"].replace("DataStatus", "TradPrice")
    with pytest.raises(DataError, match="two columns are called 'TradPrice'; rename one"):
        read(folder(tmp_path, files))


def test_a_line_with_too_few_cells_is_refused(tmp_path: Path) -> None:
    files = texts()
    files["trade.csv"] += "0,600000\n"
    with pytest.raises(DataError, match=r"trade.csv: .*damaged or of another layout"):
        read(folder(tmp_path, files))


@pytest.mark.parametrize(("text", "message"), [("", "is empty"), ("  \n \n", "is empty")])
def test_an_empty_member_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"entrust.csv {message}; fetch it again"):
        read(folder(tmp_path, texts() | {"entrust.csv": text}))


def test_utf_16_is_refused(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (path / "trade.csv").write_bytes(texts()["trade.csv"].encode("utf-16"))
    with pytest.raises(DataError, match=r"trade.csv: the header is no UTF-8"):
        read(path)


def test_a_folder_that_holds_the_day_packed_is_as_good_and_two_are_one_too_many(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr("20230201/a.csv", "x\n1\n")
        if name == "one":
            assert members(tmp_path, ["a.csv"], 100) == ({"a.csv": b"x\n1\n"}, date(2023, 2, 1))
    with pytest.raises(DataError, match=r"holds 2 ZIPs; give one of them: one\.zip, two\.zip"):
        members(tmp_path, ["a.csv"], 100)
