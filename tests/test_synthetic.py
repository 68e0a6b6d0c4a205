from datetime import date
from pathlib import Path

import numpy as np
import pytest

from lobarena.data.catalogue import days, read_day
from lobarena.data.columns import ColumnMap
from lobarena.data.importers import read
from lobarena.data.recording import NOTED, Recording
from lobarena.data.schema import AUCTION, LEVELS, SNAPSHOT, TRADING, UNKNOWN
from lobarena.data.sessions import session_times
from lobarena.sim.feed import snapshot_feed
from lobarena.sim.hawkes.traits import REGIMES
from lobarena.sim.market import Market
from lobarena.sim.synthetic import CODES, DAYS, embedded, embedded_root, regime_spans, synthetic_day

DAY = DAYS[0]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOBARENA_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("code", CODES)
def test_the_replay_of_every_embedded_day_meets_every_snapshot(code: str):
    for recording in embedded([code]):
        feed = snapshot_feed(recording)
        market = Market(feed)
        market.run()
        venue = market.venue[0]
        assert venue["met"] == venue["shots"] == len(recording.snapshots), f"first missed: {venue['first_missed']}"
        assert (feed.unexplained.lots, feed.unexplained.turnover, venue["unfilled"]) == (0, 0, 0)
        assert venue["volume"] == recording.snapshots["volume"][-1]


@pytest.mark.kernels
def test_the_same_arguments_give_the_same_bytes_and_others_do_not():
    def made(code: str = "CU", day: date = DAY, seed: int = 3) -> bytes:
        return synthetic_day(code, day, seed, 2).snapshots.tobytes()

    assert made() == made()
    assert len({made(), made(seed=4), made(day=DAYS[1]), made("AG")}) == 4
    assert made() == made("cu")


@pytest.mark.parametrize("code", CODES)
def test_rows_stand_every_half_second_of_the_day_session_and_never_in_a_break(code: str):
    recording = embedded([code], DAYS[:1])[0]
    shots, spans = recording.snapshots, session_times(recording.contract, DAY)
    expected = np.concatenate([np.arange(start, end, 500_000_000) + 500_000_000 for start, end in spans])
    assert shots["time"][1:].tolist() == expected.tolist()
    assert shots["time"][0] == spans[0, 0] - 59_500_000_000
    assert shots["kind"].tolist() == [AUCTION] + [TRADING] * len(expected)
    assert recording.symbol == recording.contract.symbol == f"{code}SYN"


@pytest.mark.parametrize("code", CODES)
def test_the_recording_looks_like_the_exchanges_feed(code: str):
    shots = embedded([code], DAYS[:1])[0].snapshots
    assert shots["volume"][0] > 0
    assert (np.diff(shots["volume"]) >= 0).all()
    assert (np.diff(shots["turnover"]) >= 0).all()
    assert set(shots["received"].tolist()) == {UNKNOWN}
    assert set(shots["depth"].tolist()) == {LEVELS}
    assert (shots["bid_size"][:, 0] > 0).all()
    assert (shots["ask_size"][:, 0] > 0).all()
    assert (shots["lower"] <= shots["bid"][:, 0]).all()
    assert (shots["ask"][:, 0] <= shots["upper"]).all()
    assert (shots["bid_size"] > 0).mean() > 0.95


def test_a_shorter_day_stops_after_its_minutes():
    assert len(synthetic_day("AG", DAY, minutes=3).snapshots) == 1 + 3 * 120
    assert len(synthetic_day("AG", DAY, minutes=10_000).snapshots) == 1 + 225 * 120


def test_every_snapshot_belongs_to_one_stretch_and_each_day_has_all_regimes():
    times = embedded(["RB"], DAYS[:1])[0].snapshots["time"][1:]
    spans = regime_spans("RB", DAY)
    owners = sum((times > start) & (times <= end) for start, end, _ in spans.tolist())
    assert (owners == 1).all()
    seconds = [(spans[spans[:, 2] == k, 1] - spans[spans[:, 2] == k, 0]).sum() / 1e9 for k in range(3)]
    assert sum(seconds) == 225 * 60
    assert min(seconds) > 0.2 * sum(seconds)
    assert len(spans) >= 15


def test_wild_stretches_move_more_than_calm_ones():
    shots = embedded(["CU"], DAYS[:1])[0].snapshots[1:]
    mid = (shots["bid"][:, 0] + shots["ask"][:, 0]) / 2
    moved = np.zeros(3)
    for start, end, regime in regime_spans("CU", DAY).tolist():
        moved[regime] += (np.diff(mid[(shots["time"] > start) & (shots["time"] <= end)]) ** 2).sum()
    assert moved[REGIMES.index("calm")] < moved[REGIMES.index("normal")] < moved[REGIMES.index("wild")]


