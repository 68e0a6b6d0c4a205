"""A random Llama of two layers with a tokenizer of bytes, made in a moment."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast


def tiny_model(
    folder: Path, seed: int = 0, context: int = 512, *, template: str = "", words: tuple[str, ...] = ()
) -> Path:
    """Save one as a folder of safetensors. words: tokens beside the bytes."""
    letters = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *words]
    bytewise = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(letters)}, merges=[]))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytewise)
    if template:
        tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(letters),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=context,
        initializer_range=1.0,  # lively, so that answers differ from prompt to prompt
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
