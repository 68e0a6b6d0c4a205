"""An endpoint may do whatever it likes: there is an answer, or a reason in time. Against a server process."""

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lobarena.agents.llm.answer import Answer, LlmError, Unanswered
from lobarena.agents.llm.served import KEY, Served

SECRET = "sk-not-to-be-seen"
ASKED = (("system", "Forecast."), ("user", "0 1 2 3 4"))
GOOD = Answer(3, 2, 40)


@pytest.fixture(scope="module")
def server():
    """Address of the server process."""
    script = Path(__file__).with_name("llm_server.py")
    process = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


@pytest.fixture
def asking(server, monkeypatch, tmp_path):
    """A function that asks the server in one of its ways."""
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setenv("LOBARENA_CACHE", str(tmp_path))
    clients = []

    def ask(how, timeout_s=5.0, attempts=3, concurrency=4):
        clients.append(Served(f"{server}/{how}/v1", "any", attempts, concurrency))
        return clients[-1].ask(ASKED, timeout_s)

    yield ask
    for client in clients:
        client.close()


def counted(server):
    with urllib.request.urlopen(f"{server}/count", timeout=5) as response:
        return json.load(response)


def test_a_good_answer_is_read_with_its_tokens(asking):
    reply = asking("good")
    assert (reply.answer, reply.prompt_tokens, reply.answer_tokens, reply.repaired) == (GOOD, 50, 20, False)


def test_tokens_that_are_not_told_are_counted_at_a_byte_each(asking):
    reply = asking("nousage")
    assert (reply.prompt_tokens, reply.answer_tokens) == (len("Forecast.0 1 2 3 4"), 40)


def test_a_server_without_schemas_is_asked_without(server, asking):
    assert asking("noschema").answer == GOOD
    assert counted(server)["count"]["noschema"] == 3


def test_a_server_is_asked_in_the_form_that_it_answered_to(server, monkeypatch, tmp_path):
    """llama-cpp-python says 500 to OpenAI's form of a schema and knows another."""
    monkeypatch.setenv("LOBARENA_CACHE", str(tmp_path))
    client = Served(f"{server}/objects/v1", "any", 1, 4)
    assert [client.ask(ASKED, 5.0).answer for _ in range(3)] == [GOOD] * 3
    assert counted(server)["count"]["objects"] == 4
    client.close()


def test_an_answer_is_repaired_once(server, asking):
    reply = asking("repairs")
    assert (reply.answer, reply.repaired, reply.prompt_tokens) == (GOOD, True, 100)
    with pytest.raises(Unanswered, match="unreadable") as why:
        asking("prose")
    assert counted(server)["count"]["prose"] == 2
    assert (why.value.prompt_tokens, why.value.answer_tokens) == (100, 40)


def test_a_busy_server_is_asked_again(server, asking):
    assert asking("busy").answer == GOOD
    assert counted(server)["count"]["busy"] == 3


@pytest.mark.parametrize(
    ("how", "kind", "text"),
    [
        ("429", "busy", "429"),
        ("500", "server error", "500"),
        ("401", "refused", "401"),
        ("302", "refused", "302"),
        ("silent", "refused", "without content"),
        ("negative", "unreadable", "spread is -2, not between 1 and 100"),
        ("huge", "unreadable", "no whole number in bounds"),
        ("digits", "unreadable", "Expecting value"),
        ("long", "unreadable", "more than 500 characters"),
        ("html", "unreadable", "no chat completion"),
        ("odd", "unreadable", "no chat completion"),
        ("endless", "unreadable", "more than 65536 bytes"),
        ("packed", "unreadable", "packed"),
        ("noise", "unreachable", "Protocol"),
        ("cut", "unreachable", "Protocol"),
    ],
)
def test_a_bad_answer_is_told_and_no_key_with_it(asking, how, kind, text):
    with pytest.raises(Unanswered, match=kind) as why:
        asking(how)
    assert why.value.kind == kind
    assert text in why.value.text
    assert SECRET not in str(why.value)
    assert "\n" not in why.value.text


@pytest.mark.parametrize("how", ["hang", "drip", "dripheader", "later"])
def test_one_time_out_ends_whatever_takes_too_long(asking, how):
    begun = time.monotonic()
    with pytest.raises(Unanswered, match=r"time-out: 0.3 s"):
        asking(how, timeout_s=0.3)
    assert time.monotonic() - begun < 2


def test_a_port_where_nobody_listens_is_unreachable(monkeypatch, tmp_path):
    monkeypatch.setenv("LOBARENA_CACHE", str(tmp_path))
    client = Served("http://127.0.0.1:9", "any", 2, 4)
    with pytest.raises(Unanswered, match="unreachable: ConnectError"):
        client.ask(ASKED, 5.0)
    client.close()


def test_no_more_calls_than_allowed_are_under_way_at_once(server, asking):
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda _: asking("slow", concurrency=2), range(6)))
    assert all(reply.answer == GOOD for reply in replies)
    assert counted(server)["at once"] == 2


def test_whoever_stops_waiting_takes_the_request_with_them(asking):
    class Late(BaseException):
        pass

    def alarm(*_):
        raise Late

    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGALRM, alarm)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Late):
            asking("hang")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert asking("good").answer == GOOD


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("localhost:8000", "no http address"),
        ("ftp://host/v1", "no http address"),
        ("http://user:secret@host/v1", f"put a key into {KEY}"),
        ("http://host/v1?key=secret", f"put a key into {KEY}"),
        ("http://[::1", "endpoint is no address"),
    ],
)
def test_an_endpoint_is_a_place_and_nothing_more(endpoint, message):
    with pytest.raises(LlmError, match=message) as told:
        Served(endpoint, "any", 1, 1)
    assert "secret" not in str(told.value)


def test_a_key_with_a_line_break_is_refused_and_not_shown(monkeypatch):
    monkeypatch.setenv(KEY, f"{SECRET}\n")
    with pytest.raises(LlmError, match="set it again") as told:
        Served("http://host/v1", "any", 1, 1)
    assert SECRET not in str(told.value)


def test_the_identity_names_endpoint_and_model_and_no_key(monkeypatch):
    monkeypatch.setenv(KEY, SECRET)
    client = Served("http://host/v1/", "llama", 1, 1)
    assert client.identity == "http://host/v1/chat/completions llama"
    assert SECRET not in repr(client)
    client.close()
