"""Every agent by name. A new agent is one file and one line here; packages add theirs by the entry-point group
`lobarena.agents`."""

import inspect
import math
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from lobarena.agents.base import Agent
from lobarena.agents.breakers import bare, worn

AGENTS: dict[str, str] = {
    "foic": "lobarena.agents.foic:Foic",
    "liic": "lobarena.agents.liic:Liic",
    "ltiic": "lobarena.agents.ltiic:Ltiic",
    "avellaneda-stoikov": "lobarena.agents.avellaneda_stoikov:AvellanedaStoikov",
    "glft": "lobarena.agents.glft:Glft",
    "random": "lobarena.agents.random_quoter:Random",
    "join": "lobarena.agents.join:Join",
    "idle": "lobarena.agents.idle:Idle",
    "rl-ds": "lobarena.agents.learned:RlDs",
    "drl-os": "lobarena.agents.learned:DrlOs",
    "imm": "lobarena.agents.learned:Imm",
    "c-ppo": "lobarena.agents.learned:CPpo",
    "ppo": "lobarena.agents.learned:Ppo",
    "sac": "lobarena.agents.learned:Sac",
    "dqn": "lobarena.agents.learned:Dqn",
    "llm": "lobarena.agents.llm.agent:Llm",
    "tuned-llm": "lobarena.agents.teacher.agent:TunedLlm",
    "llm-recorded": "lobarena.agents.teacher.recorded:RecordedLlm",
    "student": "lobarena.agents.distill.agent:Distilled",
    "untaught": "lobarena.agents.distill.agent:Untaught",
    "cmm": "lobarena.agents.distill.agent:Cmm",
}
GROUP = "lobarena.agents"


def known() -> dict[str, str]:
    """Name -> "module:Class" of the built-in agents and of installed packages' (a built-in name stays ours)."""
    return {point.name: point.value for point in entry_points(group=GROUP)} | AGENTS


def load(name: str) -> type[Agent]:
    """The class of an agent, breakers left aside; ValueError names the nearest known one."""
    name = bare(name)
    table = AGENTS if name in AGENTS else known()  # what is installed is asked only where it can answer: 1 ms a time
    if name not in table:
        near = get_close_matches(name, table, 1, 0.0)[0]
        raise ValueError(f"no agent {name!r}; did you mean {near!r}? Known: {', '.join(sorted(table))}")
    module, _, attribute = table[name].partition(":")
    try:
        found: type[Agent] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"agent {name!r} cannot be loaded from {table[name]} ({error})") from error
    return found


def make(name: str, **parameters: Any) -> Agent:
    """A new agent with the breakers that its name puts on; ValueError names the nearest known name or parameter."""
    agent = load(name)
    slots = _parameters(agent)
    for key in parameters:
        if key not in slots:
            near = get_close_matches(key, slots, 1, 0.0)
            hint = f"did you mean {near[0]!r}? It has {', '.join(slots)}" if near else "it has none"
            raise ValueError(f"agent {name!r} has no parameter {key!r}; {hint}")
    return worn(name, agent(**parameters))


def parse(spec: str) -> tuple[str, dict[str, Any]]:
    """ "foic:N=1,M=2" -> ("foic", {"N": 1, "M": 2}); ValueError for unknown names, parameters and values.

    Breakers stay with the name: "foic:N=1+loss(5000)" -> ("foic+loss(5000)", {"N": 1}).
    """
    plain = bare(spec)
    name, _, rest = plain.partition(":")
    name = name.strip() + spec[len(plain) :]
    slots = _parameters(load(name))
    parameters: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in rest.split(","))):
        key, sign, text = (piece.strip() for piece in part.partition("="))
        if not sign:
            raise ValueError(f"{spec!r}: {part!r} is no parameter; write {bare(name)}:NAME=VALUE,...")
        if key in slots:
            parameters[key] = _value(spec, key, text, slots[key])
        else:
            make(name, **{key: text})  # raises, and names the nearest parameter
    return name, parameters


def describe() -> list[tuple[str, str, str, dict[str, Any]]]:
    """(name, "module:Class", first line of its docstring, parameters with defaults) of every agent."""
    rows = []
    for name, where in sorted(known().items()):
        agent = load(name)
        first = (inspect.getdoc(agent) or "").partition("\n")[0]
        rows.append((name, where, first, _parameters(agent)))
    return rows


def _parameters(agent: type[Agent]) -> dict[str, Any]:
    """Constructor parameters with their defaults."""
    if is_dataclass(agent):
        return {field.name: field.default for field in fields(agent) if field.init}
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {key: one.default for key, one in inspect.signature(agent).parameters.items() if one.kind in named}


def _value(spec: str, key: str, text: str, default: Any) -> Any:
    """The text as a value of the default's type; numbers are finite."""
    kind = type(default) if isinstance(default, bool | int | float) else str
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        if kind is float and not math.isfinite(float(text)):
            raise ValueError("not finite")
        return kind(text)
    except (ValueError, KeyError) as error:
        raise ValueError(f"{spec!r}: {key} is {text!r}; give a value like {default!r}") from error
