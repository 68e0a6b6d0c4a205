"""Episodes of extreme markets, each a TOML file: which documented event it imitates, its shocks, what still holds."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from lobarena.benchmarks.config import ConfigError
from lobarena.benchmarks.invariants import INVARIANTS
from lobarena.sim.shocks.cascade import MOST, Cascade
from lobarena.sim.shocks.kinds import KINDS
from lobarena.sim.shocks.scene import Scene
from lobarena.sim.shocks.shock import Shock

FOLDER = Path(__file__).parent / "episodes"
CALM = "calm"  # the same window with no shock at all
_Line = Annotated[str, Field(min_length=3, max_length=400)]


class Cited(BaseModel):
    """The documented event that an episode imitates."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event: _Line
    date: date
    venue: _Line
    source: _Line


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: _Line
    imitates: Cited
    holds: tuple[str, ...] = Field(min_length=1)
    shocks: tuple[dict[str, Any], ...] = Field(min_length=1, max_length=20)

    @field_validator("holds")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in INVARIANTS:
                near = get_close_matches(name, INVARIANTS, 1, 0.0)[0]
                raise ValueError(f"no invariant {name!r}; did you mean {near!r}? Known: {', '.join(INVARIANTS)}")
        return names


@dataclass(frozen=True, slots=True)
class Story:
    """One episode of the library: shocks in the order in which they are painted."""

    name: str
    title: str
    shocks: tuple[Shock, ...] = ()
    holds: tuple[str, ...] = tuple(INVARIANTS)
    imitates: Cited | None = None

    def scaled(self, by: float) -> Self:
        """The same episode with every shock `by` times as large."""
        return replace(self, shocks=tuple(shock.scaled(by) for shock in self.shocks))

    def paint(self, scene: Scene) -> Scene:
        """Paint every shock on a scene, in order; the scene."""
        for shock in self.shocks:
            shock.paint(scene)
        return scene

    @property
    def at_s(self) -> float:
        """s from the opening to the first shock."""
        return min((shock.at_s for shock in self.shocks), default=0.0)

    @property
    def until_s(self) -> float:
        """s from the opening to the end of the last shock."""
        return max((shock.at_s + _length(shock) for shock in self.shocks), default=0.0)


def _length(shock: Shock) -> float:
    points = getattr(shock, "points", ())
    return float(points[-1][0]) if points else shock.for_s


def library(names: Sequence[str] = ("all",), folder: Path = FOLDER) -> list[Story]:
    """The episodes of these names, in the order of the names; "all" is every file of the folder.

    A name may also be the path of a TOML file. ConfigError says what to change.
    """
    files = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    found: dict[str, Story] = {}
    for name in names:
        if name == "all":
            found |= {stem: read_story(path) for stem, path in files.items()}
        elif name in files:
            found[name] = read_story(files[name])
        elif name.endswith(".toml"):
            found[Path(name).stem] = read_story(Path(name))
        elif name == CALM:
            continue
        else:
            near = get_close_matches(name, files, 1, 0.0)
            raise ConfigError(
                f"episodes: no episode {name!r}; did you mean {near[0] if near else 'all'!r}? "
                f"Known: all, {', '.join(files)}, or a TOML file"
            )
    return list(found.values())


def read_story(path: Path) -> Story:
    """One file; ConfigError names the file, the key and the fix."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such episode file") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not a readable TOML file ({error})") from error
    return story_of(path.stem, content, str(path))


def story_of(name: str, content: Mapping[str, Any], where: str = "") -> Story:
    """An episode from the content of its file."""
    where = where or name
    try:
        file = _File.model_validate(dict(content))
    except ValidationError as error:
        raise ConfigError(f"{where}: {_told(error)}") from error
    shocks = tuple(_shock(one, f"{where}: shocks[{place}]") for place, one in enumerate(file.shocks))
    large = sum(len(shock.seats) for shock in shocks if isinstance(shock, Cascade))
    if large > MOST:
        raise ConfigError(f"{where}: {large} large seats in all; a market has room for {MOST}")
    return Story(name, file.title, shocks, file.holds, file.imitates)


def _shock(content: Mapping[str, Any], where: str) -> Shock:
    values = dict(content)
    kind = str(values.pop("kind", ""))
    if kind not in KINDS:
        near = get_close_matches(kind, KINDS, 1, 0.0)[0]
        raise ConfigError(f"{where}: kind is {kind!r}; did you mean {near!r}? Known: {', '.join(KINDS)}")
    made = KINDS[kind]
    known = set(made.__dataclass_fields__)
    for key in values:
        if key not in known:
            near = get_close_matches(key, known, 1, 0.0)[0]
            raise ConfigError(f"{where}: a {kind} has no {key!r}; did you mean {near!r}?")
    try:
        return TypeAdapter(made).validate_python(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_told(error)}") from error


def _told(error: ValidationError) -> str:
    faults = []
    for fault in error.errors():
        name = ".".join(str(part) for part in fault["loc"])
        faults.append(f"{name + ': ' if name else ''}{fault['msg'].removeprefix('Value error, ')}")
    return "; ".join(faults)
