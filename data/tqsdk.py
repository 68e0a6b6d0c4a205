"""TqSdk tick exports: five levels, epoch stamps, total volume and amount (both counted twice before 2020)."""

from datetime import date

from lobarena.data.columns import ColumnMap, only_text, rows_of
from lobarena.data.contracts import Contract
from lobarena.data.raw import Raw, need
from lobarena.data.source import Source, read_table

COLUMNS = ColumnMap(
    time="datetime",
    time_format="ns",
    bid=tuple(f"bid_price{k}" for k in range(1, 6)),
    bid_size=tuple(f"bid_volume{k}" for k in range(1, 6)),
    ask=tuple(f"ask_price{k}" for k in range(1, 6)),
    ask_size=tuple(f"ask_volume{k}" for k in range(1, 6)),
    last="last_price",
    volume="volume",
    turnover="amount",
    interest="open_interest",
    symbol="symbol",
)


def read(source: Source, contract: Contract | None = None, day: date | None = None) -> Raw:
    """ "SHFE.cu1909" names exchange and delivery month."""
    need(source, (*COLUMNS.numbers, *COLUMNS.texts, *COLUMNS.integers), "the TqSdk layout")
    table = read_table(source, COLUMNS.numbers, COLUMNS.integers, COLUMNS.texts)
    return rows_of(table, COLUMNS, only_text(table, "symbol").rpartition(".")[2], contract, day)
