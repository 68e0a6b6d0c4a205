"""The normalized fluorescent probe of a model as a results folder (docs/probe.md).

RUN/manifest.json    settings, source of the evidence, what was found in three sentences, digests
RUN/brightness.parquet      a row a layer, task and regime
RUN/rows.parquet            a row a task and regime: rows, floor, why dark, control, quenching
RUN/specialisation.parquet  a row a component of the variance
RUN/squares.parquet         a row a day, layer, task, regime and lag: the sums that every number is made of
"""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lobarena import __version__
from lobarena.agents.probe.background import spread_lags
from lobarena.agents.probe.bootstrap import LEVEL, RESAMPLES
from lobarena.agents.probe.brightness import Advance
from lobarena.agents.probe.estimate import Estimate
from lobarena.agents.probe.evidence import Evidence, Quench
from lobarena.agents.probe.fluorescence import FLOOR
from lobarena.agents.probe.measure import RANK, Result, measure
from lobarena.agents.probe.quenching import ROWS
from lobarena.agents.probe.regimes import REGIMES
from lobarena.agents.probe.sentences import sentences
from lobarena.benchmarks.manifest import NAME, ResultsError, machine, no_space, versions, write_manifest
from lobarena.benchmarks.tables import digest

KIND, SCHEMA = "probe", 1
TABLES = ("brightness", "rows", "specialisation", "squares")
RAW = "raw book"  # the control's name where a layer's stands


def probe(
    evidence: Evidence,
    out: Path,
    *,
    rank: int = RANK,
    lags: Sequence[float] | None = None,
    floor: float = FLOOR,
    seed: int = 0,
    quench: Quench | None = None,
    quench_rows: int = ROWS,
    advance: Advance = lambda done, total, what: None,
) -> Result:
    """Measure and write the folder `out`, made when it is not there; a probe that it holds is replaced.

    Arguments as in `measure`. ResultsError when `out` holds other files.
    """
    out = Path(out)
    check_folder(out)
    shifts = spread_lags() if lags is None else tuple(lags)
    result = measure(
        evidence,
        rank=rank,
        lags=shifts,
        floor=floor,
        seed=seed,
        quench=quench,
        quench_rows=quench_rows,
        advance=advance,
    )
    settings = {"rank": rank, "lags": list(shifts), "floor": floor, "resamples": RESAMPLES, "level": LEVEL}
    settings |= {"quench_rows": quench_rows} if quench is not None else {}
    tables = as_tables(result)
    manifest = {
        "kind": KIND,
        "schema": SCHEMA,
        "lobarena": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "config": settings,
        "source": dict(evidence.source),
        "sentences": list(sentences(result)),
        "layers": list(result.layers),
        "tasks": list(result.tasks),
        "regimes": list(REGIMES),
        "days": result.days,
        "counted": result.counted,
        "quenching": _quenching(result),
        "machine": machine(),
        "versions": versions(),
        "digests": {name: digest(table) for name, table in tables.items()},
    }
    with no_space(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / NAME).unlink(missing_ok=True)  # a folder without it is unfinished, whatever tables it holds
        for name, table in tables.items():
            temporary = out / f".{name}.{os.getpid()}"
            pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
            os.replace(temporary, out / f"{name}.parquet")
    write_manifest(out, manifest)
    return result


def check_folder(out: Path) -> None:
    """ResultsError when a probe cannot be written here; to be asked before an hour of work, not after it."""
    if out.exists() and not out.is_dir():
        raise ResultsError(f"{out} is a file; choose another --out")
    ours = {NAME, "index.html", *(f"{name}.parquet" for name in TABLES)}
    there = {path.name for path in out.iterdir() if not path.name.startswith(".")} if out.exists() else set()
    if there - ours or (NAME in there and _manifest(out).get("kind") != KIND):
        raise ResultsError(f"{out} holds files that are not of a probe; choose an empty folder as --out")


def read_probe(folder: Path) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """Manifest and rows of each table but the squares; ResultsError when one is damaged or not what was written."""
    folder = Path(folder)
    manifest = _manifest(folder)
    if manifest.get("kind") != KIND or manifest.get("schema") != SCHEMA:
        raise ResultsError(
            f"{folder} is not a probe of schema {SCHEMA}, which is what lobarena {__version__} reads; probe again"
        )
    if lost := set(_KEYS) - set(manifest):
        raise ResultsError(f"{folder / NAME} is damaged (no {', '.join(sorted(lost))}); probe again")
    rows = {}
    for name in TABLES[:-1]:
        path = folder / f"{name}.parquet"
        try:
            table = pq.ParquetFile(path, page_checksum_verification=True).read()
        except (OSError, pa.ArrowException) as error:
            raise ResultsError(f"{path} cannot be read ({error}); probe again") from None
        if digest(table) != manifest["digests"].get(name):
            raise ResultsError(f"{path} is not what the probe wrote (its digest differs); probe again")
        rows[name] = table.to_pylist()
    return manifest, rows


