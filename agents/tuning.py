"""Tuning: hyperparameters by Optuna's TPE (Bergstra et al. 2011), judged on validation alone.

Every trial is a training of the same budget in a folder of its own. The study is a journal in the same folder: a run
that was killed goes on, the trial under way included, to the same result.
"""

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lobarena.agents.learner import AstrayError, Learner, TrainingError, make_learner
from lobarena.agents.training import Plan, train
from lobarena.agents.weight_file import replace_bytes
from lobarena.sim.random import generator

if TYPE_CHECKING:
    import optuna

BEST = "best.json"
JOURNAL = "study.journal"
Progress = Callable[[int, int, str], None]  # trials done, trials in all, what was just done
Make = Callable[[str, dict[str, Any]], Learner]


@dataclass(frozen=True)
class Trial:
    """One choice of hyperparameters and what came of it."""

    number: int
    settings: dict[str, Any]
    pnlmap: float | None  # best validation PnLMAP; None when the training failed
    steps: int  # of the best validation
    error: str


def tune(
    name: str,
    plan: Plan,
    folder: Path,
    trials: int,
    budget: int,
    seed: int,
    on_progress: Progress | None = None,
    make: Make = make_learner,
) -> list[Trial]:
    """Trials 0 to trials - 1, those already in the folder as they are; the best is in best.json.

    A trial whose training went astray counts as failed. TrainingError when nothing can be tuned, when the folder is of
    another study, or when every trial failed.
    """
    if trials <= 0:
        raise TrainingError(f"{trials} trials; give at least 1, --trials 20")
    space = make(name, {}).search_space
    if not space:
        raise TrainingError(f"{name} names nothing to tune (search_space is empty)")
    study = _study(folder, {"agent": name, "budget": budget, "seed": seed} | _terms(plan))
    for number in range(trials):
        known = study.get_trials(deepcopy=False)
        if number < len(known) and known[number].state.is_finished():
            continue
        settings = _settings(study, number, space, seed)
        error, done = "", None
        try:
            done = train(make(name, settings), plan, folder / f"trial-{number:03d}", budget, seed)
        except AstrayError as problem:
            error = str(problem)
        _tell(study, number, done.best if done else None, error)
        if on_progress:
            said = f"PnLMAP {done.best['validation/pnlmap']:,.1f}" if done else error
            on_progress(number + 1, trials, f"trial {number}: {said}")
    found = _told(study, trials)
    good = [trial for trial in found if trial.pnlmap is not None]
    if not good:
        raise TrainingError(f"every trial failed; the first: {found[0].error}")
    best = max(good, key=lambda trial: trial.pnlmap or 0.0)
    about = {"agent": name, "settings": best.settings, "pnlmap": best.pnlmap, "trial": best.number}
    about |= {"trials": trials, "budget": budget, "seed": seed}
    replace_bytes(folder / BEST, (json.dumps(about, indent=2) + "\n").encode())
    return found


def read_best(path: Path, name: str) -> dict[str, Any]:
    """The hyperparameters of a best.json; TrainingError says what is wrong with it."""
    try:
        about = json.loads(path.read_text("utf-8"))
        agent, settings = about["agent"], about["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: no best.json of lobarena tune ({error})") from error
    if agent != name or not isinstance(settings, dict):
        raise TrainingError(f"{path}: settings of {agent!r}, not of {name!r}; tune {name} first")
    return settings


def _terms(plan: Plan) -> dict[str, Any]:
    """A plan as the study keeps it: trials on other days or other terms cannot be compared."""
    told: dict[str, Any] = json.loads(json.dumps(asdict(plan)))
    return {key: value for key, value in told.items() if key != "command"}


def _study(folder: Path, about: dict[str, Any]) -> "optuna.Study":
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise TrainingError("tuning needs optuna; pip install 'lobarena[rl]'") from error
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
        study = optuna.create_study(storage=storage, study_name="lobarena", direction="maximize", load_if_exists=True)
    for key, value in about.items():
        if study.user_attrs.get(key, value) != value:
            raise TrainingError(
                f"{folder} holds a study with {key} {study.user_attrs[key]}, not {value}; give another folder"
            )
        study.set_user_attr(key, value)
    return study


def _settings(study: "optuna.Study", number: int, space: dict[str, tuple[Any, ...]], seed: int) -> dict[str, Any]:
    """What a trial tries: drawn by a sampler of its own seed, or, of a trial under way, what was drawn."""
    import optuna

    draw = int(generator(seed, "trial", number).integers(2**31 - 1))
    study.sampler = optuna.samplers.TPESampler(seed=draw, n_startup_trials=5)
    known = study.get_trials(deepcopy=False)
    trial = optuna.Trial(study, known[number]._trial_id) if number < len(known) else study.ask()
    settings: dict[str, Any] = {}
    for key, (kind, *rest) in space.items():
        if kind == "choice":
            settings[key] = trial.suggest_categorical(key, rest[0])
        elif kind == "int":
            settings[key] = trial.suggest_int(key, rest[0], rest[1], log="log" in rest)
        else:
            settings[key] = trial.suggest_float(key, rest[0], rest[1], log="log" in rest)
    return settings


def _tell(study: "optuna.Study", number: int, best: dict[str, float] | None, error: str) -> None:
    import optuna

    trial = optuna.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)
    trial.set_user_attr("steps", int(best["steps"]) if best else 0)
    trial.set_user_attr("error", error)
    if best:
        study.tell(number, best["validation/pnlmap"])
    else:
        study.tell(number, state=optuna.trial.TrialState.FAIL)


def _told(study: "optuna.Study", trials: int) -> list[Trial]:
    return [
        Trial(one.number, dict(one.params), one.value, one.user_attrs["steps"], one.user_attrs["error"])
        for one in study.get_trials(deepcopy=False)[:trials]
    ]
