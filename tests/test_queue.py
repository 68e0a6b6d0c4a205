"""Where in a queue the crowd's cancels fall, by each model."""

import numpy as np
import pytest
from books import book_of, check, depth, send
from days import fall, feed_of, limit, mark, once, play, quoted, seat, take

from lobarena.data.schema import ASK, BID
from lobarena.sim.book import ahead
from lobarena.sim.market import Market, Rules
from lobarena.sim.queue import crowd_lots, thin
from lobarena.sim.state import BACK, FRONT, POWER, PRO_RATA

pytestmark = pytest.mark.kernels

SEAT = 1


def queue_of(*lots: int, seat_after: int = 2) -> tuple[np.ndarray, int]:
    """A bid queue at 100: crowd orders with the seat's order of 5 lots after the first `seat_after` of them."""
    book, _ = book_of()
    number = -1
    for place, size in enumerate([*lots, 0]):
        if place == seat_after:
            _, number, _ = send(book, SEAT, BID, 100, 5)
        if size:
            send(book, 0, BID, 100, size)
    return book, number


def thinned(lots: int, u: float, model: int, power: int = 2) -> tuple[list[int], int]:
    """(queue after a cancel, seat's lots ahead) of 4 and 6 crowd lots, the seat's 5, and 10 crowd lots."""
    book, number = queue_of(4, 6, 10)
    assert thin(book[0], BID, 100, lots, np.float32(u), model, power) == min(lots, 20)
    check(book)
    assert crowd_lots(book[0], BID, 100) == 20 - min(lots, 20)
    return depth(book, BID)[100], int(ahead(book, number))


@pytest.mark.parametrize("u", [0.0, 0.5, 0.999])
@pytest.mark.parametrize(
    ("lots", "queue", "place"),
    [(3, [4, 6, 5, 7], 10), (10, [4, 6, 5], 10), (12, [4, 4, 5], 8), (20, [5], 0), (99, [5], 0)],
)
def test_back_takes_the_last_lots_whatever_is_drawn(lots: int, queue: list[int], place: int, u: float) -> None:
    assert thinned(lots, u, BACK) == (queue, place)


@pytest.mark.parametrize("u", [0.0, 0.5, 0.999])
@pytest.mark.parametrize(
    ("lots", "queue", "place"),
    [(3, [1, 6, 5, 10], 7), (4, [6, 5, 10], 6), (10, [5, 10], 0), (12, [5, 8], 0), (20, [5], 0)],
)
def test_front_takes_the_first_lots_whatever_is_drawn(lots: int, queue: list[int], place: int, u: float) -> None:
    assert thinned(lots, u, FRONT) == (queue, place)


@pytest.mark.parametrize(
    ("lots", "u", "queue", "place"),
    [
        (3, 0.0, [1, 6, 5, 10], 7),  # 18 places of a run of 3 among 20: the first
        (3, 0.5, [4, 5, 5, 8], 9),  # the tenth place: lot 9 (0-based) on, the last of the 6 and two behind the seat
        (3, 0.999, [4, 6, 5, 7], 10),  # the last
        (12, 0.5, [4, 5, 4], 4),  # place 4 of 9: all of the 6 and 6 of the 10
        (20, 0.7, [5], 0),
    ],
)
def test_pro_rata_takes_a_run_from_a_uniform_place(lots: int, u: float, queue: list[int], place: int) -> None:
    assert thinned(lots, u, PRO_RATA) == (queue, place)


@pytest.mark.parametrize(
    ("u", "power", "queue", "place"),
    [
        (0.5, 1, [4, 5, 5, 8], 9),
        (0.5, 2, [4, 3, 5, 10], 7),  # 0.25 x 18 places: lot 4 on
        (0.5, 4, [1, 6, 5, 10], 7),  # 0.0625 x 18 places: lot 1 on
        (0.0, 3, [1, 6, 5, 10], 7),
    ],
)
def test_power_leans_to_the_front(u: float, power: int, queue: list[int], place: int) -> None:
    assert thinned(3, u, POWER, power) == (queue, place)


def test_pro_rata_is_fair_on_average() -> None:
    """Half of the crowd stands ahead, so half of what is cancelled does, on average."""
    places = [thinned(4, u, PRO_RATA)[1] for u in (np.arange(17) + 0.5) / 17]
    assert 10 - np.mean(places) == pytest.approx(2.0, abs=0.01)


def test_models_are_ordered_from_pessimistic_to_optimistic() -> None:
    draws = (np.arange(10) + 0.5) / 10
    means = [np.mean([thinned(4, u, model, 3)[1] for u in draws]) for model in (BACK, PRO_RATA, POWER, FRONT)]
    assert means == sorted(means, reverse=True)
    assert (means[0], means[-1]) == (10, 6)


def test_a_level_without_crowd_lots_is_left_alone() -> None:
    book, _ = book_of(asks={105: [7]}, owner=SEAT)
    assert thin(book[0], ASK, 105, 3, np.float32(0.5), PRO_RATA, 2) == 0
    assert depth(book, ASK) == {105: [7]}


# The same through a market: how soon a seat is reached.

LONG = quoted({999: 10}, {1_001: 10})


@pytest.mark.parametrize(
    ("model", "first_hit"),
    [("back", 10), ("front", 4), ("pro rata", 4), ("power", 4)],
)
def test_a_cancel_moves_a_seat_up_as_its_model_says(model: str, first_hit: int) -> None:
    """6 of 10 lots ahead and 10 behind are cancelled at u = 0; then trades of one lot reach the seat."""
    later = [limit(50, BID, 999, 10), fall(100, BID, 999, 6, u=0.0)]
    trades_of_one = [take(200 + 10 * k, ASK, 999, 1) for k in range(20)]
    market = Market(feed_of([*LONG, *later, mark(150), *trades_of_one, mark(990)]), Rules(cancel_model=model))
    play(market, [seat()], [once(bids=[(999, 1)])], 950)
    first = market.fills[0]
    assert (int(first["time"]) - int(market.feed.events["time"][0])) // 10_000_000 - 20 == first_hit
    assert int(first["joined"]) == 10


def test_back_never_improves_a_seats_place_while_the_crowd_behind_lasts() -> None:
    events = [limit(20 + k, BID, 999, 1) for k in range(10)]
    events += [fall(100 + k, BID, 999, 1, u=0.1 * k) for k in range(10)]
    places: list[int] = []

    def look(seen: np.void) -> dict[str, list[tuple[int, int]]] | None:
        places.append(int(seen["own_bid_ahead"][0]))
        return {"bids": [(999, 1)]} if len(places) == 1 else None

    shows = [mark(99), *[mark(100 + k) for k in range(10)]]
    feed = feed_of(sorted([*LONG, *events, *shows], key=lambda one: int(one["time"][0])))
    play(Market(feed, Rules(cancel_model="back")), [seat()], [look], 500)
    assert places[1:] == [10] * 11
