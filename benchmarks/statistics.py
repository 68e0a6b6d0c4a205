"""What the episodes say about the agents: means with intervals, paired differences, corrected p-values.

A block is one piece of market: (exchange, contract, day, segment). All agents of a track meet the same blocks, so
blocks are drawn with replacement, the same draw for every agent (common random numbers): what a hard day does to
everyone cancels in a difference. Every estimate is a mean over episodes, sum of the blocks' sums / sum of their counts.
A failed episode counts with the PnL that it had when its position was closed: to crash must not pay.
The fill models of a band (docs/fills.md) and the latencies of a sweep (docs/thinking.md) are no sample: episodes of
several together are refused.
"""

import math
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

RESAMPLES = 9_999  # of the bootstrap; p-values are multiples of 1 / (RESAMPLES + 1)
LEVEL = 0.95  # of the intervals
ENOUGH_BLOCKS = 6  # for a p-value: with fewer, not even a sign test can reach 5 %
_CHUNK = 500  # resamples drawn at a time

_BLOCK = ("exchange", "contract", "day", "segment")
_MEANS = (
    *("map", "mdd", "sharpe", "spread", "adverse", "holding", "liquidation", "fees"),
    *("markout_1s", "markout_5s", "markout_30s", "share_at_limit", "es95", "es99", "inventory_half_life_s"),
    *("fills", "lots", "notional", "orders", "cancels", "messages", "fill_ratio", "quoting_share", "order_to_trade"),
    *("latency_p50_us", "latency_p90_us", "latency_p99_us", "measured_p50_us", "measured_p90_us", "measured_p99_us"),
    *("measured_cpu_us", "flop"),
)
_LARGEST = ("max_inventory", "latency_max_us", "measured_max_us", "parameters")
_TOTALS = ("refused", "decisions", "deadlines")


def leaderboard(episodes: Any, *, seed: int = 0, resamples: int = RESAMPLES) -> list[dict[str, Any]]:
    """One row an agent and track, best mean PnL first within a track.

    episodes: Arrow table or pandas frame with the columns of episodes.parquet.
    pnl_mean, pnl_low, pnl_high (95 % interval; NaN with a single block) and pnl_sd (over episodes) in currency.
    pnl_map = mean PnL / mean MAP and pr = total PnL / total notional: ratios of sums, which no quiet episode can blow
    up. max_inventory, latency_max_us, measured_max_us and parameters are the largest of the episodes; refused,
    decisions, deadlines, failures are totals; prompt_tokens, answer_tokens, joules are a decision; every other key is
    the mean over the episodes in which it is defined.
    """
    columns, rows = _columns(episodes), []
    for track in dict.fromkeys(columns["track"].tolist()):
        chosen = {name: values[columns["track"] == track] for name, values in columns.items()}
        agents, sums, counts = by_block(chosen)
        means = resampled(sums, counts, generator_of(seed, track), resamples)
        board = []
        for place, agent in enumerate(agents):
            own = {name: values[chosen["agent"] == agent] for name, values in chosen.items()}
            low, high = interval(means[:, place], int((counts[:, place] > 0).sum()))
            board.append({"agent": agent, "track": track, **_summary(own), "pnl_low": low, "pnl_high": high})
        rows += sorted(board, key=lambda row: -row["pnl_mean"])
    return rows


def paired_differences(episodes: Any, *, seed: int = 0, resamples: int = RESAMPLES) -> list[dict[str, Any]]:
    """One row a pair of agents and track, over the blocks that both have met.

    {track, first, second, blocks, difference, low, high, p, p_holm}: first minus second in currency an episode, its
    95 % interval, the two-sided bootstrap p-value (|resampled - observed| >= |observed|) and the same after Holm's
    correction over the pairs of the track. The better agent stands first. p is NaN below ENOUGH_BLOCKS blocks.
    """
    columns, rows = _columns(episodes), []
    for track in dict.fromkeys(columns["track"].tolist()):
        agents, sums, counts = by_block({name: values[columns["track"] == track] for name, values in columns.items()})
        pairs = [
            _pair(agents, sums, counts, (a, b), generator_of(seed, track), resamples) for a, b in _pairs(len(agents))
        ]
        for pair, corrected in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True):
            rows.append({"track": track, **pair, "p_holm": corrected})
    return rows


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Holm 1979): adjusted p-values in the order given; NaN is not counted and stays."""
    known = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    adjusted, running = [math.nan] * len(p_values), 0.0
    for rank, (p, place) in enumerate(known):
        running = max(running, min(1.0, (len(known) - rank) * p))
        adjusted[place] = running
    return adjusted


def of_one_model(episodes: pa.Table) -> None:
    """ValueError when the rows were played under several fill models or latencies, which no mean may run over."""
    found = pc.unique(episodes.column("fill_model")).to_pylist() if "fill_model" in episodes.column_names else []
    if len(found) > 1:
        raise ValueError(f"episodes of the fill models {', '.join(found)}; choose one with fill_models.under")
    sweep = pc.unique(episodes.column("sweep")).to_pylist() if "sweep" in episodes.column_names else []
    if len(sweep) > 1:
        raise ValueError("episodes of a latency sweep among others; leave them out with latency_sweep.outside")


def _columns(episodes: Any) -> dict[str, np.ndarray]:
    table = episodes if isinstance(episodes, pa.Table) else pa.Table.from_pandas(episodes, preserve_index=False)
    of_one_model(table)
    return {name: table.column(name).to_numpy() for name in table.column_names}


def generator_of(seed: int, track: str) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(crc32(b"bootstrap"), crc32(track.encode()))))


def by_block(columns: dict[str, np.ndarray]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Agents in the order of their names; (blocks, agents) sums of PnL and numbers of episodes, blocks sorted."""
    keys = list(zip(*(columns[name].tolist() for name in _BLOCK), strict=True))
    places = {key: place for place, key in enumerate(sorted(set(keys)))}
    agents, agent = np.unique(columns["agent"].astype(str), return_inverse=True)
    sums, counts = np.zeros((2, len(places), len(agents)))
    block = np.array([places[key] for key in keys], np.int64)
    np.add.at(sums, (block, agent), columns["pnl"])
    np.add.at(counts, (block, agent), 1)
    return agents.tolist(), sums, counts


