"""Hidden states of several shards, or several stores, as if they were one array; only what is asked for is read."""

from collections.abc import Sequence
from typing import Any

import numpy as np


class Hidden:
    """(n, L, D) f2 that lies in parts; `hidden[rows]`, `hidden[rows, layer]`, `hidden[rows, layers, ...]` are arrays.

    rows : a slice, a mask or places; layers and what follows: whole numbers or slices
    """

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        if len({part.shape[1:] for part in parts}) != 1:
            raise ValueError(f"parts have {len({part.shape[1:] for part in parts})} shapes; join those of one model")
        self._parts = list(parts)
        self._ends = np.cumsum([len(part) for part in parts])
        self.shape = (int(self._ends[-1]), *parts[0].shape[1:])
        self.dtype, self.ndim = parts[0].dtype, 3

    @property
    def parts(self) -> list[np.ndarray]:
        """Each (m, L, D), in order."""
        return list(self._parts)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, key: Any) -> np.ndarray:
        rows, *rest = key if isinstance(key, tuple) else (key,)
        if not all(isinstance(one, int | np.integer | slice) for one in rest):
            raise TypeError("layers are picked by a whole number or a slice; pick rows first, then others in memory")
        if isinstance(rows, slice) and rows == slice(None):
            return np.concatenate([part[(rows, *rest)] for part in self._parts])
        index = np.arange(len(self))[rows]
        flat = np.atleast_1d(index)
        part = np.searchsorted(self._ends, flat, "right")
        found = np.empty((len(flat), *self._parts[0][(slice(0), *rest)].shape[1:]), self.dtype)
        for number in np.unique(part).tolist():
            mine = part == number
            begin = self._ends[number] - len(self._parts[number])
            found[mine] = self._parts[number][(flat[mine] - begin, *rest)]
        return found if np.ndim(index) else found[0]


def joined(several: Sequence[Hidden]) -> Hidden:
    """One after the other."""
    return Hidden([part for one in several for part in one.parts])
