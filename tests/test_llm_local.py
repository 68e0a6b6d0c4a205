"""A causal language model on this machine: it always answers, and never unpickles or downloads."""

import hashlib
import json
import math
from pathlib import Path

import pytest
import torch
from tiny_model import tiny_model

from lobarena.agents.llm import grammar
from lobarena.agents.llm import unpacked as kept
from lobarena.agents.llm.answer import LlmError, Unanswered, write
from lobarena.agents.llm.local import Grammatical, LocalModel, Vocabulary, digest

TEMPLATE = "{% for one in messages %}<{{ one.role }}>{{ one.content }}\n{% endfor %}<assistant>"


def prompt(*numbers):
    return (("system", "Forecast."), ("user", " ".join(map(str, numbers))))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    return LocalModel(tiny_model(tmp_path_factory.mktemp("model"), words=("12", "345", ",Ġ")))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_random_model_always_answers_within_bounds(model):
    replies = [model.ask(prompt(number, number + 1), 9.0) for number in range(40)]
    assert len({reply.answer for reply in replies}) > 10
    assert all(0 < reply.confidence <= 1 for reply in replies)
    assert all(reply.answer_tokens >= len(write(reply.answer)) // 3 for reply in replies)
    assert replies[0].prompt_tokens == len("Forecast.\n\n0 1\n\n")


def test_an_answer_depends_on_its_prompt_alone(model, tmp_path: Path):
    first = model.ask(prompt(1, 2), 9.0)
    model.ask((("system", "Another."), ("user", "7")), 9.0)
    again, warm = model.ask(prompt(1, 2), 9.0), model.ask(prompt(1, 2), 9.0)
    assert (again.answer, again.confidence) == (warm.answer, warm.confidence) == (first.answer, first.confidence)
    assert (again.cached_tokens, warm.cached_tokens) == (0, len("Forecast.\n\n"))


def test_a_prepared_prompt_is_read_by_no_decision(model):
    model.ask((("system", "Another."), ("user", "7")), 9.0)
    model.prepare(prompt(0))
    assert model.ask(prompt(1, 2), 9.0).cached_tokens == len("Forecast.\n\n")
    model.prepare((("system", "x" * 10_000), ("user", "7")))  # more than the context: left to the calls


def test_caches_and_shortcuts_change_no_answer(model):
    """The whole text through the network at once, choice by choice."""
    for number in range(5):
        fixed, rest = model._prompt(prompt(number))
        ids, text = fixed + rest, ""
        vocabulary = Vocabulary(model._tokenizer.get_vocab())
        while not grammar.complete(text):
            if must := grammar.forced(text):
                text, ids = text + must, ids + model._tokens(must)
                continue
            with torch.inference_mode():
                scores = model.network(torch.tensor([ids])).logits[0, -1]
            best = max(vocabulary.allowed(text), key=lambda index: float(scores[index]))
            ids, text = [*ids, best], text + vocabulary.text(best)
        assert text == write(model.ask(prompt(number), 9.0).answer)


def test_the_processor_leaves_only_what_the_grammar_allows(model):
    vocabulary = Vocabulary(model._tokenizer.get_vocab())
    scores = Grammatical(vocabulary, lambda: '{"move": 4')(torch.zeros(1, 1), torch.zeros(1, model.network.vocab_size))
    left = {vocabulary.text(int(index)) for index in torch.isfinite(scores[0]).nonzero()}
    assert left == {"0", ",", ", "}


def test_a_model_gone_to_nan_brings_no_answer(tmp_path: Path):
    broken = LocalModel(tiny_model(tmp_path))
    with torch.no_grad():
        for weights in broken.network.parameters():
            weights.fill_(math.nan)
    with pytest.raises(Unanswered, match="unreadable: the model's scores are no numbers"):
        broken.ask(prompt(1), 9.0)


def test_a_chat_template_is_followed(tmp_path: Path):
    model = LocalModel(tiny_model(tmp_path, template=TEMPLATE))
    assert model.ask(prompt(1), 9.0).prompt_tokens == len("<system>Forecast.\n<user>1\n<assistant>")


def test_a_chat_that_knows_no_system_gets_it_with_the_first_question(tmp_path: Path):
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TEMPLATE
    model = LocalModel(tiny_model(tmp_path, template=refusing))
    assert model.ask(prompt(1), 9.0).prompt_tokens == len("<user>Forecast.\n\n1\n<assistant>")


def test_a_prompt_longer_than_the_context_brings_no_answer(tmp_path: Path):
    model = LocalModel(tiny_model(tmp_path, context=64))
    with pytest.raises(Unanswered, match="too long: 112 tokens for a context of 64"):
        model.ask((("user", "1" * 110),), 9.0)


def test_time_that_is_up_brings_no_answer(model):
    with pytest.raises(Unanswered, match="time-out") as told:
        model.ask(prompt(1), timeout_s=-1)
    assert told.value.prompt_tokens > 0


def test_a_checkpoint_that_would_be_unpickled_is_refused(tmp_path: Path):
    tiny_model(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(LlmError, match=r"only pytorch_model.bin, which can hold code; convert it to safetensors"):
        LocalModel(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04", "no GGUF file"),
        (b"", "no GGUF file"),
        (b"GGUF\x03\x00\x00\x00garbage", "no causal language model"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "model.gguf").write_bytes(content)
    with pytest.raises(LlmError, match=message):
        LocalModel(tmp_path / "model.gguf")


@pytest.fixture
def unpacking(tmp_path: Path, monkeypatch) -> list[Path]:
    """Files that were unpacked, by a reader of GGUF that makes the tiny model of whatever it is given."""
    made: list[Path] = []

    def write(path: Path, folder: Path) -> None:
        made.append(path)
        tiny_model(folder)
        sums = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.iterdir()}
        (folder / kept.SUMS).write_text(json.dumps(sums))

    monkeypatch.setenv("LOBARENA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kept, "_write", write)
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    return made


def test_a_gguf_file_is_unpacked_once_and_named_by_its_own_digest(unpacking, tmp_path: Path):
    path = tmp_path / "model.gguf"
    first, second = LocalModel(path), LocalModel(path)
    assert unpacking == [path]
    assert first.identity == second.identity == f"model.gguf sha256:{digest(path)} float32"
    assert first.ask(prompt(1), 9.0).answer == second.ask(prompt(1), 9.0).answer
    path.write_bytes(b"GGUF of another")
    LocalModel(path)
    assert len(unpacking) == 2


@pytest.mark.parametrize("damage", [b"", b"\x00" * 64])
def test_what_was_unpacked_and_then_damaged_is_made_anew(unpacking, tmp_path: Path, damage: bytes):
    LocalModel(tmp_path / "model.gguf")
    (weights,) = (tmp_path / "cache").rglob("model.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) - len(damage) - 1] + damage)
    LocalModel(tmp_path / "model.gguf")
    assert len(unpacking) == 2
    assert weights.read_bytes() == whole


def test_an_unpacking_that_is_stopped_leaves_nothing_behind(unpacking, tmp_path: Path, monkeypatch):
    def stopped(path: Path, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(kept, "_write", stopped)
    with pytest.raises(KeyboardInterrupt):
        LocalModel(tmp_path / "model.gguf")
    assert not list((tmp_path / "cache" / "models").iterdir())


def test_bfloat16_is_another_model_to_a_transcript_and_other_types_are_refused(tmp_path: Path):
    half = LocalModel(tiny_model(tmp_path), "bfloat16")
    assert half.identity.endswith(" bfloat16")
    assert half.ask(prompt(1), 9.0).answer
    with pytest.raises(LlmError, match="dtype is 'int8'; give float32 or bfloat16"):
        LocalModel(tmp_path, "int8")


def test_an_adapter_is_not_taken_for_a_model(tmp_path: Path):
    (tiny_model(tmp_path) / "adapter_config.json").write_text("{}")
    with pytest.raises(LlmError, match="holds an adapter; merge it"):
        LocalModel(tmp_path)


def test_a_damaged_folder_is_refused(tmp_path: Path):
    weights = tiny_model(tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(LlmError, match="no causal language model that transformers can read"):
        LocalModel(tmp_path)


def test_a_name_is_never_looked_up_elsewhere():
    with pytest.raises(LlmError, match="neither a file nor a folder"):
        LocalModel(Path("HuggingFaceTB/SmolLM2-135M"))


def test_an_identity_names_the_weights(model, tmp_path: Path):
    assert digest(tiny_model(tmp_path, seed=1)) not in model.identity
    assert "sha256:" in model.identity


def test_a_tokenizer_without_digits_is_refused():
    with pytest.raises(LlmError, match="no token for"):
        Vocabulary({"a": 0, "1": 1})
