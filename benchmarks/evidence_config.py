"""The settings of the evidence about CMM: one TOML file holds all that its numbers depend on."""

import hashlib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lobarena.agents.distill.cooperation import Shares
from lobarena.agents.distill.design import Design
from lobarena.agents.distill.lessons import Draw
from lobarena.agents.distill.mixture import Gate
from lobarena.agents.distill.student import Size
from lobarena.agents.distill.training import Schedule
from lobarena.benchmarks.config import ConfigError
from lobarena.benchmarks.distilling import CMM, Plan, methods

CONFIGS = Path(__file__).parent / "configs"
ABLATIONS: dict[str, dict[str, dict[str, Any]]] = {  # changes of the design and of the shares
    "axes design": {"design": {"kind": "axes"}},
    "without the layer axis": {"design": {"groups": 1}},
    "without the task axis": {"design": {"by_task": False}},
    "without the data axis": {"design": {"stretches": 1}},
    "random directions": {"design": {"random": True}},
    "equal weights": {"design": {"equal": True}},
    "without features": {"shares": {"alpha": 0.0}},
    "without orthogonality": {"shares": {"beta": 0.0}},
    "without reconstruction": {"shares": {"eta": 0.0}},
    "without the teacher's forecasts": {"shares": {"soft": 0.0}},
}


class Group(BaseModel):
    """Contracts that are learnt from together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    data: str = Field(description='folder of a catalogue, or "training", the made-up days')
    contracts: tuple[str, ...] = ()
    train_days: int = Field(10**6, ge=1)
    teacher: str = Field(description="file of lobarena teach")
    share: float = Field(
        0.3, gt=0, le=1, description="of the learning looks that the teacher is heard on and all learn"
    )
    episodes: int = Field(18, ge=1, description="at most, of the test part of a contract")


class Evidence(BaseModel):
    """What is compared, and with what budget."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: tuple[Group, ...] = Field(min_length=1)
    model: str = Field("", description="the teachers' language model; that of `lobarena llm fetch` if not given")
    seeds: tuple[int, ...] = Field((0, 1, 2, 3, 4), min_length=1)
    methods: tuple[str, ...] = Field((CMM, "none", "kd"), min_length=1)
    ablations: tuple[str, ...] = ()
    ablation_seeds: tuple[int, ...] = (0, 1)
    gates: tuple[str, ...] = Field((), description="other gates over CMM's students")
    agents: tuple[str, ...] = Field((), description="of the table, played over the same episodes as they come")
    students: int = Field(18, ge=3, description="K, whose size together every method has")
    width: int = Field(8, ge=1)
    blocks: int = Field(2, ge=1)
    bins: int = Field(8, ge=2)
    layers: int = Field(3, ge=1, description="of the teacher, evenly spread")
    rank: int = Field(16, ge=1)
    prune: float = Field(0.1, ge=0, lt=1)
    steps: int = Field(400, ge=1)
    every: int = Field(100, ge=1)
    chunks: int = Field(8, ge=1, description="of 128 looks, a step")
    gate_steps: int = Field(200, ge=1)
    minutes: float = Field(5.0, gt=0, description="of an episode")
    validation_episodes: int = Field(6, ge=1, description="of a contract; rules are chosen on them")
    rules: int = Field(12, ge=1, description="tried for every trained forecaster and contract, the default among them")

    @field_validator("seeds", "ablation_seeds", "methods", "ablations", "gates")
    @classmethod
    def _no_twins(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) != len(values):
            raise ValueError("names something twice")
        return values

    @field_validator("methods")
    @classmethod
    def _known(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return _all_of("method", values, methods())

    @field_validator("ablations")
    @classmethod
    def _ablations(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return _all_of("ablation", values, list(ABLATIONS))

    @field_validator("gates")
    @classmethod
    def _gates(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return _all_of("gate", values, ["average", "learned", "empirical", "naive", "backfitted"])

    def only(self, names: Sequence[str]) -> Self:
        """The same settings with these groups alone; ConfigError for a name that none has."""
        known = [group.name for group in self.groups]
        try:
            chosen = _all_of("group", tuple(names), known)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        return self.model_copy(update={"groups": tuple(one for one in self.groups if one.name in chosen)})

    def plan(self, method: str, seed: int) -> Plan:
        """What a method, or an ablation of CMM, is trained by."""
        changes = ABLATIONS.get(method, {})
        name = CMM if method in ABLATIONS else method
        size = Size(self.students, self.width, self.blocks, 0 if name == CMM else self.bins)
        design = Design(groups=min(3, self.layers), rank=self.rank, prune=self.prune)
        return Plan(
            method=name,
            size=size,
            design=replace(design, **changes.get("design", {})),
            shares=replace(Shares(), **changes.get("shares", {})),
            gate=Gate(steps=self.gate_steps, every=min(50, self.gate_steps), seed=seed),
            schedule=Schedule(steps=self.steps, every=self.every, seed=seed, draw=Draw(self.chunks)),
        )

    def units(self, once: tuple[str, ...]) -> list[tuple[int, str]]:
        """(seed, name) in the order of their computation: a run that is stopped early has whole seeds.

        once : what no seed changes, beside `agents`
        """
        found: list[tuple[int, str]] = []
        for place, seed in enumerate(self.seeds):
            found += [(seed, name) for name in (*self.methods, *((*once, *self.agents) if place == 0 else ()))]
            found += [(seed, name) for name in self.ablations if seed in self.ablation_seeds]
        return found

    def digest(self) -> str:
        """SHA-256 of every setting but where files lie: of days and teachers the results keep what is in them."""
        told = self.model_dump(mode="json", exclude={"model": True, "groups": {"__all__": {"data", "teacher"}}})
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def evidence(path: Path) -> Evidence:
    """The settings of a file; ConfigError names what to change."""
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not a readable TOML file ({error})") from error
    for key in found:
        if key not in Evidence.model_fields:
            near = get_close_matches(key, Evidence.model_fields, 1, 0.0)[0]
            raise ConfigError(f"{path}: unknown setting {key!r}; did you mean {near!r}?")
    try:
        return Evidence(**found)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigError(f"{path}: {said}") from error


def _all_of(what: str, values: tuple[str, ...], known: list[str]) -> tuple[str, ...]:
    for value in values:
        if value not in known:
            near = get_close_matches(value, known, 1, 0.0)[0]
            raise ValueError(f"no {what} {value!r}; did you mean {near!r}? There are {', '.join(known)}")
    return values
