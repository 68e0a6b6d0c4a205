"""Hájek-MoE: the identities of the projection, and what the gate does with agreeing and disagreeing experts."""

import itertools
import math

import pytest
import torch

from lobarena.agents.distill.hajek import (
    average,
    backfit,
    confidence,
    consensus,
    contributions_conditional,
    contributions_empirical,
    contributions_regime,
    embed,
    frequencies,
    fuse,
    gate,
    independence,
    median_bandwidth,
    naive,
    regime_means,
)

D = torch.float64


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=D)


def features(u: torch.Tensor, bandwidth: float = 1.0, count: int = 256) -> torch.Tensor:
    frequency = frequencies(u.shape[-1], bandwidth, count, torch.Generator().manual_seed(7)).to(u.dtype)
    return embed(u, frequency)


def independent(points: int = 5, experts: int = 3) -> torch.Tensor:
    """Every combination of what independent experts may say, each as likely: (points^experts, experts, R)."""
    sayings = features(drawn(experts, points, 4, seed=3), bandwidth=3.0)
    combinations = list(itertools.product(range(points), repeat=experts))
    return torch.stack([sayings[torch.arange(experts), torch.tensor(c)] for c in combinations])


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return torch.corrcoef(torch.stack([a, b]))[0, 1].item()


def test_consensus_by_hand():
    phi = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]], dtype=D)
    torch.testing.assert_close(consensus(phi).item(), (0 + 0.6 + 0.8) / 3)


def test_features_have_length_one_and_approach_the_kernel():
    u = drawn(6, 3)
    phi = features(u, bandwidth=2.0, count=200_000)
    torch.testing.assert_close(phi @ phi.T, torch.exp(-torch.cdist(u, u).square() / 8), atol=0.01, rtol=0)
    torch.testing.assert_close(features(u).square().sum(1), torch.ones(6, dtype=D))


def test_the_bandwidth_is_the_median_distance_and_one_where_that_is_zero():
    assert median_bandwidth(torch.tensor([[0.0], [1.0], [4.0]])) == 3.0
    assert median_bandwidth(torch.ones(5, 2, 3)) == 1.0
    many = drawn(5000, 1)
    assert math.isclose(median_bandwidth(many), 2**0.5 * 0.6745, rel_tol=0.05)  # of |x - y|, normal
    with pytest.raises(ValueError, match="2 points"):
        median_bandwidth(torch.ones(1, 3))


@pytest.mark.parametrize("experts", [3, 4, 9])
def test_empirical_contributions_are_the_jackknife(experts: int):
    phi = features(drawn(20, experts, 4))
    found = contributions_empirical(phi)
    for i in range(experts):
        others = phi[:, [j for j in range(experts) if j != i]]
        assert (consensus(phi) - consensus(others) - found[:, i]).abs().max() < 1e-12
        mean = (phi[:, i].unsqueeze(1) * others).sum(2).mean(1)
        assert ((mean - consensus(others)) * 2 / experts - found[:, i]).abs().max() < 1e-12


def test_contributions_by_regime_are_the_projection_on_each_expert():
    phi = independent()
    found = contributions_regime(phi, phi.mean(0))
    value = consensus(phi)
    for i in range(3):
        for saying in torch.unique(phi[:, i], dim=0):
            here = (phi[:, i] == saying).all(1)
            assert (value[here].mean() - value.mean() - found[here, i]).abs().max() < 1e-12


def test_what_the_projection_leaves_is_uncorrelated_with_every_expert():
    phi = independent()
    c = contributions_regime(phi, phi.mean(0))
    rest = consensus(phi) - consensus(phi).mean() - c.sum(1)
    assert rest.var() > 1e-6  # interaction, so that the test says something
    for i in range(3):
        assert abs(correlation(rest, c[:, i])) < 1e-10
    share = independence(consensus(phi), c)
    assert 0 < share < 1
    torch.testing.assert_close(1 - share, (rest.var() / consensus(phi).var()).item())


def test_the_conditional_form_agrees_with_the_projection_where_experts_are_independent():
    phi = independent()
    slow = contributions_conditional(phi[::7], phi, sharpness=1e4)
    torch.testing.assert_close(slow, contributions_regime(phi, phi.mean(0))[::7])


def test_means_are_of_each_regime_alone():
    phi = features(drawn(6, 2, 3))
    regime = torch.tensor([0, 1, 1, 0, 2, 2])
    mean = regime_means(phi, regime, 3)
    torch.testing.assert_close(mean[1], (phi[1] + phi[2]) / 2)
    torch.testing.assert_close(contributions_regime(phi, mean[regime])[0], contributions_regime(phi[:1], mean[0])[0])
    with pytest.raises(ValueError, match="regime 3 has no samples"):
        regime_means(phi, regime, 4)
    with pytest.raises(ValueError, match="of regime 2; there are 2"):
        regime_means(phi, regime, 2)


def forms(phi: torch.Tensor, mean: torch.Tensor) -> list[torch.Tensor]:
    return [contributions_empirical(phi), contributions_regime(phi, mean)]


