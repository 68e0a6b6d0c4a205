"""A crowd's fit: the file, what is refused, the days that `--data crowd` means, and the search that finds it."""

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from crowd_made_up import DAY, FIT, NUMBERS, changed
from pydantic import ValidationError

from lobarena.benchmarks.crowd_counts import AIMS, Counted, counted
from lobarena.benchmarks.crowd_facts import FACTS, PASSIVE, Facts, facts_of
from lobarena.benchmarks.crowd_search import distance, judged, mean_pace, search, settled
from lobarena.benchmarks.crowd_space import SPACE, fit_from, from_cube, point_of, to_cube
from lobarena.benchmarks.stylised import windows_of
from lobarena.data.catalogue import read_day, write
from lobarena.data.contracts import CONTRACTS
from lobarena.data.recording import DataError
from lobarena.data.schema import AUCTION, SNAPSHOT, STAND, STIR, TRADING, TRAIT, UNCROSS
from lobarena.sim.event_feed import event_feed
from lobarena.sim.hawkes import days
from lobarena.sim.hawkes.day import living_day, living_feed
from lobarena.sim.hawkes.fit import Fit, FitError, as_toml, branching_ratio, load, packaged, parse, traits_of
from lobarena.sim.hawkes.record import recorded
from lobarena.sim.hawkes.traits import REACH, REGIMES


def test_a_written_fit_is_read_as_the_same_crowd(tmp_path):
    (tmp_path / "fit.toml").write_text(as_toml(FIT), "utf-8")
    assert traits_of(load(tmp_path / "fit.toml")).tobytes() == traits_of(FIT).tobytes()


@pytest.mark.parametrize(
    ("numbers", "named"),
    [
        (changed("excitement", take_take=(0.8, 0.3)), "take_take and near_near first"),
        (changed("orders", take=-1), "orders.take"),
        (changed("orders", reach=REACH + 1), "orders.reach"),
        (changed("price", level=float("nan")), "price.level"),
        (changed("sizes", limit_tail=1.0), "sizes.limit_tail"),
        (changed("regimes", to=((0, 1, 0.5), (1, 0, 0), (1, 0, 0))), "chances sum to 1"),
        (changed("regimes", to=((1, 0, 0), (1, 0, 0), (1, 0, 0))), "staying is 0"),
        (changed("pace", speed=1), "pace.speed"),
        (NUMBERS | {"code": "GOLD"}, "code is 'GOLD'"),
    ],
)
def test_a_fit_that_makes_no_sense_is_refused_with_the_number_named(numbers, named):
    with pytest.raises(ValidationError, match=re.escape(named)):
        Fit.model_validate(numbers)


def test_a_file_that_is_no_fit_is_a_data_error_that_names_file_and_number(tmp_path):
    with pytest.raises(FitError, match="no readable fit"):
        load(tmp_path / "none.toml")
    with pytest.raises(FitError, match="not a TOML file"):
        parse("= 3", "bad.toml")
    with pytest.raises(DataError, match=r"bad\.toml: .*orders"):
        parse('code = "RB"', "bad.toml")


def test_the_branching_ratio_of_trades_that_excite_trades_alone_is_their_sum():
    zero = {name: (0, 0) for name in NUMBERS["excitement"] if isinstance(NUMBERS["excitement"][name], tuple)}
    fit = Fit.model_validate(changed("excitement", **(zero | {"take_take": (0.4, 0.1)})))
    assert branching_ratio(fit) == pytest.approx(0.5)


def test_sizes_have_their_means_but_for_the_tail_that_is_cut_and_are_whole_lots():
    traits = traits_of(Fit.model_validate(changed("sizes", limit=50, limit_tail=6, take=50, take_tail=1.5)))[0]
    assert traits["limit_size"].min() >= 1
    assert traits["limit_mean"] == pytest.approx(50, rel=0.1)
    assert traits["take_size"].max() > 3 * traits["limit_size"].max()  # the heavier tail


