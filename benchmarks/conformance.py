"""Is the simulator true to the record? `python -m lobarena.benchmarks.conformance sse | snapshots | lobster | fuzz`.

`sse` replays every order of an exchange's day through the matching engine, `snapshots` replays days of snapshots
without a seat, `lobster` makes the books of LOBSTER files out of their messages, `fuzz` plays random messages into the
engine and a plain reference book. The exit status is 0 when everything comes out as recorded, 1 otherwise, 2 for wrong
use.
"""

import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Is the simulator true to the record? Exit status 0 when everything comes out as recorded, 1 otherwise.",
    epilog="Example: python -m lobarena.benchmarks.conformance snapshots rb1805_20171113.csv.gz",
)
Json = Annotated[str, typer.Option("--json", metavar="FILE", help='Write the numbers here; "-" is stdout.')]
_STATUS = "replaying (kernels compile on first use, up to a minute)"
_BAR = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
_COUNTS = (
    "snapshots",
    "met",
    "moved",
    "unfilled",
    "unexplained_lots",
    "unexplained_turnover",
    "quarantined",
    "removed",
)


@app.command(epilog="Example: python -m lobarena.benchmarks.conformance sse 600519_20230201.zip --json orders.json")
def sse(
    record: Annotated[Path, typer.Argument(help="ZIP or folder with entrust.csv, trade.csv and snapshot.csv.")],
    symbol: Annotated[str | None, typer.Option(help="Which stock, where the files hold several.")] = None,
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y%m%d"], help="Trading day; a folder or file name tells it if left out."),
    ] = None,
    json_file: Json = "",
) -> None:
    """Replay every order of a Shanghai stock's day: auctions, trades, deletes and ten-level snapshots must come out."""
    from lobarena.benchmarks.conformance_orders import check_orders
    from lobarena.data.sse import read

    console = _console(json_file)
    try:
        with console.status(_STATUS):
            recording = read(record, day=day.date() if day else None, symbol=symbol)
            checks = check_orders(recording)
    except (ValueError, OSError) as error:
        _remark(error)
        raise typer.Exit(1) from error
    title = f"{recording.symbol} {recording.trading_day}: {len(recording.events):,} events of {recording.source}"
    table = _table(title, "check", "replayed", "recorded", "reproduced", "equal", "first difference")
    for check in checks:
        met = f"{check.met:,} of {check.total:,}"
        table.add_row(check.name, check.replayed, check.recorded, met, _yes(check.passed), _text(check.first))
    console.print(table)
    numbers = [asdict(check) | {"passed": check.passed} for check in checks]
    _finish(
        all(check.passed for check in checks),
        {"symbol": recording.symbol, "day": recording.trading_day.isoformat(), "checks": numbers},
        json_file,
    )


@app.command(epilog="Example: python -m lobarena.benchmarks.conformance snapshots catalogue/ rb1805_20171113.csv.gz")
def snapshots(
    files: Annotated[
        list[Path], typer.Argument(help="Files of any known layout, catalogue days or a catalogue folder.")
    ],
    json_file: Json = "",
) -> None:
    """Replay days of snapshots without a seat: every snapshot, volume and turnover must come out, nothing moved."""
    from lobarena.benchmarks.conformance_snapshots import Day, check_day, recordings

    console = _console(json_file)
    table = _table(
        "", "file", "symbol", "day", "reproduced", "moved", "unfilled", "unexplained", "quarantined", "removed", "equal"
    )
    days: list[Day] = []
    errors: dict[str, str] = {}
    with Progress(*_BAR, console=console, transient=True, disable=not console.is_terminal) as bar:
        for path in bar.track(files, description=_STATUS):
            if path.name.endswith(".quarantine.parquet"):  # beside a catalogue day, which reads it itself
                continue
            try:
                for recording in recordings(path):
                    days.append(check_day(recording))
            except (ValueError, OSError) as error:
                errors[str(path)] = str(error)
    for one in days:
        row = asdict(one)
        missed = f", first missed row {one.first_missed}" if one.first_missed else ""
        table.add_row(
            one.source, one.symbol, one.day, _of(row) + missed, *_cells(row, one.unexplained), _yes(one.passed)
        )
    total = {name: sum(int(getattr(one, name)) for one in days) for name in _COUNTS}
    passed = bool(days) and not errors and all(one.passed for one in days)
    open_ = f"{total['unexplained_lots']:,} lots, {total['unexplained_turnover']:,} tick x lot"
    table.add_section()
    table.add_row("total", "", f"{len(days)} days", _of(total), *_cells(total, open_), _yes(passed))
    console.print(table)
    for text in errors.values():
        _remark(text)
    rows = [asdict(one) | {"passed": one.passed} for one in days]
    _finish(passed, {"days": rows, "total": total, "errors": errors}, json_file)


