"""What the rows of the evidence say: per contract and product, with intervals, and every method against CMM.

A block is an episode; all methods met the same ones, and the same draws of blocks serve all (paired). Seeds are drawn
with replacement too, of each method for itself, so that an interval holds both what the days and what training left to
chance. PnLMAP is a ratio of sums over episodes and seeds, which no quiet episode can blow up.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lobarena.benchmarks.evidence_units import MONEY, Rows
from lobarena.benchmarks.statistics import ENOUGH_BLOCKS, holm, interval

RESAMPLES = 4_999
LEAST_SKILL = 0.01  # R2 of the teacher above which it has skill that can be kept
CMM = "cmm"


def product(contract: str) -> str:
    """ "RB" of RB1901 and of RBSYN."""
    return contract.removesuffix("SYN").rstrip("0123456789")


def money_table(episodes: Sequence[dict[str, Any]]) -> Rows:
    """A row a group, contract, label and money: means over episodes and seeds, PnLMAP with its 95 % interval."""
    found = []
    for (group, contract, money), rows in _by(episodes, "group", "contract", "money").items():
        blocks = Blocks(rows)
        for place, label in enumerate(blocks.labels):
            own = [row for row in rows if row["label"] == label]
            low, high = interval(blocks.draws[:, place], blocks.count)
            found.append(
                {"group": group, "contract": contract, "money": money, "label": label}
                | {"seeds": len({row["seed"] for row in own}), "episodes": blocks.count}
                | {"pnl": _mean(own, "pnl"), "pnl_sd": float(np.std([row["pnl"] for row in own]))}
                | {"map": _mean(own, "map"), "pnl_map": float(blocks.value[place]), "low": low, "high": high}
                | {"pr": _ratio(own, "pnl", "notional"), "sharpe": _mean(own, "sharpe"), "mdd": _mean(own, "mdd")}
                | {"lots": _mean(own, "lots"), "fees": _mean(own, "fees")}
            )
    return sorted(found, key=lambda row: (row["group"], row["contract"], row["money"], -row["pnl_map"]))


def against_cmm(episodes: Sequence[dict[str, Any]]) -> Rows:
    """A row a product, money and other label: PnLMAP of CMM less theirs, its interval, p, and p after Holm."""
    found = []
    named = [row | {"product": product(row["contract"])} for row in episodes]
    for (name, money), rows in _by(named, "product", "money").items():
        blocks = Blocks(rows)
        if CMM not in blocks.labels:
            continue
        own, pairs = blocks.labels.index(CMM), []
        for place, label in enumerate(blocks.labels):
            if place == own:
                continue
            draws = blocks.draws[:, own] - blocks.draws[:, place]
            value = float(blocks.value[own] - blocks.value[place])
            low, high = interval(draws, blocks.count)
            extreme = int((np.abs(draws - value) >= abs(value)).sum())
            p = (1 + extreme) / (1 + RESAMPLES) if blocks.count >= ENOUGH_BLOCKS else float("nan")
            pairs.append({"product": name, "money": money, "label": label, "blocks": blocks.count})
            pairs[-1] |= {"difference": value, "low": low, "high": high, "p": p}
        for pair, corrected in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True):
            found.append(pair | {"p_holm": corrected})
    return found


class Blocks:
    """PnLMAP of every label over the blocks that all have met, and the same draws of it for all."""

    def __init__(self, rows: Sequence[dict[str, Any]], seed: int = 0) -> None:
        self.labels = sorted({row["label"] for row in rows})
        met = [{(row["contract"], row["opens"]) for row in rows if row["label"] == label} for label in self.labels]
        common = sorted(set.intersection(*met))
        self.count = len(common)
        places = {key: place for place, key in enumerate(common)}
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(self.count, np.full(self.count, 1 / self.count), size=RESAMPLES).astype(float)
        values, draws = [], []
        for label in self.labels:
            own = [row for row in rows if row["label"] == label and (row["contract"], row["opens"]) in places]
            seeds = sorted({row["seed"] for row in own})
            table = np.zeros((2, len(seeds), self.count))
            for row in own:
                at = seeds.index(row["seed"]), places[row["contract"], row["opens"]]
                table[:, at[0], at[1]] = row["pnl"], row["map"]
            weights = rng.multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), size=RESAMPLES).astype(float)
            pnl, held = (np.einsum("rb,sb,rs->r", drawn, one, weights, optimize=True) for one in table)
            values.append(_pnlmap(*table.sum((1, 2))))
            draws.append(_pnlmap(pnl, held))
        self.value, self.draws = np.array(values), np.stack(draws, 1)  # (labels,), (RESAMPLES, labels)


def regime_table(episodes: Sequence[dict[str, Any]]) -> Rows:
    """A row a regime of the episodes, money and label, over all contracts: PnL in units of each contract's constant."""
    found = []
    for (group, regime, money, label), rows in _by(episodes, "group", "regime", "money", "label").items():
        found.append(
            {"group": group, "regime": regime, "money": money, "label": label}
            | {"episodes": len({(row["contract"], row["opens"]) for row in rows}), "pnl": _mean(rows, "pnl")}
            | {"map": _mean(rows, "map"), "pnl_map": _ratio(rows, "pnl", "map"), "lots": _mean(rows, "lots")}
        )
    return found


