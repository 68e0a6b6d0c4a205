"""A tuned language model is played from a recording as it would play itself, without model and torch."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from test_agents import CLOSES, OPENS, context, observation
from test_distill_agent import FITTED

from lobarena.agents.base import NO_QUOTES
from lobarena.agents.table import make
from lobarena.agents.teacher.recorded import PACKAGED, Record, recorded, store
from lobarena.agents.weight_file import WeightsError, read_arrays, write

ABOUT = {"tokens": 2, "parameters": 100}
SECOND = 10**9


def told(count=40):
    rng = np.random.default_rng(0)
    time = OPENS + np.arange(1, count + 1) * SECOND
    rows = [rng.normal(size=count), np.full(count, 2.0), np.full(count, 50.0), np.ones(count)]
    return Record(time, np.stack(rows, 1), (3_500, 4_100))  # the limits of an `observation`


@pytest.fixture
def file(tmp_path):
    return store(tmp_path / "told.safetensors", {"RB.20240103": told()}, ABOUT)


def test_a_recording_comes_back_to_the_millisecond_and_the_half_float(file):
    records, about = recorded(file)
    one = records["RB.20240103"]
    np.testing.assert_array_equal(one.time, told().time)
    np.testing.assert_allclose(one.forecast, told().forecast, rtol=2e-3, atol=1e-3)
    assert about.parameters == 100


def test_each_forecast_moves_the_quotes_once_and_between_two_they_stay(file):
    agent = make("llm-recorded", forecasts=str(file))
    agent.reset(context(**FITTED))
    seen = [agent.act(observation(after_s=k / 2)) for k in range(1, 80)]
    assert seen[0] == NO_QUOTES or seen[0] is None  # nothing was told yet
    new = [k for k, quotes in enumerate(seen, 1) if quotes is not None and quotes != NO_QUOTES]
    assert new == list(range(2, 80, 2))
    assert agent.counts == {"unrecorded": 0}
    assert [agent.prompt_tokens for _ in (agent.act(observation(after_s=40.0)),)] == [2]
    first = seen[1]
    centre = 3_800.5 + told().forecast[0, 0]
    assert first.bids[0][0] == np.floor(centre - 1)
    assert first.asks[0][0] == np.ceil(centre + 1)


def test_no_forecast_of_later_is_used_earlier(tmp_path):
    one, other = told(), told()
    other.forecast[20:, 0] += 3
    quotes = []
    for k, record in enumerate((one, other)):
        agent = make(
            "llm-recorded", forecasts=str(store(tmp_path / f"{k}.safetensors", {"RB.20240103": record}, ABOUT))
        )
        agent.reset(context(**FITTED))
        quotes.append([agent.act(observation(after_s=s)) for s in range(1, 41)])
    assert quotes[0][:20] == quotes[1][:20]
    assert quotes[0][20:] != quotes[1][20:]


def test_another_day_of_the_same_date_and_name_is_known_by_its_limits_and_not_quoted(tmp_path):
    path = store(tmp_path / "s.safetensors", {"RB.20240103": replace(told(), limits=(3_500, 4_101))}, ABOUT)
    agent = make("llm-recorded", forecasts=str(path))
    agent.reset(context(**FITTED))
    assert [agent.act(observation(after_s=s)) for s in (2.0, 3.0)] == [NO_QUOTES] * 2
    assert agent.counts == {"unrecorded": 1}


def test_a_time_between_two_milliseconds_is_rounded_to_the_later_one(tmp_path):
    one = replace(told(), time=told().time + 1)
    (found,) = recorded(store(tmp_path / "s.safetensors", {"RB.20240103": one}, ABOUT))[0].values()
    np.testing.assert_array_equal(found.time, told().time + 10**6)


@pytest.mark.parametrize("key", ["RB.20240104", "CU.20240103"])
def test_where_nothing_was_recorded_nothing_is_quoted_and_the_episode_counts(tmp_path, key):
    record = told()
    if key.startswith("RB"):
        record = replace(record, time=record.time + (CLOSES - OPENS))
    agent = make("llm-recorded", forecasts=str(store(tmp_path / "s.safetensors", {key: record}, ABOUT)))
    agent.reset(context(**FITTED))
    assert agent.act(observation(after_s=5.0)) == NO_QUOTES
    assert agent.counts == {"unrecorded": 1}


@pytest.mark.parametrize(
    "change",
    ["kind", "start", "flat", "large", "no limits", "lost", "more", "order", "type", "nan", "spread", "volume", "sure"],
)
def test_a_damaged_or_foreign_file_is_refused(file, tmp_path, change):
    arrays, about = read_arrays(file)
    ms, forecast = arrays["RB.20240103.ms"], arrays["RB.20240103.forecast"]
    if change == "kind":
        about["kind"] = "students"
    elif change == "flat":
        arrays["RB.20240103.ms"] = np.zeros((), np.int32)
    elif change == "large":
        about["parameters"] = 10**400
    elif change == "no limits":
        about["limits"] = {}
    elif change == "start":
        about["starts"]["RB.20240103"] = 2**70
    elif change == "lost":
        del arrays["RB.20240103.ms"]
    elif change == "more":
        arrays["CU.20240103.ms"] = ms
    elif change == "order":
        arrays["RB.20240103.ms"] = ms[::-1].copy()
    elif change == "type":
        arrays["RB.20240103.ms"] = ms.astype(np.int64)
    else:
        forecast[3, {"nan": 0, "spread": 1, "volume": 2, "sure": 3}[change]] = {"nan": np.nan, "spread": -1}.get(
            change, 30
        )
    with pytest.raises(WeightsError, match=r"bad\.safetensors"):
        recorded(write(tmp_path / "bad.safetensors", arrays, about))


def test_a_missing_file_names_the_command():
    with pytest.raises(WeightsError, match="lobarena llm record"):
        make("llm-recorded", forecasts="nowhere.safetensors")


def test_the_packaged_recording_covers_what_the_default_tournament_plays():
    records, about = recorded(PACKAGED)
    assert set(records) == {f"{code}SYN.{day}" for code in ("FU", "RB", "CU", "AG") for day in (20240104, 20240105)}
    assert all(len(one.time) > 10_000 for one in records.values())
    assert about.parameters > 10**7


def test_playing_a_recording_needs_no_torch():
    code = "import sys; from lobarena.agents.table import make; make('llm-recorded'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
