"""`lobarena tournament`: settings from a file and options, episodes played, the report at the end."""

import inspect
import json as jsonlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from lobarena import cli_report
from lobarena.benchmarks.config import Config, settings
from lobarena.benchmarks.manifest import config_digest
from lobarena.terminal import INTERRUPTED, Json, progress, remark

EXAMPLE = (
    "Example: lobarena tournament --agents foic:N=1,M=2,glft --contracts RBSYN --episode-minutes 5  "
    "(lists are written a,b,c; key=value goes with the agent before it). "
    "lobarena tournament --fills band plays seven fill models and tells each result as a band over them"
)
_KINDS = {int: "INTEGER", float: "NUMBER", str: "TEXT"}


def with_settings(command: Callable[..., None], kind: type[Config] = Config) -> Callable[..., None]:
    """Give a command one option for every key of `kind`, in place of its `**options`."""
    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    keys = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(name, field))
        for name, field in kind.model_fields.items()
    ]
    command.__signature__ = signature.replace(parameters=own + keys)  # type: ignore[attr-defined]
    return command


def _option(name: str, field: FieldInfo) -> Any:
    """The option of one key. Its value stays text: the settings check it, with the same messages as for a file."""
    kind, default = field.annotation, field.default
    many = get_origin(kind) is tuple
    if many:
        kind, default = get_args(kind)[0], ",".join(default)
    what = "|".join(get_args(kind)) if get_origin(kind) is Literal else _KINDS[kind]  # type: ignore[index]
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        metavar=f"{what},..." if many else what,
        help=f"{field.description}" + (f" (default {default})" if default != "" else ""),
        rich_help_panel="Settings",
    )
    return Annotated[str | None, option]


@with_settings
def tournament(
    config: Annotated[Path | None, typer.Option(metavar="TOML", help="Settings file; options go over it.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Results folder; results/tournament-DIGEST if not given.")
    ] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Episodes at a time; one a core if not given.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete another run in RUN first.")] = False,
    json: Json = None,
    print_config: Annotated[bool, typer.Option("--print-config", help="Print the settings as TOML and stop.")] = False,
    **options: str | None,
) -> None:
    """Let agents compete: alone on each market (solo) and in one book (arena); then report.

    Without options twelve agents play the embedded synthetic days. Ctrl-C is safe: the same command goes on.
    """
    chosen = settings(config, given(options))
    if print_config:
        typer.echo(as_toml(chosen), nl=False)
        return
    run = out or default_out(chosen)
    try:
        _play(chosen, run, processes, overwrite)
    except KeyboardInterrupt:
        remark("stopped; the same command resumes")
        raise typer.Exit(INTERRUPTED) from None
    cli_report.show(run, run / "report.html", json=json)


def default_out(config: Config) -> Path:
    """The folder of these settings: the same command finds it again and goes on."""
    return Path("results") / f"tournament-{config_digest(config.model_dump(mode='json'))[:8]}"


def as_toml(config: Config) -> str:
    """The settings as a file that --config reads, each with what it means."""
    lines = []
    for name, value in config.model_dump(mode="json").items():
        written = repr(value) if isinstance(value, float) else jsonlib.dumps(value, ensure_ascii=False)
        lines.append(f"{name} = {written}  # {type(config).model_fields[name].description}\n")
    return "".join(lines)


def given(options: Mapping[str, str | None], kind: type[Config] = Config) -> dict[str, str | tuple[str, ...]]:
    """The options that were given, as the settings take them."""
    return {name: _value(name, text, kind) for name, text in options.items() if text is not None}


def _value(name: str, text: str, kind: type[Config] = Config) -> str | tuple[str, ...]:
    """The text of an option, split at the commas where the setting is a list."""
    if get_origin(kind.model_fields[name].annotation) is not tuple:
        return text
    parts: list[str] = []
    for part in text.split(",") if text else []:
        if parts and "=" in part.partition(":")[0]:  # the M=2 of foic:N=1,M=2
            parts[-1] += f",{part}"
        else:
            parts.append(part.strip())
    return tuple(parts)


def compiling() -> None:
    """Say that the first use takes longer, if this is it."""
    from lobarena.sim._jit import cache_folder

    if not any(cache_folder().glob("**/*.nbi")):
        remark("first use: compiling the simulator, about a minute, once")


def _play(config: Config, run: Path, processes: int | None, overwrite: bool) -> None:
    from lobarena.benchmarks.tournament import default_processes
    from lobarena.benchmarks.tournament import run as play

    compiling()
    with progress("preparing the markets") as advance:
        play(config, run, processes=processes or default_processes(), overwrite=overwrite, on_progress=advance)
