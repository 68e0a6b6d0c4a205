import os
import signal
import time

import numpy as np
import pytest

from lobarena.agents.base import Quotes
from lobarena.benchmarks.thinking import AgentError, Charge, Mind, alarms, lognormal, notes_of
from lobarena.sim.types import OBSERVATION

SEEN = np.zeros(1, OBSERVATION)[0]


class Agent:
    """Answers whatever it is told to, or does it."""

    def __init__(self, answer):
        self.answer = answer

    def reset(self, context):
        pass

    def act(self, observation):
        return self.answer() if callable(self.answer) else self.answer


def mind(answer, deadline_s=5.0, allowed=3, charge=None):
    return Mind(Agent(answer), charge or Charge("constant", 1_000), deadline_s, allowed)


def boom():
    raise ZeroDivisionError("spread is 0")


def forever():
    while True:
        pass


def swallow():
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            time.sleep(0.01)
        except Exception:
            continue


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (boom, "ZeroDivisionError: spread is 0"),
        (Quotes(bids=[(float("nan"), 1)]), r"QuoteError: bids\[0\] price is nan; whole numbers only"),
        (Quotes(bids=[(float("inf"), 1)]), r"bids\[0\] price is inf"),
        (Quotes(bids=[(100.5, 1)]), r"bids\[0\] price is 100\.5"),
        (Quotes(asks=[(101, float("nan"))]), r"asks\[0\] size is nan"),
        (Quotes(asks=[(101, 0)]), r"asks\[0\] size is 0; leave a price out"),
        (Quotes(bids=[(101, 1)], asks=[(100, 1)]), "best bid 101 is not below best ask 100"),
        (Quotes(bids=[(101, 1)], asks=[(101, 1)]), "best bid 101 is not below best ask 101"),
        (Quotes(bids=[(100 - k, 1) for k in range(6)]), "bids has 6 prices; at most 5 a side"),
        (Quotes(take=float("nan")), "take is nan"),
        ("buy!", r"act\(\) returned str; return Quotes"),
        (Quotes(bids=[("100", 1)]), "TypeError|QuoteError"),
    ],
)
def test_an_agent_that_fails_is_told_what_it_did(answer, message):
    with pytest.raises(AgentError, match=message):
        mind(answer).decide(SEEN)


def test_a_million_lots_are_the_venues_to_refuse_not_a_failure():
    quotes, _ = mind(Quotes(bids=[(100, 1_000_000)])).decide(SEEN)
    assert quotes == Quotes(bids=[(100, 1_000_000)])


@pytest.mark.parametrize("answer", [forever, swallow])
def test_an_endless_decision_becomes_no_new_quotes_and_is_recorded(answer):
    one = mind(answer, deadline_s=0.1, allowed=3)
    begin = time.monotonic()
    with alarms():
        assert one.decide(SEEN) == (None, 1_000)
        assert one.decide(SEEN) == (None, 1_000)
        with pytest.raises(AgentError, match=r"3 decisions took longer than the deadline of 0\.1 s"):
            one.decide(SEEN)
    assert time.monotonic() - begin < 3
    assert one.log.outcome == [2, 2, 3]


def test_an_alarm_that_rings_when_the_decision_is_over_hits_nobody():
    with alarms():
        mind(None).decide(SEEN)
        os.kill(os.getpid(), signal.SIGALRM)
        time.sleep(0.001)


def test_time_is_charged_as_the_mode_says():
    assert Charge("zero", 500).of(0, 77) == 0
    assert Charge("constant", 500).of(0, 77) == 500
    assert Charge("measured", 500).of(0, 77) == 77
    draws = np.array([3, 4])
    assert [Charge("distribution", 500, draws).of(n, 77) for n in range(3)] == [3, 4, 3]


def test_a_log_normal_thinking_time_has_the_median_asked_for():
    draws = lognormal(1e6, 0.5, np.random.default_rng(0), 100_000)
    assert abs(np.median(draws) - 1e6) < 1e4
    assert abs(np.log(draws).std() - 0.5) < 0.01


def test_setting_the_alarm_is_no_part_of_the_thinking_time(monkeypatch):
    from lobarena.benchmarks import thinking

    real = thinking.signal.setitimer

    def slow(*arguments):
        time.sleep(0.05)
        return real(*arguments)

    monkeypatch.setattr(thinking.signal, "setitimer", slow)
    one = mind(None, charge=Charge("measured"))
    with alarms():
        _, charged = one.decide(SEEN)
    assert charged == one.log.measured[0] < 50_000_000


def test_per_token_is_charged_by_what_was_read_and_written_up_to_a_day():
    charge = Charge("per-token", rates=(2_000.0, 40.0))
    assert charge.of(0, 77, (1_000, 20)) == 1_000_000_000
    assert charge.of(0, 77) == 0
    assert charge.of(0, 5_000, (0, 0), late=True) == 5_000
    assert Charge("per-token", rates=(1e-300, 1e-300)).of(0, 0, (2**31 - 1, 0)) == 86_400 * 10**9


def test_an_agents_tokens_are_charged_and_recorded():
    one = mind(None, charge=Charge("per-token", rates=(1_000.0, 10.0)))
    one.agent.prompt_tokens, one.agent.answer_tokens = 500, 5
    assert one.decide(SEEN) == (None, 1_000_000_000)
    assert (one.log.prompt_tokens, one.log.answer_tokens) == ([500], [5])


@pytest.mark.parametrize("tokens", [-1, 2**31, "many", float("nan"), None])
def test_tokens_that_are_no_count_fail_the_agent(tokens):
    one = mind(None)
    one.agent.prompt_tokens = tokens
    with pytest.raises(AgentError):
        one.decide(SEEN)


def test_notes_are_counts_of_few_short_names_and_an_agents_nonsense_is_none():
    agent = Agent(None)
    assert notes_of(agent) == {}
    agent.counts = {"pulled": 2, "asked": 3}
    assert list(notes_of(agent).items()) == [("asked", 3), ("pulled", 2)]
    agent.counts = {"x" * 1_000: 1} | {str(k): 1 for k in range(1_000)}
    assert len(notes_of(agent)) <= 32
    for nonsense in (7, {"asked": "no"}, {1: 2, "a": 3}, {"asked": -1}):
        agent.counts = nonsense
        assert notes_of(agent) == {}
