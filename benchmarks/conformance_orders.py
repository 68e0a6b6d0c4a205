"""Does the matching engine reproduce an exchange's day, order by order? Every trade, delete, auction and snapshot.

The adds, deletes and aggressors of the record are sent to the engine in their order. Each recorded trade must come out
with its maker (so this one stood at the head of the queue at the best price), taker, price and size.

A snapshot is stamped in whole seconds and names no point of the sequence. It is met when its number of trades, volume
and turnover are those of a book that equals it on all levels shown, and that book stood at some moment less than a
second from the stamp; the books that meet the snapshots follow each other in the order of the record. Compared are the
snapshots from the opening of continuous trading to its end, the break included.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from lobarena.data.schema import ASK, BID, CALL, DELETE, LIMIT, PHASE, TAKE, UNCROSS
from lobarena.data.sessions import session_times
from lobarena.data.sse import DEPTH, OrderRecording
from lobarena.sim.book import cancel, new_book, next_level, rest, submit, tape_of, uncross
from lobarena.sim.event_feed import book_size, price_limits
from lobarena.sim.feed import MARGIN_TICKS
from lobarena.sim.types import CROWD, DAY, IOC, NONE, STP_OFF

SECOND = 10**9  # ns
_NEVER = 2**62


@dataclass(slots=True)
class Check:
    """Facts of one kind: how many the record has, how many came out equal."""

    name: str
    total: int = 0
    met: int = 0
    first: str = ""  # the first that did not
    replayed: str = ""  # what came out, where it is one thing
    recorded: str = ""

    def count(self, difference: str) -> None:
        """One more fact, and how it differs from the record; "" when it is equal."""
        self.total += 1
        self.met += not difference
        self.first = self.first or difference

    @property
    def passed(self) -> bool:
        """Whether all came out."""
        return self.met == self.total


def check_orders(recording: OrderRecording) -> list[Check]:
    """Replay a day in an empty book; ValueError when its prices span more than the largest book holds."""
    return _Replay(recording).run()


class _Replay:
    """One day on its way through the engine, and what came out so far."""

    def __init__(self, recording: OrderRecording) -> None:
        self.recording = recording
        orders = recording.to_events()
        lower, upper = price_limits(orders)
        self.base = max(0, lower - MARGIN_TICKS)
        self.book = new_book(book_size(orders, self.base, upper), self.base)
        self.tape = tape_of(self.book)
        self.ids = np.full(len(recording.numbers), NONE, np.int64)
        self.ref: dict[int, int] = {}  # engine id -> dense order number
        self.done = [0, 0, 0]  # trades, shares, tick x share so far
        sessions = session_times(recording.contract, recording.trading_day)
        shots = recording.shots
        self.shots = shots[(shots["time"] >= sessions[0, 0]) & (shots["time"] < sessions[-1, 1])]
        self.next_shot = 0
        self.opens = int(sessions[0, 0])
        self.trades, self.deletes = Check("continuous trades"), Check("deletes")
        self.snapshots, self.shares = Check("snapshots"), Check("auction shares of each order")
        self.auctions: list[Check] = []

    def run(self) -> list[Check]:
        """Every event in its order, then the snapshots that no book has met."""
        events, trades = self.recording.events, self.recording.trades
        bounds = np.searchsorted(trades["event"], np.arange(len(events) + 1)).tolist()
        deleted = dict(zip(*(self.recording.deletes[name].tolist() for name in ("event", "size")), strict=True))
        times = [*events["time"].tolist(), _NEVER]
        fields = (events[name].tolist() for name in ("kind", "side", "price", "size", "ref"))
        call = False
        for row, (kind, side, price, size, ref) in enumerate(zip(*fields, strict=True)):
            self.book[0]["time"] = times[row]
            recorded = trades[bounds[row] : bounds[row + 1]]
            at = price - self.base
            if kind == PHASE:
                call = side == CALL
            elif kind == LIMIT and call:
                self._rests(ref, int(rest(self.book, CROWD, side, at, size)))
            elif kind in (LIMIT, TAKE):
                order_type = DAY if kind == LIMIT else IOC
                fills, order_id, _ = submit(self.book, CROWD, side, at, size, order_type, STP_OFF)
                self._rests(ref, int(order_id))
                self._compare(self.tape[:fills], recorded, ref)
            elif kind == DELETE:
                lots, true = int(cancel(self.book, self.ids[ref])), deleted[row]
                self.deletes.count("" if lots == true else f"order {self._number(ref)}: {lots} shares, not {true}")
            elif kind == UNCROSS:
                fills, _ = uncross(self.book, at)
                self._auction(times[row] < self.opens, self.tape[:fills], recorded)
            self._meet(times[row], times[row + 1])
        self._meet(_NEVER, _NEVER)
        return [*self.auctions, self.shares, self.trades, self.deletes, self.snapshots]

    def _rests(self, ref: int, order_id: int) -> None:
        self.ids[ref] = order_id
        if order_id != NONE:
            self.ref[order_id] = ref

    def _number(self, ref: int) -> int:
        return int(self.recording.numbers[ref])

    def _count(self, fills: np.ndarray) -> None:
        self.done[0] += len(fills)
        self.done[1] += int(fills["size"].sum())
        self.done[2] += int((fills["price"].astype(np.int64) * fills["size"]).sum())

    def _compare(self, fills: np.ndarray, recorded: np.ndarray, taker: int) -> None:
        """Trades of one aggressor, one by one; a fill that the record lacks counts as one that did not come out."""
        self._count(fills)
        for k in range(max(len(fills), len(recorded))):
            came = [(self.ref[int(f["maker"])], taker, int(f["price"]), int(f["size"])) for f in fills[k : k + 1]]
            true = [(int(t["maker"]), int(t["taker"]), int(t["price"]), int(t["size"])) for t in recorded[k : k + 1]]
            where = f"BizIndex {recorded['biz'][k]}" if true else f"order {self._number(taker)}"
            self.trades.count("" if came == true else f"{where}: {self._told(came)}, not {self._told(true)}")

    def _told(self, trade: list[tuple[int, int, int, int]]) -> str:
        if not trade:
            return "no trade"
        maker, _, price, size = trade[0]
        return f"{self._price(price)} x {size} with order {self._number(maker)}"

    def _price(self, ticks: int) -> str:
        return str(self.recording.contract.tick * ticks)

    def _auction(self, opening: bool, fills: np.ndarray, recorded: np.ndarray) -> None:
        """Price and shares of the auction, and the shares of each order in it; who met whom is the venue's choice."""
        self._count(fills)
        check = Check("opening auction" if opening else "closing auction")
        check.replayed, check.recorded = self._result(fills), self._result(recorded)
        check.count("" if check.replayed == check.recorded else f"{check.replayed}, not {check.recorded}")
        self.auctions.append(check)
        came: Counter[int] = Counter()
        true: Counter[int] = Counter()
        for who in ("maker", "taker"):
            for order_id, size in zip(fills[who].tolist(), fills["size"].tolist(), strict=True):
                came[self.ref[order_id]] += size
            for ref, size in zip(recorded[who].tolist(), recorded["size"].tolist(), strict=True):
                true[ref] += size
        for ref in sorted(came | true):
            equal = came[ref] == true[ref]
            self.shares.count("" if equal else f"order {self._number(ref)}: {came[ref]} shares, not {true[ref]}")

    def _result(self, trades: np.ndarray) -> str:
        """Price x shares of an auction; all its prices, should there be several."""
        prices = ", ".join(self._price(int(price)) for price in np.unique(trades["price"]))
        return f"{prices} x {int(trades['size'].sum()):,}" if len(trades) else "no trade"

    def _meet(self, since: int, until: int) -> None:
        """Compare the book, which stood from `since` to `until` (ns UTC), with the snapshots that may show it."""
        while self.next_shot < len(self.shots):
            shot = self.shots[self.next_shot]
            stamp = int(shot["time"])
            over = since >= stamp + SECOND or int(shot["trades"]) < self.done[0]
            if not over and (until < stamp - SECOND or not self._shows(shot)):
                return
            self.snapshots.count(f"snapshot.csv, row {shot['row']}" if over else "")
            self.next_shot += 1

    def _shows(self, shot: np.void) -> bool:
        if [int(shot[name]) for name in ("trades", "volume", "turnover")] != self.done:
            return False
        return all(self._ladder(side) == _shown(shot, side) for side in (BID, ASK))

    def _ladder(self, side: int) -> list[tuple[int, int]]:
        """(ticks, shares) of the best levels of the book."""
        level = self.book[0]["level"]
        levels, step = len(level) // 2, -1 if side == BID else 1
        found: list[tuple[int, int]] = []
        at = int(self.book[0]["best"][side])
        while 0 <= at < levels and len(found) < DEPTH:
            found.append((at + self.base, int(level[at + side * levels]["size"])))
            at = int(next_level(self.book, side, at + step))
        return found


def _shown(shot: np.void, side: int) -> list[tuple[int, int]]:
    name = "bid" if side == BID else "ask"
    levels = zip(shot[name].tolist(), shot[f"{name}_size"].tolist(), strict=True)
    return [(price, size) for price, size in levels if size]
