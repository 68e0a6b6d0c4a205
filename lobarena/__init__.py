"""lobarena: market makers of every kind compete in one limit order book, on replayed futures ticks."""

__version__ = "0.1.0"
