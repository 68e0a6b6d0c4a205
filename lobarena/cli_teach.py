"""`lobarena teach`: a language model learns to read the numbers of a market."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from lobarena.terminal import INTERRUPTED, STDOUT, Json, console, progress, remark, table, write_json

EXAMPLE = (
    "Example: lobarena teach --data catalogue --contracts IF2101,RB1901  "
    "then: lobarena tournament --data catalogue --agents tuned-llm:weights=results/teacher/teacher.safetensors,idle"
)


def teach(
    data: Annotated[str, typer.Option(help='Folder of a catalogue, or "training", the made-up days.')] = "training",
    contracts: Annotated[str, typer.Option(metavar="TEXT,...", help="Only these; all when empty.")] = "",
    model: Annotated[
        Path | None, typer.Option(help="GGUF or folder; that of `lobarena llm fetch` if not given.")
    ] = None,
    layers: Annotated[int, typer.Option(min=0, help="First layers that are used; 0 is all.")] = 12,
    weights: Annotated[
        str, typer.Option(help="pretrained, or random: the control with the same budget.")
    ] = "pretrained",
    lora: Annotated[int, typer.Option(min=0, help="Rank of low-rank additions; 0 is none.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Batches of chunks learnt from.")] = 750,
    every: Annotated[int, typer.Option(min=1, help="Batches between validations.")] = 150,
    train_days: Annotated[int, typer.Option(min=1, help="Of a contract, as in the tournament; all but the last.")] = 10
    ** 6,
    train_share: Annotated[float, typer.Option(help="Of a contract's only day, as in the tournament.")] = 0.6,
    seed: Annotated[int, typer.Option(min=0, help="Of every random stream.")] = 0,
    out: Annotated[Path, typer.Option(metavar="FOLDER")] = Path("results/teacher"),
    json: Json = None,
) -> None:
    """Train a language model's read-out, norms and embedding of numbers on recorded days; the best by validation stays.

    Ctrl-C is safe, and so is a kill: the same command goes on.
    """
    from lobarena.agents.llm.fetch import fetched

    try:
        from lobarena.agents.llm.local import digest
        from lobarena.agents.teacher.trained import Build
        from lobarena.agents.teacher.training import Schedule
        from lobarena.benchmarks.forecast_days import courses
        from lobarena.benchmarks.teaching import teach as run
    except ImportError as error:
        raise ValueError(f"{error.name} is missing; pip install 'lobarena[llm]'") from error
    path = model or fetched()
    build = Build(digest(path), layers, weights, lora, seed)
    words = [
        "lobarena",
        "teach",
        "--data",
        data,
        "--contracts",
        contracts,
        "--layers",
        str(layers),
        "--lora",
        str(lora),
    ]
    words += ["--weights", weights, "--steps", str(steps), "--every", str(every), "--seed", str(seed)]
    try:
        with progress("teacher: preparing the days") as advance:
            found = courses(data, [name for name in contracts.split(",") if name], train_days, train_share)
            schedule = Schedule(steps=steps, every=every, seed=seed)
            file, history = run(found, build, path, schedule, out, shlex.join(words), advance)
    except KeyboardInterrupt:
        remark("stopped; the same command goes on")
        raise typer.Exit(INTERRUPTED) from None
    shown = console(stderr=json == STDOUT)
    if json:
        write_json(json, {"weights": str(file), "history": history})
    if json != STDOUT:
        columns = {key: key.removeprefix("validation/") for key in history[0]}
        table("R² on the validation part", columns, [{k: f"{v:.4g}" for k, v in row.items()} for row in history])
    use = f"lobarena tournament --agents tuned-llm:weights={file},foic,idle {played(data, train_days, train_share)}"
    shown.print(f"weights: {file}; use them: {use}", markup=False, soft_wrap=True)


def played(data: str, train_days: int, train_share: float) -> str:
    """The options by which a tournament plays only what was not learnt from."""
    if data == "training":  # the embedded days come after them
        return "--train-days 1"
    return f"--data {data} --train-days {train_days} --train-share {train_share}"
