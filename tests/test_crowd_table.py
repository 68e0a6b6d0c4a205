"""The table of a crowd's facts: passive lots are counted, nearer ones are filled more often, ratios have intervals."""

import numpy as np
from crowd_made_up import DAY, FIT

from lobarena.benchmarks.crowd_days import halves, spans
from lobarena.benchmarks.crowd_facts import FACTS
from lobarena.benchmarks.crowd_passive import DISTANCES, fills_of
from lobarena.benchmarks.crowd_table import RESAMPLES, compared
from lobarena.benchmarks.stylised import windows_of
from lobarena.data.catalogue import write
from lobarena.sim.hawkes import day as living
from lobarena.sim.hawkes.record import recorded


def test_nearer_lots_are_filled_more_often_and_every_lot_is_short_or_long():
    made = recorded(living.living_feed(living.living_day(FIT, DAY, 0, 20)))
    windows = windows_of(made.snapshots)
    found = fills_of(made, spans(windows), 30.0)
    filled, placed = np.array([found[f"filled {d}"].sum(axis=0) for d in DISTANCES]).T
    assert (placed == placed[0]).all()
    assert placed[0] > 2 * 20 * len(windows)
    assert filled[0] > filled[1] >= filled[2]
    assert filled[0] <= placed[0]
    np.testing.assert_array_equal(found["filled short"] + found["filled long"], found["filled 0"])


def test_a_crowd_beside_days_of_its_own_has_ratios_about_one(tmp_path):
    write(tmp_path, recorded(living.living_feed(living.living_day(FIT, DAY, 7))))
    rows = {name: (real, made) for name, real, made in compared(halves(tmp_path, "RBLIVE"), FIT, 1)}
    assert list(rows) == list(FACTS)
    assert all(len(real) == len(made) == RESAMPLES + 1 for real, made in rows.values())
    for name in ("spread, mean, ticks", "lots at a best price, mean", "half seconds without a trade, share"):
        real, made = rows[name]
        assert 0.7 < made[0] / real[0] < 1.4
        assert real[1:].std() > 0
