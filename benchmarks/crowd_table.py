"""Real beside made up: `python -m lobarena.benchmarks.crowd_table --data CATALOGUE` prints the tables of docs/crowd.md.

The recorded part is the one that the fit has not seen (`crowd_days`); the made-up one has days of other seeds than the
search had. Intervals: 95 %, of 999 draws of five-minute windows with replacement, both sides drawn.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from lobarena.benchmarks.crowd_days import SHARE, Halves, halves, spans
from lobarena.benchmarks.crowd_facts import PASSIVE, Facts, edges_of, facts_of
from lobarena.benchmarks.crowd_passive import fills_of
from lobarena.benchmarks.stylised import windows_of
from lobarena.data.recording import DataError, Recording
from lobarena.sim.hawkes.day import living_day, living_feed
from lobarena.sim.hawkes.fit import Fit, load, packaged
from lobarena.sim.hawkes.record import recorded
from lobarena.sim.random import generator

CONTRACTS = "RB1805,CU1712,AG1806,IF2101"
FIRST_SEED, DAYS = 1_000, 2
RESAMPLES, LOW, HIGH = 999, 0.025, 0.975
NEAR = (0.8, 1.25)  # ratios that need no words


def compared(
    parts: Halves, fit: Fit, days: int = DAYS, seed: int = FIRST_SEED
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(fact, (1 + RESAMPLES,) recorded, likewise made up); the first number is the fact itself."""
    if not parts.test:
        raise DataError(f"{parts.test_text}: no window is left to compare with; fit to a smaller share")
    edges, usual = (
        edges_of(parts.test),
        float(np.median(np.concatenate([rows["bid_size"][:, 0] for rows in parts.test]))),
    )
    real = facts_of(parts.test, edges)
    real.sums.update(fills_of(parts.recording, spans(parts.test), usual))
    pieces = [_made(fit, day, seed + k, edges, usual) for k, day in enumerate(_weekdays(days))]
    made = Facts({name: np.concatenate([piece.sums[name] for piece in pieces]) for name in real.sums})
    told = [
        facts.told(_weights(facts.windows, parts.contract.code, what))
        for what, facts in (("real", real), ("made", made))
    ]
    return [(name, told[0][name], told[1][name]) for name in told[0]]


def _made(fit: Fit, day: date, seed: int, edges: tuple[int, int], usual: float) -> Facts:
    recording: Recording = recorded(living_feed(living_day(fit, day, seed)))
    windows = windows_of(recording.snapshots)
    facts = facts_of(windows, edges)
    facts.sums.update(fills_of(recording, spans(windows), usual))
    return facts


def _weights(windows: int, code: str, what: str) -> np.ndarray:
    """(1 + RESAMPLES, w): each window once, then how often each was drawn."""
    drawn = generator(0, "crowd table", code, what).multinomial(windows, np.full(windows, 1 / windows), RESAMPLES)
    return np.concatenate([np.ones((1, windows)), drawn])


def _weekdays(count: int) -> list[date]:
    every = (date(2024, 2, 1) + timedelta(k) for k in range(2 * count + 4))
    return [day for day in every if day.weekday() < 5][:count]


def lines(root: Path, symbol: str, fit: Fit, days: int, seed: int, share: float) -> Iterator[str]:
    """A contract's table in Markdown; a star where the interval of made up over held out leaves 0.8 to 1.25."""
    parts = halves(root, symbol, share)
    rows = compared(parts, fit, days, seed)
    seen = facts_of(parts.train, edges_of(parts.test)).told()
    yield f"### {symbol}\n"
    yield f"Held out: {parts.test_text}, {len(parts.test)} windows. Made up: {days} days. Fitted to {fit.source}.\n"
    yield "| fact | fitted to | held out | made up | made up / held out | 95 % | | made up / fitted to |"
    yield "|---|---:|---:|---:|---:|---:|---|---:|"
    near = np.zeros(2, np.int64)
    for name, real, made in rows:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = made / real
            known = float(seen[name][0]) if name in seen else np.nan
            other = float(made[0] / known)
        spread = ratio[1:][np.isfinite(ratio[1:])]
        low, high = np.quantile(spread, [LOW, HIGH]) if len(spread) else (np.nan, np.nan)
        near += [NEAR[0] <= one <= NEAR[1] for one in (ratio[0], other)]
        mark = "*" if high < NEAR[0] or low > NEAR[1] else ""
        cells = [name, *map(_number, (known, real[0], made[0])), f"{ratio[0]:.2f}", f"{low:.2f} to {high:.2f}", mark]
        yield "| " + " | ".join([*cells, f"{other:.2f}" if np.isfinite(other) else ""]) + " |"
    fitted = len(rows) - len(PASSIVE)
    counts = f"{near[0]} of {len(rows)} against held out, {near[1]} of {fitted} against fitted to"
    yield f"\nRatios of {NEAR[0]} to {NEAR[1]}: {counts}.\n"


def _number(value: float) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"


app = typer.Typer(add_completion=False)


@app.command(
    epilog="Example: python -m lobarena.benchmarks.crowd_table --data catalogue --contracts RB1901 --fit rb.toml"
)
def main(
    data: Annotated[Path, typer.Option(metavar="DIR", help="catalogue of recorded days")] = Path("catalogue"),
    contracts: Annotated[str, typer.Option(metavar="A,B,...", help="which ones")] = CONTRACTS,
    fit: Annotated[Path | None, typer.Option(metavar="TOML", help="fit; the packaged ones if not given")] = None,
    days: Annotated[int, typer.Option(min=1, help="made-up days a contract")] = DAYS,
    seed: Annotated[int, typer.Option(min=0, help="of the first of them")] = FIRST_SEED,
    share: Annotated[float, typer.Option(min=0.05, max=1, help="of an only day, as `data fit` was told")] = SHARE,
) -> None:
    """Print the stylised facts of recorded days, of days made by the crowd fitted to others, and their ratios."""
    known = packaged()
    try:
        for symbol in (name.strip().upper() for name in contracts.split(",")):
            code = halves(data, symbol, share).contract.code
            chosen = load(fit) if fit else known.get(code)
            if chosen is None:
                raise DataError(f"no fit of {code} is packaged; make one by `lobarena data fit` and give it as --fit")
            for line in lines(data, symbol, chosen, days, seed, share):
                typer.echo(line)
    except DataError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


if __name__ == "__main__":
    app()
