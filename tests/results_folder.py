"""Rows and whole results folders that are made up, for the tests of what reads and writes them."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lobarena.benchmarks.latency_mode import AS_SET
from lobarena.benchmarks.manifest import new_manifest
from lobarena.benchmarks.metrics import (
    CURVE,
    FILL,
    MARK,
    SECOND,
    episode_metrics,
    latency_percentiles,
    marked_wealth,
    markouts,
    mid2_at,
    signed,
)
from lobarena.benchmarks.results import ResultWriter
from lobarena.benchmarks.tables import SCHEMAS, as_table


def rows(name: str, n: int, /, **columns: Any) -> pa.Table:
    """(n,) rows of the table `name`; columns not given are 0 or ""; a scalar stands in every row."""
    filled = {}
    for field in SCHEMAS[name]:
        empty = {"sweep": AS_SET, "notes": "{}"}.get(field.name, "" if pa.types.is_string(field.type) else 0)
        value = columns.pop(field.name, empty)
        filled[field.name] = np.full(n, value) if np.isscalar(value) else value
    assert not columns, f"no such columns in {name}: {sorted(columns)}"
    return as_table(name, filled)


def unit(episode: int, agent: str = "foic", fills: int = 3) -> dict[str, pa.Table]:
    """The four tables of a small work unit with one episode."""
    return {
        "episodes": rows("episodes", 1, episode=episode, track="solo", agent=agent, status="ok", pnl=float(episode)),
        "fills": rows("fills", fills, episode=episode, agent=agent, time=np.arange(fills), size=1, side=1),
        "decisions": rows("decisions", 2, episode=episode, n=np.arange(2), measured_ns=np.arange(2) + 7),
        "curve": rows("curve", 4, episode=episode, time=np.arange(4), pnl=np.arange(4.0)),
    }


def make_run(
    folder: Path,
    agents: Sequence[str] = ("foic", "glft", "ppo"),
    *,
    days: int = 2,
    contracts: Sequence[str] = ("rb2405", "cu2404"),
    seconds: int = 120,
    failing: str = "",
    finish: bool = True,
) -> Path:
    """A whole run on made-up random walks: solo, then arena, every number consistent with every other.

    Each agent earns half a spread a fill at made-up times and is closed out at the end; `failing` fails on the last
    day of each contract.
    """
    data = [
        {"exchange": "SHFE", "contract": contract, "day": 20240102 + day, "rows": 2 * seconds, "digest": "0" * 64}
        for contract in contracts
        for day in range(days)
    ]
    named = [{"name": agent, "class": f"made_up:{agent}", "parameters": {"edge": 1}} for agent in agents]
    writer = ResultWriter(folder, new_manifest({"segments": 1, "latency": {"kind": "constant"}}, 7, data, named))
    episode = 0
    for track, seats in [("solo", [agent]) for agent in agents] + [("arena", list(agents))]:
        for market in data:
            last = market["day"] == 20240101 + days
            where = {key: market[key] for key in ("exchange", "contract", "day")} | {"track": track, "episode": episode}
            parts = [_seat(where, seat + 1, name, seconds, last and name == failing) for seat, name in enumerate(seats)]
            tables = {name: [row for part in parts for row in part[name]] for name in SCHEMAS}
            writer.write(f"{track}-{market['contract']}-{market['day']}-{','.join(seats)}", **tables)
            episode += 1
    if finish:
        writer.finish()
    return folder


def _seat(where: dict[str, Any], seat: int, agent: str, seconds: int, failed: bool) -> dict[str, list[dict[str, Any]]]:
    """The rows of one seat in one made-up market; the market is the same for every seat."""
    market = np.random.default_rng([where["day"], zlib.crc32(where["contract"].encode())])
    own = np.random.default_rng([where["day"], where["episode"], zlib.crc32(agent.encode())])
    opens = 1_704_157_200 * SECOND + where["day"] % 100 * 86_400 * SECOND
    marks = np.zeros(2 * seconds + 1, MARK)
    marks["time"] = opens + np.arange(len(marks)) * SECOND // 2
    marks["mid2"] = 8001 + np.cumsum(market.integers(-1, 2, len(marks)))

    n = seconds // 4
    fills = np.zeros(n + 1, FILL)
    fills["time"][:-1] = np.sort(own.integers(opens + SECOND, opens + (seconds - 2) * SECOND, n))
    fills["mid2"][:-1] = mid2_at(marks, fills["time"][:-1])
    position = 0
    for k in range(n):
        side = -1 if position >= 4 else 1 if position <= -4 else own.choice([-1, 1])
        fills["side"][k], fills["size"][k] = side, own.integers(1, 3)
        position += side * fills["size"][k]
    fills["maker"] = True
    fills["price"] = (fills["mid2"] - fills["side"]) // 2
    end, last = opens + seconds * SECOND, int(marks["mid2"][-1])
    closing = -int(np.sign(position))
    fills[-1] = (end, (last + closing + 1) // 2, abs(position), closing, last, True, 0, False)
    fills = fills[fills["size"] > 0]
    fills["fee"] = 0.5 * fills["size"]

    curve = np.zeros(seconds + 1, CURVE)
    curve["time"] = opens + np.arange(len(curve)) * SECOND
    curve["mid2"] = mid2_at(marks, curve["time"])
    so_far = np.searchsorted(fills["time"], curve["time"], side="right")
    for name, flow in (
        ("position", signed(fills)),
        ("cash", -signed(fills) * fills["price"]),
        ("fees", fills["fee"]),
    ):
        curve[name] = np.concatenate([[0], np.cumsum(flow)])[so_far]
    curve["bid"], curve["ask"] = (curve["mid2"] - 1) // 2, (curve["mid2"] + 2) // 2
    curve["bid"][own.random(len(curve)) < 0.1] = 0

    latency = own.integers(200, 900, seconds) * 1000
    measured = (latency * own.uniform(0.5, 1.5, seconds)).astype(int)
    measures = episode_metrics(
        fills, curve, marks, tick_value=10.0, position_limit=5, ordered_lots=4 * n, messages=5 * n
    )
    key = {"episode": where["episode"], "seat": seat}
    time = curve["time"][:-1]
    held = np.cumsum(signed(fills))
    return {
        "episodes": rows(
            "episodes",
            1,
            **key
            | where
            | measures
            | latency_percentiles(latency, "latency")
            | latency_percentiles(measured, "measured"),
            agent=agent,
            status="failed" if failed else "ok",
            error=f"{agent} returned <b>nothing</b>" if failed else "",
            opens=opens,
            closes=end,
            tick_value=10.0,
            orders=4 * n,
            messages=5 * n,
            cancels=n,
            refused=seat,
            decisions=seconds,
            parameters=-1,
            flop=np.nan,
            measured_joules=np.nan,
        ).to_pylist(),
        "fills": rows(
            "fills",
            len(fills),
            **key,
            agent=agent,
            **{name: fills[name] for name in ("time", "price", "size", "side", "fee")},
            role=np.where(fills["maker"], "maker", "taker"),
            counterparty="crowd",
            reason=np.where(fills["liquidation"], "liquidation", "queue reached"),
            mid=fills["mid2"] / 2,
            **{f"markout_{h}s": markouts(fills, marks, h * SECOND) * 5.0 for h in (1, 5, 30)},
            position=held,
        ).to_pylist(),
        "decisions": rows(
            "decisions",
            seconds,
            **key,
            n=np.arange(seconds),
            published=time,
            time=time,
            answered=time + latency,
            latency=latency,
            outcome="quotes",
            measured_ns=measured,
        ).to_pylist(),
        "curve": rows(
            "curve",
            len(curve),
            **key,
            **{name: curve[name] for name in ("time", "position", "bid", "ask")},
            mid=curve["mid2"] / 2,
            pnl=marked_wealth(curve, 10.0),
        ).to_pylist(),
    }
