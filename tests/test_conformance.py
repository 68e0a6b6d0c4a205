import json
from pathlib import Path
from typing import Any

import pytest
from files import WONDER, best, wonder_row, write_rows
from sse_day import ORDERS, SHOTS, TRADES, Rows, changed, folder, packed, texts
from typer.testing import CliRunner

from lobarena.benchmarks.conformance import app
from lobarena.data import catalogue
from lobarena.data.importers import read

REAL = "l3/sse_600519_20230201/600519_20230201_entrust_trade_snapshot.zip"
EQUAL = {
    "opening auction": (1, 1),
    "closing auction": (1, 1),
    "auction shares of each order": (5, 5),
    "continuous trades": (4, 4),
    "deletes": (2, 2),
    "snapshots": (4, 4),
}


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def numbers(*arguments: str | Path) -> dict[str, Any]:
    """What `--json -` prints."""
    found: dict[str, Any] = json.loads(run(*arguments, "--json", "-").stdout)
    return found


def failing(path: Path) -> dict[str, str]:
    """Check -> its first difference, of the checks that fail; the command fails with them."""
    assert run("sse", path).exit_code == 1
    return {check["name"]: check["first"] for check in numbers("sse", path)["checks"] if not check["passed"]}


def day(root: Path, orders: Rows = ORDERS, trades: Rows = TRADES, shots: Rows = SHOTS) -> Path:
    return folder(root, texts(orders, trades, shots))


def test_a_day_that_comes_out_passes(tmp_path: Path) -> None:
    result = run("sse", packed(tmp_path))
    assert result.exit_code == 0
    assert "10.01 x 300" in result.stdout
    assert "4 of 4" in result.stdout
    found = numbers("sse", tmp_path / "day.zip")
    assert {check["name"]: (check["met"], check["total"]) for check in found["checks"]} == EQUAL
    assert (found["passed"], found["symbol"], found["day"]) == (True, "600000", "2023-02-01")


def test_a_maker_that_is_not_at_the_head_fails(tmp_path: Path) -> None:
    swapped = changed(changed(TRADES, 131, 5, 6), 132, 5, 3)  # order 6 joined the queue behind order 3
    found = failing(day(tmp_path, trades=swapped))
    assert found == {"continuous trades": "BizIndex 131: 10.01 x 100 with order 3, not 10.01 x 100 with order 6"}


def test_a_trade_at_another_price_than_the_best_fails(tmp_path: Path) -> None:
    found = failing(day(tmp_path, trades=changed(TRADES, 141, 2, 9.98)))
    assert found["continuous trades"] == "BizIndex 141: 9.99 x 100 with order 4, not 9.98 x 100 with order 4"


def test_a_trade_of_another_size_fails(tmp_path: Path) -> None:
    found = failing(day(tmp_path, trades=changed(TRADES, 131, 3, 90)))
    assert found["continuous trades"].startswith("BizIndex 131: 10.01 x 100 with order 3, not 10.01 x 90")


def test_a_trade_that_the_record_lacks_fails(tmp_path: Path) -> None:
    orders = changed(ORDERS, 147, 4, 10.04)  # order 9 would buy what order 10 asks
    orders = [row for row in orders if row[0] not in (148,)] + [(145, "09:30:03.500", "A", 10, 10.03, 200, "S")]
    found = failing(day(tmp_path, orders))
    assert found["continuous trades"] == "order 9: 10.03 x 200 with order 10, not no trade"


def test_a_delete_of_another_size_fails(tmp_path: Path) -> None:
    found = failing(day(tmp_path, changed(ORDERS, 146, 5, 300)))
    assert found == {"deletes": "order 4: 400 shares, not 300"}


def test_a_delete_of_an_order_that_never_came_fails(tmp_path: Path) -> None:
    found = failing(day(tmp_path, changed(ORDERS, 106, 3, 77)))
    assert found["deletes"] == "order 77: 0 shares, not 100"


def test_an_auction_of_another_volume_fails(tmp_path: Path) -> None:
    found = failing(day(tmp_path, changed(ORDERS, 103, 5, 150), changed(TRADES, 111, 3, 50)))
    assert found["opening auction"] == "10.01 x 300, not 10.01 x 250"
    assert found["auction shares of each order"] == "order 1: 300 shares, not 250"


