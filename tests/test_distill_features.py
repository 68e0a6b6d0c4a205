"""Losses of features and of the task's part of them: against sums by hand, and in their limits."""

import math

import pytest
import torch
from torch import nn

from lobarena.agents.distill.geometry import length, unit
from lobarena.agents.distill.losses_feature import (
    attention,
    fitnets,
    fsp,
    nst,
    patient,
    same_steps,
    self_attention,
    tinybert,
    vid,
)
from lobarena.agents.distill.losses_review import Fusion, hierarchical, review
from lobarena.agents.distill.losses_task import flexkd, orthogonal, task_units, tofd

D = torch.float64
KERNELS = ("poly", "linear", "gaussian")
MAPS = {"at": attention, **{f"nst {k}": lambda x, y, k=k: nst(x, y, k) for k in KERNELS}}
SAME = {"fitnets": fitnets, "patient": lambda x, y: patient(x.unsqueeze(1), y.unsqueeze(1))}


def of(rows: list) -> torch.Tensor:
    return torch.tensor(rows, dtype=D)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=D)


def close(loss: torch.Tensor, number: float) -> bool:
    return math.isclose(loss.item(), number, rel_tol=1e-12, abs_tol=1e-15)


def gradient(loss, *at: torch.Tensor) -> torch.Tensor:
    x = at[0].clone().requires_grad_()
    loss(x, *at[1:]).backward()
    assert x.grad is not None
    return x.grad


def test_lengths_and_directions_have_no_gradient_at_zero_and_the_true_one_elsewhere():
    x = of([[3.0, 4.0], [0.0, 0.0]])
    assert length(x).tolist() == [5, 0]
    assert unit(x).tolist() == [[0.6, 0.8], [0, 0]]
    torch.testing.assert_close(gradient(lambda v: length(v).sum(), x), of([[0.6, 0.8], [0, 0]]))
    # along (1, 0) the direction of (3, 4) turns by (1 - 0.36, -0.48) / 5
    turned = gradient(lambda v: unit(v)[:, 0].sum(), x)
    torch.testing.assert_close(turned, of([[0.128, -0.096], [0, 0]]))


def test_fitnets_by_hand():
    assert fitnets(of([[1, 2], [0, 3]]), of([[0, 0], [0, 0]])).item() == 3.5  # (5 + 9) / 2 / 2


def test_attention_by_hand():
    student, teacher = of([[[3, 0], [0, 2]]]), of([[[0, 1]]])
    # the student's attention (9, 4) / sqrt(97), the teacher's (0, 1)
    assert close(attention(student, teacher), 81 / 97 + (4 / math.sqrt(97) - 1) ** 2)


def test_vid_by_hand():
    mean, teacher, variance = of([[1.0, 2.0]]), of([[2.0, 2.0]]), of([2.0, 0.5])
    assert close(vid(mean, teacher, variance), 0.25)  # (1 / 2 + ln 2 + 0 + ln 1/2) / 2


def test_vid_is_least_where_the_variance_is_the_squared_error():
    mean, teacher = drawn(8, 3), drawn(8, 3, seed=1)
    variance = (teacher - mean).square().mean(0)
    slope = gradient(lambda v: vid(mean, teacher, v), variance)
    assert slope.abs().max() < 1e-12


def test_nst_by_hand():
    # two channels along the axes against one along the first
    student, teacher = of([[[2, 0], [0, 5]]]), of([[[7, 0]]])
    assert close(nst(student, teacher, "poly"), 0.5 + 1 - 2 * 0.5)
    assert close(nst(student, teacher, "linear"), 0.5 + 1 - 2 * 0.5)
    # squared distances 0 and 2, so sigma^2 = 1 and k = exp(-d^2 / 2)
    e = math.exp(-1)
    assert close(nst(student, teacher, "gaussian"), (2 + 2 * e) / 4 + 1 - 2 * (1 + e) / 2)


@pytest.mark.parametrize("kernel", ["poly", "linear"])
def test_nst_is_the_mean_kernel_of_pairs_of_channels(kernel: str):
    x, y = unit(drawn(1, 3, 5))[0], unit(drawn(1, 4, 5, seed=1))[0]
    power = 2 if kernel == "poly" else 1
    mean = [sum(float(a @ b) ** power for a in m for b in n) / len(m) / len(n) for m, n in ((x, x), (y, y), (x, y))]
    torch.testing.assert_close(nst(x.unsqueeze(0), y.unsqueeze(0), kernel).item(), mean[0] + mean[1] - 2 * mean[2])


