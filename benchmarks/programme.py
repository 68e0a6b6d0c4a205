"""The programme of a tournament: which days are fitted on, which episodes are played, who sits where.

Train and test are split by time with an embargo: the first days of a contract are for fitting only; of a contract
with a single day, its first part is. Every agent sees the same fitted numbers and the same market.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from lobarena.agents.table import AGENTS, make, parse
from lobarena.benchmarks.config import Config, ConfigError
from lobarena.benchmarks.fill_models import models
from lobarena.benchmarks.latency_mode import AS_SET, duration, split
from lobarena.benchmarks.match import Episode
from lobarena.data.catalogue import DayFile, days, read_day, rows_of
from lobarena.data.recording import EventRecording, Quarantine, Recording
from lobarena.data.schema import TRADING
from lobarena.data.sessions import session_times, weekday_before

LEAST_ROWS = 120  # snapshots; a window with fewer (a minute of the feed) is not played
_END_NS = 1_000_000_000  # an episode closes its positions this long before its session ends


@dataclass(frozen=True, slots=True)
class Field:
    """One contract of the programme: what is fitted on, what is played."""

    symbol: str
    train: tuple[DayFile, ...]
    cut: int  # ns UTC: of a single day, what is before is fitted on; 0 when whole days are
    test: tuple[DayFile, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """One episode to play and the labels in its seats, in seat order."""

    episode: Episode
    day: DayFile
    labels: tuple[str, ...]

    @property
    def name(self) -> str:
        """Unique within a run and the same in every run of one config."""
        e = self.episode
        place = f"{e.number}-{e.track}-{e.contract}-{e.day}-{e.segment}-{e.rotation}-{e.cancel_model}-{e.impact}"
        return f"{place}-{'+'.join(self.labels)}" + (f"-{e.sweep}ns" if e.sweep != AS_SET else "")


def entries(config: Config) -> dict[str, tuple[str, dict[str, object]]]:
    """Label -> (name, parameters) of the agents; ConfigError names the nearest known agent or parameter."""
    found = {}
    for spec in config.agents:
        try:
            found[spec] = name, parameters = parse(split(spec)[0])
            make(name, **parameters)
        except ValueError as error:  # such as a learner without weights
            raise ConfigError(f"agents: {error}") from error
        except Exception:  # an agent that breaks costs itself its episodes, and nobody else anything
            continue
    return found


def fields(config: Config, root: Path) -> list[Field]:
    """The contracts of a catalogue that the config asks for, each split into fitting and playing."""
    every = days(root)
    symbols = sorted({day.symbol for day in every})
    wanted: list[str] = [] if config.contracts else symbols
    for name in config.contracts:
        meant = [symbol for symbol in symbols if symbol == name.upper() or _product(symbol) == name.upper()]
        if not meant:
            raise ConfigError(f"no contract {name!r} in {root}; it holds {', '.join(symbols) or 'nothing'}")
        wanted += [symbol for symbol in meant if symbol not in wanted]
    chosen = []
    for symbol in wanted:
        mine = [
            day for day in every if day.symbol == symbol and (not config.days or _day(day.trading_day) in config.days)
        ]
        if not mine:
            raise ConfigError(f"no day of {symbol} in {root} is among days = {', '.join(config.days)}")
        count = min(config.train_days, len(mine) - 1)
        if count > 0 or config.train_days == 0:
            chosen.append(Field(symbol, tuple(mine[:count]), 0, tuple(mine[count:])))
        else:
            times = rows_of(read_day(mine[0]))["time"]
            cut = int(times[0] + config.train_share * (times[-1] - times[0]))
            chosen.append(Field(symbol, (mine[0],), cut, (mine[0],)))
    return chosen


def units(config: Config, programme: Sequence[Field]) -> list[Unit]:
    """Every episode of every track, in the order of the results; those of the latency sweep come last."""
    labels = tuple(config.agents)
    playings = [(*model, AS_SET) for model in models(config)]
    sweep = [(*models(config)[0], duration(text)) for text in config.latency_sweep]
    rotations = min(config.rotations, len(labels))
    turned = [labels[shift:] + labels[:shift] for shift in (k * len(labels) // rotations for k in range(rotations))]
    alone = [(0, (label,)) for label in labels]
    everything = [(track, alone if track == "solo" else list(enumerate(turned)), playings) for track in config.tracks]
    everything += [("solo", alone, sweep)] if sweep else []
    windows = [
        (day, *one) for field in programme for day in field.test for one in enumerate(_windows(config, field, day))
    ]
    found: list[Unit] = []
    for track, seatings, ways in everything:
        for day, segment, span in windows:
            for rotation, seated in seatings:
                for way in ways:  # one after the other: everything but the way is the same
                    number = int(_day(day.trading_day))
                    at = (track, day.exchange, day.symbol, number, segment, rotation, *span, *way)
                    found.append(Unit(Episode(len(found), *at), day, seated))
    if not found:
        raise ConfigError("no episode to play: every window has too few snapshots; choose other days or contracts")
    return found


def training(contract: Field) -> list[Recording | EventRecording]:
    """What a contract's agents may be fitted on."""
    found = []
    for day in contract.train:
        recording = read_day(day)
        if contract.cut:
            recording = clip(recording, contract.cut)
        found.append(recording)
    return found


