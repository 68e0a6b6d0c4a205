"""One episode: seats filled with agents, run on a market, turned into rows of the results tables."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lobarena.agents.base import Context
from lobarena.agents.table import make
from lobarena.benchmarks import metrics
from lobarena.benchmarks.energy import counter
from lobarena.benchmarks.latency_mode import AS_SET, split
from lobarena.benchmarks.thinking import DEADLINE, OUTCOMES, AgentError, Charge, Mind, alarms, cpu_us, notes_of
from lobarena.sim.market import Market, Seat
from lobarena.sim.random import generator
from lobarena.sim.state import FINISHED, PAUSED
from lobarena.sim.types import CROWD, LIQUIDATION, MAX_SEATS, REASONS

SECOND = 1_000_000_000  # ns


@dataclass(frozen=True, slots=True)
class Entry:
    """One agent of an episode."""

    label: str  # as it stands in the results
    name: str  # in the table of agents
    parameters: dict[str, Any]
    charge: Charge


@dataclass(frozen=True, slots=True)
class Episode:
    """Where and when an episode is played; `number` orders the results."""

    number: int
    track: str
    exchange: str
    contract: str
    day: int  # YYYYMMDD
    segment: int
    rotation: int
    opens: int  # ns UTC
    closes: int
    cancel_model: str = "pro rata"
    impact: str = "decay"
    sweep: int = AS_SET  # ns that the latency sweep charges everyone


@dataclass(frozen=True, slots=True)
class Terms:
    """What every seat of an episode is subject to."""

    seed: int
    seat: Seat
    order_size: int
    deadline_s: float
    deadlines: int
    fitted: dict[str, float]


class Wire(Protocol):
    """Stands between the market and the agents of an episode."""

    def deliver(self, market: Market, seat: int, look: Any) -> list[Any]:
        """What of a look reaches the agent now: none, one or several, in order. The last answer holds."""

    def notes(self, market: Market, seat: int) -> dict[str, int]:
        """Counts of a finished episode that go beside the agent's own."""


def play(
    market: Market,
    episode: Episode,
    entries: Sequence[Entry],
    terms: Terms,
    lost: str = "",
    watch: Callable[[Market], None] | None = None,
    wire: Wire | None = None,
    beside: Sequence[Seat] = (),
) -> dict[str, Any]:
    """Run one episode: {table: rows} as `ResultWriter.write` takes them.

    Agents draw from streams named by what they are, so that no agent's numbers depend on who else plays. An agent
    that fails loses its seat: its orders leave at once, its position is closed at the end. With `lost`, the reason why
    no agent can play, every seat has failed from the start. `watch` is called once before the first event, to set the
    market's pause, and then at each pause. `wire` may keep looks from the agents, or give them others. `beside` are
    seats without an agent, behind the others; `watch` sees to them.
    """
    place = (episode.contract, episode.day, episode.segment)
    market.start([*[terms.seat] * len(entries), *beside], episode.opens, episode.closes, _seed(terms.seed, *place))
    minds: list[Mind | None] = []
    errors = [lost] * len(entries)
    for number, entry in enumerate(entries):
        rng = generator(terms.seed, "agent", split(entry.label)[0], *place)
        context = Context(
            contract=market.feed.contract,
            seat=number + 1,
            order_size=terms.order_size,
            position_limit=terms.seat.position_limit,
            opens=episode.opens,
            closes=episode.closes,
            rng=rng,
            fitted=terms.fitted,
        )
        if lost:
            minds.append(None)
            continue
        try:
            agent = make(entry.name, **entry.parameters)
            agent.reset(context)
            minds.append(Mind(agent, entry.charge, terms.deadline_s, terms.deadlines))
        except Exception as error:
            minds.append(None)
            errors[number] = f"{type(error).__name__}: {error}"[:500]
    if watch:
        watch(market)
    with alarms():
        while (seat := market.run()) != FINISHED:
            if seat == PAUSED:
                assert watch is not None
                watch(market)
                continue
            mind = minds[seat - 1]
            if mind is None:
                market.expel(seat)
                continue
            quotes, charged = None, 0
            try:
                for look in (
                    wire.deliver(market, seat, market.observation(seat)) if wire else [market.observation(seat)]
                ):
                    quotes, more = mind.decide(look)
                    charged += more
            except AgentError as error:
                errors[seat - 1] = str(error)
                market.expel(seat)
                continue
            if quotes is None:
                market.decide(seat, keep=True, thinking_ns=charged)
            else:
                market.decide(seat, quotes.bids, quotes.asks, quotes.take, thinking_ns=charged)
    return _rows(market, episode, entries, minds, errors, terms, wire)


