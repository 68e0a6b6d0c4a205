"""The settings of an environment, and the days and episodes that they name."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.data.catalogue import DayFile, days, read_day
from lobarena.data.schema import MARK
from lobarena.data.sessions import session_times, weekday_before
from lobarena.sim.actions import kind_of
from lobarena.sim.blocks import DEFAULT, layout
from lobarena.sim.checkpoint import Checkpoint, checkpoints
from lobarena.sim.feed import Feed, feed_of
from lobarena.sim.market import Latency, Market, Rules, Seat
from lobarena.sim.rewards import Pnl, Reward, reward_of

EVER = (0, 2**62)
MOST_LOTS = 10**9
LEAST_NS = 2_000_000_000  # a session with less of it recorded is not played
_CURVE_MS = 10**9  # nobody reads the curve of an environment


@dataclass(frozen=True, slots=True)
class Settings:
    """What `gymnasium.make("lobarena/MarketMaking-v0", ...)` takes; the environment's docstring tells what it means."""

    data: str = "synthetic"
    contract: str | tuple[str, ...] = ""
    day: str = ""
    between: tuple[int, int] = EVER
    opponents: tuple[str, ...] = ()
    observation: tuple[str, ...] = DEFAULT
    history: int = 0
    normalise: bool = True
    action: str = "offsets"
    reward: Reward = field(default_factory=Pnl)
    episode_minutes: float = 30.0
    order_size: int = 1
    position_limit: int = 20
    decision_us: float = 1_000.0
    network_ms: float = 5.0
    every_ms: float = 0.0
    cancel_model: str = "pro rata"
    impact: str = "decay"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("contract", "opponents", "observation", "between"):  # lists from JSON are welcome
            value = getattr(self, name)
            if not isinstance(value, str | tuple):
                object.__setattr__(self, name, tuple(value))
            elif name in ("opponents", "observation") and isinstance(value, str):
                object.__setattr__(self, name, (value,))
        object.__setattr__(self, "reward", reward_of(self.reward))
        kind_of(self.action)
        layout(self.observation, self.history, self.normalise)
        for name in ("history", "order_size", "position_limit", "seed"):
            if not isinstance(getattr(self, name), int | np.integer):
                raise ValueError(f"{name} is {getattr(self, name)!r}; a whole number is wanted")
        numbers = (self.episode_minutes, self.decision_us, self.network_ms, self.every_ms)
        if not all(np.isfinite(number) and number >= 0 for number in numbers) or self.episode_minutes == 0:
            raise ValueError("episode_minutes is positive; decision_us, network_ms and every_ms are not negative")
        if self.order_size <= 0 or not self.order_size <= self.position_limit <= MOST_LOTS:
            raise ValueError(f"order_size is positive, position_limit at least as large and at most {MOST_LOTS:,} lots")
        if self.length < 1e9 + 2e6 * self.network_ms:
            raise ValueError("an episode lasts at least a second beyond the way of a message and back")
        if len(self.between) != 2 or self.between[0] >= self.between[1]:
            raise ValueError(f"between is {self.between}; give two moments, ns UTC, the earlier one first")
        self.rules()

    @property
    def length(self) -> int:
        """Of an episode, ns."""
        return round(self.episode_minutes * 60e9)

    @property
    def thinking_ns(self) -> int:
        """Charged for each decision."""
        return round(self.decision_us * 1e3)

    @property
    def kind(self) -> int:
        """The action as the kernels know it."""
        return kind_of(self.action)

    def rules(self) -> Rules:
        """Of the market."""
        return Rules(cancel_model=self.cancel_model, impact=self.impact, curve_ms=_CURVE_MS)

    def seat(self) -> Seat:
        """Of every learner and opponent."""
        latency = Latency(*(3 * [round(self.network_ms * 1e6)]))
        return Seat(
            latency=latency,
            every_ns=round(self.every_ms * 1e6),
            position_limit=self.position_limit,
            largest=max(1_000, self.order_size),
        )

    def files(self) -> list[DayFile]:
        """The days that fit, in order of contract and time; ValueError says what there is."""
        if self.data in ("synthetic", "training"):
            from lobarena.sim.synthetic import embedded_root, training_root

            root = (embedded_root if self.data == "synthetic" else training_root)(self.seed)
        elif self.data.partition(":")[0] == "crowd":
            from lobarena.sim.hawkes.days import crowd_root

            root = crowd_root(self.data, self.seed)
        else:
            root = Path(self.data)
        every = days(root)
        symbols = sorted({file.symbol for file in every})
        named = (self.contract,) if isinstance(self.contract, str) else self.contract
        wanted = symbols if named == ("all",) else [name.upper() for name in named if name] or symbols[:1]
        found = [f for f in every if f.symbol in wanted and self.day in ("", f"{f.trading_day:%Y%m%d}")]
        if not found or set(wanted) - {f.symbol for f in found}:
            raise ValueError(
                f"no day {self.day or 'at all'} of {', '.join(wanted) or 'any contract'} in {self.data}; "
                f"it holds {', '.join(symbols) or 'nothing'}"
            )
        return sorted(found, key=lambda f: (f.symbol, f.trading_day))

    def spans(self, day: "Day") -> list[tuple[int, int]]:
        """Of each session, what is recorded of it and lies between the two moments: (start, end) ns UTC."""
        found = []
        for first, last in day.sessions:
            start, end = max(first, self.between[0]), min(last, self.between[1])
            if end - start > LEAST_NS // 2:
                found.append((start, end))
        return found

    def whole(self, day: "Day") -> list[tuple[int, int]]:
        """Every whole episode of a day, one after the other; of a shorter session, all of it."""
        found = []
        for start, end in self.spans(day):
            count = max(1, (end - start) // self.length)
            found += [(start + k * self.length, min(start + (k + 1) * self.length, end)) for k in range(count)]
        return found


@dataclass(frozen=True, eq=False, slots=True)
class Day:
    """One day made ready for many environments; nothing of it changes."""

    feed: Feed
    sessions: tuple[tuple[int, int], ...]  # first look and last safe moment of each, ns UTC
    places: tuple[Checkpoint, ...]
    times: np.ndarray  # (n,) i8 ns UTC of the places
    venue: np.ndarray  # (1,) the venue at the day's beginning


@lru_cache(maxsize=128)
def day_of(file: DayFile, seed: int, rules: Rules, seats: tuple[Seat, ...]) -> Day:
    """A day of a catalogue; ValueError when nothing of its sessions is recorded."""
    return make_day(_feed(file, seed), rules, seats)


@lru_cache(maxsize=128)
def _feed(file: DayFile, seed: int) -> Feed:
    return feed_of(read_day(file), seed)


def make_day(feed: Feed, rules: Rules, seats: Sequence[Seat]) -> Day:
    """A feed with its checkpoints."""
    times = feed.events["time"][feed.events["kind"] == MARK]
    sessions = []
    for start, end in session_times(feed.contract, feed.day, weekday_before(feed.day)).tolist():
        looks = times[(times >= start) & (times < end)]  # a recording may hold a part of a session, or none of it
        if len(looks) > 1 and looks[-1] - looks[0] > LEAST_NS:
            sessions.append((int(looks[0]), int(looks[-1]) - 1_000_000_000))
    if not sessions:
        raise ValueError(f"{feed.contract.symbol} {feed.day} has no rows inside its sessions")
    market = Market(feed, rules)
    places = tuple(checkpoints(market))
    market.start(seats, *EVER)
    return Day(feed, tuple(sessions), places, np.array([p.time for p in places]), market.venue.copy())


def as_keywords(settings: Settings) -> dict[str, Any]:
    """The settings as keyword arguments of `gymnasium.make`."""
    return {name: getattr(settings, name) for name in Settings.__dataclass_fields__}
