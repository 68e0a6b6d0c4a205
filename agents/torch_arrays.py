"""Modules and Adam moments as named arrays, and back: how learners keep what they know without pickle."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

Arrays = dict[str, np.ndarray]


def module_arrays(module: nn.Module, prefix: str) -> Arrays:
    """Copies of a module's parameters, named "prefix.parameter"."""
    return {f"{prefix}.{name}": value.detach().numpy().copy() for name, value in module.state_dict().items()}


def load_module(module: nn.Module, prefix: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Fill a module in place; ValueError names an array that is missing, has another shape or is not finite."""
    with torch.no_grad():
        for name, value in module.state_dict().items():
            value.copy_(torch.from_numpy(fitting(arrays, f"{prefix}.{name}", tuple(value.shape))))


def adam_arrays(optimizer: torch.optim.Optimizer, prefix: str) -> Arrays:
    """Steps and moments of an Adam optimizer, parameter by parameter; zeros before its first step."""
    arrays: Arrays = {}
    for k, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        kept = optimizer.state.get(parameter, {})
        arrays[f"{prefix}.{k}.step"] = np.array(float(kept.get("step", 0.0)), np.float32)
        for moment in ("exp_avg", "exp_avg_sq"):
            value = kept.get(moment, torch.zeros_like(parameter))
            arrays[f"{prefix}.{k}.{moment}"] = value.detach().numpy().copy()
    return arrays


def load_adam(optimizer: torch.optim.Optimizer, prefix: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Give an Adam optimizer its moments back; ValueError as load_module."""
    for k, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        shape = tuple(parameter.shape)
        optimizer.state[parameter] = {
            "step": torch.tensor(float(fitting(arrays, f"{prefix}.{k}.step", ()))),
            "exp_avg": torch.from_numpy(fitting(arrays, f"{prefix}.{k}.exp_avg", shape)),
            "exp_avg_sq": torch.from_numpy(fitting(arrays, f"{prefix}.{k}.exp_avg_sq", shape)),
        }


def fitting(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A copy of the float32 array of that name; ValueError when it is not there, of another shape, or not finite."""
    if name not in arrays:
        raise ValueError(f"array {name} is missing; these weights are of another learner or version")
    array = np.array(arrays[name], np.float32)
    if array.shape != shape:
        raise ValueError(f"array {name} has shape {array.shape}, this network needs {shape}; train it again")
    if not np.isfinite(array).all():
        raise ValueError(f"array {name} holds NaN or infinity; go back to an earlier checkpoint")
    return array
