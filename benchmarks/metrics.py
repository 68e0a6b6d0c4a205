"""How one seat did in one episode: one pure function a formula.

Marked wealth W = cash + position x mid - fees, in currency, on a grid of equal time steps that ends after the terminal
liquidation. Attribution is in exact integers, half-tick x lot (a mid is half of bid + ask, `mid2`, in ticks); times
tick value / 2 it is money. A share of time is a share of grid steps, each with the state it began with.
"""

import math
from typing import Any

import numpy as np

SECOND = 1_000_000_000  # ns
HORIZONS = (1, 5, 30)  # s, of the markouts
ADVERSE = 5  # s, the markout that counts as adverse selection in the attribution

FILL = np.dtype(
    [
        ("time", "i8"),  # ns UTC
        ("price", "i4"),  # ticks
        ("size", "i4"),  # lots
        ("side", "i1"),  # +1 the seat bought, -1 it sold
        ("mid2", "i4"),  # ticks, best bid + best ask before the taker came
        ("liquidation", "?"),  # the venue or the end of the episode closed a position
        ("fee", "f8"),  # currency
        ("maker", "?"),  # the seat's order was resting
    ]
)
MARK = np.dtype(
    [
        ("time", "i8"),  # ns UTC, of a publication of the market
        ("mid2", "i4"),  # ticks, best bid + best ask; stands until the next mark
    ]
)
CURVE = np.dtype(
    [
        ("time", "i8"),  # ns UTC, equal steps; the last row is the end, after liquidation
        ("mid2", "i4"),  # ticks, best bid + best ask
        ("position", "i4"),  # lots
        ("cash", "i8"),  # tick x lot
        ("fees", "f8"),  # currency, so far
        ("bid", "i4"),  # ticks, own best working bid; 0 when there is none
        ("ask", "i4"),  # ticks, own best working ask; 0 when there is none
    ]
)


def episode_metrics(
    fills: np.ndarray,
    curve: np.ndarray,
    marks: np.ndarray,
    *,
    tick_value: float,
    position_limit: int,
    ordered_lots: int,
    messages: int,
) -> dict[str, Any]:
    """All measures of one seat in one episode, under the names of the columns of `episodes.parquet`.

    fills: (n,) FILL, in order of time, from a flat start. curve: (k,) CURVE, k >= 1. marks: (m,) MARK, sorted, m >= 1.
    tick_value: currency a tick and lot. position_limit: lots. ordered_lots: lots of all orders that were accepted.
    messages: orders, amendments and cancels sent. ValueError when fills and accounts disagree.
    """
    parts, gross = attribution(fills, marks, int(curve["mid2"][-1])), gross_pnl(curve)
    fees, last_fees = float(fills["fee"].sum()), float(curve["fees"][-1])
    if sum(parts.values()) != gross or not math.isclose(fees, last_fees, rel_tol=1e-9, abs_tol=1e-6):
        raise ValueError(
            f"the fills make {sum(parts.values())} half-tick x lot and fees {fees}, "
            f"the accounts say {gross} and {last_fees}; "
            "give all fills of the seat, in order, and the curve up to the end of the episode"
        )
    wealth, held, money = marked_wealth(curve, tick_value), held_positions(curve), tick_value / 2
    step_s = float(curve["time"][1] - curve["time"][0]) / SECOND if len(curve) > 1 else math.nan
    chosen = fills[~fills["liquidation"]]
    pnl, mean_position, traded = (
        epnl(gross, fees, tick_value),
        mean_absolute_position(held),
        notional(fills, tick_value),
    )
    return {
        "pnl": pnl,
        "pnl_half_ticks": gross,
        **{f"{name}_half_ticks": part for name, part in parts.items()},
        "fees": fees,
        **{name: part * money for name, part in parts.items()},
        **{f"markout_{h}s": int(markouts(chosen, marks, h * SECOND).sum()) * money for h in HORIZONS},
        "map": mean_position,
        "pnl_map": pnl_map(pnl, mean_position),
        "pr": pr(pnl, traded),
        "mdd": mdd(wealth),
        "sharpe": sharpe(wealth),
        "max_inventory": largest_position(fills),
        "share_at_limit": share_at_limit(held, position_limit),
        "es95": expected_shortfall(wealth, 0.95),
        "es99": expected_shortfall(wealth, 0.99),
        "inventory_at_worst": inventory_at_worst(wealth, held),
        "inventory_half_life_s": inventory_half_life(held, step_s),
        "fills": len(fills),
        "lots": int(fills["size"].sum(dtype=np.int64)),
        "notional": traded,
        "fill_ratio": fill_ratio(chosen, ordered_lots),
        "quoting_share": quoting_share(curve),
        "order_to_trade": order_to_trade(messages, len(chosen)),
    }


