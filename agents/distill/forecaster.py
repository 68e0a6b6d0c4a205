"""Students on disk, alone or with the gate over them, and what they forecast look by look.

Torch is not needed: `fused` is equal to it to 1e-5."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from lobarena.agents.distill.fused import begin, foretell, foretell_all
from lobarena.agents.distill.packed import Packed, pack
from lobarena.agents.distill.quantise import widened
from lobarena.agents.teacher.base import Base
from lobarena.agents.weight_file import FORMAT, WeightsError, read_arrays, write
from lobarena.agents.windows.numbers import INSTANT, INSTANT_NAMES, NAMES

WEIGHTS = "student.safetensors"
REGIMES = 3


@dataclass(frozen=True, eq=False)
class Forecaster:
    """What a file of weights holds, checked."""

    students: Mapping[str, np.ndarray]
    gate: Mapping[str, np.ndarray]  # empty: the plain mean of the students
    about: "About"
    base: Base  # the lines of `about.contracts`, and how much of the students' correction counts

    @property
    def parameters(self) -> int:
        """Of all that a forecast of one contract is computed from."""
        drawn = {"shift", "scale", "tasks", "frequency", "mean", "bin_head"}
        drawn |= set() if self.about.form == "learned" else {"score"}
        own = sum(a.size for part in (self.students, self.gate) for name, a in part.items() if name not in drawn)
        return int(own + self.base.weight[0].size + 2 * self.base.bias[0].size)

    @property
    def flop(self) -> float:
        """Floating-point operations a look, to a few per cent: a multiply-add for each weight, and the embedding."""
        experts, features = self.about.size.students, 0
        if self.gate:
            features = self.gate["frequency"].size * 2 + self.gate["mean"].shape[2] * 6
        return float(2 * self.parameters + 2 * experts * features)

    @cached_property
    def packed(self) -> Packed:
        """As the kernel reads it."""
        return pack(self.students, self.gate, self.about.form, self.about.size)

    def forecast(self, numbers: np.ndarray, place: np.ndarray, symbol: str = "") -> np.ndarray:
        """Every look of a day in order: (n, COUNT) f4, (n,) i8 place in its row -> (n, 4) f8, NaN at place 0.

        Forecasts in units of the contract, and the confidence.
        """
        told = np.zeros((len(place), 4))
        foretell_all(np.ascontiguousarray(numbers), place, *self.follow(symbol).arrays, told)
        return told

    def place(self, symbol: str) -> int:
        """Which line a contract has; 0, that of all together, if it was not learnt from."""
        return 1 + self.about.contracts.index(symbol) if symbol in self.about.contracts else 0

    def line(self, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(3,) level and (3,) gain of the students' standardised forecasts, and the (COUNT, 3) line beside them."""
        base, about = self.base, self.about
        gain = (base.share * base.sd)[place].astype(np.float64)
        return base.bias[place] + gain * about.mean, gain * about.sd, base.weight[place].astype(np.float64)

    def follow(self, symbol: str = "") -> "Following":
        """A new market of a contract."""
        return Following(self, self.place(symbol))


class Following:
    """The forecasts of one forecaster about one market, by the kernel."""

    def __init__(self, forecaster: Forecaster, place: int = 0) -> None:
        """place : of the contract's line"""
        packed = forecaster.packed
        self._memory, self._told = np.zeros(packed.room, np.float32), np.zeros(4)
        scaling = np.concatenate([forecaster.about.cuts, *(part.reshape(-1) for part in forecaster.line(place))])
        self.arrays = packed.sizes, scaling, packed.weights, self._memory  # as `fused.foretell` has them

    def begin(self) -> None:
        """A new row of looks."""
        begin(self.arrays[0], self._memory)

    def read(self, numbers: np.ndarray) -> tuple[np.ndarray, float]:
        """The next look, (COUNT,) f4 -> forecast (3,) in units of the contract, confidence in 0 .. 1."""
        foretell(numbers, *self.arrays, self._told)
        return self._told[:3].copy(), float(self._told[3])


class StudentSize(BaseModel, strict=True, extra="forbid"):
    students: int = Field(ge=1, le=1_000)
    width: int = Field(ge=1, le=4_096)
    blocks: int = Field(ge=1, le=64)
    bins: int = Field(ge=0, le=1_000)


class About(BaseModel, strict=True, extra="forbid"):
    """What a file of weights says of itself."""

    format: Literal[1]
    method: str = Field(max_length=100)
    size: StudentSize
    form: Literal["", "regime", "empirical", "learned", "average"]  # of the gate; "" without one
    numbers: list[str]  # of a look, that the students read
    lines: list[str]  # likewise the lines
    mean: list[float] = Field(min_length=3, max_length=3)  # of what the lines leave over, in its standard deviations
    sd: list[float] = Field(min_length=3, max_length=3)
    cuts: list[float] = Field(min_length=REGIMES - 1, max_length=REGIMES - 1)  # of the volatility
    validation: dict[str, float] = {}
    data: str = ""  # digest of the days
    teacher: str = ""  # digest of the teacher's weights
    contracts: list[str] = Field(default=[], max_length=10_000)  # that have a line of their own
    command: str = ""
    rule: dict[Literal["gamma", "kappa_s", "kappa_c", "kappa_v"], float] = {}  # that it quotes by, where it was tuned


