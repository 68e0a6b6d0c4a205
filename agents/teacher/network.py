"""The teacher: a language model that reads the numbers of looks in place of words (our formulation).

One look is one token: its numbers pass a small network into the space of the word embeddings. The layers stay as they
are but for their norms and, if wanted, low-rank additions (LoRA, Hu et al. 2022, eq. 3). A linear read-out of the last
layer corrects a linear forecast from the numbers themselves (`base`).
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from lobarena.agents.teacher.backbone import spread_of_words
from lobarena.agents.windows.numbers import COUNT
from lobarena.agents.windows.targets import TASKS

CUT = 5.0  # standard deviations at which a number is cut
_HIDDEN = 256


class Teacher(nn.Module):
    """Corrections of every look's forecast from the looks of a chunk up to it."""

    def __init__(self, decoder: nn.Module, shift: np.ndarray, scale: np.ndarray, lora: int = 0) -> None:
        """shift, scale : (COUNT,) of the numbers on training days; lora : rank of the additions, 0 for none"""
        super().__init__()
        config: Any = decoder.config
        width = int(config.hidden_size)
        self.shift: torch.Tensor
        self.scale: torch.Tensor
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        self.gain = spread_of_words(decoder)
        self.embed = nn.Sequential(nn.Linear(COUNT, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, width), nn.LayerNorm(width))
        if lora:
            from peft import LoraConfig, get_peft_model

            targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # peft still calls what transformers renames
                decoder = get_peft_model(decoder, LoraConfig(r=lora, lora_alpha=2 * lora, target_modules=targets))
        self.decoder, self.config = decoder, config
        for name, parameter in decoder.named_parameters():
            if "norm" in name:
                parameter.requires_grad_(True)
        self.head = nn.Linear(width, len(TASKS))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def standard(self, numbers: torch.Tensor) -> torch.Tensor:
        """(..., COUNT) numbers, standardised and cut."""
        return ((numbers - self.shift) / self.scale).clamp(-CUT, CUT)

    def states(self, numbers: torch.Tensor, past: Any = None) -> Sequence[torch.Tensor]:
        """The states of every layer: numbers (B, T, COUNT) f4 -> L + 1 of (B, T, D), the embedding first."""
        tokens = self.embed(self.standard(numbers)) * self.gain
        told = self.decoder(inputs_embeds=tokens, output_hidden_states=True, cache=past, use_cache=past is not None)
        states: Sequence[torch.Tensor] = told.hidden_states
        return states

    def told(self, numbers: torch.Tensor, past: Any = None) -> tuple[torch.Tensor, torch.Tensor]:
        """numbers (B, T, COUNT) f4 -> corrections of TASKS (B, T, 3), states of the last layer (B, T, D)."""
        x = self.standard(numbers)
        last = self.decoder(inputs_embeds=self.embed(x) * self.gain, cache=past, use_cache=past is not None)
        state: torch.Tensor = last.last_hidden_state
        return self.head(state), state

    def forward(self, numbers: torch.Tensor, past: Any = None) -> torch.Tensor:
        """numbers (B, T, COUNT) f4 -> corrections (B, T, 3) in standard deviations of what the line leaves over."""
        return self.told(numbers, past)[0]

    def learnt(self) -> dict[str, torch.Tensor]:
        """Everything but the frozen weights, by name."""
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        trained |= {"shift", "scale"}
        return {name: value for name, value in self.state_dict().items() if name in trained}

    def groups(self, rate: float, inner: float) -> list[dict[str, Any]]:
        """Parameter groups: what is new learns at `rate`, what lies inside the model at `inner`; norms do not decay."""
        new: list[nn.Parameter] = []
        old: list[nn.Parameter] = []
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                (old if name.startswith("decoder") else new).append(parameter)
        return [{"params": new, "lr": rate, "weight_decay": 0.01}, {"params": old, "lr": inner, "weight_decay": 0.0}]
