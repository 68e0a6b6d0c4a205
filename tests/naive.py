"""A slow and obvious order book, call auction and accounts: what the kernels must agree with.

Lists and dicts only, and every question is answered by looking at everything. Prices given and returned are level
indices as in the engine (ticks less `base`); prices in fills are ticks. Sizes are lots, cash is tick x lot.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from lobarena.data.schema import ASK, BID
from lobarena.sim.types import (
    ACCEPTED,
    BAD_SIZE,
    BOOK_FULL,
    CANNOT_FILL,
    CROWD,
    DAY,
    FOK,
    IOC,
    NONE,
    OFF_BOOK,
    POST_ONLY,
    SELF_TRADE,
    STP_CANCEL_INCOMING,
    STP_CANCEL_RESTING,
    STP_OFF,
    WOULD_TRADE,
)


@dataclass
class Order:
    """One resting order; `joined` is the lots that were ahead of it when it joined its queue."""

    id: int
    owner: int
    side: int
    price: int
    qty: int
    joined: int
    time: int


class Fill(NamedTuple):
    """One trade of the continuous market; `taker` is NONE when the incoming order did not come to rest."""

    time: int
    maker: int
    taker: int
    price: int
    size: int
    joined: int
    hit: int
    maker_owner: int
    taker_owner: int
    side: int


class Match(NamedTuple):
    """One trade of the call auction: the price in ticks, lots, and the two orders."""

    price: int
    size: int
    bid: int
    ask: int


class NaiveBook:
    """Price-time priority by definition: orders are kept in one list, in the order in which they came."""

    def __init__(self, levels: int, slots: int, base: int = 0):
        self.levels, self.slots, self.base = levels, slots, base
        self.time = 0
        self.orders: list[Order] = []
        self.next_id = 0

    # What is in the book

    def queue(self, side: int, price: int) -> list[Order]:
        return [order for order in self.orders if order.side == side and order.price == price]

    def best(self, side: int) -> int:
        prices = [order.price for order in self.orders if order.side == side]
        if side == BID:
            return max(prices, default=-1)
        return min(prices, default=self.levels)

    def queues(self, side: int) -> dict[int, list[tuple[int, int]]]:
        """Ticks -> (id, lots) in queue order."""
        prices = {order.price for order in self.orders if order.side == side}
        return {self.base + price: [(order.id, order.qty) for order in self.queue(side, price)] for price in prices}

    def find(self, order_id: int) -> Order | None:
        return next((order for order in self.orders if order.id == order_id), None)

    def ahead(self, order_id: int) -> int:
        order = self.find(order_id)
        if order is None:
            return -1
        queue = self.queue(order.side, order.price)
        return sum(other.qty for other in queue[: queue.index(order)])

    def makers(self, side: int, price: int) -> list[Order]:
        """Every order that an incoming order of this side and price could trade with, in the order it meets them."""
        if side == BID:
            reached = [order for order in self.orders if order.side == ASK and order.price <= price]
            return sorted(reached, key=lambda order: order.price)  # stable: time decides at one price
        reached = [order for order in self.orders if order.side == BID and order.price >= price]
        return sorted(reached, key=lambda order: -order.price)

    # What can be asked of it

    def submit(
        self, owner: int, side: int, price: int, qty: int, kind: int = DAY, stp: int = STP_OFF
    ) -> tuple[list[Fill], int, int]:
        """(fills, id of the resting order or NONE, ACCEPTED or why it was refused)."""
        if qty <= 0:
            return [], NONE, BAD_SIZE
        if not 0 <= price < self.levels:
            return [], NONE, OFF_BOOK
        if kind == POST_ONLY and self.makers(side, price):
            return [], NONE, WOULD_TRADE
        if kind == FOK and self.fillable(owner, side, price, stp) < qty:
            return [], NONE, CANNOT_FILL

        fills: list[Fill] = []
        left, code = qty, ACCEPTED
        for maker in self.makers(side, price):
            if left == 0:
                break
            if is_self_trade(owner, maker, stp):
                if stp == STP_CANCEL_INCOMING:
                    code = SELF_TRADE
                    break
                self.orders.remove(maker)
                continue
            size = min(left, maker.qty)
            tick = self.base + maker.price
            hit = sum(fill.size for fill in fills if fill.price == tick)
            fills.append(Fill(self.time, maker.id, NONE, tick, size, maker.joined, hit, maker.owner, owner, side))
            left -= size
            maker.qty -= size
            if maker.qty == 0:
                self.orders.remove(maker)

        rests = left > 0 and code == ACCEPTED and kind in (DAY, POST_ONLY)
        if not rests:
            return fills, NONE, code
        if len(self.orders) == self.slots:
            return fills, NONE, BOOK_FULL
        order_id = self.rest(owner, side, price, left)
        return [fill._replace(taker=order_id) for fill in fills], order_id, code

    def market(self, owner: int, side: int, qty: int, stp: int = STP_OFF) -> tuple[list[Fill], int, int]:
        return self.submit(owner, side, self.levels - 1 if side == BID else 0, qty, IOC, stp)

    def fillable(self, owner: int, side: int, price: int, stp: int) -> int:
        """Lots that an incoming order could really trade, self-trade prevention considered."""
        lots = 0
        for maker in self.makers(side, price):
            if is_self_trade(owner, maker, stp):
                if stp == STP_CANCEL_INCOMING:
                    break
                continue
            lots += maker.qty
        return lots

    def rest(self, owner: int, side: int, price: int, qty: int) -> int:
        """Join the back of a queue without matching; the new order's id."""
        joined = sum(order.qty for order in self.queue(side, price))
        order = Order(self.next_id, owner, side, price, qty, joined, self.time)
        self.next_id += 1
        self.orders.append(order)
        return order.id

    def cancel(self, order_id: int) -> int:
        order = self.find(order_id)
        if order is None:
            return 0
        self.orders.remove(order)
        return order.qty

    def amend(self, order_id: int, qty: int) -> bool:
        """Fewer lots, same place. Anything else loses the place: cancel and submit anew."""
        order = self.find(order_id)
        if order is None or not 0 < qty < order.qty:
            return False
        order.qty = qty
        return True

    # The call auction

    def uncross(self, reference: int) -> tuple[list[Match], int]:
        """(matches, level index of the one price; NONE when nothing matches)."""
        low, high = self.best(ASK), max((order.price for order in self.orders if order.side == BID), default=-1)
        if low > high:
            return [], NONE

        def merit(price: int) -> tuple[int, int, int, int]:
            bought = sum(order.qty for order in self.orders if order.side == BID and order.price >= price)
            sold = sum(order.qty for order in self.orders if order.side == ASK and order.price <= price)
            return min(bought, sold), -abs(bought - sold), -abs(price - reference), price

        price = max(range(low, high + 1), key=merit)  # outside this range nothing can trade
        bids, asks = self.makers(ASK, price), self.makers(BID, price)
        matches = []
        while bids and asks:
            bid, ask = bids[0], asks[0]
            size = min(bid.qty, ask.qty)
            matches.append(Match(self.base + price, size, bid.id, ask.id))
            for order, queue in ((bid, bids), (ask, asks)):
                order.qty -= size
                if order.qty == 0:
                    queue.remove(order)
                    self.orders.remove(order)
        return matches, price


