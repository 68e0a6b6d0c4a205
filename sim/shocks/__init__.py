"""Shocks of a market: a window of any day is repainted before it is replayed, so that every fill is the engine's."""
