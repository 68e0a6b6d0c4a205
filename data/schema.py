"""What a recorded market looks like: one row a snapshot, one row an event, in exact integers.

Prices are ticks of the contract, sizes are lots, times are nanoseconds since the epoch (UTC), turnover is tick x lot.
Each record type stands twice, as a numpy dtype for the kernels and as an Arrow schema for the files, side by side.
A level whose size is 0 is not there; its price means nothing.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow

LEVELS = 5  # levels a side that a snapshot row can hold
SCHEMA_VERSION = 1  # of the files in a catalogue; raised whenever a column changes its meaning

# What a snapshot row is, in the column `kind`.
TRADING, AUCTION, SETTLEMENT = 0, 1, 2
SNAPSHOT_KINDS = {TRADING: "trading", AUCTION: "auction", SETTLEMENT: "settlement"}

UNKNOWN = -1  # turnover, open interest or receive time that the source does not record

SNAPSHOT = np.dtype(
    [
        ("time", "i8"),  # ns UTC, the exchange's stamp
        ("received", "i8"),  # ns UTC, the recorder's stamp; UNKNOWN when there is none
        ("last", "i4"),  # ticks, price of the last trade; 0 before the first
        ("volume", "i8"),  # lots since the trading day began, each trade counted once
        ("turnover", "i8"),  # tick x lot since the trading day began; UNKNOWN when not recorded
        ("interest", "i8"),  # lots of open interest, counted once; UNKNOWN when not recorded
        ("bid", "i4", (LEVELS,)),  # ticks, best first
        ("bid_size", "i4", (LEVELS,)),  # lots; 0 when the level is not there
        ("ask", "i4", (LEVELS,)),  # ticks, best first
        ("ask_size", "i4", (LEVELS,)),  # lots; 0 when the level is not there
        ("upper", "i4"),  # ticks, highest legal price of the day; 0 when not recorded
        ("lower", "i4"),  # ticks, lowest legal price of the day; 0 when not recorded
        ("settle", "i4"),  # ticks, settlement price; 0 until it is known
        ("kind", "i1"),  # TRADING, AUCTION or SETTLEMENT
        ("depth", "i1"),  # levels a side that this feed shows (1 to LEVELS)
        ("row", "i8"),  # 1-based data row of the source file
    ]
)

# What an event asks of the book, in the column `kind`.
LIMIT = 1  # a crowd order enters at `price` (and may trade on the way)
TAKE = 2  # a crowd aggressor takes up to `size` at `price` or better; the rest is gone
DELETE = 3  # the crowd order `ref` leaves the book, whole
CANCEL = 4  # `size` lots of the crowd leave the level `price`; the queue model says which
MARK = 5  # the venue publishes its book; `ref` is the snapshot row to meet, or -1
UNCROSS = 6  # the call auction matches; `price` is the reference price
PHASE = 7  # the trading phase becomes `side` (BREAK, ...)
MARKET = 8  # a crowd order takes up to `size` at any price; the rest is gone
LEVEL = 9  # the crowd holds `size` lots at the level `price` from now on, 0 none (records of level changes)
TRADE = 10  # `size` lots trade at exactly `price`, `side` attacked (records of level changes)
REDUCE = 11  # the crowd order `ref` loses `size` lots where it stands
CLEAR = 12  # the crowd's orders of both sides leave the book: the record begins anew
SWEEP = 13  # a crowd order beyond the record takes up to `size` at `price` or better; what it took is owed
# Of a living crowd (docs/crowd.md), which acts between the rows of its day:
TRAIT = 14  # the number at place `price` of its traits; `ref` holds the bits of the f8
STAND = 15  # an order of its opening book rests, as its own
STIR = 16  # the next half second: pace `u`, regime `side`, reference price `price` + `size` / 1000, seed `ref`
# Before each STIR: factor `u` on the size of `side`'s limit orders (BOTH or one), which keep `size` / 1000 ticks from
# the reference price; programmes press buyers by `price` / 1000.
SWELL = 17
EVENT_KINDS = {
    LIMIT: "limit",
    TAKE: "take",
    DELETE: "delete",
    CANCEL: "cancel",
    MARK: "mark",
    UNCROSS: "uncross",
    PHASE: "phase",
    MARKET: "market",
    LEVEL: "level",
    TRADE: "trade",
    REDUCE: "reduce",
    CLEAR: "clear",
    SWEEP: "sweep",
    TRAIT: "trait",
    STAND: "stand",
    STIR: "stir",
    SWELL: "swell",
}

# Phases of a trading day, carried by PHASE events.
CLOSED, CALL, CONTINUOUS, BREAK = 0, 1, 2, 3

BID, ASK = 0, 1  # sides: a buyer's order has side BID
BOTH = 2  # in a SWELL

EVENT = np.dtype(
    [
        ("time", "i8"),  # ns UTC
        ("ref", "i8"),  # order number of the record, or snapshot row of a MARK; -1 when there is none
        ("price", "i4"),  # ticks
        ("size", "i4"),  # lots
        ("u", "f4"),  # [0, 1): where in the queue a CANCEL falls, drawn when the day is read so that all see the same
        ("kind", "i1"),  # LIMIT, TAKE, ...
        ("side", "i1"),  # BID or ASK; the phase for PHASE
    ]
)

_UNITS = {
    "time": "ns since the epoch, UTC, exchange clock",
    "received": "ns since the epoch, UTC, recorder's clock; -1 unknown",
    "last": "ticks",
    "volume": "lots, cumulative, counted once",
    "turnover": "tick x lot, cumulative, counted once; -1 unknown",
    "interest": "lots, counted once; -1 unknown",
    "bid": "ticks",
    "bid_size": "lots",
    "ask": "ticks",
    "ask_size": "lots",
    "upper": "ticks; 0 unknown",
    "lower": "ticks; 0 unknown",
    "settle": "ticks; 0 unknown",
    "kind": "code",
    "depth": "levels a side shown by the feed",
    "row": "1-based row of the source file",
    "ref": "order number or snapshot row; -1 none",
    "price": "ticks",
    "size": "lots",
    "u": "uniform in [0, 1)",
    "side": "0 bid, 1 ask; phase for a phase event",
}


def arrow_schema(dtype: np.dtype[np.void]) -> "pyarrow.Schema":
    """The Arrow schema of a record type; a nested field `bid` of 5 becomes the columns bid1 .. bid5."""
    import pyarrow as pa

    fields = []
    for name in dtype.names or ():
        base, shape = dtype[name].base, dtype[name].shape
        columns = [f"{name}{level + 1}" for level in range(shape[0])] if shape else [name]
        kind = pa.from_numpy_dtype(base)
        fields += [pa.field(column, kind, nullable=False, metadata={"unit": _UNITS[name]}) for column in columns]
    return pa.schema(fields, metadata={"lobarena_schema": str(SCHEMA_VERSION)})


def to_arrow(rows: np.ndarray) -> "pyarrow.Table":
    """(n,) records of a type above -> Arrow table with its schema."""
    import pyarrow as pa

    columns = []
    for name in rows.dtype.names or ():
        values = rows[name]
        for part in values.T if values.ndim == 2 else [values]:
            buffer = pa.py_buffer(np.ascontiguousarray(part))  # pa.array would load pandas
            columns.append(pa.Array.from_buffers(pa.from_numpy_dtype(part.dtype), len(part), [None, buffer]))
    return pa.Table.from_arrays(columns, schema=arrow_schema(rows.dtype))


def from_arrow(table: "pyarrow.Table", dtype: np.dtype[np.void]) -> np.ndarray:
    """Arrow table -> (n,) records; ValueError names the first column that is missing or of another type."""
    rows = np.zeros(table.num_rows, dtype)
    for field in arrow_schema(dtype):
        if field.name not in table.column_names:
            raise ValueError(f"column {field.name!r} is missing; the file is not a lobarena table of this kind")
        if table.schema.field(field.name).type != field.type:
            raise ValueError(f"column {field.name!r} is {table.schema.field(field.name).type}, expected {field.type}")
    for name in dtype.names or ():
        if dtype[name].shape:
            for level in range(dtype[name].shape[0]):
                rows[name][:, level] = _numbers(table.column(f"{name}{level + 1}"), dtype[name].base)
        else:
            rows[name] = _numbers(table.column(name), dtype[name])
    return rows


def _numbers(column: "pyarrow.ChunkedArray", dtype: np.dtype[Any]) -> np.ndarray:
    """A column's numbers, read from its buffers: pyarrow's own way to numpy loads pandas, which takes a second."""
    if column.null_count:
        raise ValueError("a column holds nulls; the file is not a lobarena table of this kind")
    parts = [
        np.frombuffer(chunk.buffers()[1], dtype, len(chunk), chunk.offset * dtype.itemsize)
        for chunk in column.chunks
        if len(chunk)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype)
