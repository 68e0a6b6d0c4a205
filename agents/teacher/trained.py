"""A trained teacher on disk: what was learnt and what it belongs to; the language model itself stays where it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, Field, ValidationError

from lobarena.agents.teacher.backbone import backbone
from lobarena.agents.teacher.base import Base
from lobarena.agents.teacher.network import Teacher
from lobarena.agents.teacher.training import load_learnt
from lobarena.agents.weight_file import WeightsError, read_arrays
from lobarena.agents.windows.numbers import COUNT, NAMES

_LARGEST = 256 << 20  # bytes; low-rank additions of every layer of a large model


@dataclass(frozen=True)
class Build:
    """What a teacher is made of."""

    model: str  # SHA-256 of the language model's weights
    layers: int
    weights: str = "pretrained"
    lora: int = 0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Trained:
    """A teacher that forecasts."""

    teacher: Teacher
    base: Base
    contracts: tuple[str, ...]  # that have a line of their own

    def place(self, symbol: str) -> int:
        """Which line a contract has."""
        return 1 + self.contracts.index(symbol) if symbol in self.contracts else 0

    def forecast(self, symbol: str, numbers: np.ndarray, correction: np.ndarray) -> np.ndarray:
        """Of one contract: (n, COUNT) numbers and (n, 3) corrections -> (n, 3) in units of the contract."""
        return self.base.corrected(numbers, self.place(symbol), correction)


def make(build: Build, model: Path, shift: np.ndarray, scale: np.ndarray) -> Teacher:
    """A teacher before its training; WeightsError when the model at the path is another one."""
    from lobarena.agents.llm.local import digest

    if (found := digest(model)) != build.model:
        raise WeightsError(
            f"the teacher belongs to a model with SHA-256 {build.model[:12]}, {model} has {found[:12]}; "
            "give model= that one, or train another teacher: lobarena teach"
        )
    torch.manual_seed(build.seed)  # what is new is drawn from it
    return Teacher(backbone(model, build.layers, build.weights, build.seed), shift, scale, build.lora)


@lru_cache(maxsize=2)
def trained(path: Path, model: Path) -> Trained:
    """The teacher of a file of `lobarena teach`; WeightsError when it is damaged, or of another version or model."""
    arrays, about = read_arrays(path, _LARGEST)
    settings = _settings(path, about)
    build = Build(**settings.build.model_dump())
    if any(arrays[name].shape != (COUNT,) if name in arrays else True for name in ("shift", "scale")):
        raise WeightsError(f"{path} was trained on other numbers; train again, lobarena teach")
    teacher = make(build, model, arrays["shift"], arrays["scale"])
    base = Base.from_arrays(arrays, settings.contracts)
    load_learnt(teacher, {name: array for name, array in arrays.items() if not name.startswith("base.")})
    teacher.train(mode=False)
    return Trained(teacher, base, tuple(settings.contracts))


class _Build(BaseModel, strict=True, extra="forbid"):
    model: str
    layers: int = Field(ge=0, le=1_000)
    weights: Literal["pretrained", "random"]
    lora: int = Field(ge=0, le=256)
    seed: int = Field(ge=0)


class _Settings(BaseModel, strict=True):
    build: _Build
    names: list[str]
    contracts: list[str] = Field(max_length=10_000)


def _settings(path: Path, about: Mapping[str, Any]) -> _Settings:
    try:
        settings = _Settings.model_validate(about.get("settings"))
    except ValidationError as error:
        raise WeightsError(f"{path} is no teacher of this version ({error.errors()[0]['msg']}); train again") from error
    if settings.names != list(NAMES):
        raise WeightsError(f"{path} was trained on other numbers of a look; train again, lobarena teach")
    return settings
