"""How fast it is here: `python -m lobarena.benchmarks.speed`. Equality is checked before anything is timed.

Rows of name, value, unit, reference, ratio. A reference is measured in the same run on the same machine: for the
environment it is gymnasium's own floor (an environment that does nothing). Medians of at least seven runs.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import gymnasium
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from lobarena.benchmarks.manifest import machine, versions
from lobarena.benchmarks.stream import CHECKSUM, ids_for, match, replay, stream
from lobarena.sim.book import new_book

RUNS = 7


def _median(work: Callable[[], float], runs: int = RUNS) -> float:
    """Median of `runs` timings after one that does not count."""
    work()
    return statistics.median(work() for _ in range(runs))


def _timed(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def book_stream() -> tuple[float, str, float | None, str]:
    """Messages a second of the full engine on the published stream."""
    messages = stream()
    found = replay(messages)
    if found != CHECKSUM:
        raise AssertionError(f"the published stream gives {found}, expected {CHECKSUM}")

    def once() -> float:
        book, ids = new_book(), ids_for(messages)
        return _timed(lambda: match(book, messages, ids))

    return len(messages) / _median(once), "messages/s", None, ""


def _day() -> Any:
    from lobarena.data.catalogue import days, read_day
    from lobarena.sim.synthetic import embedded_root

    return read_day(days(embedded_root())[0])


def replay_snapshots() -> tuple[float, str, float | None, str]:
    """Snapshots a second of zero-seat replay of one day, inference of its events not counted."""
    from lobarena.sim.feed import snapshot_feed
    from lobarena.sim.market import Market

    market = Market(snapshot_feed(_day()))
    market.run()
    if market.venue[0]["met"] != market.venue[0]["shots"]:
        raise AssertionError("the replay does not reproduce its snapshots")

    def once() -> float:
        market.start([], 0, 2**62)
        return _timed(market.run)

    return len(market.feed.snapshots) / _median(once), "snapshots/s", None, ""


def infer_snapshots() -> tuple[float, str, float | None, str]:
    """Snapshots a second of turning a day's snapshots into events."""
    from lobarena.sim.feed import snapshot_feed

    day = _day()
    return len(day.snapshots) / _median(lambda: _timed(lambda: snapshot_feed(day))), "snapshots/s", None, ""


class _Nothing(gymnasium.Env[np.ndarray, np.int64]):
    """The floor: what any environment of this shape costs through gymnasium."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (30,), np.float32)
    action_space = gymnasium.spaces.Discrete(10)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(30, np.float32), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        return np.zeros(30, np.float32), 0.0, False, False, {}


def env_single() -> tuple[float, str, float | None, str]:
    """Steps a second of one environment through gymnasium.make, resets counted."""
    import lobarena.sim  # noqa: F401 - registers the environment

    env = gymnasium.make("lobarena/MarketMaking-v0")
    if "lobarena/Nothing-v0" not in gymnasium.registry:
        gymnasium.register("lobarena/Nothing-v0", "lobarena.benchmarks.speed:_Nothing")
    floor = gymnasium.make("lobarena/Nothing-v0")

    def steps(which: gymnasium.Env[Any, Any], count: int = 5_000) -> float:
        which.reset(seed=0)
        begin = time.perf_counter()
        for step in range(count):
            *_, over, _, _ = which.step(np.int64(step % 10))
            if over:
                which.reset()
        return (time.perf_counter() - begin) / count

    return 1 / _median(lambda: steps(env)), "steps/s", 1 / _median(lambda: steps(floor)), "empty environment"


ROWS: dict[str, Callable[[], tuple[float, str, float | None, str]]] = {
    "book.stream": book_stream,
    "replay.snapshots": replay_snapshots,
    "infer.snapshots": infer_snapshots,
    "env.single": env_single,
}

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: python -m lobarena.benchmarks.speed --only book.stream --json speed.json")
def main(
    only: Annotated[list[str] | None, typer.Option(help=f"one of {', '.join(ROWS)}; may be repeated")] = None,
    json_file: Annotated[str, typer.Option("--json", help="write the rows there; - is the screen")] = "",
) -> None:
    """Measure the engine, the replay and the environment on this machine."""
    for name in only or ():
        if name not in ROWS:
            near = get_close_matches(name, ROWS, 1, 0.0)[0]
            typer.echo(f"no measurement {name!r}; did you mean {near!r}? Known: {', '.join(ROWS)}", err=True)
            raise typer.Exit(2)
    rows: list[dict[str, Any]] = []
    console = Console(stderr=json_file == "-")
    for name in only or ROWS:
        with console.status(f"measuring {name} (kernels compile on first use, up to a minute)"):
            value, unit, reference, against = ROWS[name]()
        ratio = value / reference if reference else None
        rows.append(
            {"name": name, "value": value, "unit": unit, "reference": reference, "against": against, "ratio": ratio}
        )
    table = Table("name", "value", "unit", "reference", "ratio", title=f"medians of {RUNS} runs")
    for row in rows:
        peer = f"{row['reference']:,.0f} ({row['against']})" if row["reference"] else "-"
        table.add_row(
            row["name"], f"{row['value']:,.0f}", row["unit"], peer, f"{row['ratio']:.3f}" if row["ratio"] else "-"
        )
    console.print(table)
    if json_file:
        text = json.dumps({"rows": rows, "runs": RUNS, "machine": machine(), "versions": versions()}, indent=2)
        if json_file == "-":
            sys.stdout.write(text + "\n")
        else:
            Path(json_file).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
