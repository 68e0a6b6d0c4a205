"""What every agent of the table must do; an agent that is added is tested here without a line more."""

from dataclasses import replace
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from days import OPEN, random_recording
from markets import UPPER, after, day_of

from lobarena.agents import table
from lobarena.agents.base import Context, Quotes, check_quotes
from lobarena.agents.foic import Foic
from lobarena.agents.idle import Idle
from lobarena.agents.learned import PACKAGED
from lobarena.agents.learner import LEARNERS
from lobarena.agents.table import AGENTS, GROUP, describe, load, make, parse
from lobarena.data.contracts import contract
from lobarena.data.schema import BREAK, CALL, CLOSED, CONTINUOUS
from lobarena.sim.feed import snapshot_feed
from lobarena.sim.market import Market, Seat
from lobarena.sim.types import OBSERVATION, SEEN_LEVELS, UNKNOWN_ORDER

OPENS = 1_700_000_000_000_000_000
CLOSES = OPENS + 1_800 * 10**9
LIMIT, SIZE = 6, 2


def context(seed=0, **fitted):
    rng = np.random.default_rng(seed)
    return Context(contract("RB"), 1, SIZE, LIMIT, OPENS, CLOSES, rng, fitted)


def observation(bid=3_800, ask=3_801, position=0, after_s=1.0, **fields):
    """One look at a five-level book about (bid, ask), ticks; a price of None empties that side."""
    seen = np.zeros(1, OBSERVATION)
    one = seen[0]
    one["published"] = OPENS + int(after_s * 1e9)
    one["time"], one["opens"], one["closes"] = one["published"] + 5_000_000, OPENS, CLOSES
    one["phase"], one["lower"], one["upper"] = CONTINUOUS, 3_500, 4_100
    one["position"], one["position_limit"] = position, LIMIT
    for side, best, step in (("bid", bid, -1), ("ask", ask, 1)):
        if best is not None:
            one[side] = best + step * np.arange(SEEN_LEVELS)
            one[f"{side}_size"] = 10 + np.arange(SEEN_LEVELS)
    for name, value in fields.items():
        one[name] = value
    return one


def walk(agent, count=200, seed=1, **options):
    """Quotes on a random walk of the mid with a random position."""
    rng = np.random.default_rng(seed)
    mids = 3_800 + np.cumsum(rng.integers(-1, 2, count))
    positions = rng.integers(-LIMIT, LIMIT + 1, count)
    return [
        agent.act(observation(int(mid), int(mid) + 1 + k % 3, int(position), after_s=k / 2, **options))
        for k, (mid, position) in enumerate(zip(mids, positions, strict=True))
    ]


def reset(name, seed=0, **fitted):
    agent = make(name)
    agent.reset(context(seed, **fitted))
    return agent


# a learner plays where it has weights; tests/test_learned.py is about the others, tests/test_llm_agent.py about llm
PLAYABLE = [name for name in AGENTS if name not in LEARNERS or (PACKAGED / f"{name}.safetensors").is_file()]
PLAYABLE.remove("llm")  # which needs a model
PLAYABLE.remove("tuned-llm")  # which needs one, and weights
for needs_units in (
    "student",
    "untaught",
    "cmm",
):  # fitted on a day with trading; tests/test_distill_agent.py is about them
    PLAYABLE.remove(needs_units)


@pytest.fixture(params=sorted(PLAYABLE))
def name(request):
    return request.param


def test_the_same_looks_after_a_reset_give_the_same_quotes(name):
    agent = reset(name)
    first = walk(agent)
    agent.reset(context())
    assert walk(agent) == first
    assert walk(reset(name)) == first


def test_only_the_random_one_depends_on_its_stream(name):
    assert (walk(reset(name, 1)) == walk(reset(name, 2))) == (name != "random")


def test_quotes_are_whole_legal_and_within_the_limits(name):
    agent = reset(name)
    for position in range(-LIMIT, LIMIT + 1):
        quotes = agent.act(observation(position=position))
        check_quotes(quotes)
        assert position + sum(size for _, size in quotes.bids) <= LIMIT
        assert position - sum(size for _, size in quotes.asks) >= -LIMIT
        assert all(size <= SIZE and 3_500 <= price <= 4_100 for price, size in (*quotes.bids, *quotes.asks))
    for beyond in (0, 1, 10):
        assert agent.act(observation(position=LIMIT + beyond)).bids == ()
        assert agent.act(observation(position=-LIMIT - beyond)).asks == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"bid": None},
        {"ask": None},
        {"bid": None, "ask": None},
        {"bid": 4_100, "ask": None},  # locked at the upper limit
        {"bid": None, "ask": 3_500},  # and at the lower
        {"phase": BREAK},
        {"phase": CLOSED},
        {"phase": CALL},
    ],
)
def test_a_market_without_a_mid_is_not_quoted(name, fields):
    agent = reset(name)
    assert agent.act(observation(**fields)) in (Quotes(), None)


