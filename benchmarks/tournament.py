"""A tournament: every episode of the programme played once, in processes, into a results folder that can be resumed."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from lobarena.benchmarks.charging import as_charged, charges, check_tokens, latencies, measured_rates
from lobarena.benchmarks.config import Config, ConfigError
from lobarena.benchmarks.match import Entry, Terms, play
from lobarena.benchmarks.programme import Field, Unit, describe_agents, entries, fields, training, units
from lobarena.benchmarks.results import Results, ResultWriter, new_manifest
from lobarena.benchmarks.thinking import Charge
from lobarena.data.catalogue import DayFile, read_day, rows_of
from lobarena.sim.feed import Feed, feed_of
from lobarena.sim.hawkes.days import crowd_root, is_crowd
from lobarena.sim.market import Latency, Market, Rules, Seat
from lobarena.sim.types import MAX_SEATS

Progress = Callable[[int, int, str], None]


def run(
    config: Config,
    out: Path | str,
    *,
    processes: int = 2,
    overwrite: bool = False,
    on_progress: Progress | None = None,
) -> Path:
    """Play what is not yet in the folder `out` and finish it; the folder.

    on_progress : called with (episodes done, episodes in all, what was just done)
    ConfigError, DataError and ResultsError say what to change. Ctrl-C leaves a valid partial folder; the same call
    goes on from there.
    """
    out = Path(out)
    root = data_root(config)
    programme = fields(config, root)
    everything = units(config, programme)
    seats = max(len(unit.labels) for unit in everything)
    if seats > MAX_SEATS:
        raise ConfigError(f"{seats} agents in one book; at most {MAX_SEATS}, or leave the arena out of tracks")
    recorded = latencies(config)
    check_tokens(config)
    manifest = new_manifest(config.model_dump(mode="json"), config.seed, data_rows(programme), describe_agents(config))
    writer = ResultWriter(out, manifest, overwrite=overwrite)
    done = writer.done()
    left = [unit for unit in everything if unit.name not in done]
    count = len(everything) - len(left)
    if on_progress:
        on_progress(count, len(everything), "")
    fitted = fit_of(programme) if left else {}
    rates = writer.noted("rates", lambda: measured_rates(config)) if left else {}
    jobs = [Job(config, unit, fitted[unit.day.symbol], charges(config, unit, recorded, rates)) for unit in left]
    for job, rows in play_all(jobs, processes, _play, _warm):
        writer.write(job.unit.name, **rows)
        count += 1
        if on_progress:
            episode = job.unit.episode
            on_progress(count, len(everything), f"{episode.track} {episode.contract} {episode.day}")
    writer.finish()
    return out


def data_root(config: Config) -> Path:
    """The catalogue that the config plays on; the embedded days are made on first use."""
    if config.data == "synthetic":
        from lobarena.sim.synthetic import embedded_root

        return embedded_root(config.seed)
    if is_crowd(config.data):
        return crowd_root(config.data, config.seed)
    root = Path(config.data)
    if not root.is_dir():
        raise ConfigError(
            f"data is {config.data!r}: no such folder; give a catalogue made by `lobarena data import`, "
            '"synthetic" or "crowd"'
        )
    return root


class Job:
    """An episode with all that it needs, small enough to be sent to another process."""

    def __init__(self, config: Config, unit: Unit, fitted: dict[str, float], charges: dict[str, Charge]) -> None:
        self.config, self.unit, self.fitted, self.charges = config, unit, fitted, charges


def play_all(
    jobs: Sequence[Job],
    processes: int,
    play_one: Callable[..., dict[str, Any]],
    warm: Callable[[Job], None],
) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Each job with its rows, in processes; one whose process dies twice is played as lost, `play_one(job, why)`."""
    if processes <= 1:
        for job in jobs:
            yield job, play_one(job)
        return
    left = list(jobs)
    if left:  # kernels are compiled and cached here, once, and not by every process
        warm(left[0])
    deaths: dict[str, int] = {}
    alone = False  # after a death, one at a time, to learn whose it was
    while left:
        pool = ProcessPoolExecutor(1 if alone else processes, get_context("spawn"), _ignore_interrupts)
        waiting: dict[Future[dict[str, Any]], Job] = {}
        queue = iter(left)
        try:
            while True:
                for job in queue:
                    waiting[pool.submit(play_one, job)] = job
                    if len(waiting) >= (1 if alone else 2 * processes):
                        break
                if not waiting:
                    break
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    job = waiting[future]
                    rows = future.result()
                    del waiting[future]
                    left.remove(job)
                    yield job, rows
        except BrokenProcessPool as error:
            if alone:
                job = next(iter(waiting.values()))
                deaths[job.unit.name] = deaths.get(job.unit.name, 0) + 1
                if deaths[job.unit.name] > 1:
                    left.remove(job)
                    yield job, play_one(job, f"the process that played this episode died twice ({error})")
            alone = True
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def unit_of(config: Config, episode: int) -> tuple[Unit, float]:
    """The episode of that number in the programme of a config, and the tick of its contract; ConfigError if none."""
    for unit in units(config, fields(config, data_root(config))):
        if unit.episode.number == episode:
            return unit, read_day(unit.day).contract.tick_size
    raise ConfigError(f"the settings have no episode {episode} on the data that is here now")


