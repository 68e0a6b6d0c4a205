"""Recorded days on disk: ROOT/exchange/symbol/YYYYMMDD.parquet, each complete in itself; only one day is in memory.

Beside a day stand its quarantined rows, YYYYMMDD.quarantine.parquet, with row number, reason and text of the source.
"""

import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lobarena.data.contracts import contract_from
from lobarena.data.join import join
from lobarena.data.recording import DataError, EventRecording, Finding, Quarantine, Recording
from lobarena.data.schema import EVENT, SCHEMA_VERSION, SNAPSHOT, from_arrow, to_arrow

if TYPE_CHECKING:
    import pyarrow

_KEY = b"lobarena"  # of the JSON text in a file's metadata
_DAY = re.compile(r"\d{8}\.parquet")


@dataclass(frozen=True, slots=True)
class DayFile:
    """One stored day, by its path alone; nothing is read until asked for."""

    path: Path
    exchange: str
    symbol: str
    trading_day: date

    @property
    def about(self) -> dict[str, Any]:
        """What the file says of itself: contract, findings, source, digest, rows; only its last bytes are read."""
        import pyarrow.parquet as pq

        return _about(self.path, _guard(self.path, lambda: pq.read_schema(self.path)))

    @property
    def digest(self) -> str:
        """SHA-256 of contract, day and rows; the same for the same content, however it is packed."""
        return str(self.about["digest"])

    @property
    def quarantine_path(self) -> Path:
        """Where the quarantined rows of this day are, if there are any."""
        return self.path.with_name(f"{self.path.stem}.quarantine.parquet")


def rows_of(recording: Recording | EventRecording) -> np.ndarray:
    """The rows that a day is made of: (n,) SNAPSHOT or (m,) EVENT."""
    return recording.snapshots if isinstance(recording, Recording) else recording.events


def digest_of(recording: Recording | EventRecording) -> str:
    """SHA-256, hex, of the logical content of a day."""
    rows = rows_of(recording)
    head = {
        "contract": recording.contract.to_dict(),
        "day": recording.trading_day.isoformat(),
        "type": rows.dtype.descr,
    }
    content = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    content.update(np.ascontiguousarray(rows).data)
    return content.hexdigest()


def write(root: str | Path, recording: Recording | EventRecording, overwrite: bool = False) -> Path:
    """Store one day, whole or not at all; the path of its file.

    A piece of a day of snapshots that is there already (another file's session of it) is joined to it; the same piece
    again changes nothing. DataError when the two overlap in time (unless `overwrite`) or the disk is full.
    """
    day = f"{recording.trading_day:%Y%m%d}"
    place = DayFile(
        Path(root) / recording.exchange / recording.symbol / f"{day}.parquet",
        recording.exchange,
        recording.symbol,
        recording.trading_day,
    )
    pieces = {recording.source: digest_of(recording)}
    if place.path.exists() and not overwrite:
        there = place.about
        known = dict(there["pieces"])
        if there["digest"] == pieces[recording.source] or known.get(recording.source) == pieces[recording.source]:
            return place.path
        if recording.source in known:
            raise DataError(
                f"{place.path} holds this day already, from another {recording.source}; pass overwrite=True to replace"
            )
        stored = read_day(place)
        if isinstance(stored, EventRecording) or isinstance(recording, EventRecording):
            raise DataError(
                f"{place.path} holds this day already, from another file; pass overwrite=True to replace it"
            )
        recording, pieces = join(stored, recording), known | pieces
    rows = rows_of(recording)
    quarantine = recording.quarantine if isinstance(recording, Recording) else Quarantine(np.zeros(0, SNAPSHOT))
    about = {
        "schema_version": SCHEMA_VERSION,
        "holds": "snapshots" if isinstance(recording, Recording) else "events",
        "events": _of_events(recording) if isinstance(recording, EventRecording) else None,
        "digest": digest_of(recording),
        "pieces": pieces,
        "contract": recording.contract.to_dict(),
        "symbol": recording.symbol,
        "exchange": recording.exchange,
        "trading_day": recording.trading_day.isoformat(),
        "findings": [asdict(finding) for finding in recording.findings],
        "source": recording.source,
        "rows": len(rows),
        "rows_in": recording.rows_in,
        "quarantined": len(quarantine.rows),
    }
    try:
        place.path.parent.mkdir(parents=True, exist_ok=True)
        if len(quarantine.rows):
            _store(place.quarantine_path, _with(_apart(quarantine), about))
        else:
            place.quarantine_path.unlink(missing_ok=True)
        _store(place.path, _with(to_arrow(rows), about))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(f"{place.path}: no space left on the disk; free some or give another root") from error
        raise DataError(f"{place.path}: cannot be written ({error}); check the folder and its permissions") from error
    return place.path


