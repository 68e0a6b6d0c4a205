"""Many environments side by side, advanced by one kernel call; the single environment is a batch of one."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from struct import Struct
from typing import Any

import numpy as np

from lobarena.sim.actions import FAULTS, WIDTH, WIDTHS
from lobarena.sim.blocks import QUEUES, ROW, layout
from lobarena.sim.case import ACCOUNT, CASE, DECK, LEARNER
from lobarena.sim.checkpoint import resume
from lobarena.sim.desk import answer
from lobarena.sim.minds import MIND
from lobarena.sim.observe import look
from lobarena.sim.random import generator
from lobarena.sim.rewards import PARTS, Step
from lobarena.sim.settings import Day, Settings, day_of
from lobarena.sim.state import venue_type
from lobarena.sim.step import step_large, step_small
from lobarena.sim.types import MAX_SEATS, NONE, OBSERVATION, QUOTE_LEVELS, SMALL, book_type

# Who plays the other seats, by string: the simulator knows no agent. Called as
# opponent(name, feed, seat, order_size, position_limit, opens, closes, rng, thinking_ns): the agent's MIND, (1,), when
# a kernel plays it, else act(observation) -> (bids, asks, take) or None to leave the working orders.
OPPONENTS = "lobarena.agents.opponents:opponent"
THREADED = 128  # environments from which on a second thread pays for its waking


class Batch:
    """n environments of k learners each.

    Outputs, overwritten by each step: observations (n, k, F) f4; rewards (n, k) f8 tick x lot; parts (n, k, P) f8,
    which sum to the rewards; accounts (4, n, k) f8 as ACCOUNT names them; positions (n, k) i8 lots; times (n,) i8 ns
    UTC; over (n,) i4 whether the episode is; out (n, k) bool whether a learner is (by a margin call, or the end).
    `read` gives all but observations and parts as Python's numbers.
    """

    def __init__(self, settings: Settings, n: int, learners: int = 1) -> None:
        if n < 1 or learners < 1:
            raise ValueError(f"{n} environments of {learners} learners asked for; give at least one")
        seats = learners + len(settings.opponents)
        if seats > MAX_SEATS:
            raise ValueError(f"{seats} seats asked for, a market has at most {MAX_SEATS}")
        self.settings, self.n, self.k = settings, n, learners
        self.files = settings.files()
        self._rules, self._seats = settings.rules(), (settings.seat(),) * seats
        self._episodes: list[tuple[int, int, int]] | None = None
        self._playing: list[Day | None] = [None] * n
        self._others: list[list[Callable[[Any], Any] | None]] = [[] for _ in range(n)]
        self._pool: ThreadPoolExecutor | None = None
        self.spoilt: set[int] = set()  # environments that an action without meaning left out of step
        self._python = False  # whether some seat is decided in Python
        self._make()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """The kernels know the arrays by address: a copy would play in the memory of its original."""
        raise TypeError("an environment cannot be copied or pickled; make it anew and reset it with the same seed")

    def _make(self) -> None:
        n, k, settings = self.n, self.k, self.settings
        self.layout = layout(settings.observation, settings.history, settings.normalise)
        features = len(self.layout)
        size = max(day.feed.size for day in (self.day(number) for number in self._samples()))
        self._size = size
        self.books, self.venues = np.zeros(n, book_type(*size)), np.zeros(n, venue_type(size[0], MAX_SEATS))
        self.cases, self.learners = np.zeros(n, CASE), np.zeros((n, k), LEARNER)
        self._minds = np.zeros((n, MAX_SEATS + 1), MIND)
        self.actions = np.zeros((n, k, WIDTH))
        self.history = np.zeros((n, k, settings.history, len(ROW)), np.float32)
        self.observations = np.zeros((n, k, features), np.float32)
        self._lay_outputs()
        self.part_names = PARTS + settings.reward.extra
        self._parts = np.zeros((n, k, len(PARTS)))
        self.parts = self._parts if not settings.reward.extra else np.zeros((n, k, len(self.part_names)))
        self.over = self.cases["over"]
        self.over[:] = 1
        self._ids = [np.zeros(1, np.int64)] * n
        deck = np.zeros(1, DECK)
        for name, array in (
            *(("cases", self.cases), ("learners", self.learners), ("minds", self._minds), ("actions", self.actions)),
            *(("history", self.history), ("layout", self.layout), ("observations", self.observations)),
            *(("rewards", self.rewards), ("parts", self._parts), ("accounts", self.accounts), ("times", self.times)),
            *(("positions", self.positions), ("out", self.out)),
        ):
            deck[name] = array.ctypes.data
        deck["n"], deck["k"], deck["features"], deck["depth"] = n, k, features, settings.history
        deck["queues"] = QUEUES in settings.observation
        deck["action"], deck["order_size"] = settings.kind, settings.order_size
        deck["thinking_ns"], deck["weights"] = settings.thinking_ns, settings.reward.weights()
        self.deck = deck
        self._kernel = step_small if size == SMALL else step_large
        self._addresses = (self.books.ctypes.data, self.venues.ctypes.data, deck.ctypes.data)
        self._all = partial(self._kernel, *self._addresses, 0, n)  # every environment, in this thread
        self._extra = bool(settings.reward.extra)
        self._bytes = self.venues.view(np.uint8).reshape(n, -1)
        self._spans = _spans(self.venues.dtype, len(self._seats))

    def _lay_outputs(self) -> None:
        """Rewards, accounts, positions, times and `out` one behind the other, so that `read` gets all at once."""
        n, k = self.n, self.k
        learners, money = n * k, 1 + len(ACCOUNT)
        words = np.zeros((money + 1) * learners + n + -(-learners // 8))
        self.money = words[: money * learners].reshape(money, n, k)  # rewards, then accounts
        self.rewards, self.accounts = self.money[0], self.money[1:]
        whole, flags = words[money * learners :].view(np.int64), (money + 1) * learners + n
        self.positions, self.times = whole[:learners].reshape(n, k), whole[learners : learners + n]
        self.out = words[flags:].view(bool)[:learners].reshape(n, k)
        self.out[:] = True
        # rewards, accounts, positions, times and `out` as Python's numbers, one after the other
        self.read = partial(Struct(f"{money * learners}d{learners + n}q{learners}?").unpack_from, words.data)

    def _samples(self) -> list[int]:
        """One day of each contract: their books are as large as their contract needs."""
        first: dict[str, int] = {}
        for number, file in enumerate(self.files):
            first.setdefault(file.symbol, number)
        return list(first.values())

    def day(self, number: int) -> Day:
        """The n-th of the days, made ready."""
        return day_of(self.files[number], self.settings.seed, self._rules, self._seats)

    @property
    def episodes(self) -> list[tuple[int, int, int]]:
        """Every whole episode, day by day: (place in `files`, opens, closes), ns UTC."""
        if self._episodes is None:
            days = range(len(self.files))
            self._episodes = [(d, *span) for d in days for span in self.settings.whole(self.day(d))]
        return self._episodes

    def begin(self, row: int, rng: np.random.Generator, episode: int | None = None) -> None:
        """Start an episode in one environment; the next `step` runs it to its first look, without an action."""
        number, opens, closes = self._drawn(rng) if episode is None else self._named(episode)
        place = int(rng.integers(2**31))
        order = rng.permutation(self.k) + 1 if self.k > 1 else np.ones(1, np.int64)
        day = self.day(number)
        if day.feed.size > self._size:
            raise ValueError("the data mix small and large books; give one contract")
        feed, case, raw = day.feed, self.cases[row], self._bytes[row]
        template = day.venue.view(np.uint8).reshape(-1)
        if len(template) != len(raw):
            raise ValueError("the data mix small and large books; give one contract")
        for start, end in self._spans:
            raw[start:end] = template[start:end]
        at = int(np.searchsorted(day.times, opens, "right")) - 1
        venue = self.venues[row : row + 1]
        resume(self.books[row : row + 1], venue, feed.base, day.places[max(at, 0)])
        venue["opens"], venue["closes"] = opens, closes
        if self._playing[row] is not day:
            self._playing[row] = day
            self._ids[row] = np.full(max(1, feed.orders), NONE, np.int64)
            case["events"], case["count"] = feed.events.ctypes.data, len(feed.events)
            case["snapshots"] = feed.snapshots.ctypes.data if len(feed.snapshots) else self._ids[row].ctypes.data
            case["ids"] = self._ids[row].ctypes.data
        elif feed.orders:
            self._ids[row][:] = NONE
        case["seats"][: self.k], case["who"] = order, NONE
        case["who"][order] = np.arange(self.k)
        case["fresh"], case["begun"], case["asked"], case["over"], case["fault"] = 1, 0, 0, 0, 0
        self.learners[row].view(np.uint8)[:] = 0
        self.history[row] = self.parts[row] = 0
        self._seat_others(row, day, opens, closes, place)
        self.spoilt.discard(row)

    def _seat_others(self, row: int, day: Day, opens: int, closes: int, place: int) -> None:
        s = self.settings
        if not s.opponents:
            return
        module, name = OPPONENTS.split(":")
        make = getattr(import_module(module), name)
        self._minds[row] = np.zeros(1, MIND)
        self._others[row] = []
        for number, spec in enumerate(s.opponents):
            seat, rng = self.k + 1 + number, generator(place, "opponent", number, spec)
            other = make(
                spec, day.feed, seat, s.order_size, s.position_limit, opens, closes, rng, thinking_ns=s.thinking_ns
            )
            if isinstance(other, np.ndarray):
                self._minds[row, seat] = other[0]
                other = None
            else:
                self._python = True
            self._others[row].append(other)

    def _drawn(self, rng: np.random.Generator) -> tuple[int, int, int]:
        """A random day, and a random moment of it with room for a whole episode where there is any."""
        s = self.settings
        number = int(rng.integers(len(self.files)))
        spans = s.spans(self.day(number))
        if not spans:
            number, *_ = self.episodes[int(rng.integers(len(self.episodes)))] if self.episodes else self._none()
            spans = s.spans(self.day(number))
        room = np.array([max(1, end - start - s.length) for start, end in spans], np.float64)
        start, end = spans[int(rng.choice(len(spans), p=room / room.sum()))]
        opens = start + int(rng.integers(max(1, end - start - s.length)))
        return number, opens, min(opens + s.length, end)

    def _named(self, episode: int) -> tuple[int, int, int]:
        if not self.episodes:
            self._none()
        if not isinstance(episode, int | np.integer) or not 0 <= episode < len(self.episodes):
            raise ValueError(f"episode is {episode!r}; the data have episodes 0 to {len(self.episodes) - 1}")
        return self.episodes[episode]

    def _none(self) -> tuple[int, int, int]:
        raise ValueError(f"nothing of the data lies between {self.settings.between} (ns UTC) inside a session")

    def step(self) -> None:
        """Take `actions` in every environment whose episode goes on, and run it to its learners' next looks.

        ValueError names an action that means nothing; of several environments, all must then be reset, since some have
        moved and some have not.
        """
        if self.spoilt:
            raise RuntimeError("an action meant nothing and the batch stopped half way; call reset()")
        gone = self.out.copy() if self._extra else None
        if self.n >= THREADED and not self._python:
            self._threads()
        elif (row := self._all()) != self.n:
            self._go_on(row, self.n)
        if gone is not None:
            self._reshape(~gone & (self.learners["looks"] > 0))  # a first look is no step

    def settle(self, rows: Sequence[int]) -> None:
        """Run the environments just begun to their first looks, and no other."""
        for row in rows:
            self._run(row, row + 1)

    def _threads(self) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "lobarena")
        half = self.n // 2
        other = self._pool.submit(self._run, half, self.n)
        try:
            self._run(0, half)
        finally:
            other.result()

    def _run(self, first: int, last: int) -> None:
        row = self._kernel(*self._addresses, first, last)
        if row != last:
            self._go_on(row, last)

    def _go_on(self, row: int, last: int) -> None:
        """Say what the environment `row` waits for, until all before `last` have gone on."""
        while row != last:
            case: Any = self.cases[row]
            if case["fault"]:
                self._fault(row, case)
            if case["lost"]:
                raise RuntimeError("messages or fills found no room; fewer seats or smaller orders are needed")
            self._answer(row, int(case["asked"]))
            case["asked"] = 0
            row = self._kernel(*self._addresses, row, last)

    def _fault(self, row: int, case: Any) -> None:
        fault, learner = int(case["fault"]), int(case["asked"])
        case["fault"] = case["asked"] = 0
        self.spoilt = set(range(self.n)) if self.n > 1 else set()
        action = self.actions[row, learner, : WIDTHS[self.settings.kind]].tolist()
        where = f"of environment {row}" if self.n > 1 else ""
        raise ValueError(f"the action {action} {where} {FAULTS[fault]}".replace("  ", " "))

    def _answer(self, row: int, seat: int) -> None:
        """A seat decided in Python decides."""
        venue, seen = self.venues[row : row + 1], np.zeros(1, OBSERVATION)
        look(venue, seat, seen)
        act = self._others[row][seat - self.k - 1]
        assert act is not None
        said, s = act(seen[0]), venue[0]["seat"][seat]
        s["keep"] = said is None
        s["target"] = 0
        bids, asks, s["take"] = said if said is not None else ((), (), 0)
        for side, ladder in enumerate((bids, asks)):
            for level, (price, size) in enumerate(ladder[:QUOTE_LEVELS]):
                s["target"][side, level] = price, size
        answer(venue, seat, self.settings.thinking_ns)

    def _reshape(self, stepped: np.ndarray) -> None:
        """Add the extra parts of a reward that is not one of the kernel's, for the (n, k) learners that `stepped`."""
        count, p = len(PARTS), self._parts
        spread, holding, paid, closed = (p[..., part].reshape(-1) for part in range(4))
        lots, position = self.accounts[ACCOUNT.index("lots")].reshape(-1), self.positions.reshape(-1).astype(np.float64)
        step_ = Step(spread, holding, -paid, closed, lots, position)
        extra = np.asarray(self.settings.reward.shape(step_), np.float64).reshape(self.n, self.k, -1)
        if extra.shape[2] != len(self.part_names) - count or not np.isfinite(extra).all():
            raise ValueError(f"{self.settings.reward}: shape() must give ({self.n * self.k}, extra) finite numbers")
        extra = np.where(stepped[..., None], extra, 0.0)
        self.parts[..., :count], self.parts[..., count:] = p, extra
        self.rewards += extra.sum(axis=2)


def _spans(venue: "np.dtype[Any]", seats: int) -> Sequence[tuple[int, int]]:
    """Bytes of a venue's record that an episode begins with; the rest holds what counters among them make void."""
    places: Any = venue.fields
    seat = places["seat"][0].base
    size, images = seat.itemsize, seat.fields["images"][1]
    first = places["seat"][1]
    return [
        (0, places["heap"][1]),
        (places["free"][1], places["spare"][1]),
        (places["owed_span"][1], first),
        *((first + row * size, first + row * size + images) for row in range(seats + 1)),
    ]
