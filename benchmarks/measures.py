"""What is timed by benchmarks/speed.py: one function a row, each checked for its result before it is timed."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.benchmarks import peers
from lobarena.benchmarks.level_stream import EVENTS, TRADES, recording
from lobarena.benchmarks.stream import CHECKSUM, ids_for, match, replay, stream
from lobarena.data.recording import EventRecording, Recording
from lobarena.data.schema import TRADE
from lobarena.sim.book import new_book


@dataclass(frozen=True, slots=True)
class Terms:
    """How to measure."""

    runs: int = 7  # timings of which the median is taken
    data: Path | None = None  # folder with recordings; the embedded days when there is none
    peers: bool = False
    python: str = ""  # interpreter that has the peers


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement; a rate is better when it is higher, a time or a size when it is lower."""

    name: str
    value: float
    unit: str
    what: str  # on what it was measured
    reference: float | None = None  # the peer's, in the same unit
    against: str = ""  # who that is

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's."""
        return self.value / self.reference if self.reference else None


def median(work: Callable[[], float], runs: int) -> float:
    """Median of `runs` timings after one that does not count."""
    work()
    return statistics.median(work() for _ in range(runs))


def timed(work: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def book_stream(terms: Terms) -> Row:
    """Messages a second of the full engine on the published stream, against a bare book in C."""
    messages = stream()
    found = replay(messages)
    if found != CHECKSUM:
        raise AssertionError(f"the published stream gives {found}, expected {CHECKSUM}")

    def once() -> float:
        book, ids = new_book(), ids_for(messages)
        return timed(lambda: match(book, messages, ids))

    rate = len(messages) / median(once, terms.runs)
    reference, against = None, ""
    if terms.peers:
        floor = peers.c_floor(messages, terms.runs + 1)
        reference = len(messages) / statistics.median(floor.seconds[1:])
        against = f"bare book in C, {floor.version}"
    return Row("book.stream", rate, "messages/s", "published stream, 1,000,000 messages", reference, against)


def level_quoter(terms: Terms) -> Row:
    """Level events a second with a quoter that decides every 100 ms, against hftbacktest on the same events."""
    from lobarena.agents.base import Context
    from lobarena.agents.resident import new_minds, play, resident
    from lobarena.sim.event_feed import event_feed
    from lobarena.sim.market import Latency, Market, Seat

    record = recording()
    if len(record.events) != EVENTS or int((record.events["kind"] == TRADE).sum()) != TRADES:
        raise AssertionError("the published stream gives other level events than it should")
    feed = event_feed(record)
    market = Market(feed)
    market.run()
    best = tuple(int(price) + feed.base for price in market.book[0]["best"])
    if best != (CHECKSUM["bid"], CHECKSUM["ask"]) or int(market.venue[0]["volume"]) != CHECKSUM["lots"]:
        raise AssertionError(f"the replay of the level events ends at {best} or with other lots than the stream's")
    opens, closes = int(record.events["time"][0]), int(record.events["time"][-1])
    latency = Latency(feed=3_000_000, order=2_000_000, report=2_000_000)
    seat = Seat(latency=latency, depth=1, every_ns=100_000_000, position_limit=500, capital=1e12)
    context = Context(feed.contract, 1, 10, 500, opens, closes, np.random.default_rng(0))

    def once() -> float:
        market.start([seat], opens, closes)
        minds = new_minds()
        mind = resident("join", {"step": 50}, context, 0)
        assert mind is not None
        minds[1] = mind[0]
        return timed(lambda: play(market, minds))

    rate = EVENTS / median(once, terms.runs)
    reference, against = None, ""
    if terms.peers:
        peer = peers.hftbacktest(record.events, best, terms.runs, terms.python)
        reference = EVENTS / statistics.median(peer.seconds)
        against = f"hftbacktest {peer.version} ROIVec, {peer.told['trades']:,} trades (ours {len(market.fills):,})"
    return Row("replay.level_quoter", rate, "events/s", f"{EVENTS:,} level events", reference, against)


def days_of(terms: Terms, names: Sequence[str] = ("SHFE_F_RB_1901_2018-08-29", "IF.HOT_tick_20210104")) -> list[Path]:
    """Recorded files whose names contain these, or the first ones that there are; none without a folder."""
    if terms.data is None:
        return []
    every = sorted(path for path in terms.data.rglob("*.csv*") if path.is_file())
    found = [path for name in names for path in every if name in path.name]
    return found or every[:2]


def _recordings(terms: Terms) -> list[Recording]:
    from lobarena.data.catalogue import days, read_day
    from lobarena.data.importers import read
    from lobarena.sim.synthetic import embedded_root

    found: list[Recording | EventRecording] = [one for path in days_of(terms) for one in read(path, split=True)]
    if not found:
        found = [read_day(day) for day in days(embedded_root()) if day.symbol == "RBSYN"][:2]
    return [one for one in found if isinstance(one, Recording)]


def _named(recordings: Sequence[Recording]) -> str:
    return ", ".join(f"{one.symbol} {one.trading_day}" for one in recordings)


def replay_snapshots(terms: Terms) -> Row:
    """Snapshots a second of zero-seat replay, inference of the events not counted."""
    from lobarena.sim.feed import snapshot_feed
    from lobarena.sim.market import Market

    chosen = _recordings(terms)
    markets = [Market(snapshot_feed(one)) for one in chosen]
    for market in markets:
        market.run()
        if market.venue[0]["met"] != market.venue[0]["shots"]:
            raise AssertionError("the replay does not reproduce its snapshots")

    def once() -> float:
        for market in markets:
            market.start([], 0, 2**62)
        return timed(lambda: [market.run() for market in markets])

    count = sum(len(one.snapshots) for one in chosen)
    return Row("replay.snapshots", count / median(once, terms.runs), "snapshots/s", _named(chosen))


def infer_snapshots(terms: Terms) -> Row:
    """Snapshots a second of turning days of snapshots into events."""
    from lobarena.sim.feed import snapshot_feed

    chosen = _recordings(terms)
    count = sum(len(one.snapshots) for one in chosen)
    seconds = median(lambda: timed(lambda: [snapshot_feed(one) for one in chosen]), terms.runs)
    return Row("infer.snapshots", count / seconds, "snapshots/s", _named(chosen))


def quoter_day(terms: Terms) -> Row:
    """Seconds of a whole day with a quoter in the market, GLFT as a kernel, and every metric of the episode."""
    from lobarena.agents.base import Context
    from lobarena.agents.resident import new_minds, play, resident
    from lobarena.benchmarks.match import measure
    from lobarena.sim.feed import snapshot_feed
    from lobarena.sim.market import Market, Seat

    chosen = _recordings(terms)[-1]
    feed = snapshot_feed(chosen)
    market = Market(feed)
    seat = Seat(position_limit=20)
    opens, closes = int(feed.sessions[0, 0]), int(feed.sessions[-1, 1])
    context = Context(feed.contract, 1, 1, 20, opens, closes, np.random.default_rng(0))

    def once() -> float:
        begin = time.perf_counter()
        market.start([seat], opens, closes)
        minds = new_minds()
        mind = resident("glft", {}, context, 1_000_000)
        assert mind is not None
        minds[1] = mind[0]
        play(market, minds)
        measure(market, 1, seat.position_limit)
        return time.perf_counter() - begin

    seconds = median(once, terms.runs)
    what = f"{chosen.symbol} {chosen.trading_day}, {len(chosen.snapshots):,} snapshots, {len(market.fills):,} fills"
    return Row("episode.quoter_day", seconds, "s", what)


def data_import(terms: Terms) -> Row:
    """Rows a second of reading, checking and repairing a recorded day."""
    from lobarena.data.importers import read

    files = days_of(terms, ("IF.HOT_tick_20210104", "rb1805_20171113"))
    if not files:
        raise peers.NoPeerError("needs recorded files; name their folder by --data")
    count = sum(one.rows_in for path in files for one in read(path, split=True))
    seconds = median(lambda: timed(lambda: [read(path, split=True) for path in files]), terms.runs)
    return Row("data.import", count / seconds, "rows/s", ", ".join(path.name for path in files))


def data_read(terms: Terms) -> Row:
    """Rows a second of reading stored days, their digests checked."""
    from lobarena.data.catalogue import days, read_day, write

    chosen = _recordings(terms)
    with tempfile.TemporaryDirectory() as folder:
        for one in chosen:
            write(folder, one)
        there = days(folder)
        seconds = median(lambda: timed(lambda: [read_day(day) for day in there]), terms.runs)
    return Row("data.read", sum(len(one.snapshots) for one in chosen) / seconds, "rows/s", _named(chosen))


def subprocess_seconds(code: str, **environment: str) -> float:
    """Wall-clock seconds of a fresh interpreter that runs `code`."""
    import os

    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{code!r}: {done.stderr[-500:]}")
    return time.perf_counter() - begin
