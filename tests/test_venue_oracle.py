"""Random small markets, played by the engine and by the naive venue: all that can be seen of them must be equal."""

from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from days import CONTRACT, MS, OPEN, at, event, fall, feed_of, limit, mark, phase, quoted, random_recording, shot, take
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive_venue import Decision, NaiveVenue
from numba import config

from lobarena.data.contracts import Fee
from lobarena.data.schema import (
    ASK,
    BID,
    BREAK,
    CALL,
    CLOSED,
    CONTINUOUS,
    DELETE,
    MARKET,
    PHASE,
    REDUCE,
    SWEEP,
    UNCROSS,
)
from lobarena.sim.feed import Feed, snapshot_feed
from lobarena.sim.market import Latency, Market, Rules, Seat
from lobarena.sim.types import BAD_SIZE, STP_CANCEL_INCOMING, STP_CANCEL_RESTING, STP_OFF

pytestmark = pytest.mark.kernels

EXAMPLES = 30 if config.DISABLE_JIT else 300


class Case(NamedTuple):
    """One market, its seats and what each of them decides, by the number of the decision (over and over)."""

    feed: Feed
    rules: Rules
    seats: list[Seat]
    scripts: list[list[Decision]]
    opens: int
    closes: int
    seed: int


class Played(NamedTuple):
    """What can be seen of an episode; orders are numbered as they are first met, since ids are the engine's own."""

    looks: list[dict[str, Any]]
    fills: list[dict[str, Any]]
    accounts: list[dict[str, Any]]
    curve: list[tuple[Any, ...]]
    marks: list[tuple[int, ...]]
    market: list[tuple[str, int]]  # what the market as a whole came to, and when it ended


FILL_FIELDS = ("time", "maker", "taker", "price", "size", "joined", "hit", "mid2", "maker_owner", "taker_owner")
FILL_FIELDS += ("side", "reason")
PLAIN = ("time", "published", "opens", "closes", "last", "volume", "turnover", "upper", "lower", "phase")
TOTALS = ("volume", "turnover", "last", "mid2", "spread", "unfilled", "moved", "now")
PLAIN += ("position", "position_limit", "cash", "fees", "new_fills")


def by_engine(case: Case) -> Played:
    market = Market(case.feed, case.rules)
    market.start(case.seats, case.opens, case.closes, case.seed)
    looks, count = [], Counter[int]()
    while (seat := market.run()) > 0:
        seen = market.observation(seat)
        look: dict[str, Any] = {name: seen[name].item() for name in PLAIN}
        for name in ("bid", "ask"):
            rows = zip(seen[name].tolist(), seen[f"{name}_size"].tolist(), strict=True)
            look[name] = [row for row in rows if row[1]]
        for name in ("own_bid", "own_ask"):
            columns = (seen[name].tolist(), seen[f"{name}_size"].tolist(), seen[f"{name}_ahead"].tolist())
            look[name] = [row for row in zip(*columns, strict=True) if row[1]]
        looks.append({"seat": seat, **look, "fees": _money(look["fees"])})
        decision = case.scripts[seat - 1][count[seat] % len(case.scripts[seat - 1])]
        count[seat] += 1
        market.decide(
            seat, decision.bids, decision.asks, decision.take, keep=decision.keep, thinking_ns=decision.thinking_ns
        )
    venue = market.venue[0]
    rows = zip(market.fills, market.fees.tolist(), market.after.tolist(), strict=True)
    fills = [
        {**{n: fill[n].item() for n in FILL_FIELDS}, "fees": [_money(f) for f in fee], "after": after}
        for fill, fee, after in rows
    ]
    accounts = []
    for account in venue["seat"][1 : len(case.seats) + 1]:
        names = ("position", "cash", "messages", "arrived", "liquidated")
        refused = {int(code): int(account["refused"][code]) for code in np.flatnonzero(account["refused"])}
        accounts.append(
            {
                **{name: account[name].item() for name in names},
                "refused": refused,
                "fees": _money(float(account["fees"])),
            }
        )
    curve = market.curve[["time", "seat", "mid2", "position", "cash", "fees", "bid", "ask"]].tolist()
    curve = [(*row[:5], _money(row[5]), *row[6:]) for row in curve]
    totals = [(name, venue[name].item()) for name in TOTALS]
    return Played(looks, _renumbered(fills), accounts, curve, market.marks.tolist(), totals)


