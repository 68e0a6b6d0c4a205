"""The engine against the reference book on random messages, and that a broken one of either is caught."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import config
from typer.testing import CliRunner

from lobarena.benchmarks import conformance_fuzz
from lobarena.benchmarks.conformance import app
from lobarena.benchmarks.conformance_fuzz import MODELS, fuzz
from lobarena.benchmarks.fuzz_stream import BATCH, Stream
from lobarena.benchmarks.reference import ReferenceBook

pytestmark = pytest.mark.kernels

COMPILED = not config.DISABLE_JIT
PINNED = "399c113111a3181bcdab9a99dcf8c9ba25c213dda4d8c7331d75a7c6db4d1ac1"  # of 6,000 messages, seed 7


def test_engine_and_reference_agree_on_every_message_and_every_kind_of_outcome_is_met():
    count = 200_000 if COMPILED else 50_000
    report = fuzz(count, 3)
    assert report.difference is None
    assert report.messages == count
    counts = report.counts
    assert sum(sum(outcomes.values()) for outcomes in counts.values()) == count
    for kind in ("market", "rest", "cancel", "amend", "ahead", "uncross", *(f"thin {model}" for model in MODELS)):
        assert len(counts[kind]) >= 2, kind
    for outcome in ("rests", "filled", "the book has no free order slot", "would trade with the same owner"):
        assert counts["submit day"][outcome] >= 10, outcome
    assert min(counts["cancel"].values()) > 1_000


def test_the_digest_is_the_same_on_every_machine():
    report = fuzz(6_000, 7)
    assert (report.difference, report.digest) == (None, PINNED)


def test_other_seeds_give_other_messages_and_a_longer_stream_begins_with_the_shorter():
    short, long, other = (list(Stream(count, seed)) for count, seed in ((5_000, 1), (9_000, 1), (5_000, 2)))
    assert sum(len(messages) for _, messages in long) == 9_000
    assert short[0][1].tobytes() == long[0][1].tobytes() != other[0][1].tobytes()
    assert short[1][1].tobytes() == long[1][1][: 5_000 - BATCH].tobytes()


def test_an_engine_that_says_something_else_is_caught_at_that_message(monkeypatch: pytest.MonkeyPatch):
    right = conformance_fuzz.play

    def wrong(book: Any, messages: np.ndarray, outcomes: np.ndarray, *rest: Any) -> Any:
        written = right(book, messages, outcomes, *rest)
        outcomes["result"][messages["number"] == 1_234] += 1
        return written

    monkeypatch.setattr(conformance_fuzz, "play", wrong)
    report = fuzz(BATCH, 5)
    assert report.messages == BATCH
    assert report.difference is not None
    assert (report.difference.number, report.difference.what) == (1_234, "outcome")
    assert [step.split()[0] for step in report.difference.steps] == ["#1234"]


def test_a_fill_of_another_size_is_caught_with_its_makers(monkeypatch: pytest.MonkeyPatch):
    right = conformance_fuzz.play

    def wrong(book: Any, messages: np.ndarray, outcomes: np.ndarray, fills: np.ndarray, *rest: Any) -> Any:
        written = right(book, messages, outcomes, fills, *rest)
        fills["joined"][:written][fills["hit"][:written] > 0] += 1
        return written

    monkeypatch.setattr(conformance_fuzz, "play", wrong)
    found = fuzz(BATCH, 5).difference
    assert found is not None
    assert found.what == "fill"
    assert [step.split()[0] for step in found.steps][-1] == f"#{found.number}"
    assert 3 <= len(found.steps) <= 8  # two makers of one price and who took both, with what else that needs


def test_a_reference_that_loses_an_orders_place_is_caught(monkeypatch: pytest.MonkeyPatch):
    right = ReferenceBook.amend

    def wrong(book: ReferenceBook, number: int, qty: int) -> bool:
        done = right(book, number, qty)
        if done:
            order = book.orders[number]
            queue = book.queues[order.side][order.price]
            queue[number] = queue.pop(number)
        return done

    monkeypatch.setattr(ReferenceBook, "amend", wrong)
    found = fuzz(BATCH, 5).difference
    assert found is not None
    assert len(found.steps) <= 4
    assert any("amend" in step for step in found.steps)


def test_the_command_prints_counts_and_digest_and_writes_them(tmp_path: Path):
    out = tmp_path / "fuzz.json"
    result = CliRunner().invoke(app, ["fuzz", "--messages", "6000", "--seed", "7", "--json", str(out)])
    assert result.exit_code == 0
    assert PINNED in result.stdout
    assert "size is not positive" in result.stdout
    found = json.loads(out.read_text())
    assert (found["passed"], found["messages"], found["seed"], found["digest"]) == (True, 6_000, 7, PINNED)


def test_the_command_fails_and_tells_seed_message_and_both_views(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ReferenceBook, "ahead", lambda book, number: -7)
    result = CliRunner().invoke(app, ["fuzz", "--messages", "3000", "--seed", "7"])
    assert result.exit_code == 1
    assert "seed 7, message " in result.stderr
    assert "result -7" in result.stderr
    assert "engine:" in result.stderr
    assert CliRunner().invoke(app, ["fuzz", "--messages", "0"]).exit_code == 2
