"""The settings of a tournament: defaults here, a TOML file over them, options of the command over that."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lobarena.benchmarks import latency_mode

Track = Literal["solo", "arena"]
QUOTERS = ("foic", "liic", "ltiic", "avellaneda-stoikov", "glft", "random", "idle")
DEFAULT_AGENTS = (*QUOTERS, "rl-ds", "drl-os", "ppo", "llm-recorded", "student", "cmm")


class ConfigError(ValueError):
    """A setting that does not exist or makes no sense; the message names the nearest valid one."""


class Config(BaseModel):
    """Everything that a tournament's numbers depend on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(0, ge=0, description="seed of every random stream")
    tracks: tuple[Track, ...] = Field(("solo", "arena"), min_length=1, description="solo, arena or both")
    agents: tuple[str, ...] = Field(
        DEFAULT_AGENTS, min_length=1, description='names, "foic:N=1,M=2", or "foic@zero" with a latency mode of its own'
    )
    data: str = Field(
        "synthetic", description='"synthetic" (embedded days), "crowd" or "crowd:FIT" (docs/crowd.md), or a catalogue'
    )
    contracts: tuple[str, ...] = Field((), description="only these contracts of the data; all when empty")
    days: tuple[str, ...] = Field((), description="only these trading days, YYYYMMDD; all when empty")
    train_days: int = Field(1, ge=0, description="first days of each contract, for fitting only")
    train_share: float = Field(0.3, gt=0, lt=1, description="of a contract's only day, for fitting only")
    embargo_s: float = Field(60.0, ge=0, description="s between what is fitted on and what is played")
    episode_minutes: float = Field(30.0, gt=0, le=1440, description="length of an episode")
    episodes_per_day: int = Field(2, ge=0, description="at most so many a day, spread over it; 0 plays all")
    rotations: int = Field(2, ge=1, description="seatings of the arena in each episode")
    order_size: int = Field(1, ge=1, description="lots of a normal quote")
    position_limit: int = Field(20, ge=1, description="lots, either way")
    largest_order: int = Field(1_000, ge=1, description="lots")
    message_limit: int = Field(1_000_000, ge=1, description="orders, amendments and cancels an episode")
    capital: float = Field(1e7, gt=0, description="currency a seat")
    decision_latency: str = Field(
        "constant", description=f"how thinking time is charged: {', '.join(latency_mode.KINDS)}"
    )
    latency_sweep: tuple[str, ...] = Field((), description="solo also with each of these for everyone: 0,10ms,1s")
    decision_us: float = Field(1_000.0, ge=0, description="us; the constant, or the median of the distribution")
    decision_spread: float = Field(0.5, ge=0, le=5, description="sd of the log of the distribution")
    recorded_from: str = Field("", description="results folder whose latencies `recorded` replays")
    deadline_ms: float = Field(1_000.0, gt=0, description="wall clock; a later decision is no new quotes")
    deadlines: int = Field(5, ge=1, description="missed deadlines that end an agent's episode")
    feed_ms: float = Field(5.0, ge=0, description="venue to seat")
    order_ms: float = Field(5.0, ge=0, description="seat to venue")
    report_ms: float = Field(5.0, ge=0, description="venue back to seat")
    network_spread: float = Field(0.0, ge=0, le=5, description="sd of the log of the network latencies")
    every_ms: float = Field(0.0, ge=0, description="ms between looks; 0 decides at each update")
    fills: Literal["point", "band"] = Field("point", description="band: also under both ends of queue and impact")
    cancel_model: Literal["back", "pro rata", "power", "front"] = Field("pro rata", description="whose order left")
    power: int = Field(2, ge=1, le=16, description='exponent of the cancel model "power"')
    impact: Literal["restore", "decay", "keep"] = Field("decay", description="how long taken liquidity stays away")
    half_life_s: float = Field(5.0, gt=0, description='half-life of the impact rule "decay"')
    protection: int = Field(20, ge=0, description="ticks beyond the touch that a market order may reach")
    curve_ms: int = Field(1_000, ge=1, description="time grid of curves and inventory metrics")

    @field_validator("tracks", "agents", "contracts", "days")
    @classmethod
    def _no_twins(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(values)) != len(values):
            raise ValueError("names something twice")
        return values

    @field_validator("days")
    @classmethod
    def _are_days(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if len(value) != 8 or not value.isdigit():
                raise ValueError(f"{value!r} is not a day; write YYYYMMDD")
        return values

    @field_validator("agents")
    @classmethod
    def _have_modes(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            latency_mode.split(value)
        return values

    @field_validator("decision_latency")
    @classmethod
    def _is_a_mode(cls, value: str) -> str:
        return str(latency_mode.parse(value))

    @field_validator("latency_sweep")
    @classmethod
    def _are_durations(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        """From 0, which all others are compared with, to the longest."""
        found = {latency_mode.duration(value) for value in values}
        return tuple(latency_mode.written(ns) for ns in sorted(found | {0})) if found else ()

    @field_validator("recorded_from")
    @classmethod
    def _safe(cls, value: str) -> str:
        return value.strip()


Settings = TypeVar("Settings", bound=Config)


@overload
def settings(path: str | Path | None = None, options: Mapping[str, Any] | None = None) -> Config: ...


@overload
def settings(path: str | Path | None, options: Mapping[str, Any] | None, kind: type[Settings]) -> Settings: ...


def settings(
    path: str | Path | None = None, options: Mapping[str, Any] | None = None, kind: type[Config] = Config
) -> Config:
    """Defaults, the TOML file at `path` over them, `options` that are not None over both; ConfigError names the fix."""
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(Path(path).read_text("utf-8"))
        except FileNotFoundError as error:
            raise ConfigError(f"{path}: no such settings file") from error
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: not a readable TOML file ({error})") from error
    values |= {key: value for key, value in (options or {}).items() if value is not None}
    where = f"{path}: " if path is not None else ""
    for key in values:
        if key not in kind.model_fields:
            near = get_close_matches(key, kind.model_fields, 1, 0.0)[0]
            raise ConfigError(f"{where}unknown setting {key!r}; did you mean {near!r}?")
    try:
        config = kind(**values)
    except ValidationError as error:
        raise ConfigError(where + "; ".join(_explain(fault) for fault in error.errors())) from error
    if not config.recorded_from and any(mode_of(config, label).kind == "recorded" for label in config.agents):
        raise ConfigError(f"{where}a latency mode is 'recorded'; give recorded_from, the folder of the run to replay")
    return config


def mode_of(config: Config, label: str) -> latency_mode.Mode:
    """How the thinking time of an agent is charged: its own mode, else that of the settings."""
    return latency_mode.split(label)[1] or latency_mode.parse(config.decision_latency)


def _explain(fault: Any) -> str:
    name, value = str(fault["loc"][0]) if fault["loc"] else "settings", fault["input"]
    if fault["type"] == "literal_error" and isinstance(value, str):
        allowed = [part.strip().strip("'") for part in fault["ctx"]["expected"].replace(" or ", ", ").split(",")]
        near = get_close_matches(value, allowed, 1, 0.0)[0]
        return f"{name} is {value!r}; did you mean {near!r}? One of {', '.join(allowed)}"
    return f"{name} is {value!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"
