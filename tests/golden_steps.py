"""Two ways for the steps of a feature file to reach the engine: a bare book, and a venue with accounts.

`Ladder` is one book under decimal prices; `Venue` is a market without a record whose seats are the file's clients.
"""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
from books import check, levels_of, market, queues, send
from days import CONTRACT, INSTANT

from lobarena.data.contracts import Fee
from lobarena.data.schema import ASK, BID, CONTINUOUS, EVENT, SNAPSHOT
from lobarena.sim.book import find, new_book
from lobarena.sim.exchange import enter, withdraw
from lobarena.sim.feed import Feed
from lobarena.sim.market import Market, Seat
from lobarena.sim.reports import free_row
from lobarena.sim.types import ACCEPTED, LARGE, MAX_SEATS, NONE, SMALL, STP_OFF

LADDERS = ((SMALL[0], 64), (LARGE[0], 64))  # levels, slots: the two spans of price that a feed knows
SIDES = {"buy": BID, "sell": ASK, "BID": BID, "ASK": ASK}

Trade = tuple[str, str, int, Decimal]  # buying broker, selling broker, lots, price
Resting = tuple[str, int, Decimal]  # broker, lots, price


@dataclass(frozen=True)
class Sent:
    """One order as a feature file writes it."""

    broker: str
    side: int
    qty: int
    price: Decimal | None  # None: a market order


class Ladder:
    """A book under decimal prices.

    A ladder has one tick a day, but a file tells its prices step by step: at each step, all orders sent so far go into
    an empty book whose tick and span are the least that they need together.
    """

    def __init__(self) -> None:
        self.orders: list[Sent] = []

    def send(self, orders: list[Sent]) -> list[Trade]:
        """The trades of these orders, in time order, after all that were sent before."""
        before = len(self.orders)
        self.orders += orders
        prices = [order.price for order in self.orders if order.price is not None]
        self.tick = Decimal(1).scaleb(min(int(price.normalize().as_tuple().exponent) for price in prices))
        ticks = [int(price / self.tick) for price in prices]
        span = max(ticks) - min(ticks) + 1
        size = next((size for size in LADDERS if span <= size[0]), None)
        assert size is not None, f"{span:,} ticks of {self.tick} between the prices, a book holds {LARGE[0]:,}"
        self.book, self.brokers = new_book(size, min(ticks)), {}
        trades = []
        for number, order in enumerate(self.orders):
            made = self._submit(order)
            trades += made if number >= before else []
        check(self.book)
        return trades

    def _submit(self, order: Sent) -> list[Trade]:
        seat = self.brokers.setdefault(order.broker, len(self.brokers) + 1)
        if order.price is None:
            fills, _, code = market(self.book, seat, order.side, order.qty)
        else:
            fills, _, code = send(self.book, seat, order.side, int(order.price / self.tick), order.qty)
        assert code == ACCEPTED
        pairs = [(fill["taker_owner"], fill["maker_owner"]) for fill in fills]
        if order.side == ASK:
            pairs = [(maker, taker) for taker, maker in pairs]
        return [
            (self._broker(buyer), self._broker(seller), int(fill["size"]), int(fill["price"]) * self.tick)
            for (buyer, seller), fill in zip(pairs, fills, strict=True)
        ]

    def resting(self, side: int) -> list[Resting]:
        """The orders of one side, best price first, each price in queue order."""
        found, orders = queues(self.book, side), self.book[0]["orders"]
        return [
            (self._broker(orders[order_id % len(orders)]["owner"]), lots, tick * self.tick)
            for tick in sorted(found, reverse=side == BID)
            for order_id, lots in found[tick]
        ]

    def quote(self) -> tuple[Decimal, Decimal]:
        """Best bid and best ask; both sides must be there."""
        bid, ask = (int(index) for index in self.book[0]["best"])
        assert 0 <= bid < ask < levels_of(self.book)
        base = int(self.book[0]["base"])
        return (base + bid) * self.tick, (base + ask) * self.tick

    def _broker(self, seat: Any) -> str:
        return next(name for name, number in self.brokers.items() if number == seat)


@dataclass(frozen=True)
class Spec:
    """A traded pair: what one lot is, in the smallest units of its two currencies."""

    base: str  # currency bought and sold; "" where only the difference in money is settled, as for a future
    lot: int  # units of it in one lot
    money: str  # currency paid
    unit: int  # units of it in one lot and one tick


PAIRS = {"ETH_XBT": Spec("ETH", 100_000, "XBT", 10), "EUR_USD": Spec("", 1, "USD", 1)}  # as exchange-core defines them


@dataclass
class Ticket:
    """A client's order: what was sent, and where the venue has it."""

    client: str
    side: int
    price: int  # ticks
    size: int  # lots
    order_id: int = NONE  # of the venue; NONE when it does not rest
    row: int = NONE  # of the seat's working orders


