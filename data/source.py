"""From a file of any origin to a table of columns: opened, unpacked, decoded and split, every file taken as hostile."""

import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lobarena.data.recording import DataError

if TYPE_CHECKING:
    import pyarrow

LIMIT = 4 << 30  # bytes of text accepted from one file once unpacked
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Source:
    """The text of one file: its header and everything below."""

    path: Path
    data: bytes  # UTF-8, without trailing blank lines
    header: tuple[str, ...]

    @cached_property
    def lines(self) -> list[bytes]:
        """All lines; `lines[row]` is the 1-based data row."""
        return self.data.split(b"\n")

    def text(self, row: int) -> str:
        """A data row as it stands in the file."""
        return self.lines[row].decode("utf-8", "replace")


@dataclass(frozen=True)
class Table:
    """Columns of one file, one entry a line under the header; a line that cannot be split has empty cells."""

    source: Source
    numbers: dict[str, npt.NDArray[np.float64]]  # (n,) f8; NaN where empty or unreadable
    integers: dict[str, npt.NDArray[np.int64]]  # (n,) i8; 0 where empty or unreadable
    texts: dict[str, "pyarrow.StringArray"]  # (n,)
    blank: npt.NDArray[np.bool_]  # (n,) lines without any cell
    bad: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)  # kind -> (n,) lines of which it is true

    def __len__(self) -> int:
        return len(self.blank)


def open_source(path: str | Path, limit: int = LIMIT) -> Source:
    """Read a .csv, .csv.gz or .zip holding one CSV; DataError when missing, damaged, too large or no UTF-8."""
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path} is a directory; give one file, or import its files one by one")
    try:
        data = _unpack(path, limit)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; check the path") from error
    except (EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{path}: damaged or cut short ({error}); fetch it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}); check the file and its permissions") from error
    if not data.strip():
        raise DataError(f"{path} is empty; fetch it again")
    data = _lines(_utf8(path, data)).rstrip(b"\n \t")
    header = data.split(b"\n", 1)[0].decode("utf-8")
    return Source(path, data, tuple(name.strip().strip('"') for name in header.split(",")))


def peek(path: str | Path, count: int) -> bytes:
    """The first `count` bytes of a file, of a gzip file those inside; none when it cannot be read."""
    import gzip

    try:
        with open(path, "rb") as file:
            if file.read(2) != b"\x1f\x8b":
                file.seek(0)
                return file.read(count)
            file.seek(0)
            with gzip.open(file) as inside:
                return inside.read(count)
    except (OSError, EOFError, zlib.error):
        return b""


def _unpack(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic[:2] == b"\x1f\x8b":
            import gzip

            with gzip.open(file) as text:
                return _read(path, text, limit)
        if magic != b"PK\x03\x04":
            if path.suffix.lower() in (".gz", ".zip") and magic:
                raise DataError(f"{path} is no {path.suffix} archive inside; fetch it again or correct its name")
            return _read(path, file, limit)
        with zipfile.ZipFile(file) as archive:
            members = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(members) != 1:
                names = ", ".join(entry.filename for entry in members[:5]) or "nothing"
                raise DataError(f"{path} holds {len(members)} files ({names}); give a zip with one CSV, or unpack it")
            with archive.open(members[0]) as text:
                return _read(path, text, limit)


def _read(path: Path, file: IO[bytes] | Any, limit: int) -> bytes:
    parts, size = [], 0
    while chunk := file.read(_CHUNK):
        size += len(chunk)
        if size > limit:
            raise DataError(f"{path} unpacks to more than {limit:,} bytes; split it, or raise limit= if you trust it")
        parts.append(chunk)
    return b"".join(parts)


def _lines(data: bytes) -> bytes:
    """The data with lines that end in a newline alone; a lone carriage return inside a line becomes a blank."""
    if b"\r" not in data:
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b" " if b"\n" in data else b"\n")


