"""What the matching engine refuses, and how it keeps an owner from trading with itself."""

import pytest
from books import WIDE, best, book_of, check, depth, queues, send, trades

from lobarena.data.schema import ASK, BID
from lobarena.sim.book import ahead, cancel
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
    SELF_TRADE,
    STP_CANCEL_INCOMING,
    STP_CANCEL_RESTING,
    STP_OFF,
)

pytestmark = pytest.mark.kernels

SEAT, OTHER = 1, 2
STP_MODES = [STP_OFF, STP_CANCEL_RESTING, STP_CANCEL_INCOMING]


# Refusals


@pytest.mark.parametrize("qty", [0, -1, -1_000])
def test_an_order_without_lots_is_refused(qty):
    book, _ = book_of(asks={101: [4]})
    before = book.tobytes()
    fills, order_id, code = send(book, SEAT, BID, 101, qty)
    assert (len(fills), order_id, code) == (0, NONE, BAD_SIZE)
    assert book.tobytes() == before


@pytest.mark.parametrize("side", [BID, ASK])
@pytest.mark.parametrize("price", [-1, WIDE[0], -WIDE[0], 2 * WIDE[0], 1_000_000])
def test_a_price_outside_the_book_is_refused(side, price):
    book, _ = book_of(bids={99: [2]}, asks={101: [4]})
    before = book.tobytes()
    fills, order_id, code = send(book, SEAT, side, price, 1)
    assert (len(fills), order_id, code) == (0, NONE, OFF_BOOK)
    assert book.tobytes() == before


def test_the_first_and_last_price_of_the_book_can_be_used():
    last = WIDE[0] - 1
    book, _ = book_of(bids={0: [1]}, asks={last: [2]})
    assert best(book) == (0, last)
    check(book)
    assert trades(send(book, SEAT, ASK, 0, 1)[0]) == [(0, 1)]
    assert trades(send(book, SEAT, BID, last, 2)[0]) == [(last, 2)]
    assert best(book) == (-1, WIDE[0])
    check(book)


def test_a_full_book_takes_no_more_orders_but_still_trades():
    slots = WIDE[1]
    book, ids = book_of(bids={99: [1] * (slots - 1)}, asks={101: [4]})
    before = book.tobytes()
    fills, order_id, code = send(book, SEAT, BID, 98, 1)
    assert (len(fills), order_id, code) == (0, NONE, BOOK_FULL)
    assert book.tobytes() == before
    check(book)

    fills, order_id, code = send(book, SEAT, BID, 101, 3)
    assert (trades(fills), order_id, code) == ([(101, 3)], NONE, ACCEPTED)
    fills, order_id, code = send(book, SEAT, BID, 101, 3)
    assert (trades(fills), code) == ([(101, 1)], ACCEPTED)
    assert queues(book, BID)[101] == [(order_id, 2)]
    check(book)

    assert send(book, SEAT, BID, 98, 1)[2] == BOOK_FULL
    assert cancel(book, ids[BID, 99][10]) == 1
    assert send(book, SEAT, BID, 98, 1)[2] == ACCEPTED
    check(book)


# Self-trade prevention


def test_without_prevention_an_owner_may_trade_with_itself():
    book, _ = book_of(asks={101: [4]}, owner=SEAT)
    fills, _, code = send(book, SEAT, BID, 101, 4, stp=STP_OFF)
    assert (trades(fills), code) == ([(101, 4)], ACCEPTED)


def test_cancel_resting_takes_the_owners_order_away_and_matching_goes_on():
    book, ids = book_of(asks={101: [4], 102: [3]}, owner=SEAT)
    send(book, OTHER, ASK, 101, 5)
    send(book, CROWD, ASK, 102, 6)
    fills, order_id, code = send(book, SEAT, BID, 102, 20, stp=STP_CANCEL_RESTING)
    assert (trades(fills), code) == ([(101, 5), (102, 6)], ACCEPTED)
    assert fills["hit"].tolist() == [0, 0]
    assert fills["joined"].tolist() == [4, 3]
    assert queues(book, BID) == {102: [(order_id, 9)]}
    assert depth(book, ASK) == {}
    assert [ahead(book, old) for old in (ids[ASK, 101][0], ids[ASK, 102][0])] == [-1, -1]
    check(book)


