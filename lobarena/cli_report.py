"""`lobarena report`: a results folder in the terminal, as a page, as JSON."""

from pathlib import Path
from typing import Annotated

import typer

from lobarena.terminal import STDOUT, Json, console, write_json

EXAMPLE = "Example: lobarena report results/tournament-1a2b3c4d --json numbers.json --open"


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Results folder, finished or not.")],
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="The page; RUN/report.html if not given.")] = None,
    episode: Annotated[int | None, typer.Option(help="Draw the quotes of this one; the liveliest if none.")] = None,
    json: Json = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Report a results folder in the terminal and as one HTML file; nothing is rerun."""
    page = show(run, html or run / "report.html", episode=episode, json=json)
    if open_:
        typer.launch(page.resolve().as_uri())


def show(run: Path, page: Path, *, episode: int | None = None, json: str | None = None) -> Path:
    """Print the tables of a results folder, write its page and JSON; the last line says where the page lies."""
    from lobarena.benchmarks import report as reports
    from lobarena.benchmarks.results import read

    results = read(run)
    if json:
        write_json(json, reports.as_json(results))
    if json != STDOUT:
        reports.terminal(results, console())
    reports.html(results, page, episode)
    console(stderr=json == STDOUT).print(f"report: {page}", markup=False, soft_wrap=True)
    return page
