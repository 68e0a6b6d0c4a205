"""What a shock is: a start, a length, and `paint(scene)`. Its one number of size can be scaled."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

from lobarena.sim.shocks.scene import SECOND, Scene


@dataclass(frozen=True)
class Shock:
    """A shock; ValueError from its fields names the field and what it may be."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": False}
    sized: ClassVar[tuple[str, ...]] = ()  # fields that grow with the shock's size

    at_s: float = 120.0  # s after the seats have come in
    for_s: float = 60.0  # s that it lasts

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, int | float) and not isinstance(value, bool) and not math.isfinite(value):
                raise ValueError(f"{one.name} is {value}; give a finite number")
        if self.at_s < 0 or self.for_s < 0:
            raise ValueError(f"at_s is {self.at_s}, for_s is {self.for_s}; seconds are not negative")
        self.check()

    def check(self) -> None:
        """ValueError for fields that make no sense."""

    def require(self, true: bool, what: str) -> None:
        """ValueError with the fix, where a field is out of its range."""
        if not true:
            raise ValueError(what)

    def span(self, scene: Scene) -> tuple[int, int]:
        """Start and end, ns UTC, noted in the scene."""
        start = scene.begin(self.at_s)
        end = start + round(self.for_s * SECOND)
        scene.spans.append((start, end))
        return start, end

    def paint(self, scene: Scene) -> None:
        """Change the scene from the start on."""
        raise NotImplementedError

    def scaled(self, by: float) -> Self:
        """The same shock, `by` times as large."""
        return replace(self, **{name: _times(getattr(self, name), by) for name in self.sized})


def _times(value: Any, by: float) -> Any:
    return max(1, round(value * by)) if isinstance(value, int) else value * by
