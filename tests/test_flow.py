import os
import subprocess
import sys

import numpy as np
import pytest

from lobarena.data.schema import ASK, BID, LEVELS, SNAPSHOT
from lobarena.sim.book import new_book, tape_of
from lobarena.sim.flow import FLOW, PATH, PERIOD_S, open_auction, trade
from lobarena.sim.profiles import PROFILES

pytestmark = pytest.mark.kernels

LOWER, UPPER, MIDDLE = 10, 210, 110  # level indices


class Crowd:
    """A crowd of one product about level index 110, which is tick 1,110."""

    def __init__(self, code: str = "RB", rows: int = 40, reference: float = MIDDLE + 0.5) -> None:
        self.book = new_book((2_048, 4_096), 1_000)
        self.tape = tape_of(self.book)
        self.flow = np.zeros(1, FLOW)
        self.flow["regimes"], self.flow["left"] = PROFILES[code].rows(), PERIOD_S
        self.flow["lower"], self.flow["upper"] = LOWER, UPPER
        self.path = np.zeros(rows, PATH)
        self.path["time"] = 10**12 + 500_000_000 * np.arange(1, rows + 1)
        self.path["reference"], self.path["seconds"] = reference, PERIOD_S
        self.shots = np.zeros(rows + 1, SNAPSHOT)
        self.rng = np.random.default_rng(4)

    def open(self, orders: list[tuple[int, int, int]]) -> None:
        open_auction(self.book, self.flow, np.array(orders, np.int64), 10**12, self.shots[:1])

    def draws(self, count: int) -> np.ndarray:
        drawn = self.rng.standard_exponential((count, 5))
        drawn[:, 3:] = self.rng.random((count, 2))
        return drawn

    def trade(self, draws: np.ndarray) -> None:
        trade(self.book, self.flow, self.path, draws, self.shots[1:])


def test_the_opening_auction_trades_at_one_price_and_is_published():
    crowd = Crowd()
    crowd.open([(BID, 112, 5), (ASK, 108, 3), (BID, 105, 7), (ASK, 115, 4)])
    shot = crowd.shots[0]
    assert (shot["volume"], shot["turnover"], shot["last"], shot["time"]) == (3, 3 * 1_110, 1_110, 10**12)
    assert shot["bid"].tolist()[:2] == [1_112, 1_105]
    assert shot["bid_size"].tolist() == [2, 7, 0, 0, 0]
    assert (shot["ask"][0], shot["ask_size"][0]) == (1_115, 4)


def test_volume_and_turnover_are_those_of_the_fills():
    crowd = Crowd()
    crowd.open([(side, MIDDLE + (1 - 2 * (side == BID)) * k, 200) for side in (BID, ASK) for k in range(1, 8)])
    lots = money = 0
    for draw in crowd.draws(1_500):
        crowd.tape["size"] = 0
        crowd.trade(draw[None])
        lots += int(crowd.tape["size"].sum())
        money += int((crowd.tape["size"] * crowd.tape["price"].astype(np.int64)).sum())
    assert lots > 100
    assert (crowd.flow["volume"][0], crowd.flow["turnover"][0]) == (lots, money)


def test_how_the_draws_are_cut_into_calls_changes_nothing():
    whole, pieces = Crowd(), Crowd()
    draws = whole.draws(2_000)
    for crowd in (whole, pieces):
        crowd.open([(BID, 109, 50), (ASK, 112, 50)])
    whole.trade(draws)
    for part in np.array_split(draws, 37):
        pieces.trade(part)
    assert whole.flow["row"][0] > 5
    assert whole.shots.tobytes() == pieces.shots.tobytes()


def test_every_snapshot_shows_the_levels_of_the_book_in_order():
    crowd = Crowd("CU", rows=200)
    crowd.open([(side, MIDDLE + (1 - 2 * (side == BID)) * k, 9) for side in (BID, ASK) for k in range(1, 8)])
    while crowd.flow["row"][0] < 200:
        crowd.trade(crowd.draws(500))
    shots = crowd.shots[1:]
    assert shots["time"].tolist() == crowd.path["time"].tolist()
    assert ((shots["bid_size"][:, 0] > 0) & (shots["ask_size"][:, 0] > 0)).all()
    assert (shots["bid"][:, 0] < shots["ask"][:, 0]).all()
    for side, away in (("bid", -1), ("ask", 1)):
        for level in range(1, LEVELS):
            there = shots[f"{side}_size"][:, level] > 0
            assert (away * (shots[side][:, level] - shots[side][:, level - 1])[there] > 0).all()


def test_the_price_follows_the_reference_price():
    crowd = Crowd(rows=240)
    crowd.path["reference"][60:] += 12
    crowd.open([(side, MIDDLE + (1 - 2 * (side == BID)) * k, 200) for side in (BID, ASK) for k in range(1, 8)])
    while crowd.flow["row"][0] < 240:
        crowd.trade(crowd.draws(500))
    mid = (crowd.shots["bid"][1:, 0] + crowd.shots["ask"][1:, 0]) / 2 - 1_000
    assert abs(mid[:60].mean() - MIDDLE - 0.5) < 1
    assert abs(mid[-60:].mean() - MIDDLE - 12.5) < 1


def test_a_fast_period_holds_more_trades_than_a_slow_one():
    crowd = Crowd(rows=200)
    crowd.path["seconds"] = np.where(np.arange(200) % 2 == 0, 0.1, 0.9)
    crowd.open([(side, MIDDLE + (1 - 2 * (side == BID)) * k, 200) for side in (BID, ASK) for k in range(1, 8)])
    while crowd.flow["row"][0] < 200:
        crowd.trade(crowd.draws(500))
    traded = np.diff(crowd.shots["volume"])
    assert traded[1::2].sum() > 3 * traded[::2].sum()


def test_nobody_quotes_beyond_the_price_limits():
    crowd = Crowd(rows=120, reference=UPPER - 1.5)
    crowd.open([(BID, UPPER - 3, 20), (ASK, UPPER - 1, 20)])
    while crowd.flow["row"][0] < 120:
        crowd.trade(crowd.draws(500))
    shown = crowd.shots["ask"][crowd.shots["ask_size"] > 0]
    assert shown.max() == 1_000 + UPPER


def test_an_empty_side_fills_again():
    crowd = Crowd("RB", rows=20)
    crowd.open([(BID, MIDDLE, 30)])
    assert crowd.shots["ask_size"][0].sum() == 0
    while crowd.flow["row"][0] < 20:
        crowd.trade(crowd.draws(500))
    assert crowd.shots["ask_size"][-1].sum() > 0


def test_compiled_or_not_the_day_is_the_same():
    code = (
        "import hashlib; from datetime import date; from lobarena.sim.synthetic import synthetic_day;"
        "print(hashlib.sha256(synthetic_day('RB', date(2024, 1, 3), 5, 1).snapshots.tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"NUMBA_DISABLE_JIT": off},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for off in ("0", "1")
    }
    assert len(digests) == 1