def by_hand(case: Case) -> Played:
    venue = NaiveVenue(case.feed, case.rules, case.seats, case.opens, case.closes, case.seed)
    looks, count = [], Counter[int]()

    def decide(seat: int, seen: dict[str, Any]) -> Decision:
        looks.append({"seat": seat, **seen, "fees": _money(seen["fees"])})
        count[seat] += 1
        return case.scripts[seat - 1][(count[seat] - 1) % len(case.scripts[seat - 1])]

    venue.run(decide)
    fills = [
        {
            **dict(zip(FILL_FIELDS, trade.row, strict=True)),
            "fees": [_money(f) for f in trade.fees],
            "after": list(trade.after),
        }
        for trade in venue.trades
    ]
    accounts = [
        {
            "position": player.account.position,
            "cash": player.account.cash,
            "fees": _money(player.account.fees),
            "messages": player.messages,
            "arrived": player.arrived,
            "liquidated": player.liquidated,
            "refused": dict(player.refused),
        }
        for player in venue.players
    ]
    curve = [(*row[:5], _money(row[5]), *row[6:]) for row in venue.curve]
    totals = [(name, getattr(venue, name)) for name in TOTALS]
    return Played(looks, _renumbered(fills), accounts, curve, venue.marks, totals)


def _money(currency: float) -> float:
    """Fees are sums of fractions: equal to a billionth."""
    return round(currency, 9)


