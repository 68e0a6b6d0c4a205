"""Real beside synthetic: `python -m lobarena.benchmarks.realism --real FOLDER` prints the table of docs/synthetic.md.

Both are cut into windows of five minutes, and these into terciles of volatility. Recorded is the part of a day that the
product's crowd is fitted to. Without a folder only the synthetic days are shown.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from lobarena.benchmarks.crowd_counts import TERCILES
from lobarena.benchmarks.crowd_days import SHARE
from lobarena.benchmarks.stylised import Measures, by_volatility, measure, windows_of
from lobarena.data.importers import read
from lobarena.data.recording import DataError, Recording
from lobarena.sim.synthetic import CODES, DAYS, embedded

RECORDED = {
    "RB": "shfe_2017/rb1805_20171113.csv.gz",
    "CU": "shfe_2017/cu1712_20171113.csv.gz",
    "AG": "shfe_2017/ag1806_20171113.csv.gz",
}
COLUMNS = {  # field of Measures -> heading, digits
    "spread": ("spread, ticks", 2),
    "one_tick": ("one tick, %", 1),
    "depth": ("lots at best", 0),
    "lots": ("lots/min", 0),
    "volatility_1s": ("vol 1 s", 3),
    "volatility_60s": ("vol 60 s", 3),
    "quiet": ("no trade, %", 1),
}


def real(folder: Path, code: str) -> list[Measures]:
    """Calm, normal and wild of what a product was fitted to, below `folder` (the one that holds futures/)."""
    days = [day for day in read(folder / "futures" / RECORDED[code], split=True) if isinstance(day, Recording)]
    windows = [rows for day in days for rows in windows_of(day.snapshots)]
    return [measure(part) for part in by_volatility(windows[: round(len(windows) * SHARE)])]


def synthetic(code: str, seed: int = 0) -> list[Measures]:
    """Calm, normal and wild of the embedded days of a product."""
    windows = [rows for day in embedded([code], DAYS, seed) for rows in windows_of(day.snapshots)]
    return [measure(part) for part in by_volatility(windows)]


def lines(folder: Path | None, seed: int = 0) -> Iterator[str]:
    """A Markdown table, a row a product and regime; each cell "real / synthetic" where there is a recording."""
    yield "| product, regime | " + " | ".join(heading for heading, _ in COLUMNS.values()) + " |"
    yield "|---" + "|---:" * len(COLUMNS) + "|"
    for code in CODES:
        made = synthetic(code, seed)
        known = real(folder, code) if folder and code in RECORDED else None
        for regime, name in enumerate(TERCILES):
            cells = [_cell(field, known[regime] if known else None, made[regime]) for field in COLUMNS]
            yield f"| {code} {name} | " + " | ".join(cells) + " |"


def _cell(field: str, known: Measures | None, made: Measures) -> str:
    heading, digits = COLUMNS[field]
    scale = 100 if "%" in heading else 1
    shown = [f"{scale * getattr(measures, field):,.{digits}f}" for measures in (known, made) if measures]
    return " / ".join(shown)


app = typer.Typer(add_completion=False)


@app.command(epilog="Example: python -m lobarena.benchmarks.realism --real ../shared/data")
def main(
    folder: Annotated[
        Path | None, typer.Option("--real", metavar="FOLDER", help="recordings to compare with; it holds futures/")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="of the synthetic days")] = 0,
) -> None:
    """Print spread, depth, volume and volatility of recorded and synthetic days, by regime."""
    try:
        for line in lines(folder, seed):  # as they come: a product takes seconds
            typer.echo(line)
    except DataError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


if __name__ == "__main__":
    app()