def is_self_trade(owner: int, maker: Order, stp: int) -> bool:
    """The crowd is many people, so it never trades with itself."""
    return stp in (STP_CANCEL_RESTING, STP_CANCEL_INCOMING) and owner != CROWD and maker.owner == owner


@dataclass
class NaiveAccounts:
    """Positions (lots) and cash (tick x lot) of every owner, from fills alone."""

    position: dict[int, int] = field(default_factory=dict)
    cash: dict[int, int] = field(default_factory=dict)
    traded: dict[int, int] = field(default_factory=dict)  # lots, both sides

    def fill(self, price: int, size: int, maker_owner: int, taker_owner: int, side: int) -> None:
        buyer, seller = (taker_owner, maker_owner) if side == BID else (maker_owner, taker_owner)
        for owner, lots in ((buyer, size), (seller, -size)):
            self.position[owner] = self.position.get(owner, 0) + lots
            self.cash[owner] = self.cash.get(owner, 0) - lots * price
            self.traded[owner] = self.traded.get(owner, 0) + size

    def wealth2(self, owner: int, mid2: int) -> int:
        """Half-tick x lot: twice the cash, and the position at the mid (`mid2` is best bid + best ask)."""
        return 2 * self.cash.get(owner, 0) + self.position.get(owner, 0) * mid2
