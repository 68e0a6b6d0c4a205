"""Settings that mean nothing are refused with the fix; days of every kind can be played."""

import copy
import pickle
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from days import random_recording, recording, shot
from naive_env import play_both
from test_checkpoint import level_record

import lobarena.sim  # noqa: F401 - registers the environment
from lobarena.data.catalogue import write
from lobarena.sim.batch import Batch
from lobarena.sim.settings import Settings
from lobarena.sim.types import LARGE

NAME = "lobarena/MarketMaking-v0"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"observation": ("levles",)}, "did you mean 'levels'"),
        ({"history": 3}, "history is 3 looks; give the block 'history window'"),
        ({"observation": ("history window",)}, "history is 0 looks; give"),
        ({"action": "ofsets"}, "no action 'ofsets'; did you mean 'offsets'"),
        ({"reward": "hybird"}, "no reward 'hybird'; did you mean 'hybrid'"),
        ({"contract": "RBX"}, "no day at all of RBX in synthetic; it holds AGSYN, CUSYN, FUSYN, RBSYN"),
        ({"contract": ("RBSYN", "ZZ")}, "of RBSYN, ZZ in synthetic; it holds"),
        ({"day": "20200101"}, "no day 20200101 of AGSYN"),
        ({"between": (5, 0)}, "give two moments, ns UTC, the earlier one first"),
        ({"between": (5,)}, "give two moments, ns UTC"),
        ({"order_size": 0}, "order_size is positive, position_limit at least as large"),
        ({"order_size": 5, "position_limit": 4}, "order_size is positive, position_limit at least as large"),
        ({"episode_minutes": 0}, "episode_minutes is positive"),
        ({"episode_minutes": float("nan")}, "episode_minutes is positive"),
        ({"network_ms": -1}, "are not negative"),
        ({"decision_us": float("inf")}, "are not negative"),
        ({"cancel_model": "middle"}, "choose one of back, pro rata, power, front"),
        ({"impact": "none"}, "choose one of restore, decay, keep"),
        ({"opponents": ("foic",) * 16}, "17 seats asked for, a market has at most 16"),
    ],
)
def test_settings_that_mean_nothing_are_refused_with_the_fix(settings, message):
    with pytest.raises(ValueError, match=message):
        gymnasium.make(NAME, **settings)


def test_between_moments_without_any_episode_is_said_at_the_reset():
    env = gymnasium.make(NAME, between=(0, 5)).unwrapped
    assert env.episodes == []
    for options in (None, {"episode": 0}):
        with pytest.raises(ValueError, match=r"nothing of the data lies between \(0, 5\) \(ns UTC\) inside a session"):
            env.reset(seed=0, options=options)


@pytest.mark.parametrize("episode", [-1, 10**6])
def test_an_episode_out_of_range_is_said(episode):
    env = gymnasium.make(NAME, contract="RBSYN").unwrapped
    with pytest.raises(ValueError, match=rf"episode is {episode}; the data have episodes 0 to {len(env.episodes) - 1}"):
        env.reset(seed=0, options={"episode": episode})


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(ValueError, match="give at least one"):
        Batch(Settings(), 0)


def test_days_of_other_book_sizes_are_refused_together(monkeypatch):
    batch = Batch(Settings(contract="RBSYN"), 1)
    day = batch.day(0)
    monkeypatch.setattr(Batch, "day", lambda *_: replace(day, feed=replace(day.feed, size=LARGE)))
    with pytest.raises(ValueError, match="the data mix small and large books; give one contract"):
        batch.begin(0, np.random.default_rng(0), 0)


def test_a_book_that_loses_a_side_and_a_thin_one_play_as_the_slow_environment_says(tmp_path):
    full = {999: 5, 998: 3}, {1_001: 4, 1_002: 9}
    sides = [full, (full[0], {}), ({}, full[1]), ({}, {}), full, ({999: 1}, {1_001: 1})]
    shots = [shot(500 * (k + 1), *sides[(k // 3) % len(sides)], volume=k, last=1_000) for k in range(80)]
    write(tmp_path, recording(shots))
    for kind in ("offsets", "ladder", "continuous"):
        play_both(data=str(tmp_path), action=kind, episode_minutes=0.4, order_size=3, episode=0, opponents=("foic",))


@pytest.mark.kernels
def test_a_small_day_plays_as_the_slow_environment_says(tmp_path):
    """Also uncompiled and with bounds checks: a snapshot day and a record of level changes, from a catalogue."""
    write(tmp_path, random_recording(3, 30))
    settings = {"order_size": 3, "reward": "hybrid", "opponents": ("foic",)}
    play_both(data=str(tmp_path), action="ladder", episode_minutes=0.1, episode=1, **settings)
    write(tmp_path / "levels", level_record(seconds=16))
    data = str(tmp_path / "levels")
    _, naive = play_both(data=data, action="offsets", episode_minutes=0.1, episode=0, every_ms=300, **settings)
    assert naive.look["ask"][0] > 0


def test_two_equal_batches_stay_equal_whatever_was_played_in_them_before():
    settings = Settings(contract="RBSYN", episode_minutes=0.2, action="ladder", order_size=3)
    used, new = Batch(settings, 2), Batch(settings, 2)
    used.actions[:] = 1.0
    for row in range(2):
        used.begin(row, np.random.default_rng(9), row)
    for _ in range(25):
        used.step()
    for batch in (used, new):
        for row in range(2):
            batch.begin(row, np.random.default_rng(3), 40 + row)
        batch.actions[:] = 0.5
    for _ in range(30):
        used.step()
        new.step()
        assert used.observations.tobytes() == new.observations.tobytes()
        assert used.rewards.tobytes() == new.rewards.tobytes()
        assert used.accounts.tobytes() == new.accounts.tobytes()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_copy_that_would_play_in_its_originals_memory_is_refused(copied):
    with pytest.raises(TypeError, match="make it anew and reset it with the same seed"):
        copied(Batch(Settings(contract="RBSYN"), 1))
