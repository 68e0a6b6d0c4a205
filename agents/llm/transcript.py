"""Every call written down, one JSON object a line, and played again without a model.

The first line says who answered and holds the fixed part of the prompt; each other line is one call: the data, the
answer or why there is none, tokens, seconds, and a digest of all that. The file belongs to any number of processes at
once. A prompt that was answered is never asked again, so a run that was stopped goes on without paying twice, and what
is played again is what was played.
"""

import fcntl
import hashlib
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lobarena.agents.llm.answer import ANSWER_TOKENS, KINDS, Answer, LlmError, Messages, Reply, Source, Unanswered

FORMAT = 1
ANSWERED = "answered"


class TranscriptError(LlmError):
    """A transcript that was altered, is another's, or lacks a call; the text names the fix."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What the calls of one transcript may take in all, runs that went on included; 0 is no bound."""

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
        self.path, self.source, self.budget = path, source, budget
        self.identity = source.identity if source else f"transcript {path.name}"
        self._fixed = [list(one) for one in fixed]
        self._known: dict[str, dict[str, Any]] = {}
        self._offset = self._line = 0
        self.spent = [0, 0]  # tokens of prompts, of answers
        if source and not path.exists():
            header = {"format": FORMAT, "source": source.identity, "prompt": prompt, "fixed": self._fixed}
            _create(path, json.dumps(header, ensure_ascii=True) + "\n")
        if not path.is_file():
            raise TranscriptError(f"{path}: no such transcript; record one with model= or endpoint= beside transcript=")
        self._read()
        if source and self.header["source"] != source.identity:
            raise TranscriptError(
                f"{path} was answered by {self.header['source']}, not {source.identity}; name a new file"
            )
        if self.header["fixed"] != self._fixed:
            raise TranscriptError(
                f"{path} was made with prompt {self.header['prompt']}, and not with {prompt} as it is here; give "
                f"prompt={self.header['prompt']} or name a new file"
            )

    def ask(self, messages: Messages) -> Reply:
        """The answer as recorded, else as the source gives it now; TranscriptError for a call nobody recorded."""
        assert [list(one) for one in messages[:-1]] == self._fixed
        data = messages[-1][1]
        self._read()
        found = self._known.get(data)
        if found and (found["outcome"] == ANSWERED or not self.source):
            return _reply(found)
        if not self.source:
            raise TranscriptError(
                f"{self.path}: no call with the data {data.splitlines()[-1]!r} as its last line; it was recorded on "
                "other days, seeds or settings, or lines were taken out: record it again"
            )
        began = time.perf_counter()
        try:
            longest = sum(len(text.encode()) for _, text in messages)  # no token is shorter than a byte
            if not self.budget.allows(self.spent[0] + longest, self.spent[1] + ANSWER_TOKENS):
                raise Unanswered("budget", f"{sum(self.spent)} tokens are spent")
            reply = self.source.ask(messages)
            row: dict[str, Any] = {"outcome": ANSWERED} | asdict(reply)
        except Unanswered as why:
            row = {"outcome": why.kind, "text": why.text}
            row |= {"prompt_tokens": why.prompt_tokens, "answer_tokens": why.answer_tokens}
        self._append({"data": data} | row | {"seconds": round(time.perf_counter() - began, 6)})
        self._read()
        return _reply(self._known[data])

    def _append(self, row: dict[str, Any]) -> None:
        line = json.dumps(row | {"digest": _digest(row)}, ensure_ascii=True, allow_nan=False).encode() + b"\n"
        with self.path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(_whole_lines(file))  # half a line is what a killed process left
            file.seek(0, os.SEEK_END)
            file.write(line)

    def _read(self) -> None:
        """Take in the lines that were added since, by whichever process."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            added = file.read()
        added = added[: added.rfind(b"\n") + 1]
        self._offset += len(added)
        for line in added.splitlines():
            self._line += 1
            row = self._parsed(line)
            if self._line == 1:
                self.header = row
                continue
            before = self._known.get(row["data"])
            if before is None or before["outcome"] != ANSWERED:  # the first answer stands, for every process
                self._known[row["data"]] = row
            self.spent[0] += row["prompt_tokens"]
            self.spent[1] += row["answer_tokens"]
        if not self._line:
            raise TranscriptError(f"{self.path} is empty; remove it or name a new file")

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            return parse(line, first=self._line == 1)
        except (ValueError, KeyError, TypeError) as error:
            raise TranscriptError(
                f"{self.path}, line {self._line} was altered or is damaged ({error}); take the line out or record again"
            ) from error


def parse(line: bytes, first: bool) -> dict[str, Any]:
    """One line of a transcript; ValueError, KeyError or TypeError when it is not as it was written."""
    row: dict[str, Any] = json.loads(line)
    if first:
        if row["format"] != FORMAT or not {"source", "prompt", "fixed"} <= set(row):
            raise ValueError(f"no transcript of format {FORMAT}")
        return row
    if row.pop("digest") != _digest(row):
        raise ValueError("its digest does not fit")
    if row["outcome"] == ANSWERED:
        _reply(row)
    elif row["outcome"] not in KINDS:
        raise ValueError(f"no outcome {row['outcome']!r}")
    return row


def _reply(row: dict[str, Any]) -> Reply:
    if row["outcome"] != ANSWERED:
        raise Unanswered(row["outcome"], row["text"], row["prompt_tokens"], row["answer_tokens"])
    numbers = (row["confidence"], row["prompt_tokens"], row["answer_tokens"], row["cached_tokens"], row["repaired"])
    return Reply(Answer(**row["answer"]), *numbers)


def _digest(row: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(row, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:32]


def _whole_lines(file: Any) -> int:
    """Bytes up to the last end of a line."""
    at = file.seek(0, os.SEEK_END)
    while at:
        begin = max(0, at - 4_096)
        file.seek(begin)
        found = file.read(at - begin).rfind(b"\n")
        if found >= 0:
            return int(begin + found + 1)
        at = begin
    return 0


def _create(path: Path, text: str) -> None:
    """Make a file whole or not at all; one that another process made meanwhile stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, suffix=".new") as new:
        new.write(text)
        new.flush()
        try:
            os.link(new.name, path)
        except FileExistsError:
            return
    path.chmod(0o644)
