"""Best-quote files without a date: the name tells contract and trading day, rb1805_20171113.csv.gz."""

import re
from datetime import date

from lobarena.data.columns import ColumnMap, rows_of
from lobarena.data.contracts import Contract
from lobarena.data.raw import Raw, need
from lobarena.data.recording import DataError
from lobarena.data.source import Source, read_table

COLUMNS = ColumnMap(
    time="time",
    time_format="clock",
    bid=("bid",),
    bid_size=("bidq",),
    ask=("ask",),
    ask_size=("askq",),
    last="last",
    volume="cumvol",
    interest="oi",
)
_NAME = re.compile(r"([A-Za-z]{1,3}\d{3,4})[_-](\d{4})-?(\d{2})-?(\d{2})")


def read(source: Source, contract: Contract | None = None, day: date | None = None) -> Raw:
    """Evening rows belong to the weekday before the trading day, rows after midnight to the morning after that."""
    name = _NAME.search(source.path.name)
    if day is None and name:
        try:
            day = date(int(name[2]), int(name[3]), int(name[4]))
        except ValueError as error:
            raise DataError(f"{source.path}: its name holds no calendar day ({error}); give day=date(...)") from error
    if day is None or (contract is None and not name):
        raise DataError(
            f"{source.path}: the layout has neither contract nor date; name it like rb1805_20171113.csv.gz, "
            "or give read(path, contract=contract('rb1805'), day=date(2017, 11, 13))"
        )
    need(source, (*COLUMNS.numbers, *COLUMNS.texts), "the best-quote layout")
    table = read_table(source, COLUMNS.numbers, (), COLUMNS.texts)
    return rows_of(table, COLUMNS, name[1] if name else contract.symbol if contract else "", contract, day)
