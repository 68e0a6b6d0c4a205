"""Several learners in one book, as PettingZoo's parallel environment."""

from typing import Any

import gymnasium
import numpy as np
from pettingzoo import ParallelEnv

from lobarena.sim.batch import Batch
from lobarena.sim.env_spaces import action_space, observation_space, taker
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
        self.observation_spaces = {name: observation_space(self.batch.layout) for name in self.possible_agents}
        self.action_spaces = {name: action_space(self.settings.action) for name in self.possible_agents}
        batch, width = self.batch, (self.action_spaces["seat_1"].shape or (1,))[0]
        self._take = {name: taker(batch.actions[0, place], width) for place, name in enumerate(self.possible_agents)}
        self._never = dict.fromkeys(self.possible_agents, False)  # truncations, of every step
        self._time = 6 * seats  # where `batch.read` has the time: behind rewards, accounts and positions
        self._columns = [slice(at, at + seats) for at in (*range(0, self._time, seats), self._time + 1)]
        self._seen, self._parts = list(batch.observations[0]), list(batch.parts[0])  # a view a learner

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
        observations, *_, infos = self._told()
        return observations, infos

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, np.ndarray], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Everybody quotes, and the market runs to the next looks; ValueError when an agent has no action."""
        names = self.agents
        if not names:
            raise gymnasium.error.ResetNeeded("the episode is over; call reset()")
        try:
            for name in names:
                self._take[name](actions[name])
        except KeyError as error:
            raise ValueError(f"no action for {error}; every agent in `agents` acts at each step") from error
        self.batch.step()
        told = self._told()
        if len(names) < len(self.possible_agents):
            told = tuple({name: every[name] for name in names} for every in told)
        observations, rewards, over, never, infos = told
        if True in over.values():
            self.agents = [name for name in names if not over[name]]
        return observations, rewards, over, never, infos

    def _told(self) -> tuple[dict[str, Any], ...]:
        """What `step` gives, of all: also of those that play no more."""
        values = self.batch.read()
        time, columns = values[self._time], [values[column] for column in self._columns]
        observations: dict[str, np.ndarray] = {}
        rewards, over, infos = {}, {}, {}
        for name, seen, parts, reward, wealth, fees, held, lots, position, gone in zip(
            self.possible_agents, self._seen, self._parts, *columns, strict=True
        ):
            observations[name], rewards[name], over[name] = seen.copy(), reward, gone
            infos[name] = {
                "wealth": wealth,
                "position": position,
                "fees": fees,
                "map": held,
                "lots": lots,
                "parts": parts.copy(),
                "time": time,
            }
        return observations, rewards, over, self._never.copy(), infos


def parallel_env(seats: int = 2, **settings: Any) -> Seats:
    """The environment, under the name that PettingZoo's packages use."""
    return Seats(seats, **settings)
