"""The Python examples of README.md run as they stand."""

import re
from typing import Any

import numpy as np
import pytest
from fences import ROOT, fence

from lobarena.agents.base import check_quotes
from lobarena.benchmarks.config import Config
from lobarena.cli_tournament import default_out
from lobarena.sim.types import OBSERVATION


def test_the_environment_is_played_to_its_end(capsys: pytest.CaptureFixture[str]):
    exec(fence("README.md", "python", "import gymnasium"), {})
    assert re.fullmatch(r"-?[\d,]+ CNY\n", capsys.readouterr().out)


def test_the_agent_quotes_both_best_prices_inside_its_limit():
    names: dict[str, Any] = {}
    exec(fence("README.md", "python", "from lobarena.agents.base"), names)
    agent, observation = names["Touch"](), np.zeros(1, OBSERVATION)
    observation["bid"][0, 0], observation["ask"][0, 0] = 99, 101
    observation["bid_size"][0, 0] = observation["ask_size"][0, 0] = 5
    agent.limit = 2
    quotes = agent.act(observation[0])
    check_quotes(quotes)
    assert (list(quotes.bids), list(quotes.asks)) == ([(99, 1)], [(101, 1)])
    observation["position"] = 2
    assert not agent.act(observation[0]).bids
    observation["ask_size"][0, 0] = 0
    assert not agent.act(observation[0]).asks


def test_the_printed_output_is_that_of_the_default_settings():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"\nreport: {default_out(Config())}/report.html\n```" in text
    assert all(f"\n│ {agent} " in text for agent in Config().agents)
