import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lobarena.data.recording import DataError
from lobarena.data.source import open_source, read_table

TEXT = "a,b\n1,x\n2,y\n"


def refused(path: Path, limit: int = 10_000) -> str:
    """The message with which a file is refused."""
    with pytest.raises(DataError) as caught:
        read_table(open_source(path, limit), ["a"], (), ["b"])
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_plain_packed_and_zipped_text_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TEXT)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", TEXT)
    for name in ("a.csv", "a.csv.gz", "a.zip"):
        source = open_source(tmp_path / name)
        assert source.header == ("a", "b")
        assert read_table(source, ["a"]).numbers["a"].tolist() == [1, 2]


def test_a_byte_order_mark_and_windows_lines_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    table = read_table(open_source(tmp_path / "a.csv"), ["a"], (), ["b"])
    assert table.texts["b"].to_pylist() == ["x", "y"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; fetch it again"),
        (b" \n\n", "is empty; fetch it again"),
        (b"a,b\n", "has a header and no rows"),
        (TEXT.encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (TEXT.encode("utf-16-le"), "is UTF-16 text; save it as UTF-8"),
        ("a,b\n1,沪铜期货\n".encode("gbk"), "row 1: bytes that are no UTF-8, it looks like GBK; convert it"),
        (b"a,b\n1,x\n2,\xff\xff\n", "row 2: bytes that are no UTF-8, the file is damaged"),
        (b"a,b\n1,x\n2,\0\n", "row 2: a NUL byte"),
        (b"a,b,a\n1,x,2\n", "two columns are called 'a'; rename one"),
        (b"\x1f\x8b\x08\x00garbage-that-is-no-deflate", "damaged or cut short"),
        (gzip.compress(TEXT.encode() * 99)[:-20], "damaged or cut short"),
        (b"PK\x03\x04nothing", "damaged or cut short"),
        (b"a,b\n" + b"1,x\n" * 9_000, "unpacks to more than 10,000 bytes; split it, or raise limit="),
        (gzip.compress(b"a,b\n" + b"1,x\n" * 9_000), "unpacks to more than 10,000 bytes"),
    ],
)
def test_a_hostile_file_is_refused_with_the_fix(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "hostile.csv"
    path.write_bytes(content)
    assert message in refused(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "no such file; check the path" in refused(tmp_path / "none.csv")
    assert "is a directory; give one file" in refused(tmp_path)


def test_a_name_that_promises_an_archive_is_checked(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_text(TEXT)
    assert "is no .gz archive inside" in refused(tmp_path / "a.csv.gz")


def test_a_zip_of_two_files_and_a_bomb_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", TEXT)
        archive.writestr("b.csv", TEXT)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 10_000_000)
    assert "holds 2 files (a.csv, b.csv); give a zip with one CSV" in refused(tmp_path / "two.zip")
    assert "unpacks to more than 10,000 bytes" in refused(tmp_path / "bomb.zip")


def test_bad_cells_and_lines_are_marked_and_keep_their_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,x\nseven,x\n\n4\n5,x,9\n6,x\n,x\n")
    table = read_table(open_source(tmp_path / "a.csv"), ["a"], (), ["b"])
    assert np.flatnonzero(table.bad["unreadable number"]).tolist() == [1]
    assert np.flatnonzero(table.bad["wrong number of columns"]).tolist() == [3, 4]
    assert np.flatnonzero(table.blank).tolist() == [2]
    assert table.numbers["a"][[0, 5]].tolist() == [1, 6]
    assert np.isnan(table.numbers["a"][[1, 2, 3, 4, 6]]).all()


def test_a_quote_that_never_closes_costs_one_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a,b\n1,x\n2,"x\n3,"y"\n4,x,x\n5,"')
    table = read_table(open_source(tmp_path / "a.csv"), ["a"], (), ["b"])
    assert np.flatnonzero(table.bad["wrong number of columns"]).tolist() == [1, 3, 4]
    assert table.numbers["a"][[0, 2]].tolist() == [1, 3]


@pytest.mark.parametrize(("text", "rows"), [("a,b\r1,x\r2,y\r", [1, 2]), ("a,b\n1,x\ry\n2,y", [1, 2])])
def test_lone_carriage_returns_move_no_rows(tmp_path: Path, text: str, rows: list[int]) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode())
    assert read_table(open_source(tmp_path / "a.csv"), ["a"]).numbers["a"].tolist() == rows


def test_whole_numbers_keep_64_bits(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1568617199000001001,x\nnine,x\n")
    table = read_table(open_source(tmp_path / "a.csv"), (), ["a"], ["b"])
    assert table.integers["a"].tolist() == [1568617199000001001, 0]
    assert table.bad["unreadable number"].tolist() == [False, True]