def test_equal_experts_get_equal_weights():
    phi = features(drawn(8, 1, 4)).expand(8, 5, -1)
    for c in forms(phi, phi.mean(0)):
        torch.testing.assert_close(gate(c), torch.full((8, 5, 1), 0.2, dtype=D))


def test_one_outlier_among_five_gets_almost_nothing():
    u = drawn(1, 5, 4) * 0.1
    usual = features(u).expand(50, -1, -1).mean(0)
    u[:, 3] += 6
    for c in forms(features(u), usual):
        weights = gate(c)[0, :, 0]
        assert weights[3] < 0.01
        assert weights[[0, 1, 2, 4]].min() > 0.15


def test_permuting_experts_permutes_their_weights():
    phi, order = features(drawn(6, 5, 4)), torch.tensor([3, 0, 4, 1, 2])
    mean, prior = phi.mean(0), drawn(5, 3, seed=1)
    for c, permuted in zip(forms(phi, mean), forms(phi[:, order], mean[order]), strict=True):
        torch.testing.assert_close(gate(permuted, prior[order]), gate(c, prior)[:, order])
    torch.testing.assert_close(consensus(phi[:, order]), consensus(phi))


def test_one_expert_has_weight_one_and_agrees_with_itself():
    phi, forecast = features(drawn(4, 1, 3)), drawn(4, 1, 3, seed=2)
    weights = gate(contributions_regime(phi, phi.mean(0)), drawn(1, 3))
    assert weights.eq(1).all()
    assert fuse(forecast, weights).equal(forecast[:, 0])
    torch.testing.assert_close(consensus(phi), torch.ones(4, dtype=D))


@pytest.mark.parametrize("experts", [1, 2])
def test_the_jackknife_needs_three_experts(experts: int):
    with pytest.raises(ValueError, match="give 3 or more"):
        contributions_empirical(features(drawn(4, experts, 3)))


def test_gradients_are_finite_when_all_points_are_equal():
    for dtype in (torch.float32, D):
        u = torch.ones(6, 4, 3, dtype=dtype, requires_grad=True)
        phi = features(u, bandwidth=median_bandwidth(u))
        for c in forms(phi, phi.detach().mean(0)):
            loss = (fuse(drawn(6, 4, 3).to(dtype), gate(c)).square().sum() + consensus(phi).sum()) * 1.0
            (slope,) = torch.autograd.grad(loss, u, retain_graph=True)
            assert slope.isfinite().all()


def test_the_prior_of_skill_moves_weight_and_silences_who_does_not_forecast():
    c = torch.zeros(2, 3, dtype=D)
    skill = torch.tensor([[0.5, 0.2], [0.25, 0.0], [0.25, 0.8]], dtype=D)
    weights = gate(c, skill.log())
    torch.testing.assert_close(weights[0], skill)
    forecasts = torch.tensor([[1.0, 1.0], [2.0, 99.0], [4.0, 2.0]], dtype=D).expand(2, 3, 2)
    torch.testing.assert_close(fuse(forecasts, weights)[0], torch.tensor([2.0, 1.8], dtype=D))
    with pytest.raises(ValueError, match="target 1"):
        gate(c, torch.tensor([[0.0, -math.inf]] * 3, dtype=D))


def test_confidence_stays_in_its_range():
    assert confidence(torch.tensor([-0.1, 0.4, 1.0])).tolist() == pytest.approx([0, 0.4, 1])


def test_the_naive_sum_counts_shared_signal_once_an_expert():
    signal = drawn(500, 3)
    forecasts = signal.unsqueeze(1) + 0.1 * drawn(500, 4, 3, seed=1)
    error = [(f - signal).square().mean().item() for f in (average(forecasts), naive(forecasts, torch.zeros(3)))]
    assert error[0] < 0.01  # 0.01 / 4
    assert error[1] > 8  # (4 - 1)^2
    one = forecasts[:, :1]
    assert naive(one, drawn(3)).equal(one[:, 0])


def test_backfitting_ends_at_least_squares():
    forecasts, target = drawn(200, 3, 2), drawn(200, 2, seed=1)
    forecasts[:, 1] += 0.5 * forecasts[:, 0]
    target = target + forecasts.sum(1) + 3
    coefficients, intercept = backfit(forecasts, target, ridge=0)
    for y in range(2):
        x = torch.cat([forecasts[:, :, y], torch.ones(200, 1, dtype=D)], 1)
        exact = torch.linalg.lstsq(x, target[:, y : y + 1]).solution[:, 0]
        torch.testing.assert_close(torch.cat([coefficients[:, y], intercept[y : y + 1]]), exact)


def test_backfitting_shares_a_signal_out_and_ignores_a_constant_expert():
    forecasts = drawn(100, 1, 1).expand(100, 3, 1).clone()
    forecasts[:, 2] = 4.0
    coefficients, intercept = backfit(forecasts, forecasts[:, 0])
    torch.testing.assert_close(coefficients[:2].sum().item(), 1.0, atol=1e-4, rtol=0)
    assert coefficients[2] == 0
    assert intercept.abs() < 1e-4
