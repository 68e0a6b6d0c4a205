"""lobarena: market makers of every kind compete in one limit order book, on replayed futures ticks."""

import sys

__version__ = "0.1.0"

if (
    "gymnasium" in sys.modules
):  # `import gymnasium, lobarena` registers the environment; a command line need not wait for it
    import lobarena.sim  # noqa: F401
