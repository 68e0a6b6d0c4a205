"""Training: slices of learning, each followed by validation and a checkpoint.

A run that is killed at any moment goes on from its last whole slice, to the same weights bit by bit: a slice depends
on the learner's arrays, its own seed and the share of the budget spent, and on nothing else.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from lobarena import __version__
from lobarena.agents import checkpoints
from lobarena.agents.checkpoints import Checkpoint
from lobarena.agents.learner import Arrays, AstrayError, Learner, TrainingError, hyperparameters
from lobarena.agents.run_folder import alone, scalars
from lobarena.agents.split import Part, Split
from lobarena.agents.validation import Outcome, joined, validate
from lobarena.agents.weight_file import FORMAT, Card, write
from lobarena.sim.random import generator

WEIGHTS = "weights.safetensors"
ENVS = 64  # environments at a time of a learner that names no `envs` of its own
MOST = 96  # environments at a time of a validation; 3.4 MB each
Progress = Callable[[int, int, str], None]  # steps done, budget, what the last validation said


@dataclass(frozen=True)
class Plan:
    """Where is learnt and how often is looked at the result; all of it goes into the run's identity."""

    split: Split
    market: dict[str, Any] = field(default_factory=dict)  # keyword arguments of the environment beside the learner's
    envs: int = 0  # environments at a time; 0 is the learner's own number
    slice_steps: int = 0  # environment steps between validations; 0 is a tenth of the budget
    patience: int = 0  # validations without a better PnLMAP that end the training; 0 is never
    episodes: int = 0  # at most so many validation episodes a part, spread over it; 0 is all
    data: str = ""  # digest of the days
    command: str = ""  # that made the run
    environment: str = "lobarena/MarketMaking-v0"  # id


@dataclass(frozen=True)
class Trained:
    """What a finished training leaves."""

    weights: Path
    history: list[dict[str, float]]  # a row a slice
    best: dict[str, float]  # the row that the weights are of
    stopped_early: bool


def train(
    learner: Learner, plan: Plan, folder: Path, budget: int, seed: int, on_progress: Progress | None = None
) -> Trained:
    """Learn from `budget` environment steps, or go on with what the folder holds; the best weights are the result.

    TrainingError says what to change: a budget of nothing, no episode in the data, another run's folder, a learner
    that went astray (its last good checkpoint stays).
    """
    if budget <= 0:
        raise TrainingError(f"the budget is {budget} environment steps; give a positive number, --budget 100000")
    if min(plan.envs, plan.slice_steps, plan.patience, plan.episodes) < 0:
        raise TrainingError("envs, slice_steps, patience and episodes are not negative")
    settings = json.loads(json.dumps(_settings(learner, plan, budget, seed)))
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        checkpoint = checkpoints.load(folder)
        if checkpoint and (changed := _changed(checkpoint.settings, settings)):
            raise TrainingError(f"{folder} holds a training with other {changed}; give another folder, or --overwrite")
        if not (checkpoint and checkpoint.finished):
            checkpoint = _go_on(learner, plan, folder, settings, checkpoint, on_progress)
        card = _card(learner, settings, checkpoint)
        path = write(folder / WEIGHTS, checkpoint.best, card)
    return Trained(path, checkpoint.history, checkpoint.best_row, checkpoint.steps < budget)


