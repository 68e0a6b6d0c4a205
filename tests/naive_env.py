"""The environment once more, slowly: plain Python over `Market`, from the docstrings of env, blocks and rewards.

It replays the day from its first event, keeps the learner's account from the list of fills, and computes with exact
fractions where prices are rounded. Nothing here uses the kernels of observations, actions, rewards or checkpoints.
"""

import math
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar

import gymnasium
import numpy as np

from lobarena.agents.base import Context
from lobarena.agents.table import make, parse
from lobarena.data.catalogue import read_day
from lobarena.data.schema import BID, CONTINUOUS
from lobarena.sim.blocks import BLOCKS, HISTORY, ROW
from lobarena.sim.feed import feed_of
from lobarena.sim.market import Latency, Market, Rules, Seat
from lobarena.sim.random import generator
from lobarena.sim.types import LIQUIDATION

OFFSETS = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (1, 3), (3, 1), (2, 5), (5, 2)]
FAR, LARGEST = 50.0, 25.0  # cuts: ticks, log(1 + lots)
MEMORIES = {"volatility": 0.98, "flow": 0.8}


@lru_cache(maxsize=8)
def feed(file, seed=0):
    return feed_of(read_day(file), seed)


class NaiveEnv:
    """One episode of one learner in seat 1; the arguments are the environment's."""

    KNOWN: ClassVar = {
        "opponents": (),
        "observation": ("levels",),
        "history": 0,
        "normalise": True,
        "action": "offsets",
        "reward": "pnl",
        "order_size": 1,
        "position_limit": 20,
        "decision_us": 1_000,
        "network_ms": 5,
        "every_ms": 0,
        "cancel_model": "pro rata",
        "impact": "decay",
    }

    def __init__(self, day, opens, closes, draw=0, **settings):
        """draw : the number from which the opponents' random streams are made."""
        self.set = self.KNOWN | settings
        s, self.closes, self.opens = self.set, closes, opens
        latency = Latency(*3 * [round(s["network_ms"] * 1e6)])
        seat = Seat(latency=latency, every_ns=round(s["every_ms"] * 1e6), position_limit=s["position_limit"])
        self.market = Market(day, Rules(cancel_model=s["cancel_model"], impact=s["impact"], curve_ms=10**9))
        self.market.start([seat] * (1 + len(s["opponents"])), opens, closes)
        self.thinking = round(s["decision_us"] * 1e3)
        self.tick = day.contract.tick_value
        self.agents = {}
        for number, spec in enumerate(s["opponents"]):
            kind, parameters = parse(spec)
            agent, rng = make(kind, **parameters), generator(draw, "opponent", number, spec)
            who = number + 2
            agent.reset(Context(day.contract, who, s["order_size"], s["position_limit"], opens, closes, rng))
            self.agents[who] = agent
        self.booked = 0
        self.cash = self.position = 0
        self.fees = 0.0
        self.past = None  # what the features remember
        self.history = [[0.0] * len(ROW) for _ in range(s["history"])]
        self.variance = self.trend = 0.0
        self.over = False
        self.held = []
        self.mid = Fraction(0)
        self._on()
        self._account()

    def step(self, action):
        """(reward, parts); the observation and the account are attributes."""
        bids, asks, take = self.quotes(action)
        self.market.decide(1, bids, asks, take, thinking_ns=self.thinking)
        self._on()
        parts = self._account()
        self.held.append(abs(self.position))
        return sum(parts), parts

    # The market.

    def _on(self):
        """To the learner's next look, or to the end."""
        while True:
            who = self.market.run()
            if who > 1:
                said = self.agents[who].act(self.market.observation(who))
                if said is None:
                    self.market.decide(who, keep=True, thinking_ns=self.thinking)
                else:
                    self.market.decide(who, said.bids, said.asks, said.take, thinking_ns=self.thinking)
                continue
            self.over = who == 0
            self.now = int(self.market.venue[0]["now"])
            self.look = self.market.observation(1).copy()
            self.observation = self._observe(self.look)
            return

    def _account(self):
        """Book the fills that are new, and give the step's eight parts, tick x lot."""
        venue = self.market.venue[0]
        fills = np.concatenate([self.market.fills, self.market.pending_fills()])
        fees = np.concatenate([self.market.fees, venue["fee"][: venue["fills"]]])
        spread = holding = closed = Fraction(0)
        paid = closing = 0.0
        self.lots = 0
        for fill, fee in zip(fills[self.booked :], fees[self.booked :], strict=True):
            roles = [role for role in (0, 1) if fill[("maker_owner", "taker_owner")[role]] == 1]
            mid, price, size = Fraction(int(fill["mid2"]), 2), int(fill["price"]), int(fill["size"])
            if roles:
                holding += self.position * (mid - self.mid)
                self.mid = mid
            for role in roles:
                bought = (fill["side"] == BID) == (role == 1)
                lots = size if bought else -size
                self.position += lots
                self.cash -= lots * price
                self.fees += float(fee[role])
                self.lots += size
                if fill["reason"] == LIQUIDATION and role == 1:
                    closed += lots * (mid - price)
                    closing += float(fee[role])
                else:
                    spread += lots * (mid - price)
                    paid += float(fee[role])
        self.booked = len(fills)
        mid = Fraction(int(venue["mid2"]), 2)
        holding += self.position * (mid - self.mid)
        self.mid = mid
        self.wealth = float(self.cash + self.position * mid) * self.tick - self.fees
        spread, holding = float(spread), float(holding)
        parts = [spread, holding, -paid / self.tick, float(closed) - closing / self.tick]
        return parts + self._shaped(spread, holding, sum(parts))

    def _shaped(self, spread, holding, gained):
        """The parts beyond the change of wealth: dampening, made, volume, inventory."""
        name, _, text = self.set["reward"].partition(":")
        given = {key: float(value) for key, value in (pair.split("=") for pair in text.split(",") if pair)}
        i = self.position
        if name == "dampened":
            return [-max(0.0, given.get("eta", 0.5) * holding), 0.0, 0.0, 0.0]
        if name == "dampened symmetric":
            return [-given.get("eta", 0.1) * holding, 0.0, 0.0, 0.0]
        if name == "hybrid":
            eta, zeta = given.get("eta", 0.5), given.get("zeta", 0.01)
            return [-max(0.0, eta * gained), spread, 0.0, -zeta * i * i]
        if name == "imm":
            bonus, zeta, free = given.get("bonus", 0.05), given.get("zeta", 0.05), given.get("free", 2.0)
            return [0.0, 0.0, bonus * self.lots, -zeta * max(0.0, abs(i) - free)]
        if name == "inventory":
            return [0.0, 0.0, 0.0, -given.get("zeta", 0.01) * i * i]
        assert name == "pnl"
        return [0.0] * 4

    # What an action means.

    def quotes(self, action):
        """(bids, asks, take) of an action, by the last look."""
        o, s = self.look, self.set
        if s["action"] == "orders":
            rows = [int(number) for number in action]
            pairs = list(zip(rows[:20:2], rows[1:20:2], strict=True))
            bids, asks = ([pair for pair in side if pair[1]] for side in (pairs[:5], pairs[5:]))
            return bids, asks, rows[20]
        position, limit = int(o["position"]), s["position_limit"]
        if s["action"] == "offsets" and action == 9:
            other = o["bid_size"][0] if position > 0 else o["ask_size"][0]
            return [], [], -position if o["phase"] == CONTINUOUS and other else 0
        if o["phase"] != CONTINUOUS or not o["bid_size"][0] or not o["ask_size"][0]:
            return [], [], 0
        bid, ask = int(o["bid"][0]), int(o["ask"][0])
        mid, half = Fraction(bid + ask, 2), Fraction(ask - bid, 2)
        rooms = [max(0, limit - position), max(0, limit + position)]
        if s["action"] == "ladder":
            sides = [[], []]
            for side, (best, away) in enumerate(((bid, -1), (ask, 1))):
                for level in range(5):
                    wanted = math.floor(Fraction(float(action[5 * side + level])) * s["order_size"] + Fraction(1, 2))
                    wanted, price = min(wanted, rooms[side]), best + away * level
                    if not o["lower"] <= price <= o["upper"]:
                        wanted = 0
                    if wanted > 0:
                        sides[side].append((price, wanted))
                        rooms[side] -= wanted
            return *sides, 0
        if s["action"] == "offsets":
            below, above = OFFSETS[int(action)]
            low, high = mid - below * half, mid + above * half
        else:
            lean, width = (Fraction(float(number)) for number in action)
            centre, away = mid + 5 * lean * half, (1 + Fraction(9, 2) * (width + 1)) * half
            low, high = centre - away, centre + away
        if math.floor(low) >= math.ceil(high):
            return [], [], 0
        found = []
        for price, room in ((math.floor(low), rooms[0]), (math.ceil(high), rooms[1])):
            lots = min(room, s["order_size"])
            found.append([(price, lots)] if lots > 0 and o["lower"] <= price <= o["upper"] else [])
        return *found, 0

    # What is seen.

    def _observe(self, o):
        """The blocks of `observation` as a list of numbers; what the features remember moves on."""
        bids = [(int(p), int(z)) for p, z in zip(o["bid"], o["bid_size"], strict=True) if z > 0]
        asks = [(int(p), int(z)) for p, z in zip(o["ask"], o["ask_size"], strict=True) if z > 0]
        past, mid = self.past, self.past[0] if self.past else 0.0
        if bids and asks:
            mid = (bids[0][0] + asks[0][0]) / 2
        elif bids or asks:
            mid = float((bids or asks)[0][0])
        known = past is not None and past[0] != 0
        move = mid - past[0] if known else 0.0
        flow = 0.0
        if known and bids and asks and past[1] and past[2]:
            (b, bz), (b0, bz0) = bids[0], past[1]
            (a, az), (a0, az0) = asks[0], past[2]
            e = bz * (b >= b0) - bz0 * (b <= b0) - az * (a <= a0) + az0 * (a >= a0)
            flow = min(1.0, max(-1.0, e / ((bz + az) / 2)))
        w = MEMORIES["volatility"]
        self.variance = w * self.variance + (1 - w) * move**2
        w = MEMORIES["flow"]
        self.trend = w * self.trend + (1 - w) * flow
        volume = math.log(1 + int(o["volume"]) - (past[3] if past else 0))
        self.past = (mid, bids[0] if bids else None, asks[0] if asks else None, int(o["volume"]))

        sizes = [_five([math.log(1 + z) for _, z in side], 0.0) for side in (bids, asks)]
        away = [_five([mid - p for p, _ in bids], FAR), _five([p - mid for p, _ in asks], FAR)]
        total = [sum(z for _, z in side) for side in (bids, asks)]
        best = [side[0][1] if side else 0 for side in (bids, asks)]
        own = {}
        for side, sign, touch in (("bid", 1, bids), ("ask", -1, asks)):
            rows = zip(o[f"own_{side}"], o[f"own_{side}_size"], o[f"own_{side}_ahead"], strict=True)
            rows = [(int(p), int(z), int(q)) for p, z, q in rows if z > 0]
            own[side] = [FAR, 0.0, -1.0]
            if rows:
                own[side] = [sign * (mid - rows[0][0]), math.log(1 + rows[0][1]), _ahead(rows[0][2])]
            lots, ahead = [0.0] * 5, [-1.0] * 5
            reference = touch[0][0] if touch else 0
            for p, *_ in rows:
                place = sign * (reference - p)
                if 0 <= place < 5:
                    same = [(other, before) for price, other, before in rows if price == p]
                    lots[place] = math.log(1 + sum(other for other, _ in same))
                    ahead[place] = _ahead(min((before for _, before in same if before >= 0), default=-1))
            own[f"{side} queue"] = lots + ahead
        if self.history:
            spread = asks[0][0] - bids[0][0] if bids and asks else 0
            self.history = [*self.history[1:], [move, spread, flow, volume, *sizes[0], *sizes[1]]]
        left = max(0, self.closes - int(o["time"])) / max(1, self.closes - self.opens)
        numbers = {
            "levels": [*away[0], *sizes[0], *away[1], *sizes[1]],
            "imbalance": [_balance(*best), _balance(*total)],
            "order flow": [flow, self.trend, volume],
            "volatility": [move, math.sqrt(self.variance)],
            "own orders": own["bid"] + own["ask"],
            "queue positions": own["bid queue"] + own["ask queue"],
            "inventory": [int(o["position"]) / self.set["position_limit"]],
            "time left": [left],
            HISTORY: [number for row in self.history for number in row],
        }
        out = []
        for block in self.set["observation"]:
            features = BLOCKS[block] if block != HISTORY else ROW * len(self.history)
            for value, f in zip(numbers[block], features, strict=True):
                out.append(min(f.high, max(f.low, value)) / (f.scale if self.set["normalise"] else 1.0))
        return out


