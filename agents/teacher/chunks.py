"""Days cut into chunks of looks in a row: what a teacher reads at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lobarena.agents.windows.day import Day

LOOKS = 64  # tokens of a chunk
CONTEXT = 32  # looks of a chunk that are context alone where a forecast is wanted: the half before it
LEAST = 8  # looks before one that a forecast is learnt from


@dataclass(frozen=True, eq=False)
class Rows:
    """The looks of some days, one after the other, and where those in a row begin and end."""

    numbers: np.ndarray  # (n, COUNT) f4
    targets: np.ndarray  # (n, 3) f8, in units of the contract; NaN where not known
    begins: np.ndarray  # (k,) i8 first look of each row of looks
    ends: np.ndarray  # (k,) i8 one behind its last
    contract: np.ndarray  # (n,) i8 1 + its place among the contracts that are told apart; 0 is any other

    @classmethod
    def of(
        cls, days: Sequence[Day], wanted: Sequence[np.ndarray] | None = None, contracts: Sequence[str] = ()
    ) -> "Rows":
        """wanted : for each day (n,) bool, looks whose targets may be used; all by default"""
        wanted = wanted if wanted is not None else [np.ones(len(day.time), bool) for day in days]
        begins, ends, at = [], [], 0
        for day in days:
            inside = np.concatenate([[False], day.place > 0, [False]])
            new = np.concatenate([[False], day.place == 1, [False]])
            begins.append(at + np.flatnonzero(new) - 1)
            stops = np.flatnonzero((new | ~inside)[1:] & inside[:-1])
            ends.append(at + stops)
            at += len(day.time)
        places = [1 + contracts.index(day.symbol) if day.symbol in contracts else 0 for day in days]
        targets = [np.where(use[:, None], day.scaled, np.nan) for day, use in zip(days, wanted, strict=True)]
        return cls(
            np.concatenate([day.numbers for day in days]),
            np.concatenate(targets),
            np.concatenate(begins),
            np.concatenate(ends),
            np.repeat(places, [len(day.time) for day in days]),
        )

    def drawn(self, rng: np.random.Generator, batch: int) -> np.ndarray:
        """(batch, LOOKS) i8 rows of chunks that begin anywhere; -1 stands behind the last of a row of looks."""
        lengths = np.maximum(1, self.ends - self.begins - LEAST)
        place = rng.integers(int(lengths.sum()), size=batch)
        row = np.searchsorted(np.cumsum(lengths), place, "right")
        before = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        return self._rows(self.begins[row] + place - before[row], row)

    def covering(self, batch: int, stride: int = 1) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Chunks in order, each beginning CONTEXT looks after the one before: ((b, LOOKS) rows, (b, LOOKS) wanted).

        wanted : looks that the chunk is read for, those with CONTEXT looks before them (all in a row's first chunk)
        stride : only every so many of the chunks
        """
        starts, owners = [], []
        for row, (begin, end) in enumerate(zip(self.begins.tolist(), self.ends.tolist(), strict=True)):
            own = np.arange(begin, max(begin + 1, end - CONTEXT), CONTEXT)
            starts.append(own)
            owners.append(np.full(len(own), row))
        every, owner = np.concatenate(starts)[::stride], np.concatenate(owners)[::stride]
        for k in range(0, len(every), batch):
            first, of = every[k : k + batch], owner[k : k + batch]
            rows = self._rows(first, of)
            wanted = (rows >= 0) & ((np.arange(LOOKS) >= CONTEXT) | (first == self.begins[of])[:, None])
            yield rows, wanted

    def _rows(self, first: np.ndarray, row: np.ndarray) -> np.ndarray:
        rows = first[:, None] + np.arange(LOOKS)
        return np.where(rows < self.ends[row][:, None], rows, -1)
