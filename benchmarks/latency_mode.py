"""How thinking time is charged, as text: `constant:time=10ms`, `per-token:prefill=2000,decode=40`; and durations."""

import math
import re
from dataclasses import dataclass
from difflib import get_close_matches

KINDS = ("zero", "constant", "distribution", "measured", "recorded", "per-token")
AS_SET = -1  # in place of the ns of a latency sweep: an episode by the settings
DAY = 86_400_000_000_000  # ns; no episode is longer, so no decision needs to be
_PARAMETERS = {"constant": ("time",), "distribution": ("time", "spread"), "per-token": ("prefill", "decode")}
_UNITS = (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1))
_OWN = re.compile(rf"(.*)@((?:{'|'.join(KINDS)})(?::.*)?)")  # a mode behind an agent's parameters


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to charge; what is None comes from the settings, or is measured."""

    kind: str  # of KINDS
    time: int | None = None  # ns: the constant, or the median of the distribution
    spread: float | None = None  # sd of the log of the distribution
    prefill: float | None = None  # prompt tokens a second
    decode: float | None = None  # answer tokens a second

    def __str__(self) -> str:
        values = {"spread": self.spread, "prefill": self.prefill, "decode": self.decode}
        told = [] if self.time is None else [f"time={written(self.time)}"]
        told += [f"{name}={_shortest(value)}" for name, value in values.items() if value is not None]
        return self.kind + (":" + ",".join(told) if told else "")


def parse(text: str) -> Mode:
    """A mode; ValueError names the nearest kind or what a value should look like."""
    kind, _, rest = text.strip().partition(":")
    if kind not in KINDS:
        near = get_close_matches(kind, KINDS, 1, 0.0)[0]
        raise ValueError(f"no latency mode {kind!r}; did you mean {near!r}? One of {', '.join(KINDS)}")
    known = _PARAMETERS.get(kind, ())
    values: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in rest.split(","))):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign or name not in known:
            raise ValueError(
                f"latency mode {kind!r} takes {', '.join(f'{one}=' for one in known) or 'nothing'}, not {part!r}"
            )
        values[name] = duration(value) if name == "time" else _number(name, value)
    if kind == "per-token" and len(values) == 1:
        raise ValueError("per-token takes both rates, per-token:prefill=2000,decode=40, or none to have them measured")
    return Mode(kind, **values)  # type: ignore[arg-type]


def split(label: str) -> tuple[str, Mode | None]:
    """ "foic:N=1@constant:time=1s" -> ("foic:N=1", its mode); None for an agent without one of its own."""
    name, at, _ = label.partition(":")[0].partition("@")
    if at:
        return name, parse(label[len(name) + 1 :])
    own = _OWN.fullmatch(label)
    return (own[1], parse(own[2])) if own else (label, None)


def duration(text: str) -> int:
    """ "10ms" -> ns; ValueError for what has no unit, is negative, no number or longer than a day."""
    import pandas as pd

    fix = "write a number with its unit, such as 100us, 10ms, 1s or 2min"
    if text.strip() == "0":
        return 0
    try:
        if text.strip().lstrip("+-").replace(".", "", 1).isdecimal():
            raise ValueError("a number without a unit")
        found = pd.Timedelta(text).value
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no duration ({error}); {fix}") from None
    if not 0 <= found <= DAY:
        raise ValueError(f"{text!r} is no duration from 0 to a day; {fix}")
    return int(found)


def written(ns: int) -> str:
    """The shortest text that `duration` reads as `ns`."""
    return next((f"{ns // size}{unit}" for unit, size in _UNITS if ns and ns % size == 0), "0")


def _shortest(value: float) -> str:
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if name == "spread":
        if not 0 <= value <= 5:
            raise ValueError(f"spread is {text!r}; give the sd of the log, from 0 to 5")
    elif not 0 < value < math.inf:
        raise ValueError(f"{name} is {text!r}; give tokens a second, such as {name}=2000")
    return value