def _seed(seed: int, *place: str | int) -> int:
    return int(generator(seed, "network", *place).integers(2**31))


def _rows(
    market: Market,
    episode: Episode,
    entries: Sequence[Entry],
    minds: Sequence[Mind | None],
    errors: Sequence[str],
    terms: Terms,
    wire: Wire | None,
) -> dict[str, Any]:
    tables: dict[str, list[Any]] = {"episodes": [], "fills": [], "decisions": [], "curve": []}
    marks = _marks(market)
    labels = ["crowd", *(entry.label for entry in entries), *["large seat"] * (MAX_SEATS - len(entries))]
    for number, entry in enumerate(entries):
        seat, mind = number + 1, minds[number]
        tick_value = market.feed.contract.tick_value
        fills, table = _fills(market, seat, labels, marks, tick_value)
        curve = market.curve[market.curve["seat"] == seat]
        account = market.venue[0]["seat"][seat]
        measures = _measures(market, seat, fills, curve, marks, terms.seat.position_limit)
        key = {"episode": episode.number, "seat": seat}
        measured = np.array(mind.log.measured if mind else [], np.int64)
        charged = np.array(mind.log.latency if mind else [], np.int64)
        outcomes = np.array(mind.log.outcome if mind else [], np.int64)
        tables["episodes"].append(
            {
                **key,
                "track": episode.track,
                "exchange": episode.exchange,
                "contract": episode.contract,
                "day": episode.day,
                "segment": episode.segment,
                "rotation": episode.rotation,
                "agent": entry.label,
                "fill_model": f"{episode.cancel_model}/{episode.impact}",
                "sweep": episode.sweep,
                "status": "failed" if errors[number] else "ok",
                "error": errors[number],
                "opens": episode.opens,
                "closes": episode.closes,
                "tick_value": tick_value,
                **measures,
                "orders": int(account["orders"]),
                "cancels": int(account["cancels"]),
                "refused": int(account["refused"].sum()),
                "messages": int(account["messages"]),
                "decisions": len(charged),
                "deadlines": int((outcomes == DEADLINE).sum()),
                **metrics.latency_percentiles(charged, "latency"),
                "parameters": int(getattr(mind.agent, "parameters", -1)) if mind else -1,
                "flop": float(getattr(mind.agent, "flop", math.nan)) if mind else math.nan,
                "prompt_tokens": sum(mind.log.prompt_tokens) if mind else 0,
                "answer_tokens": sum(mind.log.answer_tokens) if mind else 0,
                "notes": json.dumps(
                    (notes_of(mind.agent) if mind else {}) | (wire.notes(market, seat) if wire else {})
                ),
                **metrics.latency_percentiles(measured, "measured"),
                "measured_cpu_us": cpu_us(mind.log) if mind else math.nan,
                "measured_joules": mind.log.joules if mind and counter().there else math.nan,
            }
        )
        n = len(table["time"])
        tables["fills"].append(
            {**{name: [value] * n for name, value in (key | {"agent": entry.label}).items()}, **table}
        )
        tables["curve"].append(_curve(key, curve, tick_value))
        if mind:
            tables["decisions"].append(_decisions(key, mind, charged, measured, outcomes))
    return {"episodes": tables["episodes"]} | {name: _joined(tables[name]) for name in ("fills", "decisions", "curve")}


def measure(market: Market, seat: int, position_limit: int) -> dict[str, Any]:
    """Every metric of one seat's finished episode."""
    marks = _marks(market)
    fills, _ = _fills(market, seat, ["crowd", *(str(k) for k in range(1, 99))], marks, market.feed.contract.tick_value)
    return _measures(market, seat, fills, market.curve[market.curve["seat"] == seat], marks, position_limit)


