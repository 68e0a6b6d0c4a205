"""A model behind an OpenAI-compatible endpoint: vLLM, the server of llama.cpp, Ollama and the like.

One decision has one time-out, whatever it goes through: waiting for a free slot, retries with jitter, one repair. A
JSON schema is asked for in the form that the server has, found out by its refusals. The key is read from
LOBARENA_LLM_KEY and goes into the request alone: no text that is kept holds it. Redirects are not followed, proxies and
.netrc not read.
"""

import asyncio
import hashlib
import json
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from functools import cache as once
from functools import lru_cache
from typing import Any

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from lobarena.agents.llm.answer import (
    ANSWER_TOKENS,
    LONGEST,
    UNSURE,
    LlmError,
    Messages,
    Reply,
    Unanswered,
    read,
    schema,
)
from lobarena.agents.llm.fetch import cache

KEY = "LOBARENA_LLM_KEY"
_LARGEST = 1 << 16  # bytes of a response that is read at all
_TOLD = 120  # characters of a server's error that are kept
_JITTER = wait_random_exponential(multiplier=0.05, max=2.0)  # seconds
_LATER = {408, 425, 429, 500, 502, 503, 504}
_NO_SCHEMA = {400, 404, 415, 422, 501}  # what servers say to a field they do not know
_FORMS: tuple[dict[str, Any], ...] = (  # how the shape of an answer is asked for: OpenAI's, llama-cpp-python's, not
    {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "forecast", "strict": True, "schema": schema()},
        }
    },
    {"response_format": {"type": "json_object", "schema": schema()}},
    {},
)


class _Again(Unanswered):
    """What may be better a moment later."""

    after_s = 0.0  # as the server wants it


class Served:
    """A model of an endpoint, such as http://localhost:8000/v1."""

    def __init__(self, endpoint: str, model: str, attempts: int, concurrency: int) -> None:
        self._url = _url(endpoint)
        self._model, self._attempts, self._concurrency = model, attempts, concurrency
        self._key = os.environ.get(KEY, "")
        if not (self._key.isascii() and self._key.isprintable()) or " " in self._key:
            raise LlmError(f"{KEY} holds white space or other signs that no key has; set it again")
        self._form, self._heard = 0, False  # of _FORMS, the one in use; whether the server ever answered to it
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {self._key}"} if self._key else {})
        self._client = httpx.AsyncClient(headers=headers, timeout=None, trust_env=False)
        self.identity = f"{self._url} {model}"

    def ask(self, messages: Messages, timeout_s: float) -> Reply:
        """The answer; Unanswered when there is none in time."""
        asked = asyncio.run_coroutine_threadsafe(self._ask(messages, timeout_s), _loop())
        try:
            return asked.result()
        except CancelledError:
            raise Unanswered("time-out", "cancelled") from None
        except BaseException:  # a deadline or Ctrl-C while waiting: the request goes too
            asked.cancel()
            raise

    def close(self) -> None:
        """Close the connections."""
        asyncio.run_coroutine_threadsafe(self._client.aclose(), _loop()).result()

    async def _ask(self, messages: Messages, timeout_s: float) -> Reply:
        used = _Used()
        try:
            async with asyncio.timeout(timeout_s), _slot(self._url, self._concurrency):
                text = await self._text(messages, used)
                try:
                    return Reply(read(text), UNSURE, *used.tokens())
                except ValueError as error:
                    again = ("user", f"That is not it: {error}. Answer with the JSON object alone.")
                    text = await self._text((*messages, ("assistant", text[:LONGEST]), again), used)
                try:
                    return Reply(read(text), UNSURE, *used.tokens(), repaired=True)
                except ValueError as error:
                    raise Unanswered("unreadable", str(error)) from None
        except TimeoutError:
            raise Unanswered("time-out", f"{timeout_s:g} s", *used.tokens()) from None
        except Unanswered as why:
            raise Unanswered(why.kind, self._safe(why.text), *used.tokens()) from None

    async def _text(self, messages: Messages, used: "_Used") -> str:
        """What the model says; tried again where that may help."""
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self._attempts), wait=_wait, retry=retry_if_exception_type(_Again), reraise=True
        )
        async for attempt in retrying:
            with attempt:
                return await self._post(messages, used)
        raise AssertionError  # tenacity raises before it comes here

    async def _post(self, messages: Messages, used: "_Used") -> str:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": role, "content": text} for role, text in messages],
            "temperature": 0,
            "max_tokens": ANSWER_TOKENS,
        }
        for form in range(self._form, len(_FORMS)):
            used.sent(messages)
            try:
                async with self._client.stream("POST", self._url, json=body | _FORMS[form]) as response:
                    status, told = response.status_code, await _content(response)
                    after = response.headers.get("retry-after", "")
            except httpx.HTTPError as error:
                raise _Again("unreachable", f"{type(error).__name__}: {error}") from None
            if status == 200:
                self._form, self._heard = form, True
                return _said(told, used)
            used.nothing()  # a refused call costs nothing
            # llama-cpp-python says 500 to a form it does not know; from a server that knows it, 500 is a fault
            if self._heard or status not in _NO_SCHEMA | {500}:
                break
        text = f"{status} {told[:_LARGEST].decode(errors='replace')}"
        if status not in _LATER:
            raise Unanswered("refused", text)
        problem = _Again("busy" if status == 429 else "server error", text)
        problem.after_s = float(after) if after.isascii() and after.isdecimal() else 0.0
        raise problem

    def _safe(self, text: str) -> str:
        """A text to keep: short, of one line, and without the key, should a server send it back."""
        if self._key:
            text = text.replace(self._key, "***")
        return "".join(char if char.isprintable() else " " for char in text)[:_TOLD]


