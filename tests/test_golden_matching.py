"""Other engines' own scenarios, order in and trade out, as Gherkin text: each is run here, or says why it cannot be.

The files are read where the recordings are. `pytest tests/test_golden_matching.py -vv -rs` names every scenario, and
tells why some are left out.
"""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import recordings
from golden_steps import SIDES, Ladder, Resting, Sent, Trade, Venue
from pytest_bdd import given, parsers, scenarios, step, then, when
from pytest_bdd.feature import get_features
from pytest_bdd.scenario import make_python_name

from lobarena.data.schema import ASK, BID
from lobarena.sim.types import ACCEPTED, DAY, IOC, NO_MARGIN, POSITION_LIMIT

pytestmark = [pytest.mark.realdata, pytest.mark.kernels]

FILES = recordings() / "golden_matching"
_SPAN = "the largest book has 65,536 price levels of one tick, enough for a day between its price limits; "
CANNOT_RUN = {  # test, as -vv names it: why
    "test_move_orders_up_and_down": "a bid here has no reserve price (the price up to which its owner may move it, set "
    "aside in his wallet): a moved order is a new order, and checked anew",
    "test_adding_a_sell_that_is_lower_than_best_sell_affects_the_quote": _SPAN
    + "5.87 to 6.25 are 38 million ticks of 0.00000001",
}
_BETWEEN = "test_adding_a_sell_order_below_the_best_ask_and_above_the_best_bid_will_affect_the_quote"
_SMALL_SELL = (
    "test_adding_a_small_sell_order_that_crosses_with_the_best_bid_will_trade_immediately_and_therefore"
    "_not_affect_the_quote"
)
CANNOT_RUN |= {
    f"{_BETWEEN}[5.870001-5.870001-5.870001-0.000001]": _SPAN + "5.87 to 6.25 are 380,000 ticks of 0.000001",
    f"{_BETWEEN}[5.8700001-5.8700001-5.8700001-0.0000001]": _SPAN + "5.87 to 6.25 are 3.8 million ticks of 0.0000001",
    f"{_BETWEEN}[5.87000001-5.87000001-5.87000001-0.00000001]": _SPAN
    + "5.87 to 6.25 are 38 million ticks of 0.00000001",
    f"{_SMALL_SELL}[0.00000001-6.25-0.38]": _SPAN + "0 to 6.25 are 625 million ticks of 0.00000001",
}

if recordings().is_dir():  # without the recordings there is nothing to collect, and conftest says so
    scenarios(str(FILES))


def test_every_scenario_is_collected_and_every_reason_is_of_one() -> None:
    written = [line for path in sorted(FILES.glob("*.feature")) for line in _titles(path)]
    assert written
    assert sorted(name for name in globals() if name in {*written}) == sorted(written), "a title stands twice"
    known = {*written}
    for feature in get_features([str(FILES)]):
        for title, one in feature.scenarios.items():
            rows = [row for examples in one.examples for row in examples.examples]
            known |= {f"{_test(title)}[{'-'.join(row)}]" for row in rows}
    assert CANNOT_RUN.keys() <= known


def _titles(path: Path) -> list[str]:
    """Names of the tests of a file, by its text alone."""
    return [
        _test(title) for title in re.findall(r"(?m)^\s*Scenario(?: Outline)?:\s*(.*?)\s*$", path.read_text("utf-8"))
    ]


def _test(title: str) -> str:
    return f"test_{make_python_name(title)}"


@pytest.fixture(autouse=True)
def _runnable(request: pytest.FixtureRequest) -> None:
    name = request.node.name
    if name in CANNOT_RUN:
        pytest.skip(CANNOT_RUN[name])


# Books: multibit.


@pytest.fixture
def ladder() -> Ladder:
    return Ladder()


@step("the following orders are submitted:", target_fixture="traded")
def orders_are_submitted(ladder: Ladder, datatable: list[list[str]]) -> list[Trade]:
    assert datatable[0] == ["Broker", "Side", "Qty", "Price"]
    rows = [(broker, side.lower(), int(qty), price) for broker, side, qty, price in datatable[1:]]
    return ladder.send(
        [Sent(broker, SIDES[side], qty, None if price == "M" else Decimal(price)) for broker, side, qty, price in rows]
    )


@step("no trades are generated")
def no_trades(traded: list[Trade]) -> None:
    assert traded == []


@step("the following trades are generated:")
def trades_are(traded: list[Trade], datatable: list[list[str]]) -> None:
    assert datatable[0] == ["Buying broker", "Selling broker", "Qty", "Price"]
    assert traded == [(buyer, seller, int(qty), Decimal(price)) for buyer, seller, qty, price in datatable[1:]]


@step("market order book looks like:")
def book_is(ladder: Ladder, datatable: list[list[str]]) -> None:
    assert datatable[0] == ["Broker", "Qty", "Price", "Price", "Qty", "Broker"]
    bids = [_resting(broker, qty, price) for broker, qty, price, _, _, _ in datatable[1:] if broker]
    asks = [_resting(broker, qty, price) for _, _, _, price, qty, broker in datatable[1:] if broker]
    assert (ladder.resting(BID), ladder.resting(ASK)) == (bids, asks)


