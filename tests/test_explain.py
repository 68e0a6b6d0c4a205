"""A fill told must be the fill of the results, and the lots ahead of its order must add up."""

import json

import pytest
from test_tournament import small
from typer.testing import CliRunner

from lobarena.benchmarks.explain import as_json, explain, lines
from lobarena.benchmarks.manifest import ResultsError, write_manifest
from lobarena.benchmarks.results import read
from lobarena.benchmarks.tournament import run
from lobarena.cli import app


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    config = small(agents=("foic", "join", "glft"), tracks=("arena",), rotations=1, decision_latency="measured")
    return run(config, tmp_path_factory.mktemp("run") / "run", processes=1)


def spread(folder, role, count):
    """Some fills of a role, over the whole run."""
    rows = [row for row in read(folder).fills.to_pylist() if row["role"] == role]
    assert rows
    return [row["fill"] for row in rows[:: max(1, len(rows) // count)]]


def test_the_lots_ahead_add_up_to_what_stood_there_when_the_order_joined(folder):
    waited = 0
    for number in spread(folder, "maker", 8):
        story = explain(folder, number)
        assert story.joined_ahead == story.fill["joined"]
        assert story.joined_ahead == story.traded + story.cancelled + story.before
        assert story.before >= story.fill["hit"]
        assert [one.left for one in story.passages] == sorted((one.left for one in story.passages), reverse=True)
        assert story.joined_time <= story.fill["time"]
        assert story.aggressor
        waited += len(story.passages)
    assert waited > 0


def test_the_mids_are_those_of_the_markouts(folder):
    tick_value = read(folder).episodes.column("tick_value")[0].as_py()
    story = explain(folder, spread(folder, "maker", 1)[0])
    for seconds in (1, 5, 30):
        move = story.mids[seconds] - story.fill["mid"]
        lots = story.fill["side"] * story.fill["size"]
        assert story.fill[f"markout_{seconds}s"] == pytest.approx(lots * move * tick_value)


def test_a_taker_did_not_wait(folder):
    story = explain(folder, spread(folder, "taker", 1)[0])
    assert (story.joined_time, story.passages) == (0, [])
    assert any("did not wait" in line for line in lines(story, str))
    assert as_json(story)["fill"]["role"] == "taker"


def test_the_command_tells_it_in_words_and_numbers(folder, tmp_path):
    number = spread(folder, "maker", 1)[0]
    out = tmp_path / "story.json"
    done = CliRunner().invoke(app, ["explain", str(folder), str(number), "--passages", "--json", str(out)])
    assert done.exit_code == 0, done.output
    assert f"Fill {number} of RBSYN" in done.output
    assert "joined the queue at" in done.output
    assert json.loads(out.read_text())["fill"]["fill"] == number
    assert CliRunner().invoke(app, ["explain", str(folder), "0", "--timezone", "Mars/Olympus"]).exit_code == 2


def test_a_fill_that_is_not_there_is_named(folder):
    with pytest.raises(ResultsError, match=r"no fill 999999; it has fills 0 to "):
        explain(folder, 999_999)


def test_other_data_than_the_runs_is_refused(folder, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.glob("*.parquet"):
        (copy / path.name).write_bytes(path.read_bytes())
    manifest = read(folder).manifest
    for row in manifest["data"]:
        row["digest"] = "0" * 64
    write_manifest(copy, manifest)
    with pytest.raises(ResultsError, match="its digest differs"):
        explain(copy, 0)
