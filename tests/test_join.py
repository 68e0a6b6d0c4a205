from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from lobarena.data.catalogue import digest_of, read_day, write
from lobarena.data.contracts import contract
from lobarena.data.join import join
from lobarena.data.recording import DataError, Quarantine, Recording
from lobarena.data.schema import SNAPSHOT, UNKNOWN


def piece(source, times, volumes, turnover=UNKNOWN):
    shots = np.zeros(len(times), SNAPSHOT)
    shots["time"], shots["volume"], shots["turnover"] = times, volumes, turnover
    shots["row"], shots["depth"] = np.arange(len(times)) + 1, 1
    shots["bid"][:, 0], shots["bid_size"][:, 0], shots["ask"][:, 0], shots["ask_size"][:, 0] = 99, 5, 100, 5
    spec = contract("RB1901")
    nothing = Quarantine(np.zeros(0, SNAPSHOT))
    return Recording(spec, "RB1901", "SHFE", date(2018, 8, 30), shots, nothing, [], source, len(shots))


NIGHT, DAY = piece("night.csv", [10, 20], [0, 7]), piece("day.csv", [30, 40], [0, 4])


def test_the_later_piece_goes_on_where_the_earlier_one_ended_whichever_comes_first():
    for one, other in ((NIGHT, DAY), (DAY, NIGHT)):
        whole = join(one, other)
        assert whole.snapshots["time"].tolist() == [10, 20, 30, 40]
        assert whole.snapshots["volume"].tolist() == [0, 7, 7, 11]
        assert whole.rows_in == 4
        assert whole.source == "night.csv + day.csv"


def test_the_turnover_is_known_only_where_both_pieces_know_it():
    with_turnover = join(piece("a", [1], [3], 300), piece("b", [2], [1], 100))
    assert with_turnover.snapshots["turnover"].tolist() == [300, 400]
    assert join(piece("a", [1], [3]), piece("b", [2], [1], 100)).snapshots["turnover"].tolist() == [-1, -1]


def test_pieces_that_overlap_or_are_of_other_contracts_are_refused():
    with pytest.raises(DataError, match="overlap in time; pass overwrite=True"):
        join(NIGHT, piece("late.csv", [20, 25], [0, 1]))
    with pytest.raises(DataError, match="not pieces of one day"):
        join(NIGHT, replace(DAY, trading_day=date(2018, 8, 31)))


def test_a_catalogue_joins_pieces_and_takes_the_same_piece_twice(tmp_path):
    write(tmp_path, NIGHT)
    path = write(tmp_path, DAY)
    whole = digest_of(read_day(path))
    assert read_day(path).snapshots["volume"].tolist() == [0, 7, 7, 11]
    assert write(tmp_path, NIGHT) == write(tmp_path, DAY) == path
    assert digest_of(read_day(path)) == whole


def test_another_file_of_the_same_name_is_refused(tmp_path):
    write(tmp_path, NIGHT)
    with pytest.raises(DataError, match=r"from another night\.csv; pass overwrite=True"):
        write(tmp_path, piece("night.csv", [10, 20], [0, 8]))
    write(tmp_path, piece("night.csv", [10, 20], [0, 8]), overwrite=True)
