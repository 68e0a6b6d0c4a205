"""The settings of a stress run: those of a tournament, and what is particular to extremes."""

from pydantic import Field

from lobarena.benchmarks.config import QUOTERS, Config, Track

DEFAULT_AGENTS = (*QUOTERS, "rl-ds", "drl-os", "ppo")


class StressConfig(Config):
    """Everything that the numbers of a stress run depend on; each agent plays alone."""

    episodes: tuple[str, ...] = Field(("all",), min_length=1, description="episodes by name, TOML files, or all")
    size: float = Field(1.0, gt=0, le=100, description="every shock so many times as large")
    tracks: tuple[Track, ...] = Field(("solo",), min_length=1, max_length=1, description="solo; nothing else yet")
    agents: tuple[str, ...] = Field(
        DEFAULT_AGENTS, min_length=1, description='names, also with breakers on: "foic+inventory(10)+loss(5000)"'
    )
    episode_minutes: float = Field(8.0, ge=2, le=1440, description="length of a window")
    episodes_per_day: int = Field(1, ge=0, description="windows of a day, spread over it; 0 plays all")
    capital_margins: float = Field(1.5, gt=0, description="capital, in margins of a full position at the opening")
    maintenance: float = Field(0.8, ge=0, le=1, description="share of the margin below which the venue closes at once")
    grace_s: float = Field(60.0, ge=0, description="s that a margin call may stand before the venue closes")
    cancel_limit: int = Field(1_000_000, ge=0, description="cancels after which only closing orders are taken")
