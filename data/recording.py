"""One trading day of one contract as recorded, snapshot by snapshot or event by event, and what was found wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from lobarena.data.contracts import Contract

REPAIRED, QUARANTINED, NOTED = "repaired", "quarantined", "noted"  # what was done about a finding


class DataError(ValueError):
    """A file that cannot be used as it is; the text names the file, the row where possible, and the fix."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of peculiarity of a file."""

    kind: str  # "volume counted twice", "crossed", ...
    count: int  # rows
    first_row: int  # 1-based data row of the source file
    explanation: str  # one line
    action: str  # REPAIRED, QUARANTINED or NOTED
    removed: int = 0  # rows of `count` that are in neither `snapshots` nor `quarantine`, such as subscription stubs

    def __str__(self) -> str:
        return f"{self.action}: {self.kind}, {self.count:,} rows, first row {self.first_row}: {self.explanation}"


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Rows kept apart: (n,) SNAPSHOT rows as far as they could be read, and why each is here."""

    rows: np.ndarray[Any, Any]  # (n,) SNAPSHOT; a number that does not fit its field is 0
    reasons: Sequence[str] = ()  # (n,) one or more kinds, joined by "; "
    texts: Sequence[str] = ()  # (n,) the row as the source has it


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One trading day of one contract. Volume and turnover count from the first trusted row, which is the baseline."""

    contract: Contract
    symbol: str  # "RB1901"
    exchange: str  # "SHFE"
    trading_day: date
    snapshots: np.ndarray[Any, Any]  # (n,) SNAPSHOT, sorted by time
    quarantine: Quarantine
    findings: Sequence[Finding] = field(default_factory=list)
    source: str = ""  # file name
    rows_in: int = 0  # rows of this day in the source = kept + removed + quarantined

    def __post_init__(self) -> None:
        if self.rows_in != len(self.snapshots) + len(self.quarantine.rows) + sum(f.removed for f in self.findings):
            raise AssertionError(f"{self.source}: rows were lost between reading and keeping")

    @property
    def quarantined(self) -> int:
        """Rows kept apart."""
        return len(self.quarantine.rows)


@dataclass(frozen=True, slots=True, eq=False)
class EventRecording:
    """One trading day of one contract, event by event: every order of the venue, or every change of a level.

    Orders (LIMIT, TAKE, MARKET, DELETE, REDUCE) carry dense numbers; levels (LEVEL, TRADE) carry what the record shows.
    A record that starts in the middle of a day begins with the book it found, as LEVEL events at its first moment.
    Phases and publications are not in it: the feed adds them.
    """

    contract: Contract
    symbol: str  # "BTCUSDT"
    exchange: str  # "BINANCE"
    trading_day: date
    events: np.ndarray[Any, Any]  # (m,) EVENT, sorted by time
    orders: int  # numbers of orders: 0 <= ref < orders
    lower: int = 0  # ticks, lowest legal price of the day; 0 when not recorded
    upper: int = 0  # ticks, highest legal price of the day; 0 when not recorded
    findings: Sequence[Finding] = field(default_factory=list)
    source: str = ""  # file name
    rows_in: int = 0  # rows, lines or messages of this day in the source

    @property
    def quarantined(self) -> int:
        """Rows kept apart: none, a record of events is used as it is or refused."""
        return 0

    @property
    def levels(self) -> bool:
        """Whether it is a record of level changes."""
        return self.orders == 0
