"""The language model as market maker: it forecasts, and the one rule for every forecaster turns that into quotes."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lobarena.agents.base import Context, Quotes
from lobarena.agents.forecast import STAY, Forecast, Rule
from lobarena.agents.foretold import Foretelling
from lobarena.agents.llm.answer import LlmError, Source, Unanswered
from lobarena.agents.llm.fetch import fetched
from lobarena.agents.llm.prompt import DEFAULT, Looks, load
from lobarena.agents.llm.rates import measure
from lobarena.agents.llm.transcript import Budget, Transcript
from lobarena.agents.quoting import View, Volatility, limit_of


@dataclass
class Llm(Foretelling):
    """A language model asked every few looks for move, spread and volume of the next 5 s; quotes by the common rule.

    Who answers: `model`, a GGUF file or a folder of safetensors; or `model` as it is called at `endpoint`; or, with a
    transcript alone, nobody but what was recorded in it; or, with nothing at all, the model of `lobarena llm fetch`.
    A call that brings no answer pulls the quotes and is counted in `failures`; the next one comes `every` looks later.
    """

    model: str = ""
    endpoint: str = ""  # of an OpenAI-compatible server, such as http://localhost:8000/v1
    transcript: str = ""  # file where every call is written, and looked up first
    prompt: str = DEFAULT  # version
    dtype: str = "float32"  # of a model on this machine; bfloat16 is faster on some, and gives other answers
    every: int = 10  # looks between two calls; between them the quotes stay
    timeout_s: float = 0.9  # of a call, retries included; below the tournament's deadline of 1 s
    attempts: int = 3  # at an endpoint that is busy, broken or away
    concurrency: int = 4  # calls to an endpoint at once, over all processes
    max_tokens: int = 1_000_000  # that an endpoint's whole transcript may take; 0 is no bound
    max_cost: float = 0.0  # currency, the same
    price_in: float = 0.0  # currency a million tokens of prompts
    price_out: float = 0.0  # currency a million tokens of answers
    gamma: float = Rule.gamma
    kappa_s: float = Rule.kappa_s
    kappa_c: float = Rule.kappa_c
    kappa_v: float = Rule.kappa_v
    c: int = 0  # lots; 0 is the venue's position limit

    # of the last decision; what was read before (the fixed part of the prompt) is not read again
    prompt_tokens: int = field(default=0, init=False)
    answer_tokens: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.every < 1 or self.attempts < 1 or self.concurrency < 1 or not self.timeout_s > 0:
            raise LlmError("every, attempts and concurrency are 1 or more, timeout_s is positive")
        if self.endpoint and not (self.model and self.transcript):
            raise LlmError("an endpoint needs model=NAME as it is called there, and transcript=FILE for what was paid")
        self._prompt = load(self.prompt)
        self._rule = Rule(self.gamma, Rule.tau_s, self.kappa_s, self.kappa_c, self.kappa_v)
        budget = Budget(self.max_tokens, self.max_cost, self.price_in, self.price_out)
        self._budget = budget if self.endpoint else Budget()  # a model on this machine costs nobody anything
        if not self.endpoint and not self.transcript:
            self._path()

    def reset(self, context: Context) -> None:
        """A new episode; the first one of a process loads the model."""
        self._context, self._limit = context, limit_of(context, self.c)
        source = self._open()
        if prepare := getattr(source, "prepare", None):
            prepare(self._prompt.messages([[0] * len(self._prompt.columns)]))
        self._source = self._recorded(source)
        self._looks = Looks(self._prompt.seconds)
        self._volatility = Volatility(context.fitted.get("sigma", 0.3))
        self._since = 0  # looks since the last call
        self._read = self._acts = 0
        self.prompt_tokens = self.answer_tokens = 0
        self._asked = self._answered = self._repaired = 0  # calls of this episode
        self.failures: Counter[str] = Counter()  # by kind, of this episode
        self.flop = 0.0  # mean of a decision, attention left out; NaN where the size of the model is not known

    def act(self, observation: Any) -> Quotes | None:
        """A call every few looks, the quotes as they are between them, none where there is no mid."""
        self.prompt_tokens = self.answer_tokens = 0
        quotes = self._quotes(observation)
        self._acts, self._read = self._acts + 1, self._read + self.prompt_tokens + self.answer_tokens
        self.flop = 2.0 * getattr(self, "parameters", float("nan")) * self._read / self._acts
        return quotes

    def _foretell(self, seen: View | None, observation: Any) -> Forecast | Literal["stay"] | None:
        """A new forecast, none where there is no mid or no answer, STAY between two calls."""
        if seen is None:
            self._since = 0
            return None
        self._looks.see(seen, int(observation["volume"]))
        self._volatility.update(seen.published, seen.mid)
        self._since += 1
        if self._since % self.every != 1 % self.every:
            return STAY
        self._asked += 1
        try:
            reply = self._source.ask(self._prompt.messages(self._looks.rows(self._prompt.columns)), self.timeout_s)
        except Unanswered as why:
            self.failures[why.kind] += 1
            self.prompt_tokens, self.answer_tokens = why.prompt_tokens, why.answer_tokens
            return None
        self._answered, self._repaired = self._answered + 1, self._repaired + reply.repaired
        self.prompt_tokens, self.answer_tokens = reply.prompt_tokens - reply.cached_tokens, reply.answer_tokens
        return reply.answer.forecast(reply.confidence)

    @property
    def counts(self) -> dict[str, int]:
        """What became of this episode's calls; a call without an answer pulls the quotes."""
        recalled = getattr(self._source, "recalled", 0)
        found = {"asked": self._asked, "recalled": recalled, "answered": self._answered, "repaired": self._repaired}
        return found | {"pulled": self.failures.total()} | self.failures

    def rates(self) -> tuple[float, float]:
        """(prompt, answer) tokens a second of a model on this machine, measured now; LlmError for any other."""
        source = self._open() if not self.endpoint else None
        if source is None:
            raise LlmError("only a model on this machine is measured; give its rates: per-token:prefill=2000,decode=40")
        return measure(source, self._prompt)

    def _open(self) -> Source | None:
        """Who answers what no transcript holds."""
        try:
            if self.endpoint:
                from lobarena.agents.llm.served import shared as served

                return served(self.endpoint, self.model, self.attempts, self.concurrency)
            if self.transcript and not self.model:
                return None
            from lobarena.agents.llm.local import shared as local
        except ImportError as error:
            raise LlmError(f"{error.name} is missing; pip install 'lobarena[llm]'") from error
        model = local(self._path(), self.dtype)
        self.parameters = model.parameters
        return model

    def _path(self) -> Path:
        path = Path(self.model).expanduser() if self.model else fetched()
        if not path.exists():
            raise LlmError(f"model {self.model}: no such file or folder; nothing is downloaded by name")
        return path

    def _recorded(self, source: Source | None) -> Source:
        if not self.transcript:
            assert source is not None
            return source
        fixed = self._prompt.messages(())[:-1]
        return Transcript(Path(self.transcript).expanduser(), source, self.prompt, fixed, self._budget)