def resampled(sums: np.ndarray, counts: np.ndarray, generator: np.random.Generator, resamples: int) -> np.ndarray:
    """(resamples, agents) means over blocks drawn with replacement, the same blocks for every agent."""
    blocks, found = len(sums), []
    for start in range(0, resamples, _CHUNK):
        draws = min(_CHUNK, resamples - start)
        weights = generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=draws).astype(np.float64)
        with np.errstate(invalid="ignore"):  # an agent with no episode in the draw has no mean: NaN
            found.append((weights @ sums) / (weights @ counts))
    return np.concatenate(found)


def interval(means: np.ndarray, blocks: int) -> tuple[float, float]:
    """Percentile interval; NaN with fewer than two blocks, which say nothing about spread."""
    if blocks < 2:
        return math.nan, math.nan
    low, high = np.nanquantile(means, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def _pairs(n: int) -> list[tuple[int, int]]:
    return [(first, second) for first in range(n) for second in range(first + 1, n)]


def _pair(
    agents: list[str],
    sums: np.ndarray,
    counts: np.ndarray,
    pair: tuple[int, int],
    generator: np.random.Generator,
    resamples: int,
) -> dict[str, Any]:
    met = (counts[:, pair] > 0).all(axis=1)
    blocks = int(met.sum())
    row = {"first": agents[pair[0]], "second": agents[pair[1]], "blocks": blocks}
    if not blocks:
        return row | dict.fromkeys(("difference", "low", "high", "p"), math.nan)
    own_sums, own_counts = sums[met][:, pair], counts[met][:, pair]
    first, second = own_sums.sum(axis=0) / own_counts.sum(axis=0)
    means = resampled(own_sums, own_counts, generator, resamples)
    difference, differences = float(first - second), means[:, 0] - means[:, 1]
    if difference < 0:
        row |= {"first": agents[pair[1]], "second": agents[pair[0]]}
        difference, differences = -difference, -differences
    low, high = interval(differences, blocks)
    extreme = int((np.abs(differences - difference) >= difference).sum())
    p = (1 + extreme) / (1 + resamples) if blocks >= ENOUGH_BLOCKS else math.nan
    return row | {"difference": difference, "low": low, "high": high, "p": p}


def _summary(own: dict[str, np.ndarray]) -> dict[str, Any]:
    """The measures of one agent over its episodes."""
    n, pnl, held, traded = len(own["pnl"]), own["pnl"], float(own["map"].mean()), float(own["notional"].sum())
    return {
        "episodes": n,
        "blocks": len(set(zip(*(own[name].tolist() for name in _BLOCK), strict=True))),
        "pnl_mean": float(pnl.mean()),
        "pnl_sd": float(pnl.std(ddof=1)) if n > 1 else math.nan,
        "pnl_map": float(pnl.mean()) / max(held, 1e-7),
        "pr": float(pnl.sum()) / traded if traded else math.nan,
        **{name: _mean(own[name]) for name in _MEANS},
        **{name: _largest(own[name]) for name in _LARGEST},
        **{name: int(own[name].sum()) for name in _TOTALS},
        **{name: _each(own[name], own["decisions"]) for name in ("prompt_tokens", "answer_tokens")},
        "joules": _each(own["measured_joules"], own["decisions"]),
        "failures": int((own["status"] != "ok").sum()),
    }


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    return float(known.mean()) if len(known) else math.nan


def _each(values: np.ndarray, decisions: np.ndarray) -> float:
    """A total a decision."""
    return float(values.sum() / decisions.sum()) if decisions.sum() else math.nan


def _largest(values: np.ndarray) -> float | int:
    known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    largest: float | int = known.max().item() if len(known) else math.nan
    return largest
