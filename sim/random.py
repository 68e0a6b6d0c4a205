"""Random streams, one for each purpose: adding a consumer changes nobody else's numbers."""

from datetime import date
from zlib import crc32

import numpy as np


def stream(seed: int, *purpose: str | int | date) -> np.random.SeedSequence:
    """The seed sequence of a purpose, such as stream(7, "crowd", "RB1901", day)."""
    return np.random.SeedSequence(seed, spawn_key=[crc32(str(part).encode()) for part in purpose])


def generator(seed: int, *purpose: str | int | date) -> np.random.Generator:
    """A generator over `stream(seed, *purpose)`."""
    return np.random.Generator(np.random.PCG64(stream(seed, *purpose)))
