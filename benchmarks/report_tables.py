"""The tables of a report: which keys they show, how a number reads, and their HTML (escaped, sortable)."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lobarena.benchmarks.latency_mode import written

CURRENCY = "CNY"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the key of the row, what stands above it, its unit, and how its values are written."""

    key: str
    title: str
    unit: str = ""
    form: str = ",.0f"  # of format(); "" for text, "interval" for pnl_low to pnl_high, "duration"
    scale: float = 1.0
    bad: bool = False  # whether anything but 0 is a warning
    band: bool = False  # from <key>_low to <key>_high, the least and the most over the fill models


AGENT = Column("agent", "agent", form="")
LEADERBOARD = (
    AGENT,
    Column("episodes", "episodes"),
    Column("pnl_mean", "mean PnL", f"{CURRENCY} / episode"),
    Column("pnl_low", "95 % interval", CURRENCY, "interval"),
    Column("pnl_sd", "sd", CURRENCY),
    Column("pnl_map", "PnLMAP", f"{CURRENCY} / lot", ",.1f"),
    Column("pr", "PR", "bp of notional", ",.3f", 1e4),
    Column("mdd", "MDD", CURRENCY),
    Column("sharpe", "Sharpe", "per episode", ",.2f"),
    Column("es95", "ES 95 %", f"{CURRENCY} / step", ",.1f"),
    Column("es99", "ES 99 %", f"{CURRENCY} / step", ",.1f"),
    Column("failures", "failures", bad=True),
)
ACTIVITY = (
    AGENT,
    Column("map", "MAP", "lots", ",.2f"),
    Column("max_inventory", "largest", "lots"),
    Column("share_at_limit", "at limit", "% of time", ",.1f", 100),
    Column("inventory_half_life_s", "half-life", "s", ",.1f"),
    Column("fills", "fills", "/ episode", ",.1f"),
    Column("fill_ratio", "fill ratio", "% of lots", ",.1f", 100),
    Column("quoting_share", "two-sided", "% of time", ",.1f", 100),
    Column("order_to_trade", "messages", "/ fill", ",.2f"),
    Column("latency_p50_us", "charged p50", "us", ",.1f"),
    Column("latency_p99_us", "charged p99", "us", ",.1f"),
    Column("measured_p50_us", "measured p50", "us", ",.1f"),
    Column("measured_p99_us", "measured p99", "us", ",.1f"),
)
THINKING = (
    AGENT,
    *(Column(f"latency_{one}_us", f"charged {one}", "us", ",.1f") for one in ("p50", "p90", "p99", "max")),
    *(Column(f"measured_{one}_us", f"measured {one}", "us", ",.1f") for one in ("p50", "p90", "p99", "max")),
)
COST = (
    AGENT,
    Column("prompt_tokens", "tokens read", "/ decision", ",.1f"),
    Column("answer_tokens", "tokens written", "/ decision", ",.1f"),
    Column("parameters", "parameters"),
    Column("flop", "FLOP", "/ decision"),
    Column("measured_cpu_us", "CPU time", "us / decision", ",.1f"),
    Column("joules", "energy", "J / decision", ",.4f"),
)
CALLS = (
    AGENT,
    Column("asked", "asked"),
    Column("recalled", "of them recalled"),
    Column("answered", "answered"),
    Column("repaired", "of them repaired"),
    Column("pulled", "quotes pulled", bad=True),
    Column("refused", "refused", bad=True),
    Column("time-out", "timed out", bad=True),
    Column("budget", "budget used up", bad=True),
    Column("too long", "prompt too long", bad=True),
    Column("unreadable", "unreadable", bad=True),
    Column("unreachable", "unreachable", bad=True),
    Column("busy", "busy", bad=True),
    Column("server error", "server error", bad=True),
)
EFFORT = (
    AGENT,
    Column("decisions", "decisions"),
    Column("deadlines", "deadlines missed", bad=True),
    Column("refused", "refused orders", bad=True),
    Column("failures", "failed episodes", bad=True),
)
ATTRIBUTION = (
    AGENT,
    Column("spread", "spread captured", CURRENCY),
    Column("adverse", "adverse (5 s)", CURRENCY),
    Column("holding", "holding", CURRENCY),
    Column("liquidation", "liquidation", CURRENCY),
    Column("fees", "fees", CURRENCY),
    Column("markout_1s", "markout 1 s", CURRENCY),
    Column("markout_5s", "markout 5 s", CURRENCY),
    Column("markout_30s", "markout 30 s", CURRENCY),
)
DIFFERENCES = (
    Column("first", "better", form=""),
    Column("second", "than", form=""),
    Column("blocks", "blocks"),
    Column("difference", "by", f"{CURRENCY} / episode"),
    Column("low", "from", CURRENCY),
    Column("high", "to", CURRENCY),
    Column("p", "p", form=".4f"),
    Column("p_holm", "p, Holm", form=".4f"),
)
_CERTAIN = Column("certain", "certain", "% of maker lots", ",.1f", 100)
BAND = (
    AGENT,
    Column("pnl_mean", "mean PnL", f"{CURRENCY} / episode"),
    Column("pnl_mean", "band", CURRENCY, band=True),
    Column("pnl_map", "PnLMAP", f"{CURRENCY} / lot", ",.1f", band=True),
    Column("mdd", "MDD", CURRENCY, band=True),
    Column("map", "MAP", "lots", ",.2f", band=True),
    Column("fills", "fills", "/ episode", ",.1f", band=True),
    _CERTAIN,
)
BAND_MORE = (
    AGENT,
    Column("pr", "PR", "bp of notional", ",.3f", 1e4, band=True),
    Column("sharpe", "Sharpe", "per episode", ",.2f", band=True),
    Column("spread", "spread captured", CURRENCY, band=True),
    Column("adverse", "adverse (5 s)", CURRENCY, band=True),
    Column("fill_ratio", "fill ratio", "% of lots", ",.1f", 100, band=True),
    Column("maker_lots", "maker lots", "in all"),
    Column("certain_lots", "of them certain", "in all"),
    Column("certain_of_any", "certain", "% of any model's", ",.1f", 100),
)
BAND_CONTRACTS = (
    Column("contract", "contract", form=""),
    *BAND[:3],
    Column("fills", "fills", "/ episode", ",.1f", band=True),
    _CERTAIN,
)
ORDERS = (
    Column("first", "agent", form=""),
    Column("second", "against", form=""),
    Column("verdict", "verdict", form=""),
    Column("models", "ahead under", "models"),
    Column("of", "of", "models"),
    Column("clear", "clear of 0 under", "models"),
    Column("difference", "ahead by", f"{CURRENCY} / episode"),
    Column("difference", "band", CURRENCY, band=True),
)
CONTRACTS = (
    Column("contract", "contract", form=""),
    Column("track", "track", form=""),
    *LEADERBOARD[:6],
    Column("map", "MAP", "lots", ",.2f"),
    Column("fills", "fills", "/ episode", ",.1f"),
)
FAILURES = (
    Column("episode", "episode", form="d"),
    Column("track", "track", form=""),
    Column("fill_model", "fill model", form=""),
    Column("contract", "contract", form=""),
    Column("day", "day", form="d"),
    AGENT,
    Column("error", "error", form=""),
)
DATA = (
    Column("exchange", "exchange", form=""),
    Column("contract", "contract", form=""),
    Column("day", "day", form="d"),
    Column("rows", "rows"),
    Column("digest", "digest", form=""),
)


