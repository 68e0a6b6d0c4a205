"""Stored features as evidence: train before test, units of training days, every window beside its own future."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from days import random_recording

from lobarena.agents.teacher.store import Identity, Store, fill
from lobarena.benchmarks.probe_days import CUT, EMBARGO_S, Split, gather, head, split
from lobarena.data.catalogue import days, write
from lobarena.data.recording import DataError

pytestmark = pytest.mark.kernels
LAYERS = ("embedding", "layer 1")


def catalogue(folder: Path, count: int) -> list:
    for number in range(count):
        made = random_recording(number, rows=600)
        shots = made.snapshots.copy()
        shots["time"] += number * 86_400 * 10**9
        write(folder, replace(made, trading_day=date(2021, 1, 5) + timedelta(days=number), snapshots=shots))
    return days(folder)


def stored(folder: Path, part: Split) -> list[Store]:
    """States that tell the mid's move: the last layer exactly, the first one not at all."""
    made = []
    for number, day in enumerate(part.days):
        rows = np.flatnonzero(day.place >= 33)
        store = Store.create(folder / str(number), Identity("m", "p", day.digest, "", LAYERS, 3), rows, 64)

        def produce(looks, day=day):
            states = np.zeros((len(looks), 2, 3))
            states[:, 1, 1] = np.nan_to_num(day.scaled[looks, 0])
            states[:, 0, 0] = looks
            return {"last": states, "mean": states}

        fill(store, produce)
        made.append(store)
    return made


def test_of_several_days_the_last_is_the_test(tmp_path: Path):
    files = catalogue(tmp_path / "data", 3)
    part = split(files)
    made = gather([part], stored(tmp_path / "store", part), "last", {"model": "m"})
    evidence = made.evidence
    assert set(evidence.day[evidence.test].tolist()) == {20210107}
    assert set(evidence.day[evidence.train].tolist()) == {20210105, 20210106}
    for number, day in enumerate(part.days):
        own = made.number == number
        np.testing.assert_array_equal(evidence.time[own], day.time[made.look[own]])
        np.testing.assert_array_equal(evidence.targets[own], day.targets[made.look[own]])
        np.testing.assert_array_equal(evidence.hidden[:, 0][own, 0], made.look[own])
    assert evidence.source == {"model": "m"}


def test_units_know_nothing_of_the_test_day(tmp_path: Path):
    files = catalogue(tmp_path / "data", 3)
    before = split(files).days[0]
    other = random_recording(9, rows=300)
    shots = other.snapshots.copy()
    shots["time"] += 2 * 86_400 * 10**9
    write(tmp_path / "data", replace(other, trading_day=date(2021, 1, 7), snapshots=shots), overwrite=True)
    assert split(days(tmp_path / "data")).days[0].digest == before.digest


def test_a_single_day_is_cut_in_time_with_an_embargo(tmp_path: Path):
    part = split(catalogue(tmp_path / "data", 1))
    sessions = 2.5 * 3600 + 2 * 3600
    opened = 9 * 3600 + CUT * sessions + 1.5 * 3600  # the lunch break does not count
    assert (part.ends // 10**9) % 86_400 == opened
    assert part.begins - part.ends == EMBARGO_S * 1e9
    with pytest.raises(DataError, match="no row is in test"):  # the day is over after five minutes
        gather([part], stored(tmp_path / "store", part), "last", {})
    early = replace(part, ends=int(part.days[0].time[400]), begins=int(part.days[0].time[420]))
    evidence = gather([early], stored(tmp_path / "store", part), "last", {}).evidence
    assert evidence.time[evidence.train].max() <= early.ends - 5 * 10**9
    assert evidence.time[evidence.test].min() == early.begins


def test_the_head_reads_the_forecast_in_ticks(tmp_path: Path):
    part = split(catalogue(tmp_path / "data", 2))
    made = gather([part], stored(tmp_path / "store", part), "last", {})
    rows = np.flatnonzero(made.evidence.test)
    forecast = head(made)(made.evidence.hidden[rows, 1].astype(float), rows)
    np.testing.assert_allclose(forecast[:, 0], made.evidence.targets[rows, 0], atol=0.02)
    assert np.abs(forecast[:, 1] - made.evidence.targets[rows, 1]).max() < 5


def test_without_trading_before_the_test_the_contract_is_named(tmp_path: Path):
    made = random_recording(1, rows=3)
    write(tmp_path, replace(made, trading_day=date(2021, 1, 5), snapshots=made.snapshots[:1], rows_in=1))
    with pytest.raises(DataError, match="XX before its test: nothing was fitted"):
        split(days(tmp_path))
