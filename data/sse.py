"""Every order of a Shanghai stock's day, from the exchange's Level-2 feed: what goes into a book, what must come out.

A ZIP or a folder with `entrust.csv` (adds and deletes), `trade.csv` and `snapshot.csv` (ten levels); BizIndex orders
adds, deletes and trades into one sequence. A lost row would falsify every book after it, so a file with a cell that
cannot be read is refused, never repaired. Lots are shares.
"""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import numpy as np

from lobarena.data.contracts import Contract, Fee, Session
from lobarena.data.recording import DataError, EventRecording
from lobarena.data.schema import DELETE, LIMIT, TAKE
from lobarena.data.sessions import utc
from lobarena.data.source import LIMIT as BYTES
from lobarena.data.sse_files import NUMBER, TEXT, TIME, WHOLE, Columns, columns, members, names_in
from lobarena.data.sse_sequence import (
    AFTERNOON,
    CLOSING,
    DELETED,
    MORNING,
    NOBODY,
    NOON,
    Ints,
    events_of,
    refuse,
    sequence,
    ticks,
)

UNDATED = date(1990, 12, 19)  # the exchange's first day; stands for one that neither the caller nor a name tells
ZONE = "Asia/Shanghai"
MEMBERS = ("entrust.csv", "trade.csv", "snapshot.csv")
DEPTH = 10  # levels a side of an official snapshot
Whole = TypeVar("Whole", int, Ints)  # one or (n,)

TRADE = np.dtype(
    [
        ("event", "i8"),  # row of `events` that causes it
        ("maker", "i8"),  # dense number of the order that rested; in an auction the earlier of the two
        ("taker", "i8"),  # dense number of the order that came; in an auction the later
        ("time", "i8"),  # ns UTC
        ("biz", "i8"),  # BizIndex
        ("price", "i4"),  # ticks
        ("size", "i4"),  # shares
    ]
)

DELETION = np.dtype(
    [
        ("event", "i8"),  # row of `events`
        ("biz", "i8"),  # BizIndex
        ("size", "i4"),  # shares that leave the book
    ]
)

SHOT = np.dtype(
    [
        ("time", "i8"),  # ns UTC, whole seconds
        ("trades", "i8"),  # trades since the trading day began
        ("volume", "i8"),  # shares since the trading day began
        ("turnover", "i8"),  # tick x share since the trading day began
        ("bid", "i4", (DEPTH,)),  # ticks, best first; 0 when the level is not there
        ("bid_size", "i8", (DEPTH,)),  # shares; 0 when the level is not there
        ("ask", "i4", (DEPTH,)),
        ("ask_size", "i8", (DEPTH,)),
        ("row", "i8"),  # 1-based data row of snapshot.csv
    ]
)

_ENTRUST = {
    "SecurityID": TEXT,
    "OrderTime": TIME,
    "OrderType": TEXT,  # A add, D delete
    "OrderNO": WHOLE,
    "OrderPrice": NUMBER,
    "Balance": WHOLE,  # shares left to rest, or deleted
    "OrderBSFlag": TEXT,  # B, S
    "BizIndex": WHOLE,
}
_TRADE = {
    "SecurityID": TEXT,
    "TradTime": TIME,
    "TradPrice": NUMBER,
    "TradVolume": WHOLE,
    "TradeBuyNo": WHOLE,
    "TradeSellNo": WHOLE,
    "TradeBSFlag": TEXT,  # who came: B buyer, S seller, N an auction
    "BizIndex": WHOLE,
}
_LEVELS = {
    f"{side}{what}{k}": kind
    for k in range(1, DEPTH + 1)
    for side in ("Bid", "Ask")
    for what, kind in (("Price", NUMBER), ("Volume", WHOLE))
}
_SNAPSHOT = {
    "SecurityID": TEXT,
    "UpdateTime": TIME,
    "PreCloPrice": NUMBER,
    "TradNumber": WHOLE,
    "TradVolume": WHOLE,
    "Turnover": NUMBER,
    **_LEVELS,
}


