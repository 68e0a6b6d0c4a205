"""Calls are written down and played again; what is missing or altered is told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lobarena.agents.llm.answer import Answer, LlmError, Reply, Unanswered
from lobarena.agents.llm.call_log import TranscriptError
from lobarena.agents.llm.transcript import Budget, Transcript, outcomes

FIXED = (("system", "Forecast."),)


class Counter:
    """Answers with how often it was asked; fails for the data named."""

    def __init__(self, identity="counter", fails=()):
        self.identity, self.fails, self.asked = identity, dict(fails), 0

    def ask(self, messages, timeout_s):
        self.asked += 1
        if kind := self.fails.get(messages[-1][1]):
            raise Unanswered(kind, "so it is", 7, 1)
        return Reply(Answer(0, 1, self.asked), 0.25, 100, 20, 60, True)


def call(data):
    return (*FIXED, ("user", data))


def transcript(path, source=None, prompt="plain", fixed=FIXED, budget=Budget()):  # noqa: B008
    return Transcript(path, source, prompt, fixed, budget)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A transcript of two answers and a failure."""
    path = tmp_path / "calls.jsonl"
    recorded = transcript(path, Counter(fails={"3": "time-out"}))
    recorded.ask(call("1"), 1.0)
    recorded.ask(call("2"), 1.0)
    with pytest.raises(Unanswered, match="time-out"):
        recorded.ask(call("3"), 1.0)
    return path


def test_what_was_recorded_is_played_again_without_a_source(path):
    replayed = transcript(path)
    assert replayed.ask(call("2"), 1.0) == Reply(Answer(0, 1, 2), 0.25, 100, 20, 60, True)
    assert replayed.ask(call("1"), 1.0).answer.volume == 1
    with pytest.raises(Unanswered, match="time-out: so it is") as why:
        replayed.ask(call("3"), 1.0)
    assert (why.value.prompt_tokens, why.value.answer_tokens) == (7, 1)


def test_a_missing_call_is_told(path):
    with pytest.raises(TranscriptError, match=r"no call with the data '4' as its last line.*record it again"):
        transcript(path).ask(call("0\n4"), 1.0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"volume": 1}', '"volume": 2}'),
        ('"data": "1"', '"data": "5"'),
        ('"confidence": 0.25', '"confidence": 0.75'),
        ('"prompt_tokens": 7', '"prompt_tokens": 8'),
        ('"outcome": "time-out"', '"outcome": "busy"'),
        ('"seconds"', '"second"'),
        ('"digest": "', '"digest": "0'),
        ('"data": "2"', '"data": "2'),
        ('"format": 1', '"format": 2'),
    ],
)
def test_an_altered_call_is_told_with_its_line(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(TranscriptError, match=r"line \d was altered or is damaged"):
        transcript(path)


def test_a_run_that_goes_on_asks_only_what_has_no_answer_yet(path):
    source = Counter()
    again = transcript(path, source)
    assert again.ask(call("1"), 1.0).answer.volume == 1
    assert source.asked == 0
    assert again.ask(call("3"), 1.0).answer.volume == source.asked == 1
    assert transcript(path).ask(call("3"), 1.0).answer.volume == 1


def test_half_a_line_of_a_killed_run_is_written_over(path):
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[1][:40])
    assert transcript(path).ask(call("1"), 1.0).answer.volume == 1
    transcript(path, Counter()).ask(call("4"), 1.0)
    assert path.read_bytes().startswith(whole)
    assert transcript(path).ask(call("4"), 1.0).answer.volume == 1


def test_two_that_write_at_once_agree_on_the_first_answer(tmp_path):
    path = tmp_path / "calls.jsonl"
    one, other = Counter(), Counter()
    other.asked = 50
    first, second = transcript(path, one), transcript(path, other)
    original = second._source.ask

    def overtaken(messages, timeout_s):
        first.ask(messages, timeout_s)  # while the other is still waiting for its answer
        return original(messages, timeout_s)

    second._source.ask = overtaken
    assert second.ask(call("1"), 1.0).answer.volume == 1 == transcript(path).ask(call("1"), 1.0).answer.volume
    assert second.spent == [200, 40]


def test_processes_share_a_transcript(tmp_path):
    path = tmp_path / "calls.jsonl"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from test_llm_transcript import Counter, call, transcript\n"
        "shared = transcript(Path(sys.argv[2]), Counter())\n"
        "for n in range(100): shared.ask(call(f'{sys.argv[3]} {n}'), 1.0)\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(path)]
    workers = [subprocess.Popen([*command, str(number)]) for number in range(3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    replayed = transcript(path)
    assert all(
        replayed.ask(call(f"{worker} {n}"), 1.0).answer.volume == n + 1 for worker in range(3) for n in range(100)
    )
    assert replayed.spent == [30_000, 6_000]


def test_a_transcript_of_another_source_or_prompt_is_not_mixed_into(path):
    with pytest.raises(TranscriptError, match="was answered by counter, not other; name a new file"):
        transcript(path, Counter("other"))
    with pytest.raises(TranscriptError, match="made with prompt plain, and not with few-2"):
        transcript(path, prompt="few-2", fixed=(("system", "Guess."),))


def test_there_is_nothing_to_play_in_a_file_that_is_not_there(tmp_path):
    with pytest.raises(TranscriptError, match="no such transcript; record one with model="):
        transcript(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(TranscriptError, match="it has no whole line"):
        transcript(tmp_path / "empty.jsonl", Counter())


def test_a_budget_of_tokens_ends_the_asking_and_is_recorded(tmp_path):
    source = Counter()
    path = tmp_path / "calls.jsonl"
    recorded = transcript(path, source, budget=Budget(tokens=300))
    for number in range(2):
        recorded.ask(call(str(number)), 1.0)
    for number in (2, 3):
        with pytest.raises(Unanswered, match="budget: 240 tokens are spent"):
            recorded.ask(call(f"{number}" * 50), 1.0)
    assert source.asked == 2
    with pytest.raises(Unanswered, match="budget"):
        transcript(path).ask(call("2" * 50), 1.0)
    assert transcript(path, source, budget=Budget(tokens=1_000)).ask(call("2" * 50), 1.0).answer.volume == 3


def test_a_budget_holds_over_runs_and_counts_failures(path):
    source = Counter()
    with pytest.raises(Unanswered, match="budget: 248 tokens are spent"):
        transcript(path, source, budget=Budget(tokens=250)).ask(call("4"), 1.0)
    assert source.asked == 0


def test_a_budget_of_cost_counts_prompts_and_answers_at_their_prices():
    budget = Budget(cost=1.0, price_in=1.0, price_out=10.0)
    assert budget.allows(900_000, 10_000)
    assert not budget.allows(900_001, 10_000)
    with pytest.raises(LlmError, match="needs prices"):
        Budget(cost=1.0)
    with pytest.raises(LlmError, match="not negative"):
        Budget(tokens=-1)


def test_the_first_line_says_who_answered_and_what_was_asked(path):
    assert json.loads(path.read_text().splitlines()[0]) == {
        "format": 1,
        "source": "counter",
        "prompt": "plain",
        "fixed": [["system", "Forecast."]],
    }


def test_the_outcomes_of_calls_are_counted(path):
    header, rows = outcomes(path)
    assert header["source"] == "counter"
    assert [(row["outcome"], row["calls"], row["prompt_tokens"]) for row in rows] == [
        ("repaired", 2, 200),
        ("time-out", 1, 7),
    ]
