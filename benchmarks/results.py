"""A results folder: written one finished work unit at a time, read as a whole.

    RUN/manifest.json, episodes.parquet, fills.parquet, decisions.parquet, curve.parquet

While a run goes on, each finished unit is one file below RUN/parts, made under a temporary name and renamed, so that
it is there whole or not at all: a run that is killed leaves a folder that can be read and resumed. A part is a line of
JSON (unit, first episode, SHA-256 of all) and four Arrow streams, which cost a fraction of four Parquet files.
`finish` merges the parts in the order of their episodes and removes them.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lobarena.benchmarks.manifest import (
    COMPLETE,
    NAME,
    SCHEMA,
    ResultsError,
    check_config,
    new_manifest,
    no_space,
    read_manifest,
    write_manifest,
)
from lobarena.benchmarks.older_results import upgraded
from lobarena.benchmarks.tables import SCHEMAS, Rows, as_table, digest

__all__ = [
    "SCHEMAS",
    "ResultWriter",
    "Results",
    "ResultsError",
    "as_table",
    "check_config",
    "digest",
    "new_manifest",
    "read",
    "read_manifest",
    "write_manifest",
]

PARTS = "parts"
_PART = ".part"
_FAST = pa.ipc.IpcWriteOptions(compression="lz4")
_ROW_GROUP = 262_144  # rows that the merge gathers before it writes


@dataclass(frozen=True, slots=True)
class Results:
    """A results folder in memory; a partial one holds the units that were finished."""

    folder: Path
    manifest: dict[str, Any]
    episodes: pa.Table
    fills: pa.Table
    decisions: pa.Table
    curve: pa.Table

    @property
    def complete(self) -> bool:
        """Whether every unit of the run is in it."""
        return bool(self.manifest["status"] == COMPLETE)


class ResultWriter:
    """Writes one results folder; opened on an unfinished folder of the same run, it goes on where that one stopped.

    folder: made when it is not there. manifest: from `new_manifest`. overwrite: delete what a run left in the folder.
    ResultsError when the folder holds another run or other files.
    """

    def __init__(self, folder: Path | str, manifest: Mapping[str, Any], *, overwrite: bool = False) -> None:
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise ResultsError(f"{self.folder} is a file; choose another --out")
        if (self.folder / NAME).exists() and not overwrite:
            check_config(self.folder, manifest)
            self.manifest = read_manifest(self.folder)
        else:
            if (self.folder / NAME).exists():
                _delete_run(self.folder)
            elif self.folder.exists() and any(self.folder.iterdir()):
                raise ResultsError(f"{self.folder} holds files that are not of a run; choose an empty folder as --out")
            self.manifest = dict(manifest)
            with no_space(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            write_manifest(self.folder, self.manifest)
        parts = self.folder / PARTS
        if self.complete:
            shutil.rmtree(parts, ignore_errors=True)
            return
        parts.mkdir(exist_ok=True)
        for leftover in parts.glob(".*"):
            if leftover.is_dir():  # a part was a folder once
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)

    @property
    def complete(self) -> bool:
        """Whether the run is finished; nothing can be written any more."""
        return bool(self.manifest["status"] == COMPLETE)

    def noted(self, key: str, found: Callable[[], Any]) -> Any:
        """A fact of the run that is found out once, on its first start: whoever goes on finds it in the manifest."""
        if key not in self.manifest and (value := found()):
            self.manifest[key] = value
            write_manifest(self.folder, self.manifest)
        return self.manifest.get(key, {})

    def done(self) -> set[str]:
        """Names of the work units that are safely on disk."""
        return set(self.manifest["units"]) if self.complete else {unit for _, unit, _ in _parts(self.folder)}

    def write(self, unit: str, *, episodes: Rows, fills: Rows, decisions: Rows, curve: Rows) -> None:
        """Put the rows of one finished unit on disk, all or nothing; a unit written twice is replaced.

        unit: any name, such as "solo-RB-20240102-0-foic". Rows as in `as_table`. One unit may hold several episodes,
        but no episode may be in two units.
        """
        if self.complete:
            raise ResultsError(f"{self.folder} is complete; choose another --out, or --overwrite to start again")
        rows = {"episodes": episodes, "fills": fills, "decisions": decisions, "curve": curve}
        content = _packed(unit, {name: as_table(name, part) for name, part in rows.items()})
        target = self.folder / PARTS / _named(unit)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        with no_space(self.folder):
            try:
                temporary.write_bytes(content)
                os.replace(temporary, target)
            finally:
                temporary.unlink(missing_ok=True)

    def finish(self) -> dict[str, Any]:
        """Merge the parts into the four files, mark the run complete, remove the parts; the final manifest."""
        if self.complete:
            return self.manifest
        units = sorted(self.done())
        with ExitStack() as files:
            put = {name: files.enter_context(_parquet(self.folder, name)) for name in SCHEMAS}
            for part in _merged(self.folder, self.manifest):
                for name, table in part.items():
                    put[name](table)
        digests = {f"{name}.parquet": digest(_read_parquet(self.folder / f"{name}.parquet", name)) for name in SCHEMAS}
        self.manifest |= {"status": COMPLETE, "units": units, "digests": digests}
        write_manifest(self.folder, self.manifest)
        shutil.rmtree(self.folder / PARTS)
        return self.manifest


def read(folder: Path | str) -> Results:
    """Read a results folder, finished or not; ResultsError says what is wrong with it and what to do."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest["status"] != COMPLETE:
        parts = [{name: schema.empty_table() for name, schema in SCHEMAS.items()}, *_merged(folder, manifest)]
        tables = {name: pa.concat_tables([part[name] for part in parts]) for name in SCHEMAS}
        return Results(folder, manifest, **tables)
    digests = manifest["digests"]
    tables = {
        name: _read_parquet(folder / f"{name}.parquet", name, manifest, digests.get(f"{name}.parquet", "none"))
        for name in SCHEMAS
    }
    return Results(folder, manifest, **tables)