@dataclass(frozen=True, eq=False)
class OrderRecording:
    """One day of one stock, order by order; what must come out stands beside what goes in."""

    contract: Contract
    symbol: str  # "600519"
    exchange: str  # "SSE"
    trading_day: date
    events: np.ndarray  # (m,) EVENT in BizIndex order; `ref` of an order is its dense number, 0 to orders - 1
    trades: np.ndarray  # (n,) TRADE in BizIndex order
    deletes: np.ndarray  # (d,) DELETION in BizIndex order
    shots: np.ndarray  # (s,) SHOT in the order of the file
    numbers: np.ndarray  # (orders,) i8, rising: the record's own number of each order
    previous: int  # ticks, close of the day before
    source: str = ""  # file name

    def to_events(self) -> EventRecording:
        """What goes in, alone: the day as any record of orders, within the daily limit about yesterday's close."""
        lower, upper = daily_limits(self.contract, self.previous)
        return EventRecording(
            contract=self.contract,
            symbol=self.symbol,
            exchange=self.exchange,
            trading_day=self.trading_day,
            events=self.events,
            orders=len(self.numbers),
            lower=lower,
            upper=upper,
            source=self.source,
            rows_in=len(self.events),
        )


def matches(path: Path, head: bytes) -> bool:
    """Whether a ZIP or folder holds a Level-2 day: by the names inside, nothing is unpacked."""
    if path.is_dir() or head.startswith(b"PK"):
        return set(MEMBERS) <= names_in(path)
    return False


def read_events(path: Path, contract: Contract | None, day: date | None, limit: int) -> list[EventRecording]:
    """The day of a ZIP or folder as any record of orders; DataError also when nothing tells its date.

    `contract` replaces what is known of the stock; its tick must be the stock's own.
    """
    recording = read(path, day=day, limit=limit)
    if recording.trading_day == UNDATED:
        raise DataError(
            f"{path}: no folder or file name tells the day; give the trading day, read(path, day=date(...))"
        )
    if contract is not None and contract.tick != recording.contract.tick:
        raise DataError(f"{path}: prices are in steps of {recording.contract.tick}; give a contract of this tick")
    events = recording.to_events()
    return [replace(events, contract=contract) if contract is not None else events]


def stock(symbol: str) -> Contract:
    """The contract of a Shanghai stock: lots are shares, paid in full, fees of early 2023 (stamp duty on sales).

    Its sessions are the continuous ones; the auctions, 09:15-09:25 and 14:57-15:00, come as phases of the record.
    """
    costs, duty = 4.87e-5 + 2e-5 + 1e-5, 1e-3  # handling, supervision, transfer; stamp duty
    try:
        return Contract(
            code=symbol,
            exchange="SSE",
            tick=Decimal("0.01"),
            multiplier=1,
            fees=Fee("turnover", costs, costs + duty, costs + duty),
            margin=1.0,
            daily_limit=0.2 if symbol.startswith("68") else 0.1,
            sessions=(Session(MORNING, NOON), Session(AFTERNOON, CLOSING)),
            timezone=ZONE,
            auction_minutes=15,
        )
    except ValueError as error:
        raise DataError(f"SecurityID {symbol!r} is no stock of this feed ({error}); fetch the file again") from error


def daily_limits(contract: Contract, previous: Whole) -> tuple[Whole, Whole]:
    """(lowest, highest) legal price, ticks, by the previous close, ticks: the exchange rounds halves up."""
    percent = round(contract.daily_limit * 100)
    return (previous * (100 - percent) + 50) // 100, (previous * (100 + percent) + 50) // 100


