"""A crowd's fit: a TOML file of a few dozen numbers, checked, and turned into the traits that the kernels read."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lobarena.data.contracts import CONTRACTS
from lobarena.data.recording import DataError
from lobarena.sim.hawkes.traits import DISTANCES, KINDS, QUANTILES, REACH, REGIMES, TRAITS

LARGEST = 10_000  # lots, of one order
CALM, BURST = 5.0, 8.0  # the bound of candidates: so many mean intensities and events that excite at once
TOO_CLOSE = 0.95  # spectral radius from which on a crowd is refused as nearly explosive

Rate = Annotated[float, Field(gt=0, le=1e4)]
Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(gt=0, le=10)]
Three = tuple[Factor, Factor, Factor]


class FitError(DataError):
    """A fit that cannot be used; the message names the number and the fix."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Orders(_Part):
    """Arrivals without excitement, both sides together, 1/s; cancels are of each standing order."""

    take: Rate
    near: Rate = Field(description="limit orders at the best price or inside the spread")
    far: Rate = Field(description="limit orders behind the best price")
    reach: float = Field(ge=1, le=REACH, description="ticks, mean distance of those")
    improve: Share = Field(description="near ones that go inside a spread of more than a tick")
    heal: float = Field(ge=0, le=50, description="growth of their rate for each tick of the spread beyond the usual")
    usual: float = Field(ge=1, le=100, description="ticks, the usual spread")
    walk: Share = Field(description="market orders that go on behind the best price, up to three ticks")
    cancel: Rate = Field(description="of each order at the best price")
    cancel_behind: Rate = Field(description="of each order behind it")
    later: Share = Field(description="cancels that fall on the later half of their queue's lots")


class Sizes(_Part):
    """Lots. Lomax (Pareto II) laws, rounded up: the tail index is the power at which large orders become rare."""

    limit: float = Field(ge=1, le=1e4, description="mean")
    limit_tail: float = Field(gt=1.05, le=50)
    take: float = Field(ge=1, le=1e4, description="mean")
    take_tail: float = Field(gt=1.05, le=50)


class Excitement(_Part):
    """Mean number of events that one event excites, by "exciting-excited": same side, other side."""

    take_take: tuple[Share, Share]
    take_near: tuple[Share, Share]
    take_cancel: tuple[Share, Share]
    near_near: tuple[Share, Share]
    near_cancel: tuple[Share, Share]
    cancel_near: tuple[Share, Share]
    cancel_cancel: tuple[Share, Share]
    fast_s: float = Field(gt=1e-3, le=60, description="s, mean delay of fast excitement")
    slow_s: float = Field(gt=1e-2, le=3600, description="s, mean delay of slow excitement")
    slow: Share = Field(description="share of market orders' offspring that is slow")


class Swell(_Part):
    """How large limit orders are, now and then, and which side long programmes of market orders are on."""

    depth: float = Field(ge=0, le=2, description="sd of the log of the size of limit orders within a regime")
    depth_s: float = Field(gt=0.5, le=36_000, description="s, how long large or small ones last")
    press: float = Field(ge=0, le=0.6, description="sd of the share by which programmes of one side prevail")
    press_s: float = Field(gt=0.5, le=36_000, description="s, how long they do")


class Price(_Part):
    """The reference price that nobody sees, and how the crowd follows it."""

    level: int = Field(ge=200, le=10**8, description="ticks, about which days settle")
    volatility: float = Field(ge=0, le=100, description="ticks per root second of the crowd's time")
    impact: float = Field(ge=0, le=10, description="ticks that a market order moves it, times the root of its lots")
    tilt: float = Field(ge=0, le=0.95, description="how far the lots at the best prices tilt market orders")
    lean: float = Field(ge=0, le=10, description="1/tick, how it tilts buyers against sellers")
    edge: float = Field(ge=0, le=50, description="ticks beyond a best price from which on it is acted upon")
    chase: Rate = Field(description="1/s, of acting upon it")
    pull: Share = Field(description="of that, makers who withdraw; the rest sweep")
    news: float = Field(ge=0, le=3600, description="jumps an hour")
    jump: float = Field(ge=0, le=1000, description="ticks, mean size of a jump")


class Pace(_Part):
    """How fast the crowd's time runs."""

    swing: float = Field(ge=0, le=2, description="sd of the log of the pace within a regime")
    spell_s: float = Field(gt=0.5, le=36_000, description="s, how long a fast or slow spell lasts")
    alarm: float = Field(ge=1, le=20, description="factor on the pace after a jump")
    alarm_s: float = Field(gt=0, le=3600, description="s in which that fades")


class Regimes(_Part):
    """Calm, normal and wild: factors on the pace, the volatility and the size of limit orders; a Markov chain."""

    pace: Three
    volatility: Three
    depth: Three
    minutes: tuple[Rate, Rate, Rate] = Field(description="mean stay")
    to: tuple[tuple[Share, Share, Share], ...] = Field(
        min_length=3, max_length=3, description="chance of each regime after a stay in each; none of itself"
    )

    @model_validator(mode="after")
    def _is_a_chain(self) -> "Regimes":
        for k, row in enumerate(self.to):
            if abs(sum(row) - 1) > 1e-6 or row[k] != 0:
                raise ValueError(f"to[{k}] is {row}: chances sum to 1 and the one of staying is 0")
        return self


