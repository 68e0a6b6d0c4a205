"""A tiny Llama whose answers are known: the last character of its prompt alone decides what it says."""

from pathlib import Path

import torch
from tiny_model import tiny_model
from transformers import AutoTokenizer, LlamaForCausalLM

SAYS = {  # last characters of a prompt: what is said to them
    "02468.": '{"move": 2, "spread": 1, "volume": 40}',
    "1357": '{"move": -3, "spread": 2, "volume": 7}',
    "9": "I think that the price will rise.",
}
END = "<end>"
TEMPLATE = "{% for one in messages %}<{{ one.role }}>{{ one.content }}{% endfor %}"


def answering_model(folder: Path) -> Path:
    """Save one: what is said is a single token, and the end follows it."""
    words = [text.replace(" ", "Ġ") for text in SAYS.values()]
    tiny_model(folder, context=4_096, template=TEMPLATE, words=(*words, END))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.eos_token = END
    tokenizer.save_pretrained(folder)
    ids, end = tokenizer.get_vocab(), tokenizer.eos_token_id
    network = LlamaForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        for layer in network.model.layers:  # nothing is added to the embedding of the last token
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        embeddings, scores = network.model.embed_tokens.weight.zero_(), network.lm_head.weight.zero_()
        for axis, (characters, word) in enumerate(zip(SAYS, words, strict=True)):
            embeddings[[ids[one] for one in characters], axis] = 1
            scores[ids[word], axis] = 1
            embeddings[ids[word], len(SAYS)] = 1
        scores[end, len(SAYS)] = 1
    network.config.eos_token_id = network.generation_config.eos_token_id = end
    network.save_pretrained(folder)
    return folder
