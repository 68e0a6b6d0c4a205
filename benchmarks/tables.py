"""The four tables of a results folder: which columns they have, of which type, in which unit.

`episode` numbers one market run (track, contract, day, segment, rotation). Money is currency in float64; columns that
end in `_half_ticks` are exact, in half-tick x lot (times tick value / 2 it is money). Columns that begin with
`measured_` are wall clock: they differ from run to run and no digest covers them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MEASURED = "measured_"  # prefix of the columns that a digest leaves out

_TYPES = {"i1": pa.int8(), "i2": pa.int16(), "i4": pa.int32(), "i8": pa.int64(), "f8": pa.float64(), "str": pa.string()}

# (type, unit, names), in the order of the file
_EPISODES = [
    ("i4", "number of the market run", "episode"),
    ("str", "solo or arena", "track"),
    ("str", "name", "exchange contract"),
    ("i4", "YYYYMMDD, trading day", "day"),
    ("i4", "number", "segment rotation"),
    ("i2", "seat, from 1", "seat"),
    ("str", "name", "agent"),
    ("str", "cancel model / impact rule", "fill_model"),
    ("i8", "ns, charged to everyone by the latency sweep; -1 outside it", "sweep"),
    ("str", "ok or failed", "status"),
    ("str", "message, empty when ok", "error"),
    ("i8", "ns since the epoch, UTC", "opens closes"),
    ("f8", "currency a tick and lot", "tick_value"),
    ("f8", "currency, net of fees, after terminal liquidation", "pnl"),
    ("i8", "half-tick x lot, gross of fees", "pnl_half_ticks"),
    ("i8", "half-tick x lot", "spread_half_ticks adverse_half_ticks holding_half_ticks liquidation_half_ticks"),
    ("f8", "currency", "fees spread adverse holding liquidation"),
    ("f8", "currency, summed over fills", "markout_1s markout_5s markout_30s"),
    ("f8", "lots, mean absolute position", "map"),
    ("f8", "currency a lot", "pnl_map"),
    ("f8", "ratio to traded notional, both sides", "pr"),
    ("f8", "currency", "mdd"),
    ("f8", "ratio, per episode", "sharpe"),
    ("i4", "lots", "max_inventory"),
    ("f8", "share of time", "share_at_limit"),
    ("f8", "currency, mean loss of the worst 5 % and 1 % of the grid steps", "es95 es99"),
    ("i4", "lots, held into the grid step of the largest loss", "inventory_at_worst"),
    ("f8", "s; NaN undefined", "inventory_half_life_s"),
    ("i4", "count", "fills"),
    ("i8", "lots", "lots"),
    ("f8", "currency, both sides", "notional"),
    ("i4", "count", "orders cancels refused messages"),
    ("f8", "lots filled a lot ordered; NaN without orders", "fill_ratio"),
    ("f8", "share of time with quotes on both sides", "quoting_share"),
    ("f8", "messages a fill; NaN without fills", "order_to_trade"),
    ("i4", "count", "decisions deadlines"),
    ("f8", "us, charged in the simulation", "latency_p50_us latency_p90_us latency_p99_us latency_max_us"),
    ("i8", "count; -1 unknown", "parameters"),
    ("f8", "floating point operations a decision; NaN unknown", "flop"),
    ("i8", "tokens in all, read anew / written", "prompt_tokens answer_tokens"),
    ("str", "JSON object of the counts that the agent kept", "notes"),
    ("f8", "us, wall clock", "measured_p50_us measured_p90_us measured_p99_us measured_max_us"),
    ("f8", "us of CPU time a decision", "measured_cpu_us"),
    ("f8", "J of the whole machine while it decided; NaN not measured", "measured_joules"),
]
_FILLS = [
    ("i8", "row number in the file", "fill"),
    ("i4", "number of the market run", "episode"),
    ("i2", "seat, from 1", "seat"),
    ("str", "name", "agent"),
    ("i8", "ns since the epoch, UTC", "time"),
    ("i4", "ticks", "price"),
    ("i4", "lots", "size"),
    ("i1", "+1 the seat bought, -1 it sold", "side"),
    ("str", "maker or taker", "role"),
    ("str", "agent name or crowd", "counterparty"),
    ("i8", "order id of the seat", "order"),
    ("i4", "lots ahead of the maker when it joined / taken first by the same taker", "joined hit"),
    ("str", "why it filled", "reason"),
    ("f8", "ticks, just before", "mid"),
    ("f8", "currency", "fee"),
    ("f8", "currency, side x size x move of the mid", "markout_1s markout_5s markout_30s"),
    ("i4", "lots, after", "position"),
]
_DECISIONS = [
    ("i4", "number of the market run", "episode"),
    ("i2", "seat, from 1", "seat"),
    ("i4", "number of the decision", "n"),
    ("i8", "ns since the epoch, UTC: stamp of what was seen", "published"),
    ("i8", "ns since the epoch, UTC: decision began", "time"),
    ("i8", "ns since the epoch, UTC: time + charged latency", "answered"),
    ("i8", "ns, charged", "latency"),
    ("str", "quotes, keep, deadline or failed", "outcome"),
    ("i4", "tokens, read anew / written", "prompt_tokens answer_tokens"),
    ("i8", "ns, wall clock", "measured_ns"),
]
_CURVE = [
    ("i4", "number of the market run", "episode"),
    ("i2", "seat, from 1", "seat"),
    ("i8", "ns since the epoch, UTC", "time"),
    ("f8", "ticks", "mid"),
    ("f8", "currency, marked at the mid, net of fees so far", "pnl"),
    ("i4", "lots", "position"),
    ("i4", "ticks, own best working quote; 0 none", "bid ask"),
]


def _schema(columns: list[tuple[str, str, str]]) -> pa.Schema:
    return pa.schema(
        [
            pa.field(name, _TYPES[kind], nullable=False, metadata={"unit": unit})
            for kind, unit, names in columns
            for name in names.split()
        ]
    )


SCHEMAS = {
    "episodes": _schema(_EPISODES),
    "fills": _schema(_FILLS),
    "decisions": _schema(_DECISIONS),
    "curve": _schema(_CURVE),
}

Rows: TypeAlias = pa.Table | Mapping[str, Any] | Sequence[Mapping[str, Any]]


def as_table(name: str, rows: Rows) -> pa.Table:
    """Rows of the table `name` -> Arrow table with its schema, columns in the order of the file.

    rows: an Arrow table, a mapping column -> (n,) array, or a sequence of mappings column -> value; [] is no rows.
    The column `fill` may be left out: it is numbered when the folder is read or merged.
    ValueError names the columns that are missing or unknown, or the one whose values do not fit.
    """
    schema = SCHEMAS[name]
    if isinstance(rows, pa.Table):
        columns = {column: rows.column(column) for column in rows.column_names}
    elif isinstance(rows, Mapping):
        columns = dict(rows)
    else:
        names = dict.fromkeys(key for row in rows for key in row) if rows else schema.names
        try:
            columns = {column: [row[column] for row in rows] for column in names}
        except KeyError as error:
            raise ValueError(f"{name}: not every row has the column {error}") from None
    if name == "fills" and "fill" not in columns:
        columns["fill"] = np.arange(len(columns.get("episode", ())), dtype=np.int64)
    missing, unknown = [c for c in schema.names if c not in columns], [c for c in columns if c not in schema.names]
    if missing or unknown:
        raise ValueError(f"{name}: columns missing: {missing or 'none'}; columns unknown: {unknown or 'none'}")
    return pa.Table.from_arrays([_array(name, field, columns[field.name]) for field in schema], schema=schema)


def _array(table: str, field: pa.Field, values: Any) -> pa.Array | pa.ChunkedArray:
    try:
        if isinstance(values, pa.Array | pa.ChunkedArray):
            array = values.cast(field.type)
        else:
            array = pa.array(values, from_pandas=False).cast(field.type) if len(values) else pa.array([], field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError) as error:
        raise ValueError(f"{table}.{field.name}: values do not fit {field.type}: {error}") from None
    if array.null_count:
        raise ValueError(f"{table}.{field.name}: empty values; write NaN or -1 for what is not known")
    return array


def digest(table: pa.Table) -> str:
    """SHA-256 (hex) of what the table says: names, types and values of every column that is not `measured_`.

    Chunking, compression and metadata do not count; every NaN is the same NaN and -0.0 is 0.0.
    """
    sha = hashlib.sha256(str(table.num_rows).encode())
    for field, column in zip(table.schema, table.columns, strict=True):
        if field.name.startswith(MEASURED):
            continue
        sha.update(f"|{field.name}:{field.type}|".encode())
        if pa.types.is_string(field.type):
            sha.update(pc.binary_length(column).to_numpy().astype("<i4").tobytes())
            sha.update("".join(column.to_pylist()).encode())
        else:
            values = column.to_numpy()
            if pa.types.is_floating(field.type):
                values = np.where(np.isnan(values), np.nan, values + 0.0)
            sha.update(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()
