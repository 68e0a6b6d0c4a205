"""Snapshots of Shanghai stocks: one CSV of a day for several stocks, ten levels, the market's own totals.

Lots are shares. Until the opening and closing auctions have matched, a row shows no book but the price and size at
which they would match now, on both sides, and behind them what would be left over: such rows are removed. The day's
price limits are not in the file; they follow from the previous close, which is.
"""

import re
from dataclasses import replace
from datetime import date

import numpy as np

from lobarena.data.columns import ColumnMap, rows_of
from lobarena.data.contracts import Contract
from lobarena.data.raw import Floats, Mask, Note, Raw, Times, need, take
from lobarena.data.recording import NOTED, DataError
from lobarena.data.schema import LEVELS
from lobarena.data.source import Source, Table, read_table
from lobarena.data.sse import ZONE, daily_limits, stock

COLUMNS = ColumnMap(
    time="DateTime",
    timezone=ZONE,
    bid=tuple(f"BidPrice{k}" for k in range(LEVELS)),
    bid_size=tuple(f"BidOrderQty{k}" for k in range(LEVELS)),
    ask=tuple(f"OfferPrice{k}" for k in range(LEVELS)),
    ask_size=tuple(f"OfferOrderQty{k}" for k in range(LEVELS)),
    last="LastPx",
    volume="TotalVolumeTrade",
    turnover="TotalValueTrade",
    symbol="SecurityID",
)
PREVIOUS, STATUS = "PreClosePx", "InstrumentStatus"
BEHIND = (f"BidOrderQty{LEVELS}", f"OfferOrderQty{LEVELS}")  # the first levels that a snapshot row has no room for
MORE = (PREVIOUS, STATUS, *BEHIND)
CALLS = ("OCALL", "CCALL")  # status while an auction collects its orders
_CODE = re.compile(r"[1-9]\d{5}")


def read(source: Source, contract: Contract | None = None, day: date | None = None) -> list[Raw]:
    """One table of rows a stock, in the order of the file; a row without a stock goes with the row above.

    `contract` in the place of what is known of a stock; DataError when SecurityID is no code of a stock.
    """
    need(source, (*COLUMNS.numbers, *COLUMNS.texts, *MORE), "the layout of Shanghai snapshots")
    table = read_table(source, (*COLUMNS.numbers, PREVIOUS, *BEHIND), (), (*COLUMNS.texts, STATUS))
    codes, places = _stocks(table)
    whole = rows_of(table, COLUMNS, codes[0], contract or stock(codes[0]), day)
    virtual = np.isin(table.texts[STATUS].fill_null("").to_numpy(zero_copy_only=False), CALLS)
    whole = replace(whole, gone=whole.gone | {"virtual auction": virtual})
    behind = (np.stack([table.numbers[name] for name in BEHIND]) > 0).any(axis=0) & ~virtual
    return [
        _of_stock(take(whole, mine), code, contract or stock(code), table.numbers[PREVIOUS][mine], behind[mine])
        for place, code in enumerate(codes)
        if (mine := places == place).any()
    ]


def _stocks(table: Table) -> tuple[list[str], Times]:
    """The codes in the order of the file, and (n,) which of them each row is of."""
    coded = table.texts[COLUMNS.symbol].dictionary_encode()
    codes = coded.dictionary.to_pylist()
    found = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    for place, code in enumerate(codes):
        if code and not _CODE.fullmatch(code):
            row = int(np.argmax(found == place)) + 1
            raise DataError(
                f"{table.source.path}, row {row}: SecurityID {code[:40]!r} is no stock's code of six digits"
            )
    told = np.flatnonzero(np.isin(found, [place for place, code in enumerate(codes) if code]))
    if not len(told):
        raise DataError(f"{table.source.path}: no row has a SecurityID; fetch the file again")
    above = np.searchsorted(told, np.arange(len(found)), side="right") - 1
    return codes, found[told[np.maximum(above, 0)]]


def _of_stock(raw: Raw, code: str, contract: Contract, previous: Floats, behind: Mask) -> Raw:
    """One stock's rows with their price limits, and what is to be said of them."""
    there = ~contract.off_tick(previous) & (previous > 0)
    lower, upper = daily_limits(contract, contract.to_ticks(np.where(there, previous, 0.0)).astype(np.int64))
    digits = max(0, -int(contract.tick.normalize().as_tuple().exponent))
    reach = f"{contract.daily_limit:.0%} about the previous close; give contract= where another rule holds"
    deep = f"the file shows ten levels a side, a snapshot holds {LEVELS}"
    notes = (
        Note("price limits derived", there, f"not in the file: {reach}", NOTED),
        Note("deeper levels", behind, deep, NOTED),
    )
    return replace(
        raw,
        symbol=code,
        contract=contract,
        upper=np.where(there, np.round(upper * contract.tick_size, digits), 0.0),
        lower=np.where(there, np.round(lower * contract.tick_size, digits), 0.0),
        notes=raw.notes + notes,
    )
