"""How fast it is here: `python -m lobarena.benchmarks.speed`. Equality is checked before anything is timed.

A reference is measured in the same run on the same machine. Medians of at least seven runs.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lobarena.benchmarks import crowd_speed, deciding, environments, measures, starts
from lobarena.benchmarks.manifest import commit, machine, versions
from lobarena.benchmarks.measures import Row, Terms
from lobarena.benchmarks.peers import NoPeerError

ROWS: dict[str, Callable[[Terms], Row]] = {
    "book.stream": measures.book_stream,
    "replay.level_quoter": measures.level_quoter,
    "replay.snapshots": measures.replay_snapshots,
    "infer.snapshots": measures.infer_snapshots,
    "episode.quoter_day": measures.quoter_day,
    "data.import": measures.data_import,
    "data.read": measures.data_read,
    "start.first_step": starts.first_step,
    "start.cold": starts.cold,
    "memory.replay": starts.memory,
    "env.single": environments.single,
    "env.vector8": environments.vector(8),
    "env.vector1024": environments.vector(1_024),
    "env.seats8": environments.seats8,
    "crowd.realtime": crowd_speed.realtime,
    "agent.cmm.p50": deciding.p50,
    "agent.cmm.p99": deciding.p99,
    "agent.cmm.vs_llm": deciding.vs_llm,
}
COLUMNS = ("name", "here", "unit", "measured on", "reference", "ratio")

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: python -m lobarena.benchmarks.speed --peers --python peers/bin/python")
def main(
    only: Annotated[list[str] | None, typer.Option(help=f"one of {', '.join(ROWS)}; may be repeated")] = None,
    peers: Annotated[
        bool, typer.Option("--peers", help="run the peers that are installed here too: a C compiler, hftbacktest")
    ] = False,
    python: Annotated[str, typer.Option(metavar="PATH", help="interpreter that has the peers, if another")] = "",
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="recordings to measure on; LOBARENA_DATA, or ../shared/data if it is there", exists=True
        ),
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="timings of which the median is taken")] = 7,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="write the table there as Markdown")] = None,
    json_file: Annotated[str, typer.Option("--json", help="write the rows there; - is the screen")] = "",
) -> None:
    """Measure the engine, the replay, the data, the environment and CMM on this machine, beside their peers."""
    for name in only or ():
        if name not in ROWS:
            near = get_close_matches(name, ROWS, 1, 0.0)[0]
            typer.echo(f"no measurement {name!r}; did you mean {near!r}? Known: {', '.join(ROWS)}", err=True)
            raise typer.Exit(2)
    terms = Terms(runs, data or _recordings(), peers, python)
    console = Console(stderr=json_file == "-", highlight=False)
    if not console.is_terminal:
        console.width = 180
    rows: list[Row] = []
    left_out: dict[str, str] = {}
    for name in only or ROWS:
        with console.status(f"measuring {name} (kernels compile on first use, up to a minute)"):
            try:
                rows.append(ROWS[name](terms))
            except NoPeerError as error:
                left_out[name] = str(error)
    table = Table(*COLUMNS, title=f"medians of {runs} runs")
    for row in rows:
        table.add_row(*cells(row))
    console.print(table)
    for name, why in left_out.items():
        Console(stderr=True, highlight=False).print(f"{name}: {why}")
    if markdown:
        markdown.write_text(as_markdown(rows, runs), encoding="utf-8")
    if json_file:
        lines = [asdict(row) | {"ratio": row.ratio} for row in rows]
        about = {"runs": runs, "machine": machine(), "versions": versions(), "commit": commit(), "left_out": left_out}
        text = json.dumps({"rows": lines} | about, indent=2) + "\n"
        if json_file == "-":
            sys.stdout.write(text)
        else:
            Path(json_file).write_text(text, encoding="utf-8")


def _recordings() -> Path | None:
    named = os.environ.get("LOBARENA_DATA")
    folder = Path(named) if named else Path("../shared/data")
    return folder if folder.is_dir() else None


def cells(row: Row) -> tuple[str, ...]:
    """A row as text."""
    reference = f"{_number(row.reference)} ({row.against})" if row.reference else ""
    return row.name, _number(row.value), row.unit, row.what, reference, f"{row.ratio:.3f}" if row.ratio else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def as_markdown(rows: list[Row], runs: int) -> str:
    """The table with what it was measured on and by."""
    here, known = machine(), versions()
    head = f"Medians of {runs} runs on {here['processor']}, {here['cores']} cores, {here['system']}; "
    head += ", ".join(f"{name} {version}" for name, version in known.items() if name in ("python", "numpy", "numba"))
    head += f"; commit {commit() or 'unknown'}.\n\n"
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|---:|---|---|---|---:|"]
    lines += ["| " + " | ".join(part.replace("|", "\\|") for part in cells(row)) + " |" for row in rows]
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    app()
