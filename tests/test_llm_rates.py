import pytest

from lobarena.agents.llm import rates
from lobarena.agents.llm.answer import Answer, LlmError, Reply, Unanswered
from lobarena.agents.llm.prompt import load


class Clocked:
    """Takes as long as its rates say, on a clock of its own; writes a token more for long prompts."""

    identity = "clocked"

    def __init__(self, prefill, decode):
        self.prefill, self.decode, self.now = prefill, decode, 0.0

    def ask(self, messages, timeout_s):
        lines = messages[-1][1].count("\n") + 1
        read, wrote = 10 * lines, 20 + (lines > 10)
        self.now += read / self.prefill + wrote / self.decode
        return Reply(Answer(0, 1, 0), 0.5, read + 500, wrote, 500)


@pytest.mark.parametrize(("prefill", "decode"), [(2_000.0, 40.0), (50.0, 60.0), (1e5, 3.0)])
def test_the_rates_are_those_of_the_model(monkeypatch, prefill, decode):
    model = Clocked(prefill, decode)
    monkeypatch.setattr(rates.time, "perf_counter", lambda: model.now)
    assert rates.measure(model, load("zero-1")) == pytest.approx((prefill, decode))


def test_a_clock_that_says_nothing_gives_finite_rates(monkeypatch):
    monkeypatch.setattr(rates.time, "perf_counter", lambda: 0.0)
    assert all(0 < rate < 1e8 for rate in rates.measure(Clocked(1, 1), load("zero-1")))


def test_a_model_that_does_not_answer_says_what_to_give():
    class Silent:
        def ask(self, messages, timeout_s):
            raise Unanswered("time-out")

    with pytest.raises(LlmError, match=r"cannot be measured .*; give them: prefill=2000,decode=40"):
        rates.measure(Silent(), load("zero-1"))
