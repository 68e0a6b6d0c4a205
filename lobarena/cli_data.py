"""`lobarena data`: recordings of any layout checked, stored in a catalogue, listed, or made up."""

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lobarena.terminal import FAILED, STDOUT, WRONG, Json, progress, remark, table, write_json

if TYPE_CHECKING:
    from lobarena.data.catalogue import DayFile
    from lobarena.data.recording import EventRecording, Recording

app = typer.Typer(help="Import, check, list and make recorded days.", no_args_is_help=True)

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE", help="CSV (.gz, .zip), LOBSTER, DBN, hftbacktest .npz, Binance lines, SSE days."),
]
Catalogue = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the stored days.")]
ContractFile = Annotated[
    Path | None, typer.Option(metavar="TOML", help="A contract that is not built in; keys: lobarena.data.contracts.")
]
ColumnFile = Annotated[
    Path | None, typer.Option(metavar="TOML", help="Columns of another layout; keys: lobarena.data.columns.")
]
Day = Annotated[
    datetime | None,
    typer.Option(formats=["%Y%m%d"], metavar="YYYYMMDD", help="Trading day, for files that do not say it."),
]
Symbol = Annotated[str | None, typer.Option(help="Which contract, where a file holds several.")]

_DAYS = {"exchange": "exchange", "contract": "contract", "day": "day"}
_ROWS = {"rows_in": "rows in", "rows": "kept", "removed": "removed", "quarantined": "quarantined", "file": "file"}
_FINDINGS = {"contract": "contract", "day": "day", "kind": "finding", "count": "rows", "first_row": "first row"}
_FINDINGS |= {"action": "action", "explanation": "explanation"}
_STORED = {"rows": "rows", "quarantined": "quarantined", "source": "source"}


@app.command("import", epilog="Example: lobarena data import ticks/*.csv.gz --catalogue catalogue")
def import_(
    files: Files,
    catalogue: Catalogue = Path("catalogue"),
    contract: ContractFile = None,
    columns: ColumnFile = None,
    day: Day = None,
    symbol: Symbol = None,
    split: Annotated[
        bool, typer.Option("--split/--no-split", help="Files of several days or contracts become several.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse what is not merely noted.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a stored day that has other rows.")] = False,
    json: Json = None,
) -> None:
    """Store recordings in a catalogue, one file a trading day; a file that fails leaves the others alone."""
    from lobarena.data.catalogue import write

    read = _reader(contract, columns, day, symbol, split=split, strict=strict)
    rows: list[dict[str, Any]] = []

    def store(path: Path) -> None:
        for recording in read(path):
            rows.append(_about(path, recording) | {"stored": str(write(catalogue, recording, overwrite))})

    good = _each([(path.name, partial(store, path)) for path in files], "importing")
    _show(f"imported into {catalogue}", _DAYS | _ROWS, "days", rows, json)
    if not good:
        raise typer.Exit(WRONG)


@app.command(epilog="Example: lobarena data check ticks/rb1805_20171113.csv.gz --json findings.json")
def check(
    files: Files,
    contract: ContractFile = None,
    columns: ColumnFile = None,
    day: Day = None,
    symbol: Symbol = None,
    strict: Annotated[bool, typer.Option("--strict", help="Repaired rows fail the check as well.")] = False,
    json: Json = None,
) -> None:
    """Tell what is wrong with recordings and what import does about it; exit code 1 when rows must be kept apart."""
    from lobarena.data.recording import NOTED, QUARANTINED

    read = _reader(contract, columns, day, symbol, split=True)
    days: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []

    def look(path: Path) -> None:
        for recording in read(path):
            days.append(_about(path, recording))
            place = {key: days[-1][key] for key in ("file", "contract", "day")}
            for found in recording.findings:
                keys = ("kind", "count", "first_row", "action", "explanation")
                findings.append(place | {key: getattr(found, key) for key in keys})

    good = _each([(path.name, partial(look, path)) for path in files], "checking")
    passed = not any(row["action"] == QUARANTINED or (strict and row["action"] != NOTED) for row in findings)
    if json:
        write_json(json, {"passed": good and passed, "days": days, "findings": findings})
    if json != STDOUT:
        table("days", _DAYS | _ROWS, days)
        table("findings", _FINDINGS, findings)
    if not (good and passed):
        raise typer.Exit(FAILED if good else WRONG)


