import errno
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from results_folder import rows, unit

from lobarena.benchmarks import results as results_module
from lobarena.benchmarks.manifest import SCHEMA, new_manifest, read_manifest, write_manifest
from lobarena.benchmarks.results import ResultsError, ResultWriter, read
from lobarena.benchmarks.tables import SCHEMAS, as_table, digest


def manifest(**config: Any) -> dict[str, Any]:
    data = [{"exchange": "SHFE", "contract": "rb2405", "day": 20240102, "rows": 10, "digest": "ab"}]
    agents = [{"name": "foic", "class": "agents.foic:FOIC", "parameters": {"n": 1}}]
    return new_manifest({"latency": {"kind": "zero"}, "grid_s": 1.0, **config}, 7, data, agents)


def test_a_finished_folder_reads_back_every_row_in_the_order_of_the_episodes(tmp_path: Path) -> None:
    writer = ResultWriter(tmp_path / "run", manifest())
    for episode in (2, 0, 1):
        writer.write(f"solo-{episode}-fo ic/é", **unit(episode))
    writer.finish()
    results = read(tmp_path / "run")
    assert results.complete
    assert results.episodes["episode"].to_pylist() == [0, 1, 2]
    assert results.fills["fill"].to_pylist() == list(range(9))
    assert results.fills["episode"].to_pylist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert results.decisions["measured_ns"].to_pylist() == [7, 8] * 3
    assert results.curve.schema.field("mid").metadata == {b"unit": b"ticks"}
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "curve.parquet",
        "decisions.parquet",
        "episodes.parquet",
        "fills.parquet",
        "manifest.json",
    ]


def test_the_order_in_which_units_finish_does_not_change_a_byte(tmp_path: Path) -> None:
    for name, order in (("a", (0, 1, 2)), ("b", (2, 1, 0))):
        writer = ResultWriter(tmp_path / name, manifest())
        for episode in order:
            writer.write(f"unit {episode}", **unit(episode))
        writer.finish()
    for table in SCHEMAS:
        assert (tmp_path / "a" / f"{table}.parquet").read_bytes() == (tmp_path / "b" / f"{table}.parquet").read_bytes()


KILLED = """
import os, sys
from pathlib import Path
from results_folder import unit
from lobarena.benchmarks.results import ResultWriter, read_manifest

writer = ResultWriter(sys.argv[1], read_manifest(Path(sys.argv[1])))
writer.write("unit 0", **unit(0))
os.replace = lambda *_: os.kill(os.getpid(), 9)
writer.write("unit 1", **unit(1))
"""


def test_a_run_that_is_killed_can_be_read_and_resumed(tmp_path: Path) -> None:
    ResultWriter(tmp_path, manifest())
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=Path(__file__).parent, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.rglob(".*"))) == 1, "the second unit was half written"
    partial = read(tmp_path)
    assert not partial.complete
    assert partial.episodes["episode"].to_pylist() == [0]
    assert partial.fills["fill"].to_pylist() == [0, 1, 2]
    writer = ResultWriter(tmp_path, manifest())
    assert writer.done() == {"unit 0"}
    writer.write("unit 1", **unit(1))
    writer.finish()
    assert read(tmp_path).episodes["episode"].to_pylist() == [0, 1]


def test_a_folder_without_a_finished_unit_reads_as_empty_tables(tmp_path: Path) -> None:
    ResultWriter(tmp_path, manifest())
    results = read(tmp_path)
    assert {name: getattr(results, name).num_rows for name in SCHEMAS} == dict.fromkeys(SCHEMAS, 0)
    assert results.episodes.schema == SCHEMAS["episodes"]


def test_a_complete_folder_knows_its_units_and_takes_no_more(tmp_path: Path) -> None:
    writer = ResultWriter(tmp_path, manifest())
    writer.write("unit 0", **unit(0))
    final = writer.finish()
    again = ResultWriter(tmp_path, manifest())
    assert again.complete
    assert again.done() == {"unit 0"}
    assert again.finish() == final
    with pytest.raises(ResultsError, match="--overwrite"):
        again.write("unit 1", **unit(1))


def test_another_config_is_refused_and_the_first_key_that_differs_is_named(tmp_path: Path) -> None:
    ResultWriter(tmp_path, manifest())
    with pytest.raises(ResultsError, match=r"config\.latency\.kind is 'zero' there and 'constant' here.*--overwrite"):
        ResultWriter(tmp_path, manifest(latency={"kind": "constant"}, grid_s=2.0))
    with pytest.raises(ResultsError, match=r"data\[0\]\.digest is 'ab' there and 'cd' here"):
        ResultWriter(tmp_path, manifest() | {"data": [manifest()["data"][0] | {"digest": "cd"}]})


