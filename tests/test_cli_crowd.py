"""`lobarena data crowd` and `data fit`: days made, fitted, and played by their names."""

import json

import pytest
from crowd_made_up import FIT

from lobarena.benchmarks.config import settings
from lobarena.benchmarks.learning_days import plan
from lobarena.benchmarks.tournament import data_root
from lobarena.cli import main
from lobarena.data.catalogue import days, read_day
from lobarena.data.recording import EventRecording, Recording
from lobarena.sim.hawkes import days as living
from lobarena.sim.hawkes.fit import as_toml, load
from lobarena.sim.settings import Settings


@pytest.fixture
def fit(tmp_path):
    path = tmp_path / "fit.toml"
    path.write_text(as_toml(FIT), "utf-8")
    return path


def run(*arguments: object) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_made_days_are_recordings_unless_they_shall_live(tmp_path, fit, capsys):
    for name, kind in (("made", Recording), ("live", EventRecording)):
        more = ["--live"] if name == "live" else []
        assert run("data", "crowd", "--fit", fit, "--out", tmp_path / name, "--days", 2, "--minutes", 2, *more) == 0
        found = days(tmp_path / name)
        assert [f"{day.symbol} {day.trading_day}" for day in found] == ["RBLIVE 2024-01-03", "RBLIVE 2024-01-04"]
        assert isinstance(read_day(found[0]), kind)
    assert run("data", "crowd", "--fit", fit, "--out", tmp_path / "none", "--regimes", "stormy") == 2
    assert run("data", "crowd", "--fit", tmp_path / "no.toml") == 2
    assert "no readable fit" in capsys.readouterr().err


def test_a_made_day_is_fitted_and_the_fit_is_one(tmp_path, fit):
    assert run("data", "crowd", "--fit", fit, "--out", tmp_path / "made", "--days", 1, "--minutes", 60) == 0
    out, told = tmp_path / "new.toml", tmp_path / "told.json"
    options = ["--trials", 1, "--minutes", 10, "--out", out, "--json", told]
    assert run("data", "fit", "--data", tmp_path / "made", *options) == 0
    assert load(out).code == "RB"
    assert "first 60% by time" in load(out).source
    (row,) = json.loads(told.read_text())["fits"]
    assert row["contract"] == "RBLIVE"
    assert row["branching"] < 0.95


def test_a_living_day_is_not_fitted_to(tmp_path, fit, capsys):
    assert run("data", "crowd", "--fit", fit, "--out", tmp_path / "live", "--days", 1, "--minutes", 5, "--live") == 0
    assert run("data", "fit", "--data", tmp_path / "live") == 2
    assert "record of events" in capsys.readouterr().err


def test_tournaments_environments_and_trainings_find_the_living_days(tmp_path, fit, monkeypatch):
    monkeypatch.setenv("LOBARENA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(living, "DAYS", living.DAYS[:2])
    data = f"crowd:{fit}"
    root = data_root(settings(None, {"data": data}))
    assert {day.symbol for day in days(root)} == {"RBLIVE"}
    assert [file.path for file in Settings(data=data).files()] == [day.path for day in days(root)]
    chosen = plan(data)
    assert chosen.market["data"] == data
    assert chosen.split.train
    assert all(part.contracts == ("RBLIVE",) for part in chosen.split.train)
