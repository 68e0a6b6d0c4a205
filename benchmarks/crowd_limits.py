"""Where a living crowd can be led astray: `python -m lobarena.benchmarks.crowd_limits` prints it for the packaged fits.

How often its intensity was above the bound that it acts upon, how much excitement a long step adds, and what a seat
earns that drives the price one lot at a time and gives the lots back in blocks (a round trip that pays is a
manipulation: Huberman & Stanzl 2004, Price Manipulation and Quasi-Arbitrage).
"""

import sys
from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np

from lobarena.sim.feed import Feed
from lobarena.sim.hawkes.day import living_day, living_feed
from lobarena.sim.hawkes.fit import Fit, packaged, traits_of
from lobarena.sim.market import Market, Seat

DAY, SEED = date(2024, 1, 3), 11
EVERY_MS = 50  # between two decisions of the seat
BEFORE_S = 10  # that the crowd is left alone
TRIPS = ((200, 100), (500, 100), (1_000, 200))  # lots taken one by one, lots of a block given back
EPISODES = 12
_FREE = Seat(every_ns=EVERY_MS * 1_000_000, position_limit=10**5, largest=5_000, capital=1e15)


def capped(feed: Feed, busy: bool, seconds: int = 100) -> float:
    """Share of the candidates that met an intensity above the bound: over the feed, or while a seat takes (`busy`)."""
    market = Market(feed)
    begin = int(feed.sessions[0][0]) + BEFORE_S * 10**9
    market.start([_FREE] * busy, *((begin, begin + seconds * 10**9) if busy else (0, 2**62)))
    before = np.zeros(2, np.int64)
    if busy:
        market.venue[0]["pause"] = begin
        market.run()
        market.venue[0]["pause"] = 2**62
        before = _counted(market)
    while market.run() > 0:
        market.decide(1, take=1)
    after = _counted(market) - before
    return float(after[1] / after[0])


def _counted(market: Market) -> np.ndarray:
    mood = market.venue[0]["mood"]
    return np.array([mood["candidates"], mood["capped"]], np.int64)


def overstated(fit: Fit, draws: int = 200_000) -> float:
    """Events that one excites at the fast speed, relative to the fit: the fading of `hear` against an exponential.

    Steps are exponential with the bound's rate, as candidates come; 1 is exact.
    """
    traits = traits_of(fit)[0]
    fade, bound = float(traits["fade"][0]), float(traits["bound"])
    x = fade * np.random.default_rng(0).exponential(1 / bound, draws)
    kept = float((1 / (1 + x + x * x / 2)).mean())
    return kept / (1 - kept) * fade / bound


def round_trips(feed: Feed, lots: int, block: int, sign: int, episodes: int = EPISODES) -> np.ndarray:
    """(n,) ticks a lot after fees: `lots` are bought (sign 1) or sold one by one, given back a block a second."""
    market, found = Market(feed), []
    second = 1_000 // EVERY_MS
    length = lots / second + lots / block + 20
    for number in range(episodes):
        begin = int(feed.sessions[0][0] + (number * (length + 40) + BEFORE_S) * 1e9)
        if begin + length * 1e9 > feed.sessions[0][1]:
            break
        market.start([_FREE], begin, int(begin + length * 1e9))
        step = 0
        while market.run() > 0:
            step += 1
            take = sign if step <= lots else 0
            if step > lots + second and step % second == 0:
                held = int(market.venue[0]["seat"][1]["position"])
                take = -int(np.sign(held)) * min(block, abs(held))
            market.decide(1, take=take)
        found.append(market.wealth(1) / feed.contract.tick_value / lots)
    return np.array(found)


def lines(codes: Sequence[str] = ()) -> Iterator[str]:
    """Two tables in Markdown."""
    fits = {code: fit for code, fit in packaged().items() if not codes or code in codes}
    feeds = {code: living_feed(living_day(fit, DAY, SEED, 75)) for code, fit in fits.items()}
    yield "| fit | above the bound, % of candidates | while a seat takes a lot every 50 ms | excited, times the fit |"
    yield "|---|---:|---:|---:|"
    for code, fit in fits.items():
        alone, busy = (100 * capped(feeds[code], one) for one in (False, True))
        yield f"| {code} | {alone:.1f} | {busy:.1f} | {overstated(fit):.3f} |"
    yield "\n| fit | lots one by one | blocks back | bought first, ticks a lot after fees | sold first |"
    yield "|---|---:|---:|---:|---:|"
    for code, feed in feeds.items():
        for lots, block in TRIPS:
            cells = []
            for sign in (1, -1):
                found = round_trips(feed, lots, block, sign)
                error = found.std(ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.nan
                cells.append(f"{found.mean():.2f} ± {error:.2f} ({len(found)})")
            yield f"| {code} | {lots} | {block} | {' | '.join(cells)} |"


if __name__ == "__main__":
    for line in lines(sys.argv[1:]):
        print(line, flush=True)
