"""At which prices did an interval's lots trade? Splits worked out by hand, and balance on any input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lobarena.data.schema import ASK, BID, SNAPSHOT
from lobarena.sim.trades import MAX_PRICES, split

pytestmark = pytest.mark.kernels

LEVELS = 2_048
Ladder = dict[int, int]


def split_of(
    lots: int,
    turnover: int | None,
    last: int,
    old: tuple[Ladder, Ladder] = ({99: 5}, {101: 5}),
    new: tuple[Ladder, Ladder] = ({99: 5}, {101: 5}),
    auction: bool = False,
) -> tuple[dict[int, int], bool]:
    """({level index: lots}, whether a price was known) of the trades between two one-level books."""
    shot = np.zeros(1, SNAPSHOT)[0]
    shot["last"], shot["depth"] = last, 5
    crowd = np.zeros((2, LEVELS), np.int32)
    best = np.array([-1, LEVELS], np.int64)
    for side, name in ((BID, "bid"), (ASK, "ask")):
        for level, (price, size) in enumerate(sorted(new[side].items(), reverse=side == BID)):
            shot[name][level], shot[f"{name}_size"][level] = price, size
        for price, size in old[side].items():
            crowd[side, price] = size
        if old[side]:
            best[side] = max(old[side]) if side == BID else min(old[side])
    prices, sizes = np.zeros(MAX_PRICES, np.int64), np.zeros(MAX_PRICES, np.int64)
    known = turnover is not None
    count, told = split(shot, 0, best, crowd, lots, turnover or 0, known, auction, prices, sizes)
    assert (np.diff(prices[:count]) > 0).all()
    assert (sizes[:count] > 0).all()
    return dict(zip(prices[:count].tolist(), sizes[:count].tolist(), strict=True)), bool(told)


def test_turnover_says_how_many_lots_traded_at_bid_and_ask() -> None:
    assert split_of(10, 3 * 99 + 7 * 101, 101) == ({99: 3, 101: 7}, True)


def test_all_lots_at_one_price() -> None:
    assert split_of(4, 4 * 101, 101) == ({101: 4}, True)


def test_one_lot_may_lie_between() -> None:
    """5 lots for 5 x 100: the last price 101 takes one, 99 two; 399 for 4 lots leaves one lot at 100."""
    assert split_of(5, 500, 101) == ({99: 2, 100: 1, 101: 2}, True)


def test_a_market_that_moved_trades_between_old_and_new_quotes() -> None:
    moved = ({102: 5}, {104: 5})
    prices, told = split_of(6, 3 * 101 + 3 * 104, 104, new=moved)
    assert told
    assert sum(prices.values()) == 6
    assert sum(price * lots for price, lots in prices.items()) == 615
    assert 101 <= min(prices) <= max(prices) <= 104


def test_a_mean_beyond_every_quote_is_matched_by_its_two_nearest_ticks() -> None:
    assert split_of(3, 3 * 120 + 1, 0) == ({120: 2, 121: 1}, True)


def test_without_turnover_the_last_price_has_the_lots() -> None:
    assert split_of(4, None, 101, new=({99: 5}, {101: 1})) == ({101: 4}, True)


def test_without_turnover_a_fall_on_the_other_side_is_trades_there() -> None:
    """Both sides fell by 3: half and half."""
    assert split_of(6, None, 101, new=({99: 2}, {101: 2})) == ({99: 3, 101: 3}, True)


def test_without_turnover_a_run_consumes_the_levels_on_its_way() -> None:
    old = ({99: 5}, {101: 4, 102: 3, 103: 6})
    assert split_of(9, None, 103, old, ({99: 5}, {103: 4})) == ({101: 4, 102: 3, 103: 2}, True)


def test_without_any_price_the_lots_are_counted_as_unexplained() -> None:
    prices, told = split_of(4, None, 0, new=({}, {}), old=({}, {}))
    assert not told or sum(prices.values()) == 4
    assert sum(prices.values()) == 4


def test_an_auction_has_one_price() -> None:
    assert split_of(7, 7 * 98, 101, auction=True) == ({98: 7}, True)
    assert split_of(7, 7 * 98 + 1, 101, auction=True) == ({101: 7}, True)
    assert split_of(7, None, 101, auction=True) == ({101: 7}, True)


ladder = st.tuples(st.integers(50, 150), st.integers(1, 6), st.integers(1, 30), st.integers(1, 30))


@settings(max_examples=200, deadline=None)
@given(ladder, ladder, st.lists(st.integers(40, 170), min_size=1, max_size=60), st.booleans())
def test_lots_and_turnover_balance_whatever_was_traded(
    old: tuple[int, ...], new: tuple[int, ...], traded: list[int], known: bool
) -> None:
    quotes = [({bid: bids}, {bid + gap: asks}) for bid, gap, bids, asks in (old, new)]
    prices, told = split_of(len(traded), sum(traded) if known else None, traded[-1], *quotes)
    assert sum(prices.values()) == len(traded)
    assert told
    if known:
        assert sum(price * lots for price, lots in prices.items()) == sum(traded)