def replay(config: Config, unit: Unit, results: Results, watch: Callable[[Market], None]) -> None:
    """Play one episode of a run once more with the latencies that it had, watched; what `watch` raises ends it."""
    programme = [one for one in fields(config, data_root(config)) if one.symbol == unit.day.symbol]
    job = Job(config, unit, fit_of(programme)[unit.day.symbol], as_charged(results, unit))
    _play(job, watch=watch)


def _play(job: Job, lost: str = "", watch: Callable[[Market], None] | None = None) -> dict[str, Any]:
    """The rows of one episode; `lost` says why nobody can play it, which fails all its seats."""
    config, unit = job.config, job.unit
    table = entries(config)
    seated = [Entry(label, *table[label], job.charges[label]) for label in unit.labels]
    terms = Terms(
        config.seed, seat_of(config), config.order_size, config.deadline_ms / 1e3, config.deadlines, job.fitted
    )
    return play(_market(unit, config), unit.episode, seated, terms, lost, watch)


def seat_of(config: Config) -> Seat:
    """The venue's rules for every seat."""
    latency = Latency(
        int(config.feed_ms * 1e6), int(config.order_ms * 1e6), int(config.report_ms * 1e6), config.network_spread
    )
    return Seat(
        latency=latency,
        every_ns=int(config.every_ms * 1e6),
        position_limit=config.position_limit,
        largest=config.largest_order,
        message_limit=config.message_limit,
        capital=config.capital,
    )


def _warm(job: Job) -> None:
    market, episode = _market(job.unit, job.config), job.unit.episode
    market.start([Seat()], episode.opens, episode.opens + 2 * 10**9)
    while (seat := market.run()) > 0:
        market.observation(seat)
        market.decide(seat)


def _market(unit: Unit, config: Config) -> Market:
    episode = unit.episode
    return _market_of(unit.day, config, episode.cancel_model, episode.impact)


@lru_cache(maxsize=8)  # an episode is played under seven models in turn
def _market_of(day: DayFile, config: Config, cancel_model: str, impact: str) -> Market:
    rules = Rules(cancel_model, config.power, impact, config.half_life_s, config.protection, config.curve_ms)
    return Market(_feed(day, config.seed), rules)


@lru_cache(maxsize=2)
def _feed(day: DayFile, seed: int) -> Feed:
    return feed_of(read_day(day), seed)


def fit_of(programme: Sequence[Field]) -> dict[str, dict[str, float]]:
    """What each contract's agents are told of its past."""
    from lobarena.agents.calibration import fit

    return {
        contract.symbol: fit([feed_of(recording) for recording in training(contract)]) if contract.train else {}
        for contract in programme
    }


def data_rows(programme: Sequence[Field]) -> list[dict[str, Any]]:
    rows = []
    for contract in programme:
        for day in dict.fromkeys((*contract.train, *contract.test)):
            use = "fit and play" if day in contract.train and day in contract.test else "fit"
            rows.append(
                {
                    "exchange": day.exchange,
                    "contract": day.symbol,
                    "day": int(f"{day.trading_day:%Y%m%d}"),
                    "rows": len(rows_of(read_day(day))),
                    "digest": day.digest,
                    "use": use if day in contract.train else "play",
                }
            )
    return rows


def default_processes() -> int:
    """Cores that may be used."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
