"""Losses of relations and contrast: against sums by hand, their invariances and limits."""

import itertools
import math

import pytest
import torch

from lobarena.agents.distill.losses_contrast import crd
from lobarena.agents.distill.losses_relation import (
    correlation_congruence,
    pkt,
    rkd,
    rkd_angle,
    rkd_distance,
    similarity,
)

D = torch.float64


def bilinear(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    return correlation_congruence(student, teacher, kernel="bilinear")


RELATIONS = (similarity, correlation_congruence, bilinear, rkd_distance, rkd_angle, rkd, pkt)


def of(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=D)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=D)


def close(loss: torch.Tensor, number: float) -> bool:
    return math.isclose(loss.item(), number, rel_tol=1e-12, abs_tol=1e-15)


def rotation(size: int) -> torch.Tensor:
    return torch.linalg.qr(drawn(size, size, seed=9)).Q


def huber(x: float) -> float:
    return x * x / 2 if abs(x) < 1 else abs(x) - 0.5


def gradient(loss, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    x = student.clone().requires_grad_()
    loss(x, teacher).backward()
    assert x.grad is not None
    return x.grad


def test_similarity_by_hand():
    # Gram rows of the student (1, 1), (1, 2); of the teacher (1, 0), (0, 4)
    a, b = 1 / math.sqrt(2), 1 / math.sqrt(5)
    by_hand = (a - 1) ** 2 + a**2 + b**2 + (2 * b - 1) ** 2
    assert close(similarity(of([1, 0], [1, 1]), of([1, 0], [0, 2])), by_hand / 4)


def test_correlation_congruence_by_hand():
    student, teacher = of([1, 0], [3, 4]), of([1, 0], [0, 2])  # cosines 0.6 and 0
    series = [math.exp(-0.8) * (1 + 0.8 * c + 0.32 * c * c) for c in (0.6, 0)]
    assert close(correlation_congruence(student, teacher), 2 * (series[0] - series[1]) ** 2 / 4)
    assert close(bilinear(student, teacher), 2 * 0.36 / 4)
    with pytest.raises(ValueError, match="'gaussian' or 'bilinear'"):
        correlation_congruence(student, teacher, kernel="cubic")


def test_the_series_of_congruence_tends_to_the_gaussian_kernel():
    x = torch.nn.functional.normalize(drawn(4, 3))
    kernel = torch.exp(-0.4 * torch.cdist(x, x).square())
    apart = correlation_congruence(x, torch.ones(4, 1, dtype=D), order=30)  # the kernel of equal samples is 1
    torch.testing.assert_close(apart, (kernel - 1).square().mean())


def test_distances_by_hand():
    student, teacher = of([0.0], [1.0], [3.0]), of([0.0], [2.0], [2.0])
    # distances 1, 3, 2 over their mean 2; 2, 2, 0 over 4/3
    by_hand = [huber(a - b) for a, b in ((0.5, 1.5), (1.5, 1.5), (1, 0))]
    assert close(rkd_distance(student, teacher), sum(by_hand) / 3)


def test_angles_by_hand():
    student, teacher = drawn(4, 3), drawn(4, 5, seed=1)

    def cosine(x, i, j, k):
        a, b = x[i] - x[j], x[k] - x[j]
        return float(a @ b / a.norm() / b.norm())

    triples = list(itertools.permutations(range(4), 3))
    by_hand = sum(huber(cosine(student, *t) - cosine(teacher, *t)) for t in triples) / len(triples)
    assert close(rkd_angle(student, teacher), by_hand)
    twins = of([0, 0], [0, 0], [1, 0])  # no angle between twins: its cosine counts as 0
    apart = of([0, 0], [1, 0], [0, 1])
    corners = [(0, 0), (0, half := math.sqrt(0.5)), (1, half)]
    assert close(rkd_angle(twins, apart), sum(huber(a - b) for a, b in corners) / 3)
    right, flat = of([0, 0], [1, 0], [0, 1]), of([0.0], [1.0], [2.0])
    corners = [(0, 1), (half, -1), (half, 1)]  # a right angle at sample 0; the corners of three points in a line
    assert close(rkd_angle(right, flat), sum(huber(a - b) for a, b in corners) / 3)
    assert close(rkd(right, flat), 25 * rkd_distance(right, flat).item() + 50 * rkd_angle(right, flat).item())


def test_neighbours_by_hand():
    student, teacher = of([1, 0], [0, 1], [-1, 0]), of([1, 0], [0, 1], [0, 3])
    # (1 + cos) / 2 over the others: student rows (1, 0), (.5, .5), (0, 1); teacher (.5, .5), (1/3, 2/3), (1/3, 2/3)
    p = [(0.5, 0.5), (1 / 3, 2 / 3), (1 / 3, 2 / 3)]
    q = [(1, 0), (0.5, 0.5), (0, 1)]
    e = 1e-7
    by_hand = sum(a * math.log((a + e) / (b + e)) for x, y in zip(p, q, strict=True) for a, b in zip(x, y, strict=True))
    assert close(pkt(student, teacher), by_hand / 3)


def test_contrast_by_hand():
    student, teacher = of([2, 0], [0, 3]), of([1, 0], [3, 4])  # cosines (1, 0.6), (0, 0.8)
    student_finds = math.log(1 + math.exp(-0.4)) + math.log(1 + math.exp(-0.8))
    teacher_finds = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-0.2))
    assert close(crd(student, teacher, temperature=1), (student_finds + teacher_finds) / 2)


