"""Every call written down, and played again without a model.

A prompt that was answered is never asked again, so a run that was stopped goes on without paying twice, and what is
played again is what was played: the first answer of a prompt stands, for every process that shares the file.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lobarena.agents.llm.answer import ANSWER_TOKENS, LlmError, Messages, Reply, Source, Unanswered
from lobarena.agents.llm.call_log import ANSWERED, CallLog, TranscriptError, create, to_reply


@dataclass(frozen=True, slots=True)
class Budget:
    """What the calls of one transcript may take in all, runs that went on included; 0 is no bound.

    Processes that share a transcript may each have one call under way when it ends.
    """

    tokens: int = 0  # of prompts and answers
    cost: float = 0.0  # currency
    price_in: float = 0.0  # currency a million tokens of prompts
    price_out: float = 0.0  # currency a million tokens of answers

    def __post_init__(self) -> None:
        if min(self.tokens, self.cost, self.price_in, self.price_out) < 0:
            raise LlmError("budgets and prices are not negative")
        if self.cost and not (self.price_in or self.price_out):
            raise LlmError("a cost budget needs prices: give price_in= and price_out=, currency a million tokens")

    def allows(self, prompt_tokens: int, answer_tokens: int) -> bool:
        """Whether so many tokens in all stay within it."""
        cost = (prompt_tokens * self.price_in + answer_tokens * self.price_out) / 1e6
        within = not self.tokens or prompt_tokens + answer_tokens <= self.tokens
        return within and (not self.cost or cost <= self.cost)


class Transcript:
    """A file of calls, and who answers those that are not in it; without a source, nobody does."""

    def __init__(self, path: Path, source: Source | None, prompt: str, fixed: Messages, budget: Budget) -> None:
        self._source, self._budget = source, budget
        self._fixed = [list(one) for one in fixed]
        if source and not path.exists():
            create(path, source.identity, prompt, self._fixed)
        self._log = CallLog(path)
        self._known: dict[str, dict[str, Any]] = {}  # by the data of a prompt
        self.spent = [0, 0]  # tokens of prompts, of answers
        self.recalled = 0  # calls that nobody was asked for
        header = self._log.header
        self.identity = str(header["source"])
        if source and source.identity != self.identity:
            raise TranscriptError(f"{path} was answered by {self.identity}, not {source.identity}; name a new file")
        if header["fixed"] != self._fixed:
            raise TranscriptError(
                f"{path} was made with prompt {header['prompt']}, and not with {prompt} as it is here; give "
                f"prompt={header['prompt']} or name a new file"
            )
        self._catch_up()

    def ask(self, messages: Messages, timeout_s: float) -> Reply:
        """The answer as recorded, else as the source gives it now; TranscriptError for a call nobody recorded."""
        assert [list(one) for one in messages[:-1]] == self._fixed
        data = messages[-1][1]
        self._catch_up()
        found = self._known.get(data)
        if found and (found["outcome"] == ANSWERED or not self._source):
            self.recalled += 1
            return _told(found)
        if not self._source:
            raise TranscriptError(
                f"{self._log.path}: no call with the data {data.splitlines()[-1]!r} as its last line; it was recorded "
                "on other days, seeds or settings, or lines were taken out: record it again"
            )
        began = time.perf_counter()
        try:
            longest = sum(len(text.encode()) for _, text in messages)  # no token is shorter than a byte
            if not self._budget.allows(self.spent[0] + longest, self.spent[1] + ANSWER_TOKENS):
                raise Unanswered("budget", f"{sum(self.spent)} tokens are spent")
            row: dict[str, Any] = {"outcome": ANSWERED} | asdict(self._source.ask(messages, timeout_s))
        except Unanswered as why:
            row = {"outcome": why.kind, "text": why.text}
            row |= {"prompt_tokens": why.prompt_tokens, "answer_tokens": why.answer_tokens}
        self._log.append({"data": data} | row | {"seconds": round(time.perf_counter() - began, 6)})
        self._catch_up()
        return _told(self._known[data])

    def _catch_up(self) -> None:
        for row in self._log.added():
            before = self._known.get(row["data"])
            if before is None or before["outcome"] != ANSWERED:
                self._known[row["data"]] = row
            self.spent[0] += row["prompt_tokens"]
            self.spent[1] += row["answer_tokens"]


def _told(row: dict[str, Any]) -> Reply:
    if row["outcome"] != ANSWERED:
        raise Unanswered(row["outcome"], row["text"], row["prompt_tokens"], row["answer_tokens"])
    return to_reply(row)


def outcomes(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(first line, a row an outcome): what the calls of a transcript brought, the most frequent first."""
    log = CallLog(path)
    rows: dict[str, dict[str, Any]] = {}
    for call in log.added():
        outcome = "repaired" if call.get("repaired") else call["outcome"]
        row = rows.setdefault(
            outcome, {"outcome": outcome, "calls": 0, "prompt_tokens": 0, "answer_tokens": 0, "seconds": 0.0}
        )
        row["calls"] += 1
        for name in ("prompt_tokens", "answer_tokens", "seconds"):
            row[name] = round(row[name] + call[name], 6)
    return log.header, sorted(rows.values(), key=lambda row: -int(row["calls"]))
