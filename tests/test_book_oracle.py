"""Random orders through the engine and through the slow obvious book: every answer and every state must agree."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import pytest
from books import WIDE, best, check, queues
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import Fill, NaiveAccounts, NaiveBook

from lobarena.data.schema import ASK, BID
from lobarena.sim.book import ahead, amend, cancel, new_book, submit, tape_of
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

pytestmark = pytest.mark.kernels

LEVELS, SLOTS = WIDE
BASE = 10_000
MIDDLE = 4_096  # where a word of the map and a word of `top` end
SPARSE = (0, 1, 63, 64, 1_000, 4_031, 4_032, 6_000, LEVELS - 2, LEVELS - 1)
OUTSIDE = (-1, LEVELS, LEVELS + 64)
OWNERS = (CROWD, 1, 2, 3)
KINDS = (DAY, DAY, DAY, IOC, FOK, POST_ONLY)  # more of those that fill the book
STP_MODES = (STP_OFF, STP_CANCEL_RESTING, STP_CANCEL_INCOMING)

FEW = bool(numba.config.DISABLE_JIT)  # plain Python is slow: fewer examples there
EXAMPLES = 25 if FEW else 200
STEPS = 1_500 if FEW else 12_000

Action = tuple[Any, ...]


class Twins:
    """The engine and the slow book side by side; each action is done to both and compared."""

    def __init__(self) -> None:
        self.book = new_book(WIDE, BASE)
        self.tape = tape_of(self.book)
        self.naive = NaiveBook(LEVELS, SLOTS, BASE)
        self.naive_id = {NONE: NONE}  # engine's id -> slow book's id; every id that ever was
        self.ids: list[int] = []  # engine's ids, oldest first
        self.fills: list[Fill] = []
        self.seen: Counter[Any] = Counter()

    def do(self, action: Action) -> None:
        self.naive.time += 1
        self.book[0]["time"] = self.naive.time
        getattr(self, action[0])(*action[1:])

    def submit(self, owner: int, side: int, price: int, qty: int, kind: int, stp: int) -> None:
        expected, naive_id, expected_code = self.naive.submit(owner, side, price, qty, kind, stp)
        n_fills, order_id, code = submit(self.book, owner, side, price, qty, kind, stp)
        assert code == expected_code
        assert (order_id == NONE) == (naive_id == NONE)
        if order_id != NONE:
            assert order_id not in self.naive_id, "an id was given twice"
            self.naive_id[int(order_id)] = naive_id
            self.ids.append(int(order_id))
        assert self.read(n_fills) == expected
        self.fills += expected
        self.seen["code", expected_code] += 1
        self.seen["kind", kind, bool(expected)] += 1

    def market(self, owner: int, side: int, qty: int, stp: int) -> None:
        expected, _, expected_code = self.naive.market(owner, side, qty, stp)
        worst = LEVELS - 1 if side == BID else 0
        n_fills, order_id, code = submit(self.book, owner, side, worst, qty, IOC, stp)
        assert (order_id, code) == (NONE, expected_code)
        assert self.read(n_fills) == expected
        self.fills += expected
        self.seen["market", bool(expected)] += 1

    def cancel(self, back: int) -> None:
        """The order that came `back` orders ago, alive or not."""
        order_id = self.one_of(back)
        expected = self.naive.cancel(self.naive_id[order_id])
        assert cancel(self.book, order_id) == expected
        self.seen["cancel", expected > 0] += 1

    def amend(self, back: int, qty: int) -> None:
        order_id = self.one_of(back)
        expected = self.naive.amend(self.naive_id[order_id], qty)
        assert amend(self.book, order_id, qty) == expected
        self.seen["amend", expected] += 1

    def replace(self, back: int, price: int, qty: int, stp: int) -> None:
        """An amend that loses its place: cancel and a new order of the same owner and side."""
        order = self.naive.find(self.naive_id[self.one_of(back)])
        self.cancel(back)
        if order is not None:
            self.submit(order.owner, order.side, price, qty, DAY, stp)

    def unknown(self, order_id: int) -> None:
        """An id that may never have been given."""
        expected = self.naive.cancel(self.naive_id.get(order_id, NONE))
        assert cancel(self.book, order_id) == expected

    def one_of(self, back: int) -> int:
        return self.ids[-1 - back] if back < len(self.ids) else NONE

    def read(self, n_fills: int) -> list[Fill]:
        """The tape's first rows in the slow book's words."""
        rows = [Fill(*row) for row in self.tape[list(Fill._fields)][:n_fills].tolist()]
        return [row._replace(maker=self.naive_id[row.maker], taker=self.naive_id[row.taker]) for row in rows]

    def compare(self) -> None:
        """The whole state: best prices, every queue with its orders, lots ahead of each, the record's invariants."""
        check(self.book)
        assert best(self.book) == (self.naive.best(BID), self.naive.best(ASK))
        for side in (BID, ASK):
            found = queues(self.book, side)
            named = {tick: [(self.naive_id[i], lots) for i, lots in queue] for tick, queue in found.items()}
            assert named == self.naive.queues(side)
            alive = [order_id for queue in found.values() for order_id, _ in queue]
            for order_id in alive + self.ids[-10:]:
                assert ahead(self.book, order_id) == self.naive.ahead(self.naive_id[order_id])
        slots = len(self.book[0]["orders"])
        for order_id in self.ids[-SLOTS:]:
            order = self.naive.find(self.naive_id[order_id])
            if order is not None:
                kept = self.book[0]["orders"][order_id % slots]
                assert (kept["owner"], kept["time"], kept["ahead"]) == (order.owner, order.time, order.joined)


