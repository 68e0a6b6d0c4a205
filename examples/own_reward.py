"""A reward of your own: profit less what a step of holding risks, its terms told apart in every step's info.

python examples/own_reward.py --steps 2000
"""

import argparse
from dataclasses import dataclass
from typing import ClassVar

import gymnasium
import numpy as np

import lobarena.sim  # noqa: F401 - registers the environment
from lobarena.sim.rewards import Reward, Step


@dataclass(frozen=True, slots=True)
class Careful(Reward):
    """Change of wealth - aversion x |position| above `free` - churn x lots traded."""

    aversion: float = 0.05  # tick a lot and step
    free: float = 3.0  # lots that cost nothing
    churn: float = 0.02  # tick a lot
    extra: ClassVar[tuple[str, ...]] = ("held", "churned")

    def shape(self, step: Step) -> np.ndarray:
        """The two terms of n environments at once, (n, 2)."""
        held = -self.aversion * np.maximum(0.0, np.abs(step.position) - self.free)
        return np.column_stack([held, -self.churn * step.lots])


parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--steps", type=int, default=2_000, help="steps to take")
steps = parser.parse_args().steps

env = gymnasium.make("lobarena/MarketMaking-v0", contract="RBSYN", reward=Careful(aversion=0.1), episode_minutes=5)
names = env.unwrapped.part_names
env.reset(seed=0)
rewards, parts = 0.0, np.zeros(len(names))
for step in range(steps):
    _, reward, over, _, info = env.step(step % 5)
    rewards, parts = rewards + reward, parts + info["parts"]
    if over:
        env.reset()
print(f"{steps:,} steps, reward {rewards:,.2f} tick x lot:")
for name, part in zip(names, parts, strict=True):
    print(f"  {name:12} {part:10,.2f}")