def test_nst_does_not_see_the_order_of_channels():
    x, y = drawn(2, 4, 5), drawn(2, 6, 5, seed=1)
    for kernel in KERNELS:
        torch.testing.assert_close(nst(x[:, [2, 0, 3, 1]], y, kernel), nst(x, y, kernel))
        assert nst(x[:, [2, 0, 3, 1]], x, kernel).abs() < 1e-15


def test_an_unknown_kernel_is_refused():
    with pytest.raises(ValueError, match="'poly', 'linear' or 'gaussian'"):
        nst(drawn(1, 2, 3), drawn(1, 2, 3), "cubic")


def test_fsp_by_hand():
    low, high = of([[[1, 2, 0], [3, 4, 2]]]), of([[[1, 1, 3]]])  # G = (1, 13 / 3)
    nothing = (torch.zeros_like(low), high)
    assert close(fsp((low, high), nothing), 1 + (13 / 3) ** 2)


def test_patient_by_hand_and_blind_to_scale():
    student, teacher = of([[[3, 4], [1, 0]]]), of([[[1, 0], [0, 1]]])
    assert close(patient(student, teacher), (0.4**2 + 0.8**2) + 2)
    torch.testing.assert_close(patient(student * 9, teacher / 7), patient(student, teacher))


def test_tinybert_by_hand():
    hidden = of([[1.0, 2.0]]), of([[0.0, 0.0]])
    scores = of([[[[1.0]]]]), of([[[[4.0]]]])
    assert tinybert(*hidden, *scores).item() == 2.5 + 9


def test_self_attention_holds_the_cosines_of_steps():
    steps = self_attention(of([[[1, 0, 2], [0, 3, 2]]]))[0, 0]
    torch.testing.assert_close(steps, of([[1, 0, 0.5**0.5], [0, 1, 0.5**0.5], [0.5**0.5, 0.5**0.5, 1]]))


def test_the_longer_of_two_maps_is_averaged_down():
    x, y = same_steps(of([[[1, 3, 5, 7]]]), of([[[0, 1]]]))
    assert x.tolist() == [[[2, 6]]]
    assert y.tolist() == [[[0, 1]]]


@pytest.mark.parametrize("loss", MAPS.values(), ids=MAPS)
def test_losses_of_maps_compare_shape_and_not_scale(loss):
    x, y = drawn(3, 4, 5), drawn(3, 6, 5, seed=1)
    torch.testing.assert_close(loss(x * 7, y / 3), loss(x, y))
    assert loss(x, y) > 0
    assert loss(x, x).abs() < 1e-15


@pytest.mark.parametrize("loss", [*MAPS.values(), *SAME.values()], ids=[*MAPS, *SAME])
def test_gradients_are_finite_at_equality_and_at_zero(loss):
    x = drawn(3, 4, 5) if loss in MAPS.values() else drawn(3, 4)
    assert gradient(loss, x, x).abs().max() < 1e-12
    assert gradient(loss, x * 0, x).isfinite().all()
    assert gradient(loss, x, x * 0).isfinite().all()


