"""A whole market in slow, obvious Python: the record's crowd, seats with latencies, accounts and an end of the episode.

Everything that happens is a row of one list, sorted by time and by what it is. Prices are ticks, sizes lots, times ns
UTC, cash tick x lot, fees and margin currency. The book below is the reference book (level indices inside).
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from math import floor
from typing import Any

import numpy as np

from lobarena.benchmarks.reference import ReferenceBook
from lobarena.data.contracts import Contract
from lobarena.data.schema import (
    ASK,
    BID,
    CALL,
    CANCEL,
    CLOSED,
    CONTINUOUS,
    DELETE,
    LIMIT,
    MARK,
    MARKET,
    PHASE,
    REDUCE,
    SWEEP,
    TAKE,
    UNCROSS,
)
from lobarena.sim.feed import Feed
from lobarena.sim.market import CANCEL_MODELS, Rules, Seat
from lobarena.sim.random import generator
from lobarena.sim.state import STRETCHES
from lobarena.sim.types import (
    ACCEPTED,
    AUCTION_FILL,
    BAD_SIZE,
    BOOK_FULL,
    CANCEL_LIMIT,
    CROSSED,
    CROWD,
    DAY,
    IOC,
    LIQUIDATION,
    MAX_WORKING,
    MESSAGE_LIMIT,
    NO_MARGIN,
    NONE,
    NOT_TRADING,
    OFF_LIMITS,
    POSITION_LIMIT,
    QUEUE_REACHED,
    QUOTE_LEVELS,
    STP_OFF,
    TOO_LARGE,
    TOOK,
    UNKNOWN_ORDER,
)

EVENTS, ORDERS, REPORTS, IMAGES, WAKES, DECISIONS = range(6)  # what comes first at one instant
SENT, LIVE, LEAVING = "sent", "live", "leaving"


@dataclass
class Decision:
    """What a seat wants: target quotes (ticks, lots; best first), a market order, or everything left as it is."""

    bids: list[tuple[int, int]] = field(default_factory=list)
    asks: list[tuple[int, int]] = field(default_factory=list)
    take: int = 0
    keep: bool = False
    thinking_ns: int = 0


@dataclass
class Account:
    """Position, cash and fees; `held` of the position was carried from the day before."""

    contract: Contract
    capital: float
    position: int = 0
    held: int = 0
    cash: int = 0
    fees: float = 0.0

    def trade(self, lots: int, price: int) -> float:
        """Book lots bought (or sold, below 0): the fee. Held lots are closed first, then today's, the rest opens."""
        closes = min(abs(lots), abs(self.position)) if lots * self.position < 0 else 0
        yesterday = min(closes, abs(self.held))
        fee = self.contract.fees
        rates = ((fee.close, yesterday), (fee.close_today, closes - yesterday), (fee.open, abs(lots) - closes))
        base = price * self.contract.tick_value if fee.by == "turnover" else 1.0
        paid = sum(rate * base * count for rate, count in rates)
        self.held -= yesterday if self.held > 0 else -yesterday
        self.position += lots
        self.cash -= lots * price
        self.fees += paid
        return paid

    def equity(self, mid2: int) -> float:
        """Currency, the position at the mid."""
        return self.capital + (2 * self.cash + self.position * mid2) * self.contract.tick_value / 2 - self.fees

    def margin(self, lots: int, mid2: int) -> float:
        """Currency that a position of `lots` needs."""
        return abs(lots) * mid2 / 2 * self.contract.tick_value * self.contract.margin


@dataclass(eq=False)
class Working:
    """One order of a seat: as the seat knows it, and the venue's number for it while it rests."""

    side: int
    price: int
    left: int
    state: str = SENT
    number: int = NONE
    row: int = NONE


@dataclass
class Image:
    """The book as it was published, for one seat: own orders taken out."""

    time: int
    volume: int
    turnover: int
    last: int
    phase: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
    ahead: dict[Working, int]  # lots ahead of each order that rests


