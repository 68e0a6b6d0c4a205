"""Losses of responses and bins: against sums by hand, and in their limits."""

import math

import pytest
import torch

from lobarena.agents.distill.bins import assign, normal_logits, quantile_edges
from lobarena.agents.distill.losses_response import (
    distillm,
    distillm_reverse,
    dkd,
    hinton_binned,
    hinton_regression,
    kl,
    minillm,
)

DIVERGENCES = (hinton_binned, minillm, distillm, distillm_reverse)


def of(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def logits(*probabilities: list[float]) -> torch.Tensor:
    """(B, 1, K) of one target."""
    return of(*probabilities).log().unsqueeze(1)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(loss: torch.Tensor, number: float) -> bool:
    return math.isclose(loss.item(), number, rel_tol=1e-12, abs_tol=1e-15)


def test_regression_is_half_the_squared_distance():
    # (1 + 4 + 0) / 2 and (0 + 0 + 9) / 2, on average 7 / 2
    assert hinton_regression(of([1, 2, 0], [0, 0, 3]), of([0, 0, 0], [0, 0, 0])).item() == 3.5


def test_soft_targets_by_hand():
    p, q = [0.5, 0.25, 0.25], [0.25, 0.25, 0.5]
    # 0.5 ln 2 + 0.25 ln 1 + 0.25 ln (1/2)
    assert close(hinton_binned(logits(q), logits(p), temperature=1), 0.25 * math.log(2))
    # at T = 2 probabilities are proportional to their square roots
    total = math.sqrt(0.5) + 1
    soft_p, soft_q = [math.sqrt(x) / total for x in p], [math.sqrt(x) / total for x in q]
    by_hand = 4 * sum(a * math.log(a / b) for a, b in zip(soft_p, soft_q, strict=True))
    assert close(hinton_binned(logits(q), logits(p), temperature=2), by_hand)


def test_at_high_temperature_soft_targets_are_the_regression_of_centred_logits():
    student, teacher = drawn(4, 3, 5), drawn(4, 3, 5, seed=1)
    difference = student - teacher
    centred = difference - difference.mean(-1, keepdim=True)
    limit = centred.square().mean(-1).mean() / 2
    torch.testing.assert_close(hinton_binned(student, teacher, temperature=1e4), limit, rtol=1e-3, atol=0)


def test_reverse_divergence_by_hand():
    p, q = [0.5, 0.5], [0.25, 0.75]
    by_hand = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    assert close(minillm(logits(q), logits(p)), by_hand)


def test_skew_divergences_by_hand():
    p, q = [0.5, 0.5], [0.25, 0.75]
    forward = 0.5 * math.log(0.5 / 0.275) + 0.5 * math.log(0.5 / 0.725)  # 0.1 p + 0.9 q
    reverse = 0.25 * math.log(0.25 / 0.475) + 0.75 * math.log(0.75 / 0.525)  # 0.1 q + 0.9 p
    assert close(distillm(logits(q), logits(p)), forward)
    assert close(distillm_reverse(logits(q), logits(p)), reverse)


def test_half_skew_both_ways_is_the_jensen_shannon_divergence_and_at_most_ln_2():
    p, q = logits([1 - 1e-9, 1e-9]), logits([1e-9, 1 - 1e-9])
    far = (distillm(q, p, alpha=0.5) + distillm_reverse(q, p, alpha=0.5)) / 2
    assert math.log(2) - 1e-7 < far.item() <= math.log(2)
    a, b = drawn(50, 3, 7) * 5, drawn(50, 3, 7, seed=1) * 5
    assert 0 < ((distillm(a, b, 0.5) + distillm_reverse(a, b, 0.5)) / 2).item() < math.log(2)


@pytest.mark.parametrize("alpha", [0.1, 0.9])
def test_a_skew_divergence_stays_below_its_bound(alpha: float):
    worst = distillm(of([0.0, 200.0]).unsqueeze(1), of([200.0, 0.0]).unsqueeze(1), alpha)
    assert close(worst, -math.log(alpha))


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan])
def test_a_skew_outside_its_range_is_refused(alpha: float):
    with pytest.raises(ValueError, match="between 0 and 1"):
        distillm(drawn(2, 1, 3), drawn(2, 1, 3), alpha)


def test_dkd_by_hand():
    p, q = [0.5, 0.2, 0.3], [0.4, 0.3, 0.3]
    tckd = 0.5 * math.log(0.5 / 0.4) + 0.5 * math.log(0.5 / 0.6)
    nckd = 0.4 * math.log(0.4 / 0.5) + 0.6 * math.log(0.6 / 0.5)  # 0.2 / 0.5, 0.3 / 0.5; 0.3 / 0.6 twice
    assert close(dkd(logits(q), logits(p), torch.tensor([[0]]), temperature=1), tckd + 8 * nckd)


def test_hintons_loss_is_tckd_and_what_the_teacher_leaves_of_nckd():
    student, teacher, target = drawn(6, 3, 5), drawn(6, 3, 5, seed=1), torch.arange(18).reshape(6, 3) % 5
    for b in range(6):
        for y in range(3):
            one = [x[b : b + 1, y : y + 1] for x in (student, teacher, target)]
            share = 1 - (one[1] / 4).softmax(-1)[0, 0, target[b, y]].item()
            torch.testing.assert_close(dkd(*one, alpha=1, beta=share), hinton_binned(*one[:2]))


