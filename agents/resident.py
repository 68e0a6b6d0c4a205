"""Agents of the table as the kernels that play them (`lobarena.sim.minds`), where there is one."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lobarena.agents.base import Context
from lobarena.agents.quoting import limit_of
from lobarena.agents.table import make
from lobarena.sim.market import Market
from lobarena.sim.minds import AVELLANEDA_STOIKOV, FOIC, GLFT, IDLE, JOIN, LIIC, LTIIC, MIND, run
from lobarena.sim.types import MAX_SEATS

_KINDS = {
    "idle": IDLE,
    "foic": FOIC,
    "liic": LIIC,
    "ltiic": LTIIC,
    "avellaneda-stoikov": AVELLANEDA_STOIKOV,
    "glft": GLFT,
    "join": JOIN,
}


def new_minds() -> np.ndarray:
    """(MAX_SEATS + 1,) MIND, every seat decided elsewhere; row 0 stays empty."""
    return np.zeros(MAX_SEATS + 1, MIND)


def resident(name: str, parameters: Mapping[str, Any], context: Context, thinking_ns: int) -> np.ndarray | None:
    """The mind, (1,) MIND, of an agent of the table at the start of an episode; None when it has no kernel."""
    agent: Any = make(name, **parameters)  # names what is wrong with the parameters
    if name not in _KINDS:
        return None
    mind = np.zeros(1, MIND)
    m = mind[0]
    m["kind"], m["order_size"], m["thinking_ns"] = _KINDS[name], context.order_size, thinking_ns
    m["limit"] = limit_of(context, getattr(agent, "c", 0))
    for field, attribute in (("below", "N"), ("above", "M"), ("step", "step"), ("a", "a"), ("b", "b"), ("d", "d")):
        m[field] = getattr(agent, attribute, 0)
    m["memory"], m["gamma"] = getattr(agent, "memory", 0), getattr(agent, "gamma", 0)
    m["k"] = getattr(agent, "kappa", 0) or context.fitted.get("k", 1.0)
    m["intensity"], m["sigma"] = context.fitted.get("A", 0.5), context.fitted.get("sigma", 0.3)
    return mind


def play(market: Market, minds: np.ndarray) -> int:
    """`market.run` with the seats of `minds`, (MAX_SEATS + 1,) MIND, deciding by themselves."""
    return market.run(lambda *state: run(*state, market.look, minds))
