"""Intervals: days of test drawn with replacement, the same draw for whatever is compared. Nothing is fitted again."""

from zlib import crc32

import numpy as np

RESAMPLES = 999
LEVEL = 0.95
ENOUGH_DAYS = 6  # below it an interval is too narrow to be relied on, and the page says so


def draws(days: int, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """(resamples, days) f8: how often each day was drawn."""
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(crc32(b"probe"), crc32(b"bootstrap"))))
    return generator.multinomial(days, np.full(days, 1 / days), size=resamples).astype(np.float64)


def interval(samples: np.ndarray, days: int) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the percentile interval over the first axis; NaN with a single day, which says nothing of others."""
    shape = samples.shape[1:]
    if days < 2:
        return np.full(shape, np.nan), np.full(shape, np.nan)
    known = np.where(np.isnan(samples).all(axis=0), 0.0, samples)  # nanquantile warns where nothing is known
    low, high = np.nanquantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
    empty = np.isnan(samples).all(axis=0)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)
