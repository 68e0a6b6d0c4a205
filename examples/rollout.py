"""REINFORCE in plain torch over the vector environment: rollout, returns, one gradient step, again.

python examples/rollout.py --steps 400000
"""

import argparse

import gymnasium
import numpy as np
import torch

import lobarena.sim  # noqa: F401 - registers the environment

N, K, GAMMA = 64, 128, 0.99  # environments, steps of a rollout, discount a step

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--steps", type=int, default=400_000, help="environment steps in all")
steps = parser.parse_args().steps

torch.manual_seed(0)
torch.set_num_threads(1)
market = {"data": "training", "contract": "RBSYN", "episode_minutes": 5, "reward": "inventory:zeta=0.01"}
venv = gymnasium.make_vec("lobarena/MarketMaking-v0", num_envs=N, **market)
features, actions = venv.single_observation_space.shape[0], venv.single_action_space.n
policy = torch.nn.Sequential(torch.nn.Linear(features, 64), torch.nn.Tanh(), torch.nn.Linear(64, actions))
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-3)

seen, _ = venv.reset(seed=0)
over = np.zeros(N, bool)
for update in range(max(1, steps // (N * K))):
    logs, rewards, ends, real = [], [], [], []
    entropy = torch.zeros(())
    for _ in range(K):
        choice = torch.distributions.Categorical(logits=policy(torch.as_tensor(seen)))
        action = choice.sample()
        real.append(torch.as_tensor(~over, dtype=torch.float32))  # after an end comes a step that only resets
        seen, reward, over, _, _ = venv.step(action.numpy())
        logs.append(choice.log_prob(action))
        rewards.append(torch.as_tensor(reward, dtype=torch.float32))
        ends.append(torch.as_tensor(over, dtype=torch.float32))
        entropy = entropy + choice.entropy().mean() / K
    returns, after = [], torch.zeros(N)
    for reward, end in zip(reversed(rewards), reversed(ends), strict=True):
        after = reward + GAMMA * (1 - end) * after
        returns.append(after)
    gained, mask = torch.stack(returns[::-1]), torch.stack(real)  # (K, N)
    advantage = (gained - gained.mean()) / (gained.std() + 1e-8)
    loss = -(torch.stack(logs) * advantage * mask).sum() / mask.sum() - 0.01 * entropy
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if update % 10 == 0 or (update + 1) * N * K >= steps:
        mean = float((torch.stack(rewards) * mask).sum() / mask.sum())
        print(f"update {update:4}: {mean:+.4f} tick x lot a step, entropy {float(entropy.detach()):.2f}")
