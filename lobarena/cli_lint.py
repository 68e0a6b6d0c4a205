"""`lobarena lint`: what breaks training in an environment."""

import ast
from typing import Annotated, Any

import typer

from lobarena.terminal import FAILED, STDOUT, Json, remark, table, write_json

EXAMPLE = """Example: lobarena lint "lobarena/MarketMaking-v0:reward='dampened:eta=0.5',episode_minutes=5" """.strip()


def lint(
    environment: Annotated[
        str,
        typer.Argument(
            metavar="ENV",
            help="A gymnasium id or module:Class, and after another colon its keyword arguments, NAME=VALUE,...; "
            "quote a value that holds commas.",
        ),
    ],
    episodes: Annotated[int, typer.Option(min=2, help="Episodes of each simple policy.")] = 8,
    steps: Annotated[int, typer.Option(min=2, help="Steps of an episode, at most.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Of the first episode.")] = 0,
    json: Json = None,
) -> None:
    """Look for what breaks training: rewards out of scale, look-ahead, missing private state, fees that pay and more.

    Constant and random actions play some episodes, and each check judges by what was seen. Exit code 1: a fault.
    """
    from lobarena.benchmarks.lint import Verdict
    from lobarena.benchmarks.lint import lint as judge

    make = _maker(environment)
    remark(f"playing {environment}")
    findings = judge(make, episodes, steps, seed)
    rows = [{"check": one.check, "verdict": str(one.verdict), "figure": one.figure, "fix": one.fix} for one in findings]
    count = {str(verdict): sum(one.verdict is verdict for one in findings) for verdict in Verdict}
    if json:
        write_json(json, {"environment": environment, "count": count, "checks": rows})
    if json != STDOUT:
        heads = {"check": "check", "verdict": "verdict", "figure": "what was seen", "fix": "fix"}
        table(environment, heads, rows)
    if count["fault"]:
        raise typer.Exit(FAILED)


def _maker(text: str) -> Any:
    """A function that makes the environment anew; BadParameter when there is none of that name, or it refuses."""
    import gymnasium

    import lobarena.sim  # noqa: F401 - registers ours

    name, options = _parse(text)

    def make() -> Any:
        if name in gymnasium.registry:
            return gymnasium.make(name, disable_env_checker=True, **options)
        return _class(name)(**options)

    try:
        make().close()
    except (TypeError, ValueError, OSError, gymnasium.error.Error) as error:
        raise typer.BadParameter(f"{name} cannot be made ({error})", param_hint="ENV") from error
    return make


def _class(name: str) -> Any:
    from difflib import get_close_matches
    from importlib import import_module

    import gymnasium

    module, _, attribute = name.partition(":")
    if not attribute:
        near = get_close_matches(name, gymnasium.registry, 1, 0.0)
        raise ValueError(f"no environment of this id; did you mean {near[0]!r}? Or write module:Class")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{error}; is the folder of the module on PYTHONPATH?") from error


def _parse(text: str) -> tuple[str, dict[str, Any]]:
    """ "id:a=1,b='x,y'" or "module:Class:a=1" -> (name, {"a": 1, "b": "x,y"}); words are strings without quotes."""
    import gymnasium

    name, _, rest = text.partition(":")
    if name not in gymnasium.registry and "/" not in name:
        attribute, _, rest = rest.partition(":")
        name = f"{name}:{attribute}" if attribute else name
    options: dict[str, Any] = {}
    for piece in _pieces(rest):
        key, sign, value = (part.strip() for part in piece.partition("="))
        if not sign or not key.isidentifier():
            raise typer.BadParameter(f"{piece!r} is no keyword argument; write NAME=VALUE,...", param_hint="ENV")
        try:
            options[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[key] = value
    return name, options


def _pieces(text: str) -> list[str]:
    """The text cut at commas outside quotes and brackets."""
    found, depth, quote = [""], 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        else:
            depth += (char in "([{") - (char in ")]}")
        if char == "," and not quote and depth == 0:
            found.append("")
        else:
            found[-1] += char
    return [piece for piece in found if piece.strip()]
