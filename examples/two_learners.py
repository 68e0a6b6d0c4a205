"""Two learners in one book, by PettingZoo's parallel API: rewards are each one's own, the queue is shared.

python examples/two_learners.py --steps 100000
"""

import argparse

import numpy as np

from lobarena.sim.seats_env import parallel_env

RATE = 0.02


class Softmax:
    """A linear softmax policy, learnt by the policy gradient with a running baseline."""

    def __init__(self, features: int, actions: int, seed: int) -> None:
        self.rng, self.weights = np.random.default_rng(seed), np.zeros((actions, features + 1))
        self.usual = 0.0  # running mean of the rewards

    def act(self, seen: np.ndarray) -> int:
        """Draw an action, and keep what learning from its reward needs."""
        self.input = np.append(seen, 1.0)
        scores = self.weights @ self.input
        self.chances = np.exp(scores - scores.max())
        self.chances /= self.chances.sum()
        self.taken = int(self.rng.choice(len(self.chances), p=self.chances))
        return self.taken

    def learn(self, reward: float) -> None:
        """Make the action taken likelier when it paid more than usual."""
        better, self.usual = reward - self.usual, 0.999 * self.usual + 0.001 * reward
        slope = -self.chances
        slope[self.taken] += 1.0
        self.weights += RATE * np.clip(better, -2, 2) * np.outer(slope, self.input) / (self.input @ self.input)


parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--steps", type=int, default=100_000, help="steps of the market, each of both learners")
steps = parser.parse_args().steps

env = parallel_env(seats=2, data="training", contract="RBSYN", episode_minutes=5, reward="inventory:zeta=0.01")
learners = {
    name: Softmax(env.observation_space(name).shape[0], int(env.action_space(name).n), seed)
    for seed, name in enumerate(env.possible_agents)
}
seen, _ = env.reset(seed=0)
earned = {name: [] for name in learners}
for _ in range(steps):
    actions = {name: learners[name].act(seen[name]) for name in env.agents}
    seen, rewards, _, _, _ = env.step(actions)
    for name in actions:
        learners[name].learn(rewards[name])
        earned[name].append(rewards[name])
    if not env.agents:
        seen, _ = env.reset()
for name, rewards in earned.items():
    half = len(rewards) // 2
    first, second = np.mean(rewards[:half]), np.mean(rewards[half:])
    print(f"{name}: {first:+.4f} tick x lot a step in the first half, {second:+.4f} in the second")
