"""Adds, deletes and trades of a Shanghai stock's day in one sequence, and the events of a book that it tells of.

An aggressor's trades come before its add, which carries only what was left and is missing when nothing was; so the
order as sent is its trades and its add together. Of an order that left nothing only the worst price it paid is known:
it becomes a TAKE at that price, which rests nothing.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from lobarena.data.contracts import Contract
from lobarena.data.recording import DataError
from lobarena.data.schema import (
    ASK,
    BID,
    BREAK,
    CALL,
    CLOSED,
    CONTINUOUS,
    DELETE,
    EVENT,
    LIMIT,
    PHASE,
    TAKE,
    UNCROSS,
)
from lobarena.data.sse_files import Columns

COLLECTING, OPENING, MORNING, NOON = "09:15", "09:25", "09:30", "11:30"
AFTERNOON, CLOSING, CLOSE = "13:00", "14:57", "15:00"

ADDED, DELETED, BOUGHT, SOLD, CALLED = range(5)  # what a row is; a trade by its aggressor, or of an auction
NOBODY = -1

ROW = np.dtype(
    [
        ("biz", "i8"),  # BizIndex
        ("time", "i8"),  # ns since midnight; a stamp that runs back is raised to the one before it
        ("order", "i8"),  # number of the order; of a trade the one that came, in an auction the later of the two
        ("other", "i8"),  # number of the other order of a trade; NOBODY
        ("price", "i4"),  # ticks; 0 for a delete
        ("size", "i4"),  # shares
        ("what", "i1"),  # ADDED, ...
        ("side", "i1"),  # of `order`
    ]
)

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def ns_of(clock: str) -> int:
    """ "HH:MM" -> ns since midnight."""
    return (int(clock[:2]) * 60 + int(clock[3:])) * 60 * 10**9


def refuse(where: str, rows: npt.NDArray[Any], bad: Mask, what: str) -> None:
    """DataError that names the first bad row, if there is one."""
    if bad.any():
        raise DataError(f"{where}, row {rows[np.argmax(bad)]}: {what}")


def ticks(
    where: str, rows: npt.NDArray[Any], name: str, prices: npt.NDArray[Any], contract: Contract
) -> npt.NDArray[Any]:
    """(n,) f8 prices -> (n,) i4 ticks; DataError unless each is positive and on the tick."""
    bad = contract.off_tick(prices) | ~(prices > 0)
    refuse(where, rows, bad, f"{name} is no positive price in steps of {contract.tick}; fetch the file again")
    return contract.to_ticks(prices)


def sequence(path: str, entrust: Columns, trade: Columns, contract: Contract) -> np.ndarray:
    """(n,) ROW in BizIndex order, from the columns of entrust.csv and trade.csv."""
    rows = np.concatenate(
        [_orders(f"{path}, entrust.csv", entrust, contract), _trades(f"{path}, trade.csv", trade, contract)]
    )
    rows = rows[np.argsort(rows["biz"], kind="stable")]
    again = rows["biz"][1:] == rows["biz"][:-1]
    if again.any():
        raise DataError(
            f"{path}: BizIndex {rows['biz'][1:][np.argmax(again)]} is there twice; remove the repeated rows"
        )
    rows["time"] = np.maximum.accumulate(rows["time"])
    return rows


def _orders(where: str, table: Columns, contract: Contract) -> np.ndarray:
    at, kind, side, number = table["row"], table["OrderType"], table["OrderBSFlag"], table["OrderNO"]
    added = kind == "A"
    refuse(where, at, ~added & (kind != "D"), 'OrderType is neither "A" nor "D"; a feed of another kind, or damaged')
    refuse(where, at, (side != "B") & (side != "S"), 'OrderBSFlag is neither "B" nor "S"; fetch the file again')
    refuse(where, at, _odd(table["Balance"]), "Balance is no positive 32-bit number of shares; fetch the file again")
    refuse(where, at, number < 0, "OrderNO is negative; fetch the file again")
    again = np.ones(len(at), bool)
    again[np.unique(np.where(added, number, -1 - at), return_index=True)[1]] = False
    refuse(where, at, again, "this order was added before; remove the repeated rows")
    rows = np.zeros(len(at), ROW)
    rows["biz"], rows["time"], rows["order"], rows["other"] = table["BizIndex"], table["OrderTime"], number, NOBODY
    rows["size"], rows["side"], rows["what"] = (
        table["Balance"],
        np.where(side == "B", BID, ASK),
        np.where(added, ADDED, DELETED),
    )
    rows["price"][added] = ticks(where, at[added], "OrderPrice", table["OrderPrice"][added], contract)
    return rows


def _trades(where: str, table: Columns, contract: Contract) -> np.ndarray:
    at, flag, buyer, seller = table["row"], table["TradeBSFlag"], table["TradeBuyNo"], table["TradeSellNo"]
    bought, sold = flag == "B", flag == "S"
    refuse(where, at, ~bought & ~sold & (flag != "N"), 'TradeBSFlag is none of "B", "S", "N"; fetch the file again')
    refuse(
        where, at, _odd(table["TradVolume"]), "TradVolume is no positive 32-bit number of shares; fetch the file again"
    )
    refuse(where, at, (buyer < 0) | (seller < 0) | (buyer == seller), "no two orders are named; fetch the file again")
    came_buyer = bought | (~sold & (buyer > seller))
    rows = np.zeros(len(at), ROW)
    rows["biz"], rows["time"], rows["size"] = table["BizIndex"], table["TradTime"], table["TradVolume"]
    rows["order"], rows["other"] = np.where(came_buyer, buyer, seller), np.where(came_buyer, seller, buyer)
    rows["side"], rows["what"] = np.where(came_buyer, BID, ASK), np.where(bought, BOUGHT, np.where(sold, SOLD, CALLED))
    rows["price"] = ticks(where, at, "TradPrice", table["TradPrice"], contract)
    return rows


def _odd(sizes: npt.NDArray[Any]) -> Mask:
    return np.asarray((sizes <= 0) | (sizes > np.iinfo(np.int32).max))


def events_of(path: str, rows: np.ndarray, previous: int) -> tuple[np.ndarray, Ints]:
    """(m,) EVENT, times since midnight and `ref` the record's order number; (n,) the event that each row is part of.

    previous : ticks, close of the day before: the reference price of the opening auction
    """
    what, late = rows["what"], rows["time"] >= ns_of(MORNING)
    aggressive, called = (what == BOUGHT) | (what == SOLD), what == CALLED
    joins = (what[1:] == what[:-1]) | ((what[1:] == ADDED) & (rows["side"][1:] == rows["side"][:-1]))
    goes_on = np.zeros(len(rows), bool)
    goes_on[1:] = aggressive[:-1] & (rows["order"][1:] == rows["order"][:-1]) & joins
    goes_on[1:] |= called[1:] & called[:-1] & (late[1:] == late[:-1])
    first = np.flatnonzero(~goes_on)
    last = np.append(first[1:], len(rows)) - 1
    sizes = np.add.reduceat(rows["size"].astype(np.int64), first)
    if _odd(sizes).any():
        biz = rows["biz"][first[np.argmax(_odd(sizes))]]
        raise DataError(f"{path}: the order at BizIndex {biz} has more shares than 32 bits hold; fetch the file again")
    made = np.zeros(len(first), EVENT)
    made["kind"] = np.array([LIMIT, DELETE, TAKE, TAKE, UNCROSS])[what[last]]
    for name in ("time", "side"):
        made[name] = rows[name][first]
    made["ref"], made["price"], made["size"] = rows["order"][first], rows["price"][last], sizes
    highest, lowest = np.maximum.reduceat(rows["price"], first), np.minimum.reduceat(rows["price"], first)
    made["price"] = np.where(made["kind"] == TAKE, np.where(made["side"] == BID, highest, lowest), made["price"])
    for at in np.flatnonzero(made["kind"] == UNCROSS):
        made["price"][at], made["ref"][at], made["side"][at] = _last_price(rows[: first[at]], previous), NOBODY, BID
    matched = int(np.flatnonzero(aggressive[first]).max(initial=-1))
    marks, places = _phases(made, matched, previous, _last_price(rows, previous))
    cause = np.cumsum(~goes_on) - 1
    made = np.insert(made, places, marks)
    made["time"] = np.maximum.accumulate(made["time"])
    return made, cause + np.searchsorted(places, cause, "right")


def _last_price(rows: np.ndarray, previous: int) -> int:
    """Price of the last trade among the rows, else the close of the day before."""
    prices = rows["price"][np.isin(rows["what"], (BOUGHT, SOLD, CALLED))]
    return int(prices[-1]) if len(prices) else previous


def _phases(made: np.ndarray, matched: int, previous: int, last: int) -> tuple[np.ndarray, Ints]:
    """(k,) EVENT and (k,) places among the events made so far: phases, and auctions in which nothing traded.

    matched : the last event that traded continuously (-1 none): the closing auction begins after it
    A phase that ends trading begins after what the exchange still matched, however late it is stamped.
    """
    times = made["time"]
    auctions = np.flatnonzero(made["kind"] == UNCROSS)
    opening, closing = auctions[times[auctions] < ns_of(MORNING)], auctions[times[auctions] >= ns_of(CLOSING)]
    opened = int(opening[-1]) + 1 if len(opening) else int(np.searchsorted(times, ns_of(OPENING)))
    noon = int(np.searchsorted(times, ns_of(AFTERNOON)))
    calls = max(int(np.searchsorted(times, ns_of(CLOSING))), matched + 1)
    planned = [(0, COLLECTING, PHASE, CALL, 0)]
    if len(opening) == 0:
        planned.append((opened, OPENING, UNCROSS, BID, previous))
    planned += [
        (opened, OPENING, PHASE, BREAK, 0),
        (int(np.searchsorted(times, ns_of(MORNING))), MORNING, PHASE, CONTINUOUS, 0),
    ]
    planned += [
        (noon, NOON, PHASE, BREAK, 0),
        (noon, AFTERNOON, PHASE, CONTINUOUS, 0),
        (calls, CLOSING, PHASE, CALL, 0),
    ]
    if len(closing) == 0:
        planned.append((len(made), CLOSE, UNCROSS, BID, last))
    planned.append((len(made), CLOSE, PHASE, CLOSED, 0))
    marks = np.zeros(len(planned), EVENT)
    marks["ref"] = NOBODY
    for mark, (_, clock, kind, side, price) in zip(marks, planned, strict=True):
        mark["time"], mark["kind"], mark["side"], mark["price"] = ns_of(clock), kind, side, price
    return marks, np.maximum.accumulate(np.array([place for place, *_ in planned], np.int64))
