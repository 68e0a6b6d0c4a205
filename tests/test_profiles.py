import numpy as np
import pytest

from lobarena.sim.profiles import PROFILES, REGIMES, Profile, Regime


def test_four_products_have_three_regimes_each():
    assert list(PROFILES) == ["FU", "RB", "CU", "AG"]
    assert all(len(profile.regimes) == len(REGIMES) == 3 for profile in PROFILES.values())


@pytest.mark.parametrize("code", PROFILES)
def test_wilder_regimes_move_more(code: str):
    calm, normal, wild = PROFILES[code].regimes
    assert calm.volatility < normal.volatility < wild.volatility


@pytest.mark.parametrize("code", PROFILES)
def test_excitement_dies_out(code: str):
    assert 0 < PROFILES[code].branching < 1


def test_rates_and_sizes_are_those_of_the_profile():
    regime = Regime(0.3, 10.0, 0.1, 180.0, 9.0, 2.0, 4.0, 0.1, 0.5)
    row = Profile(3_000, 0.4, 0.8, 0.5, 0.6, (regime, regime, regime)).rows()[0]
    assert row["excite"] == pytest.approx(0.4)
    drawn = np.random.default_rng(1).standard_exponential(200_000)
    assert (1 + (drawn * row["limit_size"]).astype(int)).mean() == pytest.approx(9, rel=0.01)
    assert (1 + (drawn * row["take_size"]).astype(int)).mean() == pytest.approx(4, rel=0.01)
    nearest = row["far"] * np.mean((drawn * row["reach"]).astype(int) == 0) / 2  # 1/s a side at two ticks
    assert nearest * 9 / 0.1 == pytest.approx(180, rel=0.02)  # inflow over cancel rate: what stands there
