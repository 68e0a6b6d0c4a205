from types import SimpleNamespace

import numpy as np
import pytest

from lobarena.agents.calibration import fit
from lobarena.data.schema import EVENT, MARK, SNAPSHOT, TAKE


def feed_with(k, intensity, seconds=40_000, seed=0):
    """A market at rest at 1000.5 where trades of each side reach d ticks at the rate A exp(-k d)."""
    rng = np.random.default_rng(seed)
    shots = np.zeros(2 * seconds, SNAPSHOT)
    shots["time"] = np.arange(2 * seconds) * 500_000_000 + 10**18
    shots["bid"][:, 0], shots["ask"][:, 0], shots["depth"] = 1_000, 1_001, 1
    shots["bid_size"][:, 0] = shots["ask_size"][:, 0] = 5
    shots["volume"] = np.arange(2 * seconds) * 3
    rows = []
    for number, time in enumerate(shots["time"].tolist()):
        rows.append((time, number, 0, 0, 0.0, MARK, 0))
        for side in (0, 1):
            # at least 0.5 ticks are reached at the rate A exp(-k / 2); how far beyond is geometric
            if rng.random() < 0.5 * intensity * np.exp(-k / 2):
                beyond = int(rng.exponential(1 / k))
                rows.append((time + 1, -1, 1_001 + beyond if side == 0 else 1_000 - beyond, 1, 0.0, TAKE, side))
    return SimpleNamespace(events=np.array(rows, EVENT), snapshots=shots)


def test_a_planted_decay_and_intensity_are_found():
    found = fit([feed_with(0.7, 0.6)])
    assert found["k"] == pytest.approx(0.7, rel=0.1)
    assert found["A"] == pytest.approx(0.6, rel=0.1)
    assert found["spread"] == 1.0
    assert found["volume"] == pytest.approx(6.0, rel=0.01)


def test_what_comes_after_the_training_days_is_no_part_of_it():
    first, second = feed_with(0.7, 0.6, 2_000), feed_with(2.0, 0.2, 2_000, 1)
    assert fit([first]) != fit([first, second])
    assert fit([first]) == fit([feed_with(0.7, 0.6, 2_000)])


def test_a_day_without_trades_or_rows_gives_something_usable_or_nothing():
    quiet = feed_with(0.7, 0.0, 500)
    found = fit([quiet])
    assert found["k"] > 0
    assert found["A"] > 0
    assert found["sigma"] > 0
    assert fit([]) == {}
    assert fit([SimpleNamespace(events=quiet.events[:0], snapshots=quiet.snapshots[:1])]) == {}