def _five(found, missing):
    return found + [missing] * (5 - len(found))


def _balance(bid, ask):
    return (bid - ask) / (bid + ask) if bid + ask else 0.0


def _ahead(lots):
    return math.log(1 + lots) if lots >= 0 else -1.0


EVERY = (*BLOCKS, HISTORY)


def play_both(seed=0, episode=None, choose=None, **settings):
    """Play an episode in the environment and here, and assert that they agree at every look; the two at the end.

    episode : its place in `episodes`; None starts at a random moment
    choose : (naive, space) -> action; a random one of the space when it is not given
    """
    settings = {"episode_minutes": 1, "observation": EVERY, "history": 3} | settings
    env = gymnasium.make("lobarena/MarketMaking-v0", **settings).unwrapped
    seen, info = env.reset(seed=seed, options=None if episode is None else {"episode": episode})
    env.action_space.seed(seed)
    draw = int(np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed))).integers(2**31))
    venue = env.batch.venues[0]
    opens, closes = int(venue["opens"]), int(venue["closes"])
    if episode is not None:
        number, *span = env.episodes[episode]
        assert span == [opens, closes]
    else:
        number = next(n for n in range(len(env.batch.files)) if _holds(env.batch.day(n), opens))
    passed = {key: value for key, value in settings.items() if key in NaiveEnv.KNOWN}
    naive = NaiveEnv(feed(env.batch.files[number], settings.get("seed", 0)), opens, closes, draw, **passed)
    _agree(seen, info, naive, "at the first look")
    assert info["lots"] == 0
    assert not info["parts"].any()
    step, over = 0, False
    while not over:
        action = choose(naive, env.action_space) if choose else env.action_space.sample()
        reward, parts = naive.step(action)
        seen, paid, over, cut, info = env.step(action)
        step += 1
        _agree(seen, info, naive, f"at step {step}, action {action}")
        np.testing.assert_allclose(info["parts"], parts, rtol=1e-9, atol=1e-9, err_msg=f"parts of step {step}")
        assert abs(paid - reward) < 1e-9
        assert (over, cut, info["lots"]) == (naive.over, False, naive.lots)
        assert abs(info["map"] - sum(naive.held) / len(naive.held)) < 1e-12
    assert step > 2
    return env, naive


def _holds(day, moment):
    return day.feed.events["time"][0] <= moment <= day.feed.events["time"][-1]


def _agree(seen, info, naive, where):
    wanted = np.array(naive.observation, np.float32)
    np.testing.assert_allclose(seen, wanted, rtol=1e-6, atol=1e-7, err_msg=where)
    assert (info["time"], info["position"]) == (naive.now, naive.position), where
    np.testing.assert_allclose([info["wealth"], info["fees"]], [naive.wealth, naive.fees], rtol=1e-9, atol=1e-8)
