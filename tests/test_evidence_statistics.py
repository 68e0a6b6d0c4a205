"""Tables of the evidence against numbers worked out by hand."""

import numpy as np
import pytest

from lobarena.benchmarks.evidence_statistics import (
    Blocks,
    against_cmm,
    money_table,
    product,
    skill_table,
    verdicts,
    weight_table,
)


def row(label, opens, pnl, held, seed=0, contract="FUSYN", money="net"):
    found = {"group": "made-up", "contract": contract, "money": money, "label": label, "seed": seed, "opens": opens}
    return found | {
        "pnl": pnl,
        "map": held,
        "notional": 100.0,
        "sharpe": None,
        "mdd": 1.0,
        "lots": 2.0,
        "fees": 1.0,
        "regime": "calm",
    }


def test_pnlmap_is_a_ratio_of_sums_over_episodes_and_seeds():
    rows = [row("cmm", 1, 10.0, 1.0), row("cmm", 2, 20.0, 3.0), row("cmm", 1, 0.0, 0.0, 1), row("cmm", 2, 2.0, 0.0, 1)]
    (found,) = money_table(rows)
    assert found["pnl_map"] == pytest.approx(32 / 4)
    assert found["pnl"] == pytest.approx(8.0)
    assert (found["seeds"], found["episodes"]) == (2, 2)
    assert np.isnan(found["sharpe"])


def test_a_method_that_equals_cmm_is_not_told_from_it_and_a_worse_one_is():
    rng = np.random.default_rng(0)
    rows = []
    for opens in range(30):
        gain = float(rng.normal(10, 1))
        for label, less in (("cmm", 0.0), ("same", 0.0), ("worse", 5.0)):
            rows.append(row(label, opens, gain - less, 1.0))
    found = {one["label"]: one for one in against_cmm(rows)}
    assert found["same"]["difference"] == 0
    assert found["same"]["p_holm"] == 1
    assert found["worse"]["low"] == pytest.approx(5.0)  # paired: the days cancel
    assert found["worse"]["p_holm"] < 0.05
    said = verdicts(list(found.values()), ["worse"])
    assert "first in PnLMAP in 1 of 1 products (FU)" in said[0]


def test_only_episodes_that_all_have_met_count():
    rows = [row("cmm", opens, 1.0, 1.0) for opens in range(8)] + [row("kd", opens, 9.0, 1.0) for opens in range(3, 11)]
    assert Blocks(rows).count == 5


def test_a_product_is_what_the_letters_of_its_contracts_say():
    assert [product(one) for one in ("RB1901", "RBSYN", "IF2101")] == ["RB", "RB", "IF"]


def test_skill_kept_counts_where_the_teacher_has_any():
    def skill(label, task, r2, seed=0):
        return {"group": "a", "contract": "x", "regime": "all", "label": label, "task": task, "r2": r2, "seed": seed}

    rows = [skill("teacher", "spread", 0.4), skill("teacher", "volume", -3.0)]
    rows += [skill("kd", "spread", one, seed) for seed, one in enumerate((0.1, 0.3))]
    rows += [skill("kd", "volume", -9.0, seed) for seed in range(2)]
    found = {one["label"]: one for one in skill_table(rows)}
    assert found["kd"]["kept"] == pytest.approx(0.5)
    assert found["kd"]["spread"] == pytest.approx(0.2)
    assert found["teacher"]["kept"] == pytest.approx(1.0)


def test_weights_that_do_not_differ_by_regime_lie_zero_apart_and_others_by_their_total_variation():
    def weight(regime, student, value):
        key = {"group": "a", "label": "cmm", "seed": 0, "task": "spread"}
        return key | {"regime": regime, "student": student, "weight": value}

    rows = [weight("calm", 0, 0.9), weight("calm", 1, 0.1), weight("wild", 0, 0.2), weight("wild", 1, 0.8)]
    assert weight_table(rows)[0]["apart"] == pytest.approx(0.7)
    assert weight_table(rows[:2] + [one | {"regime": "wild"} for one in rows[:2]])[0]["apart"] == 0
