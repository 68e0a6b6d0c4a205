"""Random compositions of shocks on short windows: whatever befalls the market, its invariants hold.

Every composition is drawn from the seed and its number alone; the seats are quoters with random parameters that also
take at random, so that they meet limits, margins and halts. What breaks is told with the number that reproduces it.
"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np

from lobarena.agents.base import Context, Quotes
from lobarena.agents.quoting import view
from lobarena.benchmarks.config import ConfigError
from lobarena.benchmarks.invariants import INVARIANTS, Guard
from lobarena.benchmarks.programme import fields
from lobarena.benchmarks.shock_episodes import Story
from lobarena.benchmarks.stress import stressed_seat
from lobarena.benchmarks.stress_compositions import compose
from lobarena.benchmarks.stress_config import StressConfig
from lobarena.benchmarks.stress_run import Stressed
from lobarena.benchmarks.tournament import data_root
from lobarena.data.catalogue import DayFile, read_day
from lobarena.data.recording import EventRecording, Recording
from lobarena.data.schema import STIR
from lobarena.sim.line import CLOCK, FAULTS, SWAPPED
from lobarena.sim.market import Market
from lobarena.sim.random import generator
from lobarena.sim.shocks.kinds import KINDS
from lobarena.sim.shocks.living import market_feed, scene_on
from lobarena.sim.shocks.orders import Sweep
from lobarena.sim.shocks.scene import SECOND, Scene
from lobarena.sim.shocks.venue import Line

if TYPE_CHECKING:
    from rich.console import Console

WINDOW_S = 30  # of trading, in one composition
_BATCH = 50
_EARLY = 600  # half seconds of a living day in which a window may begin
_DISORDER = (FAULTS[CLOCK], FAULTS[SWAPPED])  # faults after which time may go back at a seat
_ORDERS_BEYOND = (Sweep,)  # after which the record's snapshots are no longer met

Advance = Callable[[int, int, str], None]


def play_random(
    config: StressConfig, count: int, *, processes: int = 1, on_progress: Advance | None = None
) -> dict[str, Any]:
    """Play compositions 0 to count - 1 of the seed of the settings: counts of shocks, checks, and what broke."""
    days = [day for field in fields(config, data_root(config)) for day in field.test]
    batches = [range(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH)]
    jobs = [(config, days, batch) for batch in batches]
    total: Counter[str] = Counter()
    broken: list[dict[str, Any]] = []
    if processes > 1 and jobs:
        _batch((config, days, range(1)))  # compiles once, for all
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            found = enumerate(pool.map(_batch, jobs))
            for place, (counts, faults) in found:
                total, broken = total + counts, broken + faults
                _say(on_progress, jobs[place][2], count)
    else:
        for job in jobs:
            counts, faults = _batch(job)
            total, broken = total + counts, broken + faults
            _say(on_progress, job[2], count)
    return {
        "compositions": count,
        "seed": config.seed,
        "counts": dict(sorted(total.items())),
        "broken": broken,
        "invariants": dict(INVARIANTS),
    }


def _say(on_progress: Advance | None, batch: range, count: int) -> None:
    if on_progress:
        on_progress(batch.stop, count, "")


def told(found: dict[str, Any], console: "Console") -> None:
    """Print the counts, then what broke."""
    counts = found["counts"]
    console.print(f"{found['compositions']:,} random compositions of shocks, seed {found['seed']}")
    for name, value in counts.items():
        console.print(f"  {name}: {value:,}", highlight=False)
    for fault in found["broken"]:
        console.print(f"broken: {fault}", style="red", markup=False, highlight=False)
    if not found["broken"]:
        console.print("no invariant was broken", style="green")


def _batch(job: tuple[StressConfig, list[Any], range]) -> tuple[Counter[str], list[dict[str, Any]]]:
    config, days, numbers = job
    counts: Counter[str] = Counter()
    broken = []
    for number in numbers:
        rng = generator(config.seed, "composition", number)
        story = compose(rng)
        recording = _read(days[int(rng.integers(len(days)))])
        opens = _opening(recording, rng)
        scene = scene_on(recording, opens, opens + WINDOW_S * SECOND, config.seed)
        faults = play_composition(config, story, scene, rng, counts)
        for shock in story.shocks:
            counts[f"shock {next(name for name, kind in KINDS.items() if kind is type(shock))}"] += 1
        if faults:
            broken.append(
                {"number": number, "contract": recording.symbol, "opens": opens, "shocks": repr(story.shocks), **faults}
            )
    return counts, broken


def _opening(recording: Recording | EventRecording, rng: np.random.Generator) -> int:
    """ns UTC at random: of a living day in its first minutes, since all before it must happen, too."""
    if isinstance(recording, Recording):
        times = recording.snapshots["time"]
        return int(times[int(rng.integers(20, max(21, len(times) - 4 * WINDOW_S)))])
    halves = recording.events["time"][recording.events["kind"] == STIR]
    if not len(halves):
        raise ConfigError("random compositions need days of snapshots or of a living crowd; choose other ones")
    return int(halves[int(rng.integers(20, max(21, min(len(halves), _EARLY) - 4 * WINDOW_S)))])


def play_composition(
    config: StressConfig, story: Story, scene: Scene, rng: np.random.Generator, counts: Counter[str]
) -> dict[str, int]:
    """One composition alone and with two seats; what did not hold, by name."""
    story.paint(scene)
    seat = stressed_seat(config, scene)
    guard = Guard(scene, seat.position_limit)
    market = Market(market_feed(scene))
    if scene.living is None and not any(isinstance(shock, _ORDERS_BEYOND) for shock in story.shocks):
        market.start([], 0, 2**62)
        market.run()
        guard.alone(market)
    wire = Stressed(scene, guard, agents=2)
    market.start([seat, seat, *wire.beside], scene.opens, scene.closes)
    wire.watch(market)
    agents = [Chaotic(np.random.default_rng(rng.integers(2**31))) for _ in range(2)]
    context = Context(scene.recording.contract, 1, 1, seat.position_limit, scene.opens, scene.closes, rng)
    for agent in agents:
        agent.reset(context)
    while (number := market.run()) != 0:
        if number < 0:
            wire.watch(market)
            continue
        quotes: Quotes | None = None
        for look in wire.deliver(market, number, market.observation(number)):
            quotes = agents[number - 1].act(look)
            counts["looks"] += 1
        if quotes is None:
            market.decide(number, keep=True)
        else:
            market.decide(number, quotes.bids, quotes.asks, quotes.take, thinking_ns=1_000_000)
    guard.end(market, 2)
    venue = market.venue[0]
    counts["checks"] += guard.checks
    counts["fills"] += len(market.fills)
    counts["margin calls"] += int(venue["seat"]["calls"].sum())
    counts["forced liquidations"] += int(venue["seat"]["liquidated"].sum())
    counts["large seats closed out"] += wire.large.closed(market) if wire.large else 0
    counts["refused orders"] += int(venue["seat"]["refused"].sum())
    faulty = any(isinstance(shock, Line) and shock.fault in _DISORDER for shock in story.shocks)
    may = {"clock", "feed"} if faulty else set()
    return {name: times for name, times in guard.broken.items() if name not in may}


@lru_cache(maxsize=32)
def _read(day: DayFile) -> Recording | EventRecording:
    return read_day(day)


class Chaotic:
    """Quotes at random distances, takes at random: everything that the venue may have to refuse."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.sizes = rng, rng.integers(1, 12)

    def reset(self, context: Context) -> None:
        """Only the limit matters."""
        self.limit = context.position_limit

    def act(self, observation: Any) -> Quotes | None:
        """Quotes, orders at any price and size, or what was there is kept."""
        draw = self.rng.random(4)
        seen = view(observation)
        if seen is None or draw[0] < 0.2:
            return Quotes() if draw[1] < 0.5 else None
        size, away = int(self.sizes), int(draw[1] * 4)
        take = int((draw[2] - 0.5) * 2 * self.limit) if draw[0] > 0.85 else 0
        return Quotes([(seen.bid - away, size)], [(seen.ask + away, 1 + int(draw[3] * 8))], take)
