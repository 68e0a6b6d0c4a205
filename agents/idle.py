"""The market maker that never quotes: whatever it wins or loses is a fault of the arena."""

from dataclasses import dataclass
from typing import Any

from lobarena.agents.base import NO_QUOTES, Context, Quotes


@dataclass
class Idle:
    """Never quotes."""

    def reset(self, context: Context) -> None:
        """Nothing to forget."""

    def act(self, observation: Any) -> Quotes | None:
        """No quotes."""
        return NO_QUOTES
