"""A living crowd for tests: the traits of no recorded market, active enough that a minute tells something."""

from datetime import date
from typing import Any

from lobarena.sim.feed import Feed
from lobarena.sim.hawkes.day import living_day, living_feed
from lobarena.sim.hawkes.fit import Fit

DAY = date(2024, 1, 3)
NUMBERS: dict[str, Any] = {
    "code": "RB",
    "source": "made up for tests",
    "orders": {
        "take": 2.0, "near": 8.0, "far": 12.0, "reach": 4, "improve": 0.8, "heal": 3, "usual": 1, "walk": 0.2,
        "cancel": 0.3, "cancel_behind": 0.1, "later": 0.6,
    },
    "sizes": {"limit": 8, "limit_tail": 2.5, "take": 6, "take_tail": 2.5},
    "excitement": {
        "take_take": (0.3, 0.1), "take_near": (0.2, 0.1), "take_cancel": (0.1, 0.3), "near_near": (0.2, 0.1),
        "near_cancel": (0.1, 0.1), "cancel_near": (0.1, 0.1), "cancel_cancel": (0.1, 0.05),
        "fast_s": 0.2, "slow_s": 8, "slow": 0.5,
    },
    "swell": {"depth": 0.4, "depth_s": 30, "press": 0.2, "press_s": 20},
    "price": {
        "level": 3770, "volatility": 0.2, "impact": 0.08, "tilt": 0.6, "lean": 0.3, "edge": 0.5, "chase": 2.0,
        "pull": 0.5, "news": 6, "jump": 3,
    },
    "pace": {"swing": 0.5, "spell_s": 30, "alarm": 3, "alarm_s": 10},
    "regimes": {
        "pace": (0.6, 1, 1.6), "volatility": (0.8, 1, 1.4), "depth": (1.2, 1, 0.8), "minutes": (2, 2, 2),
        "to": ((0, 0.8, 0.2), (0.5, 0, 0.5), (0.2, 0.8, 0)),
    },
}  # fmt: skip
FIT = Fit.model_validate(NUMBERS)


def changed(part: str, **numbers: Any) -> dict[str, Any]:
    """The numbers with some of one part replaced."""
    return NUMBERS | {part: NUMBERS[part] | numbers}


def feed(minutes: int = 3, seed: int = 0) -> Feed:
    return living_feed(living_day(FIT, DAY, seed, minutes))
