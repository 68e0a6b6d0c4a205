"""The call auction against literals worked out by hand and against the slow obvious book."""

import numba
import numpy as np
import pytest
from books import WIDE, best, book_of, check, depth, queues
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import NaiveBook

from lobarena.data.schema import ASK, BID
from lobarena.sim.book import amend, cancel, new_book, rest, tape_of, uncross
from lobarena.sim.types import CROWD, NONE

pytestmark = pytest.mark.kernels

LEVELS, SLOTS = WIDE
FEW = bool(numba.config.DISABLE_JIT)
EXAMPLES = 40 if FEW else 300

Orders = list[tuple[int, int, int, int]]  # (owner, side, price, lots) in order of time


def called(orders: Orders) -> tuple[np.ndarray, list[int]]:
    """(book after a call phase with these orders, their ids)."""
    book, ids = new_book(WIDE), []
    for time, order in enumerate(orders):
        book[0]["time"] = time
        ids.append(int(rest(book, *order)))
    check(book, crossed=True)
    return book, ids


def auction(book: np.ndarray, reference: int = 100) -> tuple[np.ndarray, int]:
    """(fills, price index)."""
    tape = tape_of(book)
    n_fills, price = uncross(book, reference)
    return tape[:n_fills].copy(), int(price)


def matches(fills: np.ndarray) -> list[tuple[int, int, frozenset[int]]]:
    """(ticks, lots, both orders), sorted: which of the two is called the maker is left open."""
    rows = [(int(f["price"]), int(f["size"]), frozenset((int(f["maker"]), int(f["taker"])))) for f in fills]
    return sorted(rows, key=lambda row: sorted(row[2]))


def bid(price: int, qty: int, owner: int = CROWD) -> tuple[int, int, int, int]:
    return (owner, BID, price, qty)


def ask(price: int, qty: int, owner: int = CROWD) -> tuple[int, int, int, int]:
    return (owner, ASK, price, qty)


# Nothing to match


@pytest.mark.parametrize(
    "orders",
    [[], [bid(99, 5)], [ask(101, 5)], [bid(99, 5), ask(100, 5)]],
    ids=["empty", "only bids", "only asks", "one tick apart"],
)
def test_a_book_that_is_not_crossed_is_left_alone(orders):
    book, _ = called(orders)
    before = book.tobytes()
    fills, price = auction(book)
    assert (len(fills), price) == (0, NONE)
    assert book.tobytes() == before


def test_bid_and_ask_at_one_price_match_there():
    book, ids = called([bid(103, 5), ask(103, 3)])
    fills, price = auction(book)
    assert price == 103
    assert matches(fills) == [(103, 3, frozenset(ids))]
    assert depth(book, BID) == {103: [2]}
    assert depth(book, ASK) == {}
    check(book)


# The four rules of the price, each deciding


def test_the_price_with_the_largest_volume_wins():
    # at 101: min(10, 4); at 102: min(10, 9); at 103: min(6, 9)
    book, _ = called([bid(103, 6), bid(102, 4), ask(101, 4), ask(102, 5)])
    fills, price = auction(book, reference=101)
    assert price == 102
    assert fills["size"].sum() == 9
    assert depth(book, BID) == {102: [1]}
    assert depth(book, ASK) == {}
    check(book)


def test_at_equal_volume_the_smaller_imbalance_wins():
    # volume is 5 from 100 to 104; bought is 9 at 100 to 102 and 6 at 103 and 104
    book, _ = called([bid(104, 6), bid(102, 3), ask(100, 5)])
    fills, price = auction(book, reference=100)
    assert price == 103
    assert fills["size"].sum() == 5
    assert depth(book, BID) == {104: [1], 102: [3]}
    check(book)


@pytest.mark.parametrize(("reference", "expected"), [(90, 98), (98, 98), (100, 100), (104, 104), (5_000, 104)])
def test_at_equal_volume_and_imbalance_the_price_nearest_to_the_reference_wins(reference, expected):
    book, _ = called([bid(104, 5), ask(98, 5)])
    fills, price = auction(book, reference)
    assert price == expected
    assert fills["price"].tolist() == [expected]
    check(book)