def store(
    path: Path, students: Mapping[str, np.ndarray], gate: Mapping[str, np.ndarray], about: About, base: Base
) -> Path:
    """Write a file of weights; the path."""
    arrays = {f"students.{name}": one for name, one in students.items()}
    arrays |= {f"gate.{name}": one for name, one in gate.items()}
    return write(path, arrays | base.arrays(), about.model_dump())


def with_rule(path: Path, rule: Mapping[str, float]) -> Path:
    """Write the file anew, to quote by this rule where an agent is given no other."""
    one = forecaster(path)
    about = About.model_validate(one.about.model_dump() | {"rule": dict(rule)})
    return store(path, one.students, one.gate, about, one.base)


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> Forecaster:
    arrays, told = read_arrays(path)
    try:
        about = About.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise WeightsError(
            f"{path} holds no students of this version ({where}: {first['msg']}); train again"
        ) from error
    if about.format != FORMAT or about.numbers != list(INSTANT_NAMES) or about.lines != list(NAMES):
        raise WeightsError(f"{path} was trained on other numbers of a look; train again, lobarena distill")
    if not np.isfinite([*about.mean, *about.sd, *about.cuts]).all() or min(about.sd) <= 0:
        raise WeightsError(f"{path}: its mean, sd and cuts are no finite units; train again, lobarena distill")
    if not all(np.isfinite(one) and one >= 0 for one in about.rule.values()):
        raise WeightsError(f"{path}: its rule is {about.rule}; numbers of a rule are 0 or more, lobarena llm tune")
    parts: dict[str, dict[str, np.ndarray]] = {"students": {}, "gate": {}, "base": {}}
    for name, array in arrays.items():
        part, _, own = name.partition(".")
        if part not in parts:
            raise WeightsError(f"{path}: an array {name!r} that no student has; train again, lobarena distill")
        parts[part][own] = array
    try:
        parts = {part: found if part == "base" else widened(found) for part, found in parts.items()}
    except ValueError as error:
        raise WeightsError(f"{path}: {error}; make it anew, lobarena export --int8") from error
    _check(path, "students", parts["students"], _student_shapes(about.size))
    if about.form not in ("", "average") and about.size.students < 3:
        raise WeightsError(f"{path}: a gate over {about.size.students} students; three or more can agree, train again")
    if about.form:
        _check(path, "gate", parts["gate"], _gate_shapes(parts["gate"], about.size))
    elif parts["gate"]:
        raise WeightsError(f"{path} holds a gate that it does not name; train again, lobarena distill")
    if (parts["students"]["scale"] <= 0).any():
        raise WeightsError(f"{path}: a scale of its numbers is not above zero; train again, lobarena distill")
    if about.form and not _forecast_all(parts["gate"]["tasks"]):
        raise WeightsError(f"{path}: its students do not forecast every target; train again, lobarena distill")
    try:
        base = Base.from_arrays(
            {name: one for name, one in arrays.items() if name.startswith("base.")}, about.contracts
        )
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}, lobarena distill") from error
    return Forecaster(parts["students"], parts["gate"], about, base)


def forecaster(path: str | Path) -> Forecaster:
    """The students of a file of `lobarena distill`; WeightsError when it is damaged or of another layout."""
    path = Path(path).expanduser()
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); train some, lobarena distill METHOD") from error
    return _read(path, changed)


def _forecast_all(tasks: np.ndarray) -> bool:
    return bool(np.isin(tasks, (0, 1)).all() and (tasks.sum(0) > 0).all())


def _student_shapes(size: StudentSize) -> dict[str, tuple[int, ...]]:
    k, h, inputs = size.students, size.width, INSTANT
    shapes: dict[str, tuple[int, ...]] = {"shift": (INSTANT,), "scale": (INSTANT,), "head": (k, h + 1, 3)}
    if size.bins:
        shapes["bin_head"] = (k, h + 1, 3 * size.bins)
    for block in range(size.blocks):
        shapes[f"enter.{block}"], shapes[f"leave.{block}"] = (k, inputs + 1, 2 * h), (k, inputs + h + 1, h)
        inputs = h
    return shapes


def _gate_shapes(found: Mapping[str, np.ndarray], size: StudentSize) -> dict[str, tuple[int, ...]]:
    """The gate's own sizes are read off `frequency` (R / 2, p); everything else must agree with them."""
    half, space = found["frequency"].shape if "frequency" in found and found["frequency"].ndim == 2 else (1, 1)
    k = size.students
    shapes: dict[str, tuple[int, ...]] = {"frequency": (half, space), "mean": (REGIMES, k, 2 * half), "tasks": (k, 3)}
    shapes |= {
        "space": (k, size.width + 3, space),
        "log_temperature": (),
        "prior": (REGIMES, k, 3),
        "score": (k, space),
    }
    return shapes


def _check(path: Path, part: str, found: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    if wrong := set(found) ^ set(shapes):
        raise WeightsError(f"{path}: its {part} lack or do not have {', '.join(sorted(wrong)[:3])}; train again")
    for name, shape in shapes.items():
        if found[name].shape != shape or found[name].dtype != np.float32:
            raise WeightsError(f"{path}: {part}.{name} is {found[name].dtype} {found[name].shape}, not float32 {shape}")
        if not np.isfinite(found[name]).all():
            raise WeightsError(f"{path}: {part}.{name} holds NaN or infinity; train again, lobarena distill")