def _marks(market: Market) -> np.ndarray:
    marks = np.zeros(len(market.marks), metrics.MARK)
    marks["time"], marks["mid2"] = market.marks["time"], market.marks["mid2"]
    return marks


def _measures(
    market: Market, seat: int, fills: np.ndarray, curve: np.ndarray, marks: np.ndarray, position_limit: int
) -> dict[str, Any]:
    account = market.venue[0]["seat"][seat]
    return metrics.episode_metrics(
        fills,
        curve,
        marks,
        tick_value=market.feed.contract.tick_value,
        position_limit=position_limit,
        ordered_lots=int(account["ordered"]),
        messages=int(account["messages"]),
    )


def _fills(
    market: Market, seat: int, labels: Sequence[str], marks: np.ndarray, tick_value: float
) -> tuple[np.ndarray, dict[str, Any]]:
    """One seat's part of the fills: as the metrics want them, and as the table does."""
    log, fees, after = market.fills, market.fees, market.after
    made, took = log["maker_owner"] == seat, log["taker_owner"] == seat
    rows = np.flatnonzero(made | took)
    log, maker = log[rows], made[rows]
    column = np.where(maker, 0, 1)
    taker_sign = np.where(log["side"] == 0, 1, -1)
    fills = np.zeros(len(rows), metrics.FILL)
    fills["time"], fills["price"], fills["size"], fills["mid2"] = log["time"], log["price"], log["size"], log["mid2"]
    fills["side"] = np.where(maker, -taker_sign, taker_sign)
    fills["maker"], fills["liquidation"] = maker, (log["reason"] == LIQUIDATION) & ~maker
    fills["fee"] = fees[rows, column]
    other = np.where(maker, log["taker_owner"], log["maker_owner"])
    table = {
        "time": fills["time"],
        "price": fills["price"],
        "size": fills["size"],
        "side": fills["side"],
        "role": ["maker" if one else "taker" for one in maker],
        "counterparty": [labels[one] if one != CROWD else "crowd" for one in other],
        "order": np.where(maker, log["maker"], log["taker"]),
        "joined": log["joined"],
        "hit": log["hit"],
        "reason": [REASONS[int(one)] for one in log["reason"]],
        "mid": log["mid2"] / 2,
        "fee": fills["fee"],
        **{f"markout_{h}s": metrics.markouts(fills, marks, h * SECOND) * (tick_value / 2) for h in metrics.HORIZONS},
        "position": after[rows, column],
    }
    return fills, table


def _curve(key: dict[str, int], curve: np.ndarray, tick_value: float) -> dict[str, Any]:
    return {
        **{name: np.full(len(curve), value) for name, value in key.items()},
        "time": curve["time"],
        "mid": curve["mid2"] / 2,
        "pnl": metrics.marked_wealth(curve, tick_value),
        "position": curve["position"],
        "bid": curve["bid"],
        "ask": curve["ask"],
    }


def _decisions(
    key: dict[str, int], mind: Mind, charged: np.ndarray, measured: np.ndarray, outcomes: np.ndarray
) -> dict[str, Any]:
    n, time = len(charged), np.array(mind.log.time, np.int64)
    return {
        **{name: np.full(n, value) for name, value in key.items()},
        "n": np.arange(n),
        "published": np.array(mind.log.published, np.int64),
        "time": time,
        "answered": time + charged,
        "latency": charged,
        "outcome": [OUTCOMES[one] for one in outcomes],
        "prompt_tokens": np.array(mind.log.prompt_tokens, np.int64),
        "answer_tokens": np.array(mind.log.answer_tokens, np.int64),
        "measured_ns": measured,
    }


def _joined(parts: Sequence[dict[str, Any]]) -> Any:
    """Column by column, the rows of all seats."""
    if not parts:
        return []
    joined: dict[str, Any] = {}
    for name in parts[0]:
        values = [part[name] for part in parts]
        if all(isinstance(value, np.ndarray) for value in values):
            joined[name] = np.concatenate(values)
        else:
            joined[name] = [one for value in values for one in value]
    return joined
