"""What a fresh process costs: time to the first step, the cold compile of everything, memory of a long replay."""

import os
import resource
import statistics
import sys
import tempfile
from pathlib import Path

from lobarena.benchmarks.measures import Row, Terms, subprocess_seconds

FIRST_STEP = (
    "import gymnasium, lobarena.sim; env = gymnasium.make('lobarena/MarketMaking-v0'); "
    "env.reset(seed=0); env.step(env.action_space.sample())"
)
EVERYTHING = "from lobarena.benchmarks.starts import compile_everything; compile_everything()"
REPLAY = "from lobarena.benchmarks.starts import replay_catalogue; replay_catalogue({root!r}, {days}, {out!r})"
DAYS = 60  # days of the long replay


def first_step(terms: Terms) -> Row:
    """Seconds from the start of a process to the first step of the environment, kernels compiled before."""
    subprocess_seconds(FIRST_STEP)  # so that the kernels are compiled and the embedded days made
    seconds = statistics.median(subprocess_seconds(FIRST_STEP) for _ in range(terms.runs))
    return Row("start.first_step", seconds, "s", "fresh process, compiled kernels")


def cold(terms: Terms) -> Row:
    """Seconds of a first use: every kernel compiled, embedded days made, an episode of every kind played. One run."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = subprocess_seconds(EVERYTHING, LOBARENA_CACHE=folder)
    return Row("start.cold", seconds, "s", "empty cache, one run")


def memory(terms: Terms) -> Row:
    """Peak memory, MB, of a process that replays a catalogue of 60 days with a quoter in the market."""
    from lobarena.sim.synthetic import embedded_root

    with tempfile.NamedTemporaryFile("r") as told:
        subprocess_seconds(REPLAY.format(root=str(embedded_root()), days=3, out=os.devnull))  # compiling takes more
        subprocess_seconds(REPLAY.format(root=str(embedded_root()), days=DAYS, out=told.name))
        early, late = (int(part) for part in told.read().split())
    return Row("memory.replay", late / 1024, "MB", f"{DAYS} days; {early / 1024:,.0f} MB after the first 3")


def compile_everything() -> None:
    """Reach every kernel: environment, tournament with every agent, auction, event feed, kernel quoters."""
    import gymnasium

    import lobarena.sim  # noqa: F401 - registers the environment
    from lobarena.benchmarks.level_stream import recording
    from lobarena.benchmarks.measures import Terms, quoter_day
    from lobarena.sim.event_feed import event_feed
    from lobarena.sim.market import Market

    env = gymnasium.make("lobarena/MarketMaking-v0")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    quoter_day(Terms(runs=1))
    market = Market(event_feed(recording(10_000)))
    market.run()


def replay_catalogue(root: str, count: int, out: str) -> None:
    """Play `count` days of a catalogue, again from the first when there are fewer; peak KB after 3 and at the end."""
    from lobarena.agents.base import Context
    from lobarena.agents.resident import new_minds, play, resident
    from lobarena.data.catalogue import days, read_day
    from lobarena.sim.feed import feed_of
    from lobarena.sim.market import Market, Seat
    from lobarena.sim.random import generator

    there = days(root)
    peaks = []
    for number in range(count):
        feed = feed_of(read_day(there[number % len(there)]))
        opens, closes = int(feed.sessions[0, 0]), int(feed.sessions[-1, 1])
        market, minds = Market(feed), new_minds()
        market.start([Seat(position_limit=20)], opens, closes)
        mind = resident("glft", {}, Context(feed.contract, 1, 1, 20, opens, closes, generator(0, "memory")), 0)
        assert mind is not None
        minds[1] = mind[0]
        play(market, minds)
        peaks.append(_peak())
    Path(out).write_text(f"{peaks[min(2, count - 1)]} {peaks[-1]}", encoding="utf-8")


def _peak() -> int:
    """Peak resident memory of this process, KB; getrusage would count what its parent held when it was started."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak
