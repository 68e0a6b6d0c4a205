"""Quenching of a text model: one layer's state at the end of a line is replaced, and the pass goes on from there.

Only the state that "last" pools is replaced, not those of the tokens before it: with all of them equal no layer above
could know anything, and every layer would look the same. What the tokens before gave (keys and values) is computed once
for a set of windows; a window then costs one token a layer.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import DynamicCache

from lobarena.agents.llm.answer import LlmError
from lobarena.agents.teacher.text import TextDay, TextModel, by_chunk


@dataclass(frozen=True, eq=False)
class _Prefix:
    """A chunk that was read: what stands before the ends of its lines."""

    mine: np.ndarray  # (m,) i8 which of the windows asked for
    ids: torch.Tensor  # (1, m) tokens at the ends
    at: torch.Tensor  # (1, m) their places
    cache: Any  # keys and values of all tokens


class TextQuench:
    """(layer, mean, rows) -> (m, T) forecasts, as `agents.probe` asks for them."""

    def __init__(
        self,
        model: TextModel,
        days: Sequence[TextDay],
        day: np.ndarray,
        look: np.ndarray,
        head: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> None:
        """day, look : (n,) i8 of each window, places in `days` and in the day's looks
        head : states of the last layer (m, D) and rows (m,) i8 -> forecasts (m, T)
        """
        self._model, self._days, self._day, self._look, self._head = model, days, day, look, head
        self._rows: np.ndarray | None = None
        self._read: list[_Prefix] = []
        hooked(model.decoder, 0)  # before anything is computed

    def __call__(self, layer: int | None, mean: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self._head(self.states(layer, mean, rows), rows))

    @torch.inference_mode()
    def states(self, layer: int | None, mean: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
        """(m, D) f4 of the last layer at the ends of the windows `rows`, with the state of `layer` replaced."""
        if self._rows is None or not np.array_equal(self._rows, rows):
            self._rows, self._read = None, []  # the memory of the windows before is free before more is taken
            self._read = list(self._prefixes(rows))
            self._rows = rows.copy()
        decoder = self._model.decoder
        found = np.empty((len(rows), int(decoder.config.hidden_size)), np.float32)
        for prefix in self._read:
            known, more = prefix.cache.get_seq_length(), prefix.ids.shape[1]
            with replaced(decoder, layer, mean):
                last = decoder(
                    prefix.ids,
                    attention_mask=_mask(prefix.at[0], known, decoder.dtype),
                    position_ids=prefix.at,
                    cache=prefix.cache,
                    use_cache=True,
                ).last_hidden_state[0]
            prefix.cache.crop(-more)
            assert prefix.cache.get_seq_length() == known
            found[prefix.mine] = last.float().numpy()
        return found

    def _prefixes(self, rows: np.ndarray) -> Iterator[_Prefix]:
        for number in np.unique(self._day[rows]).tolist():
            told = self._days[number].lines
            inside = np.flatnonzero(self._day[rows] == number)
            places = told.places(self._look[rows[inside]])
            for begin, mine in by_chunk(told, places):
                ids, ends = self._model.tokens(told.rows[begin : places[mine].max() + 1])
                at = ends[places[mine] - begin + 1] - 1
                cache = DynamicCache(config=self._model.decoder.config)
                self._model.decoder(torch.tensor([ids]), cache=cache, use_cache=True)
                yield _Prefix(inside[mine], torch.tensor([ids])[:, at], torch.from_numpy(at)[None], cache)


@contextmanager
def replaced(decoder: nn.Module, layer: int | None, mean: np.ndarray | None) -> Iterator[None]:
    """While this lasts, what comes out of a layer is the mean (D,); 0 is the embedding, L the last layer's norm."""
    if layer is None or mean is None:
        yield
        return
    state = torch.from_numpy(np.asarray(mean, np.float32))

    def replace(module: nn.Module, given: Any, out: Any) -> Any:
        states = out[0] if isinstance(out, tuple) else out
        new = state.to(states.dtype).expand_as(states)
        return (new, *out[1:]) if isinstance(out, tuple) else new

    handle = hooked(decoder, layer).register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()


def hooked(decoder: Any, layer: int) -> nn.Module:
    """The module that a layer's state comes out of; LlmError for models that are not built like Llama."""
    try:
        modules: list[nn.Module] = [decoder.get_input_embeddings(), *decoder.layers[:-1], decoder.norm]
    except AttributeError as error:
        raise LlmError(
            f"{type(decoder).__name__} has no `layers` and `norm`, so its layers cannot be replaced; probe it without "
            "quenching"
        ) from error
    return modules[layer]


def _mask(at: torch.Tensor, known: int, dtype: torch.dtype) -> torch.Tensor:
    """(1, 1, m, known + m): each token sees what stands before its place in the text, and itself."""
    seen = torch.arange(known) < at[:, None]
    whole = torch.cat([seen, torch.eye(len(at), dtype=torch.bool)], dim=1)
    return torch.zeros(whole.shape, dtype=dtype).masked_fill(~whole, torch.finfo(dtype).min)[None, None]
