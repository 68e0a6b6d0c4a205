"""PPO of stable-baselines3 on the training days, then one greedy run over the embedded ones.

python examples/train_ppo.py --steps 500000
"""

import argparse

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

import lobarena.sim  # noqa: F401 - registers the environment
from lobarena.sim.sb3 import StableVecEnv

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--steps", type=int, default=500_000, help="environment steps to learn from")
steps = parser.parse_args().steps

torch.set_num_threads(1)  # small networks gain nothing by more
NAME, MARKET = "lobarena/MarketMaking-v0", {"contract": "RBSYN", "action": "continuous", "episode_minutes": 5}
training = gymnasium.make_vec(NAME, num_envs=16, data="training", reward="inventory:zeta=0.01", **MARKET)
env = VecMonitor(StableVecEnv(training))
model = PPO("MlpPolicy", env, n_steps=min(256, max(2, steps // 16)), batch_size=512, device="cpu", seed=0, verbose=1)
model.learn(steps)

episodes = len(gymnasium.make_vec(NAME, num_envs=1, **MARKET).episodes)
test = gymnasium.make_vec(NAME, num_envs=episodes, **MARKET)  # later days; every episode once, side by side
seen, _ = test.reset(options={"episode": range(episodes)})
pnl, over = np.zeros(episodes), np.zeros(episodes, bool)
while not over.all():
    seen, _, terminated, _, infos = test.step(model.predict(seen, deterministic=True)[0])
    pnl = np.where(terminated & ~over, infos["wealth"], pnl)
    over |= terminated
error = pnl.std(ddof=1) / np.sqrt(episodes)
print(f"{steps:,} steps learnt; {pnl.mean():,.1f} +- {error:,.1f} CNY an episode over {episodes} test episodes")
