"""WonderTrader tick exports: CTP snapshots with both the change and the total, best level."""

from datetime import date

from lobarena.data.columns import ColumnMap, read_columns
from lobarena.data.contracts import Contract
from lobarena.data.raw import Raw
from lobarena.data.source import Source

COLUMNS = ColumnMap(
    time="action_time",
    time_format="packed",
    date="action_date",
    trading_day="trading_date",
    bid=("bid1",),
    bid_size=("bidq1",),
    ask=("ask1",),
    ask_size=("askq1",),
    last="price",
    volume="total_volume",
    turnover="total_turnover",
    interest="open_interest",
    upper="upper_limit",
    lower="lower_limit",
    settle="settle_price",
    symbol="code",
)


def read(source: Source, contract: Contract | None = None, day: date | None = None) -> Raw:
    """Totals are taken, not the changes: a lost row then loses no volume."""
    return read_columns(source, COLUMNS, contract, day)