def _resting(broker: str, qty: str, price: str) -> Resting:
    return broker, int(qty), Decimal(price)


@step("the quote looks like:")
def quote_is(ladder: Ladder, datatable: list[list[str]]) -> None:
    assert datatable[0] == ["Bid", "Ask", "Spread"]
    bid, ask = ladder.quote()
    assert [(bid, ask, ask - bid)] == [tuple(Decimal(cell) for cell in row) for row in datatable[1:]]


# Venues with accounts: exchange-core.

ORDER = (
    r"(?P<side>ASK|BID) order (?P<number>\d+) at (?P<price>\d+)@(?P<size>\d+) "
    r"\(type: (?P<kind>GTC|IOC), symbol: (?P<symbol>\w+)(?:, reservePrice: \d+)?\)"
)
KINDS = {"GTC": DAY, "IOC": IOC}


@pytest.fixture
def venue() -> Venue:
    return Venue()


@step(parsers.parse("New client {client} has a balance:"))
def client_has(venue: Venue, client: str, datatable: list[list[str]]) -> None:
    venue.pay_in(client, {currency: int(units) for currency, units in datatable})


@given(parsers.parse("{units:d} {currency} is added to the balance of a client {client}"))
def is_added(venue: Venue, units: int, currency: str, client: str) -> None:
    venue.pay_in(client, {currency: units})


@step(parsers.re(r"A client (?P<client>\w+) places an " + ORDER))
def places(venue: Venue, client: str, side: str, number: str, price: str, size: str, kind: str, symbol: str) -> None:
    assert _place(venue, client, side, number, price, size, kind, symbol) == ACCEPTED


@step(parsers.re(r"A client (?P<client>\w+) could not place an " + ORDER + " due to RISK_NSF"))
def could_not_place(
    venue: Venue, client: str, side: str, number: str, price: str, size: str, kind: str, symbol: str
) -> None:
    """Not sufficient funds: a buyer lacks money, a seller lacks what he sells."""
    code = _place(venue, client, side, number, price, size, kind, symbol)
    assert code == (NO_MARGIN if side == "BID" else POSITION_LIMIT)


def _place(venue: Venue, client: str, side: str, number: str, price: str, size: str, kind: str, symbol: str) -> int:
    return venue.place(client, int(number), symbol, SIDES[side], int(price), int(size), KINDS[kind])


@when(parsers.parse("A client {client} moves a price to {price:d} of the order {number:d}"))
def moves(venue: Venue, client: str, price: int, number: int) -> None:
    assert venue.tickets[number].client == client
    assert venue.move(number, price, DAY) == ACCEPTED


@when(parsers.parse("A client {client} cancels the remaining size {size:d} of the order {number:d}"))
def cancels(venue: Venue, client: str, size: int, number: int) -> None:
    assert venue.tickets[number].client == client
    assert venue.cancel(number) == size


@step("No trade events")
def no_trade_events(venue: Venue) -> None:
    assert len(venue.fills) == 0


MATCHED = (
    r"The order (?P<number>\d+) is (?P<how>partially|fully) matched\. LastPx: (?P<price>\d+), LastQty: (?P<size>\d+)"
)


@then(parsers.re(MATCHED))
def is_matched(venue: Venue, number: str, how: str, price: str, size: str) -> None:
    ticket, (fill,) = venue.tickets[int(number)], venue.fills
    assert (int(fill["maker"]), int(fill["price"]), int(fill["size"])) == (ticket.order_id, int(price), int(size))
    assert (venue.left(int(number)) == 0) == (how == "fully")


@then(parsers.parse("An {symbol} order book is:"))
def venue_book_is(venue: Venue, symbol: str, datatable: list[list[str]]) -> None:
    rows = [row for row in datatable if row != ["bid", "price", "ask"]]
    bids = [(int(price), int(bid)) for bid, price, _ in rows if bid]
    asks = [(int(price), int(ask)) for _, price, ask in rows if ask]
    assert (venue.depth(BID), venue.depth(ASK)) == (bids, asks[::-1])


@step(parsers.parse("A client {client} orders:"))
def orders_are(venue: Venue, client: str, datatable: list[list[str]]) -> None:
    """The reserve price is left out: nothing here has one."""
    expected: list[Any] = []
    for row in datatable[1:]:
        cells = dict(zip(datatable[0], row, strict=True))
        expected.append((*(int(cells[name]) for name in ("id", "price", "size", "filled")), SIDES[cells["side"]]))
    assert venue.orders(client) == expected


@step(parsers.parse("A client {client} does not have active orders"))
def no_orders(venue: Venue, client: str) -> None:
    assert venue.orders(client) == []


@step(parsers.parse("A balance of a client {client}:"))
def balance_is(venue: Venue, client: str, datatable: list[list[str]]) -> None:
    assert {currency: venue.balance(client, currency) for currency, _ in datatable} == {
        currency: int(units) for currency, units in datatable
    }
