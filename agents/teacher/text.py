"""Features of any causal language model: its hidden states at the end of lines that tell the market second by second.

One pass over an instruction and CHUNK lines gives, causally, the states at the end of each line after the first CONTEXT
of them, so that a window costs little more than its own line. Which lines stand before a line depends on its place in
the day alone, not on what else is asked for.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lobarena.agents.llm.answer import LlmError
from lobarena.agents.llm.local import LocalModel, digest
from lobarena.agents.teacher.lines import CHUNK, CONTEXT, DEFAULT, Lines, lines_of, style
from lobarena.agents.teacher.shard import Arrays
from lobarena.agents.teacher.store import Identity, Store
from lobarena.agents.windows.looks import looks
from lobarena.agents.windows.numbers import COUNT, STATE, read_all
from lobarena.agents.windows.units import Units
from lobarena.sim.feed import Feed

MEAN_LINES = 8  # lines whose tokens "mean" is taken over
DTYPES = ("float32", "bfloat16")
SHARD = 5 * (CHUNK - CONTEXT)  # windows, five chunks: little is lost by a kill


class TextModel:
    """A causal model without its head, and how it is shown a market."""

    def __init__(self, path: Path, dtype: str = "float32", prompt: str = DEFAULT) -> None:
        if dtype not in DTYPES:
            raise LlmError(f"dtype {dtype!r}; choose {' or '.join(DTYPES)}")
        self.style = style(prompt)
        model = LocalModel(path, dtype)
        self.decoder: Any = model.network.get_decoder()
        self._tokenizer, self._context = model.tokenizer, model.context
        self._begin = self._tokens((self._tokenizer.bos_token or "") + self.style.system + "\n")
        config = self.decoder.config
        self._lines: dict[str, list[int]] = {}  # tokens of texts met before
        self.layers = ("embedding", *(f"layer {number + 1}" for number in range(config.num_hidden_layers)))
        self._width = int(config.hidden_size)
        self._model = digest(path)
        self._settings = f"{dtype}, {CONTEXT} of {CHUNK} lines, mean of {MEAN_LINES}"
        self.tokens_read = 0

    def identity(self, data: str, stride: int) -> Identity:
        """Of the features of every `stride`-th second of a day. data: digest of the day."""
        settings = f"{self._settings}, every {stride} s"
        return Identity(self._model, self.style.name, data, settings, self.layers, self._width)

    def produce(self, told: Lines, looks: np.ndarray) -> Arrays:
        """Features of windows of a day: "last" and "mean", each (m, L, D) f4."""
        found = {name: np.empty((len(looks), len(self.layers), self._width), np.float32) for name in ("last", "mean")}
        places = told.places(looks)
        for begin, mine in by_chunk(told, places):
            last, mean = self._chunk(told.rows[begin : places[mine].max() + 1], places[mine] - begin)
            found["last"][mine], found["mean"][mine] = last, mean
        return found

    def tokens(self, lines: np.ndarray) -> tuple[list[int], np.ndarray]:
        """(all tokens of instruction and lines, (m + 1,) i8 where the lines begin and the last one ends).

        Each line is written for itself, so that its tokens do not depend on its neighbours.
        """
        ids, ends = list(self._begin), [len(self._begin)]
        for row in lines:
            text = self.style.line(row)
            if text not in self._lines:
                self._lines[text] = self._tokens(text)
            ids += self._lines[text]
            ends.append(len(ids))
        if len(ids) > self._context:
            raise LlmError(
                f"{len(lines)} lines are {len(ids):,} tokens and the model's context is {self._context:,}; take a "
                "model of longer context"
            )
        return ids, np.array(ends)

    @torch.inference_mode()
    def _chunk(self, lines: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m, L, D) f4 states at the last token of the lines `wanted`, and means over their last MEAN_LINES lines."""
        ids, ends = self.tokens(lines)
        self.tokens_read += len(ids)
        states = self.decoder(torch.tensor([ids]), use_cache=False, output_hidden_states=True).hidden_states
        last, mean = [], []
        line = torch.repeat_interleave(torch.arange(len(lines)), torch.from_numpy(np.diff(ends)))
        first = np.maximum(0, wanted + 1 - MEAN_LINES)
        counts = torch.from_numpy(ends[wanted + 1] - ends[first]).float()[:, None]
        for state in states:
            of = state[0].float()
            last.append(of[ends[wanted + 1] - 1])
            sums = torch.zeros(len(lines), of.shape[1]).index_add_(0, line, of[ends[0] :])
            windows = [sums[a : b + 1].sum(dim=0) for a, b in zip(first, wanted, strict=True)]
            mean.append(torch.stack(windows) / counts)
        return torch.stack(last, dim=1).numpy(), torch.stack(mean, dim=1).numpy()

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def by_chunk(told: Lines, places: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(first line of a chunk, the indices of the places that are read in it)."""
    chunks = told.chunks(places)
    for begin in np.unique(chunks).tolist():
        yield begin, np.flatnonzero(chunks == begin)


@dataclass(frozen=True, eq=False)
class TextDay:
    """A day as text models read it."""

    label: str
    digest: str  # of what its text depends on; the contract's units, which are fitted, are not in it
    lines: Lines

    @classmethod
    def of(cls, feed: Feed) -> "TextDay":
        seen = looks(feed)
        numbers, place = np.zeros((len(seen), COUNT), np.float32), np.zeros(len(seen), np.int64)
        read_all(seen, np.zeros(1, STATE), Units(1, 1, 1, 1).record(), numbers, place)  # units do not touch `place`
        content = hashlib.sha256(f"{feed.contract.symbol} {feed.day} {feed.digest}".encode())
        if not feed.digest:
            content.update(seen.tobytes())
        return cls(f"{feed.contract.symbol}-{feed.day:%Y%m%d}", content.hexdigest(), lines_of(seen, place))

    def store(self, root: Path, model: "TextModel", stride: int = 1) -> Store | None:
        """The features of this day under a root, filled or not; None where no second has enough before it."""
        windows = self.lines.windows(stride)
        identity = model.identity(self.digest, stride)
        folder = root / f"{self.label}-{identity.prompt}-{identity.key}"
        return Store.create(folder, identity, windows, SHARD) if len(windows) else None
