"""An agent decides: what it answers, how long it took, and what of that time the simulation charges."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lobarena.agents.base import Agent, Quotes, check_quotes
from lobarena.benchmarks.energy import counter
from lobarena.benchmarks.latency_mode import DAY

QUOTES, KEEP, DEADLINE, FAILED = 0, 1, 2, 3
OUTCOMES = ("quotes", "keep", "deadline", "failed")


class _Late(BaseException):
    """The deadline passed while an agent was deciding; no agent's `except Exception` can swallow it."""


@dataclass(slots=True)
class Decisions:
    """What one seat decided in one episode, a row a decision; times in ns."""

    published: list[int] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    latency: list[int] = field(default_factory=list)
    outcome: list[int] = field(default_factory=list)
    prompt_tokens: list[int] = field(default_factory=list)  # read anew, what a cache held left out
    answer_tokens: list[int] = field(default_factory=list)
    measured: list[int] = field(default_factory=list)
    cpu: int = 0  # ns in all
    joules: float = 0.0  # of the whole machine while this seat decided


class _Alarm:
    """Whether an alarm means anything: one that rings late, when the agent has answered, must hit nobody else."""

    armed = False


class AgentError(RuntimeError):
    """An agent failed; its text goes into the results."""


@dataclass(frozen=True, slots=True)
class Charge:
    """How the thinking time of one seat is charged."""

    mode: str  # of latency_mode.KINDS
    median: int = 0  # ns
    draws: np.ndarray | None = None  # (k,) i8 ns, used in turn: of a distribution, or as recorded
    rates: tuple[float, float] = (math.inf, math.inf)  # tokens a second: of prompts, of answers

    def of(self, number: int, measured: int, tokens: tuple[int, int] = (0, 0), late: bool = False) -> int:
        """ns charged for decision `number`, which took `measured` ns of wall clock and (prompt, answer) `tokens`.

        Per token, a decision that its deadline cut off has told no tokens: it costs at least its wall clock.
        """
        if self.mode == "zero":
            return 0
        if self.mode == "measured":
            return measured
        if self.mode == "per-token":
            ns = 1e9 * (tokens[0] / self.rates[0] + tokens[1] / self.rates[1])
            return round(min(max(ns, measured if late else 0), DAY))
        if self.draws is not None and len(self.draws):
            return int(self.draws[number % len(self.draws)])
        return self.median


@dataclass(slots=True)
class Mind:
    """One seat's agent with its clock: `decide` never raises but AgentError."""

    agent: Agent
    charge: Charge
    deadline_s: float
    allowed: int  # missed deadlines that end the episode
    log: Decisions = field(default_factory=Decisions)
    late: int = 0

    def decide(self, observation: Any) -> tuple[Quotes | None, int]:
        """Target quotes (None keeps the working orders) and the ns charged; AgentError when the agent failed."""
        log, number = self.log, len(self.log.time)
        log.published.append(int(observation["published"]))
        log.time.append(int(observation["time"]))
        quotes: Quotes | None = None
        outcome, error = FAILED, ""
        energy = counter()
        joules = energy.joules()
        cpu, begin = time.thread_time_ns(), time.perf_counter_ns()
        try:
            with _deadline(self.deadline_s):
                # clocks around `act` alone: setting the alarm is no thinking of the agent's
                cpu, begin = time.thread_time_ns(), time.perf_counter_ns()
                quotes = self.agent.act(observation)
                measured = time.perf_counter_ns() - begin
                log.cpu += time.thread_time_ns() - cpu
            late = measured > self.deadline_s * 1e9
        except _Late:
            _Alarm.armed = False  # at once: the next ring is 50 ms away
            measured, late, quotes = time.perf_counter_ns() - begin, True, None
            log.cpu += time.thread_time_ns() - cpu
        except Exception as problem:
            measured, late = time.perf_counter_ns() - begin, False
            log.cpu += time.thread_time_ns() - cpu
            error = f"{type(problem).__name__}: {problem}"
        log.joules += energy.joules() - joules
        tokens = (0, 0)
        if not error:
            try:
                tokens = tokens_of(self.agent)
                if not late and quotes is not None:
                    check_quotes(quotes)
            except Exception as problem:
                error = f"{type(problem).__name__}: {problem}"
        if late:
            self.late += 1
            outcome, quotes = DEADLINE, None
            if self.late >= self.allowed:
                error = f"{self.late} decisions took longer than the deadline of {self.deadline_s:g} s"
        elif not error:
            outcome = KEEP if quotes is None else QUOTES
        charged = self.charge.of(number, measured, tokens, late)
        log.latency.append(charged)
        log.outcome.append(FAILED if error else outcome)
        log.prompt_tokens.append(tokens[0])
        log.answer_tokens.append(tokens[1])
        log.measured.append(measured)
        if error:
            raise AgentError(error[:500])
        return quotes, charged


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise _Late inside the block after `seconds`; where alarms cannot be had, the caller compares clocks after it.

    The alarm is heard between two Python instructions: a single long call into compiled code ends first.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    _Alarm.armed = True
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)  # again and again, should an agent swallow it
    try:
        yield
    finally:
        _Alarm.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)


def _alarm(_signum: int, _frame: Any) -> None:
    if _Alarm.armed:
        raise _Late


@contextmanager
def alarms() -> Iterator[None]:
    """Deadlines are heard inside this block; the handler that was there comes back after it."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, _alarm)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def tokens_of(agent: Agent) -> tuple[int, int]:
    """(prompt, answer) tokens that an agent says its last decision took; ValueError for what is no count."""
    counts = int(getattr(agent, "prompt_tokens", 0)), int(getattr(agent, "answer_tokens", 0))
    if not all(0 <= count < 2**31 for count in counts):
        raise ValueError(f"prompt_tokens and answer_tokens are {counts}; give counts from 0 to 2^31")
    return counts


def notes_of(agent: Agent) -> dict[str, int]:
    """What an agent counted in its episode, by name, in the order of the names; what is no count is left out."""
    try:
        found = dict(agent.counts)  # type: ignore[attr-defined]
        return {str(name)[:40]: int(found[name]) for name in sorted(found)[:32] if int(found[name]) >= 0}
    except Exception:  # most agents count nothing
        return {}


def lognormal(median_ns: float, spread: float, rng: np.random.Generator, count: int = 4_096) -> np.ndarray:
    """(count,) i8 ns: draws of a log-normal thinking time with this median and sd of the log."""
    return np.asarray(np.rint(median_ns * np.exp(spread * rng.standard_normal(count))), np.int64)


def cpu_us(log: Decisions) -> float:
    """us of CPU time a decision; NaN without decisions."""
    return log.cpu / len(log.time) / 1_000 if log.time else math.nan
