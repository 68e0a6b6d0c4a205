"""Damaged files: the same damage from the same seed, and every way in which a reader can be wrong is told."""

import random
from pathlib import Path

import pytest
from files import best
from typer.testing import CliRunner

from lobarena.benchmarks import conformance, hostile
from lobarena.benchmarks.mutations import MUTATIONS, mutate
from lobarena.data.recording import DataError

ROW = b"time,bid,ask\n09:00:00,1,2\n09:00:01,1,2\n"


@pytest.fixture
def ticks(tmp_path: Path) -> Path:
    return best(tmp_path)


def test_the_same_seed_does_the_same_damage_and_every_kind_of_damage_changes_something() -> None:
    assert [mutate(ROW, random.Random(k)) for k in range(50)] == [mutate(ROW, random.Random(k)) for k in range(50)]
    assert len({mutate(ROW, random.Random(k)) for k in range(50)}) > 40
    for one in MUTATIONS:
        assert any(one(ROW, random.Random(k)) != ROW for k in range(20)), one.__name__


def test_a_case_damages_one_of_the_files_and_leaves_its_companions() -> None:
    parts = [("a.csv", ROW), ("b.csv", ROW)]
    for number in range(30):
        made = dict(hostile.case(parts, 0, number))
        assert sorted(made) == ["a.csv", "b.csv"]
        assert ROW in made.values()
    assert dict(hostile.case(parts, 0, 7)) == dict(hostile.case(parts, 0, 7))


def test_damaged_files_are_refused_or_mended_in_a_process_of_their_own(ticks: Path) -> None:
    seen: list[int] = []
    found = hostile.damage(ticks, 60, 0, seen.append)
    assert found.passed, found.failures
    assert (found.cases, sum(found.outcomes.values()), seen[-1]) == (60, 60, 60)
    assert found.outcomes[hostile.REFUSED] > 0
    assert found.outcomes[hostile.MENDED] + found.outcomes[hostile.UNHARMED] > 0


def test_a_reader_that_crashes_or_says_nothing_is_wrong(ticks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(path: Path) -> list[object]:
        raise KeyError("bid")

    def mumble(path: Path) -> list[object]:
        raise DataError("no")

    monkeypatch.setattr(hostile, "_read", crash)
    with pytest.raises(KeyError):
        hostile._outcome(ticks)
    monkeypatch.setattr(hostile, "_read", mumble)
    assert hostile._outcome(ticks) == ("an error that says nothing: 'no'", False)


def test_the_command_counts_and_a_file_that_is_none_is_refused(ticks: Path, tmp_path: Path) -> None:
    junk = tmp_path / "junk.csv"
    junk.write_text("a,b\n1,2\n")
    done = CliRunner().invoke(conformance.app, ["hostile", str(ticks), str(junk), "--cases", "5"])
    assert done.exit_code == 1
    assert "not a file to begin with" in done.output
    assert "rb1805_20171113.csv" in done.output
