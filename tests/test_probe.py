"""What the normalized fluorescent probe must find, and must not, in made-up models (docs/probe.md)."""

from dataclasses import replace

import numpy as np
import pytest
from glow import DAYS, LAYERS, LOOKS, TASKS, columns, forward, planted

from lobarena.agents.probe.background import shifted, spread_lags
from lobarena.agents.probe.bootstrap import draws, interval
from lobarena.agents.probe.brightness import r_squared
from lobarena.agents.probe.evidence import Evidence
from lobarena.agents.probe.fluorescence import darkness, fluorescence, normalised
from lobarena.agents.probe.measure import Result, measure
from lobarena.agents.probe.plan import make_plan
from lobarena.agents.probe.readout import FOLDS, PENALTIES, fit_readout
from lobarena.agents.probe.regimes import REGIMES, regimes
from lobarena.agents.probe.sentences import sentences
from lobarena.agents.probe.specialisation import COMPONENTS, components
from lobarena.agents.probe.stain import fit_stain


@pytest.fixture(scope="module")
def found() -> Result:
    """The mid move stands in layer 1; the volume in layer 2, when the market is volatile only."""
    return measure(planted([(1, 0, None), (2, 2, "volatile")]), rank=8)


def test_every_row_sums_to_one_or_is_dark(found: Result):
    sums = found.share.value.sum(axis=0)
    lit = found.why == ""
    assert np.allclose(sums[lit], 1)
    assert np.isnan(found.share.value[:, ~lit]).all()


def test_a_planted_signal_is_found_in_its_layer_and_task(found: Result):
    assert (found.why[0] == "").all()
    assert (found.brightest[0] == 1).all()
    assert (found.share.value[1, 0] > 0.9).all()
    assert (found.rho.value[1, 0] > 0.8).all()


def test_a_signal_of_one_regime_is_found_there_and_nowhere_else(found: Result):
    assert found.why[2, 2] == ""
    assert found.share.value[2, 2, 2] > 0.9
    assert "" not in found.why[2, :2]


def test_a_task_that_no_layer_holds_is_dark_and_says_so(found: Result):
    assert all("below the floor" in why or "no layer" in why for why in found.why[1])


def test_shifted_targets_give_no_fluorescence():
    evidence = planted([(1, 0, None)])
    plan = make_plan(evidence, (0.4,))
    moved = evidence.targets.copy()
    moved[plan.rows] = plan.y[:, :, 1] * plan.scale + plan.shift
    light = measure(replace(evidence, targets=moved), rank=8).light.value
    assert light.max() < 0.02


def test_rows_of_noise_are_lit_about_as_seldom_as_there_are_lags():
    lit = np.mean([(measure(Evidence(**columns(seed)), rank=8).why == "").mean() for seed in range(4)])
    assert lit <= 0.2  # 36 rows; 1 in 25 is expected


def test_permuting_the_layers_permutes_the_table(found: Result):
    evidence, order = planted([(1, 0, None), (2, 2, "volatile")]), [2, 0, 3, 1]
    turned = measure(
        replace(evidence, hidden=evidence.hidden[:, order], names=tuple(evidence.names[k] for k in order)), rank=8
    )
    assert np.allclose(turned.light.value, found.light.value[order])
    assert np.array_equal(turned.why == "", found.why == "")


def test_a_later_day_changes_no_error_of_an_earlier_one(found: Result):
    made, last = columns(), np.repeat(np.arange(DAYS), LOOKS) == DAYS - 1
    changed = {name: made[name].copy() for name in ("hidden", "targets", "volatility", "raw")}
    for values in changed.values():
        values[last] = 3 * np.random.default_rng(7).standard_normal(values[last].shape)
    before, after = (measure(Evidence(**(made | more)), rank=8).squares for more in ({}, changed))
    assert np.array_equal(before.error[:-1, ..., 0], after.error[:-1, ..., 0])
    assert np.array_equal(before.control[:-1, ..., 0], after.control[:-1, ..., 0])
    assert np.array_equal(before.total[:-1, ..., 0], after.total[:-1, ..., 0])
    assert np.array_equal(before.means, after.means)
    assert not np.array_equal(before.error[-1, ..., 0], after.error[-1, ..., 0])


def test_later_volatility_changes_no_earlier_label_and_no_cut():
    made = columns()
    later = made["volatility"].copy()
    later[made["test"]] += 100
    before, after = (regimes(v, made["contract"], made["train"]) for v in (made["volatility"], later))
    assert np.array_equal(before[made["train"]], after[made["train"]])
    assert (after[made["test"]] == len(REGIMES) - 1).all()


def test_regimes_are_terciles_of_each_contracts_own_training_rows():
    volatility, contract = np.array([1.0, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60]), np.repeat([0, 1], 6)
    found = regimes(volatility, contract, np.ones(12, bool))
    assert found.tolist() == [0, 0, 1, 1, 2, 2] * 2


