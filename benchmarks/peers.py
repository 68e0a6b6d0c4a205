"""Peers to be measured beside: what is installed here is run, nothing is installed; equal results are checked first."""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.benchmarks.stream import CHECKSUM
from lobarena.data.schema import TRADE

HERE = Path(__file__).parent
TIMEOUT_S = 600


class NoPeerError(RuntimeError):
    """A peer that is not here, or does not run; the message says what it would need."""


@dataclass(frozen=True, slots=True)
class Timings:
    """What a peer took."""

    name: str
    version: str
    seconds: tuple[float, ...]  # of each run
    told: dict[str, Any]  # what else it reported


def c_floor(messages: np.ndarray, runs: int) -> Timings:
    """A bare FIFO book in C over the published stream, compiled here; AssertionError when its trades differ."""
    compiler = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    if compiler is None:
        raise NoPeerError("no C compiler here; install gcc or clang to measure the C limit")
    with tempfile.TemporaryDirectory() as folder:
        program, data = Path(folder) / "floor", Path(folder) / "stream.bin"
        messages.tofile(data)
        _run([compiler, "-O3", "-march=native", "-o", str(program), str(HERE / "floor.c")])
        known = int(messages["order"].max(initial=0)) + 1
        lines = _run([str(program), str(data), str(len(messages)), str(known), str(runs)]).split("\n")
    found = dict(zip(CHECKSUM, (int(part) for part in lines[0].split()), strict=True))
    if found != CHECKSUM:
        raise AssertionError(f"the C book gives {found}, expected {CHECKSUM}")
    version = _run([compiler, "--version"]).split("\n")[0]
    return Timings("C limit", version, tuple(float(line) for line in lines[1:] if line), found)


def hftbacktest(events: np.ndarray, best: tuple[int, int], runs: int, python: str = "") -> Timings:
    """hftbacktest's market maker over (n,) EVENT; AssertionError unless it ends with the best prices `best`, ticks.

    python : the interpreter that has it; this one when empty
    """
    rows = np.zeros((len(events), 5), np.int64)
    rows[:, 0] = events["kind"] == TRADE
    for column, name in enumerate(("side", "price", "size", "time"), 1):
        rows[:, column] = events[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.npy"
        np.save(path, rows)
        try:
            text = _run([python or sys.executable, str(HERE / "peer_hftbacktest.py"), str(path), str(runs)])
        except NoPeerError as error:
            if "No module named" in str(error):
                raise NoPeerError("hftbacktest is not installed; name an interpreter that has it by --python") from None
            raise
    told = json.loads(text.strip().split("\n")[-1])
    if (told["bid"], told["ask"]) != best:
        raise AssertionError(f"hftbacktest ends with {told['bid']} / {told['ask']}, expected {best[0]} / {best[1]}")
    return Timings("hftbacktest", told["version"], tuple(told["seconds"]), told)


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoPeerError(f"{command[0]}: {error}") from error
    if done.returncode:
        raise NoPeerError(f"{Path(command[0]).name}: {done.stderr.strip()[-300:] or 'it failed without a word'}")
    return done.stdout
