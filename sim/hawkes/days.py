"""The living days that `--data crowd` and `--data crowd:FILE` mean: made on first use, kept beside the kernels."""

import hashlib
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import numpy as np

from lobarena.data.catalogue import write
from lobarena.data.contracts import CONTRACTS
from lobarena.sim._jit import cache_folder
from lobarena.sim.hawkes.day import living_day
from lobarena.sim.hawkes.fit import Fit, as_toml, load, packaged
from lobarena.sim.hawkes.traits import TRAITS

DAYS = (date(2024, 1, 3), date(2024, 1, 4), date(2024, 1, 5))
NAME = "crowd"  # of the packaged fits, as data; NAME:FILE is a fit of one's own


def is_crowd(data: str) -> bool:
    """Whether a setting `data` means living days and no folder."""
    return data == NAME or data.startswith(f"{NAME}:")


def fits_of(data: str) -> list[Fit]:
    """The packaged fits, or the one in the file that `data` names. FitError says what is wrong with it."""
    return [load(data.removeprefix(f"{NAME}:"))] if data != NAME else list(packaged().values())


def crowd_root(data: str, seed: int = 0) -> Path:
    """A catalogue of the living DAYS of each fit; another fit, version or seed has a folder of its own."""
    fits = fits_of(data)
    here = Path(__file__).parent
    made_by = b"".join((here / f"{name}.py").read_bytes() for name in ("day", "fit", "days"))
    content = made_by + "".join(map(as_toml, fits)).encode() + repr(TRAITS.descr).encode() + np.__version__.encode()
    root = cache_folder().parent / f"crowd-{hashlib.sha256(content).hexdigest()[:16]}" / f"seed-{seed}"
    make(root, fits, DAYS, seed)
    return root


def make(root: Path, fits: Iterable[Fit], days: Iterable[date], seed: int) -> None:
    """Write the living days that are not there yet."""
    wanted = list(days)
    for fit in fits:
        folder = root / CONTRACTS[fit.code].exchange / f"{fit.code}LIVE"
        for day in wanted:
            if not (folder / f"{day:%Y%m%d}.parquet").exists():
                write(root, living_day(fit, day, seed))