def test_dkd_of_a_sure_student_that_errs_is_finite():
    student = of([0.0, 4000.0, 0.0]).unsqueeze(1).requires_grad_()
    loss = dkd(student, of([1.0, 0.0, 0.0]).unsqueeze(1), torch.tensor([[0]]))
    loss.backward()
    assert loss.isfinite()
    assert student.grad is not None
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("loss", DIVERGENCES)
def test_a_divergence_is_zero_with_zero_gradient_at_equality_and_not_negative_elsewhere(loss):
    same = drawn(4, 3, 5).requires_grad_()
    at = loss(same, same.detach())
    at.backward()
    assert abs(at.item()) < 1e-15
    assert same.grad is not None
    assert same.grad.abs().max() < 1e-15
    assert loss(same, drawn(4, 3, 5, seed=1)).item() > 0


@pytest.mark.parametrize("loss", DIVERGENCES)
def test_the_mean_is_over_samples_and_targets_not_over_bins(loss):
    a, b = drawn(4, 3, 5), drawn(4, 3, 5, seed=1)
    torch.testing.assert_close(loss(a.repeat(2, 1, 1), b.repeat(2, 1, 1)), loss(a, b))
    each = torch.stack([loss(a[i : i + 1, y : y + 1], b[i : i + 1, y : y + 1]) for i in range(4) for y in range(3)])
    torch.testing.assert_close(each.mean(), loss(a, b))
    never = torch.full((4, 3, 1), -100.0, dtype=torch.float64)  # a bin without mass changes nothing
    torch.testing.assert_close(loss(torch.cat([a, 4 * never], 2), torch.cat([b, 4 * never], 2)), loss(a, b))


def test_divergence_of_log_probabilities():
    assert close(kl(of([0.5, 0.5]).log(), of([0.25, 0.75]).log())[0], 0.5 * math.log(2) + 0.5 * math.log(2 / 3))


def test_edges_are_quantiles_and_an_edge_belongs_to_the_bin_above():
    targets = of([0, 10], [1, 30], [2, 20], [3, 50], [4, 40])
    edges = quantile_edges(targets, 4)
    assert edges.tolist() == [[1, 2, 3], [20, 30, 40]]
    assert assign(of([-9, 20], [1, 19.9], [2.5, 99]), edges).tolist() == [[0, 1], [1, 0], [2, 3]]
    torch.testing.assert_close(
        quantile_edges(drawn(101, 3), 7), torch.quantile(drawn(101, 3), of([1, 2, 3, 4, 5, 6])[0] / 7, 0).T
    )


def test_bins_of_a_continuous_target_are_equally_filled():
    targets = drawn(1000, 2)
    bins = assign(targets, quantile_edges(targets, 10))
    assert all(torch.bincount(bins[:, y]).tolist() == [100] * 10 for y in range(2))


def test_a_value_that_is_common_takes_one_bin_and_leaves_its_neighbours_empty():
    targets = of(*[[1.0]] * 8, [2.0], [3.0])
    bins = assign(targets, quantile_edges(targets, 4))
    assert bins[:8].unique().numel() == 1
    assert bins[9] == 3


@pytest.mark.parametrize(
    ("targets", "bins", "message"),
    [
        (of([1, 2], [1, 3]), 3, "target 0 is constant"),
        (of([1], [math.nan]), 3, "NaN"),
        (of([1], [2]), 1, "2 or more"),
        (torch.zeros(0, 2), 3, "at least one"),
    ],
)
def test_targets_that_cannot_be_cut_are_refused(targets: torch.Tensor, bins: int, message: str):
    with pytest.raises(ValueError, match=message):
        quantile_edges(targets, bins)


def test_a_teachers_forecast_becomes_a_normal_distribution():
    edges = of([-1.0, 0.0, 1.0])
    mass = normal_logits(of([0.0], [1.0]), of([1.0])[0], edges, floor=0).exp()
    at = [0.5 * (1 + math.erf(z / math.sqrt(2))) for z in (-2, -1, 0, 1)]
    torch.testing.assert_close(mass[0, 0], torch.tensor([at[1], 0.5 - at[1], 0.5 - at[1], at[1]]).double())
    torch.testing.assert_close(mass[1, 0], torch.tensor([at[0], at[1] - at[0], 0.5 - at[1], 0.5]).double())


def test_no_bin_of_a_teacher_is_empty_however_far_its_forecast_lies():
    found = normal_logits(torch.tensor([[1e6], [0.0]]), torch.tensor([1e-3]), torch.tensor([[0.5, 0.5, 2.0]]))
    assert found.isfinite().all()
    torch.testing.assert_close(found.exp().sum(2), torch.ones(2, 1))
    with pytest.raises(ValueError, match="above zero"):
        normal_logits(torch.zeros(1, 1), torch.zeros(1), torch.tensor([[0.0]]))