@app.command(epilog="Example: python -m lobarena.benchmarks.conformance fuzz --messages 1000000 --seed 7")
def fuzz(
    messages: Annotated[int, typer.Option(min=1, help="How many random messages.")] = 1_000_000,
    seed: Annotated[int, typer.Option(min=0, help="Which ones: equal seeds give equal messages.")] = 0,
    json_file: Json = "",
) -> None:
    """Play random messages into the engine and into a plain reference book: all that comes of them must be equal."""
    from lobarena.benchmarks import conformance_fuzz

    console = _console(json_file)
    started = perf_counter()
    with Progress(*_BAR, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("playing (kernels compile on first use, up to a minute)", total=messages)
        report = conformance_fuzz.fuzz(messages, seed, lambda played: bar.update(task, completed=played))
    seconds, found = perf_counter() - started, report.difference
    table = _table(f"seed {seed}", "message", "outcome", "count")
    for kind, outcomes in report.counts.items():
        for outcome, count in outcomes.items():
            table.add_row(kind, outcome, f"{count:,}")
    console.print(table)
    console.print(f"{report.messages:,} messages, {report.fills:,} fills of {report.lots:,} lots in {seconds:,.1f} s")
    if found is None:
        console.print(f"all equal; SHA-256 {report.digest}", soft_wrap=True)
    else:
        _remark(f"seed {seed}, message {found.number}: {found.what} differs\n  {found.message}")
        _remark(f"engine:    {found.engine}")
        _remark(f"reference: {found.reference}")
        _remark(f"in an empty book of {found.book[0]:,} levels and {found.book[1]:,} slots, these messages show it:")
        for step in found.steps or ["(no short list was found)"]:
            _remark(f"  {step}")
    _finish(found is None, asdict(report) | {"seconds": round(seconds, 1)}, json_file)


@app.command(epilog="Example: python -m lobarena.benchmarks.conformance lobster AAPL_*_message_10.csv --json rows.json")
def lobster(
    files: Annotated[list[Path], typer.Argument(help="LOBSTER message files; their orderbook files beside them.")],
    json_file: Json = "",
) -> None:
    """Make each row of LOBSTER's books from the row before and its message, then replay whole days row by row."""
    from lobarena.benchmarks.conformance_events import Messages, check_messages

    console = _console(json_file)
    days: list[Messages] = []
    errors: dict[str, str] = {}
    with Progress(*_BAR, console=console, transient=True, disable=not console.is_terminal) as bar:
        for path in bar.track(files, description=_STATUS):
            try:
                days.append(check_messages(path))
            except (ValueError, OSError) as error:
                errors[str(path)] = str(error)
    headings = ("equal", "but for levels in sight", "differ", "whole day", "levels set", "unfilled", "makers", "passed")
    table = _table("each row from the row before it, then the whole day", "file", "rows", *headings)
    for one in days:
        differ = one.rows - one.equal - one.in_sight
        places = (
            f"{differ:,}" + (f", first {one.first}" if one.first else ""),
            f"{one.shown:,} of {one.replayed:,}" + (f", first missed {one.first_missed}" if one.first_missed else ""),
            f"{one.levels_set:,}" + (f", first row {one.first_set}" if one.first_set else ""),
        )
        counts = (f"{one.rows:,}", f"{one.equal:,}", f"{one.in_sight:,}")
        makers = f"{one.right_maker:,} of {one.executions:,}"
        table.add_row(_text(one.source), *counts, *places, f"{one.unfilled:,}", makers, _yes(one.passed))
    console.print(table)
    for text in errors.values():
        _remark(text)
    passed = bool(days) and not errors and all(one.passed for one in days)
    _finish(passed, {"files": [asdict(one) | {"passed": one.passed} for one in days], "errors": errors}, json_file)


def _of(row: dict[str, Any]) -> str:
    return f"{row['met']:,} of {row['snapshots']:,}"


def _cells(row: dict[str, Any], unexplained: str) -> list[str]:
    return [
        f"{row['moved']:,}",
        f"{row['unfilled']:,}",
        unexplained,
        f"{row['quarantined']:,}",
        f"{row['removed']:,}",
    ]


def _text(said: str, style: str = "") -> Text:
    """As it is: no markup, and no control character of a file's name or content reaches the terminal."""
    return Text("".join(char if char.isprintable() else repr(char)[1:-1] for char in said), style)


def _yes(passed: bool) -> str:
    return "yes" if passed else "NO"


def _table(title: str, *headings: str) -> Table:
    table = Table(title=_text(title) if title else None, title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _console(json_file: str) -> Console:
    """Where the table goes: stdout unless the numbers go there; wide enough when nobody watches."""
    console = Console(stderr=json_file == "-", highlight=False)
    if not console.is_terminal:
        console.width = 180
    return console


def _remark(error: object) -> None:
    Console(stderr=True, highlight=False).print(_text(f"conformance: {error}", "red"), soft_wrap=True)


def _finish(passed: bool, numbers: dict[str, Any], json_file: str) -> None:
    """Write the numbers where asked, and leave with 1 unless all came out."""
    text = json.dumps({"passed": passed, **numbers}, indent=2, ensure_ascii=False) + "\n"
    if json_file == "-":
        sys.stdout.write(text)
    elif json_file:
        Path(json_file).write_text(text, encoding="utf-8")
    if not passed:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