def clip(recording: Recording | EventRecording, before: int) -> Recording | EventRecording:
    """The rows of a day before a moment (ns UTC), as if the record had ended there."""
    rows = rows_of(recording)
    rows = rows[rows["time"] < before]
    if isinstance(recording, EventRecording):
        return replace(recording, events=rows, findings=[])
    apart = Quarantine(recording.quarantine.rows[:0])
    return replace(recording, snapshots=rows, quarantine=apart, findings=[], source="", rows_in=len(rows))


def _windows(config: Config, contract: Field, day: DayFile) -> list[tuple[int, int]]:
    """Episodes of a day, ns UTC: equal parts of what is played of each session, spread over the day."""
    recording = read_day(day)
    rows = rows_of(recording)
    times = rows["time"][rows["kind"] == TRADING] if isinstance(recording, Recording) else rows["time"]
    if not len(times):
        return []
    earliest = contract.cut + int(config.embargo_s * 1e9) if contract.cut else 0
    length = int(config.episode_minutes * 60e9)
    found = []
    sessions = session_times(recording.contract, recording.trading_day, weekday_before(recording.trading_day))
    for start, end in sessions.tolist():
        first = max(start, int(times[0]), earliest)
        last = min(end, int(times[-1])) - _END_NS
        parts = max(1, round((last - first) / length))
        for part in range(parts if last > first else 0):
            opens, closes = first + part * (last - first) // parts, first + (part + 1) * (last - first) // parts
            if np.count_nonzero((times >= opens) & (times < closes)) >= LEAST_ROWS:
                found.append((opens, closes))
    if config.episodes_per_day and len(found) > config.episodes_per_day:
        keep = (np.arange(config.episodes_per_day) + 0.5) * len(found) / config.episodes_per_day
        found = [found[int(i)] for i in keep]
    return found


def _product(symbol: str) -> str:
    """ "RB" of RB1901 and of the synthetic RBSYN."""
    return symbol.removesuffix("SYN").rstrip("0123456789")


def _day(day: date) -> str:
    return f"{day:%Y%m%d}"


def describe_agents(config: Config) -> list[dict[str, object]]:
    """Rows for the manifest; a learner's holds the digest of its weights, so that others are another run."""
    rows: list[dict[str, object]] = []
    for label, (name, parameters) in entries(config).items():
        row: dict[str, object] = {"name": label, "class": AGENTS.get(name, name)}
        row["parameters"] = json.loads(json.dumps(parameters))
        try:
            digest = getattr(make(name, **parameters), "digest", None)
        except Exception:  # an agent that cannot be made fails its own episodes, not the run
            digest = None
        rows.append(row if digest is None else row | {"weights": digest})
    return rows
