"""How long a decision of CMM takes, look to quotes, beside one of the language model that such students learn from."""

import statistics
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.agents.base import Agent, Context
from lobarena.agents.distill.agent import Cmm
from lobarena.agents.distill.forecaster import About, StudentSize, store
from lobarena.agents.forecast import Rule
from lobarena.agents.foretold import Foretold
from lobarena.agents.teacher.base import Base
from lobarena.agents.weight_file import WeightsError
from lobarena.agents.windows.looks import looks
from lobarena.agents.windows.numbers import INSTANT, INSTANT_NAMES, NAMES
from lobarena.benchmarks.measures import Row, Terms
from lobarena.benchmarks.peers import NoPeerError

FITTED = {"sigma": 0.5, "spread": 1.2, "volume": 50.0, "size": 40.0}
ASKED = 3  # calls of the language model a run
STUDENTS, WIDTH, BLOCKS, SPACE, FEATURES = 18, 16, 2, 8, 256  # of lobarena distill cmm when none is pruned


def p50(terms: Terms) -> Row:
    """Median of `Cmm.act`, us."""
    median, _, what = _cmm(terms.runs)
    return Row("agent.cmm.p50", median, "us", what)


def p99(terms: Terms) -> Row:
    """Likewise what one decision in a hundred exceeds."""
    _, slow, what = _cmm(terms.runs)
    return Row("agent.cmm.p99", slow, "us", what)


def vs_llm(terms: Terms) -> Row:
    """By how much the median decision of the default language model, a call each, is longer; in the same process.

    The model's is processor time, on one thread: its calls take so long that a busy machine would lengthen them.
    """
    from lobarena.agents.llm.answer import LlmError

    try:
        from lobarena.agents.llm.agent import Llm

        llm = Llm(every=1, timeout_s=600.0)
        llm.reset(_context())
    except (ImportError, LlmError) as why:
        raise NoPeerError(f"not measured: {why}") from why
    longest = _calls(llm, 1 + ASKED * terms.runs)
    median, _, what = _cmm(terms.runs)
    return Row("agent.cmm.vs_llm", longest / median, "times", f"{what}; SmolLM2-135M, {longest:,.0f} us of one core")


def _calls(llm: Any, count: int) -> float:
    """Median processor time of so many decisions for which the model was asked, the first left out, us."""
    import torch

    torch.set_num_threads(1)
    durations = []
    for look in _looks():
        begin = time.process_time_ns()
        llm.act(look)
        if llm.answer_tokens:  # looks of a closed market ask nobody
            durations.append((time.process_time_ns() - begin) / 1e3)
        if len(durations) == count:
            break
    return statistics.median(durations[1:])


@lru_cache(maxsize=1)
def _cmm(runs: int) -> tuple[float, float, str]:
    """Median and 99th percentile of a decision, us, medians of so many runs over a day; what decided."""
    agent, name = _agent()
    seen = _looks()
    _check(agent, seen)
    found = []
    for _ in range(runs + 1):
        agent.reset(_context())
        found.append(np.percentile(_decisions(agent, seen), [50, 99]))
    median, slow = np.median(found[1:], axis=0).tolist()
    return median, slow, f"{len(seen):,} looks of RBSYN, {name}"


def _decisions(agent: Agent, seen: np.ndarray) -> list[float]:
    """Duration of each, us."""
    act, clock, durations = agent.act, time.perf_counter_ns, []
    for look in seen:
        begin = clock()
        act(look)
        durations.append((clock() - begin) / 1e3)
    return durations


def _check(agent: Cmm, seen: np.ndarray) -> None:
    """RuntimeError unless the quotes are those of the readable rule from the same forecasts."""
    agent.reset(_context())
    told = agent.forecast(seen)
    rule = Rule(agent.gamma, Rule.tau_s, agent.kappa_s, agent.kappa_c, agent.kappa_v)
    readable = Foretold(seen["published"], told, rule)
    agent.reset(_context())
    readable.reset(_context())
    quoted = 0
    for look in seen[:2_000]:
        ours, theirs = agent.act(look), readable.act(look)
        if theirs is not None and ours != theirs:
            raise RuntimeError(f"CMM quotes {ours}, the rule {theirs}; nothing was timed")
        quoted += bool(theirs and theirs.bids)
    if not quoted:
        raise RuntimeError("CMM quoted at no look; nothing was timed")


@lru_cache(maxsize=1)
def _looks() -> np.ndarray:
    """Those of the first embedded day of RBSYN."""
    from lobarena.data.catalogue import days, read_day
    from lobarena.sim.feed import feed_of
    from lobarena.sim.synthetic import embedded_root

    return looks(feed_of(read_day(next(day for day in days(embedded_root()) if day.symbol == "RBSYN"))))


def _context() -> Context:
    from lobarena.data.contracts import contract

    return Context(contract("RB"), 1, 1, 10, 0, 2**62, np.random.default_rng(0), FITTED)


def _agent() -> tuple[Cmm, str]:
    """The agent as it comes, or where the package holds no weights, one of the default size."""
    try:
        agent, name = Cmm(), "packaged weights"
    except WeightsError:
        with tempfile.TemporaryDirectory() as folder:
            agent, name = Cmm(str(drawn(Path(folder) / "student.safetensors"))), "drawn weights"
    return agent, f"{name}, {agent.parameters:,} parameters"


def drawn(path: Path, seed: int = 0) -> Path:
    """A file of students and gate of the default size that learnt nothing."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int, by: float = 1.0) -> np.ndarray:
        return np.asarray(rng.normal(size=shape) / np.sqrt(by), np.float32)

    k, h, inputs = STUDENTS, WIDTH, INSTANT
    students: dict[str, np.ndarray] = {"shift": draw(INSTANT), "scale": np.ones(INSTANT, np.float32)}
    for block in range(BLOCKS):
        students[f"enter.{block}"] = draw(k, inputs + 1, 2 * h, by=inputs)
        students[f"leave.{block}"], inputs = draw(k, inputs + h + 1, h, by=inputs + h), h
    students["head"] = draw(k, h + 1, 3, by=h)
    gate: dict[str, np.ndarray] = {
        "tasks": np.eye(3, dtype=np.float32)[np.arange(k) % 3],
        "space": draw(k, h + 3, SPACE, by=h),
        "frequency": draw(FEATURES // 2, SPACE),
        "mean": draw(3, k, FEATURES, by=FEATURES),
        "log_temperature": np.array(np.log(0.1), np.float32),
        "prior": draw(3, k, 3),
        "score": draw(k, SPACE),
    }
    about = About(
        format=1,
        method="cmm",
        size=StudentSize(students=k, width=h, blocks=BLOCKS, bins=0),
        form="regime",
        numbers=list(INSTANT_NAMES),
        lines=list(NAMES),
        mean=[0.0] * 3,
        sd=[1.0] * 3,
        cuts=[-0.3, 0.3],
    )
    return store(path, students, gate, about, Base.none())