@pytest.mark.parametrize("code", ["RB", "CU", "AG", "IF"])
def test_the_packaged_fits_can_live(code):
    assert branching_ratio(packaged()[code]) < 0.95


def test_a_living_day_is_stored_in_a_catalogue_and_read_as_the_same_feed(tmp_path):
    made = living_day(FIT, DAY, 1, 2)
    stored = event_feed(read_day(write(tmp_path, made)))
    assert stored.events.tobytes() == living_feed(made).events.tobytes()
    assert stored.traits.tobytes() == traits_of(FIT).tobytes()


def test_a_day_opens_by_an_auction_that_trades_at_one_price_and_leaves_no_crossed_book():
    for seed in range(8):
        shot, later = recorded(living_feed(living_day(FIT, DAY, seed, 1))).snapshots[:2]
        assert (shot["kind"], later["kind"]) == (AUCTION, TRADING)
        assert shot["volume"] > 0
        assert shot["turnover"] == shot["volume"] * shot["last"]
        assert shot["bid"][0] < shot["ask"][0]
        assert (shot["bid_size"][:2] > 0).all()
        assert (shot["ask_size"][:2] > 0).all()
        assert later["time"] - shot["time"] == 60 * 10**9


def test_other_seeds_days_and_regimes_are_other_days():
    one = living_day(FIT, DAY, 0, 5)
    for other in (
        living_day(FIT, DAY, 1, 5),
        living_day(FIT, date(2024, 1, 4), 0, 5),
        living_day(FIT, DAY, 0, 5, ["calm"]),
    ):
        assert one.events.tobytes() != other.events.tobytes()
    sides = living_day(FIT, DAY, 0, 60).events
    assert set(np.unique(sides["side"][sides["kind"] == STIR])) == {0, 1, 2}
    calm = living_day(FIT, DAY, 0, 60, ["calm"]).events
    assert set(np.unique(calm["side"][calm["kind"] == STIR])) == {REGIMES.index("calm")}


@pytest.mark.parametrize(
    "spoil",
    [
        "traits gone",
        "not a number",
        "negative",
        "no pace",
        "no depth",
        "a half second without its depth",
        "no seed",
        "no side",
        "no order",
        "no auction",
        "late order",
        "auction in the session",
        "price out of the world",
    ],
)
def test_a_damaged_living_day_is_refused(spoil):
    made = living_day(FIT, DAY, 0, 1)
    events = made.events.copy()
    traits = np.flatnonzero(events["kind"] == TRAIT)
    if spoil == "traits gone":
        events = np.delete(events, traits[3])
    elif spoil in ("not a number", "negative"):
        events["ref"][traits[1]] = np.array([np.nan if spoil == "not a number" else -1.0]).view(np.int64)[0]
    elif spoil == "no side":
        events["side"][np.flatnonzero(events["kind"] == STAND)[0]] = 7
    elif spoil == "no order":
        events["time"][-1] = events["time"][-2] - 1
    elif spoil == "no auction":
        events = events[events["kind"] != UNCROSS]
    elif spoil == "late order":
        events["kind"][-2] = STAND
    elif spoil == "auction in the session":
        events["time"][events["kind"] != STIR] = events["time"][events["kind"] == STIR][0]
    elif spoil == "price out of the world":
        events["price"][-1] = made.upper + 100
    elif spoil == "no depth":
        events["u"][-2] = 0
    elif spoil == "a half second without its depth":
        events = np.delete(events, len(events) - 2)
    elif spoil == "no pace":
        events["u"][-1] = 0
    else:
        events["ref"][-1] = 0
    with pytest.raises(DataError, match="make the day again"):
        living_feed(replace(made, events=events))


def test_a_day_without_trading_or_with_an_unknown_regime_is_refused():
    with pytest.raises(ValueError, match="weekend"):
        living_day(FIT, date(2024, 1, 6))
    with pytest.raises(ValueError, match="stormy"):
        living_day(FIT, DAY, regimes=["stormy"])


