"""The rows of one file in the source's own numbers, before anything is judged."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lobarena.data.contracts import Contract
from lobarena.data.recording import DataError, Finding
from lobarena.data.source import Source

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Note:
    """What an importer did to, or has to say about, the rows under a mask."""

    kind: str
    mask: Mask  # (n,)
    explanation: str
    action: str  # REPAIRED or NOTED


@dataclass(frozen=True, slots=True)
class Raw:
    """(n,) rows in file order. None where the source does not record a thing."""

    source: Source
    symbol: str  # delivery month as the source writes it, "rb1805"
    row: Times  # (n,) 1-based data row
    time: Times  # (n,) ns UTC, UNREADABLE where it cannot be read
    day: Times  # (n,) trading day, days since the epoch, UNREADABLE where it cannot be told
    bid: Floats  # (n, levels) price
    bid_size: Floats  # (n, levels) lots
    ask: Floats
    ask_size: Floats
    last: Floats  # (n,) price
    bad: dict[str, Mask]  # kind -> rows that cannot be used
    gone: dict[str, Mask]  # kind -> rows that are no market data: blank lines, subscription stubs
    volume: Floats | None = None  # (n,) lots, cumulative, as the source counts
    turnover: Floats | None = None  # (n,) currency, cumulative, as the source counts
    interest: Floats | None = None  # (n,) lots
    received: Times | None = None  # (n,) ns UTC
    upper: Floats | None = None  # (n,) price
    lower: Floats | None = None
    settle: Floats | None = None
    twice: bool | None = None  # volume, turnover and interest counted both sides; None: as the contract says
    notes: tuple[Note, ...] = ()  # of the importer
    contract: Contract | None = None  # where the importer knows it and the table of products does not

    def __len__(self) -> int:
        return len(self.row)


def take(raw: Raw, mask: Mask) -> Raw:
    """The rows under a mask."""
    part: dict[str, Any] = {}
    for field in fields(raw):
        value = getattr(raw, field.name)
        if isinstance(value, np.ndarray):
            part[field.name] = value[mask]
        elif isinstance(value, dict):
            part[field.name] = {kind: rows[mask] for kind, rows in value.items()}
    part["notes"] = tuple(replace(note, mask=note.mask[mask]) for note in raw.notes)
    return replace(raw, **part)


def found(kind: str, mask: Mask, row: Times, explanation: str, action: str, removed: bool = False) -> Finding | None:
    """The finding of a mask over rows; None when nothing is under it."""
    count = int(mask.sum())
    if not count:
        return None
    return Finding(kind, count, int(row[mask].min()), explanation, action, count if removed else 0)


def need(source: Source, columns: tuple[str, ...], layout: str) -> None:
    """DataError when a column of a layout is not in the header."""
    missing = [column for column in columns if column not in source.header]
    if missing:
        raise DataError(
            f"{source.path}: {layout} needs the columns {', '.join(missing)}; the header has {', '.join(source.header)}"
        )
