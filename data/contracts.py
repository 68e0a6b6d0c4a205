"""What a futures contract is: tick, multiplier, fees, margin, limit, hours. Twelve products, or a user's TOML file.

Tick, multiplier and hours are contract rules. Fees, margins and limits are published by the exchanges and change often:
the table holds the exchange's typical values around the recordings (2017 to 2021), without a broker's mark-up, as best
known and not checked against each notice. For work on costs give the values of your day and broker in a TOML file:

    code = "RB"                        # required; symbol = "RB1901" if it is one delivery month
    exchange = "SHFE"                  # required
    tick = "1"                         # required, currency a quotation unit; text keeps it exact
    multiplier = 10                    # required, quotation units a lot; text for a fraction, such as "0.001"
    margin = 0.09                      # required, fraction of notional
    daily_limit = 0.07                 # required, fraction of the previous settlement
    timezone = "Asia/Shanghai"         # of the sessions
    counted_twice_before = 2020-01-01  # volume and interest counted both sides before this trading day
    auction_minutes = 5                # opening call auction before the first session
    [fees]                             # required
    by = "turnover"                    # "lot": currency a lot; "turnover": fraction of turnover
    open = 1e-4
    close = 1e-4
    close_today = 1e-4
    [[sessions]]                       # required, in the order of the trading day
    start = "21:00"
    end = "23:00"
    night = true                       # on the calendar evening before the trading day; an end past midnight is fine
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")  # a code becomes part of a path
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, slots=True)
class Fee:
    """What the exchange charges for one lot."""

    by: str  # "lot": currency a lot; "turnover": fraction of turnover
    open: float
    close: float
    close_today: float  # closing a position opened on the same trading day

    def __post_init__(self) -> None:
        if self.by not in ("lot", "turnover"):
            raise ValueError(f'fees.by is {self.by!r}; give "lot" or "turnover"')
        for name in ("open", "close", "close_today"):
            _check_number(f"fees.{name}", getattr(self, name), 0, 1e6 if self.by == "lot" else 0.1)


@dataclass(frozen=True, slots=True)
class Session:
    """A span of continuous trading in the exchange's zone; the gaps between sessions are the breaks."""

    start: str  # "HH:MM"
    end: str  # "HH:MM"; before `start` when it is past midnight
    night: bool = False  # on the evening before the trading day
    since: date | None = None  # first trading day with these hours
    until: date | None = None  # first trading day without them

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            if not isinstance(getattr(self, name), str) or not _CLOCK.fullmatch(getattr(self, name)):
                raise ValueError(f'session {name} is {getattr(self, name)!r}; write it as "HH:MM", such as "09:00"')
        for name in ("since", "until"):
            _check_date(f"session {name}", getattr(self, name))
        if self.start == self.end:
            raise ValueError(f"session {self.start}-{self.end} is empty; give an end after its start")