def _merged(folder: Path, manifest: Mapping[str, Any]) -> Iterator[dict[str, pa.Table]]:
    """The tables of every part in the order of their episodes, fills numbered from 0."""
    count = 0
    for _, _, path in _parts(folder):
        tables = _unpacked(path, manifest)
        fills = tables["fills"]
        numbers = pa.array(np.arange(count, count + fills.num_rows, dtype=np.int64))
        tables["fills"] = fills.set_column(0, SCHEMAS["fills"].field("fill"), numbers)
        count += fills.num_rows
        yield tables


def _parts(folder: Path) -> list[tuple[int, str, Path]]:
    """(first episode, unit, path) of every finished part, sorted."""
    found = []
    for path in (folder / PARTS).glob(f"[!.]*{_PART}"):
        with _readable(path), path.open("rb") as file:
            head = json.loads(file.readline())
            found.append((int(head["first"]), str(head["unit"]), path))
    return sorted(found)


def _named(unit: str) -> str:
    """Of the file of a unit's part."""
    return hashlib.sha256(str(unit).encode()).hexdigest()[:32] + _PART


def _packed(unit: str, tables: Mapping[str, pa.Table]) -> bytes:
    sink = pa.BufferOutputStream()
    for name, schema in SCHEMAS.items():
        with pa.ipc.new_stream(sink, schema, options=_FAST) as out:
            out.write_table(tables[name])
    body: bytes = sink.getvalue().to_pybytes()
    first = min(tables["episodes"].column("episode").to_pylist(), default=-1)
    head = {"unit": unit, "first": first}
    return json.dumps(head | {"sha256": _seal(head, body)}).encode() + b"\n" + body


def _seal(head: Mapping[str, Any], body: bytes) -> str:
    """SHA-256 of all that a part says."""
    return hashlib.sha256(f"{head['unit']}\n{head['first']}\n".encode() + body).hexdigest()


def _unpacked(path: Path, manifest: Mapping[str, Any]) -> dict[str, pa.Table]:
    with _readable(path):
        line, _, body = path.read_bytes().partition(b"\n")
        head = json.loads(line)
        if _seal(head, body) != head["sha256"] or path.name != _named(head["unit"]):
            raise pa.ArrowInvalid("its content is not what was written")
        source, tables = pa.BufferReader(body), {}
        for name in SCHEMAS:
            there = pa.ipc.open_stream(source).read_all()
            there.validate(full=True)
            tables[name] = _of_today(there, name, manifest)
    return tables


@contextmanager
def _parquet(folder: Path, name: str) -> Iterator[Callable[[pa.Table], None]]:
    """A function that adds a table to folder/name.parquet, which is there whole or not at all, in large row groups."""
    schema = SCHEMAS[name]
    temporary, waiting = folder / f".{name}.{os.getpid()}", [schema.empty_table()]
    with no_space(folder):
        try:
            with pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as out:

                def put(table: pa.Table) -> None:
                    waiting.append(table)
                    if sum(part.num_rows for part in waiting) >= _ROW_GROUP:
                        out.write_table(pa.concat_tables(waiting).combine_chunks())
                        waiting[:] = [schema.empty_table()]

                yield put
                out.write_table(pa.concat_tables(waiting).combine_chunks())
            os.replace(temporary, folder / f"{name}.parquet")
        finally:
            temporary.unlink(missing_ok=True)


def _read_parquet(path: Path, name: str, manifest: Mapping[str, Any] | None = None, told: str = "") -> pa.Table:
    """A table with today's columns, of a folder with this manifest. told: the digest that it was written with."""
    with _readable(path):
        there = pq.ParquetFile(path, page_checksum_verification=True).read()
        table = _of_today(there, name, manifest or {})
        if told and digest(there) != told:
            raise ResultsError(f"{path} is not what the run wrote (its digest differs); run again")
    return table


def _of_today(there: pa.Table, name: str, manifest: Mapping[str, Any]) -> pa.Table:
    table = upgraded(there, name, manifest) if manifest.get("schema", SCHEMA) < SCHEMA else there
    if not table.schema.equals(SCHEMAS[name]):
        raise pa.ArrowInvalid(f"its columns are not those of {name}")
    return table.replace_schema_metadata(SCHEMAS[name].metadata)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what a missing or broken file raises into a ResultsError that names the file and the fix."""
    fix = f"delete {path} and run again to resume" if path.parent.name == PARTS else "run again"
    try:
        yield
    except FileNotFoundError:
        raise ResultsError(f"{path} is missing; {fix}") from None
    except ResultsError:
        raise
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{path} is damaged ({error}); {fix}") from error


def _delete_run(folder: Path) -> None:
    """Delete what a run wrote, and nothing else; the manifest goes last, so that a broken deletion can be repeated."""
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    for name in SCHEMAS:
        (folder / f"{name}.parquet").unlink(missing_ok=True)
    (folder / NAME).unlink()