class Fit(_Part):
    """A crowd fitted to recorded days of one product."""

    code: str = Field(description="product, a built-in contract")
    source: str = Field(description="what it was fitted to, and how")
    orders: Orders
    sizes: Sizes
    excitement: Excitement
    swell: Swell
    price: Price
    pace: Pace
    regimes: Regimes

    @model_validator(mode="after")
    def _can_live(self) -> "Fit":
        if self.code not in CONTRACTS:
            raise ValueError(f"code is {self.code!r}; choose one of {', '.join(sorted(CONTRACTS))}")
        radius = branching_ratio(self)
        if radius >= TOO_CLOSE:
            raise ValueError(
                f"the branching ratio is {radius:.3f}; below {TOO_CLOSE} the crowd calms down again: make the numbers "
                "of [excitement] smaller, take_take and near_near first"
            )
        return self


def offspring(fit: Fit) -> np.ndarray:
    """(3, 3, 2) f8: mean number of events of the first kind that one of the second excites, on SAME and OTHER side."""
    found = np.zeros((3, 3, 2))
    for k, exciting in enumerate(KINDS):
        for j, excited in enumerate(KINDS):
            found[j, k] = getattr(fit.excitement, f"{exciting}_{excited}", (0.0, 0.0))
    return found


def branching_ratio(fit: Fit) -> float:
    """Spectral radius of the mean offspring of both sides, (6, 6); below 1 the process is stationary.

    By symmetry of the sides it is that of the (3, 3) sum over them. Weights of market orders are at most 1 in the mean.
    """
    return float(np.abs(np.linalg.eigvals(offspring(fit).sum(axis=2))).max())


def traits_of(fit: Fit) -> np.ndarray:
    """(1,) TRAITS for the kernels."""
    found = np.zeros(1, TRAITS)
    t, o, e, p = found[0], fit.orders, fit.excitement, fit.price
    for name in ("take", "near", "far", "improve", "heal", "usual", "walk"):
        t[name] = getattr(o, name)
    t["cancel"], t["place"] = (o.cancel, o.cancel_behind), o.later
    for name in ("tilt", "lean", "edge", "chase", "pull", "impact"):
        t[name] = getattr(p, name)
    fade = np.array([1 / e.fast_s, 1 / e.slow_s])
    slow = np.array([e.slow, 0.0, 0.0])  # by exciting kind
    shares = np.stack([1 - slow, slow], axis=1)  # (exciting, speed)
    t["fade"] = fade
    t["excite"] = offspring(fit)[..., None] * (shares * fade)[None, :, None, :]
    t["limit_size"], t["take_size"] = (
        _lomax(fit.sizes.limit, fit.sizes.limit_tail),
        _lomax(fit.sizes.take, fit.sizes.take_tail),
    )
    t["limit_mean"], t["take_mean"] = t["limit_size"].mean(), t["take_size"].mean()
    t["depth"] = fit.regimes.depth
    steps = -np.log1p(-_middles(DISTANCES)) * (o.reach - 0.5)  # rounded up: its mean is about the reach
    t["distance"] = np.clip(np.ceil(steps), 1, REACH)
    jump = t["excite"].sum(axis=(0, 2))[:, 0].max()  # 1/s, what one event adds in all that soon fades
    t["bound"] = CALM * mean_intensity(fit) + BURST * jump
    return found


def mean_intensity(fit: Fit) -> float:
    """1/s, of all events: what comes unexcited and its offspring, as many cancels as limit orders, and sweeps."""
    arrivals = np.array([fit.orders.take, fit.orders.near, 0.0])
    excited = np.linalg.solve(np.eye(3) - offspring(fit).sum(axis=2), arrivals)
    return float(excited[0] + 2 * (excited[1] + fit.orders.far) + excited[2] + 0.1 * fit.price.chase)


def _middles(count: int) -> np.ndarray:
    return (np.arange(count) + 0.5) / count


def _lomax(mean: float, tail: float) -> np.ndarray:
    """(QUANTILES,) i4 lots, at least 1: a Lomax law of that mean and tail index, rounded up, cut at 99.9 %."""
    scale = max(mean - 0.5, 0.05) * (tail - 1)
    lots = np.ceil(scale * ((1 - _middles(QUANTILES)) ** (-1 / tail) - 1))
    return np.asarray(np.clip(lots, 1, LARGEST).astype(np.int32))


def load(path: str | Path) -> Fit:
    """The fit in a TOML file; FitError says what is wrong with it."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, ValueError) as error:  # also what is no UTF-8 or no path
        raise FitError(f"{path}: no readable fit ({error}); `lobarena data fit` writes one") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Fit:
    """The fit in TOML text; `name` is what errors call it."""
    try:
        return Fit.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise FitError(f"{name}: not a TOML file ({error})") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'fit'}: {one['msg']}" for one in error.errors())
        raise FitError(f"{name}: {faults}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets in brackets
        raise FitError(f"{name}: not a fit ({str(error)[:80]}); `lobarena data fit` writes one") from error


def packaged() -> dict[str, Fit]:
    """The fits that come with the package, by product."""
    folder = resources.files("lobarena.sim.hawkes") / "fits"
    texts = {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".toml")}
    fits = [parse(text, name) for name, text in sorted(texts.items())]
    return {fit.code: fit for fit in fits}


def as_toml(fit: Fit) -> str:
    """The fit as a file, each number with what it means."""
    lines = [f'code = "{fit.code}"', f"source = {_quoted(fit.source)}"]
    for name in ("orders", "sizes", "excitement", "swell", "price", "pace", "regimes"):
        part: Any = getattr(fit, name)
        lines += ["", *(f"# {line}" for line in (type(part).__doc__ or "").splitlines() if line), f"[{name}]"]
        for key, field in type(part).model_fields.items():
            lines.append(
                f"{key} = {_written(getattr(part, key))}" + (f"  # {field.description}" if field.description else "")
            )
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    kept = "".join(letter for letter in text if letter.isprintable())
    return '"' + kept.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_written(one) for one in value) + "]"
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def regime_names() -> str:
    """For messages."""
    return ", ".join(REGIMES)
