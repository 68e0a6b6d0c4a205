"""A ring of the last looks of n environments, from which steps over several looks are drawn."""

import numpy as np

Arrays = dict[str, np.ndarray]


class Replay:
    """`looks` rows of n environments in order of time: what was seen, done and earned.

    A row is void where nothing can be learned from what followed: an episode was over, or a slice of training ended.
    """

    def __init__(self, looks: int, n: int, features: int, levels: int) -> None:
        self.seen = np.zeros((looks, n, features), np.float32)
        self.done = np.zeros((looks, n, levels), np.uint8)
        self.earned = np.zeros((looks, n), np.float32)
        self.over = np.zeros((looks, n), np.bool_)  # the episode ended with the step from this row
        self.void = np.ones((looks, n), np.bool_)
        self.rows = 0  # ever written

    def add(self, seen: np.ndarray, done: np.ndarray, earned: np.ndarray, over: np.ndarray, void: np.ndarray) -> None:
        at = self.rows % len(self.seen)
        self.seen[at], self.done[at], self.earned[at], self.over[at], self.void[at] = seen, done, earned, over, void
        self.rows += 1

    def close(self, seen: np.ndarray) -> None:
        """The last look of a slice: steps lead to it, none goes on from it."""
        n = self.seen.shape[1]
        self.add(seen, np.zeros_like(self.done[0]), np.zeros(n), np.zeros(n, np.bool_), np.ones(n, np.bool_))

    def draw(self, rng: np.random.Generator, batch: int, reach: int, gamma: float) -> tuple[np.ndarray, ...]:
        """Steps over up to `reach` looks: (seen, done, returns, discounts, seen then), the first axis the step.

        `batch` rows are drawn of those that `reach` looks have followed; void ones are left out. A step is shorter
        where its episode ends (discount 0) or its slice did.
        """
        looks, n = self.earned.shape
        ages = rng.integers(reach, min(self.rows, looks), batch)
        place, env = (self.rows - 1 - ages) % looks, rng.integers(n, size=batch)
        place, env = place[good := ~self.void[place, env]], env[good]
        goes_on, length = np.ones(len(place), np.bool_), np.zeros(len(place), np.int64)
        returns, factor = np.zeros(len(place), np.float32), np.ones(len(place), np.float32)
        for k in range(reach):
            row = (place + k) % looks
            goes_on &= ~self.void[row, env]
            returns += np.where(goes_on, factor * self.earned[row, env], 0)
            length += goes_on
            over = goes_on & self.over[row, env]
            factor *= np.where(over, 0, np.where(goes_on, gamma, 1)).astype(np.float32)
            goes_on &= ~over
        then = self.seen[(place + length) % looks, env]
        return self.seen[place, env], self.done[place, env], returns, factor, then

    def state(self) -> Arrays:
        names = ("seen", "done", "earned", "over", "void")
        return {name: getattr(self, name).copy() for name in names} | {"rows": np.array([self.rows])}

    @classmethod
    def of(cls, state: Arrays) -> "Replay":
        looks, n, features = state["seen"].shape
        made = cls(looks, n, features, state["done"].shape[2])
        for name in ("seen", "done", "earned", "over", "void"):
            getattr(made, name)[...] = state[name]
        made.rows = int(state["rows"][0])
        return made
