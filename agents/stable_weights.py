"""Weights of a stable-baselines3 policy in this project's format: from a live model, or from its .zip archive.

Of an archive only `policy.pth` is opened, by torch's reader of plain tensors (weights_only); the pickled settings in
it are never touched, so that the environment it was trained in must be told:

    python -m lobarena.agents.stable_weights ARCHIVE.zip WEIGHTS.safetensors --environment '{"history": 0, ...}'
"""

import argparse
import io
import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lobarena import __version__
from lobarena.agents.learner import Arrays, hyperparameters
from lobarena.agents.stable import Dqn, Ppo, Sac
from lobarena.agents.stable_base import Stable
from lobarena.agents.weight_file import LARGEST, Card, WeightsError, write

KINDS: tuple[type[Stable], ...] = (Ppo, Sac, Dqn)


def from_model(model: Any) -> tuple[str, Arrays]:
    """Name of the learner and its acting weights, of a live PPO, SAC or DQN."""
    return from_tensors({key: tensor.detach().cpu().numpy() for key, tensor in model.policy.state_dict().items()})


def from_archive(path: str | Path) -> tuple[str, Arrays]:
    """The same of an archive; WeightsError for anything else than plain tensors of such a policy."""
    import torch

    try:
        with zipfile.ZipFile(path) as archive:
            inside = archive.getinfo("policy.pth")
            if inside.file_size > LARGEST:
                raise WeightsError(f"{path}: policy.pth has {inside.file_size:,} bytes, at most {LARGEST:,}")
            content = archive.read(inside)
        tensors = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        arrays = {str(key): tensor.numpy() for key, tensor in tensors.items()}
    except WeightsError:
        raise
    except Exception as error:  # whatever a hostile archive makes the readers raise
        raise WeightsError(
            f"{path}: no archive of stable-baselines3 with plain tensors ({str(error)[:120]}); save it by model.save"
        ) from error
    return from_tensors(arrays, str(path))


def from_tensors(tensors: Mapping[str, np.ndarray], where: str = "the model") -> tuple[str, Arrays]:
    """Of the tensors of a policy."""
    for kind in KINDS:
        names = {f"{k}.{part}": f"{layer}.{part}" for k, layer in enumerate(kind.layers) for part in ("weight", "bias")}
        if all(name in tensors for name in names.values()):
            weights = {key: np.asarray(tensors[name], np.float32) for key, name in names.items()}
            wide = [weights[f"{k}.weight"].shape for k in range(3)]
            if any(len(shape) != 2 for shape in wide) or not wide[0][0] == wide[1][0] == wide[1][1] == wide[2][1]:
                raise WeightsError(
                    f"{where}: layers {wide}; two hidden layers of one width are needed, net_arch=[64, 64]"
                )
            return kind.name, weights
    raise WeightsError(f"{where}: no policy network of PPO, SAC or DQN with two hidden layers; use MlpPolicy")


def card_of(name: str, weights: Arrays, environment: Mapping[str, Any] | None = None) -> Card:
    """What the file says; `environment` are the arguments of the environment that the policy was trained in."""
    kind = next(kind for kind in KINDS if kind.name == name)
    action = str((environment or {}).get("action", kind().action))
    learner = kind(width=weights["0.weight"].shape[0], action=action)
    told = learner.environment() | dict(environment or {})
    blocks = told["observation"]
    return Card(
        learner=name,
        observation=(blocks,) if isinstance(blocks, str) else tuple(blocks),
        history=int(told.get("history", 0)),
        features=weights["0.weight"].shape[1],
        normalise=bool(told.get("normalise", True)),
        action=action,
        reward=str(told["reward"]),
        hyperparameters=hyperparameters(learner),
        command="python -m lobarena.agents.stable_weights",
        version=__version__,
    )


def main() -> None:
    """Convert an archive; what is wrong is told without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m lobarena.agents.stable_weights", description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--environment", type=json.loads, default=None, help="JSON; the learner's own if not given")
    chosen = parser.parse_args()
    try:
        name, weights = from_archive(chosen.archive)
        write(chosen.weights, weights, card_of(name, weights, chosen.environment))
    except (WeightsError, OSError) as error:
        sys.exit(f"{error}")
    sys.stdout.write(f"weights: {chosen.weights} (agent {name}:weights={chosen.weights})\n")


if __name__ == "__main__":
    main()