@app.command("list", epilog="Example: lobarena data list --catalogue catalogue --json -")
def list_(catalogue: Catalogue = Path("catalogue"), json: Json = None) -> None:
    """List the days of a catalogue."""
    from lobarena.data.catalogue import days

    rows: list[dict[str, Any]] = []

    def look(file: "DayFile") -> None:
        about = file.about
        row = {"exchange": file.exchange, "contract": file.symbol, "day": file.trading_day.isoformat()}
        rows.append(row | {key: about[key] for key in (*_STORED, "digest")} | {"file": str(file.path)})

    good = _each([(file.path.name, partial(look, file)) for file in days(catalogue)], "reading")
    _show(f"catalogue {catalogue}", _DAYS | _STORED, "days", rows, json)
    if not good:
        raise typer.Exit(WRONG)


@app.command(epilog="Example: lobarena data synth --out synthetic --codes RB,CU --days 5 --seed 1")
def synth(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Catalogue for the days.")] = Path("synthetic"),
    codes: Annotated[str, typer.Option(metavar="A,B,...", help="Products; all that can be made if not given.")] = "",
    days: Annotated[int, typer.Option(min=1, help="Weekdays of each, from 2024-01-03.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other days.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a stored day that has other rows.")] = False,
    json: Json = None,
) -> None:
    """Make up futures days of calm, normal and wild hours and store them in a catalogue."""
    from lobarena.data.catalogue import write
    from lobarena.sim.synthetic import CODES, DAYS, synthetic_day

    chosen = [code.strip().upper() for code in codes.split(",")] if codes else list(CODES)
    if unknown := [code for code in chosen if code not in CODES]:
        raise typer.BadParameter(f"no synthetic days of {unknown[0]!r}; choose among {', '.join(CODES)}")
    weekdays = [day for k in range(2 * days + 2) if (day := DAYS[0] + timedelta(k)).weekday() < 5][:days]
    rows: list[dict[str, Any]] = []

    def make(code: str, day: date) -> None:
        recording = synthetic_day(code, day, seed)
        rows.append(_about(write(out, recording, overwrite), recording))

    good = _each([(f"{code} {day}", partial(make, code, day)) for code in chosen for day in weekdays], "making")
    _show(f"made in {out}", _DAYS | _ROWS, "days", rows, json)
    if not good:
        raise typer.Exit(WRONG)


def _reader(
    contract: Path | None,
    columns: Path | None,
    day: datetime | None,
    symbol: str | None,
    *,
    split: bool,
    strict: bool = False,
) -> Callable[[Path], list["Recording | EventRecording"]]:
    """`importers.read` with what the options say."""
    from lobarena.data.contracts import load_contract
    from lobarena.data.importers import read
    from lobarena.data.recording import DataError

    try:
        spec = load_contract(contract) if contract else None
    except ValueError as error:
        raise DataError(str(error)) from error
    trading_day: date | None = day.date() if day else None
    return lambda path: read(
        path, contract=spec, columns=columns, day=trading_day, symbol=symbol, split=split, strict=strict
    )


def _about(path: Path, recording: "Recording | EventRecording") -> dict[str, Any]:
    from lobarena.data.catalogue import rows_of

    return {
        "file": str(path),
        "exchange": recording.exchange,
        "contract": recording.symbol,
        "day": recording.trading_day.isoformat(),
        "rows_in": recording.rows_in,
        "rows": len(rows_of(recording)),
        "removed": sum(found.removed for found in recording.findings),
        "quarantined": recording.quarantined,
    }


def _each(jobs: Sequence[tuple[str, Callable[[], None]]], doing: str) -> bool:
    """Do named jobs one by one behind a bar; what fails is told at the end. Whether all went well."""
    from lobarena.data.recording import DataError

    failures = []
    with progress(doing) as advance:
        advance(0, len(jobs), doing)
        for done, (name, work) in enumerate(jobs, 1):
            try:
                work()
            except DataError as error:
                failures.append(_with_options(str(error)))
            advance(done, len(jobs), f"{doing} {name}")
    for failure in failures:
        remark(f"lobarena: {failure}", "red")
    return not failures


def _with_options(message: str) -> str:
    """The message with the options that stand for the arguments it names."""
    named = dict.fromkeys(re.findall(r"\b(contract|columns|day|symbol|split|overwrite)=", message))
    return message + (f" (here: {', '.join(f'--{name}' for name in named)})" if named else "")


def _show(title: str, columns: dict[str, str], key: str, rows: Sequence[dict[str, Any]], json: str | None) -> None:
    if json:
        write_json(json, {key: list(rows)})
    if json != STDOUT:
        table(title, columns, rows)
