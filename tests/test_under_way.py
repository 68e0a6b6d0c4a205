"""What venue and seat make of orders while messages about them are under way, and of a crowd's order in a break."""

import pytest
from days import MS, Log, account, begin, finish, limit, own, phase, play, refused, seat, take, trades
from runs import LOOKS, market_of

from lobarena.data.schema import ASK, BID, BREAK, CONTINUOUS
from lobarena.sim.market import Latency
from lobarena.sim.types import UNKNOWN_ORDER

pytestmark = pytest.mark.kernels


@pytest.mark.parametrize("late", [{}, {"bids": [(1_000, 1)]}], ids=["cancel", "amendment"])
def test_a_message_about_a_filled_order_is_refused_though_its_row_has_a_new_order(late: dict[str, object]) -> None:
    """The order of 100 ms rests at 250 and is hit at 290; of 300 the late message; of 400 the new order."""
    market = market_of(*LOOKS, take(290, ASK, 1_000, 2))
    log = Log({100: {"bids": [(1_000, 2)]}, 300: late, 400: {"bids": [(999, 3)]}})
    play(market, [seat(latency=Latency(0, 150 * MS, 20 * MS))], [log], 900)
    assert trades(market)[0] == (1, 0, 1_000, 2)
    assert refused(market, 1) == {UNKNOWN_ORDER: 1}
    assert own(log.seen[600]) == ({999: 3}, {})
    assert int(account(market, 1)["arrived"]) == 3


def test_a_market_order_under_way_is_no_quote() -> None:
    """It is neither shown among the seat's own orders nor called back when the quotes change."""
    log = Log({100: {"take": 2}, 200: {"bids": [(999, 1)]}})
    market = play(market_of(*LOOKS), [seat(latency=Latency(0, 150 * MS, 20 * MS))], [log], 900)
    assert own(log.seen[200]) == ({}, {})
    assert trades(market)[0] == (0, 1, 1_001, 2)
    assert (refused(market, 1), int(account(market, 1)["messages"])) == ({}, 2)


def test_every_report_of_a_fill_tells_what_is_left_in_the_book() -> None:
    """An order for 25 finds 10 and 6, each on a level of its own; between both reports it is known to have 9 left."""
    market = market_of(limit(-1, ASK, 1_002, 6), *LOOKS)
    looks: list[tuple[int, int, dict[int, int]]] = []

    def decide(seen: object) -> dict[str, object] | None:
        looks.append((int(seen["time"]), int(seen["position"]), own(seen)[0]))  # type: ignore[index]
        return {"bids": [(1_002, (25, 3, 3)[min(len(looks) - 1, 2)])]}

    begin(market, [seat(latency=Latency(0, 0, 1 * MS), on_fill=True)], 95)
    finish(market, [decide])
    assert [row[1:] for row in looks] == [(0, {}), (10, {1_002: 9}), (16, {1_002: 9})]
    assert trades(market)[:2] == [(0, 1, 1_001, 10), (0, 1, 1_002, 6)]
    assert [int(fill["size"]) for fill in market.fills][2:] == [10, 6]  # closed at the end: nothing else was bought


def test_an_order_of_the_record_that_comes_in_a_break_meets_nobody() -> None:
    market = market_of(phase(150, BREAK), limit(160, BID, 1_001, 4, ref=1), phase(250, CONTINUOUS), *LOOKS)
    log = Log({})
    play(market, [seat()], [log], 350)
    assert trades(market) == []
    assert int(market.venue[0]["volume"]) == 0
    assert [(int(log.seen[200][name][0]), int(log.seen[200][f"{name}_size"][0])) for name in ("bid", "ask")] == [
        (1_001, 4),
        (1_001, 10),
    ]
