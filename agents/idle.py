"""The market maker that never quotes: whatever it wins or loses is a fault of the arena."""

from dataclasses import dataclass
from typing import Any

from lobarena.agents.base import Context, Quotes


@dataclass
class Idle:
    """Never quotes."""

    def reset(self, context: Context) -> None:
        """Nothing to forget."""

    def act(self, observation: Any) -> Quotes | None:
        """No quotes."""
        return Quotes()
