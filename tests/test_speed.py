"""What is timed is right, peers are told apart from their absence, and the hot kernels count no references."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from numba import jit
from typer.testing import CliRunner

from lobarena.benchmarks import peers, speed
from lobarena.benchmarks.level_stream import EVENTS, TRADES, recording
from lobarena.benchmarks.measures import Row
from lobarena.benchmarks.stream import ids_for, match, replay, stream
from lobarena.data.schema import TRADE
from lobarena.sim import doors
from lobarena.sim.book import new_book
from lobarena.sim.event_feed import event_feed
from lobarena.sim.market import Market

COUNT = 20_000


def test_the_level_events_of_the_stream_replay_to_its_book() -> None:
    record = recording(COUNT)
    feed = event_feed(record)
    market = Market(feed)
    market.run()
    expected = replay(stream(COUNT))
    found = [int(price) + feed.base for price in market.book[0]["best"]]
    assert found == [expected["bid"], expected["ask"]]
    assert int(market.venue[0]["volume"]) == expected["lots"]
    assert int((record.events["kind"] == TRADE).sum()) == expected["trades"]
    assert int(market.venue[0]["unfilled"]) == 0


def test_the_whole_stream_has_the_published_number_of_level_events() -> None:
    events = recording().events
    assert (len(events), int((events["kind"] == TRADE).sum())) == (EVENTS, TRADES)


@pytest.mark.parametrize("name", ["run", "match"])
def test_the_hot_kernels_count_no_references(name: str) -> None:
    """Compiled anew, since a kernel from the cache does not show its code."""
    kernel = {"run": doors.run_small, "match": match}[name]
    if not hasattr(kernel, "py_func"):
        pytest.skip("kernels run as plain Python here: NUMBA_DISABLE_JIT is set")
    market = Market(event_feed(recording(100)))
    market.run()
    match(new_book(), stream(100), ids_for(stream(100)))
    again = jit(**kernel.targetoptions)(kernel.py_func)
    again.compile(kernel.signatures[0])
    code = again.inspect_llvm(kernel.signatures[0])
    assert "define" in code
    assert "NRT_incref" not in code


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_the_c_floor_matches_the_stream_to_its_checksum() -> None:
    floor = peers.c_floor(stream(), 1)
    assert len(floor.seconds) == 1
    assert floor.seconds[0] > 0


def test_a_c_floor_with_other_trades_is_no_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "_run", lambda command: "1 2 3 4 5\n0.1\n")
    monkeypatch.setattr(peers.shutil, "which", lambda name: name)
    with pytest.raises(AssertionError, match="expected"):
        peers.c_floor(stream(100), 1)


def test_a_peer_that_is_not_installed_is_named(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!{sys.executable}\nraise SystemExit(\"ModuleNotFoundError: No module named 'hftbacktest'\")\n")
    python.chmod(0o755)
    with pytest.raises(peers.NoPeerError, match="name an interpreter that has it by --python"):
        peers.hftbacktest(recording(100).events, (0, 0), 1, str(python))


def test_a_peer_that_ends_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"version": "2", "seconds": [1.0], "decisions": 1, "trades": 1, "bid": 5, "ask": 7}
    monkeypatch.setattr(peers, "_run", lambda command: "a warning\n" + json.dumps(told))
    with pytest.raises(AssertionError, match="5 / 7, expected 5 / 6"):
        peers.hftbacktest(recording(100).events, (5, 6), 1)
    assert peers.hftbacktest(recording(100).events, (5, 7), 1).told["trades"] == 1


def test_the_table_tells_ratio_machine_and_commit() -> None:
    text = speed.as_markdown([Row("book.stream", 50.0, "messages/s", "a | b", 100.0, "C")], 7)
    assert "Medians of 7 runs on " in text
    assert "commit " in text
    assert text.endswith("| book.stream | 50 | messages/s | a \\| b | 100 (C) | 0.500 |\n")


def test_the_command_measures_what_is_asked_for(tmp_path: Path) -> None:
    runner = CliRunner()
    out, table = tmp_path / "speed.json", tmp_path / "speed.md"
    options = ["--only", "data.read", "--runs", "1", "--json", str(out), "--markdown", str(table)]
    done = runner.invoke(speed.app, options, env={"LOBARENA_DATA": str(tmp_path)})
    assert done.exit_code == 0, done.output
    rows = json.loads(out.read_text())["rows"]
    assert [row["name"] for row in rows] == ["data.read"]
    assert rows[0]["value"] > 0
    assert "| data.read |" in table.read_text()
    unknown = runner.invoke(speed.app, ["--only", "book.steam"])
    assert unknown.exit_code == 2
    assert "did you mean 'book.stream'" in unknown.output


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(speed.app, ["--only", "data.import", "--runs", "1"], env={"LOBARENA_DATA": str(tmp_path)})
    assert done.exit_code == 0
    assert "needs recorded files" in done.output
