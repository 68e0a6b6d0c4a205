"""The one place where kernels are compiled.

numba's own cache does not notice when a function that a cached kernel calls has changed in another file, and a kernel
compiled without bounds checks is silently used by a run that asked for them. Both are wrong results, so the cache
lives in a folder named by a digest of every kernel source, with a folder of its own for checked code.
"""

import hashlib
import os
import pathlib
import re
from collections.abc import Callable
from typing import Any

from numba import config, njit

Kernel = Callable[..., Any]


def cache_folder() -> pathlib.Path:
    """Where this version's compiled kernels live: LOBARENA_CACHE or the user's cache folder."""
    root = os.environ.get("LOBARENA_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "lobarena"
    )
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in kernel_sources())).hexdigest()[:16]
    checked = "-checked" if os.environ.get("NUMBA_BOUNDSCHECK", "0") not in ("", "0") else ""
    return pathlib.Path(root) / f"kernels-{digest}{checked}"


_MAKES = re.compile(r"^from lobarena\.sim\._jit import .*\b(kernel|maker|inline|free)\b", re.MULTILINE)
_IMPORT = re.compile(r"^from lobarena((?:\.\w+)+) import (\([^)]*\)|[^\n]*)", re.MULTILINE)


def kernel_sources() -> list[pathlib.Path]:
    """Every file of the package that kernels depend on: those that make some, and all that these import."""
    root = pathlib.Path(__file__).parent.parent
    folders = (root / name for name in ("data", "sim", "agents", "benchmarks"))
    texts = {path: path.read_text("utf-8") for folder in folders for path in folder.rglob("*.py")}
    found: set[pathlib.Path] = set()
    left = [path for path, text in texts.items() if _MAKES.search(text)]
    while left:
        path = left.pop()
        if path in found:
            continue
        found.add(path)
        for module, names in _IMPORT.findall(texts[path]):
            place = root.joinpath(*module.split(".")[1:])
            named = [place / name for name in re.findall(r"\w+", names)]  # of a folder, what is named are its files
            left += [file for file in (one.with_suffix(".py") for one in [place, *named]) if file in texts]
    return sorted(found)


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


def free(function: Kernel) -> Kernel:
    """A kernel that lets other threads of Python run meanwhile."""
    compiled: Kernel = _compile(**_OPTIONS, _nrt=False, nogil=True)(function)
    return compiled