def shown(column: Column, row: dict[str, Any]) -> str:
    """The value as people read it; "-" where it is not known."""
    value = row.get(column.key)
    if column.form == "":
        return "-" if value is None else str(value)
    if column.form == "interval":
        return f"{_number(row['pnl_low'], ',.0f')} to {_number(row['pnl_high'], ',.0f')}"
    if column.band:
        low, high = (_scaled(column, row.get(f"{column.key}_{end}")) for end in ("low", "high"))
        return f"{low} to {high}"
    if column.form == "duration":
        return "-" if value is None else written(value)
    if column.key == "parameters" and value == -1:
        return "-"
    return _scaled(column, value)


def table(columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> str:
    """An HTML table whose columns sort at a click; every text is escaped."""
    head = "".join(
        f'<th scope="col"{_class(column)}><button type="button">{html.escape(column.title)}</button>'
        f"<small>{html.escape(column.unit) or '&nbsp;'}</small></th>"
        for column in columns
    )
    spans = {column: _span(rows, ends) for column in columns if (ends := _ends(column))}
    body = "".join(f"<tr>{''.join(_cell(column, row, spans.get(column)) for column in columns)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(column: Column, row: dict[str, Any], span: tuple[float, float] | None) -> str:
    value = row.get(column.key)
    unknown = value is None or (isinstance(value, float) and not math.isfinite(value))
    text, picture = html.escape(shown(column, row)), ""
    if span and not unknown:
        low, high = _ends(column)
        picture = _range(row[low], row["pnl_mean"], row[high], *span) + " "
    kind = _class(column, warn=column.bad and bool(value))
    return f'<td{kind} data-value="{"" if unknown else html.escape(str(value))}">{picture}{text}</td>'


def _class(column: Column, warn: bool = False) -> str:
    names = (["text"] if column.form == "" else []) + (["wrap"] if column.key == "error" else []) + ["bad"] * warn
    return f' class="{" ".join(names)}"' if names else ""


def _ends(column: Column) -> tuple[str, ...]:
    """The keys of the interval about the mean PnL that a column draws; () when it draws none."""
    if column.form == "interval":
        return "pnl_low", "pnl_high"
    return ("pnl_mean_low", "pnl_mean_high") if column.band and column.key == "pnl_mean" else ()


def _scaled(column: Column, value: Any) -> str:
    return _number(value if value is None or column.scale == 1 else value * column.scale, column.form)


def _number(value: Any, form: str) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    text = format(int(value) if form == "d" else value, form)
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text


def _span(rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> tuple[float, float]:
    """From the lowest to the highest end of an interval, 0 among them."""
    ends = [row[key] for row in rows for key in keys if row[key] is not None]
    known = [end for end in ends if math.isfinite(end)] + [0.0]
    return min(known), max(known) if max(known) > min(known) else min(known) + 1


def _range(low: float, mean: float, high: float, least: float, most: float) -> str:
    """A small picture of an interval on the scale of its table; the dashed line is 0."""
    at = [f"{4 + 92 * (value - least) / (most - least):.1f}" for value in (low, mean, high, 0.0)]
    return (
        f'<svg class="range" width="100" height="14" aria-hidden="true">'
        f'<line class="axis" x1="{at[3]}" x2="{at[3]}" y1="0" y2="14"/>'
        f'<line class="span" x1="{at[0]}" x2="{at[2]}" y1="7" y2="7"/><circle cx="{at[1]}" cy="7" r="3.5"/></svg>'
    )