def _renumbered(fills: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known: dict[int, int] = {}
    for fill in fills:
        for name in ("maker", "taker"):
            if fill[name] != -1:
                fill[name] = known.setdefault(fill[name], len(known))
    return fills


# What Hypothesis may choose

CONTRACTS = [
    CONTRACT,
    replace(CONTRACT, fees=Fee("turnover", 1e-4, 2e-4, 3e-4)),
    replace(CONTRACT, fees=Fee("lot", 0.1, 0.0, 0.7), margin=0.05),
]
LOWEST, HIGHEST = 990, 1_010  # ticks, legal prices
PRICES = st.integers(994, 1_006)
DELAYS = st.sampled_from([0, 0, MS, 3 * MS, 7_300_000, 40 * MS])


def ladder(reverse: bool) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Quotes of one side, best first; a few are larger or further away than is allowed."""
    price = st.one_of(PRICES, PRICES, PRICES, st.integers(LOWEST - 2, HIGHEST + 2))
    size = st.one_of(st.integers(1, 6), st.integers(1, 6), st.sampled_from([0, 25]))
    return st.dictionaries(price, size, max_size=4).map(lambda quotes: sorted(quotes.items(), reverse=reverse))


DECISIONS = st.builds(
    Decision,
    bids=ladder(True),
    asks=ladder(False),
    take=st.sampled_from([0, 0, 0, 0, 1, 4, -1, -5, 30]),
    keep=st.sampled_from([False, False, False, True]),
    thinking_ns=st.sampled_from([0, 0, MS, 4 * MS, 60 * MS]),
)
SEATS = st.builds(
    Seat,
    latency=st.builds(Latency, DELAYS, DELAYS, DELAYS, st.sampled_from([0.0, 0.0, 0.5])),
    depth=st.integers(1, 5),
    every_ns=st.sampled_from([0, 0, 0, 9 * MS, 35 * MS]),
    on_fill=st.booleans(),
    position_limit=st.sampled_from([50, 50, 12, 4]),
    largest=st.sampled_from([1_000, 1_000, 5]),
    message_limit=st.sampled_from([300, 300, 12]),  # seats without latency can trade with each other for ever
    cancel_limit=st.sampled_from([300, 300, 2]),
    capital=st.sampled_from([1e8, 1e8, 6_050.0, 2_020.0]),
    maintenance=st.sampled_from([1.0, 0.9, 0.5]),
    grace_s=st.sampled_from([0.0, 0.005, 0.03, 5.0]),
    self_trade=st.sampled_from([STP_OFF, STP_CANCEL_RESTING, STP_CANCEL_INCOMING]),
    held=st.sampled_from([0, 0, 0, 3, -4]),
)
RULES = st.builds(
    Rules,
    cancel_model=st.sampled_from(["back", "pro rata", "power", "front"]),
    power=st.integers(1, 3),
    impact=st.sampled_from(["restore", "decay", "keep"]),
    half_life_s=st.sampled_from([0.02, 0.3, 5.0]),
    protection=st.sampled_from([0, 1, 3, 20]),
    curve_ms=st.sampled_from([10, 33]),
)
BOOKS = st.dictionaries(st.integers(0, 6), st.integers(1, 12), max_size=5)


@st.composite
def snapshots(draw: st.DrawFn, ms: float) -> np.ndarray:
    """A snapshot of any depth around 1,000; sides may be empty, and need not be what the events made of them."""
    mid = draw(st.integers(997, 1_003))
    bids = {mid - 1 - away: size for away, size in draw(BOOKS).items()}
    asks = {mid + away: size for away, size in draw(BOOKS).items()}
    depth = draw(st.integers(1, 5))
    return shot(ms, dict(sorted(bids.items())[-depth:]), dict(sorted(asks.items())[:depth]), depth=depth)


@st.composite
def of_levels(draw: st.DrawFn) -> Feed:
    """A feed of levels: rises, falls, trades and snapshots in any order, now and then a break or an auction."""
    rows, shots, ms = quoted({999: 12, 998: 9, 996: 20}, {1_000: 3, 1_001: 10, 1_003: 20}, -20), [], 0.0
    kinds = "rise fall take take market sweep mark mark shot shot break auction"
    for kind in draw(st.lists(st.sampled_from(kinds.split()), min_size=5, max_size=30)):
        ms += draw(st.sampled_from([0, 0.5, 1, 4, 20]))
        side, price, size = draw(st.integers(BID, ASK)), draw(PRICES), draw(st.integers(1, 15))
        u = draw(st.integers(0, 15)) / 16
        if kind == "rise":
            rows.append(limit(ms, side, price, size))
        elif kind == "fall":
            rows.append(fall(ms, side, price, size, u))
        elif kind == "take":
            rows.append(take(ms, side, price, size))
        elif kind == "market":
            rows.append(event(ms, MARKET, side, 0, size))
        elif kind == "sweep":
            rows.append(event(ms, SWEEP, side, price, size))
        elif kind == "mark":
            rows.append(mark(ms))
        elif kind == "shot":
            shots.append(draw(snapshots(ms)))
            rows.append(mark(ms, len(shots) - 1, u))
        elif kind == "break":
            rows += [phase(ms, draw(st.sampled_from([BREAK, BREAK, CLOSED]))), mark(ms + 2)]
            rows += [limit(ms + 5, side, price, size), phase(ms + 9, CONTINUOUS)]
            ms += 10
        else:
            rows += [phase(ms, CALL), mark(ms), limit(ms + 1, side, price, size), limit(ms + 20, 1 - side, price, size)]
            rows += [event(ms + 30, UNCROSS, 0, price), phase(ms + 31, CONTINUOUS), mark(ms + 32)]
            ms += 33
    return feed_of(rows, shots, draw(st.sampled_from(CONTRACTS)), orders=0)


@st.composite
def of_orders(draw: st.DrawFn) -> Feed:
    """A feed of numbered orders that come, trade, shrink and go."""
    rows, ms, ref = [phase(-20, CONTINUOUS)], 0.0, 0
    for price, size in ((999, 5), (999, 4), (998, 9), (996, 20), (1_000, 3), (1_001, 10), (1_001, 2), (1_003, 20)):
        rows.append(limit(-20, BID if price < 1_000 else ASK, price, size, ref))
        ref += 1
    kinds = "order order delete reduce take market mark mark break auction"
    for kind in draw(st.lists(st.sampled_from(kinds.split()), min_size=5, max_size=30)):
        ms += draw(st.sampled_from([0, 0.5, 1, 4, 20]))
        side, price, size = draw(st.integers(BID, ASK)), draw(PRICES), draw(st.integers(1, 15))
        if kind == "order":
            rows.append(limit(ms, side, price, size, ref))
            ref += 1
        elif kind in ("delete", "reduce"):
            which = DELETE if kind == "delete" else REDUCE
            rows.append(event(ms, which, side, 0, size, draw(st.integers(0, ref - 1))))
        elif kind == "take":
            rows.append(take(ms, side, price, size))
        elif kind == "market":
            rows.append(event(ms, MARKET, side, 0, size))
        elif kind == "mark":
            rows.append(mark(ms))
        elif kind == "break":
            rows += [phase(ms, BREAK), mark(ms + 2), take(ms + 3, side, price, size), phase(ms + 9, CONTINUOUS)]
            ms += 10
        else:
            rows += [phase(ms, CALL), mark(ms), limit(ms + 1, side, price, size, ref)]
            rows += [limit(ms + 20, 1 - side, price, size, ref + 1), event(ms + 30, UNCROSS, 0, price)]
            rows += [phase(ms + 31, CONTINUOUS), mark(ms + 32)]
            ref, ms = ref + 2, ms + 33
    return feed_of(rows, (), draw(st.sampled_from(CONTRACTS)), orders=ref)


@st.composite
def of_a_record(draw: st.DrawFn) -> Feed:
    """The feed inferred from a short record of snapshots, half a second apart."""
    recorded = random_recording(draw(st.integers(0, 10_000)), 8, draw(st.booleans()), draw(st.sampled_from([1, 3, 5])))
    return snapshot_feed(replace(recorded, contract=draw(st.sampled_from(CONTRACTS))), draw(st.integers(0, 100)))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    feed = draw(st.one_of(of_levels(), of_orders(), of_a_record()))
    seats = draw(st.lists(SEATS, min_size=1, max_size=3))
    scripts = [draw(st.lists(DECISIONS, min_size=1, max_size=6)) for _ in seats]
    opens = draw(st.sampled_from([-5.0, -5.0, 10.25]))
    last = feed.events["time"][feed.events["kind"] != PHASE].max()
    closes = (int(last) - OPEN) / MS + draw(st.sampled_from([60.0, -5.125]))
    closes = max(closes, opens + 1)
    return Case(
        replace(feed, lower=LOWEST, upper=HIGHEST),
        draw(RULES),
        seats,
        scripts,
        at(opens),
        at(closes),
        draw(st.integers(0, 9)),
    )


def agree(case: Case) -> Played:
    engine, hand = by_engine(case), by_hand(case)
    for name, ours, theirs in zip(Played._fields, engine, hand, strict=True):
        for place, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            assert one == other, f"{name}, row {place}"
        assert len(ours) == len(theirs), name
    return engine


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(cases())
def test_the_engine_agrees_with_the_naive_venue(case: Case) -> None:
    agree(case)


LITERAL = Case(
    feed_of([*quoted({999: 5}, {1_001: 5}, -20), mark(5), take(7, ASK, 998, 9), mark(9)], orders=0),
    Rules(),
    [Seat(latency=Latency(0, MS, MS))],
    [[Decision(bids=[(1_000, 2)]), Decision(bids=[(1_000, 2)], take=3)]],
    at(0),
    at(20),
    0,
)


def test_both_say_of_a_small_market_what_pen_and_paper_say() -> None:
    """The seat buys 3 at 1,001 of the crowd, 2 at 1,000 from who sells down to 998; nobody is left to sell to."""
    played = agree(LITERAL)
    assert [(fill["price"], fill["size"], fill["reason"]) for fill in played.fills] == [(1_001, 3, 3), (1_000, 2, 2)]
    account = played.accounts[0]
    assert (account["position"], account["cash"], account["fees"]) == (5, -3 * 1_001 - 2 * 1_000, 5 * 1.0)
    assert ("unfilled", 2) in played.market


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("reach", lambda venue, side: 1_000),
        ("look", lambda venue, player: None),
        ("check", lambda venue, player, side, price, size, kind: BAD_SIZE),
    ],
)
def test_a_venue_with_another_rule_is_caught(monkeypatch: pytest.MonkeyPatch, name: str, wrong: Any) -> None:
    monkeypatch.setattr(NaiveVenue, name, wrong)
    with pytest.raises(AssertionError):
        agree(LITERAL)
