"""The quoting rule is tuned from forecasts made once, on validation days alone."""

from dataclasses import replace

import numpy as np
import pytest
from days import random_recording
from test_agents import LIMIT, OPENS, context, observation

from lobarena.agents.base import Quotes
from lobarena.agents.forecast import Forecast, Rule, to_quotes
from lobarena.agents.foretold import Foretold
from lobarena.agents.learner import TrainingError
from lobarena.agents.quoting import view
from lobarena.agents.split import Part, Split
from lobarena.agents.training import Plan
from lobarena.benchmarks import rule_tuning
from lobarena.benchmarks.rule_tuning import search, watch
from lobarena.data.catalogue import days, write

NAN, NONE = [np.nan] * 4, [np.inf] * 4
FLAT = [0.0, 1.0, 30.0, 0.9]


def foretold(*rows, rule=Rule()):  # noqa: B008 - frozen
    times = np.array([OPENS + int(second * 1e9) for second, _ in rows], np.int64)
    agent = Foretold(times, np.array([row for _, row in rows], np.float64), rule)
    agent.reset(context())
    return agent


def test_a_forecast_made_beforehand_quotes_as_one_made_now():
    look = observation(after_s=1, position=2)
    expected = to_quotes(Forecast(*FLAT), Rule(), context(), view(look), 0.3, LIMIT)
    assert foretold((1, FLAT)).act(look) == expected


def test_quotes_stay_until_the_next_forecast_and_go_when_there_is_none():
    agent = foretold((1, FLAT), (1.5, NAN), (2, FLAT), (3, NONE), (4, FLAT))
    quotes = [agent.act(observation(after_s=second)) for second in (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4.2)]
    assert [one is None for one in quotes] == [True, False, True, False, True, False, True, False]
    assert quotes[5] == Quotes()
    assert quotes[7].bids


def test_no_forecast_of_the_future_is_used():
    agent = foretold((2, FLAT))
    assert agent.act(observation(after_s=1.9)) is None


class Same:
    """Says the same of every look and counts how often it is asked."""

    def __init__(self, width=4):
        self.asked, self.width = 0, width

    def reset(self, context):
        self.context = context

    def forecast(self, observations):
        self.asked += 1
        self.positions = set(observations["position"].tolist())
        return np.tile(FLAT[: self.width], (len(observations), 1))


@pytest.fixture
def plan(tmp_path):
    """A day whose first half is learnt from."""
    recording = random_recording(seed=3, rows=900)
    write(tmp_path, recording)
    (day,) = days(tmp_path)
    first, last = int(recording.snapshots["time"][0]), int(recording.snapshots["time"][-1])
    middle = (first + last) // 2
    split = Split((Part((day.symbol,), (first, middle)),), (Part((day.symbol,), (middle, last)),))
    return Plan(split, {"data": str(tmp_path), "episode_minutes": 1.0, "seed": 0})


def test_the_forecaster_is_asked_once_an_episode_however_many_rules_are_tried(plan):
    forecaster = Same()
    watched = watch(forecaster, plan, 1)
    assert forecaster.asked == len(watched) >= 3
    assert forecaster.positions == {0}
    found = search(watched, trials=6)
    assert forecaster.asked == len(watched)
    assert len({one.rule for one in found}) == 6
    assert Rule() in [one.rule for one in found]
    assert [one.pnlmap for one in found] == sorted((one.pnlmap for one in found), reverse=True)
    assert max(one.fills for one in found) > 0
    assert search(watched, trials=6) == found


def test_only_what_is_to_be_validated_on_is_watched(plan):
    (validation,) = plan.split.validation
    watched = watch(Same(), plan, 1)
    first, last = validation.between
    assert all((np.diff(one.published) > 0).all() for one in watched)
    assert all(first <= one.opens < one.closes <= last for one in watched)
    assert all(first <= one.published.min() and one.published.max() <= last for one in watched)


def test_a_rule_that_hardly_trades_is_not_judged(plan, monkeypatch):
    watched = watch(Same(), plan, 1)
    most = max(one.fills for one in search(watched, trials=6))
    monkeypatch.setattr(rule_tuning, "LEAST_FILLS", most)
    assert {one.fills for one in search(watched, trials=6) if one.pnlmap > -np.inf} == {most}
    monkeypatch.setattr(rule_tuning, "LEAST_FILLS", most + 1)
    with pytest.raises(TrainingError, match="none can be judged; give more or longer episodes"):
        search(watched, trials=6)


def test_sessions_that_were_not_recorded_are_not_watched(plan):
    whole = Part(plan.split.validation[0].contracts, (0, 2**62))
    watched = watch(Same(), replace(plan, split=Split(plan.split.train, (whole,))), 1)
    assert all(len(one.published) > 60 for one in watched)


def test_orders_of_one_lot_leave_the_size_alone(plan):
    watched = watch(Same(), replace(plan, episodes=1), 1)
    assert {one.rule.kappa_v for one in search(watched, trials=3)} == {Rule().kappa_v}
    assert len({one.rule.kappa_v for one in search(watched, trials=3, order_size=5)}) == 3


def test_forecasts_of_another_shape_are_refused(plan):
    with pytest.raises(TrainingError, match=r"give \(n, 4\)"):
        watch(Same(width=3), plan, 1)
