"""Distillation by review: what the student's late stages know joins its early ones before they are compared."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Fusion(nn.Module):
    """Attention-based fusion of one stage with the stages after it (Chen et al. 2021, sect. 3.3; in one dimension).

    channels: of the student's stage; middle: of all residuals; out: of the teacher's layer. first: the latest stage,
    with nothing after it to join. Convolutions look at both sides: they serve training alone.
    """

    def __init__(self, channels: int, middle: int, out: int, first: bool) -> None:
        super().__init__()
        self.inward = nn.Sequential(nn.Conv1d(channels, middle, 1, bias=False), nn.BatchNorm1d(middle))
        self.outward = nn.Sequential(nn.Conv1d(middle, out, 3, padding=1, bias=False), nn.BatchNorm1d(out))
        self.gate = None if first else nn.Conv1d(2 * middle, 2, 1)

    def forward(self, stage: Tensor, later: Tensor | None, steps: int) -> tuple[Tensor, Tensor]:
        """One stage to the teacher's layer, and the residual for the stage before it.

        stage: (B, C, T); later: (B, middle, T') residual of the stage after it -> (B, out, steps), (B, middle, steps).
        """
        x: Tensor = self.inward(stage)
        if self.gate is not None:
            if later is None:
                raise ValueError("only the latest stage has nothing after it; give the residual of the next stage")
            y = functional.interpolate(later, x.shape[2], mode="nearest")
            share = torch.sigmoid(self.gate(torch.cat([x, y], 1)))  # (B, 2, T)
            x = x * share[:, :1] + y * share[:, 1:]
        if x.shape[2] != steps:
            x = functional.interpolate(x, steps, mode="nearest")
        return self.outward(x), x


def review(stages: Sequence[Tensor], teacher: Sequence[Tensor], fusions: Sequence[nn.Module]) -> Tensor:
    """ReviewKD: hierarchical context losses of each fused stage, summed.

    stages: (B, C_i, T_i), early to late; teacher: (B, D_i, S_i), as many; fusions: one `Fusion` a stage -> ().
    Chen, Liu, Zhao & Jia, CVPR 2021, arXiv 2104.09044, sect. 3.2 to 3.4. The residual leaves a fusion at the
    teacher's length, as in the official code.
    """
    if not len(stages) == len(teacher) == len(fusions):
        raise ValueError(
            f"{len(stages)} stages, {len(teacher)} layers and {len(fusions)} fusions; give as many of each"
        )
    total, later = stages[0].new_zeros(()), None
    for stage, layer, fusion in zip(reversed(stages), reversed(teacher), reversed(fusions), strict=True):
        fused, later = fusion(stage, later, layer.shape[2])
        total = total + hierarchical(fused, layer)
    return total


def hierarchical(student: Tensor, teacher: Tensor, levels: Sequence[int] = (4, 2, 1)) -> Tensor:
    """HCL: mean squared error of maps at full length and pooled to fewer steps. (B, D, S), (B, D, S) -> ().

    Same paper, sect. 3.4. Official code halves the weight at each level (1, 1/2, 1/4, 1/8), divides by their sum, and
    leaves out levels not shorter than the map.
    """
    loss, weight, total = functional.mse_loss(student, teacher), 1.0, 1.0
    for level in levels:
        if level < student.shape[2]:
            weight /= 2
            total += weight
            pooled = [functional.adaptive_avg_pool1d(m, level) for m in (student, teacher)]
            loss = loss + weight * functional.mse_loss(pooled[0], pooled[1])
    return loss / total
