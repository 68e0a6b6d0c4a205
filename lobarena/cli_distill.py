"""`lobarena distill`: small students learn from a trained teacher, alone or together (CMM)."""

import hashlib
import json as jsonlib
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from lobarena.terminal import INTERRUPTED, STDOUT, Json, console, progress, remark, table, write_json

EXAMPLE = (
    "Example: lobarena distill cmm --teacher results/teacher/teacher.safetensors --data catalogue  "
    "then: lobarena tournament --data catalogue --agents cmm:weights=results/distill-cmm-1a2b/student.safetensors,idle"
)
_CMM = "CMM"


def distill(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="cmm, a control (none, average) or kd, vid, ...")],
    teacher: Annotated[Path | None, typer.Option(metavar="FILE", help="Weights of lobarena teach.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="Its language model; that of `lobarena llm fetch` if not given.")
    ] = None,
    data: Annotated[str, typer.Option(help='Folder of a catalogue, or "training", the made-up days.')] = "training",
    contracts: Annotated[str, typer.Option(metavar="TEXT,...", help="Only these; all when empty.")] = "",
    train_days: Annotated[int, typer.Option(min=1, help="Of a contract, as in the tournament; all but the last.")] = 10
    ** 6,
    train_share: Annotated[float, typer.Option(help="Of a contract's only day, as in the tournament.")] = 0.6,
    seed: Annotated[int, typer.Option(min=0, help="Of every random stream.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Batches learnt from, the same for every method.")] = 1_000,
    every: Annotated[int, typer.Option(min=1, help="Batches between validations.")] = 100,
    rate: Annotated[float, typer.Option(help="Of learning.")] = 3e-3,
    width: Annotated[int, typer.Option(min=1, help="Of a student.")] = 16,
    blocks: Annotated[int, typer.Option(min=1, help="Of a student.")] = 2,
    students: Annotated[int, typer.Option(min=1, help="Of cmm and average; others have one as large.")] = 18,
    bins: Annotated[int, typer.Option(min=0, help="Of the methods that compare distributions.")] = 8,
    weight: Annotated[float | None, typer.Option(help="Of a method's loss; its paper's if not given.")] = None,
    layers: Annotated[int, typer.Option(min=1, help="Of the teacher, evenly spread.")] = 3,
    design: Annotated[str, typer.Option(help="cells or axes.", rich_help_panel=_CMM)] = "cells",
    groups: Annotated[int, typer.Option(min=1, help="Of layers.", rich_help_panel=_CMM)] = 3,
    by_task: Annotated[bool, typer.Option(help="Students of one task each.", rich_help_panel=_CMM)] = True,
    stretches: Annotated[int, typer.Option(min=1, max=3, help="Of regimes.", rich_help_panel=_CMM)] = 2,
    rank: Annotated[int, typer.Option(min=1, help="Directions a cell.", rich_help_panel=_CMM)] = 16,
    prune: Annotated[float, typer.Option(help="Least share of light of a cell.", rich_help_panel=_CMM)] = 0.1,
    random_q: Annotated[
        bool, typer.Option("--random-q", help="Ablation: directions drawn.", rich_help_panel=_CMM)
    ] = False,
    equal: Annotated[
        bool, typer.Option("--equal", help="Ablation: students count alike.", rich_help_panel=_CMM)
    ] = False,
    alpha: Annotated[float, typer.Option(min=0, help="Of features.", rich_help_panel=_CMM)] = 1.0,
    beta: Annotated[float, typer.Option(min=0, help="Of orthogonality.", rich_help_panel=_CMM)] = 0.1,
    eta: Annotated[float, typer.Option(min=0, help="Of reconstruction.", rich_help_panel=_CMM)] = 0.1,
    soft: Annotated[float, typer.Option(min=0, help="Of the teacher's forecast.", rich_help_panel=_CMM)] = 0.5,
    gate: Annotated[str, typer.Option(help="regime, empirical, learned or average.", rich_help_panel=_CMM)] = "regime",
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Named by the settings under results if not given.")
    ] = None,
    json: Json = None,
) -> None:
    """Distil a teacher into small students by one method; the best weights by validation R² stay.

    Ctrl-C is safe, and so is a kill: the same command goes on.
    """
    import torch

    from lobarena.agents.distill.cooperation import Shares
    from lobarena.agents.distill.design import Design
    from lobarena.agents.distill.mixture import Gate
    from lobarena.agents.distill.student import Size
    from lobarena.agents.distill.training import Schedule
    from lobarena.benchmarks.distilling import CMM, Plan, methods, of_courses
    from lobarena.benchmarks.distilling import distill as run
    from lobarena.benchmarks.forecast_days import courses
    from lobarena.cli_teach import played

    if method not in methods():
        raise typer.BadParameter(f"no method {method!r}; there are {', '.join(methods())}", param_hint="METHOD")
    try:
        plan = Plan(
            method,
            Size(students, width, blocks, 0 if method == CMM else bins),
            weight,
            Design(design, groups, by_task, stretches, rank, prune=prune, random=random_q, equal=equal),
            Shares(alpha, beta, eta, soft),
            Gate(gate, seed=seed),
            Schedule(steps=steps, every=every, rate=rate, seed=seed),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    torch.set_num_threads(1)  # the same numbers whatever machine, and small products gain nothing by more
    told, digest = _teacher(teacher, model, layers)
    names = [name for name in contracts.split(",") if name]
    identity = [asdict(plan), digest, layers, data, names, train_days, train_share]
    key = hashlib.sha256(jsonlib.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
    folder = out or Path("results") / f"distill-{method}-{key}"
    try:
        with progress(f"{method}: preparing the days") as advance:
            found = courses(data, names, train_days, train_share)
            listened = told(advance) if told else None
            done = run(plan, of_courses(found, listened, digest, _command()), folder, advance=advance)
    except KeyboardInterrupt:
        remark("stopped; the same command goes on")
        raise typer.Exit(INTERRUPTED) from None
    shown = console(stderr=json == STDOUT)
    if json:
        write_json(json, {"method": method, "weights": str(done.file), "history": done.history, "gate": done.gate})
    if json != STDOUT:
        for title, rows in ((f"{method}: R² on the validation part", done.history), ("the gate", done.gate)):
            if rows:
                columns = {name: name.removeprefix("validation/") for name in rows[-1]}
                table(
                    title,
                    columns,
                    [{name: f"{row[name]:.4g}" if name in row else "-" for name in columns} for row in rows],
                )
    agent = "cmm" if method == CMM else "student"
    use = f"lobarena tournament --agents {agent}:weights={done.file},foic,idle {played(data, train_days, train_share)}"
    shown.print(f"weights: {done.file}; use them: {use}", markup=False, soft_wrap=True)


def _command() -> str:
    import sys

    return shlex.join(["lobarena", *sys.argv[1:]])


def _teacher(file: Path | None, model: Path | None, layers: int) -> tuple[Any, str]:
    """(advance -> day -> what the teacher tells of it, digest of its weights); (None, "") without one."""
    if file is None:
        return None, ""
    from lobarena.agents.llm.fetch import fetched

    try:
        from lobarena.agents.teacher.trained import trained
        from lobarena.benchmarks.telling import telling
    except ImportError as error:
        raise ValueError(f"{error.name} is missing; pip install 'lobarena[llm]'") from error
    one = trained(file, model or fetched())
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    folder = Path("results") / "told"
    return lambda advance: telling(one, digest, layers, folder, advance), digest
