"""The command line: `lobarena tournament | report | data | agents | version`.

Commands import what they need when they run, so that help and version answer at once.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lobarena import __version__, cli_data, cli_tournament
from lobarena.terminal import STDOUT, console, remark, table, write_json

FAILED, WRONG, INTERRUPTED = 1, 2, 130  # exit codes

app = typer.Typer(
    name="lobarena",
    help="Market makers of every kind compete in one limit order book, on replayed futures ticks.",
    epilog="Exit codes: 0 done; 1 a check failed; 2 wrong use, settings or data (the message says what to change); "
    "130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_data.app, name="data")
app.command(
    epilog="Examples: lobarena tournament --agents foic,glft --episode-minutes 5 | "
    "lobarena tournament --data catalogue --contracts RB1901 --decision-latency measured"
)(cli_tournament.tournament)

Json = Annotated[str | None, typer.Option("--json", metavar="FILE", help='Write the numbers too; "-" is stdout.')]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code; errors that name their own fix are told without a traceback."""
    try:
        app(None if arguments is None else list(arguments), prog_name="lobarena")
    except Exception as error:
        if not _explains_itself(error):
            raise
        remark(f"lobarena: {error}", "red")
        sys.exit(WRONG)


def _explains_itself(error: Exception) -> bool:
    from lobarena.benchmarks.config import ConfigError
    from lobarena.benchmarks.manifest import ResultsError
    from lobarena.benchmarks.tournament import WorkerDied
    from lobarena.data.recording import DataError

    return isinstance(error, ConfigError | DataError | ResultsError | WorkerDied | OSError)


@app.command(epilog="Example: lobarena report results/tournament-1a2b3c4d --json -")
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Results folder, finished or not.")],
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="The page; RUN/report.html if not given.")] = None,
    episode: Annotated[int | None, typer.Option(help="Draw the quotes of this episode; the liveliest if none.")] = None,
    json: Json = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Report a results folder in the terminal and as one HTML file; nothing is rerun."""
    show_report(run, html or run / "report.html", episode=episode, json=json)
    if open_:
        typer.launch((html or run / "report.html").resolve().as_uri())


@app.command(epilog="Example: lobarena agents --json agents.json")
def agents(json: Json = None) -> None:
    """List the agents that can be named in --agents, with their parameters and defaults."""
    from lobarena.agents.table import describe

    rows = [
        {"name": name, "class": where, "about": about, "parameters": parameters}
        for name, where, about, parameters in describe()
    ]
    if json:
        write_json(json, {"agents": rows})
    if json != STDOUT:
        shown = [row | {"parameters": ", ".join(f"{k}={v}" for k, v in row["parameters"].items())} for row in rows]
        table("agents", {"name": "name", "about": "what it is", "parameters": "parameters"}, shown)


@app.command()
def version() -> None:
    """Print the version."""
    console().print(f"lobarena {__version__}")
