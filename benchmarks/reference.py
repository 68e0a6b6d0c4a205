"""A reference book in plain Python: dicts and sorted lists, written from the rules and not from the engine.

Fast enough that ten million messages take minutes. Prices are level indices, fills carry ticks, sizes are lots. An
order is known by the number of the message that brought it; ids of the engine are translated to these numbers.
"""

from bisect import bisect_left, insort

from lobarena.data.schema import ASK, BID
from lobarena.sim.state import BACK, FRONT, POWER
from lobarena.sim.types import (
    ACCEPTED,
    BAD_SIZE,
    BOOK_FULL,
    CANNOT_FILL,
    CROWD,
    FOK,
    IOC,
    NONE,
    OFF_BOOK,
    POST_ONLY,
    SELF_TRADE,
    STP_CANCEL_INCOMING,
    STP_OFF,
    WOULD_TRADE,
)

# time, maker, taker, price (ticks), size, joined, hit, maker's owner, taker's owner, taker's side
Fill = list[int]


class Order:
    """One resting order; `joined` is the lots that were ahead of it when it joined its queue."""

    __slots__ = ("joined", "number", "owner", "price", "qty", "side", "time")

    def __init__(self, number: int, owner: int, side: int, price: int, qty: int, joined: int, time: int):
        self.number, self.owner, self.side, self.price = number, owner, side, price
        self.qty, self.joined, self.time = qty, joined, time


Queue = dict[int, Order]  # number -> order, first come first


