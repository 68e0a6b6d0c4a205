"""What thinking time is charged with: from the settings, an earlier run, or rates measured at the start."""

from collections import defaultdict
from typing import Any

import numpy as np

from lobarena.agents.table import make
from lobarena.benchmarks import fill_models
from lobarena.benchmarks.config import Config, ConfigError, mode_of
from lobarena.benchmarks.latency_mode import AS_SET, split
from lobarena.benchmarks.programme import Unit, entries
from lobarena.benchmarks.results import Results, ResultsError, read
from lobarena.benchmarks.thinking import Charge, lognormal
from lobarena.sim.random import generator

Recorded = dict[tuple[Any, ...], dict[str, np.ndarray]]  # place of an episode -> agent -> (k,) i8 ns
Rates = dict[str, list[float]]  # agent -> tokens a second, of prompts and of answers

_PLACE = ("track", "contract", "day", "segment", "rotation", "fill_model")


def charges(config: Config, unit: Unit, recorded: Recorded, rates: Rates) -> dict[str, Charge]:
    """Label -> how the thinking time of each agent of an episode is charged."""
    if unit.episode.sweep != AS_SET:
        return {label: Charge("constant", unit.episode.sweep) for label in unit.labels}
    return {label: _charge(config, unit, label, recorded, rates) for label in unit.labels}


def check_tokens(config: Config) -> None:
    """ConfigError for an agent that is charged per token and tells none: free thought would be no result."""
    for label, (name, parameters) in entries(config).items():
        if mode_of(config, label).kind != "per-token":
            continue
        try:
            agent = make(name, **parameters)
        except Exception:  # it fails its own episodes
            continue
        if not hasattr(agent, "prompt_tokens"):
            own = split(label)[0]
            raise ConfigError(
                f"{own} reports no tokens and cannot be charged per token; give it a mode of its own, such as "
                f"{own}@constant:time=1ms, or prompt_tokens and answer_tokens of its last decision"
            )


def measured_rates(config: Config) -> Rates:
    """The rates of the agents that are charged per token with no rates given, measured by themselves."""
    found: Rates = {}
    for label, (name, parameters) in entries(config).items():
        mode = mode_of(config, label)
        if mode.kind != "per-token" or mode.prefill is not None:
            continue
        try:
            agent = make(name, **parameters)
        except Exception:  # it fails its own episodes
            continue
        if not hasattr(agent, "rates"):
            raise ConfigError(f"{label} cannot measure its rates; give them: @per-token:prefill=2000,decode=40")
        found[label] = [float(rate) for rate in agent.rates()]
        if not all(0 < rate < np.inf for rate in found[label]):
            raise ConfigError(f"{label} measured rates of {found[label]}; give them: @per-token:prefill=2000,decode=40")
    return found


def latencies(config: Config) -> Recorded:
    """Latencies of the run that `recorded` replays.

    Those of a run under one fill model serve every model; of a band, each model has its own.
    """
    if all(mode_of(config, label).kind != "recorded" for label in config.agents):
        return {}
    try:
        results = read(config.recorded_from)
    except ResultsError as error:
        raise ConfigError(f"recorded_from: {error}") from error
    found: Recorded = defaultdict(dict)
    seats = {(row["episode"], row["seat"]): row for row in results.episodes.select(_KEYS).to_pylist()}
    for key, draws in _by_seat(results).items():
        if seats[key]["sweep"] == AS_SET:
            found[tuple(seats[key][name] for name in _PLACE)][seats[key]["agent"]] = draws
    if len({place[-1] for place in found}) > 1:
        return dict(found)
    models = [fill_models.name(*model) for model in fill_models.models(config)]
    return {(*place[:-1], model): agents for place, agents in found.items() for model in models}


def as_charged(results: Results, unit: Unit) -> dict[str, Charge]:
    """Label -> what each agent of an episode of a run was charged, decision by decision."""
    there = _by_seat(results)
    none = np.zeros(0, np.int64)
    return {
        label: Charge("recorded", draws=there.get((unit.episode.number, seat), none))
        for seat, label in enumerate(unit.labels, 1)
    }


_KEYS = ["episode", "seat", "agent", "sweep", *_PLACE]


def _charge(config: Config, unit: Unit, label: str, recorded: Recorded, rates: Rates) -> Charge:
    e, mode, (own, _) = unit.episode, mode_of(config, label), split(label)
    time = round(config.decision_us * 1e3) if mode.time is None else mode.time
    if mode.kind == "distribution":
        rng = generator(config.seed, "thinking", own, e.contract, e.day, e.segment)
        spread = config.decision_spread if mode.spread is None else mode.spread
        return Charge(mode.kind, time, lognormal(time, spread, rng))
    if mode.kind == "per-token":
        if mode.prefill is not None and mode.decode is not None:
            return Charge(mode.kind, rates=(mode.prefill, mode.decode))
        prefill, decode = rates.get(label, (np.inf, np.inf))  # of an agent that cannot be made there are none
        return Charge(mode.kind, rates=(prefill, decode))
    if mode.kind == "recorded":
        model = fill_models.name(e.cancel_model, e.impact)
        there = recorded.get((e.track, e.contract, e.day, e.segment, e.rotation, model), {})
        known = [label] if label in there else [one for one in there if split(one)[0] == own]
        if len(known) != 1:
            raise ConfigError(
                f"{config.recorded_from} has no decisions of {own} in {e.track} {e.contract} {e.day} "
                f"segment {e.segment} rotation {e.rotation} under {model}"
                + (f" alone, but of {' and '.join(known)}" if known else "; replay with the settings of that run")
            )
        return Charge(mode.kind, draws=there[known[0]])
    return Charge(mode.kind, time)


def _by_seat(results: Results) -> dict[tuple[int, int], np.ndarray]:
    """(episode, seat) -> (k,) i8 ns charged, in the order of the decisions."""
    episode, seat, latency = (results.decisions.column(name).to_numpy() for name in ("episode", "seat", "latency"))
    change = np.flatnonzero((np.diff(episode) != 0) | (np.diff(seat) != 0)) + 1
    return {
        (int(episode[begin]), int(seat[begin])): latency[begin:end]
        for begin, end in zip([0, *change], [*change, len(latency)], strict=True)
        if end > begin
    }
