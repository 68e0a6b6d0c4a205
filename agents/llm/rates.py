"""How fast a model reads and writes: measured by asking it, with short data and with long."""

import statistics
import time

import numpy as np

from lobarena.agents.llm.answer import LlmError, Source, Unanswered
from lobarena.agents.llm.prompt import Prompt

TIMES = 3  # calls of each length
LINES = (2, 64)  # of data, in a short and in a long prompt
_PATIENCE_S = 120.0  # of a call
_FASTEST = 1e7  # tokens a second; what a clock says beyond that is noise


def measure(source: Source, prompt: Prompt) -> tuple[float, float]:
    """(prefill, decode) tokens a second: of what a prompt has beyond its fixed part, and of the answer.

    The median times of a short and a long prompt are two equations, seconds = prompt tokens / prefill + answer tokens /
    decode (our formulation). LlmError when the model does not answer.
    """
    rows, seconds = [], []
    try:
        for lines in LINES:
            taken = [_ask(source, prompt, lines, seed) for seed in range(TIMES + 1)][1:]  # the first one warms up
            rows.append([statistics.fmean(one[k] for one in taken) for k in (1, 2)])
            seconds.append(statistics.median(one[0] for one in taken))
    except Unanswered as why:
        raise LlmError(f"the model's rates cannot be measured ({why}); give them: prefill=2000,decode=40") from why
    (read, wrote), (more, again) = rows
    # the long prompt tells the cost of reading; what it leaves of the short one is writing
    per_read = max((seconds[1] - seconds[0] * again / wrote) / (more - read * again / wrote), 1 / _FASTEST)
    per_write = max((seconds[0] - per_read * read) / wrote, 1 / _FASTEST)
    return 1 / per_read, 1 / per_write


def _ask(source: Source, prompt: Prompt, lines: int, seed: int) -> tuple[float, int, int]:
    """(seconds, tokens read, tokens written) of one call; the data are never the same twice."""
    numbers = np.random.default_rng(seed).integers(1, 99, (lines, len(prompt.columns)))
    began = time.perf_counter()
    reply = source.ask(prompt.messages(numbers.tolist()), _PATIENCE_S)
    return time.perf_counter() - began, reply.prompt_tokens - reply.cached_tokens, reply.answer_tokens