def test_data_crowd_means_living_days_of_the_packaged_fits_or_of_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("LOBARENA_CACHE", str(tmp_path))
    monkeypatch.setattr(days, "DAYS", (DAY,))
    (tmp_path / "fit.toml").write_text(as_toml(FIT), "utf-8")
    assert days.is_crowd("crowd")
    assert days.is_crowd("crowd:x.toml")
    assert not days.is_crowd("crowds")
    root = days.crowd_root(f"crowd:{tmp_path}/fit.toml", 3)
    assert [path.relative_to(root).as_posix() for path in root.rglob("*.parquet")] == ["SHFE/RBLIVE/20240103.parquet"]
    assert root == days.crowd_root(f"crowd:{tmp_path}/fit.toml", 3)
    assert root != days.crowd_root(f"crowd:{tmp_path}/fit.toml", 4)


def _windows(count: int = 3, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    found = []
    for k in range(count):
        rows = np.zeros(600, SNAPSHOT)
        rows["time"] = (k * 600 + np.arange(600)) * 500_000_000
        rows["bid"][:, 0] = 1_000 + np.cumsum(rng.integers(-1, 2, 600))
        rows["ask"][:, 0] = rows["bid"][:, 0] + rng.integers(1, 3, 600)
        rows["bid_size"][:, 0], rows["ask_size"][:, 0] = rng.integers(1, 50, 600), rng.integers(1, 50, 600)
        rows["volume"] = np.cumsum(rng.integers(0, 4, 600))
        rows["last"] = np.where(rng.random(600) < 0.5, rows["bid"][:, 0], rows["ask"][:, 0])
        found.append(rows)
    return found


def test_facts_of_pooled_windows_are_those_of_the_numbers_themselves():
    windows = _windows()
    told = {name: float(value[0]) for name, value in facts_of(windows).told().items()}
    spread = np.concatenate([rows["ask"][:, 0] - rows["bid"][:, 0] for rows in windows])
    lots = np.concatenate([np.diff(rows["volume"]) for rows in windows])
    depth = np.concatenate([np.concatenate([rows["bid_size"][:, 0], rows["ask_size"][:, 0]]) for rows in windows])
    assert told["spread, mean, ticks"] == pytest.approx(spread.mean())
    assert told["lots a minute"] == pytest.approx(120 * lots.mean())
    assert told["lots at a best price, sd / mean"] == pytest.approx(depth.std() / depth.mean())
    assert told["lots at a best price, median"] == pytest.approx(np.median(depth), abs=1)
    assert told["half seconds without a trade, share"] == pytest.approx((lots == 0).mean())
    second = [np.diff((rows["bid"][::2, 0] + rows["ask"][::2, 0]) / 2) for rows in windows]
    pairs = np.concatenate([np.stack([moves[:-1], moves[1:]]) for moves in second], axis=1)
    assert told["moves of 1 s, autocorrelation"] == pytest.approx(np.corrcoef(pairs)[0, 1])
    assert set(told) == set(FACTS) - set(PASSIVE)


def test_a_windows_weight_counts_it_so_often():
    windows = _windows()
    facts = facts_of(windows)
    twice = facts_of([windows[0], windows[0], windows[2]], None)
    weighted = facts.told(np.array([[2.0, 0.0, 1.0]]))
    for name in ("spread, mean, ticks", "volatility over 5 s, ticks / root s", "moves of 5 s, kurtosis"):
        assert weighted[name][0] == pytest.approx(twice.told()[name][0])
    assert isinstance(facts, Facts)


def test_no_distance_lies_between_facts_and_themselves_and_one_unit_is_one():
    aims = dict.fromkeys(AIMS, 0.5)
    assert distance(aims, aims) == 0
    off = {name: aim * np.exp(AIMS[name][0]) if AIMS[name][1] else aim + AIMS[name][0] for name, aim in aims.items()}
    assert distance(off, aims) == pytest.approx(1)
    assert distance(aims | {"lots a minute": np.nan}, aims) == pytest.approx(25 / len(aims))


def _known() -> Counted:
    day = recorded(living_feed(living_day(FIT, DAY, 0, 32)))
    return counted(windows_of(day.snapshots), CONTRACTS["RB"], "a made-up day")


def test_the_middle_of_the_space_is_a_crowd_that_can_live_and_has_about_the_right_rates():
    known = _known()
    middle = {name: (s.low * s.high) ** 0.5 if s.log else (s.low + s.high) / 2 for name, s in SPACE.items()}
    fit = fit_from(known, middle | {"take_take": 0.2, "near_near": 0.1, "cancel_cancel": 0.1})
    assert fit.price.level == known.level
    assert fit.orders.take * fit.sizes.take / (1 - 0.2 - middle["take_other"]) == pytest.approx(known.lots, rel=0.2)


def test_a_point_becomes_a_fit_and_the_fit_the_same_point():
    known = _known()
    place = np.linspace(0.3, 0.7, len(SPACE))
    point = from_cube(place) | {"take_take": 0.2, "near_near": 0.1, "cancel_cancel": 0.1}
    assert from_cube(to_cube(point)) == pytest.approx(point)
    assert point_of(known, fit_from(known, point)) == pytest.approx(point)


def test_a_crowd_that_is_faster_in_every_regime_is_met_by_one_of_higher_rates():
    known = _known()
    middle = from_cube(np.full(len(SPACE), 0.4)) | {"take_take": 0.2, "near_near": 0.1, "cancel_cancel": 0.1}
    fit = fit_from(known, middle)
    pace = tuple(1.2 * one for one in fit.regimes.pace)
    faster = fit.model_copy(update={"regimes": fit.regimes.model_copy(update={"pace": pace})})
    again = fit_from(known, point_of(known, faster))
    assert again.orders.take == pytest.approx(1.2 * fit.orders.take)
    assert again.orders.cancel == pytest.approx(1.2 * fit.orders.cancel)
    assert again.excitement.fast_s == pytest.approx(fit.excitement.fast_s / 1.2)


def test_what_a_search_found_on_lucky_days_is_settled_for_the_long_run():
    lucky = mean_pace(FIT, DAY, 0, 10)
    fit = settled(FIT, 10, 1)
    assert np.mean([mean_pace(fit, DAY, seed) for seed in range(500, 540)]) == pytest.approx(lucky, rel=0.1)


def test_a_search_that_begins_at_a_fit_is_never_further_from_the_facts_than_that():
    known = _known()
    near = fit_from(known, point_of(known, FIT))
    _, found = search(known, 20, 0, 10, start=FIT)
    assert found <= judged(near, known, 10)


def test_a_search_begins_at_no_other_products_fit():
    with pytest.raises(FitError, match="is one of CU, the days are of RB"):
        search(_known(), 20, 0, 10, start=Fit.model_validate(NUMBERS | {"code": "CU"}))


def test_a_search_is_seeded_and_gets_nearer_than_its_first_trials():
    known = _known()
    told: list[str] = []
    first, near = search(known, 20, 1, 10, lambda done, all_, what: told.append(what))
    again, _ = search(known, 20, 1, 10)
    assert as_toml(first) == as_toml(again)
    assert first.source == "a made-up day"
    assert near <= float(told[0].split()[-1])


def test_a_record_without_volume_is_refused():
    windows = _windows(8)
    for rows in windows:
        rows["volume"] = 0
    with pytest.raises(FitError, match="nothing trades in its record"):
        counted(windows, CONTRACTS["RB"], "x")


def test_a_product_of_few_ticks_can_live():
    """Iron ore costs some 900 of them."""
    made = living_day(Fit.model_validate(changed("price", level=900)), DAY, 0, 2)
    assert 0 < made.lower < made.upper
    assert recorded(living_feed(made)).snapshots["volume"][-1] > 0


def test_too_few_windows_are_refused_with_what_is_needed():
    with pytest.raises(FitError, match="at least 6 are needed"):
        counted(_windows(3), CONTRACTS["RB"], "x")
