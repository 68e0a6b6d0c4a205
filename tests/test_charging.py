"""Every agent's thinking is charged by its own mode; tokens by rates given or measured once."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from results_folder import rows, unit
from test_tournament import small

from lobarena.agents import table
from lobarena.benchmarks import report
from lobarena.benchmarks.config import ConfigError
from lobarena.benchmarks.manifest import new_manifest, write_manifest
from lobarena.benchmarks.results import ResultWriter, digest, read
from lobarena.benchmarks.tournament import run

SOLO = {"tracks": ("solo",), "rotations": 1}


class Talker:
    """Reads 100 tokens and writes 10 at every third decision; each measuring of its rates finds it slower."""

    prompt_tokens = answer_tokens = 0
    measured = 0

    def __init__(self, slow: int = 1):
        self.slow = slow

    def reset(self, context):
        self.looks = 0
        self.counts = {"asked": 0, "answered": 0, "time-out": 2, "pulled": 2}

    def act(self, observation):
        talks = self.looks % 3 == 0
        self.looks += 1
        self.prompt_tokens, self.answer_tokens = (100 * self.slow, 10) if talks else (0, 0)
        self.counts["asked"] += talks
        return None

    def rates(self):
        type(self).measured += 1
        return 1_000.0 / self.measured, 100.0


@pytest.fixture(autouse=True)
def talker(monkeypatch):
    monkeypatch.setitem(table.AGENTS, "talker", f"{__name__}:Talker")
    monkeypatch.setattr(Talker, "measured", 0)


def test_a_mode_of_its_own_charges_one_agent_as_if_it_were_everyones(tmp_path):
    mixed = small(**SOLO, agents=("foic@zero", "foic:N=1@constant:time=2s", "random@distribution:time=10ms"))
    found = read(run(mixed, tmp_path / "mixed", processes=1))
    zero = read(run(small(**SOLO, agents=("foic",), decision_latency="zero"), tmp_path / "zero", processes=1))
    assert of(found, "foic@zero", "pnl") == of(zero, "foic", "pnl")
    assert set(of(found, "foic:N=1@constant:time=2s", "latency_max_us")) == {2e6}
    assert all(5e3 < us < 2e4 for us in of(found, "random@distribution:time=10ms", "latency_p50_us"))
    same = small(**SOLO, agents=("random",), decision_latency="distribution", decision_us=10_000.0)
    plain = read(run(same, tmp_path / "same", processes=1))
    assert of(plain, "random", "pnl") == of(found, "random@distribution:time=10ms", "pnl")


def of(results, agent, name):
    """What the episodes of an agent say."""
    return [row[name] for row in results.episodes.to_pylist() if row["agent"] == agent]


def test_per_token_is_charged_by_the_rates_given_and_replayed_exactly(tmp_path):
    label = "talker@per-token:prefill=1000,decode=100"
    config = small(**SOLO, agents=(label, "idle"))
    played = read(run(config, tmp_path / "run", processes=1))
    mine = played.decisions.filter(pc.is_in(played.decisions["episode"], pa.array(of(played, label, "episode"), "i4")))
    told = [(row["prompt_tokens"], row["answer_tokens"], row["latency"]) for row in mine.to_pylist()]
    assert told[:4] == [(100, 10, 200_000_000), (0, 0, 0), (0, 0, 0), (100, 10, 200_000_000)]
    again = small(**SOLO, agents=("talker@recorded", "idle@recorded"), recorded_from=str(tmp_path / "run"))
    replayed = read(run(again, tmp_path / "again", processes=1))
    assert replayed.decisions["latency"].to_pylist() == played.decisions["latency"].to_pylist()


def test_rates_that_are_not_given_are_measured_once_and_kept_with_the_run(tmp_path):
    config = small(**SOLO, agents=("talker@per-token", "talker:slow=2@per-token", "idle"))

    def stop(done, total, what):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "run", processes=1, on_progress=stop)
    run(config, tmp_path / "run", processes=1)
    run(config, tmp_path / "run", processes=1)
    assert Talker.measured == 2
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["rates"] == {"talker@per-token": [1_000.0, 100.0], "talker:slow=2@per-token": [500.0, 100.0]}
    slowest = {row["agent"]: row["latency_max_us"] for row in read(tmp_path / "run").episodes.to_pylist()}
    assert slowest == {"talker@per-token": 2e5, "talker:slow=2@per-token": 5e5, "idle": 1e3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"agents": ("foic",), "decision_latency": "per-token:prefill=1,decode=1"},
            "foic reports no tokens.*foic@cons",
        ),
        ({"agents": ("foic:N=1@per-token",)}, "foic:N=1 reports no tokens"),
    ],
)
def test_who_tells_no_tokens_is_not_charged_per_token(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        run(small(**SOLO | options), tmp_path / "run", processes=1)
    assert not (tmp_path / "run").exists()


def test_who_cannot_measure_its_rates_is_asked_for_them(tmp_path, monkeypatch):
    monkeypatch.delattr(Talker, "rates")
    with pytest.raises(ConfigError, match="cannot measure its rates; give them: @per-token:prefill=2000,decode=40"):
        run(small(**SOLO, agents=("talker@per-token",)), tmp_path / "run", processes=1)


def test_the_report_counts_calls_and_tokens(tmp_path):
    config = small(**SOLO, agents=("talker", "idle"))
    results = read(run(config, tmp_path / "run", processes=1))
    summary = report.as_json(results)
    (calls,) = summary["calls"]
    board = {row["agent"]: row for row in summary["leaderboard"]}
    episodes = board["talker"]["episodes"]
    assert (calls["agent"], calls["time-out"], calls["pulled"], calls["busy"]) == (
        "talker",
        2 * episodes,
        2 * episodes,
        0,
    )
    assert calls["asked"] * 10 == results.decisions["answer_tokens"].to_numpy().sum()
    assert board["talker"]["prompt_tokens"] == pytest.approx(100 / 3, rel=0.01)
    assert board["idle"]["prompt_tokens"] == 0
    page = report.html(results, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Calls of language models, solo" in page


def test_a_folder_of_schema_2_reads_with_its_tokens_and_its_digests(tmp_path):
    writer = ResultWriter(tmp_path, new_manifest({"cancel_model": "back", "impact": "keep"}, 0, [], []))
    writer.write("one", **unit(0))
    manifest = writer.finish()
    decisions = rows("decisions", 2, n=[0, 1], prompt_tokens=[7, 0])
    old = decisions.drop_columns("answer_tokens").rename_columns(
        ["tokens" if name == "prompt_tokens" else name for name in decisions.column_names if name != "answer_tokens"]
    )
    episodes = unit(0)["episodes"].drop_columns(["sweep", "prompt_tokens", "answer_tokens", "notes"])
    digests = {}
    for name, older in (("decisions", old), ("episodes", episodes)):
        pq.write_table(older, tmp_path / f"{name}.parquet", write_page_checksum=True)
        digests[f"{name}.parquet"] = digest(older)
    write_manifest(tmp_path, manifest | {"schema": 2, "digests": manifest["digests"] | digests})
    found = read(tmp_path)
    assert found.decisions["prompt_tokens"].to_pylist() == [7, 0]
    assert found.decisions["answer_tokens"].to_pylist() == [0, 0]
    assert (found.episodes["sweep"].to_pylist(), found.episodes["notes"].to_pylist()) == ([-1], ["{}"])