def test_trades_come_in_clusters():
    traded = np.diff(embedded(["RB"], DAYS[:1])[0].snapshots["volume"][1:])
    assert np.corrcoef(traded[1:], traded[:-1])[0, 1] > 0.2
    assert np.mean(traded == 0) < 0.1


def test_a_day_can_be_wild_throughout():
    assert set(regime_spans("CU", DAY, 1, 20, ("wild",))[:, 2].tolist()) == {REGIMES.index("wild")}
    wild, calm = (synthetic_day("CU", DAY, 1, 20, (name,)).snapshots for name in ("wild", "calm"))
    assert wild["volume"][-1] > 2 * calm["volume"][-1]


@pytest.mark.parametrize("code", CODES)
def test_the_checks_find_nothing_to_repair(code: str, tmp_path: Path):
    recording = synthetic_day(code, DAY, 2, 90)  # across the first break
    path = tmp_path / f"{code}.csv"
    _write_csv(path, recording)
    sides = {side: tuple(f"{side}{k}" for k in range(LEVELS)) for side in ("bid", "bid_size", "ask", "ask_size")}
    plain = ("time", "last", "volume", "turnover", "upper", "lower")
    columns = ColumnMap(time_format="ns", **sides, **{name: name for name in plain})  # type: ignore[arg-type]
    again = read(path, contract=recording.contract, columns=columns)[0]
    assert [(finding.kind, finding.action) for finding in again.findings] == [("auction row", NOTED)]
    assert len(again.quarantine.rows) == 0
    for name in set(SNAPSHOT.names or ()) - {"interest"}:
        assert np.array_equal(again.snapshots[name], recording.snapshots[name]), name


def _write_csv(path: Path, recording: Recording) -> None:
    """Prices and turnover in currency, as an exchange writes them."""
    shots, contract = recording.snapshots, recording.contract
    unit = {"turnover": contract.tick_value} | dict.fromkeys(
        ("bid", "ask", "last", "upper", "lower"), contract.tick_size
    )
    table = {}
    for name in ("time", "last", "volume", "turnover", "upper", "lower"):
        table[name] = shots[name] * unit.get(name, 1)
    for side in ("bid", "ask"):
        for level in range(LEVELS):
            table[f"{side}{level}"] = shots[side][:, level] * unit[side]
            table[f"{side}_size{level}"] = shots[f"{side}_size"][:, level]
    rows = zip(*(values.tolist() for values in table.values()), strict=True)
    path.write_text("\n".join([",".join(table), *(",".join(map(repr, row)) for row in rows)]) + "\n")


def test_embedded_days_are_made_once_and_read_from_then_on(cache: Path):
    made = embedded(["CU"], DAYS[:1])[0]
    stored = [file.path for file in days(next(cache.glob("synthetic-*/seed-0")))]
    before = stored[0].stat().st_mtime_ns
    again = embedded(["CU"], DAYS[:1])[0]
    assert [path.name for path in stored] == ["20240103.parquet"]
    assert stored[0].stat().st_mtime_ns == before
    assert made.snapshots.tobytes() == again.snapshots.tobytes() == synthetic_day("CU", DAY).snapshots.tobytes()


def test_a_damaged_embedded_day_is_made_again(cache: Path):
    made = embedded(["CU"], DAYS[:1])[0]
    path = next(cache.glob("synthetic-*/seed-0/*/*/*.parquet"))
    path.write_bytes(path.read_bytes()[:500])
    assert embedded(["CU"], DAYS[:1])[0].snapshots.tobytes() == made.snapshots.tobytes()
    assert read_day(path).snapshots.tobytes() == made.snapshots.tobytes()


def test_other_days_are_not_put_among_the_embedded_ones(cache: Path):
    assert embedded(["CU"], [date(2024, 3, 1)])[0].trading_day == date(2024, 3, 1)
    assert list(cache.glob("synthetic-*/seed-0/*/*/*.parquet")) == []


def test_the_embedded_catalogue_holds_every_product_and_day_of_its_seed(cache: Path):
    root = embedded_root(7)
    assert [(file.symbol, file.trading_day) for file in days(root)] == [
        (f"{code}SYN", day) for code in sorted(CODES) for day in DAYS
    ]
    assert read_day(days(root)[0]).source == "synthetic AG, seed 7"
    assert root.name == "seed-7"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"code": "XY"}, "no synthetic days of 'XY'; choose among FU, RB, CU, AG"),
        ({"day": date(2024, 1, 6)}, "weekend day"),
        ({"minutes": 0}, "minutes is 0; give at least 1"),
        ({"regimes": ("mild",)}, "regimes are mild; choose among calm, normal, wild"),
        ({"regimes": ()}, "regimes are none"),
    ],
)
def test_a_day_that_cannot_be_is_refused_with_the_fix(arguments: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        synthetic_day(**({"code": "RB", "day": DAY} | arguments))  # type: ignore[arg-type]
