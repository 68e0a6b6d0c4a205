"""Recorded markets: what a row means, how a file becomes rows, how a day is stored."""
