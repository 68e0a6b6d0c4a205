"""A teacher that follows a market look by look, keeping keys and values of what it read; as in chunks, look by look."""

from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
from transformers import DynamicCache

from lobarena.agents.teacher.chunks import CONTEXT, LOOKS
from lobarena.agents.teacher.network import Teacher


class Stream:
    """The corrections of one teacher about one market."""

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher
        self.begin()

    def begin(self) -> None:
        """Forget everything: a new row of looks begins."""
        self._past: deque[np.ndarray] = deque(maxlen=CONTEXT)
        self._cache = DynamicCache(config=self._teacher.config)
        self._length = 0

    @torch.inference_mode()
    def read(self, numbers: Sequence[np.ndarray]) -> np.ndarray:
        """The correction, (3,), after the looks that are new: each (COUNT,) f4, oldest first, at least one.

        A chunk that is full gives way to one that begins CONTEXT looks back, as `Rows.covering` cuts them.
        """
        told = np.zeros(3, np.float32)
        left = list(numbers)
        while left:
            if self._length == LOOKS:
                again = list(self._past)
                self._cache, self._length = DynamicCache(config=self._teacher.config), 0
                self._feed(again)
            now, left = left[: LOOKS - self._length], left[LOOKS - self._length :]
            told = self._feed(now)
            self._past.extend(now)
        return told

    def _feed(self, numbers: Sequence[np.ndarray]) -> np.ndarray:
        correction = self._teacher(torch.from_numpy(np.stack(numbers))[None], self._cache)
        self._length += len(numbers)
        return np.asarray(correction[0, -1].numpy())
