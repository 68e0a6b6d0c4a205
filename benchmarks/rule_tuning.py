"""The quoting rule's numbers, tuned on validation PnLMAP alone, with the same number of trials for every forecaster.

Each validation episode is watched once by a seat that quotes nothing; the forecaster tells its forecasts of what was
seen; every trial then plays the episodes from those, so that a language model answers each prompt once, and with a
transcript never again. Trials are drawn by Optuna's TPE (Bergstra et al. 2011), the rule's defaults first.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.agents.base import Agent, Context
from lobarena.agents.calibration import fit
from lobarena.agents.forecast import Rule
from lobarena.agents.foretold import Forecaster, Foretold
from lobarena.agents.learner import TrainingError
from lobarena.agents.split import Part, clipped
from lobarena.agents.training import Plan, episodes_of
from lobarena.agents.validation import pnlmap
from lobarena.benchmarks.match import measure
from lobarena.benchmarks.programme import clip
from lobarena.data.catalogue import DayFile, days, read_day, rows_of
from lobarena.data.sessions import session_times, weekday_before
from lobarena.sim.feed import feed_of
from lobarena.sim.market import Latency, Market, Seat
from lobarena.sim.random import generator

SPACE = {"gamma": (1e-4, 1.0), "kappa_s": (0.25, 8.0), "kappa_c": (0.01, 10.0), "kappa_v": (1e-4, 1.0)}  # log-uniform
TRIALS = 40
LEAST_FILLS = 1.0  # a mean episode: PnLMAP of a rule that hardly trades is the ratio of two accidents
THINKING_NS = 1_000_000  # as the tournament charges by default
POSITION_LIMIT = 20  # lots, the same
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Watched:
    """A validation episode and what a forecaster said of it."""

    day: DayFile
    opens: int  # ns UTC
    closes: int
    fitted: dict[str, float]
    published: np.ndarray  # (n,) i8 ns UTC
    forecasts: np.ndarray  # (n, 4) f8


@dataclass(frozen=True)
class Tried:
    """One rule and what it made of the episodes."""

    rule: Rule
    pnlmap: float  # currency a lot; -inf where it hardly traded
    epnl: float  # currency an episode
    map: float  # lots
    fills: float  # an episode


def watch(
    forecaster: Forecaster, plan: Plan, order_size: int, on_progress: Progress = lambda *_: None
) -> list[Watched]:
    """The forecasts of every validation episode of a plan, at most `plan.episodes` a stretch; TrainingError if none."""
    found: list[Watched] = []
    every = [one for part in plan.split.validation for one in _episodes(plan, part)]
    for number, (day, opens, closes, fitted) in enumerate(every):
        on_progress(number, len(every), f"{day.symbol} {day.trading_day}")
        looks: list[np.ndarray] = []
        market = Market(feed_of(read_day(day), plan.market["seed"]))
        play_match(market, _Watcher(looks), opens, closes, fitted, order_size)
        observations = np.concatenate(looks) if looks else market.look[:0]
        forecaster.reset(context_of(market, opens, closes, fitted, order_size))
        forecasts = np.asarray(forecaster.forecast(observations), np.float64)
        if forecasts.shape != (len(observations), 4):
            raise TrainingError(f"forecast() gave {forecasts.shape} for {len(observations)} looks; give (n, 4)")
        found.append(Watched(day, opens, closes, fitted, observations["published"].copy(), forecasts))
    if not found:
        raise TrainingError("no validation episode; give shorter episodes (--episode-minutes) or more days")
    return found


def search(
    watched: Sequence[Watched],
    trials: int = TRIALS,
    seed: int = 0,
    order_size: int = 1,
    on_progress: Progress = lambda *_: None,
) -> list[Tried]:
    """The rules that were tried, the best first; TrainingError when none traded enough to be judged.

    With orders of one lot kappa_v changes nothing and is left alone.
    """
    try:
        import optuna
    except ImportError as error:
        raise TrainingError("tuning needs optuna; pip install 'lobarena[rl]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    draw = int(generator(seed, "rule").integers(2**31 - 1))
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=draw))
    space = {name: bounds for name, bounds in SPACE.items() if name != "kappa_v" or order_size > 1}
    study.enqueue_trial({name: getattr(Rule(), name) for name in space})
    markets = [Market(feed_of(read_day(one.day), 0)) for one in watched]
    found = []
    for number in range(trials):
        trial = study.ask()
        rule = Rule(**{name: trial.suggest_float(name, *bounds, log=True) for name, bounds in space.items()})
        tried = judge(watched, rule, order_size, markets)
        study.tell(trial, max(tried.pnlmap, -1e9))
        found.append(tried)
        on_progress(number + 1, trials, f"PnLMAP {tried.pnlmap:,.1f}")
    if all(one.pnlmap == -np.inf for one in found):
        raise TrainingError(
            f"no rule had {LEAST_FILLS:g} fills an episode, so none can be judged; give more or longer episodes, and "
            "see whether the forecaster answers at all"
        )
    return sorted(found, key=lambda one: -one.pnlmap)


def judge(watched: Sequence[Watched], rule: Rule, order_size: int, markets: Sequence[Market]) -> Tried:
    """Play every episode by one rule."""
    rows = []
    for one, market in zip(watched, markets, strict=True):
        play_match(market, Foretold(one.published, one.forecasts, rule), one.opens, one.closes, one.fitted, order_size)
        rows.append(measure(market, 1, POSITION_LIMIT) | {"fills": len(market.fills)})
    pnl, held, fills = (np.array([row[name] for row in rows], np.float64) for name in ("pnl", "map", "fills"))
    score = pnlmap(pnl, held) if fills.mean() >= LEAST_FILLS else -np.inf
    return Tried(rule, score, float(pnl.mean()), float(held.mean()), float(fills.mean()))


def as_parameters(rule: Rule) -> str:
    """The rule as the parameters of an agent."""
    return ",".join(f"{name}={asdict(rule)[name]:.4g}" for name in SPACE)


class _Watcher:
    """Quotes nothing and keeps every look."""

    def __init__(self, looks: list[np.ndarray]) -> None:
        self._looks = looks

    def reset(self, context: Context) -> None:
        pass

    def act(self, observation: Any) -> None:
        row = np.empty(1, observation.dtype)
        row[0] = observation  # np.array(observation) would be the market's own memory, which the next look overwrites
        self._looks.append(row)


def play_match(
    market: Market, agent: Agent, opens: int, closes: int, fitted: dict[str, float], order_size: int = 1
) -> None:
    """One episode of one agent alone in a market, charged as the tournament does by default."""
    latency = Latency(5_000_000, 5_000_000, 5_000_000, 0.0)
    market.start([Seat(latency=latency, position_limit=POSITION_LIMIT)], opens, closes)
    agent.reset(context_of(market, opens, closes, fitted, order_size))
    while market.run() > 0:
        quotes = agent.act(market.observation(1))
        if quotes is None:
            market.decide(1, keep=True, thinking_ns=THINKING_NS)
        else:
            market.decide(1, quotes.bids, quotes.asks, quotes.take, thinking_ns=THINKING_NS)


def context_of(market: Market, opens: int, closes: int, fitted: dict[str, float], order_size: int) -> Context:
    rng = np.random.default_rng(0)
    return Context(market.feed.contract, 1, order_size, POSITION_LIMIT, opens, closes, rng, fitted)


def _episodes(plan: Plan, part: Part) -> list[tuple[DayFile, int, int, dict[str, float]]]:
    """Whole episodes of a stretch, with what is fitted on the last day that its contract may be learnt from."""
    length = int(plan.market["episode_minutes"] * 60e9)
    found = []
    for symbol in part.contracts:
        files = days(_root(plan), symbol=symbol)
        fitted = _fitted(files, next(one for one in plan.split.train if symbol in one.contracts))
        for file in files:
            for start, end in _spans(file, part):
                count = (end - start) // length
                found += [(file, start + k * length, start + (k + 1) * length, fitted) for k in range(count)]
    return [found[place] for place in episodes_of(len(found), plan.episodes)]


def _fitted(files: Sequence[DayFile], train: Part) -> dict[str, float]:
    last = [file for file in files if _spans(file, train)][-1:]
    return fit([feed_of(clip(read_day(file), train.between[1])) for file in last])


def _spans(file: DayFile, part: Part) -> list[tuple[int, int]]:
    """The sessions of a day inside a stretch, as far as they are recorded."""
    recording = read_day(file)
    times = rows_of(recording)["time"]
    if not len(times):
        return []
    spans = session_times(recording.contract, recording.trading_day, weekday_before(recording.trading_day))
    first, last = max(part.between[0], int(times[0])), min(part.between[1], int(times[-1]))
    return [(start, end) for start, end in clipped(spans, first, last).tolist()] if first < last else []


def _root(plan: Plan) -> Path:
    from lobarena.sim.synthetic import training_root

    return training_root(plan.market["seed"]) if plan.market["data"] == "training" else Path(plan.market["data"])
