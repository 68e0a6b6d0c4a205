"""`lobarena train` and `lobarena tune`: a learner learns, its weights and how to use them at the end."""

import hashlib
import inspect
import json as jsonlib
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from lobarena.cli_tournament import compiling
from lobarena.terminal import INTERRUPTED, STDOUT, Json, console, progress, remark, table, write_json

EXAMPLE = (
    "Example: lobarena train ppo --set learning_rate=0.001 --seed 1  "
    "then: lobarena tournament --agents ppo:weights=results/train-ppo-1a2b3c4d/weights.safetensors,foic"
)
TUNE_EXAMPLE = (
    "Example: lobarena tune ppo --trials 20 --budget 100000  "
    "then: lobarena train ppo --config results/tune-ppo-1a2b3c4d/best.json"
)

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="rl-ds, drl-os, imm, c-ppo, ppo, sac or dqn.")]
Seed = Annotated[int, typer.Option(min=0, help="Of every random stream.")]
Out = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Named by the settings under results if not given.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Delete another run in FOLDER first.")]


def _of_plan(kind: Any, default: Any, text: str, **more: Any) -> tuple[Any, Any]:
    """Annotation and default of one option of the plan."""
    return Annotated[kind, typer.Option(help=text, rich_help_panel="Days and validation", **more)], default


_PLAN: dict[str, tuple[Any, Any]] = {  # options that `train` and `tune` share: arguments of learning_days.plan
    "data": _of_plan(
        str, "synthetic", '"synthetic" (training days), "crowd" or "crowd:FIT" (its first day), or a catalogue.'
    ),
    "contracts": _of_plan(str, "", "Only these contracts; all when empty.", metavar="TEXT,..."),
    "train_days": _of_plan(int, 1, "Of a catalogue: first days to learn from, as in the tournament.", min=1),
    "train_share": _of_plan(float, 0.3, "Of a contract's only day, as in the tournament."),
    "embargo_s": _of_plan(float, 60.0, "s between learning and validation, of a catalogue.", min=0),
    "episode_minutes": _of_plan(float, 30.0, "Length of an episode."),
    "envs": _of_plan(int, 0, "Environments at a time; 0 is the learner's own number.", min=0),
    "slice_steps": _of_plan(int, 0, "Steps between validations; 0 is a tenth of the budget.", min=0),
    "patience": _of_plan(int, 0, "Validations without a better one that end a training; 0 is never.", min=0),
    "episodes": _of_plan(int, 0, "At most so many validation episodes a stretch; 0 is all.", min=0),
}


