"""The episode worked out by hand, five grid steps of one second, tick value 10:

t (s)  what happens                                 mid2  position  cash       fees
0      flat, quotes 99 / 101                         200     0          0      0
1      (0.5 s) buys 2 at 99 as maker, fee 1          200     2       -198      1
2      mid falls by a tick                           198     2       -198      1
3      (2.5 s) sells 3 at 100 as maker, fee 2        198    -1       -198+300  3
4      mid rises by a tick and a half                201    -1        102      3
5      (4.9 s) liquidation: buys 1 at 102, fee 4     202     0          0      7

gross = 2 x 0 + 0 x 202 = 0 half-tick x lot, PnL = 0 x 5 - 7 = -7
spread      = 2 (200 - 198) - 3 (198 - 200)                    = 4 + 6  = 10
liquidation = 1 (202 - 204)                                             = -2
path        = 2 (198 - 200) - 1 (202 - 198) + 0 (202 - 202)    = -4 - 4 = -8
adverse     = 2 (202 - 200) - 3 (202 - 198)  [mid2 at 5.5 s and 7.5 s is 202] = 4 - 12 = -8
holding     = -8 - -8                                                   = 0
"""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lobarena.benchmarks import metrics
from lobarena.benchmarks.metrics import CURVE, FILL, MARK, SECOND
from lobarena.benchmarks.tables import SCHEMAS

FILLS = np.array(
    [
        (int(0.5 * SECOND), 99, 2, 1, 200, False, 1.0, True),
        (int(2.5 * SECOND), 100, 3, -1, 198, False, 2.0, True),
        (int(4.9 * SECOND), 102, 1, 1, 202, True, 4.0, False),
    ],
    FILL,
)
MARKS = np.array(
    [(0, 200), (int(1.5 * SECOND), 198), (int(3.5 * SECOND), 201), (int(4.8 * SECOND), 202)],
    MARK,
)
EPISODE = np.array(
    [
        (0, 200, 0, 0, 0.0, 99, 101),
        (1 * SECOND, 200, 2, -198, 1.0, 98, 101),
        (2 * SECOND, 198, 2, -198, 1.0, 0, 100),
        (3 * SECOND, 198, -1, 102, 3.0, 97, 101),
        (4 * SECOND, 201, -1, 102, 3.0, 99, 0),
        (5 * SECOND, 202, 0, 0, 7.0, 0, 0),
    ],
    CURVE,
)
# W = (2 cash + position x mid2) x 5 - fees
WEALTH = np.array([0.0, 19.0, -1.0, 27.0, 12.0, -7.0])


def by_hand(**changed: Any) -> dict[str, Any]:
    given_ = {"tick_value": 10.0, "position_limit": 2, "ordered_lots": 20, "messages": 12} | changed
    return metrics.episode_metrics(FILLS, EPISODE, MARKS, **given_)


def test_the_attribution_is_the_one_worked_out_by_hand() -> None:
    assert metrics.attribution(FILLS, MARKS, 202) == {"spread": 10, "adverse": -8, "holding": 0, "liquidation": -2}
    found = by_hand()
    assert found["pnl_half_ticks"] == 0
    assert (found["spread"], found["adverse"], found["holding"], found["liquidation"]) == (50.0, -40.0, 0.0, -10.0)
    assert found["fees"] == 7.0
    assert found["pnl"] == -7.0


def test_markouts_are_the_ones_worked_out_by_hand() -> None:
    assert metrics.markouts(FILLS, MARKS, SECOND).tolist() == [2 * -2, -3 * 3, 0]
    assert metrics.markouts(FILLS, MARKS, 2 * SECOND).tolist() == [2 * -2, -3 * 3, 0]
    assert metrics.markouts(FILLS, MARKS, int(2.3 * SECOND)).tolist() == [2 * -2, -3 * 4, 0]
    assert metrics.mid2_at(MARKS, np.array([-5, 0, int(1.5 * SECOND) - 1, int(1.5 * SECOND)])).tolist() == [
        200,
        200,
        200,
        198,
    ]
    found = by_hand()
    assert (found["markout_1s"], found["markout_5s"], found["markout_30s"]) == (-65.0, -40.0, -40.0)
    assert found["markout_5s"] == found["adverse"]


def test_wealth_and_its_measures_are_the_ones_worked_out_by_hand() -> None:
    assert metrics.marked_wealth(EPISODE, 10.0).tolist() == WEALTH.tolist()
    found = by_hand()
    assert found["map"] == pytest.approx((0 + 2 + 2 + 1 + 1) / 5)
    assert found["pnl_map"] == pytest.approx(-7 / 1.2)
    assert found["notional"] == (99 * 2 + 100 * 3 + 102 * 1) * 10
    assert found["pr"] == pytest.approx(-7 / 6000)
    assert found["mdd"] == 34.0
    steps = [19, -20, 28, -15, -19]
    sd = math.sqrt(sum((step - -7 / 5) ** 2 for step in steps) / 4)
    assert found["sharpe"] == pytest.approx(-7 / 5 / sd * math.sqrt(5))
    assert found["es95"] == found["es99"] == 20.0
    assert metrics.expected_shortfall(WEALTH, 0.6) == 19.5
    assert found["inventory_at_worst"] == 2


