"""Feature store: hidden states of every layer for windows of one day, in shards, computed once.

A folder holds `plan.safetensors` (which windows, of what) and a shard for each stretch of them. A shard is there whole
or not at all, so that whatever stops a filling, the next one goes on at the first shard that is missing. Shards are
filled in an order that spreads over the day: a store that was filled for a share of it can be used as it is.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.agents.run_folder import alone
from lobarena.agents.teacher.hidden import Hidden
from lobarena.agents.teacher.shard import POOLINGS, Arrays, StoreError, about, layout, mapped, write

Produce = Callable[[np.ndarray], Mapping[str, np.ndarray]]  # rows (m,) i8 -> "last" and "mean", each (m, L, D)
Advance = Callable[[int, int, str], None]
PLAN = "plan.safetensors"
_MOST = 1 << 24  # windows of a day
_WIDEST = 1 << 20  # layers x width


@dataclass(frozen=True)
class Identity:
    """What hidden states are of; where all of it is equal, the states are."""

    model: str  # digest of the weights
    prompt: str  # version, or "numbers"
    data: str  # digest of the day, as the model is shown it
    settings: str  # whatever else they depend on
    layers: tuple[str, ...]
    width: int  # D

    @property
    def key(self) -> str:
        """Of its folder."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


class Store:
    """The features of one day."""

    def __init__(self, folder: Path, identity: Identity, windows: np.ndarray, size: int) -> None:
        self.folder, self.identity, self.windows, self.size = folder, identity, windows, size
        self.shards = -(-len(windows) // size)
        self._maps: dict[int, Arrays] = {}

    @classmethod
    def create(cls, folder: Path, identity: Identity, windows: np.ndarray, size: int) -> "Store":
        """A store for these windows, or the one that is there already; StoreError when that is of something else.

        windows : (n,) i8 looks of the day in order; size : windows a shard
        """
        if size < 1 or not len(windows) or (np.diff(windows) <= 0).any():
            raise StoreError(f"{folder}: {len(windows)} windows in shards of {size}; give some, in order")
        if (folder / PLAN).exists():
            found = cls.open(folder, identity)
            if not np.array_equal(found.windows, windows):
                raise StoreError(f"{folder} holds {len(found.windows):,} other windows; give another folder")
            return found
        write(
            folder / PLAN, {"row": windows.astype(np.int64)}, {"of": asdict(identity), "n": len(windows), "size": size}
        )
        return cls(folder, identity, windows.astype(np.int64), size)

    @classmethod
    def open(cls, folder: Path, expected: Identity | None = None) -> "Store":
        """The store of a folder; StoreError when it is damaged, or not of what is expected."""
        path = folder / PLAN
        if not path.exists():
            raise StoreError(f"{folder} holds no features; fill some, lobarena features")
        plan = about(path)
        identity = _identity(path, plan.get("of"))
        n, size = plan.get("n"), plan.get("size")
        if type(n) is not int or type(size) is not int or not (1 <= n <= _MOST and 1 <= size <= _MOST):
            raise StoreError(f"{path}: {str(n)[:20]} windows in shards of {str(size)[:20]}; fill another folder")
        if expected:
            _same(folder, identity, expected)
        windows = np.asarray(mapped(path, {"row": ("I64", (n,))})["row"])
        return cls(folder, identity, windows, size)

    def missing(self) -> list[int]:
        """Numbers of the shards that are not there, in the order to fill them: spread over the day."""
        return [number for number in spread(self.shards) if not self._path(number).exists()]

    @property
    def present(self) -> list[int]:
        """Numbers of the shards that are there, in the order of the day."""
        return [number for number in range(self.shards) if self._path(number).exists()]

    def of(self, shard: int) -> np.ndarray:
        """(m,) i8 windows of a shard."""
        return self.windows[shard * self.size : (shard + 1) * self.size]

    def write(self, shard: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Store one shard. arrays: "last" and "mean", (m, L, D), finite in float16; StoreError otherwise."""
        shape = (len(self.of(shard)), len(self.identity.layers), self.identity.width)
        found = {"row": self.of(shard)}
        for name in POOLINGS:
            if arrays[name].shape != shape:
                raise StoreError(f"{name} of shard {shard} has shape {arrays[name].shape}, not {shape}")
            with np.errstate(over="ignore"):
                found[name] = arrays[name].astype("<f2")
            if not np.isfinite(found[name]).all():
                raise StoreError(f"{name} of shard {shard} is not finite in float16 (up to 65,504); scale the layer")
        write(self._path(shard), found, {"of": asdict(self.identity), "shard": shard, "shards": self.shards})
        self._maps.pop(shard, None)

    @property
    def rows(self) -> np.ndarray:
        """(n,) i8 looks of the windows that are there, in order."""
        return np.concatenate([self.of(shard) for shard in self._some()])

    def hidden(self, pooling: str) -> Hidden:
        """(n, L, D) of the windows that are there, read as it is sliced."""
        if pooling not in POOLINGS:
            raise StoreError(f"no pooling {pooling!r}; there are {', '.join(POOLINGS)}")
        return Hidden([self._mapped(shard)[pooling] for shard in self._some()])

    def layer(self, index: int, pooling: str) -> np.ndarray:
        """(n, D) f2 of one layer."""
        return self.hidden(pooling)[:, index]

    def _some(self) -> list[int]:
        found = self.present
        if not found:
            raise StoreError(f"{self.folder} is still empty; fill it, lobarena features")
        return found

    def _path(self, shard: int) -> Path:
        return self.folder / f"{shard:05d}.safetensors"

    def _mapped(self, shard: int) -> Arrays:
        if shard not in self._maps:
            path, rows = self._path(shard), self.of(shard)
            told = about(path)
            _same(path, _identity(path, told.get("of")), self.identity)
            if (told.get("shard"), told.get("shards")) != (shard, self.shards):
                raise StoreError(f"{path} is another shard than its name says; delete it and fill again")
            maps = mapped(path, layout(len(rows), len(self.identity.layers), self.identity.width))
            if not np.array_equal(maps["row"], rows):
                raise StoreError(f"{path} holds other windows than the plan; delete it and fill again")
            self._maps[shard] = maps
        return self._maps[shard]


def fill(store: Store, produce: Produce, advance: Advance = lambda done, total, said: None, share: float = 1.0) -> None:
    """Compute the shards that are missing until `share` of all are there; one process at a time."""
    wanted = min(store.shards, int(np.ceil(share * store.shards)))
    with alone(store.folder):
        done = len(store.present)
        said = str(store.folder.name)
        advance(done, wanted, said)
        for shard in store.missing():
            if done >= wanted:
                return
            store.write(shard, produce(store.of(shard)))
            done += 1
            advance(done, wanted, said)


def spread(n: int) -> list[int]:
    """0 .. n - 1 so that every beginning of the list is spread evenly (van der Corput's order)."""
    bits = max(1, (n - 1).bit_length())
    mirrored = (int(f"{number:0{bits}b}"[::-1], 2) for number in range(1 << bits))
    return [number for number in mirrored if number < n]


def _identity(path: Path, told: Any) -> Identity:
    texts, layers, width = ("model", "prompt", "data", "settings"), None, None
    if isinstance(told, dict) and set(told) == {*texts, "layers", "width"}:
        layers, width = told["layers"], told["width"]
    if not (
        isinstance(layers, list)
        and layers
        and all(isinstance(one, str) for one in layers)
        and all(isinstance(told[name], str) for name in texts)
        and type(width) is int
        and width > 0
        and width * len(layers) <= _WIDEST
    ):
        raise StoreError(f"{path} does not say what it is of; delete it and fill again")
    return Identity(told["model"], told["prompt"], told["data"], told["settings"], tuple(layers), width)


def _same(where: Path, found: Identity, expected: Identity) -> None:
    for name, wanted in asdict(expected).items():
        if (there := getattr(found, name)) != wanted:
            raise StoreError(
                f"{where} is of another {name}: {str(there)[:100]}, not {str(wanted)[:100]}; give another folder"
            )
