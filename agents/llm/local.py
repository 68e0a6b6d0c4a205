"""A causal language model on this machine: a folder of safetensors or a GGUF file, read by transformers.

Nothing is downloaded and nothing is unpickled: a name that is no file or folder is refused, and so are checkpoints that
hold code. Decoding is greedy under the grammar of the answer; what the grammar leaves no choice in costs no pass of its
own through the model, and the fixed part of a prompt is read once.
"""

import copy
import hashlib
import math
import re
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache, LogitsProcessor

from lobarena.agents.llm import grammar
from lobarena.agents.llm.answer import ANSWER_TOKENS, LlmError, Messages, Reply, Unanswered, read
from lobarena.agents.llm.unpacked import unpacked

DTYPES = ("float32", "bfloat16")

_USEFUL = re.compile(r"-?[0-9]*|[,}].*")  # texts of tokens that may follow where the grammar leaves a choice
_SPACES = str.maketrans({"Ġ": " ", "▁": " "})  # how vocabularies write a space


class Vocabulary:
    """The tokens of a tokenizer that answers are made of."""

    def __init__(self, tokens: dict[str, int]) -> None:
        useful = {index: token.translate(_SPACES) for token, index in tokens.items()}
        self._texts = {index: text for index, text in sorted(useful.items()) if text and _USEFUL.fullmatch(text)}
        self._allowed: dict[str, list[int]] = {}
        if missing := set("-0123456789,}") - set(self._texts.values()):
            raise LlmError(
                f"the tokenizer has no token for {' '.join(sorted(missing))}; answers cannot be written in it"
            )

    def allowed(self, text: str) -> list[int]:
        """Tokens that may follow a beginning of an answer where something can be chosen."""
        if text not in self._allowed:
            self._allowed[text] = [index for index, more in self._texts.items() if grammar.viable(text + more)]
        return self._allowed[text]

    def text(self, index: int) -> str:
        """What a token of `allowed` stands for."""
        return self._texts[index]


class Grammatical(LogitsProcessor):
    """Scores with everything ruled out that the text so far does not allow next."""

    def __init__(self, vocabulary: Vocabulary, text: Callable[[], str]) -> None:
        self._vocabulary, self._text = vocabulary, text

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """scores: (1, tokens) f4; the same with -inf where a token is not allowed."""
        allowed = self._vocabulary.allowed(self._text())
        masked = torch.full_like(scores, -math.inf)
        masked[:, allowed] = scores[:, allowed]
        return masked


