"""`lobarena data fit` and `lobarena data crowd`: a living crowd fitted to recorded days, and days made by it."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from lobarena.terminal import STDOUT, Json, console, progress, table, write_json

FIT_EXAMPLE = "Example: lobarena data fit --data catalogue --contracts RB1901 --out rb.toml"
EXAMPLE = "Example: lobarena data crowd --fit rb.toml --days 5 --seed 1 --regimes wild --out made"

Minutes = Annotated[int, typer.Option(min=10, help="Made-up market minutes of each day that a trial is judged by.")]


def fit(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Catalogue of recorded days.")] = Path("catalogue"),
    contracts: Annotated[str, typer.Option(metavar="A,B,...", help="Which ones; all if not given.")] = "",
    out: Annotated[
        Path, typer.Option(metavar="TOML", help="The fit; a folder where there are several contracts.")
    ] = Path("fits"),
    trials: Annotated[int, typer.Option(min=1, help="Of the search.")] = 600,
    minutes: Minutes = 30,
    days: Annotated[int, typer.Option(min=1, help="Made-up days that a trial is judged by.")] = 2,
    start: Annotated[
        Path | None, typer.Option(metavar="TOML", help="A fit to begin near, in place of anywhere.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the search.")] = 0,
    share: Annotated[float, typer.Option(min=0.05, max=1, help="Of a contract's only day, to fit to.")] = 0.6,
    json: Json = None,
) -> None:
    """Fit a living crowd to recorded days of best quotes; the last day of several is left out, for the table."""
    from lobarena.benchmarks.crowd_counts import counted
    from lobarena.benchmarks.crowd_days import halves, symbols_of
    from lobarena.benchmarks.crowd_search import search
    from lobarena.sim.hawkes.fit import as_toml, branching_ratio, load

    chosen = [name.strip().upper() for name in contracts.split(",") if name.strip()] or symbols_of(data)
    begin = load(start) if start else None
    rows: list[dict[str, Any]] = []
    (out.parent if out.suffix == ".toml" else out).mkdir(parents=True, exist_ok=True)  # before the long search
    for symbol in chosen:
        parts = halves(data, symbol, share)
        source = f"{parts.train_text}; {trials} trials of simulated moments, {days} x {minutes} min, seed {seed}"
        source += f", from {begin.source.partition('; ')[2] or begin.source}" if begin else ""
        known = counted(parts.train, parts.contract, source)
        with progress(f"{symbol}: kernels compile on first use, a minute") as advance:
            found, distance = search(known, trials, seed, minutes, advance, days=days, start=begin)
        file = out if len(chosen) == 1 and out.suffix == ".toml" else out / f"{symbol.lower()}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(as_toml(found), encoding="utf-8")
        row = {"contract": symbol, "fitted to": parts.train_text, "windows": len(parts.train)}
        rows.append(
            row | {"distance": round(distance, 3), "branching": round(branching_ratio(found), 3), "file": str(file)}
        )
    if json:
        write_json(json, {"fits": rows})
    if json != STDOUT:
        table("fitted", {key: key for key in rows[0]}, rows)
        console().print(f"play against it: lobarena tournament --data crowd:{rows[-1]['file']}", soft_wrap=True)


def crowd(
    which: Annotated[
        str, typer.Option("--fit", metavar="CODE|TOML", help="Packaged fit or file; all packaged ones if not given.")
    ] = "",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Catalogue for the days.")] = Path("crowd"),
    days: Annotated[int, typer.Option(min=1, help="Weekdays, from 2024-01-03.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other days.")] = 0,
    minutes: Annotated[int | None, typer.Option(min=1, help="Of trading a day; the whole day if not given.")] = None,
    regimes: Annotated[str, typer.Option(metavar="A,B,...", help="Which ones days pass through.")] = "calm,normal,wild",
    live: Annotated[
        bool, typer.Option("--live", help="Days that answer to seats in play, in place of recordings of them.")
    ] = False,
    json: Json = None,
) -> None:
    """Make days of a living crowd and store them in a catalogue: as its venue would record them, or living."""
    from lobarena.data.catalogue import rows_of, write
    from lobarena.sim.hawkes.day import living_day, living_feed
    from lobarena.sim.hawkes.days import DAYS
    from lobarena.sim.hawkes.fit import load, packaged
    from lobarena.sim.hawkes.record import recorded

    known = packaged()
    named = [known[which.upper()]] if which.upper() in known else [load(which)] if which else list(known.values())
    turns = [name.strip() for name in regimes.split(",") if name.strip()]
    weekdays = [day for k in range(2 * days + 2) if (day := DAYS[0] + timedelta(k)).weekday() < 5][:days]
    rows: list[dict[str, Any]] = []
    with progress("kernels compile on first use, a minute") as advance:
        for one in named:
            for day in weekdays:
                try:
                    made = living_day(one, day, seed, minutes, turns)
                except ValueError as error:
                    raise typer.BadParameter(str(error)) from error
                stored = made if live else recorded(living_feed(made))
                row = {"contract": made.symbol, "day": day.isoformat(), "rows": len(rows_of(stored))}
                rows.append(row | {"file": str(write(out, stored))})
                advance(len(rows), len(named) * len(weekdays), f"{made.symbol} {day}")
    if json:
        write_json(json, {"days": rows})
    if json != STDOUT:
        table(f"made in {out}", {key: key for key in rows[0]}, rows)
