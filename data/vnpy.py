"""vn.py tick exports: date and clock, best level, no volume (`lastVolume` is always 0), no turnover."""

from datetime import date

from lobarena.data.columns import ColumnMap, read_columns
from lobarena.data.contracts import Contract
from lobarena.data.raw import Raw
from lobarena.data.source import Source

COLUMNS = ColumnMap(
    time="time",
    time_format="clock",
    date="date",
    bid=("bidPrice1",),
    bid_size=("bidVolume1",),
    ask=("askPrice1",),
    ask_size=("askVolume1",),
    last="lastPrice",
    volume="lastVolume",
    volume_is="change",
    symbol="symbol",
)


def read(source: Source, contract: Contract | None = None, day: date | None = None) -> Raw:
    """An evening that stands above the day of the same date belongs to the weekday before it."""
    return read_columns(source, COLUMNS, contract, day)