class LocalModel:
    """A model that answers prompts."""

    def __init__(self, path: Path, dtype: str = "float32") -> None:
        if dtype not in DTYPES:
            raise LlmError(f"dtype is {dtype!r}; give {' or '.join(DTYPES)}")
        sha256 = digest(path)
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            where = unpacked(path, sha256) if path.is_file() else path
            if where is None:  # nowhere to keep it
                where, options["gguf_file"] = path.parent, path.name
            self._tokenizer = AutoTokenizer.from_pretrained(where, **options)
            # a GGUF file is no safetensors folder, and transformers refuses to be told both
            sure = {} if "gguf_file" in options else {"use_safetensors": True}
            self.network: Any = AutoModelForCausalLM.from_pretrained(where, dtype=dtype, **options, **sure)
        except Exception as error:  # readers of foreign files raise whatever they stumble over
            raise LlmError(f"{path}: no causal language model that transformers can read ({error})") from error
        self.network.train(mode=False)
        self._vocabulary = Vocabulary(self._tokenizer.get_vocab())
        self.context = int(getattr(self.network.config, "max_position_embeddings", 0) or 2**31)  # tokens
        self.parameters = sum(one.numel() for one in self.network.parameters())
        self._fixed: tuple[list[int] | None, Any] = (None, None)  # the fixed part read last, and what it left
        self.identity = f"{path.name} sha256:{sha256} {dtype}"

    @torch.inference_mode()
    def prepare(self, messages: Messages) -> None:
        """Read the fixed part of a prompt, so that no decision has to; the data do not matter."""
        fixed = self._prompt(messages)[0]
        if len(fixed) + ANSWER_TOKENS <= self.context:  # else each call will say that it is too long
            self._read(fixed)

    @torch.inference_mode()
    def ask(self, messages: Messages, timeout_s: float) -> Reply:
        """The answer; Unanswered when the prompt does not fit, or the time is up between two passes."""
        started = time.monotonic()
        fixed, chunk = self._prompt(messages)
        prompt_tokens = len(fixed) + len(chunk)
        if prompt_tokens + ANSWER_TOKENS > self.context:
            raise Unanswered("too long", f"{prompt_tokens} tokens for a context of {self.context}")
        cached, cache = self._read(fixed)
        text, seen, chances = "", len(fixed), []
        mask = Grammatical(self._vocabulary, lambda: text)
        while True:
            if must := grammar.forced(text):
                chunk += self._tokens(must)
                text += must
            if grammar.complete(text):
                break
            if time.monotonic() - started > timeout_s:
                raise Unanswered("time-out", f"{timeout_s:g} s", prompt_tokens, max(0, seen - prompt_tokens))
            ids = torch.tensor([chunk])
            scores = self.network(ids, cache=cache, use_cache=True, logits_to_keep=1).logits[:, -1].float()
            seen += len(chunk)
            chance = torch.log_softmax(mask(ids, scores), dim=-1)[0]
            chosen = int(chance.argmax())
            chances.append(float(chance[chosen]))
            if not math.isfinite(chances[-1]):
                raise Unanswered("unreadable", "the model's scores are no numbers", prompt_tokens, seen - prompt_tokens)
            chunk, text = [chosen], text + self._vocabulary.text(chosen)
        # the geometric mean over what was chosen, so that a long answer is not unsure for its length alone
        confidence = min(1.0, math.exp(sum(chances) / len(chances)))
        return Reply(read(text), confidence, prompt_tokens, seen + len(chunk) - prompt_tokens, cached)

    def _read(self, fixed: list[int]) -> tuple[int, Any]:
        """(tokens that were read before, keys and values of the fixed part to go on from)."""
        known = self._fixed[0] == fixed
        if not known:
            cache = DynamicCache(config=self.network.config)
            if fixed:
                self.network(torch.tensor([fixed]), cache=cache, use_cache=True, logits_to_keep=1)
            self._fixed = (fixed, cache)
        return len(fixed) if known else 0, copy.deepcopy(self._fixed[1])

    @property
    def tokenizer(self) -> Any:
        """The model's own."""
        return self._tokenizer

    def _prompt(self, messages: Messages) -> tuple[list[int], list[int]]:
        """Tokens before the data, which are the same for every prompt of a version, and from the data on.

        Always cut there, so that an answer depends on its prompt alone and not on what was asked before.
        """
        if self._tokenizer.chat_template:
            try:
                whole = self._templated(messages)
            except TemplateError:  # some chats know no system: then it stands before the first question
                (_, system), (role, text), *others = messages
                whole = self._templated(((role, f"{system}\n\n{text}"), *others))
        else:
            whole = (self._tokenizer.bos_token or "") + "".join(f"{text}\n\n" for _, text in messages)
        cut = whole.rindex(messages[-1][1])
        return self._tokens(whole[:cut]), self._tokens(whole[cut:])

    def _templated(self, messages: Messages) -> str:
        told = [{"role": role, "content": text} for role, text in messages]
        return str(self._tokenizer.apply_chat_template(told, tokenize=False, add_generation_prompt=True))

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


@lru_cache(maxsize=2)
def shared(path: Path, dtype: str = "float32") -> LocalModel:
    """The model of a path, loaded once a process: answering changes nothing in it."""
    return LocalModel(path, dtype)


def weight_files(path: Path) -> list[Path]:
    """What a model's weights lie in; LlmError for what is no model, or one that would have to be unpickled."""
    if path.is_file():
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise LlmError(f"{path} is no GGUF file; give one, or a folder of safetensors")
        return [path]
    if not path.is_dir():
        raise LlmError(f"{path} is neither a file nor a folder; download the model first, nothing is fetched by name")
    if (path / "adapter_config.json").exists():
        raise LlmError(f"{path} holds an adapter; merge it into its model (peft: merge_and_unload) and save that")
    found = sorted(path.glob("*.safetensors"))
    if not found:
        others = sorted(one.name for one in path.iterdir() if one.suffix in {".bin", ".pt", ".pth", ".ckpt", ".pkl"})
        why = f"only {', '.join(others)}, which can hold code; convert it to safetensors" if others else "no weights"
        raise LlmError(f"{path} has {why}; give a folder of safetensors or a GGUF file")
    return found


def digest(path: Path) -> str:
    """SHA-256 of a model's weights, hex: of the file, or of the digests of several."""
    found = []
    for file in weight_files(path):
        with file.open("rb") as content:
            found.append(hashlib.file_digest(content, "sha256"))
    return (
        found[0].hexdigest() if len(found) == 1 else hashlib.sha256(b"".join(one.digest() for one in found)).hexdigest()
    )
