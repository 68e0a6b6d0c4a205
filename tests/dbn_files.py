"""DBN files made with the package's own records and encoder."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import databento_dbn as dbn
import pyarrow as pa

START = 1_609_160_400_000_000_000  # 2020-12-28 13:00 UTC, a Monday
SECOND = 10**9
LAST, SNAPSHOT = dbn.F_LAST, dbn.F_SNAPSHOT
BUY, SELL, NOBODY = dbn.Side.BID, dbn.Side.ASK, dbn.Side.NONE
ACTIONS = {
    "A": dbn.Action.ADD,
    "C": dbn.Action.CANCEL,
    "M": dbn.Action.MODIFY,
    "R": dbn.Action.CLEAR,
    "T": dbn.Action.TRADE,
    "F": dbn.Action.FILL,
    "N": dbn.Action.NONE,
}


def units(price: float | None) -> int:
    """A price in 1e-9 units; None is the price of nothing."""
    return dbn.UNDEF_PRICE if price is None else round(price * 10**9)


def order(
    action: str,
    number: int,
    side: Any = NOBODY,
    price: float | None = None,
    size: int = 0,
    *,
    at: float = 0.0,
    flags: int = LAST,
    instrument: int = 5482,
    publisher: int = 1,
    received: int | None = None,
) -> bytes:
    """An mbo record, `at` seconds after START."""
    time = START + round(at * SECOND)
    record = dbn.MBOMsg(
        publisher,
        instrument,
        time,
        number,
        units(price),
        size,
        ACTIONS[action],
        side,
        time + 100 if received is None else received,
        flags=flags,
    )
    return bytes(record)


def levels(
    action: str,
    bids: Sequence[tuple[float, int]],
    asks: Sequence[tuple[float, int]],
    *,
    side: Any = NOBODY,
    price: float | None = None,
    size: int = 0,
    at: float = 0.0,
    flags: int = LAST,
    depth: int = 10,
) -> bytes:
    """An mbp-10 (or mbp-1) record, `at` seconds after START."""
    rows = []
    for k in range(depth):
        bid, ask = (held[k] if k < len(held) else (None, 0) for held in (bids, asks))
        rows.append(dbn.BidAskPair(bid_px=units(bid[0]), ask_px=units(ask[0]), bid_sz=bid[1], ask_sz=ask[1]))
    kind = dbn.MBP10Msg if depth == 10 else dbn.MBP1Msg
    time = START + round(at * SECOND)
    more: dict[str, Any] = {"levels": rows if depth == 10 else rows[0]}
    return bytes(kind(1, 5482, time, units(price), size, ACTIONS[action], side, 0, time + 100, flags=flags, **more))


def metadata(
    schema: str | None = "mbo",
    dataset: str = "GLBX.MDP3",
    symbols: dict[str, int] | None = None,
    ts_out: bool = False,
) -> bytes:
    """The head of a file: instrument 5482 is ESH1 unless told otherwise."""
    known = {"ESH1": 5482} if symbols is None else symbols
    mappings = [SimpleNamespace(raw_symbol=name, intervals=[_span(number)]) for name, number in known.items()]
    return bytes(
        dbn.Metadata(
            dataset=dataset,
            start=START,
            stype_in=dbn.SType.RAW_SYMBOL,
            stype_out=dbn.SType.INSTRUMENT_ID,
            schema=dbn.Schema.from_str(schema) if schema else None,
            symbols=list(known),
            mappings=mappings,
            ts_out=ts_out,
        ).encode()
    )


def _span(number: int) -> SimpleNamespace:
    return SimpleNamespace(start_date=date(2020, 12, 28), end_date=date(2021, 12, 31), symbol=str(number))


def write_dbn(path: Path, records: Sequence[bytes], head: bytes | None = None) -> Path:
    """A file, packed by its ending."""
    data = (metadata() if head is None else head) + b"".join(records)
    if path.suffix == ".zst":
        data = pa.Codec("zstd").compress(data, asbytes=True)
    path.write_bytes(data)
    return path
