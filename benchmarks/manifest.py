"""What a run was: settings, seed, data, agents, machine. Written as manifest.json beside the tables of the run."""

import errno
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from lobarena import __version__

SCHEMA = 3  # of a results folder; raised whenever a column or a key changes its meaning
COMPLETE, PARTIAL = "complete", "partial"
NAME = "manifest.json"

_IDENTITY = ("schema", "lobarena", "seed", "config", "agents", "data")  # two runs that agree on these are the same run
_PACKAGES = ("numpy", "numba", "pyarrow", "pandas", "torch", "gymnasium")


class ResultsError(Exception):
    """A results folder that cannot be written or read; the message says what to do."""


def new_manifest(
    config: Mapping[str, Any], seed: int, data: Sequence[Mapping[str, Any]], agents: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The manifest of a run about to begin, status partial.

    config: all resolved settings, as JSON values. data: a row {exchange, contract, day, rows, digest} a recorded day.
    agents: a row {name, class, parameters} an agent.
    """
    return {
        "schema": SCHEMA,
        "status": PARTIAL,
        "lobarena": __version__,
        "config": _plain(config),
        "config_digest": config_digest(config),
        "seed": seed,
        "data": _plain(data),
        "agents": _plain(agents),
        "machine": machine(),
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "units": [],
        "digests": {},
    }


def config_digest(config: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the settings, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def machine() -> dict[str, Any]:
    """The machine of this run: system, processor, cores that may be used."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = names[0] if names else processor
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"system": platform.system(), "release": platform.release(), "processor": processor, "cores": cores}


def versions() -> dict[str, str]:
    """Python and the packages that numbers depend on; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The commit that this code is at, short; "" where it is no checkout."""
    try:
        told = subprocess.run(
            ["git", "-C", str(Path(__file__).resolve().parent), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip() if told.returncode == 0 else ""


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write manifest.json; whoever reads sees the old one or the new one, never half of it."""
    temporary = folder / f".{NAME}.{os.getpid()}"
    with no_space(folder):
        temporary.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(temporary, folder / NAME)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a results folder; ResultsError when there is none, it is damaged, or it is from the future."""
    path = folder / NAME
    if not folder.is_dir():
        raise ResultsError(f"{folder} is not a folder; give the folder that a run wrote (its --out)")
    if not path.is_file():
        raise ResultsError(
            f"{folder} is not a results folder (no {NAME}); give the folder that a run wrote (its --out)"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        schema, status = manifest["schema"], manifest["status"]
        if not isinstance(manifest["config"], dict):
            raise TypeError("config is no table of settings")
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{path} is damaged ({error}); run again with --overwrite or another --out") from None
    if not isinstance(schema, int) or schema > SCHEMA:
        raise ResultsError(
            f"{folder} has schema {schema}, this lobarena {__version__} reads up to {SCHEMA}; upgrade lobarena"
        )
    if status not in (COMPLETE, PARTIAL):
        raise ResultsError(f"{path} has the unknown status {status!r}; run again with --overwrite or another --out")
    return dict(manifest)


def check_config(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse, with ResultsError, a results folder of another run; the message names the first key that differs."""
    there, here = (_flat({key: whole.get(key) for key in _IDENTITY}) for whole in (read_manifest(folder), manifest))
    for key in dict.fromkeys([*there, *here]):
        old, new = there.get(key, "not set"), here.get(key, "not set")
        if old != new and not (old != old and new != new):
            raise ResultsError(
                f"{folder} holds another run: {key} is {old!r} there and {new!r} here; "
                "choose another --out, or --overwrite to delete what is there"
            )


@contextmanager
def no_space(folder: Path) -> Iterator[None]:
    """Turn "no space left" into a ResultsError that says how to go on."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ResultsError(
                f"the disk is full: {folder} could not be written; finished episodes are safe. "
                "Free some space and run the same command again to resume"
            ) from error
        raise


def _plain(value: Any) -> Any:
    """The value as it comes back from a JSON file: tuples are lists, keys are strings."""
    return json.loads(json.dumps(value))


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """Nested settings -> {"config.latency.kind": value}, in the order they are written."""
    if isinstance(value, Mapping) and value:
        items = [(f"{key}.{name}" if key else str(name), part) for name, part in value.items()]
    elif isinstance(value, list) and value:
        items = [(f"{key}[{place}]", part) for place, part in enumerate(value)]
    else:
        return {key: value}
    return {path: leaf for name, part in items for path, leaf in _flat(part, name).items()}
