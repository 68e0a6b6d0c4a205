"""What a stress run says of each agent in each window and story: a row each, from the four tables alone.

All money is also told as a share of the capital, so that contracts of different sizes may be averaged. `calm` is the
same agent in the same window with no shock; a difference is always against that.
"""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lobarena.benchmarks.results import Results
from lobarena.benchmarks.shock_episodes import CALM

SECOND = 1_000_000_000  # ns
REGIMES = ("calm", "normal", "wild")
_WINDOW = ("exchange", "contract", "day", "segment")
_TAIL = 0.05  # share of windows and stories in the expected shortfall of an agent


def measured(results: Results) -> list[dict[str, Any]]:
    """A row an agent, window and story, in the order of the file.

    survived : neither closed out by the venue nor failed, and equity above 0 at the end
    pnl, drawdown, shortfall : share of capital; shortfall is the mean of the worst 1 % of steps of the curve
    worst_position : lots held into the step of the largest loss; at_limit : share of time at the position limit
    locked : share of the window in which the market was locked at a daily price limit
    flat_s : s from the end of the last shock to the first flat step; NaN when there is none
    quoting : share of time with quotes on both sides while the shocks last
    picked_off : share of fills (forced ones left out) at prices worse than the mid 5 s later
    worst_second : messages; recovery_s : s from the trough of the largest fall to its former peak, NaN if never
    against_calm : share of capital, pnl less that of the calm twin; NaN without one
    """
    stories = {one["name"]: one for one in results.manifest.get("stress", [])}
    curves, fills = _curves(results), _fills(results)
    rows = []
    for e in results.episodes.to_pylist():
        notes = json.loads(e["notes"])
        capital = float(notes.get("venue_capital", math.nan))
        key = e["episode"], e["seat"]
        time, mid, pnl, position, quoted = curves.get(key, _NOTHING)
        story = stories.get(e["track"], {"at_s": 0.0, "until_s": 0.0})
        begins, ends = (e["opens"] + round(story[name] * SECOND) for name in ("at_s", "until_s"))
        inside = (time >= begins) & (time <= max(ends, begins + 60 * SECOND)) if e["track"] != CALM else time > 0
        closed, failed = bool(notes.get("venue_liquidated", 0)), e["status"] != "ok"
        worse, all_fills = fills.get(key, (0, 0))
        rows.append(
            {
                **{name: e[name] for name in ("episode", "agent", "opens", "closes", *_WINDOW)},
                "story": e["track"],
                "survived": not (closed or failed or e["pnl"] + capital <= 0),
                "closed_out": closed,
                "failed": failed,
                "money": e["pnl"],
                "pnl": e["pnl"] / capital,
                "drawdown": e["mdd"] / capital,
                "shortfall": e["es99"] / capital,
                "worst_position": e["inventory_at_worst"],
                "at_limit": e["share_at_limit"],
                "locked": int(notes.get("venue_locked_ms", 0)) * 1e6 / (e["closes"] - e["opens"]),
                "flat_s": _flat_after(time, position, ends),
                "quoting": float(quoted[inside].mean()) if inside.any() else math.nan,
                "picked_off": worse / all_fills if all_fills else math.nan,
                "worst_second": int(notes.get("venue_worst_second", 0)),
                "recovery_s": _recovery(time, pnl),
                "calls": int(notes.get("venue_margin_calls", 0)),
                "broken": int(notes.get("venue_broken", 0)),
                "refused": e["refused"],
                "fills": e["fills"],
                "notes": notes,
                "sigma": float(np.diff(mid).std()) if len(mid) > 2 else math.nan,
            }
        )
    calm = {_twin(row): row["pnl"] for row in rows if row["story"] == CALM}
    regimes = _regimes([row for row in rows if row["story"] == CALM])
    for row in rows:
        row["against_calm"] = row["pnl"] - calm.get(_twin(row), math.nan)
        row["regime"] = regimes.get(_window(row), "normal")
    return rows