def with_plan(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `_PLAN`, in place of its `**options`."""
    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _PLAN.items()
    ]
    command.__signature__ = signature.replace(parameters=own + shared)  # type: ignore[attr-defined]
    return command


@with_plan
def train(
    agent: Agent,
    seed: Seed = 0,
    budget: Annotated[int | None, typer.Option(help="Environment steps; the learner's own if not given.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="JSON", help="best.json of lobarena tune.")] = None,
    out: Out = None,
    overwrite: Overwrite = False,
    json: Json = None,
    **options: Any,
) -> None:
    """Train a learner on days that no tournament plays; the best weights by validation PnLMAP are kept.

    Ctrl-C is safe, and so is a kill: the same command goes on.
    """
    from lobarena.agents.learner import hyperparameters, make_learner
    from lobarena.agents.training import train as run
    from lobarena.agents.tuning import read_best

    settings = read_best(config, agent) if config else {}
    settings |= dict(_pair(text) for text in set_ or ())
    learner = make_learner(agent, settings)
    chosen = learner.budget if budget is None else budget
    plan = _plan(**options)
    identity = [agent, hyperparameters(learner), chosen, seed, plan]
    folder = _folder("train", agent, identity, out, overwrite)
    words = ["lobarena", "train", agent, "--seed", str(seed), "--budget", str(chosen)]
    words += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    words += [f"--{key.replace('_', '-')}={options[key]}" for key, (_, usual) in _PLAN.items() if options[key] != usual]
    plan = replace(plan, command=shlex.join(words))
    compiling()
    try:
        with progress(f"{agent}: preparing the days") as advance:
            done = run(learner, plan, folder, chosen, seed, lambda at, of, said: advance(at, of, f"{agent} {said}"))
    except KeyboardInterrupt:
        remark("stopped; the same command resumes")
        raise typer.Exit(INTERRUPTED) from None
    best = done.best
    if json:
        write_json(json, {"agent": agent, "weights": str(done.weights), "best": best, "history": done.history})
    shown = console(stderr=json == STDOUT)
    if json != STDOUT:
        _summary(agent, done.history, best, done.stopped_early)
    use = f"lobarena tournament --agents {agent}:weights={done.weights},foic,idle"
    shown.print(f"weights: {done.weights}; use them: {use}", markup=False, soft_wrap=True)


@with_plan
def tune(
    agent: Agent,
    trials: Annotated[int, typer.Option(min=1, help="Choices of hyperparameters in all.")] = 20,
    budget: Annotated[int, typer.Option(help="Environment steps a trial, the same for every agent.")] = 100_000,
    seed: Seed = 0,
    out: Out = None,
    overwrite: Overwrite = False,
    json: Json = None,
    **options: Any,
) -> None:
    """Search the hyperparameters of a learner by Optuna's TPE, judged by validation PnLMAP alone.

    Writes best.json for `lobarena train --config`. Ctrl-C is safe: the same command goes on.
    """
    from lobarena.agents.learner import make_learner
    from lobarena.agents.tuning import BEST
    from lobarena.agents.tuning import tune as run

    make_learner(agent)
    plan = _plan(**options)
    folder = _folder("tune", agent, [agent, budget, seed, plan], out, overwrite)
    compiling()
    try:
        with progress(f"{agent}: trial 0") as advance:
            found = run(
                agent, plan, folder, trials, budget, seed, lambda at, of, said: advance(at, of, f"{agent} {said}")
            )
    except KeyboardInterrupt:
        remark("stopped; the same command resumes")
        raise typer.Exit(INTERRUPTED) from None
    rows: list[dict[str, Any]] = [
        {"trial": one.number, "pnlmap": one.pnlmap, "steps": one.steps, "settings": one.settings, "error": one.error}
        for one in sorted(found, key=lambda one: (one.pnlmap is None, -(one.pnlmap or 0.0)))
    ]
    if json:
        write_json(json, {"agent": agent, "budget": budget, "seed": seed, "trials": rows})
    if json != STDOUT:
        table(f"{agent}: best validation PnLMAP first", _TRIALS, [row | _as_text(row) for row in rows])
    best = folder / BEST
    console(stderr=json == STDOUT).print(
        f"best: {best}; use it: lobarena train {agent} --config {best}", markup=False, soft_wrap=True
    )


_TRIALS = {"trial": "trial", "pnlmap": "PnLMAP, CNY / lot", "steps": "steps", "settings": "settings", "error": "failed"}


def _as_text(row: dict[str, Any]) -> dict[str, str]:
    settings = ", ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in row["settings"].items())
    return {"pnlmap": "-" if row["pnlmap"] is None else f"{row['pnlmap']:,.1f}", "settings": settings}


def _summary(agent: str, history: list[dict[str, float]], best: dict[str, float], early: bool) -> None:
    columns = {"steps": "steps", "pnlmap": "PnLMAP, CNY / lot", "epnl": "EPnL, CNY", "map": "MAP, lots", "note": ""}
    rows = [
        {
            "steps": int(row["steps"]),
            "pnlmap": f"{row['validation/pnlmap']:,.1f}",
            "epnl": f"{row['validation/epnl']:,.1f}",
            "map": f"{row['validation/map']:.2f}",
            "note": "best, kept" if row is best or row["steps"] == best["steps"] else "",
        }
        for row in history
    ]
    table(f"{agent}: validation" + (", stopped early" if early else ""), columns, rows)


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise typer.BadParameter(f"{text!r} is no NAME=VALUE", param_hint="--set")
    return key.strip(), value.strip()


def _plan(contracts: str, **options: Any) -> Any:
    from lobarena.benchmarks.learning_days import plan

    return plan(contracts=[name.strip() for name in contracts.split(",") if name.strip()], **options)


def _folder(what: str, agent: str, identity: list[Any], out: Path | None, overwrite: bool) -> Path:
    """The folder of these settings: the same command finds it again and goes on."""
    digest = hashlib.sha256(jsonlib.dumps(identity, default=str, sort_keys=True).encode()).hexdigest()[:8]
    folder = out or Path("results") / f"{what}-{agent}-{digest}"
    if overwrite and folder.exists():
        from lobarena.agents.checkpoints import NAME
        from lobarena.agents.learner import TrainingError
        from lobarena.agents.tuning import JOURNAL

        if any(folder.iterdir()) and not any((folder / mark).exists() for mark in (NAME, JOURNAL)):
            raise TrainingError(f"{folder} holds files that are not of a training; choose an empty folder as --out")
        shutil.rmtree(folder)
    return folder
