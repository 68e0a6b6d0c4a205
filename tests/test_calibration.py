"""Fill rates and volatility, found again where they were planted."""

from types import SimpleNamespace

import numpy as np
import pytest
from markets import day_of

from lobarena.agents.calibration import fit
from lobarena.data.importers import read
from lobarena.data.schema import ASK, BID, EVENT, MARK, SNAPSHOT, TAKE, TRADING
from lobarena.sim.feed import snapshot_feed

STEP = 500_000_000  # ns between books


def feed_with(k, intensity, seconds=20_000, seed=0, moves=0.1):
    """A market where trades of each side reach d ticks from the mid at the rate A exp(-k d).

    The bid steps a tick up or down with chance `moves` in half a second; the spread is 1 or 2 ticks.
    """
    rng = np.random.default_rng(seed)
    shots = np.zeros(2 * seconds, SNAPSHOT)
    count = len(shots)
    shots["time"], shots["kind"], shots["depth"] = np.arange(count) * STEP + 10**18, TRADING, 1
    spread = np.repeat(rng.integers(1, 3, count // 100), 100)  # seldom changes
    bid = 10_000 + np.cumsum(rng.choice([-1, 0, 1], count, p=[moves / 2, 1 - moves, moves / 2]))
    shots["bid"][:, 0], shots["ask"][:, 0] = bid, bid + spread
    shots["bid_size"][:, 0] = shots["ask_size"][:, 0] = 5
    shots["volume"] = np.arange(count) * 3
    parts = [np.zeros(count, EVENT)]
    parts[0]["time"], parts[0]["kind"], parts[0]["ref"] = shots["time"], MARK, np.arange(count)
    for side, best, away in ((BID, bid + spread, 1), (ASK, bid, -1)):
        # every trade reaches the best price, half a spread from the mid; how many ticks beyond is geometric
        trades = rng.poisson(intensity * np.exp(-k * spread / 2) * STEP / 1e9)
        at = np.repeat(np.arange(count), trades)
        rows = np.zeros(len(at), EVENT)
        rows["time"], rows["kind"], rows["side"], rows["ref"], rows["size"] = shots["time"][at] + 1, TAKE, side, -1, 1
        rows["price"] = best[at] + away * rng.exponential(1 / k, len(at)).astype(int)
        parts.append(rows)
    events = np.concatenate(parts)
    return SimpleNamespace(events=events[np.argsort(events["time"], kind="stable")], snapshots=shots)


@pytest.mark.parametrize(("k", "intensity"), [(0.7, 0.6), (0.3, 0.2), (1.5, 4.0), (0.5, 3.0)])
def test_a_planted_decay_and_intensity_are_found(k, intensity):
    found = fit([feed_with(k, intensity)])
    assert found["k"] == pytest.approx(k, rel=0.1)
    assert found["A"] == pytest.approx(intensity, rel=0.1)


def test_a_planted_volatility_spread_and_volume_are_found():
    feed = feed_with(0.7, 0.6, moves=0.1)
    found = fit([feed])
    # a tick with chance 0.1 in half a second, and half a tick wherever the spread changes
    widened = np.count_nonzero(np.diff(feed.snapshots["ask"][:, 0] - feed.snapshots["bid"][:, 0])) * 0.25
    assert found["sigma"] == pytest.approx(np.sqrt(0.1 / 0.5 + widened / 20_000), rel=0.03)
    assert found["spread"] == pytest.approx(1.5, abs=0.1)
    assert found["volume"] == pytest.approx(6.0, rel=0.001)


def test_the_same_days_give_the_same_numbers_and_each_day_counts():
    first, second = feed_with(0.7, 0.6, 2_000), feed_with(2.0, 0.2, 2_000, 1)
    alone, both = fit([first]), fit([first, second])
    assert fit([feed_with(0.7, 0.6, 2_000)]) == alone
    assert alone["volume"] == pytest.approx(both["volume"], rel=0.001)
    assert fit([second])["A"] < both["A"] < alone["A"]


def test_what_comes_later_changes_nothing_of_what_was_fitted_before():
    whole = feed_with(0.7, 0.6, 2_000)
    moment = whole.snapshots["time"][1_000]
    before = SimpleNamespace(
        events=whole.events[whole.events["time"] <= moment],
        snapshots=whole.snapshots[whole.snapshots["time"] <= moment],
    )
    changed = SimpleNamespace(events=before.events.copy(), snapshots=whole.snapshots.copy())
    changed.snapshots["bid"][1_001:] += 50
    assert fit([before]) == fit([changed])


def test_a_break_is_no_trading_time():
    # two trades of the buyers and a move of a tick in 4 s of quoting, before and after a break of 15 minutes
    morning = [(0.0, 3_800, 9, 3_801, 9, 3_800, 0), (2.0, 3_800, 9, 3_801, 9, 3_801, 3)]
    later = [(902.0, 3_850, 9, 3_851, 9, 3_851, 3), (904.0, 3_851, 9, 3_852, 9, 3_851, 5)]
    found = fit([day_of(*morning, *later)])
    assert found["volume"] == pytest.approx(5 / 4)
    assert found["sigma"] == pytest.approx(np.sqrt(1 / 4))
    assert found["spread"] == 1.0


def test_a_day_without_trades_or_rows_gives_something_usable_or_nothing():
    quiet = feed_with(0.7, 0.0, 500, moves=0.0)
    found = fit([quiet])
    assert (found["k"], found["A"]) == (1.0, pytest.approx(1 / 1_000, rel=0.01))
    assert found["sigma"] > 0
    assert fit([]) == {}
    assert fit([SimpleNamespace(events=quiet.events[:0], snapshots=quiet.snapshots[:1])]) == {}


def test_a_thin_day_falls_back_on_the_mean_distance():
    thin = feed_with(0.7, 0.6, 50)
    trades = np.flatnonzero(thin.events["kind"] == TAKE)
    thin.events["kind"][trades[5:]] = 0
    found = fit([thin])
    assert 0.1 < found["k"] <= 2.0
    assert found["A"] == pytest.approx(5 / 100, rel=0.25)


@pytest.mark.realdata
def test_a_liquid_future_trades_at_the_touch_and_seldom_beyond(shared_data):
    [recording] = read(shared_data / "futures" / "shfe_2018" / "SHFE_F_RB_1901_2018-08-29.csv.gz")
    found = fit([snapshot_feed(recording)])
    at_touch = found["A"] * np.exp(-found["k"] * 0.5)
    assert 1.0 < at_touch < 4.0  # trades of a side each second
    assert 2.0 < found["k"] < 6.0
    assert 0.3 < found["sigma"] < 0.8
    assert 1.0 <= found["spread"] < 1.1


def test_a_record_of_levels_is_fitted_on_the_books_that_its_market_publishes():
    """Each second 10 lots trade at the ask, a tick from the mid of 101."""
    from test_levels import ASK, BID, BOOK, LEVEL, TRADE, record

    from lobarena.sim.event_feed import event_feed

    rows = list(BOOK)
    for second in range(1, 61):
        rows += [(1_000 * second, TRADE, BID, 102, 10), (1_000 * second, LEVEL, ASK, 102, 10)]
    fitted = fit([event_feed(record(rows), publish_ms=500)])
    assert fitted["spread"] == 2
    assert fitted["volume"] == pytest.approx(10, rel=0.05)
    assert fitted["A"] > 0
    assert fit([event_feed(record([(0, LEVEL, BID, 100, 1)]))]) == {}
