"""`lobarena stress`: agents in extreme markets, what breaks each of them, and how."""

from pathlib import Path
from typing import Annotated

import typer

from lobarena.benchmarks.config import settings
from lobarena.benchmarks.manifest import config_digest
from lobarena.benchmarks.stress_config import StressConfig
from lobarena.cli_tournament import as_toml, compiling, given, with_settings
from lobarena.terminal import FAILED, INTERRUPTED, STDOUT, Json, console, progress, remark, write_json

EXAMPLE = (
    "Example: lobarena stress 'foic,glft,foic+loss(20000)' --episodes all. "
    "lobarena stress glft --search --episodes flash-crash; lobarena stress --random 1000 --seed 1"
)


def stress(
    named: Annotated[str | None, typer.Argument(metavar="AGENTS", help="As --agents, which it goes over.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="TOML", help="Settings file; options go over it.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Results folder; results/stress-DIGEST if not given.")
    ] = None,
    search: Annotated[
        bool, typer.Option("--search", help="Find the size of each episode that ruins an agent.")
    ] = False,
    random: Annotated[
        int, typer.Option(min=0, help="Play so many random compositions of shocks, look for breaks.")
    ] = 0,
    processes: Annotated[int | None, typer.Option(min=1, help="Episodes at a time; one a core if not given.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete another run in RUN first.")] = False,
    json: Json = None,
    print_config: Annotated[bool, typer.Option("--print-config", help="Print the settings as TOML and stop.")] = False,
    **options: str | None,
) -> None:
    """Play agents alone in extreme markets, against their own calm windows; then report.

    Ctrl-C is safe: the same command goes on.
    """
    if named is not None:
        options["agents"] = named
    chosen = settings(config, given(options, StressConfig), StressConfig)
    if print_config:
        typer.echo(as_toml(chosen), nl=False)
        return
    compiling()
    try:
        if random:
            _random(chosen, random, processes, json)
            return
        run = out or Path("results") / f"stress-{config_digest(chosen.model_dump(mode='json'))[:8]}"
        _play(chosen, run, processes, overwrite)
        if search:
            _search(chosen, run, processes)
    except KeyboardInterrupt:
        remark("stopped; the same command resumes")
        raise typer.Exit(INTERRUPTED) from None
    _show(run, json)


stress = with_settings(stress, StressConfig)


def _play(config: StressConfig, run: Path, processes: int | None, overwrite: bool) -> None:
    from lobarena.benchmarks.stress import run as play
    from lobarena.benchmarks.tournament import default_processes

    with progress("painting the markets") as advance:
        play(config, run, processes=processes or default_processes(), overwrite=overwrite, on_progress=advance)


def _search(config: StressConfig, run: Path, processes: int | None) -> None:
    from lobarena.benchmarks.stress_search import search
    from lobarena.benchmarks.tournament import default_processes

    with progress("raising the shocks") as advance:
        search(config, run, processes=processes or default_processes(), on_progress=advance)


def _show(run: Path, json: str | None) -> None:
    from lobarena.benchmarks import stress_report as reports
    from lobarena.benchmarks.results import read

    results = read(run)
    if json:
        write_json(json, reports.as_json(results))
    if json != STDOUT:
        reports.terminal(results, console())
    reports.markdown(results, run / "report.md")
    page = reports.html(results, run / "report.html")
    console(stderr=json == STDOUT).print(f"report: {page}", markup=False, soft_wrap=True)


def _random(config: StressConfig, count: int, processes: int | None, json: str | None) -> None:
    from lobarena.benchmarks.stress_random import play_random, told
    from lobarena.benchmarks.tournament import default_processes

    with progress("composing shocks") as advance:
        found = play_random(config, count, processes=processes or default_processes(), on_progress=advance)
    if json:
        write_json(json, found)
    if json != STDOUT:
        told(found, console())
    if found["broken"]:
        raise typer.Exit(FAILED)
