"""Prompts: versioned templates (`prompts/NAME.toml`) and the numbers of the book that stand in them.

A template is fixed text; what comes from the market is a table of whole numbers, a line a second. No text of the data
has a way into a prompt, so none can change the instructions.
"""

import tomllib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from numbers import Integral
from pathlib import Path
from typing import Any

from lobarena.agents.llm.answer import LlmError, Messages, read
from lobarena.agents.quoting import View

FOLDER = Path(__file__).parent / "prompts"
COLUMNS = ("move", "spread", "bid_size", "ask_size", "volume")
DEFAULT = "few-1"
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of a prompt."""

    name: str
    system: str
    columns: tuple[str, ...]  # of COLUMNS, in the order of a line
    seconds: int  # lines of data at most
    examples: tuple[tuple[str, str], ...] = ()  # (data, answer), fixed

    def messages(self, rows: Sequence[Sequence[int]]) -> Messages:
        """The prompt with its data. rows: (n, columns) whole numbers, oldest first; TypeError for anything else."""
        told = [part for data, answer in self.examples for part in (("user", data), ("assistant", answer))]
        return (("system", self.system), *told, ("user", "\n".join(self._line(row) for row in rows)))

    def _line(self, row: Sequence[int]) -> str:
        if len(row) != len(self.columns):
            raise TypeError(f"a line of prompt {self.name} has {len(self.columns)} numbers, not {len(row)}")
        for name, value in zip(self.columns, row, strict=True):
            if not isinstance(value, Integral) or isinstance(value, bool):
                raise TypeError(f"{name} is {value!r}; prompts take whole numbers only")
        return " ".join(str(int(value)) for value in row)


def names() -> list[str]:
    """The versions there are."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


@lru_cache
def load(name: str) -> Prompt:
    """A version by its name; LlmError lists those there are."""
    if name not in names():
        raise LlmError(f"no prompt {name!r}; there are {', '.join(names())}")
    told: dict[str, Any] = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    examples = tuple((one["user"], one["assistant"]) for one in told.pop("examples", ()))
    prompt = Prompt(name, told["system"], tuple(told["columns"]), told["seconds"], examples)
    assert set(prompt.columns) <= set(COLUMNS)
    assert all(read(answer) for _, answer in examples)
    return prompt


class Looks:
    """What an agent remembers of its past looks: the last one of each second, counted back from now."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._past: deque[tuple[int, dict[str, int]]] = deque()  # (ns UTC, state)

    def see(self, seen: View, volume: int) -> None:
        """Remember a look. volume: lots traded since the episode began."""
        state = {
            "mid2": seen.bid + seen.ask,
            "spread": seen.ask - seen.bid,
            "bid_size": seen.bid_size,
            "ask_size": seen.ask_size,
            "total": volume,
        }
        if self._past and seen.published <= self._past[-1][0]:
            self._past.pop()
        self._past.append((seen.published, state))
        oldest = seen.published - self._seconds * _SECOND
        while len(self._past) > 1 and self._past[1][0] <= oldest:
            self._past.popleft()

    def rows(self, columns: Sequence[str]) -> list[list[int]]:
        """(n, columns) lines, oldest first, n at most `seconds` and at least 1: each tells a second by how it ended."""
        now = self._past[-1][0]
        ends = []
        for back in range(self._seconds + 1):
            until = now - back * _SECOND
            state = next((state for time, state in reversed(self._past) if time <= until), None)
            if state is None:
                break
            ends.append(state)
        if len(ends) == 1:  # less than a second is known: it tells of itself alone
            ends.append(self._past[0][1])
        ends.reverse()
        lines = []
        for before, after in pairwise(ends):
            line = after | {"move": after["mid2"] - before["mid2"], "volume": after["total"] - before["total"]}
            lines.append([line[name] for name in columns])
        return lines
