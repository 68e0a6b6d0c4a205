"""The matching engine, scenario by scenario: books are literals, prices are ticks, sizes are lots."""

import pytest
from books import WIDE, best, book_of, check, depth, levels_of, market, queues, send, trades

from lobarena.data.schema import ASK, BID
from lobarena.sim.book import ahead, new_book, rest, submit, tape_of
from lobarena.sim.types import (
    ACCEPTED,
    CANNOT_FILL,
    FILL,
    FOK,
    IOC,
    NONE,
    POST_ONLY,
    SMALL,
    STP_CANCEL_INCOMING,
    STP_CANCEL_RESTING,
    STP_OFF,
    WOULD_TRADE,
)

pytestmark = pytest.mark.kernels

SEAT, OTHER = 1, 2
STP_MODES = [STP_OFF, STP_CANCEL_RESTING, STP_CANCEL_INCOMING]


# An empty book, and orders that rest


def test_a_new_book_is_empty_and_whole():
    book = new_book(WIDE)
    check(book)
    assert best(book) == (-1, levels_of(book))
    assert depth(book, BID) == {}
    assert depth(book, ASK) == {}


def test_a_new_book_has_the_usual_size_unless_told():
    book = new_book()
    assert (levels_of(book), len(book[0]["orders"])) == SMALL
    assert book.shape == (1,)
    assert tape_of(book).dtype == FILL
    check(book)


def test_an_order_that_meets_nobody_rests():
    book, _ = book_of()
    fills, order_id, code = send(book, SEAT, BID, 99, 5)
    assert (len(fills), code) == (0, ACCEPTED)
    assert queues(book, BID) == {99: [(order_id, 5)]}
    assert best(book) == (99, levels_of(book))
    check(book)


def test_a_literal_book_reads_back_as_it_was_written():
    bids, asks = {99: [5], 97: [1, 2, 3]}, {101: [4, 10], 102: [5]}
    book, ids = book_of(bids, asks)
    assert depth(book, BID) == bids
    assert depth(book, ASK) == asks
    assert [order_id for order_id, _ in queues(book, ASK)[101]] == ids[ASK, 101]
    check(book)


def test_ticks_are_level_indices_plus_the_base():
    book, _ = book_of(bids={4_099: [5]}, asks={4_101: [4]}, base=4_000)
    assert best(book) == (99, 101)
    fills, _, _ = send(book, SEAT, BID, 4_101, 1)
    assert trades(fills) == [(4_101, 1)]
    check(book)


def test_orders_and_fills_carry_the_time_of_the_book():
    book, _ = book_of()
    book[0]["time"] = 1_600_000_000_000_000_123
    _, order_id, _ = send(book, SEAT, ASK, 101, 5)
    assert book[0]["orders"][order_id % WIDE[1]]["time"] == 1_600_000_000_000_000_123
    book[0]["time"] = 1_600_000_000_000_000_456
    fills, _, _ = send(book, OTHER, BID, 101, 5)
    assert fills["time"].tolist() == [1_600_000_000_000_000_456]


# Priority


def test_a_better_price_trades_first_whenever_it_came():
    book, _ = book_of(asks={103: [1], 101: [1], 102: [1]})
    fills, _, _ = send(book, SEAT, BID, 103, 3)
    assert trades(fills) == [(101, 1), (102, 1), (103, 1)]


def test_at_one_price_the_earlier_order_trades_first():
    book, ids = book_of(bids={99: [2, 3, 4]})
    fills, _, _ = send(book, SEAT, ASK, 99, 6)
    assert fills["maker"].tolist() == ids[BID, 99]
    assert fills["size"].tolist() == [2, 3, 1]
    assert depth(book, BID) == {99: [3]}
    check(book)


def test_the_taker_gets_the_makers_price():
    book, _ = book_of(asks={101: [5]})
    fills, _, _ = send(book, SEAT, BID, 110, 5)
    assert trades(fills) == [(101, 5)]


def test_a_taker_walks_the_book_and_rests():
    book, _ = book_of(bids={99: [5]}, asks={101: [4, 10], 102: [5]})
    fills, order_id, code = send(book, 7, BID, 102, 25)
    assert trades(fills) == [(101, 4), (101, 10), (102, 5)]
    assert code == ACCEPTED
    assert queues(book, BID)[102] == [(order_id, 6)]
    assert depth(book, BID) == {99: [5], 102: [6]}
    assert depth(book, ASK) == {}
    assert best(book) == (102, levels_of(book))
    check(book)