@pytest.mark.parametrize(("reference", "expected"), [(98, 99), (99, 99), (100, 100), (102, 100)])
def test_a_balanced_run_of_prices_beats_the_unbalanced_ends(reference, expected):
    # volume is 4 from 98 to 101; bought less sold is 2 at 98 and 0 from 99 to 100, then -2 at 101
    book, _ = called([bid(101, 4), bid(98, 2), ask(98, 4), ask(101, 2)])
    assert auction(book, reference)[1] == expected


@pytest.mark.parametrize(("reference", "expected"), [(50, 100), (100, 100), (101, 101), (150, 101)])
def test_between_a_surplus_and_an_equal_shortage_the_reference_decides(reference, expected):
    # volume is 4 at 100 (6 bought, 4 sold) and at 101 (4 bought, 6 sold): a run without a gap, so no two are as near
    book, _ = called([bid(101, 4), bid(100, 2), ask(100, 4), ask(101, 2)])
    assert auction(book, reference)[1] == expected


# Who trades


def test_all_trades_have_one_price_and_better_prices_go_first():
    book, ids = called([bid(101, 4), bid(105, 3), bid(103, 2), ask(99, 6), ask(101, 2)])
    fills, price = auction(book, reference=101)
    assert set(fills["price"].tolist()) == {101} == {price}
    assert matches(fills) == sorted(
        [
            (101, 3, frozenset((ids[1], ids[3]))),
            (101, 2, frozenset((ids[2], ids[3]))),
            (101, 1, frozenset((ids[0], ids[3]))),
            (101, 2, frozenset((ids[0], ids[4]))),
        ],
        key=lambda row: sorted(row[2]),
    )
    assert depth(book, BID) == {101: [1]}
    assert depth(book, ASK) == {}
    check(book)


def test_at_one_price_the_earlier_order_goes_first():
    book, ids = called([bid(100, 3), bid(100, 4), bid(100, 5), ask(100, 5)])
    fills, _ = auction(book)
    assert sorted(fills["size"].tolist()) == [2, 3]
    assert queues(book, BID) == {100: [(ids[1], 2), (ids[2], 5)]}
    check(book)


def test_what_did_not_match_stays_in_the_book_with_its_place():
    book, ids = called([bid(105, 2), bid(98, 1), bid(98, 7), ask(95, 2), ask(107, 3), ask(107, 9)])
    auction(book)
    assert queues(book, BID) == {98: [(ids[1], 1), (ids[2], 7)]}
    assert queues(book, ASK) == {107: [(ids[4], 3), (ids[5], 9)]}
    assert best(book) == (98, 107)
    check(book)


def test_a_second_auction_finds_nothing_left():
    book, _ = called([bid(105, 2), bid(101, 9), ask(95, 4), ask(101, 3)])
    auction(book)
    before = book.tobytes()
    assert auction(book)[1] == NONE
    assert book.tobytes() == before


def test_of_two_orders_of_one_instant_the_sellers_is_the_later_whichever_slot_it_got():
    book = new_book(WIDE)
    cancel(book, rest(book, *bid(100, 5)))  # the next order gets a slot that was used before
    ids = [int(rest(book, *order)) for order in (bid(100, 5), ask(100, 5))]
    fills, _ = auction(book)
    assert (fills["maker"].tolist(), fills["taker"].tolist(), fills["side"].tolist()) == ([ids[0]], [ids[1]], [ASK])


def test_the_fills_name_the_owners_of_their_orders():
    book, ids = called([bid(101, 2, owner=1), ask(99, 2, owner=2)])
    (fill,) = auction(book)[0]
    owner_of = {int(fill["maker"]): int(fill["maker_owner"]), int(fill["taker"]): int(fill["taker_owner"])}
    assert owner_of == {ids[0]: 1, ids[1]: 2}


def test_the_fills_carry_the_time_of_the_auction():
    book, _ = called([bid(101, 2), ask(99, 2)])
    book[0]["time"] = 1_600_000_000_000_000_123
    assert auction(book)[0]["time"].tolist() == [1_600_000_000_000_000_123]


