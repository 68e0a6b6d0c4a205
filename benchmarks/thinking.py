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
    tokens: list[int] = field(default_factory=list)
    measured: list[int] = field(default_factory=list)
    cpu: int = 0  # ns in all


class AgentError(RuntimeError):
    """An agent failed; its text goes into the results."""


@dataclass(frozen=True, slots=True)
class Charge:
    """How the thinking time of one seat is charged."""

    mode: str  # zero, constant, distribution, measured or recorded
    median: int = 0  # ns
    draws: np.ndarray | None = None  # (k,) i8 ns, used in turn: of a distribution, or as recorded

    def of(self, number: int, measured: int) -> int:
        """ns charged for decision `number`, which took `measured` ns of wall clock."""
        if self.mode == "zero":
            return 0
        if self.mode == "measured":
            return measured
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
            measured, late, quotes = time.perf_counter_ns() - begin, True, None
            log.cpu += time.thread_time_ns() - cpu
        except Exception as problem:
            measured, late = time.perf_counter_ns() - begin, False
            log.cpu += time.thread_time_ns() - cpu
            error = f"{type(problem).__name__}: {problem}"
        if not error and not late and quotes is not None:
            try:
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
        charged = self.charge.of(number, measured)
        log.latency.append(charged)
        log.outcome.append(FAILED if error else outcome)
        log.tokens.append(int(getattr(self.agent, "tokens", 0) or 0))
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

    signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)  # again and again, should an agent swallow it
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _alarm(_signum: int, _frame: Any) -> None:
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


def lognormal(median_ns: float, spread: float, rng: np.random.Generator, count: int = 4_096) -> np.ndarray:
    """(count,) i8 ns: draws of a log-normal thinking time with this median and sd of the log."""
    return np.asarray(np.rint(median_ns * np.exp(spread * rng.standard_normal(count))), np.int64)


def cpu_us(log: Decisions) -> float:
    """us of CPU time a decision; NaN without decisions."""
    return log.cpu / len(log.time) / 1_000 if log.time else math.nan