def ranking(rows: Sequence[Mapping[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    """A row an agent over all stories but calm, best worst case first; paired: everyone met the same ones.

    ruins : stories and windows not survived; mean, with its 95 % interval over windows, worst and es (the mean of the
    worst 5 %) of the pnl as a share of capital; calm : mean of its calm windows.
    """
    found = []
    for agent in dict.fromkeys(row["agent"] for row in rows):
        mine = [row for row in rows if row["agent"] == agent and row["story"] != CALM]
        quiet = [row["pnl"] for row in rows if row["agent"] == agent and row["story"] == CALM]
        if not mine:
            continue
        pnl = np.array([row["pnl"] for row in mine])
        worst = mine[int(pnl.argmin())]
        low, high = _interval(mine, seed)
        found.append(
            {
                "agent": agent,
                "episodes": len(mine),
                "ruins": sum(not row["survived"] for row in mine),
                "worst": float(pnl.min()),
                "worst_story": worst["story"],
                "worst_episode": worst["episode"],
                "es": float(np.sort(pnl)[: math.ceil(_TAIL * len(pnl))].mean()),
                "mean": float(pnl.mean()),
                "mean_low": low,
                "mean_high": high,
                "against_calm": _mean(row["against_calm"] for row in mine),
                "calm": _mean(quiet),
                "drawdown": max(row["drawdown"] for row in mine),
            }
        )
    order = sorted(found, key=lambda row: -row["worst"])
    by_mean = sorted(found, key=lambda row: -row["mean"])
    for row in found:
        row["rank_worst"], row["rank_mean"] = order.index(row) + 1, by_mean.index(row) + 1
    return order


MEANS = (
    *("pnl", "against_calm", "drawdown", "shortfall", "at_limit", "locked", "flat_s", "quoting", "picked_off"),
    *("worst_second", "recovery_s", "calls", "refused"),
)


def by_story(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row an agent and story: means over the windows, the worst pnl, and how many were survived."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["story"], row["agent"]].append(row)
    return [
        {
            "story": story,
            "agent": agent,
            "episodes": len(mine),
            "survived": sum(row["survived"] for row in mine),
            "worst": min(row["pnl"] for row in mine),
            **{name: _mean(row[name] for row in mine) for name in MEANS},
            "worst_position": max((row["worst_position"] for row in mine), key=abs),
            "never_flat": sum(math.isnan(row["flat_s"]) for row in mine),
            "never_recovered": sum(math.isnan(row["recovery_s"]) for row in mine),
        }
        for (story, agent), mine in groups.items()
    ]


def by_regime(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row an agent and regime of the calm window: the same measures over all stories but calm."""
    found = []
    for agent in dict.fromkeys(row["agent"] for row in rows):
        for regime in REGIMES:
            mine = [r for r in rows if r["agent"] == agent and r["regime"] == regime and r["story"] != CALM]
            if mine:
                found.append(
                    {
                        "agent": agent,
                        "regime": regime,
                        "windows": len({_window(row) for row in mine}),
                        "episodes": len(mine),
                        "ruins": sum(not row["survived"] for row in mine),
                        "worst": min(row["pnl"] for row in mine),
                        "mean": _mean(row["pnl"] for row in mine),
                        "against_calm": _mean(row["against_calm"] for row in mine),
                    }
                )
    return found


def breakers(rows: Sequence[Mapping[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    """What breakers save and cost: a row an agent that wears some and whose bare self is in the run, too.

    saves : mean difference of pnl (share of capital) over the stories, with its interval over windows; costs : the
    same over calm windows, its sign turned; ruins_bare, ruins : not survived without and with.
    """
    agents = list(dict.fromkeys(row["agent"] for row in rows))
    places = {(row["agent"], row["story"], *_window(row)): row for row in rows}
    found = []
    for agent in agents:
        bare = agent.partition("+")[0]
        if bare == agent or bare not in agents:
            continue
        pairs = [
            (row, places[bare, row["story"], *_window(row)])
            for row in rows
            if row["agent"] == agent and (bare, row["story"], *_window(row)) in places
        ]
        shocked = [(a, b) for a, b in pairs if a["story"] != CALM]
        saved = [{**a, "pnl": a["pnl"] - b["pnl"]} for a, b in shocked]
        low, high = _interval(saved, seed)
        found.append(
            {
                "agent": agent,
                "bare": bare,
                "saves": _mean(row["pnl"] for row in saved),
                "saves_low": low,
                "saves_high": high,
                "costs": -_mean(a["pnl"] - b["pnl"] for a, b in pairs if a["story"] == CALM),
                "worst_bare": min((b["pnl"] for _, b in shocked), default=math.nan),
                "worst": min((a["pnl"] for a, _ in shocked), default=math.nan),
                "ruins_bare": sum(not b["survived"] for _, b in shocked),
                "ruins": sum(not a["survived"] for a, _ in shocked),
                "trips": sum(n for a, _ in pairs for key, n in a["notes"].items() if key.startswith("breaker_")),
                "trips_calm": sum(
                    n
                    for a, _ in pairs
                    if a["story"] == CALM
                    for key, n in a["notes"].items()
                    if key.startswith("breaker_")
                ),
            }
        )
    return found


_NOTHING = tuple(np.zeros(0) for _ in range(5))


def _curves(results: Results) -> dict[tuple[int, int], Any]:
    """(episode, seat) -> time ns, mid ticks, pnl currency, position lots, whether both sides were quoted; (k,) each."""
    columns = {name: results.curve.column(name).to_numpy() for name in results.curve.column_names}
    quoted = (columns["bid"] > 0) & (columns["ask"] > 0)
    return {
        key: (*(columns[name][rows] for name in ("time", "mid", "pnl", "position")), quoted[rows])
        for key, rows in _groups(columns).items()
    }


def _fills(results: Results) -> dict[tuple[int, int], tuple[int, int]]:
    """(episode, seat) -> fills at prices worse than the mid 5 s later, and all fills; forced ones left out."""
    names = ("episode", "seat", "price", "size", "side", "mid", "markout_5s", "reason", "role")
    columns = {name: results.fills.column(name).to_numpy() for name in names}
    value = dict(
        zip(
            results.episodes.column("episode").to_pylist(),
            results.episodes.column("tick_value").to_pylist(),
            strict=True,
        )
    )
    worth = np.array([value[int(episode)] for episode in columns["episode"]])
    edge = columns["side"] * columns["size"] * (columns["mid"] - columns["price"]) * worth
    own = (columns["reason"] != "liquidation") | (columns["role"] != "taker")
    worse = (edge + columns["markout_5s"] < 0) & own
    return {key: (int(worse[rows].sum()), int(own[rows].sum())) for key, rows in _groups(columns).items()}


def _groups(columns: Mapping[str, np.ndarray]) -> dict[tuple[int, int], np.ndarray]:
    """(episode, seat) -> its row numbers, in order."""
    if not len(columns["episode"]):
        return {}
    keys = columns["episode"].astype(np.int64) * 64 + columns["seat"]
    order = np.argsort(keys, kind="stable")
    cuts = np.flatnonzero(np.diff(keys[order])) + 1
    return {(int(keys[rows[0]]) // 64, int(keys[rows[0]]) % 64): rows for rows in np.split(order, cuts)}


def _flat_after(time: np.ndarray, position: np.ndarray, end: int) -> float:
    """s from `end` to the first step without a position; the closing step of the episode does not count."""
    flat = np.flatnonzero((time[:-1] >= end) & (position[:-1] == 0))
    return float(time[flat[0]] - end) / SECOND if len(flat) else math.nan


def _recovery(time: np.ndarray, pnl: np.ndarray) -> float:
    """s from the trough of the largest fall until the peak before it is reached again; 0 when nothing fell."""
    if not len(pnl):
        return math.nan
    peak = np.maximum.accumulate(pnl)
    trough = int((peak - pnl).argmax())
    if peak[trough] == pnl[trough]:
        return 0.0
    back = np.flatnonzero(pnl[trough:] >= peak[trough])
    return float(time[trough + back[0]] - time[trough]) / SECOND if len(back) else math.nan


def _window(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _WINDOW)


def _twin(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (row["agent"], *_window(row))


def _regimes(calm: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, ...], str]:
    """Window -> regime: the thirds of the volatility of calm windows, each as a multiple of its contract's median."""
    sigma = {_window(row): row["sigma"] for row in calm if not math.isnan(row["sigma"])}
    if len(sigma) < len(REGIMES):  # too few to tell them apart: all are normal
        return {}
    median = {
        place[1]: float(np.median([s for other, s in sigma.items() if other[1] == place[1]])) or 1.0 for place in sigma
    }
    relative = {place: s / median[place[1]] for place, s in sigma.items()}
    low, high = np.quantile(list(relative.values()), (1 / 3, 2 / 3))
    return {place: REGIMES[int(value > low) + int(value > high)] for place, value in relative.items()}


def _interval(rows: Sequence[Mapping[str, Any]], seed: int, resamples: int = 2_000) -> tuple[float, float]:
    """95 % of the mean pnl, windows drawn with replacement, the same draws for every agent; NaN below two windows."""
    places = sorted({_window(row) for row in rows})
    if len(places) < 2:
        return math.nan, math.nan
    sums, counts = np.zeros(len(places)), np.zeros(len(places))
    for row in rows:
        sums[places.index(_window(row))] += row["pnl"]
        counts[places.index(_window(row))] += 1
    draws = np.random.default_rng(seed).multinomial(len(places), np.full(len(places), 1 / len(places)), resamples)
    low, high = np.quantile((draws @ sums) / (draws @ counts), (0.025, 0.975))
    return float(low), float(high)


def _mean(values: Any) -> float:
    known = [float(value) for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