class Player:
    """A seat: its rules, account, working orders and what it knows."""

    def __init__(self, number: int, rules: Seat, contract: Contract):
        self.number, self.rules = number, rules
        self.account = Account(contract, rules.capital, rules.held, rules.held)
        self.rows: dict[int, Working] = {}  # its working orders, each in the lowest row that was free
        self.position, self.cash, self.fees, self.new_fills = rules.held, 0, 0.0, 0
        self.image: Image | None = None
        self.deciding: Decision | None = None
        self.out = False
        self.messages = self.arrived = self.withdrawn = self.liquidated = self.called = 0
        self.stretch: list[float] = [1.0]  # factors on its latencies, one a message, in turn
        self.drawn = 0
        self.refused: Counter[int] = Counter()
        self.last_sent = self.last_heard = self.last_report = 0

    def late(self, base: int) -> int:
        """One latency, ns."""
        if base == 0:
            return 0
        self.drawn += 1
        return int(base * self.stretch[(self.drawn - 1) % len(self.stretch)])


@dataclass
class Trade:
    """One fill that a seat had a part in, as the venue writes it down."""

    row: tuple[int, ...]  # time, maker, taker, price, size, joined, hit, mid2, owners of maker and taker, side, reason
    fees: tuple[float, float]
    after: tuple[int, int]