def test_the_earlier_order_is_the_maker():
    book, ids = called([ask(99, 1), bid(101, 2), ask(99, 1)])
    fills, _ = auction(book)
    assert sorted(zip(fills["maker"].tolist(), fills["taker"].tolist(), fills["side"].tolist(), strict=True)) == sorted(
        [(ids[0], ids[1], BID), (ids[1], ids[2], ASK)]
    )


def test_orders_cancelled_or_reduced_before_the_auction_count_no_longer():
    book, ids = called([bid(105, 8), bid(103, 5), ask(100, 9)])
    assert cancel(book, ids[0]) == 8
    assert amend(book, ids[1], 3)
    fills, _ = auction(book)
    assert fills["size"].tolist() == [3]
    assert depth(book, BID) == {}
    assert depth(book, ASK) == {100: [6]}
    check(book)


def test_a_crossing_thousands_of_ticks_wide_matches_at_the_reference():
    book, _ = called([bid(8_191, 5), bid(4_096, 1), ask(0, 5), ask(4_095, 1)])
    fills, price = auction(book, reference=4_000)
    assert price == 4_095
    assert fills["size"].sum() == 6
    assert depth(book, BID) == {}
    assert depth(book, ASK) == {}
    check(book)


def test_with_a_base_the_reference_and_the_answer_are_level_indices_and_fills_are_ticks():
    book = new_book(WIDE, 10_000)
    rest(book, CROWD, BID, 104, 5)
    rest(book, CROWD, ASK, 98, 5)
    fills, price = auction(book, reference=101)
    assert price == 101
    assert fills["price"].tolist() == [10_101]


def test_a_literal_book_is_never_crossed():
    book, _ = book_of(bids={99: [5]}, asks={101: [4]})
    assert auction(book)[1] == NONE


# Random calls


near = st.integers(4_090, 4_102)
prices = st.one_of(near, near, near, st.sampled_from([0, 63, 64, 4_000, 4_200, 8_191]))
calls = st.lists(
    st.tuples(st.sampled_from([CROWD, 1, 2, 3]), st.sampled_from([BID, ASK]), prices, st.integers(1, 9)), max_size=40
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(calls, prices)
def test_any_call_gives_the_price_the_matches_and_the_book_of_the_oracle(orders, reference):
    agree(orders, reference)


@settings(max_examples=EXAMPLES, deadline=None)
@given(calls, st.integers(0, 3))
def test_symmetric_calls_with_many_ties_give_the_price_of_the_oracle(orders, shift):
    reflected = [(owner, 1 - side, 8_192 - min(price, 8_190), lots) for owner, side, price, lots in orders[:20]]
    both = [(owner, side, min(price, 8_190), lots) for owner, side, price, lots in orders[:20]] + reflected
    agree([order for order in both if order[2] < LEVELS], 4_096 + shift)


def agree(orders: Orders, reference: int) -> None:
    """One call through both: price, matches and what is left are equal, and the whole record is sound."""
    book, ids = called(orders)
    naive = NaiveBook(*WIDE)
    naive_ids = [naive.rest(*order) for order in orders]
    name = dict(zip(naive_ids, ids, strict=True))

    expected, expected_price = naive.uncross(reference)
    fills, price = auction(book, reference)
    assert price == expected_price
    assert matches(fills) == sorted(
        [(match.price, match.size, frozenset((name[match.bid], name[match.ask]))) for match in expected],
        key=lambda row: sorted(row[2]),
    )
    for side in (BID, ASK):
        left = {
            tick: [(name[order_id], lots) for order_id, lots in queue] for tick, queue in naive.queues(side).items()
        }
        assert queues(book, side) == left
    owner_of = dict(zip(ids, (order[0] for order in orders), strict=True))
    assert [owner_of[i] for i in fills["maker"].tolist()] == fills["maker_owner"].tolist()
    assert [owner_of[i] for i in fills["taker"].tolist()] == fills["taker_owner"].tolist()
    check(book)