def test_contrast_of_features_that_say_nothing_is_twice_ln_batch_and_of_orthogonal_ones_nearly_zero():
    same = torch.ones(8, 4, dtype=D)
    assert close(crd(same, same), 2 * math.log(8))
    axes = torch.eye(8, dtype=D)
    assert 0 < crd(axes, axes).item() < 1e-4
    with pytest.raises(ValueError, match="no negatives"):
        crd(axes[:1], axes[:1])


@pytest.mark.parametrize("loss", RELATIONS)
def test_relations_do_not_see_rotation_nor_a_common_scale_nor_the_order_of_samples(loss):
    student, teacher = drawn(6, 3), drawn(6, 5, seed=1)
    at = loss(student, teacher)
    assert at.item() > 0
    torch.testing.assert_close(loss(student @ rotation(3), teacher @ rotation(5)), at)
    torch.testing.assert_close(loss(student * 7, teacher / 3), at)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(loss(student[order], teacher[order]), at)
    assert (loss(student[order], teacher) - at).abs() > 1e-6  # the teacher's samples in another order are others


@pytest.mark.parametrize("loss", [rkd_distance, rkd_angle])
def test_distances_and_angles_do_not_see_an_offset(loss):
    student, teacher = drawn(6, 3), drawn(6, 5, seed=1)
    torch.testing.assert_close(loss(student + 5, teacher - 2), loss(student, teacher))


@pytest.mark.parametrize("loss", [correlation_congruence, bilinear, pkt, crd])
def test_cosines_do_not_see_the_scale_of_a_sample(loss):
    student, teacher = drawn(6, 5), drawn(6, 5, seed=1)
    torch.testing.assert_close(
        loss(student * torch.arange(1, 7, dtype=D).unsqueeze(1), teacher), loss(student, teacher)
    )


@pytest.mark.parametrize("loss", RELATIONS)
def test_a_rotated_and_scaled_teacher_is_matched_perfectly(loss):
    teacher = drawn(6, 5)
    student = 3 * teacher @ rotation(5)
    assert loss(student, teacher).abs() < 1e-14
    assert gradient(loss, student, teacher).abs().max() < 1e-7


@pytest.mark.parametrize("dtype", [torch.float32, D])
@pytest.mark.parametrize("loss", [*RELATIONS, crd])
def test_gradients_are_finite_for_equal_samples_zero_vectors_and_at_equality(loss, dtype):
    teacher = drawn(5, 4, seed=1).to(dtype)
    twins = teacher.clone()
    twins[1] = twins[0]
    silent = teacher.clone()
    silent[2] = 0
    for student in (teacher, teacher * 0, teacher * 0 + 1, twins, silent):
        slope = gradient(loss, student, teacher)
        assert slope.isfinite().all()
        assert slope.abs().max() < 1e4
        assert gradient(loss, teacher, student).isfinite().all()


@pytest.mark.parametrize("loss", RELATIONS)
def test_a_batch_too_small_for_the_relation_is_refused(loss):
    with pytest.raises(ValueError, match="samples or more"):
        loss(drawn(1, 3), drawn(1, 3))
    with pytest.raises(ValueError, match="same samples"):
        loss(drawn(4, 3), drawn(5, 3))
