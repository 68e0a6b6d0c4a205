"""The same run gives the same bytes: again, on a Market used before, in other processes, without compiling."""

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from days import (
    play,
    seat,
)
from runs import digest, end_of, quoter, random_feed

from lobarena.sim.market import Latency, Market


def digest_of_a_day(times: int = 1) -> str:
    """Of the last of several episodes on one Market."""
    feed = random_feed(31, 30)
    market = Market(feed)
    for _ in range(times):
        seats = [seat(latency=Latency(spread=0.3)), seat(), seat()]
        play(market, seats, [quoter(1), quoter(2), quoter(3)], end_of(feed))
    assert len(market.fills) > 10
    return digest(market)


def test_a_run_repeated_gives_the_same_bytes() -> None:
    assert digest_of_a_day() == digest_of_a_day()


def test_a_market_used_again_gives_the_same_bytes() -> None:
    assert digest_of_a_day(2) == digest_of_a_day()


def test_other_processes_give_the_same_bytes() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert set(pool.map(digest_of_a_day, [1, 1])) == {digest_of_a_day()}


def test_plain_python_gives_the_same_bytes() -> None:
    code = "import test_determinism; print(test_determinism.digest_of_a_day())"
    plain = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert plain.stdout.strip() == digest_of_a_day()