def test_overwrite_deletes_what_the_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    writer = ResultWriter(tmp_path, manifest())
    writer.write("unit 0", **unit(0))
    writer.finish()
    (tmp_path / "notes.txt").write_text("mine")
    writer = ResultWriter(tmp_path, manifest(grid_s=2.0), overwrite=True)
    assert writer.done() == set()
    assert read(tmp_path).episodes.num_rows == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_with_other_files_is_not_written_to_even_with_overwrite(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ResultsError, match="not of a run"):
        ResultWriter(tmp_path, manifest(), overwrite=True)


def test_what_is_not_a_results_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="not a results folder"):
        read(tmp_path)
    with pytest.raises(ResultsError, match="not a folder"):
        read(tmp_path / "nowhere")


def test_a_folder_of_a_newer_version_says_upgrade(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest() | {"schema": SCHEMA + 1})
    with pytest.raises(ResultsError, match="upgrade"):
        read(tmp_path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    writer = ResultWriter(tmp_path, manifest())
    writer.write("unit 0", **unit(0))
    part = next((tmp_path / "parts").iterdir())
    whole = part.read_bytes()
    flipped = whole[:-500] + bytes([whole[-500] ^ 1]) + whole[-499:]
    for broken in (whole[:-20], flipped, b"{}\n" + whole, b"\xff" + whole, b"[1]", b""):
        part.write_bytes(broken)
        with pytest.raises(ResultsError, match=r"parts.*is damaged.*delete .*parts/.*\.part and run again to resume"):
            read(tmp_path)
    part.write_bytes(whole)
    writer.finish()
    pq.write_table(rows("curve", 4, episode=1), tmp_path / "curve.parquet")
    with pytest.raises(ResultsError, match=r"curve\.parquet is not what the run wrote"):
        read(tmp_path)
    pq.write_table(pa.table({"a": [1]}), tmp_path / "curve.parquet")
    with pytest.raises(ResultsError, match="columns are not those of curve"):
        read(tmp_path)
    (tmp_path / "curve.parquet").unlink()
    with pytest.raises(ResultsError, match=r"curve\.parquet is missing"):
        read(tmp_path)
    (tmp_path / "manifest.json").write_text('{"schema": 1, "sta')
    with pytest.raises(ResultsError, match=r"manifest\.json is damaged"):
        read(tmp_path)


def test_a_full_disk_says_how_to_go_on_and_leaves_the_folder_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = ResultWriter(tmp_path, manifest())
    writer.write("unit 0", **unit(0))

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(results_module.os, "replace", full)
        with pytest.raises(ResultsError, match=r"disk is full.*resume"):
            writer.write("unit 1", **unit(1))
        with pytest.raises(ResultsError, match=r"disk is full.*resume"):
            writer.finish()
    assert read(tmp_path).episodes["episode"].to_pylist() == [0]
    assert [path.name for path in tmp_path.rglob(".*")] == []


def test_the_digest_leaves_out_wall_clock_and_counts_everything_else() -> None:
    table = rows("decisions", 3, outcome="quotes")
    assert digest(table) == digest(rows("decisions", 3, outcome="quotes", measured_ns=5))
    assert digest(table) == digest(pa.concat_tables([table[:1], table[1:]]))
    assert digest(table) != digest(rows("decisions", 3, outcome="quotes", prompt_tokens=1))
    assert digest(table) != digest(rows("decisions", 4, outcome="quotes"))
    assert digest(rows("decisions", 2, outcome=["ab", "c"])) != digest(rows("decisions", 2, outcome=["a", "bc"]))
    other_nan = np.frombuffer(np.uint64(0xFFF8000000000001).tobytes(), np.float64)[0]
    assert digest(rows("curve", 1, pnl=np.nan)) == digest(rows("curve", 1, pnl=other_nan))


def test_rows_may_be_mappings_and_wrong_ones_are_named() -> None:
    as_dicts = rows("curve", 2, position=3).to_pylist()
    assert as_table("curve", as_dicts) == rows("curve", 2, position=3)
    assert as_table("curve", []).num_rows == 0
    with pytest.raises(ValueError, match=r"missing: \['ask'\].*unknown: \['asks'\]"):
        as_table("curve", [{("asks" if key == "ask" else key): 0 for key in as_dicts[0]}])
    with pytest.raises(ValueError, match=r"curve\.position: values do not fit int32"):
        as_table("curve", [as_dicts[0] | {"position": 2**40}])
    with pytest.raises(ValueError, match=r"curve\.position: empty values"):
        as_table("curve", [as_dicts[0] | {"position": None}])
    with pytest.raises(ValueError, match="not every row has the column 'ask'"):
        as_table("curve", [as_dicts[0], {key: 0 for key in as_dicts[0] if key != "ask"}])


def test_the_manifest_is_json_with_the_keys_of_the_contract(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest())
    keys = set(json.loads((tmp_path / "manifest.json").read_text()))
    assert keys >= {"schema", "status", "lobarena", "config", "config_digest", "seed", "data", "agents", "machine"}
    assert keys >= {"versions", "created", "digests"}
    assert read_manifest(tmp_path)["status"] == "partial"
    assert manifest(a=1, b=2)["config_digest"] == manifest(b=2, a=1)["config_digest"]