def read(path: str | Path, *, day: date | None = None, symbol: str | None = None, limit: int = BYTES) -> OrderRecording:
    """The recording of a ZIP or folder; DataError names the member, the row where possible, and the fix.

    day : the trading day; None takes it from the eight digits of a folder or file name, else UNDATED
    symbol : which stock, where the files hold several
    limit : bytes accepted from one member once unpacked
    """
    texts, told = members(path, MEMBERS, limit)
    entrust = columns(f"{path}, entrust.csv", texts["entrust.csv"], _ENTRUST)
    chosen = _symbol(path, entrust, symbol)
    entrust = _of(entrust, chosen)
    trade = _of(columns(f"{path}, trade.csv", texts["trade.csv"], _TRADE), chosen)
    shot = _of(columns(f"{path}, snapshot.csv", texts["snapshot.csv"], _SNAPSHOT, blank=_LEVELS), chosen)
    if len(shot["row"]) == 0:
        raise DataError(f"{path}, snapshot.csv: no row of {chosen}; without there is no close of the day before")
    contract, day = stock(chosen), day or told or UNDATED
    midnight = utc(day, "00:00", ZONE)
    where = f"{path}, snapshot.csv"
    previous = int(ticks(where, shot["row"][:1], "PreCloPrice", shot["PreCloPrice"][:1], contract)[0])
    rows = sequence(str(path), entrust, trade, contract)
    numbers = np.unique(np.concatenate([rows["order"], rows["other"]]))
    numbers = numbers[numbers != NOBODY]
    events, cause = events_of(str(path), rows, previous)
    events["time"] += midnight
    numbered = np.isin(events["kind"], (LIMIT, TAKE, DELETE))
    events["ref"][numbered] = np.searchsorted(numbers, events["ref"][numbered])
    return OrderRecording(
        contract=contract,
        symbol=chosen,
        exchange=contract.exchange,
        trading_day=day,
        events=events,
        trades=_trades(rows, cause, numbers, midnight),
        deletes=_deletes(rows, cause),
        shots=_shots(where, shot, contract, midnight),
        numbers=numbers,
        previous=previous,
        source=Path(path).name,
    )


def _symbol(path: str | Path, entrust: Columns, symbol: str | None) -> str:
    there = sorted(set(entrust["SecurityID"].tolist()))
    if symbol is None and len(there) == 1:
        return str(there[0])
    if symbol is None or symbol not in there:
        more = f" and {len(there) - 8} more" if len(there) > 8 else ""
        raise DataError(
            f"{path}, entrust.csv: orders of {', '.join(there[:8]) or 'no stock'}{more}; name one by symbol="
        )
    return symbol


def _of(table: Columns, symbol: str) -> Columns:
    mine = np.asarray(table["SecurityID"] == symbol, bool)
    return {name: values[mine] for name, values in table.items()}


def _trades(rows: np.ndarray, cause: Ints, numbers: Ints, midnight: int) -> np.ndarray:
    traded = rows["other"] != NOBODY
    made = np.zeros(int(traded.sum()), TRADE)
    made["event"], made["time"] = cause[traded], rows["time"][traded] + midnight
    made["maker"], made["taker"] = (np.searchsorted(numbers, rows[who][traded]) for who in ("other", "order"))
    for name in ("biz", "price", "size"):
        made[name] = rows[name][traded]
    return made


def _deletes(rows: np.ndarray, cause: Ints) -> np.ndarray:
    gone = rows["what"] == DELETED
    made = np.zeros(int(gone.sum()), DELETION)
    made["event"], made["biz"], made["size"] = cause[gone], rows["biz"][gone], rows["size"][gone]
    return made


def _shots(where: str, table: Columns, contract: Contract, midnight: int) -> np.ndarray:
    made = np.zeros(len(table["row"]), SHOT)
    made["time"], made["row"] = table["UpdateTime"] + midnight, table["row"]
    made["trades"], made["volume"] = table["TradNumber"], table["TradVolume"]
    turnover = table["Turnover"] / contract.tick_value
    far = ~((turnover >= 0) & (turnover < 2.0**62))
    refuse(where, table["row"], far, "Turnover is no sum of money; fetch the file again")
    made["turnover"] = np.rint(turnover)
    for side in ("bid", "ask"):
        for level in range(DEPTH):
            name = f"{side.title()}{{}}{level + 1}"
            sizes, prices = table[name.format("Volume")], table[name.format("Price")]
            there = (sizes != 0) & (prices != 0)  # in an auction the second size is what would be left, without a price
            made[f"{side}_size"][there, level] = sizes[there]
            made[side][there, level] = ticks(where, table["row"][there], name.format("Price"), prices[there], contract)
    return made
