from datetime import date
from pathlib import Path

import numpy as np
import pytest
from files import BEST_ROWS, GOOD_ROWS, WONDER, best, wonder_row, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from lobarena.data.faults import shrinking
from lobarena.data.importers import read
from lobarena.data.recording import DataError, Finding, Recording

ROW = "09:00:{:02d}.000,{},{},{},{},{},{},2186"


def line(second: int, bid: str = "3815", bidq: str = "7", ask: str = "3816", askq: str = "5", **more: str) -> str:
    """One row of a best-quote file at 09:00 and some seconds, volume 8000."""
    return ROW.format(second, bid, bidq, ask, askq, more.get("last", "3815"), more.get("volume", "8000"))


def imported(folder: Path, *extra: str) -> tuple[Recording, dict[str, Finding]]:
    """The good rows with some more after the fourth, and the findings by kind."""
    (recording,) = read(best(folder, [*GOOD_ROWS[:3], line(0), *extra, line(59)]))
    return recording, {finding.kind: finding for finding in recording.findings}


def test_a_clean_file_keeps_all_rows(tmp_path: Path) -> None:
    recording, findings = imported(tmp_path, line(1), line(2))
    assert len(recording.snapshots) == recording.rows_in == 7
    assert {kind for kind, finding in findings.items() if finding.action == "repaired"} == {"volume counted twice"}
    assert "quarantined" not in [finding.action for finding in findings.values()]


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (line(5, bid="3817"), "crossed"),
        (line(5, bid="3816"), "locked"),
        (line(5, bid="-3815"), "price not positive"),
        (line(5, bid="0"), "price not positive"),
        (line(5, ask="nan"), "price not a number"),
        (line(5, ask="inf"), "price not a number"),
        (line(5, last="-inf"), "price not a number"),
        (line(5, last=""), "no last price"),
        (line(5, last="0"), "no last price"),
        (line(5, last="-1"), "price not positive"),
        (line(5, bid="3815.5"), "price off the tick"),
        (line(5, last="3815.5"), "price off the tick"),
        (line(5, ask="3000000000"), "price out of range"),
        (line(5, last="3000000000"), "price out of range"),
        (line(5, bidq="0"), "size zero with a price"),
        (line(5, bidq="-4"), "size not positive"),
        (line(5, bidq="2.5"), "size not whole"),
        (line(5, askq="nan"), "size not a number"),
        (line(5, askq="5000000000"), "size out of range"),
        (line(5, volume="6000"), "shrinking volume"),
        (line(5, volume="80000"), "shrinking volume"),
        (line(5, volume="nan"), "volume not a number"),
        (line(5, volume="8000.5"), "volume not a number"),
        (line(5, volume="-8"), "negative volume"),
        (line(5, volume="1e17"), "volume out of range"),
        (line(5, bid="many"), "unreadable number"),
        (line(5) + ",1", "wrong number of columns"),
        ("09:00:05", "wrong number of columns"),
        (line(61), "unreadable time"),
        (line(5).replace("09:00", "12:00"), "outside the sessions"),
        (BEST_ROWS[3], "outside the sessions"),
    ],
)
def test_a_row_that_cannot_be_used_is_kept_apart_with_row_and_reason(tmp_path: Path, bad: str, kind: str) -> None:
    recording, findings = imported(tmp_path, line(1), bad, line(6))
    assert recording.quarantine.rows["row"].tolist() == [6]
    assert kind in recording.quarantine.reasons[0]
    assert list(recording.quarantine.texts) == [bad]
    assert (findings[kind].count, findings[kind].first_row, findings[kind].action) == (1, 6, "quarantined")
    assert recording.snapshots["row"].tolist() == [1, 2, 3, 4, 5, 7, 8]
    assert recording.snapshots["volume"][-1] == 4000


def test_rows_out_of_order_are_sorted(tmp_path: Path) -> None:
    recording, findings = imported(tmp_path, line(9), line(5), line(7))
    assert (findings["out of time order"].count, findings["out of time order"].first_row) == (1, 6)
    assert recording.snapshots["row"].tolist() == [1, 2, 3, 4, 6, 7, 5, 8]
    assert (np.diff(recording.snapshots["time"]) > 0).all()


def test_an_exact_repeat_is_removed_and_counted_but_a_repeated_stamp_is_kept(tmp_path: Path) -> None:
    recording, findings = imported(tmp_path, line(5), line(5), line(5, bidq="8"))
    assert (findings["duplicate"].removed, findings["duplicate"].first_row) == (1, 6)
    assert (findings["repeated stamp"].count, findings["repeated stamp"].action) == (1, "noted")
    assert recording.rows_in == len(recording.snapshots) + 1


def test_blank_lines_are_removed_and_counted(tmp_path: Path) -> None:
    recording, findings = imported(tmp_path, line(5), "", line(6))
    assert (findings["blank line"].removed, findings["blank line"].first_row) == (1, 6)
    assert recording.snapshots["row"].tolist() == [1, 2, 3, 4, 5, 7, 8]


def test_one_sided_and_empty_books_are_legal_and_noted(tmp_path: Path) -> None:
    one, none = line(5, ask="0", askq="0"), line(6, bid="", bidq="0", ask="1.7976931348623157e308", askq="0")
    recording, findings = imported(tmp_path, one, none)
    assert len(recording.snapshots) == 7
    assert (findings["one-sided book"].first_row, findings["empty book"].first_row) == (5, 6)
    assert recording.snapshots["ask_size"][4].tolist() == [0] * 5