@dataclass(frozen=True, slots=True)
class Contract:
    """One product or one delivery month of it."""

    code: str  # product, "RB"
    exchange: str  # "SHFE", "DCE", "CZCE", "CFFEX" or the user's own
    tick: Decimal  # smallest price step, quotation units, exact
    multiplier: int | Decimal  # quotation units a lot: currency a lot = price x multiplier
    fees: Fee
    margin: float  # fraction of notional
    daily_limit: float  # fraction of the previous settlement, either way
    sessions: tuple[Session, ...]  # in the order of the trading day
    symbol: str = ""  # delivery month, "RB1901"; the code where none is meant
    name: str = ""
    timezone: str = "Asia/Shanghai"  # of the sessions
    counted_twice_before: date | None = None  # volume and interest of both sides before this trading day
    auction_minutes: int = 5  # opening call auction before the first session

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbol", self.symbol or self.code)
        object.__setattr__(self, "name", self.name or self.code)
        for name in ("code", "exchange", "symbol"):
            if not isinstance(getattr(self, name), str) or not _NAME.fullmatch(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)!r}; use 1 to 32 letters, digits, - or _")
        if not (isinstance(self.tick, Decimal) and self.tick.is_finite() and 0 < self.tick <= 10**6):
            raise ValueError(f'tick is {self.tick!r}; give the smallest price step, such as "0.2"')
        whole = isinstance(self.multiplier, int) and not isinstance(self.multiplier, bool) and self.multiplier >= 1
        part = isinstance(self.multiplier, Decimal) and self.multiplier.is_finite() and 0 < self.multiplier <= 10**9
        if not (whole or part):
            raise ValueError(f'multiplier is {self.multiplier!r}; give a whole number of at least 1, or text: "0.001"')
        _check_number("margin", self.margin, 0, 1)
        _check_number("daily_limit", self.daily_limit, 0, 1)
        _check_number("auction_minutes", self.auction_minutes, 0, 240)
        _check_date("counted_twice_before", self.counted_twice_before)
        if not self.sessions:
            raise ValueError("sessions is empty; give at least one [[sessions]] with start and end")
        try:
            ZoneInfo(self.timezone)
        except (KeyError, OSError, ValueError, TypeError) as error:
            raise ValueError(f"timezone is {self.timezone!r}; give an IANA name such as Asia/Shanghai") from error

    @property
    def tick_size(self) -> float:
        """Smallest price step, quotation units."""
        return float(self.tick)

    @property
    def tick_value(self) -> float:
        """Currency that one lot gains when the price rises one tick."""
        return float(self.tick * self.multiplier)

    def counted_twice(self, trading_day: date) -> bool:
        """Whether the exchange counted both sides of a trade on that day."""
        return self.counted_twice_before is not None and trading_day < self.counted_twice_before

    def sessions_on(self, trading_day: date) -> tuple[Session, ...]:
        """The sessions whose hours were in force on that trading day."""
        after = [s for s in self.sessions if s.since is None or s.since <= trading_day]
        return tuple(s for s in after if s.until is None or trading_day < s.until)

    def off_tick(self, prices: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """(n,) f8 prices -> (n,) mask of those between two ticks, NaN, infinite or beyond int32 ticks.

        Dust of 1e-6 of the price, but at most 1 % of a tick, is on the tick.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            ticks = np.asarray(prices, np.float64) / self.tick_size
            dust = np.clip(np.abs(ticks) * 1e-6, 1e-6, 0.01)
            on = (np.abs(ticks - np.rint(ticks)) <= dust) & (ticks > _INT32.min) & (ticks < _INT32.max)
        return ~on

    def to_ticks(self, prices: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
        """(n,) f8 prices, quotation units -> (n,) i4 nearest ticks; ValueError for NaN, infinity or beyond int32."""
        with np.errstate(invalid="ignore", over="ignore"):
            ticks = np.rint(np.asarray(prices, np.float64) / self.tick_size)
        fits = (ticks > _INT32.min) & (ticks < _INT32.max)
        if not fits.all():
            bad = np.asarray(prices, np.float64)[~fits].flat[0]
            raise ValueError(f"price {bad} of {self.symbol} is no number of ticks within 32 bits; check the price")
        return ticks.astype(np.int32)

    def to_dict(self) -> dict[str, Any]:
        """The keys and values of a TOML file of this contract, as plain JSON types; `contract_from` reads them."""
        plain = asdict(self, dict_factory=_plain_dict)
        return plain | {"sessions": list(plain["sessions"])}


def contract_from(values: Mapping[str, Any], where: str = "contract") -> Contract:
    """The contract of a TOML or JSON mapping; ValueError names `where`, the key and the fix."""
    try:
        known = _known(Contract, values)
        known["tick"] = Decimal(str(known["tick"]))
        if isinstance(known["multiplier"], str):
            known["multiplier"] = Decimal(known["multiplier"])
        known["fees"] = Fee(**_known(Fee, known["fees"], "fees."))
        known["sessions"] = tuple(_session(entry) for entry in known["sessions"])
        known["counted_twice_before"] = _day(known.get("counted_twice_before"))
        return Contract(**known)
    except InvalidOperation as error:
        tick, multiplier = values.get("tick"), values.get("multiplier")
        if isinstance(multiplier, str) and not _is_number(multiplier):
            fix = f'multiplier is {multiplier!r}; give a number, such as 300 or "0.001"'
        else:
            fix = f'tick is {tick!r}; give the smallest price step, such as "0.2"'
        raise ValueError(f"{where}: {fix}") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from error


def load_contract(path: str | Path) -> Contract:
    """The contract of a TOML file (keys above); ValueError names file, key and fix."""
    path = Path(path)
    try:
        return contract_from(tomllib.loads(path.read_text("utf-8")), str(path))
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such contract file; give the path of a TOML file") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: not a readable TOML file ({error}); its keys: lobarena.data.contracts") from error


def contract(symbol: str) -> Contract:
    """The contract of "rb1805", "RB1901", "IF2101" or "RB": its letters name the product; case does not matter."""
    found = re.fullmatch(r"([A-Za-z]{1,3})(\d{0,4})", symbol.strip())
    code = found[1].upper() if found else symbol.strip().upper()
    if found is None or code not in CONTRACTS:
        near = get_close_matches(code, CONTRACTS, 1, 0.3) or get_close_matches(code[:2], CONTRACTS, 1, 0) or ["RB"]
        raise ValueError(
            f"no specification of {symbol!r}; the nearest known product is {near[0]} (known: {', '.join(CONTRACTS)}). "
            "Give your own as a TOML file, load_contract(path); lobarena.data.contracts lists its keys"
        )
    return replace(CONTRACTS[code], symbol=code + found[2])


def plain_contract(
    symbol: str,
    exchange: str,
    tick: Decimal,
    multiplier: int | Decimal = 1,
    timezone: str = "UTC",
    sessions: tuple[Session, ...] = (),
) -> Contract:
    """A contract known by its file alone: no fees, paid in full, no daily limit; give a TOML file to know it better.

    It trades round the clock where no sessions are given.
    """
    return Contract(
        code=symbol,
        exchange=exchange,
        tick=tick,
        multiplier=multiplier,
        fees=Fee("turnover", 0.0, 0.0, 0.0),
        margin=1.0,
        daily_limit=1.0,
        sessions=sessions or (Session("00:00", "24:00"),),
        timezone=timezone,
        auction_minutes=0,
    )


def _known(kind: type, values: Any, prefix: str = "") -> dict[str, Any]:
    """The mapping as keyword arguments of a dataclass: unknown keys refused, required keys asked for."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{prefix.rstrip('.') or 'contract'} is {values!r}; give a table of keys and values")
    slots = {field.name: field for field in fields(kind)}
    for key in values:
        if key not in slots:
            near = get_close_matches(key, slots, 1, 0) or list(slots)
            raise ValueError(f"unknown key {prefix}{key}; did you mean {prefix}{near[0]}? Keys: {', '.join(slots)}")
    for key, field in slots.items():
        if key not in values and field.default is MISSING:
            raise ValueError(f"key {prefix}{key} is missing; add it")
    return dict(values)