class _Used:
    """Tokens of one decision: as told by the server, else at most as many as there are bytes."""

    def __init__(self) -> None:
        self._calls: list[tuple[int, int]] = []

    def sent(self, messages: Messages) -> None:
        self._calls.append((sum(len(text.encode()) for _, text in messages), ANSWER_TOKENS))

    def nothing(self) -> None:
        self._calls.pop()

    def told(self, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        prompt, answer = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if isinstance(prompt, int) and isinstance(answer, int) and 0 <= prompt < 2**31 and 0 <= answer < 2**31:
            self._calls[-1] = (prompt, answer)

    def tokens(self) -> tuple[int, int]:
        return sum(prompt for prompt, _ in self._calls), sum(answer for _, answer in self._calls)


async def _content(response: httpx.Response) -> bytes:
    """The body as sent; Unanswered when it is packed or has no end."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Unanswered("unreadable", "a packed response, though none was asked for")
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > _LARGEST:
            raise Unanswered("unreadable", f"a response of more than {_LARGEST} bytes")
    return bytes(content)


def _said(content: bytes, used: _Used) -> str:
    """The text of a chat completion."""
    try:
        found = json.loads(content)
        used.told(found.get("usage"))
        text = found["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise Unanswered("unreadable", "no chat completion") from None
    if not isinstance(text, str):
        raise Unanswered("refused", "a message without content")
    return text


def _wait(state: RetryCallState) -> float:
    """Seconds until the next try: as the server wants, and jitter on top."""
    problem = state.outcome.exception() if state.outcome else None
    return _JITTER(state) + (problem.after_s if isinstance(problem, _Again) else 0.0)


def _url(endpoint: str) -> str:
    """Where chat completions are asked for; LlmError when the endpoint is none, or holds a secret."""
    try:
        url = httpx.URL(endpoint)
    except (httpx.InvalidURL, TypeError) as error:
        raise LlmError(f"endpoint is no address ({error}); give one like http://localhost:8000/v1") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise LlmError("endpoint is no http address; give one like http://localhost:8000/v1")
    if url.userinfo or url.query or url.fragment:
        raise LlmError(f"endpoint names more than a place, and is written to results; put a key into {KEY} instead")
    return f"{str(url).rstrip('/')}/chat/completions"


@asynccontextmanager
async def _slot(url: str, count: int) -> AsyncIterator[None]:
    """One of `count` places of an endpoint, over all processes of the user."""
    import fcntl  # POSIX alone has it

    folder = cache() / "slots"
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    while True:
        for number in range(count):
            handle = os.open(folder / f"{name}.{number}", os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                continue
            try:
                yield
            finally:
                os.close(handle)  # and the lock with it
            return
        await asyncio.sleep(0.005)


@lru_cache(maxsize=8)
def shared(endpoint: str, model: str, attempts: int, concurrency: int) -> Served:
    """A client of these settings, one a process, so that connections are kept."""
    return Served(endpoint, model, attempts, concurrency)


@once
def _loop() -> asyncio.AbstractEventLoop:
    """A loop in a thread of its own: whoever waits for it can be interrupted without harm to it."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="llm calls", daemon=True).start()
    return loop