class NaiveVenue:
    """One episode of one market; `seed` draws the network latencies."""

    def __init__(self, feed: Feed, rules: Rules, seats: Sequence[Seat], opens: int, closes: int, seed: int = 0):
        self.feed, self.rules, self.opens, self.closes = feed, rules, opens, closes
        self.book = ReferenceBook(*feed.size, feed.base)
        self.players = [Player(number, seat, feed.contract) for number, seat in enumerate(seats, 1)]
        for player in self.players:
            draws = generator(seed, "network", player.number).standard_normal(STRETCHES)
            if (spread := player.rules.latency.spread) > 0:
                player.stretch = np.exp(spread * draws).astype(np.float32).astype(float).tolist()
        self.curve: list[tuple[Any, ...]] = []  # time, seat, mid2, position, cash, fees, own best bid and ask
        self.marks: list[tuple[int, int, int]] = []  # time, mid2, spread
        self.next_curve = opens
        self.numbers = itertools.count()
        self.resting: dict[int, tuple[Player, Working]] = {}  # venue number -> whose order it is
        self.recorded: dict[int, int] = {}  # order number of the record -> venue number
        self.owed: dict[tuple[int, int], tuple[np.float32, int]] = {}  # (side, ticks) -> lots, since when
        self.sizes: dict[Working, int] = {}  # lots of the orders under way to the venue
        self.incoming: Working | None = None  # the seat's order that is being matched
        self.phase, self.now = CLOSED, 0
        self.volume = self.turnover = self.last = self.mid2 = self.spread = self.unfilled = self.moved = 0
        self.started, self.inside = (0, 0), False  # volume and turnover when the seats came in
        self.trades: list[Trade] = []
        self.queue: list[tuple[int, int, int, Callable[[], None]]] = []
        self.sequence = itertools.count()
        self.decide: Callable[[int, dict[str, Any]], Decision] = lambda number, seen: Decision(keep=True)

    # The order of things

    def at(self, time: int, kind: int, action: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (time, kind, next(self.sequence), action))

    def run(self, decide: Callable[[int, dict[str, Any]], Decision]) -> None:
        """Play the day until the episode ends; seats are asked what they want."""
        self.decide = decide
        for event in self.feed.events:
            self.at(int(event["time"]), EVENTS, partial(self.happen, event))
        self.at(self.opens, EVENTS, self.open)
        while self.queue and self.queue[0][0] < self.closes:
            time, _, _, action = heapq.heappop(self.queue)
            if self.inside:
                self.draw_curve(time)
            self.now = self.book.time = time
            action()
        self.draw_curve(self.closes - 1)
        self.now = self.book.time = self.closes
        self.end()

    def draw_curve(self, until: int) -> None:
        """A row a seat on the time grid, before what happens then, while the market trades."""
        while self.next_curve <= until:
            if self.phase == CONTINUOUS:
                self.curve_rows(self.next_curve)
            self.next_curve += self.rules.curve_ms * 1_000_000

    def curve_rows(self, time: int) -> None:
        for player in self.players:
            own = [(w.side, w.price) for p, w in self.resting.values() if p is player]
            bid = max((price for side, price in own if side == BID), default=0)
            ask = min((price for side, price in own if side == ASK), default=0)
            account = player.account
            money = (account.position, account.cash, account.fees)
            self.curve.append((time, player.number, self.mid2, *money, bid, ask))

    def open(self) -> None:
        """The seats come in, with what they hold as if bought at the mid, and are shown the book."""
        self.inside, self.started = True, (self.volume, self.turnover)
        self.remark()
        self.marks.append((self.now, self.mid2, self.spread))
        for player in self.players:
            self.send_image(player)
        for player in self.players:
            player.account.cash -= player.rules.held * (self.mid2 // 2)
            player.cash = player.account.cash
            if player.rules.every_ns:
                first = self.opens + player.rules.latency.feed + player.rules.every_ns
                self.at(first, WAKES, partial(self.wake, player))
        self.draw_curve(self.opens)

    # What the record says

    def happen(self, event: np.void) -> None:
        kind, side, price, size = (int(event[name]) for name in ("kind", "side", "price", "size"))
        if kind == LIMIT:
            self.enter(side, price, size, int(event["ref"]))
        elif kind in (TAKE, MARKET, SWEEP):
            before = len(self.book.fills)
            self.attack(side, None if kind == MARKET else price, size)
            for fill in self.book.fills[before:] if kind == SWEEP else []:
                if fill[7] == CROWD:  # as if a seat had taken it
                    self.owe(1 - side, fill[3], fill[4])
        elif kind == DELETE:
            self.book.cancel(self.recorded.get(int(event["ref"]), NONE))
        elif kind == REDUCE:
            number = self.recorded.get(int(event["ref"]), NONE)
            self.book.amend(number, self.left(number) - size) or self.book.cancel(number)
        elif kind == CANCEL:
            model = CANCEL_MODELS[self.rules.cancel_model]
            self.book.thin(side, price - self.feed.base, size, float(event["u"]), model, self.rules.power)
        elif kind == MARK:
            self.publish(int(event["ref"]), float(event["u"]))
        elif kind == UNCROSS:
            self.uncross(price)
        elif kind == PHASE:
            self.phase = side
            if side == CLOSED:
                for player in self.players:
                    self.withdraw_all(player)

    def enter(self, side: int, price: int, size: int, ref: int) -> None:
        """A crowd order comes: of a record of orders it matches, of a record of levels the crowd makes way for it."""
        index = price - self.feed.base
        if ref < 0:
            self.rise(side, index, size)
            return
        number = self.recorded[ref] = next(self.numbers)
        if self.phase != CONTINUOUS:
            self.book.rest(number, CROWD, side, index, size)
        else:
            self.submit(number, CROWD, side, index, size, DAY, STP_OFF, price=price)

    def rise(self, side: int, index: int, size: int) -> None:
        """Crowd lots come to a level: the crowd in the way is gone, seats in the way are hit, which is owed."""
        reached = []
        if self.phase != CALL:
            inside = (lambda price: price <= index) if side == BID else (lambda price: price >= index)
            reached = [o for o in self.book.orders.values() if o.side != side and inside(o.price)]
        for order in reached:
            if order.owner == CROWD:
                self.book.cancel(order.number)
        if all(order.owner == CROWD for order in reached):
            self.pile(side, index, size)
        elif self.phase == CONTINUOUS:
            lots = self.submit(next(self.numbers), CROWD, side, index, size, DAY, STP_OFF, CROSSED)
            self.owe(side, self.feed.base + index, lots)

    def pile(self, side: int, index: int, size: int) -> None:
        """Nobody can tell two crowd orders apart that stand one behind the other: they are one."""
        queue = list(self.book.queues[side].get(index, {}).values())
        if not self.feed.orders and queue and queue[-1].owner == CROWD:
            queue[-1].qty += size
            self.book.sizes[side][index] += size
        else:
            self.book.rest(next(self.numbers), CROWD, side, index, size)

    def attack(self, side: int, price: int | None, size: int) -> None:
        """A recorded aggressor takes what is there; the rest is gone."""
        index = (self.feed.size[0] - 1 if side == BID else 0) if price is None else price - self.feed.base
        if self.phase == CONTINUOUS:
            size -= self.submit(next(self.numbers), CROWD, side, index, size, IOC, STP_OFF, price=price)
        self.unfilled += size

    def uncross(self, reference: int) -> None:
        first = len(self.book.fills)
        self.remark()
        self.book.uncross(reference - self.feed.base)
        self.settle(first, AUCTION_FILL)

    def publish(self, ref: int, u: float) -> None:
        """The venue publishes its book, brought to the record's first."""
        if ref >= 0:
            self.meet(self.feed.snapshots[ref], u)
        elif not self.feed.orders:
            self.owed.clear()  # without level changes the record shows nothing that could stay away
        self.remark()
        if self.inside:
            self.marks.append((self.now, self.mid2, self.spread))
            self.call_margin()
            for player in self.players:
                if not player.out:
                    self.send_image(player)

    def remark(self) -> None:
        """The mid is that of the crowd's own best prices; in a one-sided book the best price there is."""
        best = []
        for side in (BID, ASK):
            own = [o.price for o in self.book.orders.values() if o.side == side and o.owner == CROWD]
            best.append((max(own) if side == BID else min(own)) + self.feed.base if own else None)
        bid, ask = best
        if bid is not None and ask is not None:
            self.mid2, self.spread = bid + ask, ask - bid
        elif bid is not None or ask is not None:
            self.mid2, self.spread = 2 * (bid if bid is not None else ask or 0), 0

    # Meeting the record

    def owe(self, side: int, price: int, lots: int) -> None:
        self.owed[side, price] = (np.float32(self.fade(side, price) + lots), self.now)

    def fade(self, side: int, price: int) -> float:
        """What is owed at a level now: halved once every half-life, where the impact rule is `decay`."""
        lots, since = self.owed.get((side, price), (np.float32(0), self.now))
        if self.rules.impact == "decay":
            lots = lots * np.float32(0.5 ** ((self.now - since) / (self.rules.half_life_s * 1e9)))
        return float(lots)

    def wanted(self, side: int, price: int, size: int) -> int:
        """Crowd lots that should stand where the record shows `size`: no more can be owed than it shows."""
        if self.rules.impact == "restore":
            self.owed.pop((side, price), None)
        owed = min(self.fade(side, price), size)
        self.owed[side, price] = (np.float32(owed), self.now)
        return size - floor(owed + 0.5)

    def meet(self, shot: np.void, u: float) -> None:
        """Bring the crowd to the record's sizes, less what seats took and keep away."""
        base, model = self.feed.base, CANCEL_MODELS[self.rules.cancel_model]
        shown: dict[int, dict[int, int]] = {}
        for side, name in ((BID, "bid"), (ASK, "ask")):
            rows = zip(shot[name].tolist(), shot[f"{name}_size"].tolist(), strict=True)
            seen = shown[side] = {price: size for price, size in rows if size > 0}
            whole = len(seen) < shot["depth"]
            edge = (min(seen) if side == BID else max(seen)) if not whole else 0

            def known(price: int, side: int = side, whole: bool = whole, edge: int = edge) -> bool:
                return whole or (price >= edge if side == BID else price <= edge)

            for index in sorted(self.book.sizes[side], reverse=side == BID):
                price = base + index
                if known(price):
                    want = self.wanted(side, price, seen[price]) if price in seen else 0
                    self.moved += self.book.thin(
                        side, index, self.crowd_lots(side, index) - want, u, model, self.rules.power
                    )
            for level in list(self.owed):
                if level[0] == side and level[1] not in seen and known(level[1]):
                    del self.owed[level]
        for side in (BID, ASK):
            for price, size in shown[side].items():
                short = self.wanted(side, price, size) - self.crowd_lots(side, price - base)
                if short > 0:
                    self.moved += short
                    self.rise(side, price - base, short)

    def crowd_lots(self, side: int, index: int) -> int:
        return sum(o.qty for o in self.book.queues[side].get(index, {}).values() if o.owner == CROWD)

    # Matching and accounts

    def submit(
        self,
        number: int,
        owner: int,
        side: int,
        index: int,
        size: int,
        kind: int,
        stp: int,
        reason: int = 0,
        price: int | None = None,
    ) -> int:
        """Match an order of anybody that came with `price` (None: a market order): lots traded."""
        first = len(self.book.fills)
        self.remark()
        _, self.code = self.book.submit(number, owner, side, index, size, kind, stp)
        self.settle(first, reason, price)
        return sum(fill[4] for fill in self.book.fills[first:])

    def settle(self, first: int, reason: int, limit: int | None = None) -> None:
        """Book the fills from `first` on: tape, accounts, reports and what is owed."""
        for fill in self.book.fills[first:]:
            time, maker, taker, price, size, joined, hit, maker_owner, taker_owner, side = fill
            self.volume, self.turnover, self.last = self.volume + size, self.turnover + size * price, price
            if maker_owner == CROWD and taker_owner == CROWD:
                continue
            bought = size if side == BID else -size  # by the taker
            fees, after = [0.0, 0.0], [0, 0]
            for place, owner, number, lots in ((0, maker_owner, maker, -bought), (1, taker_owner, taker, bought)):
                if owner == CROWD:
                    continue
                player = self.players[owner - 1]
                fees[place] = player.account.trade(lots, price)
                working = self.resting[number][1] if number in self.resting else self.incoming
                if working is not None:
                    self.report(player, working, self.left(number), lots, price, fees[place])
            for place, owner in ((0, maker_owner), (1, taker_owner)):
                after[place] = self.players[owner - 1].account.position if owner != CROWD else 0
            if maker_owner == CROWD:
                self.owe(1 - side, price, size)
            why = TOOK
            if maker_owner != CROWD:  # the queue was reached by who wanted this price or any, else it was crossed
                why = QUEUE_REACHED if limit in (None, price) else CROSSED
            row = (time, maker, taker, price, size, joined, hit, self.mid2, maker_owner, taker_owner, side)
            self.trades.append(Trade((*row, reason or why), (fees[0], fees[1]), (after[0], after[1])))
        for fill in self.book.fills[first:]:
            for number in fill[1:3]:
                if self.left(number) == 0:
                    self.resting.pop(number, None)

    def left(self, number: int) -> int:
        return self.book.orders[number].qty if number in self.book.orders else 0

    # Messages between seats and venue

    def send_image(self, player: Player) -> None:
        sides = []
        for side in (BID, ASK):
            lots: Counter[int] = Counter()
            for order in self.book.orders.values():
                if order.side == side and order.owner != player.number:
                    lots[self.feed.base + order.price] += order.qty
            sides.append(sorted(lots.items(), reverse=side == BID)[: player.rules.depth])
        ahead = {w: self.book.ahead(w.number) for p, w in self.resting.values() if p is player}
        volume, turnover = self.volume - self.started[0], self.turnover - self.started[1]
        image = Image(self.now, volume, turnover, self.last, self.phase, sides[0], sides[1], ahead)
        when = player.last_heard = max(player.last_heard, self.now + player.late(player.rules.latency.feed))
        self.at(when, IMAGES, partial(self.see, player, image))

    def see(self, player: Player, image: Image) -> None:
        player.image = image
        if player.rules.every_ns == 0:
            self.look(player)

    def wake(self, player: Player) -> None:
        """A seat with looks of its own looks again and again, at what it saw last."""
        self.at(self.now + player.rules.every_ns, WAKES, partial(self.wake, player))
        self.look(player)

    def look(self, player: Player) -> None:
        """Ask the seat, unless it is thinking or has seen nothing yet."""
        if player.out or player.deciding is not None or player.image is None:
            return
        player.deciding = self.decide(player.number, self.observation(player))
        player.new_fills = 0
        if player.deciding.thinking_ns == 0:
            self.answer(player)
        else:
            self.at(self.now + player.deciding.thinking_ns, DECISIONS, partial(self.answer, player))

    def observation(self, player: Player) -> dict[str, Any]:
        image = player.image
        assert image is not None
        seen = {
            "time": self.now,
            "published": image.time,
            "opens": self.opens,
            "closes": self.closes,
            "bid": image.bids,
            "ask": image.asks,
            "last": image.last,
            "volume": image.volume,
            "turnover": image.turnover,
            "upper": self.feed.upper,
            "lower": self.feed.lower,
            "phase": image.phase,
            "position": player.position,
            "position_limit": player.rules.position_limit,
            "cash": player.cash,
            "fees": player.fees,
            "new_fills": player.new_fills,
        }
        for side, name in ((BID, "own_bid"), (ASK, "own_ask")):
            own = [w for _, w in sorted(player.rows.items()) if w.side == side and w.left > 0 and w.state != LEAVING]
            own.sort(key=lambda w: -w.price if w.side == BID else w.price)
            seen[name] = [(w.price, w.left, image.ahead.get(w, -1)) for w in own[:QUOTE_LEVELS]]
        return seen

    def answer(self, player: Player) -> None:
        """The decision leaves: what still fits stays, the rest is cancelled, shrunk or sent."""
        decision, player.deciding = player.deciding, None
        if player.out or decision is None:
            return
        if decision.keep:
            return
        targets = {(BID, price): size for price, size in decision.bids} | {(ASK, p): size for p, size in decision.asks}
        need = Counter({target: size for target, size in targets.items() if size > 0})
        for _, working in sorted(player.rows.items()):
            if working.state == LEAVING:
                continue
            fits = min(working.left, need[working.side, working.price])
            need[working.side, working.price] -= fits
            if fits == 0:
                working.state = LEAVING
                self.send(player, partial(self.withdraw, player, working))
            elif fits < working.left:
                working.left = fits
                self.send(player, partial(self.amend, player, working, fits))
        for bid, ask in zip_longest(decision.bids, decision.asks):  # the best prices first
            for side, quote in ((BID, bid), (ASK, ask)):
                if quote is not None and need[side, quote[0]] > 0:
                    self.order(player, Working(side, quote[0], need[side, quote[0]]), DAY)
        if decision.take:
            side = BID if decision.take > 0 else ASK
            self.order(player, Working(side, 0, abs(decision.take), LEAVING), IOC)

    def order(self, player: Player, working: Working, kind: int) -> None:
        free = [row for row in range(MAX_WORKING) if row not in player.rows]
        if not free:
            player.refused[BOOK_FULL] += 1
            return
        working.row = free[0]
        player.rows[working.row] = working
        self.sizes[working] = working.left
        self.send(player, partial(self.arrive, player, working, kind))

    def send(self, player: Player, action: Callable[[], None]) -> None:
        player.messages += 1
        when = player.last_sent = max(player.last_sent, self.now + player.late(player.rules.latency.order))
        self.at(when, ORDERS, action)

    def report(
        self, player: Player, working: Working, left: int, lots: int = 0, price: int = 0, fee: float = 0.0
    ) -> None:
        """Tell a seat of a fill of its order, if any, and what the venue holds of it now."""
        when = player.last_report = max(player.last_report, self.now + player.late(player.rules.latency.report))
        self.at(when, REPORTS, partial(self.hear, player, working, left, lots, price, fee))

    def hear(self, player: Player, working: Working, left: int, lots: int, price: int, fee: float) -> None:
        if player.out:
            return
        player.position += lots
        player.cash -= lots * price
        player.fees += fee
        player.new_fills += lots != 0
        working.left = left
        if left == 0:
            if player.rows.get(working.row) is working:
                del player.rows[working.row]
        elif working.state == SENT:
            working.state = LIVE
        if lots and player.rules.on_fill:
            self.look(player)

    # The venue answers

    def withdraw(self, player: Player, working: Working) -> None:
        player.arrived += 1
        player.withdrawn += 1
        if not self.take_out(player, working):
            player.refused[UNKNOWN_ORDER] += 1

    def take_out(self, player: Player, working: Working) -> bool:
        if working.number not in self.resting:
            return False
        self.book.cancel(working.number)
        del self.resting[working.number]
        self.report(player, working, 0)
        return True

    def amend(self, player: Player, working: Working, size: int) -> None:
        """Fills may have made the order as small already."""
        player.arrived += 1
        if working.number not in self.resting:
            player.refused[UNKNOWN_ORDER] += 1
        else:
            self.book.amend(working.number, size)
            self.report(player, working, self.left(working.number))

    def arrive(self, player: Player, working: Working, kind: int) -> None:
        """A new order of a seat: a DAY order with a price or, as IOC, a market order without."""
        player.arrived += 1
        if player.out:
            return
        side, size, number = working.side, self.sizes.pop(working), next(self.numbers)
        price = working.price if kind == DAY else self.reach(side)
        code = self.check(player, side, price, size, kind)
        if code == ACCEPTED:
            index, stp = price - self.feed.base, player.rules.self_trade
            own = [w for n, (p, w) in self.resting.items() if p is player]
            self.incoming = working
            self.remark()
            if self.phase == CALL:
                self.book.rest(number, player.number, side, index, size)
            else:
                limit = price if kind == DAY else None
                self.submit(number, player.number, side, index, size, kind, stp, price=limit)
                code = self.code
            for other in sorted(own, key=lambda w: w.row):  # what its own order pushed out
                if other.number in self.resting and not self.left(other.number):
                    del self.resting[other.number]
                    self.report(player, other, 0)
            if self.left(number):
                working.number = number
                self.resting[number] = (player, working)
        if code != ACCEPTED:
            player.refused[code] += 1
        self.report(player, working, self.left(number))

    def reach(self, side: int) -> int:
        """The furthest price that a market order may reach, from the touch or else from the best of its own side."""
        there = self.book.prices[1 - side]
        touch = self.feed.base + (self.book.best(1 - side) if there else self.book.best(side))
        if side == BID:
            return min(self.feed.upper, touch + self.rules.protection)
        return max(self.feed.lower, touch - self.rules.protection)

    def check(self, player: Player, side: int, price: int, size: int, kind: int) -> int:
        """Why an order is refused, in the order in which the venue asks."""
        if self.phase != CONTINUOUS and not (self.phase == CALL and kind == DAY):
            return NOT_TRADING
        if size <= 0:
            return BAD_SIZE
        if not self.feed.lower <= price <= self.feed.upper:
            return OFF_LIMITS
        if size > player.rules.largest:
            return TOO_LARGE
        if player.arrived > player.rules.message_limit:
            return MESSAGE_LIMIT
        working = sum(self.left(n) for n, (p, w) in self.resting.items() if p is player and w.side == side)
        held = player.account.position
        after = held + (working + size) * (1 if side == BID else -1)
        if abs(after) <= abs(held) and after * held >= 0:  # it closes, whatever else fills
            return ACCEPTED
        if abs(after) > player.rules.position_limit:
            return POSITION_LIMIT
        if player.withdrawn > player.rules.cancel_limit:
            return CANCEL_LIMIT
        if player.account.equity(self.mid2) < player.account.margin(after, self.mid2):
            return NO_MARGIN
        return ACCEPTED

    # Ends

    def withdraw_all(self, player: Player) -> None:
        for _, working in sorted(player.rows.items()):
            self.take_out(player, working)

    def close(self, player: Player) -> None:
        """Close a position by a market order within the daily limits; what the book cannot take stays."""
        self.withdraw_all(player)
        lots = player.account.position
        if lots and self.phase == CONTINUOUS:
            side, price = (ASK, self.feed.lower) if lots > 0 else (BID, self.feed.upper)
            self.incoming, index = None, price - self.feed.base
            number = next(self.numbers)
            self.submit(number, player.number, side, index, abs(lots), IOC, STP_OFF, LIQUIDATION, price)

    def call_margin(self) -> None:
        """A seat that can no longer pay for its position has its grace, unless it can pay for too small a share."""
        for player in self.players:
            account = player.account
            if account.position == 0:
                player.called = 0
            if account.position == 0 or self.phase != CONTINUOUS:
                continue
            has, needs = account.equity(self.mid2), account.margin(account.position, self.mid2)
            player.called = 0 if has >= needs else player.called or self.now
            late = player.called and self.now - player.called > round(player.rules.grace_s * 1e9)
            if player.liquidated or late or has < player.rules.maintenance * needs:
                self.close(player)
                player.out, player.liquidated = True, 1

    def end(self) -> None:
        for player in self.players:
            self.withdraw_all(player)
        for player in self.players:
            self.close(player)
        self.curve_rows(self.now)
        self.marks.append((self.now, self.mid2, self.spread))