class Venue:
    """A market of one pair without a record or a crowd; clients are seats, their balances what seats are allowed.

    Money is capital, and a position is paid in full. Coins are lots carried from the day before; who has coins and no
    money may sell what he carries and no more (a position limit of 0). A wallet pays at the order's price, this venue
    asks margin at the market's mid: with nobody else in the market, the order's price is the mid.
    """

    def __init__(self) -> None:
        self.wallets: dict[str, dict[str, int]] = {}  # client -> currency -> units paid in
        self.tickets: dict[int, Ticket] = {}
        self.market: Market | None = None
        self.fills = np.zeros(0)  # of the last message

    def _open(self, symbol: str, price: int) -> None:
        """Start the market when the first order tells pair and price."""
        self.pair, base = PAIRS[symbol], max(0, price - SMALL[0] // 2)
        spec = replace(CONTRACT, multiplier=self.pair.unit, margin=1.0, fees=Fee("lot", 0.0, 0.0, 0.0))
        none = np.zeros((0, 2), np.int64)
        rows, shots = np.zeros(0, EVENT), np.zeros(0, SNAPSHOT)
        self.market = Market(Feed(spec, date(2024, 1, 3), rows, shots, base, SMALL, 1, base + SMALL[0] - 1, none))
        self.market.start([Seat(INSTANT, largest=10**6, self_trade=STP_OFF) for _ in range(MAX_SEATS)], 0, 1)
        self.market.venue[0]["phase"] = CONTINUOUS
        for client, wallet in self.wallets.items():
            self._fund(client, wallet)

    def pay_in(self, client: str, amounts: dict[str, int]) -> None:
        """New money or coins for a client."""
        wallet = self.wallets.setdefault(client, {})
        for currency, units in amounts.items():
            wallet[currency] = wallet.get(currency, 0) + units
        if self.market is not None:
            self._fund(client, wallet)

    def _fund(self, client: str, wallet: dict[str, int]) -> None:
        account = self._account(client)
        carried = wallet.get(self.pair.base, 0) // self.pair.lot
        account["position"] += carried - account["held"]
        account["held"] = carried
        account["capital"] = wallet.get(self.pair.money, 0)
        account["position_limit"] = 10**6 if wallet.get(self.pair.money) else 0

    def place(self, client: str, number: int, symbol: str, side: int, price: int, size: int, kind: int) -> int:
        """Send an order; ACCEPTED or why it was refused."""
        if self.market is None:
            self._open(symbol, price)
        ticket = Ticket(client, side, price, size)
        code = self._enter(ticket, size, kind)
        if code == ACCEPTED:
            self.tickets[number] = ticket
        return code

    def _enter(self, ticket: Ticket, size: int, kind: int) -> int:
        assert self.market is not None
        book, venue = self.market.book[0], self.market.venue[0]
        seat, account = self._seat(ticket.client), self._account(ticket.client)
        row, refused = int(free_row(venue, seat)), account["refused"].copy()
        venue["mid2"], venue["fills"] = 2 * ticket.price, 0
        enter(book, venue, seat, row, ticket.side, ticket.price, size, kind)
        self.fills = venue["fill"][: venue["fills"]].copy()
        ticket.row, ticket.order_id = row, int(account["work"][row]["id"])
        check(self.market.book)
        more = np.flatnonzero(account["refused"] != refused)
        return int(more[0]) if len(more) else ACCEPTED

    def move(self, number: int, price: int, kind: int) -> int:
        """Move an order to another price: a cancel, and a new order for what was left."""
        ticket, left = self.tickets[number], self.cancel(number)
        ticket.price = price
        return self._enter(ticket, left, kind)

    def cancel(self, number: int) -> int:
        """Take an order out of the book: the lots that were left of it."""
        assert self.market is not None
        ticket, left = self.tickets[number], self.left(number)
        book, venue = self.market.book[0], self.market.venue[0]
        assert withdraw(book, venue, self._seat(ticket.client), ticket.row)
        check(self.market.book)
        self.fills = self.fills[:0]
        return left

    def left(self, number: int) -> int:
        """Lots of an order that still rest."""
        assert self.market is not None
        slot = find(self.market.book, self.tickets[number].order_id)
        return int(self.market.book[0]["orders"][slot]["qty"]) if slot != NONE else 0

    def orders(self, client: str) -> list[tuple[int, int, int, int, int]]:
        """(number, price in ticks, lots, lots filled, side) of a client's resting orders, as the book has them."""
        assert self.market is not None
        record, found = self.market.book[0], []
        for number, ticket in self.tickets.items():
            left = self.left(number)
            if ticket.client == client and left:
                order = record["orders"][find(self.market.book, ticket.order_id)]
                price = int(record["base"] + order["price"])
                found.append((number, price, ticket.size, ticket.size - left, int(order["side"])))
        return found

    def depth(self, side: int) -> list[tuple[int, int]]:
        """(ticks, lots) of each price of one side, best first."""
        assert self.market is not None
        found = queues(self.market.book, side)
        return [(tick, sum(lots for _, lots in found[tick])) for tick in sorted(found, reverse=side == BID)]

    def balance(self, client: str, currency: str) -> int:
        """Units that a client can dispose of: paid in, won or lost by trades, less what resting orders may need."""
        assert self.market is not None
        account, pair = self._account(client), self.pair
        mine, paid_in = self.orders(client), self.wallets[client].get(currency, 0)
        if currency == pair.money:
            bids = sum(price * (size - filled) for _, price, size, filled, side in mine if side == BID)
            return paid_in + (int(account["cash"]) - bids) * pair.unit
        assert currency == pair.base
        asks = sum(size - filled for _, _, size, filled, side in mine if side == ASK)
        return paid_in + (int(account["position"] - account["held"]) - asks) * pair.lot

    def _seat(self, client: str) -> int:
        return list(self.wallets).index(client) + 1

    def _account(self, client: str) -> Any:
        assert self.market is not None
        return self.market.venue[0]["seat"][self._seat(client)]