def test_inventory_and_activity_are_the_ones_worked_out_by_hand() -> None:
    found = by_hand()
    assert found["max_inventory"] == 2
    assert found["share_at_limit"] == 0.4
    assert found["quoting_share"] == 0.6
    assert (found["fills"], found["lots"]) == (3, 6)
    assert found["fill_ratio"] == 5 / 20
    assert found["order_to_trade"] == 12 / 2
    # before 0 2 2 -1, after 2 2 -1 -1: covariance 0.375, variance 1.6875
    assert found["inventory_half_life_s"] == pytest.approx(-math.log(2) / math.log(0.375 / 1.6875))


def test_the_half_life_is_found_again_in_a_made_up_inventory() -> None:
    noise = np.random.default_rng(1).normal(size=200_000) * 100
    inventory = np.zeros(len(noise))
    for k in range(1, len(noise)):
        inventory[k] = 0.9 * inventory[k - 1] + noise[k]
    expected = 0.5 * math.log(0.5) / math.log(0.9)
    assert metrics.inventory_half_life(inventory.round().astype(np.int64), 0.5) == pytest.approx(expected, rel=0.03)
    assert math.isnan(metrics.inventory_half_life(np.array([1, -1, 1, -1]), 1.0))
    assert math.isnan(metrics.inventory_half_life(np.array([2, 2, 2]), 1.0))


def test_every_measure_is_a_column_of_the_episodes_table() -> None:
    assert set(by_hand()) <= set(SCHEMAS["episodes"].names)


def test_a_seat_that_never_trades_has_no_ratios_and_zero_elsewhere() -> None:
    curve = np.zeros(3, CURVE)
    curve["time"], curve["mid2"] = np.arange(3) * SECOND, [200, 202, 204]
    found = metrics.episode_metrics(
        np.zeros(0, FILL), curve, MARKS, tick_value=10.0, position_limit=5, ordered_lots=0, messages=0
    )
    undefined = {"pr", "sharpe", "inventory_half_life_s", "fill_ratio", "order_to_trade"}
    assert {name for name, value in found.items() if isinstance(value, float) and math.isnan(value)} == undefined
    assert {value for name, value in found.items() if name not in undefined} == {0}
    one_row = metrics.episode_metrics(
        np.zeros(0, FILL), curve[:1], MARKS, tick_value=10.0, position_limit=5, ordered_lots=0, messages=0
    )
    assert one_row["pnl"] == one_row["es95"] == one_row["mdd"] == 0


def test_fills_that_do_not_match_the_accounts_are_refused() -> None:
    with pytest.raises(ValueError, match="give all fills of the seat"):
        metrics.episode_metrics(FILLS[:2], EPISODE, MARKS, tick_value=1.0, position_limit=2, ordered_lots=1, messages=1)
    free = FILLS.copy()
    free["fee"] = 0
    with pytest.raises(ValueError, match="give all fills of the seat"):
        metrics.episode_metrics(free, EPISODE, MARKS, tick_value=1.0, position_limit=2, ordered_lots=1, messages=1)


def test_latency_percentiles_are_in_microseconds() -> None:
    found = metrics.latency_percentiles(np.arange(101) * 1000, "latency")
    assert found == {"latency_p50_us": 50, "latency_p90_us": 90, "latency_p99_us": 99, "latency_max_us": 100}
    assert all(math.isnan(value) for value in metrics.latency_percentiles(np.zeros(0), "measured").values())


steps = st.tuples(
    st.integers(0, 10 * SECOND),  # ns to the next fill
    st.integers(2**20, 2**20 + 300),  # price
    st.integers(1, 2**15),  # size
    st.sampled_from([-1, 1]),
    st.integers(2**21, 2**21 + 600),  # mid2
    st.booleans(),  # liquidation
)


@settings(deadline=None, max_examples=200)
@given(st.lists(steps, max_size=30), st.integers(2**21, 2**21 + 600))
def test_the_parts_sum_to_the_pnl_of_the_accounts_to_the_last_half_tick(
    path: list[tuple[int, int, int, int, int, bool]], end: int
) -> None:
    fills, cash, position = np.zeros(len(path), FILL), 0, 0
    marks = np.zeros(len(path) + 1, MARK)
    for k, (wait, price, size, side, mid2, forced) in enumerate(path):
        time = wait + (int(fills["time"][k - 1]) if k else 0)
        fills[k] = (time, price, size, side, mid2, forced, 0.0, True)
        marks[k + 1] = (time, mid2 + 7)
        cash, position = cash - side * size * price, position + side * size
    marks[0] = (-1, end)
    parts = metrics.attribution(fills, marks, end)
    assert sum(parts.values()) == 2 * cash + position * end