def latency_percentiles(latencies_ns: np.ndarray, prefix: str) -> dict[str, float]:
    """(n,) ns -> {prefix_p50_us, prefix_p90_us, prefix_p99_us, prefix_max_us}; NaN when n = 0."""
    names = [f"{prefix}_{name}_us" for name in ("p50", "p90", "p99", "max")]
    if not len(latencies_ns):
        return dict.fromkeys(names, math.nan)
    return dict(zip(names, (np.percentile(latencies_ns, (50, 90, 99, 100)) / 1000).tolist(), strict=True))


def signed(fills: np.ndarray) -> np.ndarray:
    """(n,) i8, lots bought; sold lots are negative."""
    return np.asarray(fills["side"].astype(np.int64) * fills["size"])


def mid2_at(marks: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(n,) i8, twice the mid of the last mark at or before each time; before the first mark, the first."""
    last = np.searchsorted(marks["time"], times, side="right") - 1
    return np.asarray(marks["mid2"][np.maximum(last, 0)], np.int64)


def markouts(fills: np.ndarray, marks: np.ndarray, horizon: int) -> np.ndarray:
    """(n,) i8, half-tick x lot: lots bought x move of the mid from just before the fill to `horizon` ns after it.

    Negative where the market moved against the fill. After the last mark the mid stands still.
    """
    return np.asarray(signed(fills) * (mid2_at(marks, fills["time"] + horizon) - fills["mid2"]))


def attribution(fills: np.ndarray, marks: np.ndarray, end_mid2: int) -> dict[str, int]:
    """Where the gross PnL came from, half-tick x lot: spread, adverse, holding and liquidation sum to it exactly.

    With q lots bought at price p while twice the mid is m: spread = sum of q (m - 2 p) over the fills of the seat's own
    orders, liquidation the same over forced fills, adverse = their markout after 5 s (own orders), and holding = the
    sum over the path of position x change of m, from each fill to the next and to the end, without adverse.
    """
    forced, mid2 = fills["liquidation"], fills["mid2"].astype(np.int64)
    edge = signed(fills) * (mid2 - 2 * fills["price"].astype(np.int64))
    drift = np.cumsum(signed(fills)) * np.diff(mid2, append=end_mid2)
    adverse = int(markouts(fills[~forced], marks, ADVERSE * SECOND).sum())
    return {
        "spread": int(edge[~forced].sum()),
        "adverse": adverse,
        "holding": int(drift.sum()) - adverse,
        "liquidation": int(edge[forced].sum()),
    }


def gross_pnl(curve: np.ndarray) -> int:
    """Half-tick x lot at the end, before fees: 2 cash + position x mid2."""
    return 2 * int(curve["cash"][-1]) + int(curve["position"][-1]) * int(curve["mid2"][-1])


def epnl(gross_half_ticks: int, fees: float, tick_value: float) -> float:
    """Episodic PnL in currency, W_end - W_start from a flat start (Gašperov & Kostanjčar, IEEE Access 2021)."""
    return gross_half_ticks * tick_value / 2 - fees


def marked_wealth(curve: np.ndarray, tick_value: float) -> np.ndarray:
    """(k,) currency: W = cash + position x mid - fees."""
    half_ticks = 2 * curve["cash"] + curve["position"].astype(np.int64) * curve["mid2"]
    return np.asarray(half_ticks * tick_value / 2 - curve["fees"])


def held_positions(curve: np.ndarray) -> np.ndarray:
    """(k - 1,) lots held into each grid step; the flat end after liquidation begins no step."""
    return np.asarray(curve["position"][: max(len(curve) - 1, 1)], np.int64)


def mean_absolute_position(held: np.ndarray) -> float:
    """MAP = mean |I_k|, lots (Gašperov & Kostanjčar 2021)."""
    return float(np.abs(held).mean())


def pnl_map(pnl: float, mean_position: float) -> float:
    """PnLMAP = EPnL / max(MAP, 1e-7), currency a lot (Gašperov & Kostanjčar 2021)."""
    return pnl / max(mean_position, 1e-7)


def notional(fills: np.ndarray, tick_value: float) -> float:
    """Traded notional in currency, both sides: sum of price x size."""
    return int((fills["price"].astype(np.int64) * fills["size"]).sum()) * tick_value


def pr(pnl: float, traded: float) -> float:
    """Profit ratio = EPnL / traded notional, both sides; NaN when nothing traded.

    Guo et al. 2023 divide by the bought notional alone, which is about half of this.
    """
    return pnl / traded if traded else math.nan


def mdd(wealth: np.ndarray) -> float:
    """Maximum drawdown, currency, >= 0: the largest fall of W from its running peak."""
    return float((np.maximum.accumulate(wealth) - wealth).max())


def sharpe(wealth: np.ndarray) -> float:
    """Sharpe ratio of the episode (Sharpe 1994): mean / sd of the steps' PnL x sqrt(steps); NaN when sd is 0."""
    steps = np.diff(wealth)
    sd = float(steps.std(ddof=1)) if len(steps) > 1 else 0.0
    return float(steps.mean()) / sd * math.sqrt(len(steps)) if sd > 0 else math.nan


def largest_position(fills: np.ndarray) -> int:
    """Largest |position| after any fill, lots."""
    return int(np.abs(np.cumsum(signed(fills))).max(initial=0))


def share_at_limit(held: np.ndarray, position_limit: int) -> float:
    """Share of time with |position| at its limit (or beyond)."""
    return float((np.abs(held) >= position_limit).mean())


def expected_shortfall(wealth: np.ndarray, level: float) -> float:
    """Mean loss of the worst (1 - level) of the grid steps, at least one; currency, positive for a loss.

    Acerbi & Tasche 2002, on the empirical distribution with the number of steps rounded up.
    """
    losses = np.sort(-np.diff(wealth))[::-1]
    return float(losses[: math.ceil(round(len(losses) * (1 - level), 9))].mean()) if len(losses) else 0.0


def inventory_at_worst(wealth: np.ndarray, held: np.ndarray) -> int:
    """Position held into the grid step of the largest loss, lots."""
    steps = np.diff(wealth)
    return int(held[steps.argmin()]) if len(steps) else 0


def inventory_half_life(held: np.ndarray, step_s: float) -> float:
    """Half-life of the inventory in s, -ln 2 / ln(phi) of I_k+1 = a + phi I_k; NaN unless 0 < phi < 1."""
    before, after = held[:-1].astype(float), held[1:].astype(float)
    if len(before) < 2 or not before.std():
        return math.nan
    phi = float(np.mean((before - before.mean()) * (after - after.mean())) / before.var())
    return -math.log(2) / math.log(phi) * step_s if 0 < phi < 1 else math.nan


def quoting_share(curve: np.ndarray) -> float:
    """Share of time with own orders working on both sides."""
    return float(((curve["bid"] > 0) & (curve["ask"] > 0))[: max(len(curve) - 1, 1)].mean())


def fill_ratio(fills: np.ndarray, ordered_lots: int) -> float:
    """Lots filled a lot ordered, forced fills left out; NaN without orders."""
    return int(fills["size"].sum(dtype=np.int64)) / ordered_lots if ordered_lots else math.nan


def order_to_trade(messages: int, trades: int) -> float:
    """Messages (orders, amendments, cancels) a fill, forced fills left out; NaN without fills.

    EU Delegated Regulation 2017/566 takes 1 off this; we do not.
    """
    return messages / trades if trades else math.nan
