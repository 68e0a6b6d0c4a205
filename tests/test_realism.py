from pathlib import Path

import pytest
from conftest import ROOT
from typer.testing import CliRunner

from lobarena.benchmarks.realism import COLUMNS, RECORDED, app, lines, real
from lobarena.benchmarks.stylised import by_volatility, measure, windows_of
from lobarena.sim.hawkes.traits import REGIMES
from lobarena.sim.synthetic import DAYS, synthetic_day

NEAR = 0.25  # how far a synthetic market may be from the recorded one
FAR = {  # known to be further (docs/synthetic.md)
    ("CU", "wild", "volatility_60s"): 0.35,
    ("AG", "normal", "lots"): 0.6,
    ("AG", "normal", "volatility_60s"): 0.3,
}


@pytest.mark.realdata
@pytest.mark.parametrize("code", RECORDED)
def test_every_regime_comes_near_the_recorded_days(code: str, shared_data: Path):
    """Over the days of eight other seeds: three days are too few to tell a model's fault from chance."""
    made = [synthetic_day(code, day, seed) for seed in range(1, 9) for day in DAYS[:2]]
    parts = by_volatility([rows for day in made for rows in windows_of(day.snapshots)])
    for regime, known, part in zip(REGIMES, real(shared_data, code), parts, strict=True):
        for field in ("spread", "depth", "lots", "volatility_1s", "volatility_60s"):
            ratio = getattr(measure(part), field) / getattr(known, field)
            assert abs(ratio - 1) <= FAR.get((code, regime, field), NEAR), f"{regime} {field}: {ratio:.2f}"


@pytest.mark.realdata
def test_the_document_holds_the_table_that_the_command_prints(shared_data: Path):
    document = (ROOT / "docs" / "synthetic.md").read_text("utf-8").splitlines()
    missing = [line for line in lines(shared_data) if line not in document]
    assert missing == [], "run python -m lobarena.benchmarks.realism --real FOLDER and put its table into the document"


def test_without_recordings_the_command_prints_the_synthetic_days_alone():
    shown = CliRunner().invoke(app, [])
    assert shown.exit_code == 0, shown.output
    rows = [line.split("|")[1:-1] for line in shown.output.splitlines()[2:]]
    assert [row[0].strip() for row in rows] == [
        f"{code} {name}" for code in ("FU", "RB", "CU", "AG") for name in REGIMES
    ]
    assert all(len(row) == 1 + len(COLUMNS) and "/" not in "".join(row) for row in rows)


def test_a_folder_without_recordings_is_named(tmp_path: Path):
    shown = CliRunner().invoke(app, ["--real", str(tmp_path)])
    assert shown.exit_code == 2
    assert "no such file" in shown.output