def test_r_squared_is_worked_out_by_hand():
    # truth 1, 2, 4 on day one, forecast 1, 3, 3: errors 0, 1, 1; about the training mean 1: 0, 1, 9
    # truth 0, 2 on day two, forecast 1, 1: errors 1, 1; about 1: 1, 1
    error, total = np.array([2.0, 2.0]), np.array([10.0, 2.0])
    assert r_squared(error, total) == pytest.approx(1 - 4 / 12)
    assert r_squared(error, total, np.array([[2.0, 0.0], [0.0, 2.0]])) == pytest.approx([0.8, 0.0])
    assert np.isnan(r_squared(error, np.zeros(2)))


def test_a_read_out_is_ridge_with_the_penalty_of_least_error_over_blocks_of_time():
    generator = np.random.default_rng(3)
    z, y = generator.standard_normal((200, 5)), generator.standard_normal((200, 2))
    y[:, 0] += z[:, 0]
    time = np.arange(200)

    def ridge(rows: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        centre, level = z[rows].mean(axis=0), y[rows].mean(axis=0)
        x = z[rows] - centre
        weights = np.linalg.solve(x.T @ x + penalty * len(x) * np.eye(5), x.T @ (y[rows] - level))
        return weights, level - centre @ weights

    fold, missed = time // (200 // FOLDS), np.zeros((len(PENALTIES), 2))
    for place, penalty in enumerate(PENALTIES):
        for k in range(FOLDS):
            weights, intercept = ridge(fold != k, penalty)
            missed[place] += ((y[fold == k] - z[fold == k] @ weights - intercept) ** 2).sum(axis=0)
    fitted = fit_readout(z, y, time)
    assert fitted.penalty.tolist() == PENALTIES[missed.argmin(axis=0)].tolist()
    for target in range(2):
        weights, intercept = ridge(time >= 0, fitted.penalty[target])
        assert np.allclose(fitted.weights[:, target], weights[:, target])
        assert np.isclose(fitted.intercept[target], intercept[target])


def test_a_stain_has_unit_variances_and_leaves_constants_out():
    features = np.random.default_rng(0).standard_normal((500, 6)).astype(np.float32) * [1, 50, 1, 1, 0, 1] + 4
    z = fit_stain(features, 4).apply(features)
    assert np.allclose(z.T @ z / 500, np.eye(4), atol=1e-4)
    assert (fit_stain(features, 64).apply(features).std(axis=0) > 0).sum() == 5


def test_shifts_stay_in_their_group_and_keep_its_targets():
    targets, group = np.arange(20.0)[:, None], np.repeat([0, 1], 10)
    moved = shifted(targets, group, np.arange(20)[::-1], (0.3,))[:, 0, 0]
    assert sorted(moved[:10]) == list(range(10))
    assert moved[9] == 2  # time runs backwards here: the first moment takes the target of the third last
    assert all(0.25 <= lag <= 0.75 for lag in spread_lags())
    assert len(set(spread_lags())) == len(spread_lags())


def test_what_tells_contracts_apart_is_background_and_not_light():
    made = columns()
    n = len(made["time"])
    contract = np.arange(n) % 2
    made["targets"][:, 0] += 5 * contract
    made["hidden"][:, 1, 0] = contract
    assert measure(Evidence(**(made | {"contract": contract})), rank=8).light.value[1, 0].max() < 0.02


def test_the_components_sum_to_the_variance_and_know_their_axes():
    generator = np.random.default_rng(0)
    table = generator.standard_normal((5, 3, 2))
    assert components(table).sum() == pytest.approx(table.var())
    profile = np.broadcast_to(np.arange(5.0)[:, None, None], (5, 3, 2))
    assert components(profile)[0] == pytest.approx(profile.var())
    product = np.array([[1.0, -1], [-1, 1]])[:, :, None] * np.ones(2)
    by_name = dict(zip(COMPONENTS, components(product), strict=True))
    assert by_name["layer x task"] == pytest.approx(1)
    assert sum(by_name.values()) == pytest.approx(1)


def test_layers_that_specialise_by_task_are_told_so():
    result = measure(planted([(1, 0, None), (2, 1, None), (3, 2, None)]), rank=8)
    share = {row["component"]: row for row in result.specialisation if row["of"] == "F-hat"}["layer x task"]
    assert share["low"] > 0.6
    assert share["noise"] < 0.05
    assert "Layers specialise by task: beyond noise" in sentences(result)[1]


def test_a_constant_target_and_an_empty_regime_are_dark_cells():
    made = columns()
    made["targets"][:, 1] = 3.0
    made["volatility"] = np.where(np.arange(len(made["time"])) % 3 == 0, made["volatility"] - 50, 0.0)
    result = measure(Evidence(**made), rank=8)
    assert all("constant" in why or "rows" in why for why in result.why[1])
    assert all("0 rows" in why for why in result.why[:, 2])
    assert np.isnan(result.rho.value[:, :, 2]).all()
    assert not np.isnan(result.rho.value[:, 0, :2]).any()
    assert "dark" in sentences(result)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: {"targets": np.where(np.arange(len(c["time"]))[:, None] == 5, np.nan, c["targets"])},
            "targets of 1",
        ),
        (lambda c: {"train": c["test"]}, "both train and test"),
        (lambda c: {"test": np.zeros_like(c["test"])}, "no row is in test"),
        (lambda c: {"train": c["day"] >= 8, "test": c["day"] < 8}, "not before its test"),
        (lambda c: {"names": ("a",) * LAYERS}, "each its own"),
        (lambda c: {"raw": c["raw"][1:]}, "raw has shape"),
        (lambda c: {"hidden": c["hidden"][:, 0]}, "hidden has shape"),
        (lambda c: {"contract": c["day"] // 8}, "no row in train"),
    ],
)
def test_evidence_that_cannot_be_probed_says_why(change, message: str):
    made = columns()
    with pytest.raises(ValueError, match=message):
        Evidence(**(made | change(made)))