def test_some_odd_volume_is_noted_and_rounded_down(tmp_path: Path) -> None:
    rows = [line(k, volume=str(8000 + 2 * k)) for k in range(1, 40)]
    recording, findings = imported(tmp_path, *rows, line(41, volume="8101"), *[line(50, volume="8102")])
    assert "shrinking volume" in findings  # the last row falls back to 8000
    assert (findings["odd volume"].count, findings["odd volume"].action) == (2, "noted")
    assert recording.snapshots["volume"][-1] == 4051


def test_volume_that_is_mostly_odd_was_counted_once(tmp_path: Path) -> None:
    rows = [line(k, volume=str(7100 + 3 * k)) for k in range(30)]
    (recording,) = read(best(tmp_path, [*GOOD_ROWS[:3], *rows]))
    assert recording.snapshots["volume"][-1] == 7187
    assert "not halved" in {f.kind: f.explanation for f in recording.findings}["odd volume"]


def test_a_recording_begun_amid_the_day_counts_from_its_first_row(tmp_path: Path) -> None:
    (recording,) = read(best(tmp_path, [line(30), line(31, volume="8020")]))
    assert recording.snapshots["volume"].tolist() == [0, 10]
    assert "4,000 lots traded before" in {f.kind: f.explanation for f in recording.findings}["baseline"]


def test_quotes_beyond_the_daily_limit_and_shrinking_turnover_are_kept_apart(tmp_path: Path) -> None:
    rows = [
        wonder_row(93000400, 311, 487976040.0),
        wonder_row(93000900, 320, 487976030.0),
        wonder_row(93001400, 320, 489976080.0, bid=5738.0, ask=5738.2),
        wonder_row(93001900, 320, 489976081.0),
    ]
    (recording,) = read(write_rows(tmp_path / "if.csv", WONDER, rows))
    assert list(recording.quarantine.rows["row"]) == [2, 3]
    assert list(recording.quarantine.reasons) == ["shrinking turnover", "beyond the price limit"]
    assert {f.kind: f.first_row for f in recording.findings}["turnover not whole"] == 4


def test_a_silence_within_a_session_is_a_gap_and_a_break_is_none(tmp_path: Path) -> None:
    rows = [line(k).replace("09:00", clock) for k, clock in ((0, "09:00"), (1, "10:14"), (2, "10:30"), (3, "10:30"))]
    (recording,) = read(best(tmp_path, rows))
    gap = {f.kind: f for f in recording.findings}["gap"]
    assert (gap.count, gap.first_row) == (1, 2)


def test_strict_refuses_the_first_finding_that_is_not_merely_noted(tmp_path: Path) -> None:
    path = best(tmp_path, [*GOOD_ROWS[:3], line(5, bid="3817")])
    with pytest.raises(DataError, match=r"rb1805_20171113\.csv, row 1: repaired: volume counted twice"):
        read(path, strict=True)
    rows = [wonder_row(93000400, 311, 487976040.0), wonder_row(93000900, 312, 488976000.0, bid=5231.0)]
    with pytest.raises(DataError, match=r"row 2: quarantined: crossed, 1 rows, first row 2"):
        read(write_rows(tmp_path / "if.csv", WONDER, rows), strict=True)
    (recording,) = read(write_rows(tmp_path / "if.csv", WONDER, rows[:1]), strict=True)
    assert len(recording.snapshots) == 1


def test_a_file_without_a_usable_row_says_why(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no row of 2017-11-13 can be used: crossed \(1 rows\)"):
        read(best(tmp_path, [line(5, bid="3817")]))


def outcome(path: Path) -> Recording | str:
    """The recording, or the message with which it is refused."""
    try:
        return read(path)[0]
    except DataError as error:
        return str(error)


CELLS = st.sampled_from(
    ["", "0", "-1", "nan", "inf", "1e300", "3815", "3815.5", "8000", "9e18", "x", "09:00:07.5", '"', ","]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7), CELLS), max_size=6))
def test_no_mutation_loses_a_row_or_breaks_a_rule(tmp_path_factory: pytest.TempPathFactory, wounds: list) -> None:
    rows = [row.split(",") for row in GOOD_ROWS]
    for row, column, cell in wounds:
        rows[row][column] = cell
    path = best(tmp_path_factory.mktemp("mutated"), [",".join(row) for row in rows])
    recording = outcome(path)
    if isinstance(recording, str):
        assert str(path) in recording
        return
    kept = recording.snapshots
    removed = sum(finding.removed for finding in recording.findings)
    assert recording.trading_day == date(2017, 11, 13)
    assert len(kept) + len(recording.quarantine.rows) + removed == recording.rows_in == len(GOOD_ROWS)
    assert (np.diff(kept["time"]) >= 0).all()
    assert (np.diff(kept["volume"]) >= 0).all()
    both = (kept["bid_size"][:, 0] > 0) & (kept["ask_size"][:, 0] > 0)
    assert (kept["bid"][both, 0] < kept["ask"][both, 0]).all()


@given(st.lists(st.integers(0, 9), max_size=9))
def test_the_fewest_rows_go_so_that_volume_never_falls(values: list[int]) -> None:
    bad = shrinking(np.array(values, float))
    rest = [value for value, gone in zip(values, bad, strict=True) if not gone]
    longest = max(
        (
            sum(pick)
            for pick in np.ndindex(*[2] * len(values))
            if _rises([v for v, p in zip(values, pick, strict=True) if p])
        ),
        default=0,
    )
    assert _rises(rest)
    assert len(rest) == longest


def _rises(values: list[int]) -> bool:
    return values == sorted(values)
