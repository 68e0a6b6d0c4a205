"""`lobarena features` and `lobarena probe` on made-up days and a made-up model."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from days import random_recording
from tiny_model import tiny_model
from typer.testing import CliRunner

from lobarena import cli
from lobarena.data.catalogue import write

pytestmark = pytest.mark.kernels


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("probe")
    tiny_model(root / "model", context=4096)
    for number in range(3):
        made = random_recording(number, rows=700)
        shots = made.snapshots.copy()
        shots["time"] += number * 86_400 * 10**9
        write(root / "data", replace(made, trading_day=date(2021, 1, 5) + timedelta(days=number), snapshots=shots))
    return root


def run(place: Path, command: str, *more: str):
    where = ["--data", str(place / "data"), "--model", str(place / "model"), "--store", str(place / "store")]
    done = CliRunner().invoke(cli.app, [command, *where, *more])
    assert done.exit_code == 0, done.output or done.exception
    return done


def test_features_are_filled_in_turns_and_the_probe_uses_and_completes_them(place):
    first = json.loads(run(place, "features", "--share", "0.5", "--json", "-").stdout)["stores"]
    assert [row["day"] for row in first] == ["XX-20210105", "XX-20210106", "XX-20210107"]
    assert all(row["windows"] == 240 < row["of"] for row in first)
    shard = Path(first[0]["folder"]) / "00000.safetensors"
    before = shard.stat().st_mtime_ns
    options = ["--out", str(place / "out"), "--rank", "4", "--quench-rows", "3", "--json", "-"]
    told = json.loads(run(place, "probe", *options).stdout)
    assert shard.stat().st_mtime_ns == before
    assert len(told["sentences"]) == 3
    assert Path(told["page"]).is_file()
    manifest = json.loads((place / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["layers"] == ["embedding", "layer 1", "layer 2"]
    assert manifest["source"]["days"]["XX-20210105"]["windows"] == first[0]["of"]
    assert manifest["quenching"] is not None


def test_an_unknown_contract_lists_those_there_are(place, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["features", "--data", str(place / "data"), "--contract", "YY"])
    assert left.value.code == 2
    assert "no contract YY" in capsys.readouterr().err