def test_states_that_overflowed_and_senseless_settings_are_refused():
    made = columns()
    made["hidden"][7, 2, 3] = np.inf
    evidence = Evidence(**made)
    with pytest.raises(ValueError, match="layer L2 has 1 states"):
        measure(evidence)
    for wrong in ({"lags": ()}, {"lags": (1.5,)}, {"rank": 0}, {"floor": -1}):
        with pytest.raises(ValueError, match=r"lags|rank|floor"):
            measure(evidence, **wrong)


def test_rows_outside_train_and_test_are_not_looked_at(found: Result):
    evidence = planted([(1, 0, None), (2, 2, "volatile")])
    none = evidence.train & (evidence.day == 7)
    kept = evidence.train & ~none
    broken = {name: getattr(evidence, name).copy() for name in ("hidden", "targets", "volatility", "raw")}
    for values in broken.values():
        values[none] = np.nan
    a = measure(replace(evidence, train=kept, **broken), rank=8)
    b = measure(replace(evidence, train=kept), rank=8)
    assert np.array_equal(a.rho.value, b.rho.value, equal_nan=True)


def test_one_day_of_test_has_no_interval_and_no_noise():
    evidence = planted([(1, 0, None)])
    result = measure(replace(evidence, test=evidence.day == 8), rank=8)
    assert np.isnan(result.rho.low).all()
    assert all(np.isnan(row["noise"]) for row in result.specialisation)
    assert "[no interval]" in sentences(result)[0]


def test_intervals_hold_the_estimate_and_draws_come_from_the_seed():
    assert np.array_equal(draws(9, 1), draws(9, 1))
    assert not np.array_equal(draws(9, 1), draws(9, 2))
    low, high = interval(draws(9, 1) @ np.arange(9.0) / 9, 9)
    assert low < 4 < high


def test_a_row_whose_layers_are_all_worse_than_the_mean_is_dark_however_dark_its_background():
    rho, lags = np.full((2, 1, 1), -0.01), np.full((2, 1, 1, 3), -0.5)
    light = fluorescence(rho, lags)
    why = darkness(rho, light, np.zeros((1, 1)), np.full((1, 1), "", object))
    assert light.min() > 0
    assert "no layer" in why[0, 0]
    assert np.isnan(normalised(light, why)).all()


def test_quenching_finds_the_layer_that_the_forecast_needs():
    evidence = planted([(1, 0, None), (2, 2, None)])
    steps: list[tuple[int, int]] = []
    result = measure(
        evidence,
        rank=8,
        quench=forward(evidence, [(1, 0), (2, 2)]),
        quench_rows=120,
        advance=lambda done, total, what: steps.append((done, total)),
    )
    seen = result.quenching
    assert seen is not None
    assert np.allclose(seen.share.value[1, 0], 1)
    assert np.allclose(seen.share.value[2, 2], 1)
    assert "" not in seen.why[1]
    assert (seen.correlation.value[[0, 2]] > 0.5).all()
    assert "quenching agrees with" in sentences(result)[2]
    assert seen.rows.tolist() == [120] * 3
    assert steps[-1] == (3 * (1 + LAYERS), 3 * (1 + LAYERS))


def test_quenching_contradicts_a_probe_when_the_model_reads_elsewhere():
    evidence = planted([(1, 0, None), (2, 0, None), (3, 0, None)])
    light = evidence.hidden.astype(np.float64)
    light[:, 2, :4] += 1.5 * np.random.default_rng(5).standard_normal(light[:, 2, :4].shape)
    light[:, 3, :4] += 3.0 * np.random.default_rng(6).standard_normal(light[:, 3, :4].shape)
    evidence = replace(evidence, hidden=light.astype(np.float16))

    def quench(layer: int | None, mean: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
        lost = {None: 0.0, 0: 0.9, 1: 0.1, 2: 0.2, 3: 0.4}[layer]
        return evidence.targets[rows] * (1 - lost)

    result = measure(evidence, rank=8, quench=quench)
    assert result.quenching is not None
    assert float(result.quenching.overall.high) < 0
    assert "quenching contradicts" in sentences(result)[2]


def test_a_forward_pass_of_the_wrong_shape_is_refused():
    evidence = planted([(1, 0, None)])
    with pytest.raises(ValueError, match="forecasts of the model as it is"):
        measure(evidence, rank=8, quench=lambda layer, mean, rows: np.zeros((len(rows), len(TASKS) + 1)))