def test_a_selling_taker_walks_the_book_and_rests():
    book, _ = book_of(bids={99: [4, 10], 98: [5]}, asks={101: [5]})
    fills, order_id, code = send(book, 7, ASK, 98, 25)
    assert trades(fills) == [(99, 4), (99, 10), (98, 5)]
    assert code == ACCEPTED
    assert queues(book, ASK)[98] == [(order_id, 6)]
    assert best(book) == (-1, 98)
    check(book)


def test_a_limit_order_stops_at_its_price():
    book, _ = book_of(asks={101: [4], 103: [5]})
    fills, _, _ = send(book, SEAT, BID, 102, 10)
    assert trades(fills) == [(101, 4)]
    assert depth(book, BID) == {102: [6]}
    assert depth(book, ASK) == {103: [5]}
    check(book)


# What a fill says


def test_a_fill_names_both_orders_both_owners_and_the_takers_side():
    book, ids = book_of(asks={101: [4]}, owner=SEAT)
    fills, order_id, _ = send(book, OTHER, BID, 101, 6)
    (fill,) = fills
    assert (fill["maker"], fill["taker"]) == (ids[ASK, 101][0], order_id)
    assert (fill["maker_owner"], fill["taker_owner"], fill["side"]) == (SEAT, OTHER, BID)


def test_a_taker_that_does_not_rest_has_no_order_id():
    book, _ = book_of(asks={101: [4]})
    fills, order_id, _ = send(book, SEAT, BID, 101, 4)
    assert order_id == NONE
    assert fills["taker"].tolist() == [NONE]


def test_joined_is_what_stood_ahead_when_the_maker_came_and_hit_what_this_taker_took_first():
    book, _ = book_of(asks={101: [4, 10, 3], 102: [5, 6]})
    send(book, OTHER, BID, 101, 6)
    fills, _, _ = send(book, SEAT, BID, 102, 20)
    assert fills["size"].tolist() == [8, 3, 5, 4]
    assert fills["joined"].tolist() == [4, 14, 0, 5]
    assert fills["hit"].tolist() == [0, 8, 0, 5]


# Immediate-or-cancel, fill-or-kill, post-only, market


def test_what_an_immediate_or_cancel_order_cannot_trade_is_gone():
    book, _ = book_of(asks={101: [4], 102: [5]})
    fills, order_id, code = send(book, SEAT, BID, 101, 10, IOC)
    assert (trades(fills), order_id, code) == ([(101, 4)], NONE, ACCEPTED)
    assert depth(book, BID) == {}
    assert depth(book, ASK) == {102: [5]}
    check(book)


def test_an_immediate_or_cancel_order_that_meets_nobody_leaves_no_trace():
    book, _ = book_of(asks={101: [4]})
    before = book.tobytes()
    fills, order_id, code = send(book, SEAT, BID, 100, 10, IOC)
    assert (len(fills), order_id, code) == (0, NONE, ACCEPTED)
    assert book.tobytes() == before


def test_fill_or_kill_takes_all_its_lots_across_levels():
    book, _ = book_of(asks={101: [4], 102: [5]})
    fills, order_id, code = send(book, SEAT, BID, 102, 9, FOK)
    assert (trades(fills), order_id, code) == ([(101, 4), (102, 5)], NONE, ACCEPTED)
    assert depth(book, ASK) == {}
    check(book)


def test_fill_or_kill_one_lot_short_takes_nothing():
    book, _ = book_of(asks={101: [4], 102: [5], 103: [1]})
    before = book.tobytes()
    fills, order_id, code = send(book, SEAT, BID, 102, 10, FOK)
    assert (len(fills), order_id, code) == (0, NONE, CANNOT_FILL)
    assert book.tobytes() == before


def test_post_only_rests_when_it_meets_nobody():
    book, _ = book_of(asks={101: [4]})
    _, order_id, code = send(book, SEAT, BID, 100, 3, POST_ONLY)
    assert code == ACCEPTED
    assert queues(book, BID) == {100: [(order_id, 3)]}
    check(book)


@pytest.mark.parametrize(("side", "price"), [(BID, 101), (BID, 105), (ASK, 99), (ASK, 95)])
def test_post_only_is_refused_when_it_would_trade(side, price):
    book, _ = book_of(bids={99: [5]}, asks={101: [4]})
    before = book.tobytes()
    fills, order_id, code = send(book, SEAT, side, price, 3, POST_ONLY)
    assert (len(fills), order_id, code) == (0, NONE, WOULD_TRADE)
    assert book.tobytes() == before


