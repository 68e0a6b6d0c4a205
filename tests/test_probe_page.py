"""A probe's folder and its page."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from glow import columns, forward, planted

from lobarena.agents.probe.evidence import Evidence
from lobarena.benchmarks.manifest import ResultsError
from lobarena.benchmarks.probe import probe, read_probe
from lobarena.benchmarks.probe_page import write_page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("probes") / "one"
    evidence = replace(planted([(1, 0, None)]), source={"model": "<script>alert(1)</script>"})
    probe(evidence, out, rank=8, quench=forward(evidence, [(1, 0)]), quench_rows=50)
    return out


def test_a_probe_writes_what_it_found(folder: Path):
    manifest, tables = read_probe(folder)
    assert len(manifest["sentences"]) == 3
    assert len(tables["brightness"]) == 4 * 3 * 3
    assert len(tables["rows"]) == 3 * 3
    lit = [row for row in tables["rows"] if not row["dark"]]
    assert {row["brightest"] for row in lit if row["task"] == "mid move"} == {"L1"}


def test_brightness_can_be_worked_out_from_the_squares(folder: Path):
    squares = pq.read_table(folder / "squares.parquet").to_pandas()
    sums = squares[squares["lag"] == 0].groupby(["layer", "task", "regime"])[["error", "total"]].sum()
    for row in read_probe(folder)[1]["brightness"]:
        error, total = sums.loc[(row["layer"], row["task"], row["regime"])]
        assert row["rho"] == pytest.approx(1 - error / total)


def test_the_same_evidence_and_seed_give_the_same_tables(folder: Path, tmp_path: Path):
    evidence = planted([(1, 0, None)])
    probe(evidence, tmp_path, rank=8, quench=forward(evidence, [(1, 0)]), quench_rows=50)
    assert read_probe(tmp_path)[0]["digests"] == read_probe(folder)[0]["digests"]


def test_the_page_stands_alone_and_escapes_what_it_is_given(folder: Path):
    text = write_page(folder).read_text(encoding="utf-8")
    assert "<script>alert(1)" not in text
    assert "src=" not in text.split("<body>")[1]
    for section in ("Normalized fluorescence", "Quenching", "Brightness", "Shares of the variance", "Dark rows"):
        assert section in text
    manifest, _ = read_probe(folder)
    assert all(sentence.split(";")[0] in text for sentence in manifest["sentences"])


def test_names_of_layers_cannot_end_the_script_that_holds_them(tmp_path: Path):
    evidence = replace(planted([(1, 0, None)]), names=("</script><b>", "%{x}", "c", "d"))
    probe(evidence, tmp_path, rank=8)
    body = write_page(tmp_path).read_text(encoding="utf-8").split("<body>")[1]
    assert "</script><b>" not in body
    assert "&lt;/script&gt;&lt;b&gt;" in body or "&amp;" in body
    assert "Not run: no model was given" in body


def test_a_probe_in_which_all_is_dark_has_a_page(tmp_path: Path):
    made = columns()
    made["targets"] = np.ones_like(made["targets"])
    probe(Evidence(**made), tmp_path, rank=8)
    text = write_page(tmp_path).read_text(encoding="utf-8")
    assert "All 9 rows of task and regime are dark" in text
    assert "Too few cells" in text


def test_a_folder_of_something_else_is_not_written_over(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("five years")
    with pytest.raises(ResultsError, match="not of a probe"):
        probe(Evidence(**columns()), tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "five years"


def test_damage_is_named(folder: Path, tmp_path: Path):
    evidence = planted([(1, 0, None)])
    probe(evidence, tmp_path, rank=8)
    probe(evidence, tmp_path, rank=8)  # one's own probe is replaced
    (tmp_path / "rows.parquet").write_bytes((folder / "rows.parquet").read_bytes())
    with pytest.raises(ResultsError, match="digest differs"):
        read_probe(tmp_path)
    (tmp_path / "brightness.parquet").write_bytes(b"PAR1")
    with pytest.raises(ResultsError, match="cannot be read"):
        read_probe(tmp_path)
    for text in (
        "{",
        "[]",
        json.dumps({"kind": "probe", "schema": 1, "digests": {}}),
        json.dumps({"kind": "probe", "schema": 1, "digests": 3}),
    ):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(ResultsError, match="damaged"):
            read_probe(tmp_path)
