"""The band of a results folder: each measure by the settings' own fill model, and its least and most over all models.

The models are no sample: each is a whole set of episodes with its own confidence intervals, and nothing is averaged
over them. Only markets that were played under every model are compared.
"""

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lobarena.benchmarks.fill_models import orders, played, under_all
from lobarena.benchmarks.results import Results
from lobarena.benchmarks.statistics import leaderboard, paired_differences

MEASURES = ("pnl_mean", "pnl_map", "pr", "mdd", "sharpe", "spread", "adverse", "map", "fills", "fill_ratio")

_FILL = ("exchange", "contract", "day", "segment", "rotation", "track", "agent", "time", "side", "price")


def band(results: Results) -> dict[str, list[dict[str, Any]]]:
    """{"agents", "contracts", "orders"} of a run under several fill models, each [] under one.

    agents: a row a track and agent; contracts: the same a contract, with the keys exchange and contract.
    `<measure>`, `<measure>_low`, `<measure>_high` of MEASURES; models: {fill model: {pnl_mean, pnl_low, pnl_high (95 %
    over the episodes), maker_lots}}; maker_lots: by the settings' own model; certain_lots: of them, those that fill
    under every model; certain, certain_of_any: as a share of maker_lots, and of the lots that fill under any model.
    orders: as `fill_models.orders`.
    """
    names, seed = played(results), int(results.manifest["seed"])
    if len(names) < 2:
        return {"agents": [], "contracts": [], "orders": []}
    common = under_all(results, names)
    parts = {one: common.episodes.filter(pc.field("fill_model") == one) for one in names}
    made = maker_lots(common)
    contracts = []
    for exchange, contract in sorted(set(zip(*_values(common.episodes, "exchange", "contract"), strict=True))):
        own = (pc.field("exchange") == exchange) & (pc.field("contract") == contract)
        rows = _rows({one: part.filter(own) for one, part in parts.items()}, seed, made.filter(own))
        contracts += [{"exchange": exchange, "contract": contract, **row} for row in rows]
    differences = {one: paired_differences(part, seed=seed) for one, part in parts.items()}
    return {"agents": _rows(parts, seed, made), "contracts": contracts, "orders": orders(differences)}


def maker_lots(results: Results) -> pa.Table:
    """Lots that seats made, a row a fill model, market, agent, instant, side and price; event times are the same under
    all models, so a fill that two models share stands at one instant."""
    keys = ["episode", "seat", "exchange", "contract", "day", "segment", "rotation", "track", "fill_model"]
    made = results.fills.filter(pc.field("role") == "maker")
    made = made.select(["episode", "seat", "agent", "time", "side", "price", "size"])
    whole = made.join(results.episodes.select(keys), ["episode", "seat"], join_type="inner")
    return whole.group_by([*_FILL, "fill_model"]).aggregate([("size", "sum")])


def _rows(parts: dict[str, pa.Table], seed: int, made: pa.Table) -> list[dict[str, Any]]:
    """A row a track and agent, in the order of the leaderboard by the settings' own model."""
    boards = {
        one: {(row["track"], row["agent"]): row for row in leaderboard(part, seed=seed)} for one, part in parts.items()
    }
    lots, rows = _certainty(made, list(parts)), []
    for (track, agent), own in next(iter(boards.values())).items():
        every = {one: board[track, agent] for one, board in boards.items()}
        row: dict[str, Any] = {"track": track, "agent": agent}
        for key in MEASURES:
            known = [float(one[key]) for one in every.values() if math.isfinite(one[key])] or [math.nan]
            row |= {key: own[key], f"{key}_low": min(known), f"{key}_high": max(known)}
        mine = lots.get((track, agent), {"by_model": dict.fromkeys(parts, 0), "certain": 0, "any": 0})
        row["models"] = {
            one: {key: board[key] for key in ("pnl_mean", "pnl_low", "pnl_high")}
            | {"maker_lots": mine["by_model"][one]}
            for one, board in every.items()
        }
        own_lots = mine["by_model"][next(iter(parts))]
        row |= {
            "maker_lots": own_lots,
            "certain_lots": mine["certain"],
            "certain": mine["certain"] / own_lots if own_lots else math.nan,
            "certain_of_any": mine["certain"] / mine["any"] if mine["any"] else math.nan,
        }
        rows.append(row)
    return rows


def _certainty(made: pa.Table, names: Sequence[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """(track, agent) -> lots by model, under every model (the least of them at an instant) and under any (the most)."""
    size = ("size_sum", "sum")
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in made.group_by(["track", "agent", "fill_model"]).aggregate([size]).to_pylist():
        blank = {"by_model": dict.fromkeys(names, 0), "certain": 0, "any": 0}
        found.setdefault((row["track"], row["agent"]), blank)["by_model"][row["fill_model"]] = row["size_sum_sum"]
    least = made.group_by(list(_FILL)).aggregate([("size_sum", "min"), ("size_sum", "max"), ("size_sum", "count")])
    everywhere = least.filter(pc.field("size_sum_count") == len(names))
    for key, table, column in (("certain", everywhere, "size_sum_min"), ("any", least, "size_sum_max")):
        for row in table.group_by(["track", "agent"]).aggregate([(column, "sum")]).to_pylist():
            found[row["track"], row["agent"]][key] = row[f"{column}_sum"]
    return found


def _values(table: pa.Table, *names: str) -> list[list[Any]]:
    return [table.column(name).to_pylist() for name in names]