def skill_table(skill: Sequence[dict[str, Any]], regime: str = "all") -> Rows:
    """A row a group and label: R2 of each task, mean over contracts and seeds, the share of the teacher's kept, and the
    lowest and highest mean of a seed."""
    found = []
    rows = [row for row in skill if row["regime"] == regime and row["r2"] is not None]
    for (group,), own in _by(rows, "group").items():
        teacher = {(row["contract"], row["task"]): row["r2"] for row in own if row["label"] == "teacher"}
        known = {key for key, value in teacher.items() if value > LEAST_SKILL}
        whole = sum(teacher[key] for key in known)
        for (label,), mine in _by(own, "label").items():
            row: dict[str, Any] = {"group": group, "label": label, "seeds": len({one["seed"] for one in mine})}
            for (task,), part in _by(mine, "task").items():
                row[task] = _mean(part, "r2")
            kept = [one for one in mine if (one["contract"], one["task"]) in known]
            row["kept"] = sum(one["r2"] for one in kept) / row["seeds"] / whole if whole and kept else float("nan")
            row["mean"] = _mean(mine, "r2")
            by_seed = [_mean(part, "r2") for part in _by(mine, "seed").values()]
            row["lowest"], row["highest"] = min(by_seed), max(by_seed)
            found.append(row)
    return sorted(found, key=lambda row: (row["group"], -row["mean"]))


def weight_table(weights: Sequence[dict[str, Any]]) -> Rows:
    """A row a group and task: how far CMM's mean weights of calm and wild looks lie apart (total variation)."""
    found = []
    rows = [row for row in weights if row["label"] == CMM]
    for (group, task), own in _by(rows, "group", "task").items():
        apart = []
        for (_,), mine in _by(own, "seed").items():
            by = {(row["regime"], row["student"]): row["weight"] for row in mine}
            students = sorted({row["student"] for row in mine})
            apart.append(sum(abs(by.get(("calm", k), 0) - by.get(("wild", k), 0)) for k in students) / 2)
        found.append({"group": group, "task": task, "seeds": len(apart), "apart": float(np.mean(apart))})
    return found


def fact_table(facts: Sequence[dict[str, Any]]) -> Rows:
    """A row a label: parameters, FLOP a look, time of a look and of training; means over groups and seeds."""
    found = []
    for (label,), rows in _by([row for row in facts if row["parameters"]], "label").items():
        found.append(
            {"label": label} | {key: _mean(rows, key) for key in ("parameters", "flop", "look_us", "train_cpu_s")}
        )
    return found


def verdicts(pairs: Sequence[dict[str, Any]], methods: Sequence[str]) -> list[str]:
    """For each money: in which products CMM is first among the methods, and in which clear of zero."""
    said = []
    for money in MONEY:
        first, clear = [], []
        own = [row for row in pairs if row["money"] == money and row["label"] in methods]
        for (name,), rows in _by(own, "product").items():
            if all(row["difference"] > 0 for row in rows):
                first.append(name)
                if all(row["low"] > 0 for row in rows):
                    clear.append(name)
        products = len({row["product"] for row in own})
        said.append(
            f"{money}: CMM is first in PnLMAP in {len(first)} of {products} products ({', '.join(first) or 'none'}), "
            f"with every interval clear of zero in {len(clear)} ({', '.join(clear) or 'none'})"
        )
    return said


def _pnlmap(pnl: Any, held: Any) -> Any:
    return pnl / np.maximum(held, 1e-7)


def _by(rows: Sequence[dict[str, Any]], *keys: str) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


def _mean(rows: Sequence[dict[str, Any]], key: str) -> float:
    known = [row[key] for row in rows if row[key] is not None and np.isfinite(row[key])]
    return float(np.mean(known)) if known else float("nan")


def _ratio(rows: Sequence[dict[str, Any]], over: str, under: str) -> float:
    total = sum(row[under] for row in rows)
    return sum(row[over] for row in rows) / total if total else float("nan")
