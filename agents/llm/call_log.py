"""A file of calls: JSON lines that any number of processes read and append to at once.

The first line says who answered and holds the fixed part of the prompt. Each other line is one call: the data, the
answer or why there is none, tokens, seconds, and a digest of all that.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lobarena.agents.llm.answer import KINDS, Answer, LlmError, Reply

FORMAT = 1
ANSWERED = "answered"


class TranscriptError(LlmError):
    """A transcript that was altered, is another's, or lacks a call; the text names the fix."""


class CallLog:
    """The lines of one file, read once and then as they are added."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise TranscriptError(f"{path}: no such transcript; record one with model= or endpoint= beside transcript=")
        self.path = path
        with path.open("rb") as file:
            first = file.readline()
        self._offset, self._line = len(first), 1
        if not first.endswith(b"\n"):
            raise TranscriptError(f"{path} is no transcript, since it has no whole line; remove it or name a new file")
        self.header: dict[str, Any] = self._parsed(first)

    def added(self) -> Iterator[dict[str, Any]]:
        """The calls that were added since, by whichever process."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]  # half a line is what a killed process left
        self._offset += len(whole)
        for line in whole.splitlines():
            self._line += 1
            yield self._parsed(line)

    def append(self, row: dict[str, Any]) -> None:
        """Add a call; a half line at the end is written over."""
        import fcntl  # POSIX alone has it; reading works anywhere

        line = json.dumps(row | {"digest": _digest(row)}, ensure_ascii=True, allow_nan=False).encode() + b"\n"
        with self.path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(_whole_lines(file))
            file.seek(0, os.SEEK_END)
            file.write(line)

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            row: dict[str, Any] = json.loads(line)
            if self._line == 1:
                if row["format"] != FORMAT or not {"source", "prompt", "fixed"} <= set(row):
                    raise ValueError(f"no transcript of format {FORMAT}")
                return row
            if row.pop("digest") != _digest(row):
                raise ValueError("its digest does not fit")
            if row["outcome"] == ANSWERED:
                to_reply(row)
            elif row["outcome"] not in KINDS:
                raise ValueError(f"no outcome {row['outcome']!r}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TranscriptError(
                f"{self.path}, line {self._line} was altered or is damaged ({error}); take the line out or record again"
            ) from error
        return row


def create(path: Path, source: str, prompt: str, fixed: list[list[str]]) -> None:
    """Make a file whole or not at all; one that another process made meanwhile stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, suffix=".new") as new:
        header = {"format": FORMAT, "source": source, "prompt": prompt, "fixed": fixed}
        new.write(json.dumps(header, ensure_ascii=True) + "\n")
        new.flush()
        os.chmod(new.name, 0o644)
        try:
            os.link(new.name, path)
        except FileExistsError:
            return


def to_reply(row: dict[str, Any]) -> Reply:
    """The reply of a call that was answered."""
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