prices = st.one_of(
    st.integers(MIDDLE - 3, MIDDLE + 3),
    st.integers(MIDDLE - 3, MIDDLE + 3),
    st.sampled_from(SPARSE),
)
sides = st.sampled_from([BID, ASK])
owners = st.sampled_from(OWNERS)
stp_modes = st.sampled_from(STP_MODES)
lots = st.integers(1, 9)
backs = st.integers(0, 20)
submits = st.tuples(
    st.just("submit"),
    owners,
    sides,
    st.one_of(prices, prices, prices, st.sampled_from(OUTSIDE)),
    lots,
    st.sampled_from(KINDS),
    stp_modes,
)
actions = st.one_of(
    submits,
    submits,
    submits,
    st.tuples(st.just("submit"), owners, sides, prices, st.integers(-2, 0), st.sampled_from(KINDS), stp_modes),
    st.tuples(st.just("market"), owners, sides, st.integers(1, 40), stp_modes),
    st.tuples(st.just("cancel"), backs),
    st.tuples(st.just("amend"), backs, st.integers(-1, 9)),
    st.tuples(st.just("replace"), backs, prices, lots, stp_modes),
    st.tuples(st.just("unknown"), st.integers(-100, 1_000)),
)


def flow(seed: int, steps: int) -> Iterator[Action]:
    """A long stream in phases: calm ones fill the book to its last slot, wild ones empty it."""
    rng = np.random.default_rng(seed)

    def price() -> int:
        if rng.random() < 0.15:
            return int(rng.choice(SPARSE))
        return MIDDLE + int(rng.integers(-4, 5))

    def submission(calm: bool) -> Action:
        side = int(rng.integers(2))
        at = price()
        if calm:  # buyers below, sellers above: most orders rest
            at = min(at, MIDDLE) if side == BID else max(at, MIDDLE)
        if rng.random() < 0.01:
            at = int(rng.choice(OUTSIDE))
        qty = int(rng.integers(1, 10)) if rng.random() > 0.01 else -int(rng.integers(2))
        if at in OUTSIDE:
            qty = 1  # one reason for a refusal at a time
        return ("submit", int(rng.choice(OWNERS)), side, at, qty, int(rng.choice(KINDS)), int(rng.choice(STP_MODES)))

    for step in range(steps):
        draw = rng.random()
        back = int(rng.geometric(0.04)) - 1
        if draw < 0.70:
            yield submission(calm=step % 600 < 300)
        elif draw < 0.80:
            yield ("cancel", back)
        elif draw < 0.88:
            yield ("amend", back, int(rng.integers(-1, 10)))
        elif draw < 0.94:
            yield ("replace", back, price(), int(rng.integers(1, 10)), int(rng.choice(STP_MODES)))
        elif draw < 0.98:
            yield ("unknown", int(rng.integers(-100, 40_000)))
        else:
            yield ("market", int(rng.choice(OWNERS)), int(rng.integers(2)), int(rng.integers(1, 60)), 0)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(actions, max_size=60))
