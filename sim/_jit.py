"""The one place where kernels are compiled.

numba's own cache does not notice when a function that a cached kernel calls has changed in another file, and a kernel
compiled without bounds checks is silently used by a run that asked for them. Both are wrong results, so the cache
lives in a folder named by a digest of every kernel source, with a folder of its own for checked code.
"""

import hashlib
import os
import pathlib
from collections.abc import Callable
from typing import Any

from numba import config, njit

Kernel = Callable[..., Any]


def cache_folder() -> pathlib.Path:
    """Where this version's compiled kernels live: LOBARENA_CACHE or the user's cache folder."""
    root = os.environ.get("LOBARENA_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "lobarena"
    )
    here = pathlib.Path(__file__).parent
    folders = ("sim/*.py", "agents/*.py", "data/*.py", "benchmarks/*stream.py", "benchmarks/fuzz_engine.py")
    sources = [path for pattern in folders for path in sorted(here.parent.glob(pattern))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    checked = "-checked" if os.environ.get("NUMBA_BOUNDSCHECK", "0") not in ("", "0") else ""
    return pathlib.Path(root) / f"kernels-{digest}{checked}"


config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]  # numba sets its settings at run time


_compile: Any = njit  # its type stub does not know _nrt
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy"}  # division follows numpy: no exception in a kernel


def kernel(function: Kernel) -> Kernel:
    """Compile lazily, cached on disk.

    No references are counted: a kernel borrows its arrays and makes none, and counting them at each call, atomically,
    took half of the time of a replay. numba refuses to compile one that makes an array; that is for `maker`.
    """
    compiled: Kernel = _compile(**_OPTIONS, _nrt=False)(function)
    return compiled


def maker(function: Kernel) -> Kernel:
    """A kernel that may make arrays of its own."""
    compiled: Kernel = _compile(**_OPTIONS, _nrt=True)(function)
    return compiled


def inline(function: Kernel) -> Kernel:
    """A helper that is pasted into its caller, where a call would cost as much as what it does."""
    compiled: Kernel = _compile(**_OPTIONS, _nrt=False, forceinline=True)(function)
    return compiled
