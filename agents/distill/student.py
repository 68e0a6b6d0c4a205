"""Students: small causal networks over the numbers of single looks, K of them in one batched pass (our formulation).

A block is a minimal gated recurrent unit (Feng et al. 2024, arXiv 2410.01201, sect. 3.1), h_t = (1 - a_t) h_t-1 +
a_t c_t, whose gate a_t and candidate c_t are linear in the block's input u_t alone, and a mixing layer
silu(W [u_t; h_t] + b). So a day is read by a scan in parallel, and a look by a few products with the state carried on:
both are the same numbers. Gates begin with memories of 1.5 to 256 looks. A stage is a block's output, z the last one's
at the newest look, forecasts and logits are linear in z.

Shapes: K students, B markets, T looks, H width, Y = 3 targets.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lobarena.agents.windows.numbers import INSTANT
from lobarena.agents.windows.targets import TASKS

CUT = 5.0  # standard deviations at which a number is cut
MEMORIES = (1.5, 256.0)  # looks, of the first and the last unit of a block before training
TARGETS = len(TASKS)


@dataclass(frozen=True)
class Size:
    """How many and how large."""

    students: int = 1  # K
    width: int = 16  # H, of every block and of z
    blocks: int = 2
    bins: int = 0  # of the logits that some methods of distillation compare; 0 leaves them out

    def __post_init__(self) -> None:
        if min(self.students, self.width, self.blocks) < 1 or self.bins < 0 or self.bins == 1:
            raise ValueError(f"{self}: students, width and blocks are 1 or more, bins 0 or 2 and more")

    @property
    def parameters(self) -> int:
        """That a forecast is computed from, of all students; logits serve training alone."""
        count, inputs, h = TARGETS * (self.width + 1), INSTANT, self.width
        for _ in range(self.blocks):
            count += 2 * h * (inputs + 1) + h * (inputs + h + 1)
            inputs = h
        return self.students * count


def as_large(size: Size, students: int) -> Size:
    """So many students with about as many parameters as these have together: the widest that have no more."""
    width = 1
    while Size(students, width + 1, size.blocks).parameters <= size.parameters:
        width += 1
    return Size(students, width, size.blocks, size.bins)


@dataclass(frozen=True)
class Read:
    """What K students hold of some looks."""

    stages: tuple[Tensor, ...]  # (K, B, T, H) a block
    state: Tensor  # (blocks, K, B, H), after the last look

    @property
    def z(self) -> Tensor:
        """(K, B, T, H)"""
        return self.stages[-1]


class Students(nn.Module):
    """K students with parameters of their own, stacked."""

    shift: Tensor
    scale: Tensor

    def __init__(self, size: Size, shift: np.ndarray, scale: np.ndarray, seed: int = 0) -> None:
        """shift, scale : (INSTANT,) of the numbers on training looks"""
        super().__init__()
        self.size = size
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        drawn = torch.Generator().manual_seed(seed)
        k, h = size.students, size.width

        def linear(inputs: int, outputs: int) -> nn.Parameter:
            """(K, inputs + 1, outputs), the last row the bias."""
            weight = torch.randn(k, inputs + 1, outputs, generator=drawn) / math.sqrt(inputs)
            weight[:, -1] = 0
            return nn.Parameter(weight)

        self.enter, self.leave = nn.ParameterList(), nn.ParameterList()
        inputs = INSTANT
        for _ in range(size.blocks):
            enter = linear(inputs, 2 * h)
            with torch.no_grad():
                enter[:, -1, :h] = -torch.tensor(np.geomspace(*MEMORIES, h) - 1, dtype=torch.float32).log()
            self.enter.append(enter)
            self.leave.append(linear(inputs + h, h))
            inputs = h
        self.head = linear(h, TARGETS)
        self.bin_head = linear(h, TARGETS * size.bins) if size.bins else None

    def begin(self, markets: int) -> Tensor:
        """The state before the first look: (blocks, K, markets, H) of zeros."""
        return torch.zeros(self.size.blocks, self.size.students, markets, self.size.width)

    def read(self, numbers: Tensor, state: Tensor | None = None) -> Read:
        """numbers (B, T, INSTANT) f4 in the order of time, state of the look before -> stages and state."""
        markets, looks = numbers.shape[:2]
        state = self.begin(markets) if state is None else state
        x = ((numbers - self.shift) / self.scale).clamp(-CUT, CUT).reshape(1, markets * looks, INSTANT)
        u = x.expand(self.size.students, -1, -1)
        stages, states = [], []
        for enter, leave, before in zip(self.enter, self.leave, state, strict=True):
            gate, candidate = _apply(u, enter).reshape(-1, markets, looks, 2 * self.size.width).chunk(2, -1)
            gate = gate.sigmoid()
            h = scan(1 - gate, gate * candidate, before)
            u = torch.nn.functional.silu(_apply(torch.cat([u, h.flatten(1, 2)], 2), leave))
            stages.append(u.reshape(h.shape))
            states.append(h[:, :, -1])
        return Read(tuple(stages), torch.stack(states))

    def forecast(self, z: Tensor) -> Tensor:
        """(K, ..., H) -> (K, ..., Y), standardised targets."""
        return _apply(z.flatten(1, -2), self.head).reshape(*z.shape[:-1], TARGETS)

    def logits(self, z: Tensor) -> Tensor:
        """(K, ..., H) -> (K, ..., Y, bins); ValueError for students without bins."""
        if self.bin_head is None:
            raise ValueError("these students have no bins; make them with bins of 2 or more")
        return _apply(z.flatten(1, -2), self.bin_head).reshape(*z.shape[:-1], TARGETS, self.size.bins)


def _apply(x: Tensor, weight: Tensor) -> Tensor:
    """(K, N, in), (K, in + 1, out) -> (K, N, out)"""
    return torch.baddbmm(weight[:, -1:], x, weight[:, :-1])


def scan(keep: Tensor, add: Tensor, before: Tensor) -> Tensor:
    """h_t = keep_t h_t-1 + add_t over the third axis by doubling: (K, B, T, H) twice, (K, B, H) -> (K, B, T, H)."""
    add = torch.cat([(add[:, :, 0] + keep[:, :, 0] * before).unsqueeze(2), add[:, :, 1:]], 2)
    reach = 1
    while reach < keep.shape[2]:
        add = torch.cat([add[:, :, :reach], add[:, :, reach:] + keep[:, :, reach:] * add[:, :, :-reach]], 2)
        keep = torch.cat([keep[:, :, :reach], keep[:, :, reach:] * keep[:, :, :-reach]], 2)
        reach *= 2
    return add


@torch.no_grad()
def read_rows(
    students: Students, numbers: np.ndarray, begins: np.ndarray, ends: np.ndarray, stretch: int = 512
) -> tuple[np.ndarray, np.ndarray]:
    """Every row of looks from its beginning, as in play: z (n, K, H) f4 and forecasts (n, K, Y) f4; NaN outside rows.

    numbers : (n, INSTANT) f4; begins, ends : (k,) first look of each row of looks and one behind its last
    stretch : looks read at a time, the state is carried on
    """
    size = students.size
    z = np.full((len(numbers), size.students, size.width), np.nan, np.float32)
    told = np.full((len(numbers), size.students, TARGETS), np.nan, np.float32)
    at, state = begins.copy(), students.begin(len(begins))
    while len(at):
        rows = at[:, None] + np.arange(min(stretch, int((ends - at).max())))
        inside = rows < ends[:, None]
        read = students.read(torch.from_numpy(numbers[np.where(inside, rows, at[:, None])]), state)
        z[rows[inside]] = read.z.permute(1, 2, 0, 3).numpy()[inside]
        told[rows[inside]] = students.forecast(read.z).permute(1, 2, 0, 3).numpy()[inside]
        on = rows[:, -1] + 1 < ends
        at, ends, state = rows[on, -1] + 1, ends[on], read.state[:, :, torch.from_numpy(on)]
    return z, told
