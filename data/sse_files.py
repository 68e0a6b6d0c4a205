"""The CSV members of a Level-2 day, ZIP or folder, as columns: every file hostile, any unreadable cell refused.

Nothing is unpacked to disk, so a member's path can harm nobody; its folder only tells the date.
"""

import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from lobarena.data.recording import DataError

Columns = dict[str, npt.NDArray[Any]]

TEXT, TIME, WHOLE, NUMBER = "text", "time", "whole", "number"  # kinds of a column
_DATE = re.compile(r"(?<!\d)(?:19|20)\d{6}(?!\d)")


def members(path: str | Path, names: Sequence[str], limit: int) -> tuple[dict[str, bytes], date | None]:
    """Text of each named member, and the date that a folder or file name tells (None when none does).

    limit : bytes accepted from one member once unpacked
    DataError when the path is missing, damaged, encrypted or too large, or a member is missing or there twice.
    """
    path = _packed(Path(path))
    try:
        if path.is_dir():
            files = {str(file.relative_to(path)): file for file in [*path.glob("*.csv"), *path.glob("*/*.csv")]}
            chosen = _choose(path, names, files)
            texts = {name: _bounded(path, name, files[chosen[name]].open("rb"), limit) for name in names}
        else:
            with zipfile.ZipFile(path) as archive:
                chosen = _choose(path, names, [entry.filename for entry in archive.infolist()])
                texts = {name: _bounded(path, name, archive.open(chosen[name]), limit) for name in names}
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file or folder; give the ZIP or the folder with {', '.join(names)}"
        ) from error
    except (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{path}: no ZIP, damaged, cut short or encrypted ({error}); fetch it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}); check the file and its permissions") from error
    return texts, _date(chosen.values(), path)


def names_in(path: Path) -> set[str]:
    """Names of the files that a ZIP or folder holds; none when it cannot be read."""
    try:
        path = _packed(path)
        if path.is_dir():
            return {file.name for file in (*path.glob("*.csv"), *path.glob("*/*.csv"))}
        with zipfile.ZipFile(path) as archive:
            return {PurePosixPath(entry.filename.replace("\\", "/")).name for entry in archive.infolist()}
    except (DataError, OSError, zipfile.BadZipFile, NotImplementedError):
        return set()


def _packed(path: Path) -> Path:
    """The path, or the one ZIP of a folder as it was fetched, with the day packed in it."""
    if path.is_dir() and not [*path.glob("*.csv"), *path.glob("*/*.csv")]:
        zips = sorted(path.glob("*.zip"))
        if len(zips) > 1:
            raise DataError(f"{path} holds {len(zips)} ZIPs; give one of them: {', '.join(one.name for one in zips)}")
        return zips[0] if zips else path
    return path


def _choose(path: Path, names: Sequence[str], there: Iterable[str]) -> dict[str, str]:
    """Name wanted -> full name of the one member that has it."""
    chosen: dict[str, str] = {}
    for full in there:
        name = PurePosixPath(full.replace("\\", "/")).name
        if name in names:
            if name in chosen:
                raise DataError(f"{path} holds {name} twice ({chosen[name]} and {full}); give one trading day")
            chosen[name] = full
    missing = [name for name in names if name not in chosen]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}; a day needs {', '.join(names)}")
    return chosen


def _bounded(path: Path, name: str, file: Any, limit: int) -> bytes:
    with file:
        data: bytes = file.read(limit + 1)
    if len(data) > limit:
        raise DataError(f"{path}, {name}: unpacks to more than {limit:,} bytes; raise limit= if you trust it")
    return data


def _date(chosen: Iterable[str], path: Path) -> date | None:
    """The first eight digits that are a date: in a member's folder, the file's name, the folder around it."""
    for text in (*chosen, path.name, path.absolute().parent.name):
        for digits in _DATE.findall(text):
            with suppress(ValueError):  # eight digits that are no date
                return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    return None


def columns(where: str, data: bytes, kinds: Mapping[str, str], blank: Iterable[str] = ()) -> Columns:
    """The named columns of a CSV, (n,) each, and `row`, the 1-based data row; other columns are ignored.

    kinds : column -> TEXT (object), TIME (i8, ns since midnight), WHOLE (i8) or NUMBER (f8)
    blank : columns where an empty cell is 0
    DataError names `where`, the row if possible, and the fix.
    """
    import pyarrow as pa
    from pyarrow import csv

    header = [name.strip(' \r"') for name in _head(where, data).split(",")]
    missing = [name for name in kinds if name not in header]
    if missing:
        more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        raise DataError(
            f"{where} lacks the columns {', '.join(missing[:8])}{more}; give the Level-2 feed of the exchange"
        )
    twice = next((name for name in kinds if header.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{where}: two columns are called {twice!r}; rename one")
    types = {TEXT: pa.string(), TIME: pa.time64("ns"), WHOLE: pa.int64(), NUMBER: pa.float64()}
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(use_threads=False, column_names=header, skip_rows=1),
            csv.ParseOptions(),
            csv.ConvertOptions(
                column_types={name: types[kind] for name, kind in kinds.items()},
                include_columns=list(kinds),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{where}: {_plain(str(error))}; the file is damaged or of another layout") from error
    found: Columns = {"row": np.arange(1, table.num_rows + 1)}
    optional = set(blank)
    for name, kind in kinds.items():
        column = table.column(name).combine_chunks()
        if column.null_count and name not in optional:
            row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False))) + 1
            raise DataError(
                f"{where}, row {row}: {name} is empty; without it the row means nothing, fetch the file again"
            )
        if kind == TIME:
            column = column.cast(pa.int64())
        found[name] = column.fill_null("" if kind == TEXT else 0).to_numpy(zero_copy_only=False)
    return found


def _head(where: str, data: bytes) -> str:
    if not data.strip():
        raise DataError(f"{where} is empty; fetch it again")
    try:
        return data.split(b"\n", 1)[0].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: the header is no UTF-8; the file is damaged or of another encoding") from error


def _plain(text: str) -> str:
    """The start of a foreign message, on one line."""
    return " ".join(text.split())[:200]
