"""The examples of CONTRIBUTING.md do what the text says of them."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from fences import fence, fences

from lobarena.agents import table
from lobarena.benchmarks import metrics, report_tables, statistics, tables
from lobarena.benchmarks.config import Config
from lobarena.benchmarks.results import read
from lobarena.benchmarks.tournament import run
from lobarena.data import importers

DOCUMENT = "CONTRIBUTING.md"


def module(folder: Path, name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The source as an importable module of that name, for one test."""
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


def test_the_agent_plays_a_tournament_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    module(tmp_path, "fixed", fence(DOCUMENT, "python", "# agents/fixed.py"), monkeypatch)
    line = eval("{" + fence(DOCUMENT, "python", "# agents/table.py, in AGENTS").partition("\n")[2] + "}")
    assert line == {"fixed": "lobarena.agents.fixed:Fixed"}
    monkeypatch.setitem(table.AGENTS, "fixed", "fixed:Fixed")
    config = Config(
        agents=("fixed:ticks=2", "idle"),
        contracts=("RBSYN",),
        tracks=("solo",),
        episode_minutes=5,
        episodes_per_day=1,
    )
    results = read(run(config, tmp_path / "run", processes=1))
    rows = [row for row in results.episodes.to_pylist() if row["agent"] == "fixed:ticks=2"]
    assert rows
    assert all(row["status"] == "ok" and row["orders"] > 0 and row["max_inventory"] <= 20 for row in rows)


def test_the_importer_reads_its_file_without_being_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = module(tmp_path, "examplefeed", fence(DOCUMENT, "python", "# data/examplefeed.py"), monkeypatch)
    block = fence(DOCUMENT, "python", "# data/importers.py, in LAYOUTS").partition("\n")[2]
    for name, layout in eval("{" + block + "}", {"examplefeed": made}).items():
        monkeypatch.setitem(importers.LAYOUTS, name, layout)
    file = tmp_path / "ticks.csv"
    file.write_text(fences(DOCUMENT, "csv")[0])
    [recording] = importers.read(file)
    assert (recording.symbol, str(recording.trading_day)) == ("RB2405", "2024-01-03")
    assert recording.snapshots["bid"][:, 0].tolist() == [3985, 3985]
    assert np.diff(recording.snapshots["volume"]).tolist() == [4]


def test_the_metric_agrees_with_the_number_worked_out_by_hand():
    names: dict[str, object] = {}
    exec(fence(DOCUMENT, "python", "# benchmarks/metrics.py"), names)
    names["test_two_of_five_steps_are_flat"]()
    block = fence(DOCUMENT, "python", "# benchmarks/report_tables.py, in ACTIVITY").partition("\n")[2]
    [column] = eval("[" + block + "]", vars(report_tables))
    assert report_tables.shown(column, {"share_flat": 0.4}) == "40.0"
    assert callable(names[column.key])
    assert not hasattr(metrics, column.key)
    assert tables._EPISODES
    assert statistics._MEANS
