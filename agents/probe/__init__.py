"""Normalized fluorescent probe: which layer of a model tells what of the market, and when (docs/probe.md)."""
