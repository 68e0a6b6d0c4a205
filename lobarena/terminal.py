"""What the commands say: results on stdout, progress and remarks on stderr, the same numbers as JSON."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

Advance = Callable[[int, int, str], None]

FAILED, WRONG, INTERRUPTED = 1, 2, 130  # exit codes: a check failed; wrong use, settings or data; Ctrl-C

STDOUT = "-"  # the FILE of --json that means standard output
Json = Annotated[str | None, typer.Option("--json", metavar="FILE", help='Write the numbers here; "-" is stdout.')]
_WIDE = 160  # columns of a table that goes to a file or a pipe


def console(*, stderr: bool = False) -> Console:
    """A console on stdout or stderr; wide enough for tables when nobody watches."""
    made = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _WIDE
    return made


def remark(text: str, style: str = "") -> None:
    """One message on stderr, as it is."""
    Console(stderr=True, highlight=False).print(Text(plain(text), style), soft_wrap=True)


def plain(text: str) -> str:
    """The text with control characters spelled out: file names and headers must not steer the terminal."""
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)


def table(title: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], *, stderr: bool = False) -> None:
    """Print rows, if any, under the headings of `columns` (key -> heading); whole numbers to the right."""
    from rich.table import Table

    if not rows:
        return
    shown = Table(title=Text(plain(title)), title_justify="left")
    for key, heading in columns.items():
        numeric = all(isinstance(row[key], int) for row in rows)
        shown.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        cells = (row[key] for key in columns)
        shown.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else plain(str(cell))) for cell in cells))
    console(stderr=stderr).print(shown)


def write_json(target: str, content: Any) -> None:
    """Write the numbers of a table to a file, or to stdout when the target is "-"."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    if target == STDOUT:
        print(text)
    else:
        Path(target).write_text(text + "\n", encoding="utf-8")


@contextmanager
def progress(waiting: str) -> Iterator[Advance]:
    """A bar with the time left, on stderr; the callback takes (done, in all, what was done).

    waiting : what is said until the first call
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left", markup=False),
        TimeRemainingColumn(),
    )
    where = console(stderr=True)
    with Progress(*columns, console=where, transient=True, disable=not where.is_terminal) as bar:
        task = bar.add_task(waiting, total=None)
        begun = False

        def advance(done: int, total: int, what: str) -> None:
            nonlocal task, begun
            if not begun:  # a task of its own, so that what was done before counts for no speed
                bar.remove_task(task)
                task, begun = bar.add_task(waiting, total=total, completed=done), True
            bar.update(task, completed=done, description=plain(what) or waiting)

        yield advance