def days(root: str | Path, exchange: str | None = None, symbol: str | None = None) -> list[DayFile]:
    """The stored days under a root, by exchange, symbol and day; names only, no file is opened."""
    if not Path(root).is_dir():
        raise DataError(f"{root} is no catalogue folder; import a file first, write(root, recording)")
    found = []
    for path in sorted(Path(root).glob(f"{exchange or '*'}/{(symbol or '*').upper()}/*.parquet")):
        if _DAY.fullmatch(path.name):
            with suppress(ValueError):  # eight digits that are no day
                day = date(int(path.stem[:4]), int(path.stem[4:6]), int(path.stem[6:]))
                found.append(DayFile(path, path.parts[-3], path.parts[-2], day))
    return found


def read_day(day: DayFile | str | Path) -> Recording | EventRecording:
    """One stored day, mapped from its file and checked against its digest.

    DataError when it is damaged, no file of a catalogue, or written by a newer version.
    """
    import pyarrow.parquet as pq

    path = day.path if isinstance(day, DayFile) else Path(day)
    place = DayFile(path, "", "", date.min)
    table = _guard(path, lambda: pq.ParquetFile(path, memory_map=True).read(use_threads=False))
    about = _about(path, table.schema)
    recording: Recording | EventRecording
    try:
        known: dict[str, Any] = {
            "contract": contract_from(about["contract"], str(path)),
            "symbol": about["symbol"],
            "exchange": about["exchange"],
            "trading_day": date.fromisoformat(about["trading_day"]),
            "findings": [Finding(**finding) for finding in about["findings"]],
            "source": about["source"],
            "rows_in": about["rows_in"],
        }
        if about["holds"] == "events":
            recording = EventRecording(events=from_arrow(table, EVENT), **about["events"], **known)
        else:
            apart = _quarantine(place.quarantine_path, about["quarantined"])
            recording = Recording(snapshots=from_arrow(table, SNAPSHOT), quarantine=apart, **known)
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise DataError(f"{path}: not a file of a catalogue ({error}); import its source again") from error
    if digest_of(recording) != about["digest"]:
        raise DataError(f"{path}: its rows do not match its digest; it was changed or damaged, import its source again")
    return recording


def _of_events(recording: EventRecording) -> dict[str, int]:
    return {"orders": recording.orders, "lower": recording.lower, "upper": recording.upper}


def _about(path: Path, schema: "pyarrow.Schema") -> dict[str, Any]:
    metadata = schema.metadata or {}
    if _KEY not in metadata:
        raise DataError(f"{path}: a Parquet file, but not of a catalogue; import its source with read and write")
    try:
        about: dict[str, Any] = json.loads(metadata[_KEY])
        version = int(about["schema_version"])
        about["digest"], about["source"], about.setdefault("holds", "snapshots")
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path}: its description is damaged ({error}); import its source again") from error
    if version > SCHEMA_VERSION:
        raise DataError(
            f"{path} has schema version {version}, this lobarena reads up to {SCHEMA_VERSION}; upgrade lobarena"
        )
    return about


def _guard(path: Path, read: Callable[[], Any]) -> Any:
    """What `read` returns; whatever is wrong with the file is a DataError."""
    import pyarrow as pa

    if not path.is_file():
        raise DataError(f"{path}: no such file in the catalogue; days(root) lists what is there")
    try:
        return read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: damaged or no Parquet file ({str(error)[:120]}); import its source again") from error


def _with(table: "pyarrow.Table", about: dict[str, Any]) -> "pyarrow.Table":
    return table.replace_schema_metadata((table.schema.metadata or {}) | {_KEY: json.dumps(about).encode()})


def _store(path: Path, table: "pyarrow.Table") -> None:
    """Write beside, then rename: a reader sees the old file or the whole new one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        whole = [field.name for field in table.schema if pa.types.is_integer(field.type)]
        packed = dict.fromkeys(whole, "DELTA_BINARY_PACKED")  # a third of the bytes and of the time of zstd alone
        pq.write_table(table, beside, compression="lz4", use_dictionary=False, column_encoding=packed)
        os.chmod(beside, 0o644)  # mkstemp makes it private
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _apart(quarantine: Quarantine) -> "pyarrow.Table":
    import pyarrow as pa

    table = to_arrow(quarantine.rows)
    for name, values in (("reason", quarantine.reasons), ("text", quarantine.texts)):
        table = table.append_column(name, pa.array(list(values), pa.string()))
    return table


def _quarantine(path: Path, rows: int) -> Quarantine:
    import pyarrow.parquet as pq

    if not rows:
        return Quarantine(np.zeros(0, SNAPSHOT))
    table = _guard(path, lambda: pq.ParquetFile(path, memory_map=True).read(use_threads=False))
    about = _about(path, table.schema)
    if about["quarantined"] != rows or table.num_rows != rows:
        raise DataError(f"{path}: {table.num_rows} quarantined rows, {rows} expected; import its source again")
    return Quarantine(from_arrow(table, SNAPSHOT), table.column("reason").to_pylist(), table.column("text").to_pylist())
