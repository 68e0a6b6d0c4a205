"""The command line: `lobarena tournament`, `stress`, `train`, `teach`, `distill`, `evaluate`, `probe`, `llm` and more.

Commands import what they need when they run, so that help and version answer at once.
"""

import sys
from collections.abc import Sequence
from typing import Any

import typer

from lobarena import (
    __version__,
    cli_crowd,
    cli_data,
    cli_distill,
    cli_evaluate,
    cli_explain,
    cli_export,
    cli_lint,
    cli_llm,
    cli_probe,
    cli_report,
    cli_stress,
    cli_teach,
    cli_tournament,
    cli_train,
)
from lobarena.terminal import STDOUT, WRONG, Json, console, remark, table, write_json

app = typer.Typer(
    name="lobarena",
    help="Market makers of every kind compete in one limit order book, on replayed futures ticks.",
    epilog="Exit codes: 0 done; 1 a check failed; 2 wrong use, settings or data (the message says what to change); "
    "130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(epilog=cli_tournament.EXAMPLE)(cli_tournament.tournament)
app.command(epilog=cli_stress.EXAMPLE)(cli_stress.stress)
app.command(epilog=cli_report.EXAMPLE)(cli_report.report)
app.command(epilog=cli_explain.EXAMPLE)(cli_explain.explain)
app.command(epilog=cli_train.EXAMPLE)(cli_train.train)
app.command(epilog=cli_train.TUNE_EXAMPLE)(cli_train.tune)
app.command(epilog=cli_teach.EXAMPLE)(cli_teach.teach)
app.command(epilog=cli_distill.EXAMPLE)(cli_distill.distill)
app.command(epilog=cli_export.EXAMPLE)(cli_export.export)
app.command(epilog=cli_probe.EXAMPLE)(cli_probe.features)
app.command(epilog=cli_probe.PROBE_EXAMPLE)(cli_probe.probe)
app.command(epilog=cli_lint.EXAMPLE)(cli_lint.lint)
cli_data.app.command(epilog=cli_crowd.FIT_EXAMPLE)(cli_crowd.fit)
cli_data.app.command(epilog=cli_crowd.EXAMPLE)(cli_crowd.crowd)
app.add_typer(cli_evaluate.app, name="evaluate")
app.add_typer(cli_data.app, name="data")
app.add_typer(cli_llm.app, name="llm")


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
    from lobarena.agents.learner import TrainingError
    from lobarena.agents.llm.answer import LlmError
    from lobarena.agents.teacher.shard import StoreError
    from lobarena.agents.weight_file import WeightsError
    from lobarena.benchmarks.config import ConfigError
    from lobarena.benchmarks.manifest import ResultsError
    from lobarena.data.recording import DataError

    known = ConfigError | DataError | LlmError | ResultsError | StoreError | TrainingError | WeightsError | OSError
    return isinstance(error, known)


@app.command(epilog="Example: lobarena agents --json agents.json")
def agents(json: Json = None) -> None:
    """List the agents that --agents may name, with their parameters and defaults."""
    from lobarena.agents.table import describe

    rows: list[dict[str, Any]] = [
        {"name": name, "class": where, "about": about, "parameters": {k: _plain(v) for k, v in parameters.items()}}
        for name, where, about, parameters in describe()
    ]
    if json:
        write_json(json, {"agents": rows})
    if json != STDOUT:
        shown = [row | {"parameters": ", ".join(f"{k}={v}" for k, v in row["parameters"].items())} for row in rows]
        table("agents", {"name": "name", "about": "what it is", "parameters": "parameters"}, shown)


def _plain(value: Any) -> Any:
    """A default as JSON can hold it; a parameter without one, or of another type, as text."""
    return value if isinstance(value, int | float | str) else str(value)


@app.command(epilog="Example: lobarena version")
def version() -> None:
    """Print the version."""
    console().print(f"lobarena {__version__}")