def test_any_list_of_orders_gives_the_fills_and_the_book_of_the_oracle(stream):
    twins = Twins()
    for action in stream:
        twins.do(action)
        twins.compare()


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(submits, max_size=40), st.lists(actions, max_size=10))
def test_the_mirror_image_of_any_list_of_orders_gives_the_mirrored_answers(stream, more):
    def mirrored(action: Action) -> Action:
        name, *rest = action
        if name == "submit":
            owner, side, price, *others = rest
            return (name, owner, 1 - side, LEVELS - 1 - price, *others)
        if name == "market":
            owner, side, *others = rest
            return (name, owner, 1 - side, *others)
        if name == "replace":
            back, price, *others = rest
            return (name, back, LEVELS - 1 - price, *others)
        return action

    twins, mirror = Twins(), Twins()
    for action in stream + more:
        twins.do(action)
        mirror.do(mirrored(action))
        assert [reflected(fill) for fill in mirror.fills] == twins.fills
    for side in (BID, ASK):
        seen = {2 * BASE + LEVELS - 1 - tick: queue for tick, queue in queues(mirror.book, 1 - side).items()}
        assert seen == queues(twins.book, side)


def reflected(fill: Fill) -> Fill:
    return fill._replace(price=2 * BASE + LEVELS - 1 - fill.price, side=1 - fill.side)


@pytest.fixture(scope="module")
def long_run() -> Twins:
    """Thousands of orders through few slots: ids are reused many times over and the book is full now and then."""
    twins = Twins()
    for step, action in enumerate(flow(seed=20_210_104, steps=STEPS)):
        twins.do(action)
        if step % 10 == 0:
            twins.compare()
    twins.compare()
    return twins


def test_a_long_stream_gives_the_fills_and_the_book_of_the_oracle(long_run):
    assert len(long_run.fills) > STEPS // 10
    assert max(long_run.ids) > 5 * SLOTS, "the stream should reuse its slots"


def test_the_long_stream_meets_every_case(long_run):
    codes = [ACCEPTED, BAD_SIZE, OFF_BOOK, WOULD_TRADE, CANNOT_FILL, BOOK_FULL, SELF_TRADE]
    cases = [("code", code) for code in codes]
    cases += [("kind", kind, traded) for kind in (DAY, IOC, FOK) for traded in (False, True)]
    cases += [("kind", POST_ONLY, False), ("market", True)]
    cases += [(verb, done) for verb in ("cancel", "amend") for done in (False, True)]
    assert [case for case in cases if long_run.seen[case] == 0] == []
    assert long_run.seen["kind", POST_ONLY, True] == 0


def test_cash_and_positions_of_everyone_sum_to_zero(long_run):
    accounts = NaiveAccounts()
    for fill in long_run.fills:
        accounts.fill(fill.price, fill.size, fill.maker_owner, fill.taker_owner, fill.side)
        assert sum(accounts.position.values()) == 0
        assert sum(accounts.cash.values()) == 0
    assert set(accounts.position) == set(OWNERS)
    assert sum(accounts.wealth2(owner, 2 * (BASE + MIDDLE) + 1) for owner in OWNERS) == 0


def test_the_same_stream_gives_the_same_book_to_the_byte():
    def run() -> bytes:
        book = new_book(WIDE, BASE)
        for action in flow(seed=7, steps=600):
            if action[0] == "submit":
                submit(book, *action[1:])
        return book.tobytes()

    assert run() == run()