def test_cancel_resting_leaves_the_owners_orders_that_were_not_reached():
    book, _ = book_of(asks={101: [5]})
    send(book, SEAT, ASK, 101, 4)
    fills, _, _ = send(book, SEAT, BID, 101, 5, stp=STP_CANCEL_RESTING)
    assert trades(fills) == [(101, 5)]
    assert depth(book, ASK) == {101: [4]}
    check(book)


def test_cancel_incoming_stops_at_the_owners_order_and_keeps_the_earlier_fills():
    book, _ = book_of(asks={101: [5]})
    send(book, SEAT, ASK, 101, 4)
    send(book, OTHER, ASK, 101, 7)
    fills, order_id, code = send(book, SEAT, BID, 101, 20, stp=STP_CANCEL_INCOMING)
    assert (trades(fills), order_id, code) == ([(101, 5)], NONE, SELF_TRADE)
    assert fills["taker"].tolist() == [NONE]
    assert depth(book, ASK) == {101: [4, 7]}
    assert depth(book, BID) == {}
    check(book)


def test_cancel_incoming_says_nothing_when_the_owners_order_was_not_reached():
    book, _ = book_of(asks={101: [5]})
    send(book, SEAT, ASK, 101, 4)
    fills, _, code = send(book, SEAT, BID, 101, 5, IOC, STP_CANCEL_INCOMING)
    assert (trades(fills), code) == ([(101, 5)], ACCEPTED)


@pytest.mark.parametrize("stp", STP_MODES)
def test_the_crowd_trades_with_the_crowd_whatever_the_prevention(stp):
    book, _ = book_of(asks={101: [4]}, owner=CROWD)
    fills, _, code = send(book, CROWD, BID, 101, 4, stp=stp)
    assert (trades(fills), code) == ([(101, 4)], ACCEPTED)


@pytest.mark.parametrize("stp", STP_MODES)
def test_two_seats_trade_with_each_other_whatever_the_prevention(stp):
    book, _ = book_of(bids={99: [4]}, owner=SEAT)
    fills, _, code = send(book, OTHER, ASK, 99, 4, FOK, stp)
    assert (trades(fills), code) == ([(99, 4)], ACCEPTED)


def test_fill_or_kill_does_not_count_the_orders_of_its_owner():
    book, _ = book_of(asks={101: [4]}, owner=SEAT)
    send(book, OTHER, ASK, 101, 5)
    before = book.tobytes()
    for stp in (STP_CANCEL_RESTING, STP_CANCEL_INCOMING):
        assert send(book, SEAT, BID, 101, 6, FOK, stp)[2] == CANNOT_FILL
        assert book.tobytes() == before
    fills, _, code = send(book, SEAT, BID, 101, 5, FOK, STP_CANCEL_RESTING)
    assert (trades(fills), code) == ([(101, 5)], ACCEPTED)
    assert depth(book, ASK) == {}
    check(book)


def test_fill_or_kill_that_cancels_incoming_counts_only_up_to_its_owners_order():
    book, _ = book_of(asks={101: [5]})
    send(book, SEAT, ASK, 101, 4)
    send(book, OTHER, ASK, 101, 7)
    assert send(book, SEAT, BID, 101, 6, FOK, STP_CANCEL_INCOMING)[2] == CANNOT_FILL
    fills, _, code = send(book, SEAT, BID, 101, 5, FOK, STP_CANCEL_INCOMING)
    assert (trades(fills), code) == ([(101, 5)], ACCEPTED)
    assert depth(book, ASK) == {101: [4, 7]}
