"""Books as literals, books read back as literals, and every invariant of the record in one check."""

import numpy as np

from lobarena.data.schema import ASK, BID
from lobarena.sim.book import new_book, submit, tape_of
from lobarena.sim.types import ACCEPTED, CROWD, DAY, IOC, NONE, STP_OFF

WIDE = (8_192, 64)  # levels, slots: two words of `top` a side, and a book that is soon full

Ladder = dict[int, list[int]]  # ticks -> lots of each order in queue order


def book_of(
    bids: Ladder | None = None,
    asks: Ladder | None = None,
    owner: int = CROWD,
    size: tuple[int, int] = WIDE,
    base: int = 0,
) -> tuple[np.ndarray, dict[tuple[int, int], list[int]]]:
    """(book, (side, ticks) -> order ids in queue order); all orders belong to `owner`."""
    book = new_book(size, base)
    ids: dict[tuple[int, int], list[int]] = {}
    for side, ladder in ((BID, bids or {}), (ASK, asks or {})):
        for tick, sizes in ladder.items():
            for lots in sizes:
                fills, order_id, code = send(book, owner, side, tick, lots)
                assert (len(fills), code) == (0, ACCEPTED), "a literal book must not be crossed or too large"
                ids.setdefault((side, tick), []).append(order_id)
    return book, ids


def send(
    book: np.ndarray, owner: int, side: int, tick: int, qty: int, kind: int = DAY, stp: int = STP_OFF
) -> tuple[np.ndarray, int, int]:
    """(fills, id or NONE, code) of an order whose price is given in ticks."""
    tape = tape_of(book)
    n_fills, order_id, code = submit(book, owner, side, tick - int(book[0]["base"]), qty, kind, stp)
    return tape[:n_fills].copy(), int(order_id), int(code)


def market(book: np.ndarray, owner: int, side: int, qty: int, stp: int = STP_OFF) -> tuple[np.ndarray, int, int]:
    """A market order: immediate-or-cancel at the worst price of the book."""
    worst = levels_of(book) - 1 if side == BID else 0
    return send(book, owner, side, int(book[0]["base"]) + worst, qty, IOC, stp)


def trades(fills: np.ndarray) -> list[tuple[int, int]]:
    """(ticks, lots) of each fill."""
    return [(int(fill["price"]), int(fill["size"])) for fill in fills]


def levels_of(book: np.ndarray) -> int:
    return len(book[0]["level"]) // 2


def best(book: np.ndarray) -> tuple[int, int]:
    """Level indices of the best bid and ask; -1 and `levels` when a side is empty."""
    return int(book[0]["best"][BID]), int(book[0]["best"][ASK])


def queues(book: np.ndarray, side: int) -> dict[int, list[tuple[int, int]]]:
    """Ticks -> (order id, lots) in queue order, by walking the links."""
    orders, level, base = book[0]["orders"], book[0]["level"], int(book[0]["base"])
    levels, found = levels_of(book), {}
    for price in np.flatnonzero(level["head"][side * levels : (side + 1) * levels] != NONE).tolist():
        queue, slot = [], int(level["head"][side * levels + price])
        while slot != NONE:
            queue.append((int(orders["use"][slot]) * len(orders) + slot, int(orders["qty"][slot])))
            assert len(queue) <= len(orders), f"the queue at side {side}, level {price} is a circle"
            slot = int(orders["next"][slot])
        found[base + price] = queue
    return found


def depth(book: np.ndarray, side: int) -> Ladder:
    """Ticks -> lots of each order in queue order."""
    return {tick: [lots for _, lots in queue] for tick, queue in queues(book, side).items()}


def check(book: np.ndarray, crossed: bool = False) -> None:
    """Every invariant of the record; a book before its call auction may be `crossed`."""
    record, levels = book[0], levels_of(book)
    occupied = np.flatnonzero(record["level"]["head"] != NONE)
    check_empty_levels(record["level"])
    resting = [slot for index in occupied.tolist() for slot in check_queue(record, index, levels)]
    check_pool(record, resting)
    check_bits(record, occupied)

    bids, asks = occupied[occupied < levels], occupied[occupied >= levels] - levels
    highest, lowest = (int(bids[-1]) if len(bids) else -1), (int(asks[0]) if len(asks) else levels)
    assert best(book) == (highest, lowest)
    assert crossed or highest < lowest, f"crossed: bid {highest}, ask {lowest}"


def check_empty_levels(level: np.ndarray) -> None:
    empty = level[level["head"] == NONE]
    assert (empty["tail"] == NONE).all()
    assert not empty["size"].any(), "lots at a level without orders"
    assert not empty["seats"].any(), "seats' lots at a level without orders"


def check_queue(record: np.void, index: int, levels: int) -> list[int]:
    """Links, lots and labels of one occupied level; its slots."""
    orders, level = record["orders"], record["level"][index]
    slots, slot, before = [], int(level["head"]), NONE
    while slot != NONE:
        order = orders[slot]
        assert order["prev"] == before
        assert order["qty"] > 0
        assert (order["side"], order["price"]) == divmod(index, levels)
        slots.append(slot)
        assert len(slots) <= len(orders), f"the queue at level {index} is a circle"
        slot, before = int(order["next"]), slot
    assert level["tail"] == before
    queue = orders[slots]
    assert level["size"] == queue["qty"].sum()
    assert level["seats"] == queue["qty"][queue["owner"] != CROWD].sum()
    return slots


def check_pool(record: np.void, resting: list[int]) -> None:
    """Every slot is either in exactly one queue or in the list of free slots."""
    orders, free, slot = record["orders"], [], int(record["free"])
    while slot != NONE:
        assert orders["qty"][slot] == 0
        free.append(slot)
        assert len(free) <= len(orders), "the list of free slots is a circle"
        slot = int(orders["next"][slot])
    assert record["resting"] == len(resting)
    assert sorted(free + resting) == list(range(len(orders)))


def check_bits(record: np.void, occupied: np.ndarray) -> None:
    """The map says which levels are occupied, and `top` which words of the map are not 0."""
    assert_bits(record["map"], occupied)
    assert_bits(record["top"], np.flatnonzero(record["map"]))


def assert_bits(words: np.ndarray, positions: np.ndarray) -> None:
    expected = np.zeros_like(words)
    np.bitwise_or.at(expected, positions // 64, np.uint64(1) << (positions % 64).astype("u8"))
    assert np.array_equal(words, expected)