def _go_on(
    learner: Learner,
    plan: Plan,
    folder: Path,
    settings: dict[str, Any],
    checkpoint: Checkpoint | None,
    on_progress: Progress | None,
) -> Checkpoint:
    """Slice after slice until the budget is spent or the patience is over; the finished checkpoint."""
    budget, seed = settings["budget"], settings["seed"]
    envs = plan.envs or getattr(learner, "envs", ENVS)
    arenas = [_venv(learner, plan, part, envs) for part in plan.split.train]
    stages = [_stage(learner, plan, part) for part in plan.split.validation]
    if not arenas or not stages:
        raise TrainingError("no day to learn from or none to validate on; give more data")
    settings["features"] = int(arenas[0].single_observation_space.shape[0])
    try:
        learner.begin(arenas[0].single_observation_space, arenas[0].single_action_space, seed)
    except ValueError as error:
        raise TrainingError(f"{learner.name}: {error}") from error
    if checkpoint:
        learner.load_weights(checkpoint.weights)
        learner.load_state(checkpoint.state)
    else:
        checkpoint = Checkpoint(settings, learner.weights(), learner.state())
    each = _multiple(plan.slice_steps or math.ceil(budget / 10), envs)
    with scalars(folder, checkpoint.steps) as log:
        if on_progress:
            on_progress(checkpoint.steps, budget, "")
        while checkpoint.steps < budget and not (plan.patience and checkpoint.stale >= plan.patience):
            number, before = len(checkpoint.history), checkpoint.steps
            steps = min(each, _multiple(budget - before, envs))
            slice_seed = int(generator(seed, "slice", number).integers(2**31 - 1))
            begin = time.perf_counter()
            try:
                logged = learner.learn(arenas[number % len(arenas)], steps, before / budget, slice_seed)
            except ValueError as error:  # it noticed itself, or the market refused an action that is no number
                raise _astray(folder, str(error), before, before + steps) from error
            rate = steps / max(time.perf_counter() - begin, 1e-9)
            weights = {name: np.array(array) for name, array in learner.weights().items()}  # not what learns on
            state = learner.state()
            _check_finite(folder, before, before + steps, weights, state, logged)
            outcome = joined([validate(learner.act, venv, episodes) for venv, episodes in stages])
            row = {"steps": float(before + steps)} | {f"train/{key}": float(value) for key, value in logged.items()}
            checkpoint.history.append(row | _measures(outcome))
            checkpoint.weights, checkpoint.state = weights, state
            if not checkpoint.stale:
                checkpoint.best = weights
            log(checkpoint.history[-1] | {"train/steps_per_second": rate})
            checkpoints.save(folder, checkpoint)
            if on_progress:
                on_progress(min(checkpoint.steps, budget), budget, _said(checkpoint))
    for venv in (*arenas, *(venv for venv, _ in stages)):
        venv.close()
    checkpoint.finished = True
    checkpoints.save(folder, checkpoint)
    return checkpoint


def judge(learner: Learner, plan: Plan, weights: Arrays) -> Outcome:
    """The validation of a plan with these weights, episode by episode."""
    stages = [_stage(learner, plan, part) for part in plan.split.validation]
    space = stages[0][0]
    learner.begin(space.single_observation_space, space.single_action_space, 0)
    learner.load_weights(weights)
    return joined([validate(learner.act, venv, episodes) for venv, episodes in stages])


def make_market(plan: Plan, part: Part, count: int, **kwargs: Any) -> Any:
    """`count` environments on one part of the split; `kwargs` are the learner's own."""
    options = {**plan.market, **kwargs, "contract": part.contracts, "between": part.between}
    return gymnasium.make_vec(plan.environment, num_envs=count, vectorization_mode="vector_entry_point", **options)


def episodes_of(count: int, most: int) -> list[int]:
    """Which of `count` episodes are played when at most `most` are (0: all), spread evenly."""
    if not most or count <= most:
        return list(range(count))
    return [int((place + 0.5) * count / most) for place in range(most)]


def _venv(learner: Learner, plan: Plan, part: Part, count: int) -> Any:
    import lobarena.sim  # noqa: F401 - registers the environment

    try:
        venv = make_market(plan, part, count, **learner.environment())
    except (ValueError, TypeError) as error:
        raise TrainingError(f"{', '.join(part.contracts)}: {error}") from error
    if not len(venv.episodes):
        raise TrainingError(
            f"{', '.join(part.contracts)}: no episode fits between {_clock(part.between[0])} and "
            f"{_clock(part.between[1])}; give shorter episodes (--episode-minutes) or more days"
        )
    return venv