def test_an_auction_at_another_price_fails(tmp_path: Path) -> None:
    found = failing(day(tmp_path, trades=changed(TRADES, 170, 2, 10.02)))
    assert found == {"closing auction": "10.03 x 100, not 10.02 x 100"}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, "09:30:06.000"),  # more than a second after that book
        (0, "09:30:01.000"),  # and before
        (1, 5),
        (2, 640),
        (3, 6504.6),
        (4, ((9.99, 399),)),
        (4, ((9.99, 400), (9.98, 100))),
        (4, ()),
        (5, ((10.03, 200),)),
    ],
)
def test_a_snapshot_that_no_book_shows_fails(tmp_path: Path, place: int, value: Any) -> None:
    shots = [
        tuple(value if at == place else cell for at, cell in enumerate(row)) if k == 2 else row
        for k, row in enumerate(SHOTS)
    ]
    assert failing(day(tmp_path, shots=shots)) == {"snapshots": "snapshot.csv, row 3"}


def test_a_record_that_cannot_be_read_fails_with_the_fix(tmp_path: Path) -> None:
    path = packed(tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    result = run("sse", path)
    assert result.exit_code == 1
    assert "fetch it again" in result.stderr


def test_the_day_and_the_json_file_are_options(tmp_path: Path) -> None:
    out = tmp_path / "numbers.json"
    assert run("sse", packed(tmp_path), "--day", "20240506", "--json", out).exit_code == 0
    assert json.loads(out.read_text())["day"] == "2024-05-06"
    assert run("sse", packed(tmp_path), "--day", "yesterday").exit_code == 2


@pytest.mark.parametrize("command", ["sse", "snapshots"])
def test_help_shows_an_example(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Example: python -m lobarena.benchmarks.conformance" in result.stdout


def test_snapshots_that_come_out_pass(tmp_path: Path) -> None:
    result = run("snapshots", best(tmp_path))
    assert result.exit_code == 0
    assert "6 of 6" in result.stdout
    (one,) = numbers("snapshots", best(tmp_path))["days"]
    assert (one["symbol"], one["day"], one["met"], one["moved"], one["unfilled"]) == ("RB1805", "2017-11-13", 6, 0, 0)


def test_days_of_a_catalogue_are_replayed_too(tmp_path: Path) -> None:
    source = best(tmp_path)
    (recording,) = read(source)
    stored = catalogue.write(tmp_path / "root", recording)
    assert numbers("snapshots", stored, tmp_path / "root", source)["total"]["met"] == 18


def test_quarantined_rows_are_counted_and_their_file_is_no_day(tmp_path: Path) -> None:
    rows = ["21:00:00.500,3813,56,3814,161,3813,6168,2188", "21:00:01.0,3824,6,3820,5,3820,7000,2186"]  # crossed
    source = best(tmp_path, rows)
    (recording,) = read(source)
    stored = catalogue.write(tmp_path / "root", recording)
    found = numbers("snapshots", *sorted(stored.parent.iterdir()))
    assert len(list(stored.parent.iterdir())) == 2
    assert [(one["quarantined"], one["passed"]) for one in found["days"]] == [(1, True)]


def test_turnover_that_no_trade_carries_fails(tmp_path: Path) -> None:
    rows = [
        wonder_row(92900400, 240, 376560000.0),
        wonder_row(93000400, 311, 487976040.0),
        wonder_row(93000900, 311, 488976060.0),
    ]
    path = write_rows(tmp_path / "if.csv", WONDER, rows)
    assert run("snapshots", path).exit_code == 1
    found = numbers("snapshots", path)
    (one,) = found["days"]
    assert (one["met"], one["snapshots"], one["first_missed"], found["passed"]) == (2, 3, 3, False)


def test_one_unreadable_file_fails_but_the_others_are_told(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2\n")
    result = run("snapshots", bad, best(tmp_path))
    assert result.exit_code == 1
    assert "6 of 6" in result.stdout
    assert "unknown columns" in result.stderr


def test_a_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("\x1b[2J[bold]a,b\n1,2\n")
    result = run("snapshots", bad)
    assert "\x1b[2J" not in result.stderr
    assert "\\x1b[2J[bold]a" in result.stderr


@pytest.mark.realdata
def test_every_order_of_600519_comes_out(shared_data: Path) -> None:
    found = numbers("sse", shared_data / REAL)
    checks = {check["name"]: check for check in found["checks"]}
    assert found["passed"]
    assert checks["opening auction"]["replayed"] == "1854.98 x 32,800"
    assert checks["closing auction"]["replayed"] == "1844.97 x 45,912"
    assert (checks["continuous trades"]["met"], checks["deletes"]["met"]) == (26_572, 15_668)
    assert checks["snapshots"]["met"] == checks["snapshots"]["total"] == 4_841


@pytest.mark.realdata
def test_every_recorded_future_comes_out(shared_data: Path) -> None:
    files = sorted((shared_data / "futures").glob("*/*"))
    found = numbers("snapshots", *files)
    assert found["passed"]
    assert len(files) == 23
    assert found["total"]["met"] == found["total"]["snapshots"] == 420_047
    assert found["total"]["moved"] == found["total"]["unfilled"] == 0
