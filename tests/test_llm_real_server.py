"""The agent against `transformers serve` itself, a process of its own that serves tiny models made here."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from test_agents import context, walk
from tiny_answers import TEMPLATE, answering_model
from tiny_model import tiny_model

from lobarena.agents.base import Quotes
from lobarena.agents.llm.agent import Llm
from lobarena.agents.llm.answer import Answer
from lobarena.agents.llm.served import Served

SERVE = "from transformers.cli.transformers import main; main()"
PATIENCE_S = 300  # for a start on a busy machine
PROMPT = (("system", "Forecast."), ("user", "0 1 2 3 4"))


class Server:
    """`transformers serve` on a free port; it loads the folder that a request names."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{free.getsockname()[1]}"
        port = self.address.rpartition(":")[2]
        command = [sys.executable, "-c", SERVE, "serve", "--host", "127.0.0.1", "--port", port, "--device", "cpu"]
        offline = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, env=os.environ | offline, stdout=output, stderr=output)
        until = time.monotonic() + PATIENCE_S
        while self.alive and time.monotonic() < until:
            try:
                if httpx.get(f"{self.address}/health", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        self.stop()
        raise AssertionError(f"the server did not start: {log.read_text()}")

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Server]]:
    running: list[Server] = []
    yield running
    for one in running:
        one.stop()


@pytest.fixture
def server(servers: list[Server], tmp_path: Path) -> Server:
    """The one that runs, or another after it died."""
    if not servers or not servers[-1].alive:
        servers.append(Server(tmp_path / "log"))
    return servers[-1]


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return answering_model(tmp_path_factory.mktemp("answering"))


@pytest.fixture(autouse=True)
def own_slots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOBARENA_CACHE", str(tmp_path))


def agent(server: Server, model: Path, transcript: Path, **parameters) -> Llm:
    settings = {"every": 5, "timeout_s": 60.0, "prompt": "zero-1"} | parameters
    made = Llm(str(model), f"{server.address}/v1", str(transcript), **settings)
    made.reset(context())
    return made


def test_it_plays_with_what_the_server_answers_and_the_same_again_without_it(server, answering, tmp_path):
    path = tmp_path / "calls.jsonl"
    playing = agent(server, answering, path)
    quotes = walk(playing)
    assert any(one and one.bids for one in quotes)
    assert not playing.failures
    replaying = Llm(transcript=str(path), prompt="zero-1", every=5)
    replaying.reset(context())
    assert walk(replaying) == quotes


def test_the_server_counts_the_tokens_and_a_repair_is_paid_too(server, answering):
    client = Served(f"{server.address}/v1", str(answering), 1, 1)
    told = client.ask(PROMPT, 60.0)
    assert (told.answer, told.repaired) == (Answer(2, 1, 40), False)
    assert (told.prompt_tokens, told.answer_tokens) == (len("<system>Forecast.<user>0 1 2 3 4"), 2)
    assert client.ask((("user", "1 3"),), 60.0).answer == Answer(-3, 2, 7)
    repaired = client.ask((("user", "0 9"),), 60.0)
    assert (repaired.answer, repaired.repaired, repaired.answer_tokens) == (Answer(2, 1, 40), True, 4)
    client.close()


def test_a_model_that_talks_nonsense_leaves_the_agent_without_quotes(server, tmp_path):
    model = tiny_model(tmp_path / "random", context=4_096, template=TEMPLATE)
    playing = agent(server, model, tmp_path / "calls.jsonl", every=20)
    assert all(one in (None, Quotes()) for one in walk(playing))
    assert set(playing.failures) == {"unreadable"}


def test_a_model_that_the_server_has_not_is_counted(server, tmp_path):
    playing = agent(server, tmp_path / "none", tmp_path / "calls.jsonl", every=20, attempts=1)
    assert all(one in (None, Quotes()) for one in walk(playing))
    assert playing.failures.total() > 0


def test_a_server_that_dies_in_mid_episode_costs_the_quotes_and_not_the_episode(server, answering, tmp_path):
    playing = agent(server, answering, tmp_path / "calls.jsonl")
    assert any(one and one.bids for one in walk(playing))
    server.stop()
    assert all(one in (None, Quotes()) for one in walk(playing, seed=2))
    assert set(playing.failures) == {"unreachable"}