def _stage(learner: Learner, plan: Plan, part: Part) -> tuple[Any, list[int]]:
    """The validation episodes of a part, and a vector environment that plays them in turns of about the same size."""
    probe = _venv(learner, plan, part, 1)
    chosen = episodes_of(len(probe.episodes), plan.episodes)
    probe.close()
    turns = math.ceil(len(chosen) / MOST)
    return _venv(learner, plan, part, math.ceil(len(chosen) / turns)), chosen


def _settings(learner: Learner, plan: Plan, budget: int, seed: int) -> dict[str, Any]:
    return {
        "learner": learner.name,
        "hyperparameters": hyperparameters(learner),
        "learns in": learner.environment(),
        "plan": asdict(plan),
        "budget": budget,
        "seed": seed,
        "version": __version__,
    }


def _changed(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Names of the settings that differ; what only describes the run may."""
    pairs = {key: (old.get(key), new[key]) for key in new if key != "plan"}
    old_plan = old.get("plan", {})
    pairs |= {key: (old_plan.get(key), value) for key, value in new["plan"].items() if key != "command"}
    return ", ".join(key for key, (before, now) in pairs.items() if before != now)


def _measures(outcome: Outcome) -> dict[str, float]:
    return {
        "validation/pnlmap": outcome.pnlmap,
        "validation/epnl": outcome.epnl,
        "validation/map": float(outcome.map.mean()),
    }


def _said(checkpoint: Checkpoint) -> str:
    now, best = checkpoint.history[-1], checkpoint.best_row
    return (
        f"validation PnLMAP {now['validation/pnlmap']:,.1f} (best {best['validation/pnlmap']:,.1f} "
        f"at {best['steps']:,.0f}), EPnL {now['validation/epnl']:,.1f}, MAP {now['validation/map']:.2f}"
    )


def _check_finite(
    folder: Path, before: int, after: int, weights: Arrays, state: Arrays, logged: dict[str, float]
) -> None:
    bad = [
        name
        for name, array in {**weights, **state}.items()
        if np.asarray(array).dtype.kind == "f" and not np.isfinite(array).all()
    ]
    bad += [key for key, value in logged.items() if not math.isfinite(value)]
    if bad:
        raise _astray(folder, f"{', '.join(bad[:3])} became NaN or infinite", before, after)


def _astray(folder: Path, what: str, before: int, after: int) -> AstrayError:
    kept = f"the checkpoint after {before:,} steps stays in {folder}" if before else "no slice was finished"
    return AstrayError(
        f"{what} between step {before:,} and {after:,}; {kept}; "
        "train with a smaller learning rate (--set) in another folder"
    )


def _card(learner: Learner, settings: dict[str, Any], checkpoint: Checkpoint) -> Card:
    """What the weights' file says; of two commands of one training, the first."""
    told = checkpoint.settings
    market: dict[str, Any] = told["plan"]["market"] | told["learns in"]
    blocks, best = market.get("observation", ()), checkpoint.best_row
    return Card(
        learner=learner.name,
        observation=tuple([blocks] if isinstance(blocks, str) else blocks),
        history=int(market.get("history", 0)),
        features=int(told["features"]),
        normalise=bool(market.get("normalise", True)),
        action=str(market.get("action", "offsets")),
        reward=str(market.get("reward", "pnl")),
        hyperparameters=told["hyperparameters"],
        seed=told["seed"],
        steps=int(best["steps"]),
        pnlmap=best["validation/pnlmap"],
        data=told["plan"]["data"],
        command=told["plan"]["command"],
        version=told["version"],
        format=FORMAT,
    )


def _multiple(steps: int, envs: int) -> int:
    """The steps, rounded up to whole steps of the vector environment."""
    return -(-steps // envs) * envs


def _clock(ns: int) -> str:
    return f"{np.datetime64(ns, 'ns').astype('datetime64[s]')} UTC"
