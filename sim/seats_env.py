"""Several learners in one book, as PettingZoo's parallel environment."""

from typing import Any

import gymnasium
import numpy as np
from pettingzoo import ParallelEnv

from lobarena.sim.actions import action_space
from lobarena.sim.batch import Batch
from lobarena.sim.case import ACCOUNT
from lobarena.sim.env import fill, observation_space
from lobarena.sim.settings import Settings


class Seats(ParallelEnv[str, np.ndarray, Any]):
    """`seats` learners that make a market in one book; spaces, rewards and arguments are those of MarketMaking.

    Agents are "seat_1", "seat_2", ...; who of them sits where is drawn at each reset, since of messages that arrive at
    one instant the lower seat's come first: no name is better placed than another. All look at the same instants.
    An agent whose margin is called leaves; the others play on. Agents named by `opponents` sit behind the learners.
    """

    metadata: dict[str, Any] = {"name": "lobarena_seats_v0", "render_modes": []}  # noqa: RUF012

    def __init__(self, seats: int = 2, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.batch = Batch(self.settings, 1, seats)
        self.part_names = self.batch.part_names
        self.possible_agents = [f"seat_{number + 1}" for number in range(seats)]
        self.agents: list[str] = []
        self.render_mode = None
        self.np_random = np.random.default_rng()
        self.observation_spaces = {name: observation_space(self.batch) for name in self.possible_agents}
        self.action_spaces = {name: action_space(self.settings.action) for name in self.possible_agents}
        self._width = (self.action_spaces["seat_1"].shape or (1,))[0]
        self._places = {name: place for place, name in enumerate(self.possible_agents)}

    def observation_space(self, agent: str) -> gymnasium.spaces.Box:
        """The same for all."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.spaces.Space[Any]:
        """The same for all."""
        return self.action_spaces[agent]

    @property
    def episodes(self) -> list[tuple[int, int, int]]:
        """Every whole episode of the data: (place of its day, opens, closes), ns UTC."""
        return self.batch.episodes

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Start an episode; options may hold "episode", its place in `episodes` instead of a random moment."""
        if seed is not None:
            self.np_random, _ = gymnasium.utils.seeding.np_random(seed)
        self.batch.begin(0, self.np_random, (options or {}).get("episode"))
        self.batch.step()
        self.agents = self.possible_agents[:]
        return dict(zip(self.agents, self.batch.observations[0].copy(), strict=True)), self._infos()

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, np.ndarray], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Everybody quotes, and the market runs to the next looks; ValueError when an agent has no action."""
        batch, names = self.batch, self.agents
        if not names:
            raise gymnasium.error.ResetNeeded("the episode is over; call reset()")
        buffer, width = batch.actions[0], self._width
        try:
            for name in names:
                if width == 1:
                    buffer[self._places[name], 0] = actions[name]
                else:
                    fill(buffer[self._places[name]], actions[name], width)
        except KeyError as error:
            raise ValueError(f"no action for {error}; every agent in `agents` acts at each step") from error
        batch.step()
        seen, out = batch.observations[0].copy(), batch.out[0].tolist()
        rewards, infos = batch.rewards[0].tolist(), self._infos()
        if len(names) == len(out):
            observations = dict(zip(names, seen, strict=True))
            paid, over = (
                dict(zip(names, rewards, strict=True)),
                {n: one == 1 for n, one in zip(names, out, strict=True)},
            )
        else:
            rows = [self._places[name] for name in names]
            observations = {name: seen[row] for name, row in zip(names, rows, strict=True)}
            paid = {name: rewards[row] for name, row in zip(names, rows, strict=True)}
            over = {name: out[row] == 1 for name, row in zip(names, rows, strict=True)}
        if any(over.values()):
            self.agents = [name for name in names if not over[name]]
        return observations, paid, over, dict.fromkeys(names, False), infos

    def _infos(self) -> dict[str, dict[str, Any]]:
        batch, time = self.batch, int(self.batch.times[0])
        accounts, parts = batch.accounts[0].tolist(), batch.parts[0].copy()
        return {
            name: dict(
                zip(ACCOUNT, accounts[self._places[name]], strict=True), parts=parts[self._places[name]], time=time
            )
            for name in self.agents or self.possible_agents
        }


def parallel_env(seats: int = 2, **settings: Any) -> Seats:
    """The environment, under the name that PettingZoo's packages use."""
    return Seats(seats, **settings)
