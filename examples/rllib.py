"""PPO of RLlib, by the registered gymnasium id. Ray is no dependency of lobarena: pip install "ray[rllib]".

python examples/rllib.py --steps 100000
"""

import argparse
from typing import Any

import gymnasium
from ray.rllib.algorithms.ppo import PPOConfig
from ray.tune.registry import register_env


def market(config: dict[str, Any]) -> gymnasium.Env:
    """One environment; workers are new processes, so the id is registered here."""
    import lobarena.sim  # noqa: F401

    return gymnasium.make("lobarena/MarketMaking-v0", **config)


parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--steps", type=int, default=100_000, help="environment steps to learn from")
steps = parser.parse_args().steps

register_env("market", market)
options = {"data": "training", "contract": "RBSYN", "episode_minutes": 5, "reward": "inventory:zeta=0.01"}
batch = min(steps, 4_000)
config = (
    PPOConfig()
    .environment("market", env_config=options)
    .env_runners(num_env_runners=0, num_envs_per_env_runner=8)
    .training(train_batch_size_per_learner=batch, minibatch_size=min(256, batch), num_epochs=4, lr=3e-4)
    .debugging(seed=0)
)
algorithm = config.build_algo()
done = 0
while done < steps:
    result = algorithm.train()
    done = int(result["num_env_steps_sampled_lifetime"])
    runners = result["env_runners"]
    print(f"{done:,} steps: mean return {runners.get('episode_return_mean', float('nan')):,.2f} tick x lot")
algorithm.stop()