@pytest.mark.parametrize("loss", [*MAPS.values(), *SAME.values()], ids=[*MAPS, *SAME])
def test_the_mean_is_over_samples(loss):
    shape = (3, 4, 5) if loss in MAPS.values() else (3, 4)
    x, y = drawn(*shape), drawn(*shape, seed=1)
    order = [2, 0, 1]
    torch.testing.assert_close(loss(x[order], y[order]), loss(x, y))
    each = torch.stack([loss(x[i : i + 1], y[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(each.mean(), loss(x, y))


def test_hierarchical_context_by_hand():
    x, y = of([[[1, 1, 1, 1, 3]]]), torch.zeros(1, 1, 5, dtype=D)
    # length 5: 13 / 5; 4 steps (1, 1, 1, 2): 7 / 4; 2 steps (1, 5/3): (1 + 25/9) / 2; 1 step: (7/5)^2
    by_hand = (13 / 5 + 7 / 4 / 2 + (1 + 25 / 9) / 2 / 4 + 49 / 25 / 8) / (1 + 1 / 2 + 1 / 4 + 1 / 8)
    assert close(hierarchical(x, y), by_hand)
    assert close(hierarchical(x[:, :, :1], y[:, :, :1]), 1)  # a single step has no levels


def test_review_adds_the_stages_after_to_each_stage():
    class Add(nn.Module):
        def forward(self, stage, later, steps):
            joined = stage if later is None else stage + later
            return joined, joined

    early, late = drawn(2, 3, 4), drawn(2, 3, 4, seed=1)
    teacher = [drawn(2, 3, 4, seed=2), drawn(2, 3, 4, seed=3)]
    by_hand = hierarchical(late, teacher[1]) + hierarchical(early + late, teacher[0])
    torch.testing.assert_close(review([early, late], teacher, [Add(), Add()]), by_hand)
    with pytest.raises(ValueError, match="as many of each"):
        review([early, late], teacher, [Add()])


def test_a_fusion_gives_the_layers_channels_and_steps():
    torch.manual_seed(0)
    last, first = Fusion(8, 6, 5, first=True), Fusion(4, 6, 7, first=False)
    fused, residual = last(torch.randn(3, 8, 2), None, 4)
    assert fused.shape == (3, 5, 4)
    fused, residual = first(torch.randn(3, 4, 6), residual, 3)
    assert fused.shape == (3, 7, 3)
    assert residual.shape == (3, 6, 3)
    with pytest.raises(ValueError, match="residual of the next stage"):
        first(torch.randn(3, 4, 6), None, 3)


def test_orthogonal_by_hand():
    assert orthogonal(torch.eye(3, dtype=D)).item() == 0
    assert gradient(orthogonal, torch.eye(3, dtype=D)).abs().max() == 0
    assert close(orthogonal(of([[2.0]])), 6)
    tall = torch.eye(5, 2, dtype=D)
    assert close(orthogonal(tall), math.sqrt(3))


def test_tofd_by_hand():
    one = {"forecasts": [of([[0.5, 3.0]])], "features": [of([[3.0]])], "links": [of([[1.0], [0.0]])]}
    given = {"teacher_features": [of([[0.0, 4.0]])], "teacher_forecast": of([[0.5, 1.0]]), "target": of([[0.0, 1.0]])}
    # Huber 0.125 + 1.5; response (0 + 4) / 2; distance of (3, 0) from (0, 4); |WW' - I| = 1
    assert close(tofd(**one, **given), 1.625 + 2 + 0.05 * 5 + 0.03 * 1)
    twice = {name: value * 2 for name, value in one.items()}
    assert close(tofd(**twice, **given | {"teacher_features": given["teacher_features"] * 2}), 2 * 3.905)


def test_task_units_are_those_with_the_largest_mean_gradient():
    gradients = of([[1, -4, 0, 2, -2], [1, 4, 0, -2, 2]])
    assert task_units(gradients, 2).tolist() == [1, 3]  # the mean of 4 and -4 is zero, their size is not; a tie
    assert task_units(gradients, 5).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="cannot keep 6 of 5"):
        task_units(gradients, 6)


def test_flexkd_by_hand():
    teacher = of([[0, 1], [1, 2], [2, 3]])
    assert close(flexkd(teacher, teacher), 0)
    assert close(flexkd(-teacher, teacher), 4)
    # the second unit (1, 1, 4) correlates with (1, 2, 3) by 3 / sqrt(6 x 2)
    assert close(flexkd(of([[0, 1], [1, 1], [2, 4]]), teacher), (1 - 3 / math.sqrt(12)) ** 2 / 2)


def test_flexkd_sees_neither_scale_nor_offset_of_a_unit_nor_the_order_of_samples():
    x, y = drawn(6, 3), drawn(6, 3, seed=1)
    torch.testing.assert_close(flexkd(x * of([2, 3, 4]) + of([7, -7, 1]), y), flexkd(x, y))
    torch.testing.assert_close(flexkd(x.flip(0), y.flip(0)), flexkd(x, y))


def test_a_constant_unit_has_no_correlation_and_no_gradient():
    x = drawn(4, 2)
    x[:, 1] = 1.0
    slope = gradient(flexkd, x, drawn(4, 2, seed=1))
    assert slope[:, 1].abs().max() == 0
    assert slope[:, 0].abs().max() > 0
    with pytest.raises(ValueError, match="2 samples"):
        flexkd(x[:1], x[:1])
