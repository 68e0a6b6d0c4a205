"""A stress run: every agent alone in every window, calm and under every episode, into a results folder to resume.

The track of an episode in the tables is the name of its story; `calm` is the same window with no shock. Scenes are
painted the same for every agent, so all numbers of one window and story are paired.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from lobarena.benchmarks.charging import as_charged, charges, check_tokens, latencies, measured_rates
from lobarena.benchmarks.config import ConfigError
from lobarena.benchmarks.invariants import Guard, Watch
from lobarena.benchmarks.match import Entry, Terms, play
from lobarena.benchmarks.programme import Unit, describe_agents, entries, fields, units
from lobarena.benchmarks.results import Results, ResultWriter, new_manifest
from lobarena.benchmarks.shock_episodes import CALM, Story, library
from lobarena.benchmarks.stress_config import StressConfig
from lobarena.benchmarks.stress_run import Stressed, together
from lobarena.benchmarks.tournament import Job, Progress, data_root, data_rows, fit_of, play_all, seat_of
from lobarena.data.catalogue import DayFile, read_day
from lobarena.sim.market import Market, Rules, Seat
from lobarena.sim.shocks.living import market_feed, scene_on
from lobarena.sim.shocks.scene import Scene


@dataclass(frozen=True, slots=True)
class StressUnit(Unit):
    """One agent in one window under one story."""

    story: Story


def run(
    config: StressConfig,
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
    out, stories = Path(out), stories_of(config)
    programme = fields(config, data_root(config))
    everything = stress_units(config, units(config, programme), stories)
    check_tokens(config)
    manifest = new_manifest(config.model_dump(mode="json"), config.seed, data_rows(programme), describe_agents(config))
    manifest |= {"stress": [told(story) for story in stories]}
    writer = ResultWriter(out, manifest, overwrite=overwrite)
    done = writer.done()
    left = [unit for unit in everything if unit.name not in done]
    count = len(everything) - len(left)
    if on_progress:
        on_progress(count, len(everything), "")
    fitted = fit_of(programme) if left else {}
    rates = writer.noted("rates", lambda: measured_rates(config)) if left else {}
    recorded = latencies(config)
    jobs = [Job(config, unit, fitted[unit.day.symbol], charges(config, unit, recorded, rates)) for unit in left]
    for job, rows in play_all(jobs, processes, play_one, _warm):
        writer.write(job.unit.name, **rows)
        count += 1
        if on_progress:
            episode = job.unit.episode
            on_progress(count, len(everything), f"{episode.track} {episode.contract} {episode.day}")
    writer.finish()
    return out


def stories_of(config: StressConfig) -> list[Story]:
    """The episodes of the settings at their size."""
    found = library(config.episodes)
    return found if config.size == 1.0 else [story.scaled(config.size) for story in found]


def told(story: Story) -> dict[str, Any]:
    """A story as the manifest keeps it."""
    cited = story.imitates.model_dump(mode="json") if story.imitates else {}
    return {
        "name": story.name,
        "title": story.title,
        "imitates": cited,
        "holds": list(story.holds),
        "at_s": story.at_s,
        "until_s": story.until_s,
        "shocks": [{"kind": type(one).__name__.lower(), **json.loads(json.dumps(vars(one)))} for one in story.shocks],
    }


def stress_units(config: StressConfig, windows: Sequence[Unit], stories: Sequence[Story]) -> list[StressUnit]:
    """Calm and every story in each window, agent by agent; ConfigError where a window ends before a shock begins."""
    for story in stories:
        if story.at_s >= 60 * config.episode_minutes:
            raise ConfigError(
                f"{story.name} begins {story.at_s:g} s after the opening, a window has {config.episode_minutes:g} "
                "minutes; give a longer episode_minutes"
            )
    seated: dict[tuple[Any, ...], list[Unit]] = {}
    for unit in windows:
        seated.setdefault((unit.day, unit.episode.segment), []).append(unit)
    found: list[StressUnit] = []
    for mine in seated.values():
        for story in (Story(CALM, "the window as it was"), *stories):
            for unit in mine:
                episode = replace(unit.episode, number=len(found), track=story.name)
                found.append(StressUnit(episode, unit.day, unit.labels, story))
    return found


@lru_cache(maxsize=4)
def scene_of_unit(day: DayFile, opens: int, closes: int, story: Story, seed: int) -> Scene:
    """The painted window; the same for all agents."""
    return story.paint(scene_on(read_day(day), opens, closes, seed))


@lru_cache(maxsize=4)
def _market(day: DayFile, opens: int, closes: int, story: Story, seed: int, rules: Rules) -> Market:
    return Market(market_feed(scene_of_unit(day, opens, closes, story, seed)), rules)


def market_of(unit: StressUnit, config: StressConfig) -> Market:
    """The painted window as a market."""
    e = unit.episode
    rules = Rules(e.cancel_model, config.power, e.impact, config.half_life_s, config.protection, config.curve_ms)
    return _market(unit.day, e.opens, e.closes, unit.story, config.seed, rules)


def unit_of(config: StressConfig, episode: int) -> tuple[StressUnit, float]:
    """The episode of that number, and the tick of its contract; ConfigError when the settings have none."""
    for unit in stress_units(config, units(config, fields(config, data_root(config))), stories_of(config)):
        if unit.episode.number == episode:
            return unit, read_day(unit.day).contract.tick_size
    raise ConfigError(f"the settings have no episode {episode} on the data and in the episode files that are here now")


def replay(config: StressConfig, unit: StressUnit, results: Results, watch: Watch) -> None:
    """Play one episode of a run once more with the latencies that it had, watched; what `watch` raises ends it."""
    programme = [one for one in fields(config, data_root(config)) if one.symbol == unit.day.symbol]
    play_one(Job(config, unit, fit_of(programme)[unit.day.symbol], as_charged(results, unit)), watch=watch)


def play_one(job: Job, lost: str = "", watch: Watch | None = None) -> dict[str, Any]:
    """The rows of one episode; `lost` says why nobody can play it; `watch` also sees it, at pauses of its own."""
    config, unit = job.config, job.unit
    assert isinstance(config, StressConfig)
    assert isinstance(unit, StressUnit)
    e = unit.episode
    scene = scene_of_unit(unit.day, e.opens, e.closes, unit.story, config.seed)
    market = market_of(unit, config)
    seat = stressed_seat(config, scene)
    table = entries(config)
    seated = [Entry(label, *table[label], job.charges[label]) for label in unit.labels]
    wire = Stressed(scene, Guard(scene, seat.position_limit), capital=seat.capital)
    terms = Terms(config.seed, seat, config.order_size, config.deadline_ms / 1e3, config.deadlines, job.fitted)
    return play(market, e, seated, terms, lost, together(wire.watch, watch) if watch else wire.watch, wire, wire.beside)


def stressed_seat(config: StressConfig, scene: Scene) -> Seat:
    """The venue's rules; capital is so many margins of a full position at the window's opening."""
    contract = scene.recording.contract
    margin = contract.margin * config.position_limit * scene.mid(scene.opens) * contract.tick_value
    return replace(
        seat_of(config),
        capital=config.capital_margins * margin,
        maintenance=config.maintenance,
        grace_s=config.grace_s,
        cancel_limit=config.cancel_limit,
    )


def _warm(job: Job) -> None:
    assert isinstance(job.unit, StressUnit)
    assert isinstance(job.config, StressConfig)
    market, episode = market_of(job.unit, job.config), job.unit.episode
    market.start([Seat()], episode.opens, episode.opens + 2 * 10**9)
    while (seat := market.run()) > 0:
        market.observation(seat)
        market.decide(seat)