class ReferenceBook:
    """Price-time priority over `levels` prices, with room for `slots` orders; `fills` collects every trade."""

    def __init__(self, levels: int, slots: int, base: int = 0):
        self.levels, self.slots = levels, slots
        self.fills: list[Fill] = []
        self.time = 0
        self.clear(base)

    def clear(self, base: int) -> None:
        """Empty the book; `base` is the price of level 0, ticks."""
        self.base = base
        self.orders: Queue = {}
        self.queues: tuple[dict[int, Queue], dict[int, Queue]] = ({}, {})
        self.sizes: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.prices: tuple[list[int], list[int]] = ([], [])  # of the occupied levels, lowest first

    def best(self, side: int) -> int:
        """Level index of the best price; -1 without a bid, `levels` without an ask."""
        prices = self.prices[side]
        if side == BID:
            return prices[-1] if prices else -1
        return prices[0] if prices else self.levels

    def _reaches(self, side: int, price: int) -> bool:
        """Whether an incoming order of this side and price would meet anybody."""
        return self.best(ASK) <= price if side == BID else self.best(BID) >= price

    def submit(self, number: int, owner: int, side: int, price: int, qty: int, kind: int, stp: int) -> tuple[int, int]:
        """(number when the order rests or -1, code)."""
        if qty <= 0:
            return NONE, BAD_SIZE
        if not 0 <= price < self.levels:
            return NONE, OFF_BOOK
        if kind == POST_ONLY and self._reaches(side, price):
            return NONE, WOULD_TRADE
        if kind == FOK and self._fillable(owner, side, price, qty, stp) < qty:
            return NONE, CANNOT_FILL
        other = 1 - side
        queues, first = self.queues[other], len(self.fills)
        left = qty
        while left and self._reaches(side, price):
            level = self.best(other)
            queue, hit = queues[level], 0
            while left and queue:
                maker = next(iter(queue.values()))
                if stp != STP_OFF and owner != CROWD and maker.owner == owner:
                    if stp == STP_CANCEL_INCOMING:
                        return NONE, SELF_TRADE
                    self._shrink(maker, maker.qty)
                    continue
                lots = min(left, maker.qty)
                fill = [self.time, maker.number, NONE, self.base + level, lots]
                self.fills.append([*fill, maker.joined, hit, maker.owner, owner, side])
                hit += lots
                left -= lots
                self._shrink(maker, lots)
        if left == 0 or kind in (IOC, FOK):
            return NONE, ACCEPTED
        if self.rest(number, owner, side, price, left) == NONE:
            return NONE, BOOK_FULL
        for fill in self.fills[first:]:
            fill[2] = number
        return number, ACCEPTED

    def _fillable(self, owner: int, side: int, price: int, qty: int, stp: int) -> int:
        """Lots, up to `qty` or a little more, that an incoming order could really trade."""
        lots, prices = 0, self.prices[1 - side]
        for level in prices if side == BID else reversed(prices):
            if level > price if side == BID else level < price:
                break
            for maker in self.queues[1 - side][level].values():
                if stp != STP_OFF and owner != CROWD and maker.owner == owner:
                    if stp == STP_CANCEL_INCOMING:
                        return lots
                    continue
                lots += maker.qty
                if lots >= qty:
                    return lots
        return lots

    def rest(self, number: int, owner: int, side: int, price: int, qty: int) -> int:
        """Join the back of a queue without matching: the number, or -1 when no slot is free."""
        if len(self.orders) == self.slots:
            return NONE
        queues, sizes = self.queues[side], self.sizes[side]
        if price not in queues:
            queues[price], sizes[price] = {}, 0
            insort(self.prices[side], price)
        order = Order(number, owner, side, price, qty, sizes[price], self.time)
        self.orders[number] = queues[price][number] = order
        sizes[price] += qty
        return number

    def _shrink(self, order: Order, lots: int) -> None:
        """Take lots off an order where it stands; it leaves when nothing is left, and so does an empty level."""
        order.qty -= lots
        side, price = order.side, order.price
        self.sizes[side][price] -= lots
        if order.qty:
            return
        queue = self.queues[side][price]
        del self.orders[order.number], queue[order.number]
        if not queue:
            del self.queues[side][price], self.sizes[side][price]
            prices = self.prices[side]
            prices.pop(bisect_left(prices, price))

    def cancel(self, number: int) -> int:
        """Lots cancelled; 0 when the order is not there."""
        order = self.orders.get(number)
        if order is None:
            return 0
        lots = order.qty
        self._shrink(order, lots)
        return lots

    def amend(self, number: int, qty: int) -> bool:
        """Fewer lots, same place; anything else is refused."""
        order = self.orders.get(number)
        if order is None or not 0 < qty < order.qty:
            return False
        self._shrink(order, order.qty - qty)
        return True

    def ahead(self, number: int) -> int:
        """Lots ahead of an order in its queue; -1 when it is not there."""
        order = self.orders.get(number)
        if order is None:
            return -1
        lots = 0
        for other in self.queues[order.side][order.price].values():
            if other is order:
                break
            lots += other.qty
        return lots

    def thin(self, side: int, price: int, lots: int, u: float, model: int, power: int) -> int:
        """Cancel crowd lots in a row, from the place among the crowd's lots that the model says: lots cancelled."""
        crowd = [order for order in self.queues[side].get(price, {}).values() if order.owner == CROWD]
        shown = sum(order.qty for order in crowd)
        gone = max(0, min(lots, shown))
        room = shown - gone
        if model == BACK:
            start = room
        elif model == FRONT:
            start = 0
        else:
            start = int(u ** (power if model == POWER else 1) * (room + 1))
        at = 0
        for order in crowd:
            end = at + order.qty
            hit = min(end, start + gone) - max(at, start)
            if hit > 0:
                self._shrink(order, hit)
            at = end
        return gone

    def uncross(self, reference: int) -> int:
        """Trade the call auction at its one price: the level index, or -1 when nothing trades."""
        price = self._clearing_price(reference)
        if price == NONE:
            return NONE
        while self._reaches(BID, price) and self._reaches(ASK, price):
            bid, ask = (next(iter(self.queues[side][self.best(side)].values())) for side in (BID, ASK))
            maker, taker = (bid, ask) if bid.time <= ask.time else (ask, bid)  # the later one takes
            lots = min(bid.qty, ask.qty)
            fill = [self.time, maker.number, taker.number, self.base + price, lots, maker.joined, 0]
            self.fills.append([*fill, maker.owner, taker.owner, taker.side])
            self._shrink(bid, lots)
            self._shrink(ask, lots)
        return price

    def _clearing_price(self, reference: int) -> int:
        """Most lots, then least imbalance, then nearest to the reference, then higher; -1 without a trade."""
        low, high = self.best(ASK), self.best(BID)
        bought = sum(lots for price, lots in self.sizes[BID].items() if price >= low)
        sold, chosen, best = 0, NONE, (0, 0, 0, 0)
        for price in range(low, high + 1):
            sold += self.sizes[ASK].get(price, 0)
            merit = (min(bought, sold), -abs(bought - sold), -abs(price - reference), price)
            if chosen == NONE or merit > best:
                chosen, best = price, merit
            bought -= self.sizes[BID].get(price, 0)
        return chosen

    def state(self) -> tuple[list[int], list[tuple[int, ...]], list[tuple[int, ...]]]:
        """(best bid, best ask, orders), a row a level (side, price, lots, seats' lots), a row an order in its queue."""
        levels: list[tuple[int, ...]] = []
        orders: list[tuple[int, ...]] = []
        for side in (BID, ASK):
            for price in self.prices[side]:
                queue = self.queues[side][price].values()
                levels.append((side, price, self.sizes[side][price], sum(o.qty for o in queue if o.owner != CROWD)))
                orders += [(side, price, o.number, o.qty, o.owner, o.joined, o.time) for o in queue]
        return [self.best(BID), self.best(ASK), len(self.orders)], levels, orders