def test_the_edges_of_the_day_are_survived(name):
    agent = reset(name, sigma=0.0, k=1.0, A=1.0)
    for one in (
        observation(),  # no volatility yet
        observation(),  # the same stamp again
        observation(after_s=1_800),  # no time left
        observation(after_s=5_000),  # past the end
        observation(4_100, 4_101),  # at the upper limit
        observation(3_499, 3_500),  # at the lower limit
        observation(3_600, 4_000),  # a wide market
        observation(2_000_000_000, 2_000_000_001),  # absurd prices
    ):
        quotes = agent.act(one)
        check_quotes(quotes)
        assert all(3_500 <= price <= 4_100 for price, _ in (*quotes.bids, *quotes.asks))


def test_an_observation_is_left_as_it_is(name):
    agent, one = reset(name), observation(position=1)
    before = one.tobytes()
    agent.act(one)
    assert one.tobytes() == before


def test_every_agent_says_what_it_is_and_builds_from_its_own_parameters(name):
    row = next(row for row in describe() if row[0] == name)
    assert row[2]
    assert isinstance(make(name, **row[3]), load(name))


def play(agent, market, opens, closes):
    """Quotes of an episode with one seat, from its start to its end."""
    market.start([Seat(position_limit=LIMIT)], opens, closes)
    agent.reset(replace(context(), contract=market.feed.contract, opens=opens, closes=closes))
    answers = []
    while (seat := market.run()) > 0:
        quotes = agent.act(market.observation(seat))
        check_quotes(quotes)
        answers.append(quotes)
        market.decide(seat, quotes.bids, quotes.asks, quotes.take, thinking_ns=1_000)
    return answers


SILENT = ("idle", "llm-recorded")  # by its nature, and because nobody recorded what a model says of these days


def test_an_agent_plays_a_day_from_start_to_end(name):
    feed = snapshot_feed(random_recording(seed=3, rows=200))
    market = Market(feed)
    assert len(play(make(name), market, OPEN, int(feed.snapshots["time"][-1]))) > 50
    account = market.venue[0]["seat"][1]
    assert account["position"] == 0
    assert (account["orders"] == 0) == (name in SILENT)


def test_an_agent_lives_through_a_market_that_locks_and_empties(name):
    calm = [(k / 2, 3_800, 20, 3_801, 20, 3_800, 4 * k) for k in range(1, 20)]
    locked = [(10 + k / 2, UPPER, 500, 0, 0, UPPER, 80 + 2 * k) for k in range(10)]
    empty = [(15 + k / 2, 0, 0, 0, 0, UPPER, 98) for k in range(10)]
    back = [(20 + k / 2, 3_900 + k % 2, 20, 3_902, 20, 3_901, 98 + 6 * k) for k in range(20)]
    market = Market(day_of(*calm, *locked, *empty, *back))
    answers = play(make(name), market, after(0.75), after(30))
    quoted = [bool(quotes.bids or quotes.asks) for quotes in answers]
    assert len(quoted) > 40
    if name not in LEARNERS:  # a policy may find it best to stand aside
        assert quoted[0] == quoted[-1] == (name not in SILENT)
    assert sum(not quotes for quotes in quoted) >= 20  # locked and empty
    account = market.venue[0]["seat"][1]
    assert account["position"] == 0
    known = account["refused"].copy()
    known[UNKNOWN_ORDER] = 0  # a cancel may come after the fill
    assert not known.any()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("fioc", "no agent 'fioc'; did you mean 'foic'"),
        ("foic:Q=1", "agent 'foic' has no parameter 'Q'; did you mean"),
        ("foic:N", r"'N' is no parameter; write foic:NAME=VALUE"),
        ("foic:N=one", "N is 'one'; give a value like 0"),
        ("liic:a=nan", "a is 'nan'; give a value like 1.0"),
        ("idle:x=1", "it has none"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest_right_one(spec, message):
    with pytest.raises(ValueError, match=message):
        parse(spec)


def test_a_specification_carries_parameters():
    assert parse("foic:N=1, M=2") == ("foic", {"N": 1, "M": 2})
    assert parse("liic:a=2.5") == ("liic", {"a": 2.5})


def test_an_installed_package_adds_its_agents_and_takes_no_name_of_ours(monkeypatch):
    points = [
        EntryPoint("theirs", "lobarena.agents.idle:Idle", GROUP),
        EntryPoint("foic", "lobarena.agents.idle:Idle", GROUP),
        EntryPoint("broken", "lobarena.agents.idle:Nothing", GROUP),
    ]
    monkeypatch.setattr(table, "entry_points", lambda group: points if group == GROUP else [])
    assert isinstance(make("theirs"), Idle)
    assert isinstance(make("foic"), Foic)
    with pytest.raises(ValueError, match=r"agent 'broken' cannot be loaded from lobarena\.agents\.idle:Nothing"):
        load("broken")