def _session(entry: Any) -> Session:
    known = _known(Session, entry, "sessions.")
    return Session(**(known | {key: _day(known.get(key)) for key in ("since", "until")}))


def _day(value: Any) -> Any:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _plain_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said = [(key, value) for key, value in pairs if value is not None]
    return {key: str(value) if isinstance(value, Decimal | date) else value for key, value in said}


def _is_number(text: str) -> bool:
    try:
        Decimal(text)
    except InvalidOperation:
        return False
    return True


def _check_number(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}; give a number between {low:g} and {high:g}")


def _check_date(name: str, value: Any) -> None:
    if value is not None and type(value) is not date:
        raise ValueError(f"{name} is {value!r}; give a date such as 2020-01-01")


def _share(opening: float, close: float, close_today: float) -> Fee:
    return Fee("turnover", opening, close, close_today)


def _lot(opening: float, close: float, close_today: float) -> Fee:
    return Fee("lot", opening, close, close_today)


def _night(end: str, until: date | None = None, later: str = "") -> tuple[Session, ...]:
    """A night session from 21:00 with the day after it; its end became `later` on `until`."""
    changed = (Session("21:00", later, True, since=until),) if until else ()
    day = (Session("09:00", "10:15"), Session("10:30", "11:30"), Session("13:30", "15:00"))
    return (Session("21:00", end, True, until=until), *changed, *day)


