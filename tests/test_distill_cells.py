"""The decomposition of a made-up teacher whose layer l holds the signal of task l, its loss, and the gate over it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from lessons_made_up import lessons

from lobarena.agents.distill import hajek
from lobarena.agents.distill.cells import grouped, take_apart
from lobarena.agents.distill.cooperation import Cooperation, Shares, pair_correlation
from lobarena.agents.distill.design import Design, every_cell
from lobarena.agents.distill.effects import effects
from lobarena.agents.distill.lessons import Draw, Voice, units
from lobarena.agents.distill.light import shares
from lobarena.agents.distill.mixture import Gate, Mixture, Sight, fit, fused
from lobarena.agents.distill.student import Size, Students
from lobarena.agents.distill.training import Schedule, skill, train

DESIGN = Design(rank=2, components=6, prune=0.0)
EVEN = np.full((3, 3, 3), 1 / 3)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def given():
    return lessons(looks=1500)


@pytest.fixture(scope="module")
def heard(given):
    rows = np.flatnonzero(given.known)
    return units(given), Voice(given.told, rows), rows


def parts_of(given, heard, design=DESIGN, share=EVEN):
    found, voice, rows = heard
    return take_apart(given, voice, rows, found, design, share)


@pytest.mark.parametrize("random", [False, True])
def test_directions_of_a_group_are_orthonormal_within_and_between_cells(given, heard, random):
    parts = parts_of(given, heard, replace(DESIGN, random=random))
    assert len(parts.cells) == 18
    for group in range(3):
        own = [k for k, cell in enumerate(parts.base) if cell.groups == (group,)]
        q = np.concatenate([parts.q[k] for k in own], 1)
        assert q.shape == (24, 12)
        assert np.abs(q.T @ q - np.eye(12)).max() < 1e-6


def test_the_first_direction_holds_the_planted_signal_where_it_was_planted(given, heard):
    _, voice, rows = heard
    parts = parts_of(given, heard)
    h = grouped(voice.states(rows), 3)
    for task in range(3):
        found = {}
        for k, cell in enumerate(parts.base):
            if cell.tasks == (task,) and cell.regimes == (0, 1):
                first = h[:, cell.groups[0]] @ parts.q[k][:, 0]
                found[cell.groups[0]] = abs(np.corrcoef(first, given.told.forecast[rows, task])[0, 1])
        assert found.pop(task) > 0.95
        assert max(found.values()) < 0.4


def test_the_probe_sees_each_task_in_its_layer_and_pruning_leaves_these_cells(given, heard):
    found, voice, rows = heard
    share = shares(voice, given, rows, 3, found, rank=12)
    assert share.shape == (3, 3, 3)
    lit = np.isfinite(share).all(0)
    assert lit.any(1).all()
    for task in range(3):
        assert (share[task, task, lit[task]] > 0.6).all()
    parts = parts_of(given, heard, replace(DESIGN, prune=0.5), share)
    assert {(cell.groups[0], cell.tasks[0]) for cell in parts.cells} == {(0, 0), (1, 1), (2, 2)}
    assert parts.weight.sum() == pytest.approx(1)


def test_targets_of_every_design_are_scaled_and_main_effects_sum_to_zero(given, heard):
    _, voice, rows = heard
    h = grouped(voice.states(rows), 3)
    for kind in ("cells", "axes"):
        parts = parts_of(given, heard, replace(DESIGN, kind=kind))
        q = np.einsum("ngd,kgdr->knr", h, parts.to) - parts.shift[:, None]
        np.testing.assert_allclose((q**2).mean((1, 2)), 1, rtol=1e-3)
        np.testing.assert_allclose(q.mean(1), 0, atol=1e-3)
    assert [len(cell.groups) for cell in parts.cells] == [1, 1, 1, 3, 3, 3, 3, 3]
    cells = every_cell(DESIGN)
    _, by = effects(cells, np.ones(len(cells)))
    np.testing.assert_allclose(by[:3].sum(0), 0, atol=1e-12)
    values = np.array([10 * cell.groups[0] + cell.tasks[0] - (cell.regimes == (2,)) for cell in cells], float)
    np.testing.assert_allclose(by @ values, [-10, 0, 10, -1, 0, 1, 0.5, -0.5], atol=1e-9)
    unbalanced = cells[:10] + cells[12:]
    values = np.array([10 * cell.groups[0] + cell.tasks[0] - (cell.regimes == (2,)) for cell in unbalanced], float)
    _, by = effects(unbalanced, np.linspace(1, 2, len(unbalanced)))
    np.testing.assert_allclose(by @ values, [-10, 0, 10, -1, 0, 1, 0.5, -0.5], atol=1e-9)


@pytest.mark.parametrize(
    ("change", "students"),
    [({"groups": 1}, 6), ({"by_task": False}, 6), ({"stretches": 1}, 9), ({"stretches": 3}, 27), ({"equal": True}, 18)],
)
def test_an_axis_is_left_out_by_giving_it_one_value(given, heard, change, students):
    parts = parts_of(given, heard, replace(DESIGN, rank=1, **change), np.full((change.get("groups", 3), 3, 3), 0.3))
    assert len(parts.cells) == students
    assert parts.tasks.sum(1).tolist() == [3 if "by_task" in change else 1] * students


def test_what_cannot_be_taken_apart_says_what_to_change(given, heard):
    with pytest.raises(ValueError, match="do not fit a teacher of width 24"):
        parts_of(given, heard, replace(DESIGN, rank=5))
    with pytest.raises(ValueError, match="3 layers make no 4 groups"):
        parts_of(given, heard, replace(DESIGN, groups=4, rank=1), np.full((4, 3, 3), 0.25))
    with pytest.raises(ValueError, match="lower prune"):
        parts_of(given, heard, replace(DESIGN, by_task=False, prune=0.9), np.eye(3)[:, :, None].repeat(3, 2))
    calm = replace(given, volatility=np.where(given.volatility > heard[0].cuts[1], 0, given.volatility))
    with pytest.raises(ValueError, match=r"regimes \(2,\) have 0 looks"):
        parts_of(calm, heard)


def test_the_correlation_of_pairs_is_one_of_equal_scalars_and_zero_of_orthogonal_ones():
    x = torch.tensor([1.0, -1.0, 1.0, -1.0]).reshape(1, 4, 1)
    y = torch.tensor([1.0, 1.0, -1.0, -1.0]).reshape(1, 4, 1)
    assert float(pair_correlation(torch.cat([x, 2 * x + 1]))) == pytest.approx(1)
    assert float(pair_correlation(torch.cat([x, y]))) == pytest.approx(0)
    assert float(pair_correlation(torch.cat([x, x, y]))) == pytest.approx(1 / 3)


def cooperate(given, heard, out, steps=60, shares=Shares(), design=DESIGN):  # noqa: B008
    found, voice, _ = heard
    parts = parts_of(given, heard, design)
    size = Size(len(parts.cells), 6, 2)
    students = Students(size, found.shift, found.scale)
    objective = Cooperation(parts, size, given, voice, found, shares)
    schedule = Schedule(steps=steps, every=steps // 3, rate=1e-2, draw=Draw(8, 48, 16, 2, 8))
    judge = skill(objective.together, given, found)
    history = train(students, objective, given, found, judge, schedule, out, {"method": "cmm"})
    return students, parts, history


@pytest.fixture(scope="module")
def cooperated(given, heard, tmp_path_factory):
    return cooperate(given, heard, tmp_path_factory.mktemp("cmm") / "run", 30)


def test_students_learn_their_parts_and_the_terms_fall(cooperated):
    _, _, history = cooperated
    for term in ("task", "soft", "feature", "reconstruction"):
        assert history[-1][term] < history[0][term]
    assert history[-1]["validation/mean"] > history[0]["validation/mean"]


def test_the_term_of_orthogonality_keeps_students_apart(given, heard, tmp_path):
    axes = replace(DESIGN, kind="axes")
    with_term = cooperate(given, heard, tmp_path / "with", 30, Shares(alpha=0, eta=0, beta=3), axes)[2]
    without = cooperate(given, heard, tmp_path / "without", 30, Shares(alpha=0, eta=0, beta=0), axes)[2]
    assert with_term[-1]["orthogonal"] < with_term[0]["orthogonal"]
    assert with_term[-1]["orthogonal"] < without[-1]["orthogonal"]


@pytest.mark.parametrize("left_out", ["alpha", "beta", "eta", "soft"])
def test_a_share_of_zero_leaves_its_term_without_effect(given, heard, left_out):
    found, voice, _ = heard
    parts = parts_of(given, heard)
    size = Size(18, 6, 2)
    term = {"alpha": "feature", "beta": "orthogonal", "eta": "reconstruction", "soft": "soft"}[left_out]
    told = {}
    from lobarena.agents.distill.training import Samples

    students = Students(size, found.shift, found.scale)
    rows = np.arange(40, 80)
    read = students.read(torch.from_numpy(given.numbers[rows])[None])
    places = torch.arange(40)
    target = torch.from_numpy((given.target[rows] - found.mean) / found.sd).float()
    samples = Samples(read, rows, places * 0, places, target, torch.from_numpy(found.regime(given.volatility[rows])))
    for share in (Shares(), replace(Shares(), **{left_out: 0.0})):
        told[getattr(share, left_out)] = Cooperation(parts, size, given, voice, found, share).loss(students, samples)
    usual = getattr(Shares(), left_out)
    assert float((told[usual]["loss"] - told[0.0]["loss"]).detach()) == pytest.approx(
        usual * float(told[usual][term]), rel=1e-3
    )


def sight(n=600, seed=0):
    """Four experts of one target each in turn; in calm looks the first is right, in volatile ones the second."""
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(n, 3))
    regime = rng.integers(0, 3, n)
    told = np.stack([target + rng.normal(size=(n, 3)) * noise for noise in (1.0, 1.0, 1.0, 1.0)], 1)
    told[:, 0] = target + rng.normal(size=(n, 3)) * np.where(regime == 0, 0.1, 2)[:, None]
    told[:, 1] = target + rng.normal(size=(n, 3)) * np.where(regime == 2, 0.1, 2)[:, None]
    z = np.concatenate([told, regime[:, None, None].repeat(4, 1)], 2)
    return Sight.of(z.astype("f4"), told.astype("f4"), target, regime)


def test_a_trained_gate_is_better_than_the_average_and_weighs_by_regime():
    tasks = np.ones((4, 3), bool)
    mixture, history = fit(Gate(steps=100, every=50, features=64, space=4), tasks, sight(), sight(seed=1))
    average, plain = fit(Gate(form="average"), tasks, sight(), sight(seed=1))
    assert max(row["mean"] for row in history) > plain[0]["mean"] + 0.05
    assert [row["mean"] for row in history][-1] >= history[0]["mean"]
    _, confidence, weights = fused(mixture, sight(seed=2))
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert max(row["weights differ"] for row in history) > 0.1
    np.testing.assert_allclose(fused(average, sight(seed=2))[0], sight(seed=2).told.mean(1), atol=1e-6)


@pytest.mark.parametrize("form", ["regime", "empirical", "learned"])
def test_every_form_trains_and_who_does_not_forecast_a_task_has_no_weight_in_it(form):
    tasks = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], bool)
    mixture, history = fit(Gate(form=form, steps=6, every=3, features=16, space=3), tasks, sight(), sight(seed=1))
    weights = fused(mixture, sight(seed=2))[2]
    assert (weights[:, ~tasks] == 0).all()
    assert len(history) == 3


def test_fewer_than_three_students_are_no_mixture():
    with pytest.raises(ValueError, match="2 students; three or more"):
        Mixture(Gate(), np.ones((2, 3), bool), 4)


def test_the_settled_means_are_those_of_all_training_looks():
    seen = sight()
    mixture, _ = fit(Gate(steps=3, features=16), np.ones((4, 3), bool), seen, sight(seed=1))
    phi = hajek.embed(mixture.points(seen.z, seen.told), mixture.frequency)
    torch.testing.assert_close(hajek.regime_means(phi, seen.regime, 3), mixture.mean, atol=1e-5, rtol=0)