def test_a_market_order_trades_at_any_price_and_never_rests():
    book, _ = book_of(bids={99: [2], 40: [3]}, asks={8_000: [4]})
    fills, order_id, code = market(book, SEAT, ASK, 10)
    assert (trades(fills), order_id, code) == ([(99, 2), (40, 3)], NONE, ACCEPTED)
    assert depth(book, BID) == {}
    assert depth(book, ASK) == {8_000: [4]}
    check(book)


def test_a_market_order_into_an_empty_book_does_nothing():
    book, _ = book_of(bids={99: [2]})
    fills, order_id, code = market(book, SEAT, BID, 10)
    assert (len(fills), order_id, code) == (0, NONE, ACCEPTED)
    assert depth(book, BID) == {99: [2]}


# Sparse books


def test_prices_thousands_of_ticks_apart_are_found_in_order():
    asks = {3: [1], 64: [1], 4_095: [1], 4_096: [1], 8_191: [1]}
    book, _ = book_of(asks=asks)
    seen = []
    while best(book)[ASK] < levels_of(book):
        seen.append(best(book)[ASK])
        send(book, SEAT, BID, 8_191, 1)
        check(book)
    assert seen == list(asks)


def test_prices_thousands_of_ticks_apart_are_found_in_order_from_above():
    bids = {8_188: [1], 8_127: [1], 4_096: [1], 4_095: [1], 0: [1]}
    book, _ = book_of(bids=bids)
    seen = []
    while best(book)[BID] >= 0:
        seen.append(best(book)[BID])
        send(book, SEAT, ASK, 0, 1)
        check(book)
    assert seen == list(bids)


def test_one_order_walks_a_sparse_book_from_end_to_end():
    book, _ = book_of(bids={8_000: [1], 5_000: [2], 63: [3], 0: [4]}, asks={8_191: [9]})
    fills, _, _ = send(book, SEAT, ASK, 0, 11)
    assert trades(fills) == [(8_000, 1), (5_000, 2), (63, 3), (0, 4)]
    assert depth(book, ASK) == {8_191: [9], 0: [1]}
    assert best(book) == (-1, 0)
    check(book)


# Orders that rest without matching


def test_orders_of_a_call_rest_even_when_they_cross():
    book, _ = book_of(bids={99: [5]}, asks={101: [4]})
    bid = rest(book, SEAT, BID, 105, 3)
    ask = rest(book, OTHER, ASK, 97, 2)
    assert queues(book, BID)[105] == [(bid, 3)]
    assert queues(book, ASK)[97] == [(ask, 2)]
    assert best(book) == (105, 97)
    check(book, crossed=True)


def test_an_order_of_a_call_joins_the_back_of_its_queue():
    book, ids = book_of(bids={99: [5, 6]})
    order_id = rest(book, SEAT, BID, 99, 3)
    assert ahead(book, order_id) == 11
    assert [known for known, _ in queues(book, BID)[99]] == [*ids[BID, 99], order_id]
    check(book)


# Mirror


@pytest.mark.parametrize("kind", [0, IOC, FOK, POST_ONLY])
@pytest.mark.parametrize("stp", STP_MODES)
@pytest.mark.parametrize("depth_reached", [0, 1, 2, 3])
def test_a_sell_is_a_buy_in_the_mirror(kind, stp, depth_reached):
    last = WIDE[0] - 1
    asks = {101: [4, 3], 102: [5]}
    book, _ = book_of(asks=asks)
    mirror, _ = book_of(bids={last - tick: lots for tick, lots in asks.items()})
    for one, side, tick in ((book, ASK, 101), (mirror, BID, last - 101)):
        send(one, SEAT, side, tick, 2)
    price = 100 + depth_reached
    fills, order_id, code = send(book, SEAT, BID, price, 12, kind, stp)
    reflected, mirror_id, mirror_code = send(mirror, SEAT, ASK, last - price, 12, kind, stp)
    assert (order_id, code) == (mirror_id, mirror_code)
    assert trades(reflected) == [(last - tick, lots) for tick, lots in trades(fills)]
    assert {last - tick: lots for tick, lots in depth(mirror, ASK).items()} == depth(book, BID)
    assert {last - tick: lots for tick, lots in depth(mirror, BID).items()} == depth(book, ASK)
    check(book)
    check(mirror)


def test_submit_answers_with_three_whole_numbers():
    book = new_book(WIDE)
    answer = submit(book, SEAT, BID, 99, 5, 0, STP_OFF)
    assert len(answer) == 3
    assert (answer[0], answer[2]) == (0, ACCEPTED)