_KEYS = (
    *("lobarena", "created", "seed", "config", "source", "sentences", "layers", "days", "counted", "quenching"),
    *("machine", "versions", "digests"),
)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / NAME
    if not path.is_file():
        raise ResultsError(f"{folder} holds no probe (no {NAME}); give the folder that one wrote")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(manifest, dict) or not isinstance(manifest.get("digests", {}), dict):
            raise TypeError("no table of keys")
    except (ValueError, TypeError) as error:
        raise ResultsError(f"{path} is damaged ({error}); probe again") from None
    return manifest


def as_tables(result: Result) -> dict[str, pa.Table]:
    """TABLES; numbers that are not known are NaN."""
    return {
        "brightness": _brightness(result),
        "rows": _rows(result),
        "specialisation": pa.Table.from_pylist(result.specialisation, _SPECIALISATION),
        "squares": _squares(result),
    }


_SPECIALISATION = pa.schema(
    [
        ("of", pa.string()),
        ("component", pa.string()),
        *((name, pa.float64()) for name in ("share", "low", "high", "noise")),
    ]
)


def _brightness(result: Result) -> pa.Table:
    shape = result.rho.value.shape
    columns = _cells(shape, layer=result.layers, task=result.tasks, regime=REGIMES)
    seen, unknown = result.quenching, np.full(shape, np.nan)
    nothing = Estimate(unknown, unknown, unknown)
    columns |= _ends("rho", result.rho) | {"background": result.background, "background_sd": result.background_sd}
    columns |= _ends("f", result.light) | _ends("f_hat", result.share)
    columns |= _ends("fall", seen.fall if seen else nothing) | _ends("fall_hat", seen.share if seen else nothing)
    return _table(columns)


def _rows(result: Result) -> pa.Table:
    shape = result.why.shape
    columns = _cells(shape, task=result.tasks, regime=REGIMES)
    seen, unknown = result.quenching, np.full(shape, np.nan)
    nothing = Estimate(unknown, unknown, unknown)
    columns |= {
        "train_rows": np.broadcast_to(result.rows[:, 0], shape),
        "test_rows": np.broadcast_to(result.rows[:, 1], shape),
        "dark": result.why != "",
        "why": result.why.astype(str),
        "sum": result.light.value.sum(axis=0),
        "floor": result.floor,
        "brightest": np.where(result.why == "", np.array(result.layers)[result.brightest], ""),
    }
    columns |= _ends("control", result.control) | {"control_background": result.control_background}
    columns |= _ends("gain", result.gain) | _ends("own", seen.own if seen else nothing)
    columns |= _ends("correlation", seen.correlation if seen else nothing)
    columns["quench_why"] = seen.why.astype(str) if seen else np.full(shape, "not run")
    return _table(columns)


def _squares(result: Result) -> pa.Table:
    whole = np.concatenate([result.squares.error, result.squares.control], axis=1)
    columns = _cells(
        whole.shape,
        day=result.test_days.tolist(),
        layer=(*result.layers, RAW),
        task=result.tasks,
        regime=REGIMES,
        lag=range(whole.shape[-1]),  # 0 is the true target
    )
    return _table(columns | {"error": whole, "total": np.broadcast_to(result.squares.total, whole.shape)})


def _quenching(result: Result) -> dict[str, Any] | None:
    if result.quenching is None:
        return None
    overall = [float(part) if np.isfinite(part) else None for part in result.quenching.overall]
    return {
        "correlation": dict(zip(Estimate._fields, overall, strict=True)),
        "rows": result.quenching.rows.tolist(),
    }


def _cells(shape: tuple[int, ...], **names: Sequence[Any]) -> dict[str, np.ndarray]:
    """A column of names for every axis."""
    places = np.indices(shape)
    return {name: np.array(list(values))[place] for place, (name, values) in zip(places, names.items(), strict=True)}


def _ends(name: str, estimate: Estimate) -> dict[str, np.ndarray]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _table(columns: dict[str, np.ndarray]) -> pa.Table:
    """pa.Table of flattened columns; text stays text, numpy's own strings become Python's."""
    flat = {name: np.asarray(values).ravel() for name, values in columns.items()}
    return pa.table({name: pa.array(v.tolist() if v.dtype.kind == "U" else v) for name, v in flat.items()})
