"""Cancels, amends, stale ids and the place in the queue."""

import pytest
from books import WIDE, best, book_of, check, depth, queues, send

from lobarena.data.schema import ASK, BID
from lobarena.sim.book import ahead, amend, cancel
from lobarena.sim.types import (
    CROWD,
)

pytestmark = pytest.mark.kernels

SEAT, OTHER = 1, 2


def test_a_cancel_gives_back_the_lots_left():
    book, ids = book_of(asks={101: [4, 10, 3]})
    send(book, SEAT, BID, 101, 6)
    assert cancel(book, ids[ASK, 101][1]) == 8
    assert depth(book, ASK) == {101: [3]}
    check(book)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_cancel_at_any_place_keeps_the_others_in_order(place):
    book, ids = book_of(bids={99: [1, 2, 3]})
    assert cancel(book, ids[BID, 99][place]) == place + 1
    assert depth(book, BID) == {99: [lots for lots in (1, 2, 3) if lots != place + 1]}
    check(book)


def test_cancelling_the_last_order_of_the_best_price_finds_the_next_best():
    book, ids = book_of(bids={99: [1], 95: [2]}, asks={101: [3], 300: [4]})
    cancel(book, ids[BID, 99][0])
    cancel(book, ids[ASK, 101][0])
    assert best(book) == (95, 300)
    check(book)


def test_a_cancel_behind_the_best_price_leaves_the_best():
    book, ids = book_of(bids={99: [1], 95: [2]})
    cancel(book, ids[BID, 95][0])
    assert best(book)[BID] == 99
    check(book)


def test_a_stale_id_cancels_nobody():
    book, ids = book_of(asks={101: [4]})
    stale = ids[ASK, 101][0]
    send(book, SEAT, BID, 101, 4)
    _, fresh, _ = send(book, OTHER, ASK, 101, 7)
    assert stale % WIDE[1] == fresh % WIDE[1], "the scenario needs the slot to be used again"
    before = book.tobytes()
    assert cancel(book, stale) == 0
    assert not amend(book, stale, 1)
    assert ahead(book, stale) == -1
    assert book.tobytes() == before
    assert depth(book, ASK) == {101: [7]}


def test_an_order_is_cancelled_once():
    book, ids = book_of(bids={99: [4]})
    assert [cancel(book, ids[BID, 99][0]) for _ in range(3)] == [4, 0, 0]
    check(book)


def test_an_id_that_never_was_cancels_nobody():
    book, _ = book_of(bids={99: [4]}, asks={101: [5]})
    alive = {order_id for side in (BID, ASK) for queue in queues(book, side).values() for order_id, _ in queue}
    before = book.tobytes()
    for order_id in [*range(-200, 200), 10**6, 10**12, -(10**12), 2**62]:
        if order_id not in alive:
            assert cancel(book, order_id) == 0
            assert not amend(book, order_id, 1)
            assert ahead(book, order_id) == -1
    assert book.tobytes() == before


def test_amending_the_size_down_keeps_the_place():
    book, ids = book_of(bids={99: [5, 6, 7]})
    assert amend(book, ids[BID, 99][1], 2)
    assert depth(book, BID) == {99: [5, 2, 7]}
    assert ahead(book, ids[BID, 99][2]) == 7
    check(book)


@pytest.mark.parametrize("qty", [6, 7, 100, 0, -1])
def test_an_amend_that_does_not_reduce_is_refused(qty):
    book, ids = book_of(bids={99: [5, 6, 7]})
    before = book.tobytes()
    assert not amend(book, ids[BID, 99][1], qty)
    assert book.tobytes() == before


def test_any_other_amend_is_a_cancel_and_a_new_order_at_the_back():
    book, ids = book_of(bids={99: [5, 6, 7]})
    assert cancel(book, ids[BID, 99][1]) == 6
    _, order_id, _ = send(book, CROWD, BID, 99, 8)
    assert depth(book, BID) == {99: [5, 7, 8]}
    assert ahead(book, order_id) == 12
    check(book)


def test_an_amended_maker_fills_with_the_queue_it_joined():
    book, ids = book_of(asks={101: [4, 10]}, owner=SEAT)
    amend(book, ids[ASK, 101][1], 3)
    fills, _, _ = send(book, OTHER, BID, 101, 7)
    assert fills["size"].tolist() == [4, 3]
    assert fills["joined"].tolist() == [0, 4]


def test_the_lots_ahead_only_fall():
    book, ids = book_of(asks={101: [4, 10, 3]})
    mine = ids[ASK, 101][2]
    seen = [ahead(book, mine)]
    send(book, OTHER, BID, 101, 6)
    seen.append(ahead(book, mine))
    send(book, CROWD, ASK, 101, 50)
    seen.append(ahead(book, mine))
    amend(book, ids[ASK, 101][1], 2)
    seen.append(ahead(book, mine))
    cancel(book, ids[ASK, 101][1])
    seen.append(ahead(book, mine))
    cancel(book, mine)
    seen.append(ahead(book, mine))
    assert seen == [14, 8, 8, 2, 0, -1]


def test_a_level_knows_how_many_lots_belong_to_seats():
    book, ids = book_of(bids={99: [5]})
    send(book, SEAT, BID, 99, 6)
    send(book, OTHER, BID, 99, 7)
    assert book[0]["level"][99]["size"] == 18
    assert book[0]["level"][99]["seats"] == 13
    send(book, CROWD, ASK, 99, 7)
    assert book[0]["level"][99]["seats"] == 11
    assert cancel(book, ids[BID, 99][0]) == 0
    check(book)
