"""`lobarena evaluate cmm`: the evidence about Cooperative Market Making, by one command from one config."""

from pathlib import Path
from typing import Annotated

import typer

from lobarena.terminal import INTERRUPTED, STDOUT, Json, console, progress, remark, write_json

EXAMPLE = "Example: lobarena evaluate cmm --config benchmarks/configs/evidence.toml --out results/evidence"
app = typer.Typer(help="Evidence about an agent.", no_args_is_help=True)


@app.command(epilog=EXAMPLE)
def cmm(
    config: Annotated[
        Path | None, typer.Option(metavar="TOML", help="The settings; those of the package if not given.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER")] = Path("results/evidence"),
    groups: Annotated[str, typer.Option(metavar="A,B,...", help="Of the settings; all if not given.")] = "",
    tables: Annotated[bool, typer.Option("--tables", help="Only write the tables of what is there.")] = False,
    json: Json = None,
) -> None:
    """Train every method and CMM on the same windows, choose rules on validation, play the test part once.

    Ctrl-C is safe, and so is a kill: the same command goes on. Ends in Markdown, Parquet and an HTML page.
    """
    import torch

    from lobarena.benchmarks.evidence import run
    from lobarena.benchmarks.evidence_config import CONFIGS, evidence
    from lobarena.benchmarks.evidence_page import write

    torch.set_num_threads(1)  # the same numbers whatever machine
    settings = evidence(config or CONFIGS / "evidence.toml")
    if chosen := [name.strip() for name in groups.split(",") if name.strip()]:
        settings = settings.only(chosen)
    if not tables:
        try:
            with progress("evidence: preparing") as advance:
                run(settings, out, advance)
        except KeyboardInterrupt:
            remark("stopped; the same command goes on")
            raise typer.Exit(INTERRUPTED) from None
    page, said = write(settings, out)
    if json:
        write_json(json, {"page": str(page), "digest": settings.digest(), "verdicts": said})
    if json != STDOUT:
        for one in said:
            console().print(one, markup=False, soft_wrap=True)
        console().print(f"page: {page}", markup=False, soft_wrap=True)