_SINGLE = date(2020, 1, 1)  # SHFE, DCE and CZCE counted both sides of a trade before
_DCE_NIGHT = _night("23:30", date(2019, 3, 29), "23:00")
_CZCE_NIGHT = _night("23:30", date(2019, 12, 13), "23:00")
_INDEX = (Session("09:30", "11:30"), Session("13:00", "15:00"))
_T_0930 = date(2020, 7, 20)  # bond futures opened at 09:15 before
_BOND_MORNING = (Session("09:15", "11:30", until=_T_0930), Session("09:30", "11:30", since=_T_0930))
_BOND = (*_BOND_MORNING, Session("13:00", "15:15"))

# code, exchange, name, tick, multiplier, fees (open, close, close today), margin, daily limit, hours
_TABLE: tuple[tuple[str, str, str, str, int, Fee, float, float, tuple[Session, ...]], ...] = (
    ("FU", "SHFE", "fuel oil", "1", 10, _share(5e-5, 5e-5, 5e-5), 0.10, 0.08, _night("23:00")),
    ("RB", "SHFE", "rebar", "1", 10, _share(1e-4, 1e-4, 1e-4), 0.09, 0.07, _night("23:00")),
    ("CU", "SHFE", "copper", "10", 5, _share(5e-5, 5e-5, 0.0), 0.08, 0.06, _night("01:00")),
    ("AG", "SHFE", "silver", "1", 15, _share(5e-5, 5e-5, 5e-5), 0.08, 0.06, _night("02:30")),
    ("NI", "SHFE", "nickel", "10", 1, _lot(6.0, 6.0, 6.0), 0.08, 0.06, _night("01:00")),
    ("ZN", "SHFE", "zinc", "5", 5, _lot(3.0, 3.0, 0.0), 0.08, 0.06, _night("01:00")),
    ("RU", "SHFE", "natural rubber", "5", 10, _share(4.5e-5, 4.5e-5, 4.5e-5), 0.09, 0.07, _night("23:00")),
    ("I", "DCE", "iron ore", "0.5", 100, _share(1e-4, 1e-4, 1e-4), 0.10, 0.08, _DCE_NIGHT),
    ("CF", "CZCE", "cotton", "5", 5, _lot(4.3, 4.3, 0.0), 0.07, 0.05, _CZCE_NIGHT),
    ("RM", "CZCE", "rapeseed meal", "1", 10, _lot(1.5, 1.5, 0.0), 0.06, 0.05, _CZCE_NIGHT),
    ("IF", "CFFEX", "CSI 300 index", "0.2", 300, _share(2.3e-5, 2.3e-5, 3.45e-4), 0.10, 0.10, _INDEX),
    ("T", "CFFEX", "ten-year bond", "0.005", 10_000, _lot(3.0, 3.0, 0.0), 0.02, 0.02, _BOND),
)

CONTRACTS: dict[str, Contract] = {
    row[0]: Contract(
        code=row[0],
        exchange=row[1],
        name=row[2],
        tick=Decimal(row[3]),
        multiplier=row[4],
        fees=row[5],
        margin=row[6],
        daily_limit=row[7],
        sessions=row[8],
        counted_twice_before=None if row[1] == "CFFEX" else _SINGLE,
    )
    for row in _TABLE
}
