"""The layers of a causal language model, without its vocabulary: what a teacher thinks with."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

PRETRAINED, RANDOM = "pretrained", "random"


def backbone(path: Path, layers: int = 0, weights: str = PRETRAINED, seed: int = 0) -> nn.Module:
    """The first `layers` layers (0: all) of the model at a path, frozen.

    weights : "pretrained" as they are in the file, or "random": the same architecture with weights drawn anew from
        `seed` by the model's own rule, the control that tells whether the language matters
    LlmError when the path holds no model; ValueError when it has fewer layers.
    """
    from transformers import AutoModelForCausalLM

    from lobarena.agents.llm.local import LocalModel

    if weights not in (PRETRAINED, RANDOM):
        raise ValueError(f"weights is {weights!r}; give {PRETRAINED!r} or {RANDOM!r}")
    network: Any = LocalModel(path).network
    if weights == RANDOM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made: Any = AutoModelForCausalLM
            network = made.from_config(network.config)
    decoder: Any = network.get_decoder()
    if not 0 <= layers <= len(decoder.layers):
        raise ValueError(f"{layers} layers asked for, {path.name} has {len(decoder.layers)}")
    if layers:
        decoder.layers = decoder.layers[:layers]
        decoder.config.num_hidden_layers = layers
    decoder.float().requires_grad_(False)
    decoder.train(mode=False)
    assert isinstance(decoder, nn.Module)
    return decoder


def spread_of_words(decoder: nn.Module) -> float:
    """The root mean square of the model's word embeddings: numbers that stand in their place are given the same."""
    words: torch.Tensor = decoder.get_input_embeddings().weight  # type: ignore[operator]
    return float(words.detach().float().pow(2).mean().sqrt())
