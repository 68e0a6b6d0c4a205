"""What a model is asked for and what it may say: three integers in bounds, or nothing.

An answer is the JSON object {"move": M, "spread": S, "volume": V}. Whatever else comes back is no answer.
"""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from lobarena.agents.forecast import Forecast

FIELDS = {  # name: lowest, highest
    "move": (-40, 40),  # of the mid, half ticks
    "spread": (1, 100),  # ticks
    "volume": (0, 99_999),  # lots
}
UNSURE = 0.5  # confidence of an answer whose source tells no probabilities
LONGEST = 500  # characters of an answer that is read at all
ANSWER_TOKENS = 40  # no answer needs more
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,8})")  # ASCII digits alone: int() would take those of any script

# Why there is no answer, as transcripts and counts name it.
KINDS = ("unreachable", "time-out", "busy", "server error", "refused", "unreadable", "too long", "budget")

Messages = tuple[tuple[str, str], ...]  # (role, text)


class LlmError(ValueError):
    """Settings, a model or a transcript that cannot be used; the text names the fix."""


class Unanswered(Exception):  # noqa: N818 - an outcome that markets bring, not a fault
    """A call that brought no answer."""

    def __init__(self, kind: str, text: str = "", prompt_tokens: int = 0, answer_tokens: int = 0) -> None:
        assert kind in KINDS
        super().__init__(f"{kind}: {text}" if text else kind)
        self.kind, self.text = kind, text
        self.prompt_tokens, self.answer_tokens = prompt_tokens, answer_tokens


@dataclass(frozen=True, slots=True)
class Answer:
    """Three integers inside FIELDS."""

    move: int
    spread: int
    volume: int

    def forecast(self, confidence: float) -> Forecast:
        """The answer in ticks and lots."""
        return Forecast(self.move / 2, float(self.spread), float(self.volume), confidence)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and what it took."""

    answer: Answer
    confidence: float = UNSURE
    prompt_tokens: int = 0
    answer_tokens: int = 0
    cached_tokens: int = 0  # of the prompt, read before and not again
    repaired: bool = False  # the first try could not be read


class Source(Protocol):
    """Whoever answers."""

    identity: str  # what answers, such that equal identities and prompts give equal answers; no secrets

    def ask(self, messages: Messages, timeout_s: float) -> Reply:
        """The answer to a prompt; Unanswered when there is none in time."""


def read(text: str) -> Answer:
    """The answer in a text; ValueError says what is wrong with it."""
    if len(text) > LONGEST:
        raise ValueError(f"it has more than {LONGEST} characters")
    try:
        found = json.loads(text, parse_int=_whole, parse_float=_whole, parse_constant=_whole, object_pairs_hook=_pairs)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(found, dict) or set(found) != set(FIELDS):
        raise ValueError(f"it is no JSON object of {', '.join(FIELDS)} alone")
    for name, (low, high) in FIELDS.items():
        value = found[name]
        if type(value) is not int:
            raise ValueError(f"{name} is no whole number")
        if not low <= value <= high:
            raise ValueError(f"{name} is {value}, not between {low} and {high}")
    return Answer(**found)


def write(answer: Answer) -> str:
    """The answer as `read` and the grammar take it."""
    return json.dumps(asdict(answer))


def schema() -> dict[str, Any]:
    """JSON schema of an answer."""
    numbers = {name: {"type": "integer", "minimum": low, "maximum": high} for name, (low, high) in FIELDS.items()}
    return {"type": "object", "properties": numbers, "required": list(FIELDS), "additionalProperties": False}


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text[:20]} is no whole number in bounds")
    return int(text)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands in it twice")
    return dict(pairs)