def _utf8(path: Path, data: bytes) -> bytes:
    """The data without a byte order mark; DataError names the row where it stops being UTF-8."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[1:2] == b"\0":
        raise DataError(f"{path} is UTF-16 text; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data:
        row = data.count(b"\n", 0, data.index(b"\0"))
        raise DataError(f"{path}, row {row}: a NUL byte; this is no CSV text, or it is damaged")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start)
        try:
            data.split(b"\n", row + 1)[row].decode("gbk")
            fix = "it looks like GBK; convert it (iconv -f GBK -t UTF-8)"
        except UnicodeDecodeError:
            fix = "the file is damaged; fetch it again"
        raise DataError(f"{path}, row {row}: bytes that are no UTF-8, {fix}") from error
    return data


def read_table(
    source: Source, numbers: Iterable[str], integers: Iterable[str] = (), texts: Iterable[str] = ()
) -> Table:
    """The named columns of a source. A cell that is no number, or a line with too many cells, is only marked."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers, integers, texts = list(dict.fromkeys(numbers)), list(integers), list(texts)
    twice = next((name for name in source.header if source.header.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{source.path}: two columns are called {twice!r}; rename one")
    if b"\n" not in source.data:
        raise DataError(f"{source.path} has a header and no rows; fetch it again")
    kinds: dict[str, Any] = dict.fromkeys(texts, pa.string())
    kinds |= dict.fromkeys(integers, pa.int64()) | dict.fromkeys(numbers, pa.float64())
    try:
        ragged, table = _parse(source, kinds)
    except pa.ArrowInvalid:  # a cell that is no number: all columns as text, the slow way
        try:
            ragged, table = _parse(source, dict.fromkeys(kinds, pa.string()))
        except pa.ArrowInvalid as error:
            raise DataError(f"{source.path}: no CSV ({str(error)[:200]}); check separators and quotes") from error
    rows = source.data.count(b"\n")
    if table.num_rows != rows:
        raise DataError(
            f"{source.path}: {rows} lines read as {table.num_rows} rows; look for a quote that never closes"
        )
    split = np.zeros(rows, bool)
    split[np.array(ragged, np.int64) - 1] = True
    columns = {name: table.column(name).combine_chunks() for name in kinds}
    unread = np.zeros(rows, bool)
    floats, whole = {}, {}
    for name in numbers:
        floats[name], wrong = _numbers(columns[name], float, np.float64(np.nan))
        unread |= wrong
    for name in integers:
        whole[name], wrong = _numbers(columns[name], int, np.int64(0))
        unread |= wrong
    blank = ~split
    for column in columns.values():
        empty = pc.equal(column.fill_null(""), "") if pa.types.is_string(column.type) else column.is_null()
        blank &= empty.to_numpy(zero_copy_only=False)
    bad = {"wrong number of columns": split, "unreadable number": unread & ~split}
    return Table(source, floats, whole, {name: columns[name] for name in texts}, blank, bad)


def _parse(source: Source, kinds: dict[str, Any]) -> tuple[list[int], "pyarrow.Table"]:
    """The columns, and the 1-based rows that cannot be split; these are emptied, so that all keep their number."""
    import pyarrow as pa
    from pyarrow import csv

    ragged: list[int] = []
    if b'"' in source.data:
        ragged = [row for row, line in enumerate(source.lines) if row and line.count(b'"') % 2]

    def skip(row: Any) -> str:
        ragged.append(row.number - 1)
        return "skip"

    def parse(data: bytes) -> "pyarrow.Table":
        return csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(use_threads=False, column_names=list(source.header), skip_rows=1),
            csv.ParseOptions(invalid_row_handler=skip, ignore_empty_lines=False),
            csv.ConvertOptions(column_types=kinds, include_columns=list(kinds), null_values=[""], check_utf8=False),
        )

    while True:
        seen = len(ragged)
        table = parse(_emptied(source.lines, ragged) if ragged else source.data)
        if len(ragged) == seen:
            return ragged, table


def _emptied(lines: list[bytes], rows: list[int]) -> bytes:
    lines = list(lines)
    for row in rows:
        lines[row] = b""
    return b"\n".join(lines) + b"\n"


def _numbers(column: Any, kind: type, empty: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """(n,) numbers of a column and (n,) mask of the cells that are none."""
    import pyarrow as pa

    if not pa.types.is_string(column.type):
        return column.fill_null(empty.item()).to_numpy(zero_copy_only=False), np.zeros(len(column), bool)
    values = np.full(len(column), empty)
    wrong = np.zeros(len(column), bool)
    for i, cell in enumerate(column.to_pylist()):
        if cell:
            try:
                values[i] = kind(cell)
            except (ValueError, OverflowError):
                wrong[i] = True
    return values, wrong
