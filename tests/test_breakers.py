"""Circuit breakers on an agent that always quotes both sides."""

from typing import Any

import numpy as np
import pytest
from days import CONTRACT

from lobarena.agents.base import Context, Quotes
from lobarena.agents.breakers import BREAKERS, bare, worn
from lobarena.agents.table import load, make, parse
from lobarena.data.schema import CONTINUOUS
from lobarena.sim.types import OBSERVATION

BOTH = Quotes([(999, 1)], [(1_001, 1)], 0)
SECOND = 10**9


class Steady:
    """Both sides, whatever happens; counts one thing."""

    @property
    def counts(self) -> dict[str, int]:
        """As some agents keep."""
        return {"asked": 7}

    def reset(self, context: Context) -> None:
        """Nothing to forget."""

    def act(self, observation: Any) -> Quotes | None:
        """The same quotes."""
        return BOTH


def dressed(breakers: str, **fitted: float) -> Any:
    agent = worn(f"steady{breakers}", Steady())  # type: ignore[arg-type]
    agent.reset(Context(CONTRACT, 1, 1, 20, 0, 10**12, np.random.default_rng(0), fitted))
    return agent


def look(time_s: float = 100.0, mid: int = 1_000, **fields: Any) -> Any:
    seen = np.zeros(1, OBSERVATION)[0]
    seen["time"], seen["published"] = round(time_s * SECOND) + 5_000_000, round(time_s * SECOND)
    seen["phase"], seen["bid"][0], seen["ask"][0] = CONTINUOUS, mid - 1, mid + 1
    seen["bid_size"][0] = seen["ask_size"][0] = 5
    for name, value in fields.items():
        seen[name] = value
    return seen


def test_inventory_leaves_only_what_reduces_the_position() -> None:
    agent = dressed("+inventory(5)")
    assert agent.act(look(position=4)) == BOTH
    assert agent.act(look(position=5)) == Quotes((), BOTH.asks)
    assert agent.act(look(position=-6)) == Quotes(BOTH.bids, ())
    assert agent.counts == {"asked": 7, "breaker_inventory": 1}


def test_loss_closes_the_position_and_stays_open_until_the_next_episode() -> None:
    agent = dressed("+loss(100)")  # 10 currency a tick and lot
    assert agent.act(look(position=2, cash=-2 * 1_004)) == BOTH
    assert agent.act(look(position=2, cash=-2 * 1_004, fees=20.0)) == Quotes(take=-2)
    assert agent.act(look(position=0, cash=500)) == Quotes()
    agent.reset(Context(CONTRACT, 1, 1, 20, 0, 10**12, np.random.default_rng(0)))
    assert agent.act(look()) == BOTH


def test_volatility_rests_after_a_move_and_in_a_one_sided_book() -> None:
    agent = dressed("+volatility(4)", sigma=0.5)  # 4 x 0.5 x root 10 = 6.3 ticks
    assert agent.act(look(100, 1_000)) == BOTH
    assert agent.act(look(105, 1_006)) == BOTH
    assert agent.act(look(106, 1_007)) == Quotes()
    assert agent.act(look(135, 1_007)) == Quotes()
    assert agent.act(look(137, 1_007)) == BOTH
    assert agent.act(look(138, 1_007, ask_size=np.zeros(5))) == Quotes()


def test_a_feed_that_stands_still_or_is_late_is_no_basis_for_quotes() -> None:
    stale, late = dressed("+stale(3)"), dressed("+latency(50)")
    assert stale.act(look(100)) == late.act(look(100)) == BOTH
    old = look(100)
    old["time"] = 104 * SECOND
    assert stale.act(old) == late.act(old) == Quotes()
    assert stale.act(look(105)) == BOTH
    assert stale.counts["breaker_stale"] == 1


def test_breakers_are_put_on_one_over_the_other_and_the_last_acts_last() -> None:
    agent = dressed("+inventory(5)+loss(100)")
    assert agent.act(look(position=6, cash=-6 * 1_010)) == Quotes(take=-6)
    assert agent.counts == {"asked": 7, "breaker_inventory": 1, "breaker_loss": 1}


def test_any_agent_of_the_table_wears_them_by_name() -> None:
    name, parameters = parse("foic:N=1+inventory(10)+loss(5e+3)")
    assert (name, parameters) == ("foic+inventory(10)+loss(5e+3)", {"N": 1})
    assert load(name) is load("foic")
    assert make(name, **parameters).agent.agent.N == 1  # type: ignore[attr-defined]
    assert bare("rl-ds:weights=a+b") == "rl-ds:weights=a+b"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("foic+inventry(5)", "did you mean 'inventory'"),
        ("foic+loss(-5)", "give one positive number, currency"),
        ("foic+loss(much)", "give one positive number"),
        ("foic+loss", "did you mean 'foic'"),
        ("foic+loss(5", "is no breaker"),
        ("foic+loss(5)x", "is no breaker"),
    ],
)
def test_a_breaker_that_cannot_be_worn_says_what_to_write(spec: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make(parse(spec)[0])


def test_every_breaker_says_its_unit() -> None:
    assert all(kind.unit and kind.__doc__ for kind in BREAKERS.values())
