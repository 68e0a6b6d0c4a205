"""LOBSTER files as literals, and made up by a venue that shows its best levels alone, as LOBSTER does."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

NAME = "AAPL_2012-06-21_34200000_57600000_{}_2.csv"
NO_ASK, NO_BID = "9999999999,0", "-9999999999,0"

# time, type, order, shares, price, direction
MESSAGES = (
    "34200.000000001,1,11,30,100100,1",  # joins the 50 found at 10.01
    "34200.5,4,7,20,100100,1",  # a seller takes 20 of an order from before
    "34201.0,2,7,10,100100,1",
    "34201.0,3,8,20,100100,1",
    "34202.0,2,11,5,100100,1",
    "34203.123456789,5,0,7,100150,1",  # hidden, at the middle
    "34204.0,4,11,25,100100,1",  # takes the rest: 9.99 comes into sight
    "34205.0,1,12,40,100300,-1",  # beyond the best ask: 10.04 is out of sight
    "34206.0,3,12,40,100300,-1",
    "34207.0,6,-1,500,100200,-1",
)

# ask, shares, bid, shares; two levels
BOOKS = (
    "100200,60,100100,80,100400,10,100000,90",
    "100200,60,100100,60,100400,10,100000,90",
    "100200,60,100100,50,100400,10,100000,90",
    "100200,60,100100,30,100400,10,100000,90",
    "100200,60,100100,25,100400,10,100000,90",
    "100200,60,100100,25,100400,10,100000,90",
    "100200,60,100000,90,100400,10,99900,70",
    "100200,60,100000,90,100300,40,99900,70",
    "100200,60,100000,90,100400,15,99900,70",  # 10.04 grew while out of sight
    "100200,60,100000,90,100400,15,99900,70",
)


def write_pair(
    folder: Path, messages: Sequence[str] = MESSAGES, books: Sequence[str] = BOOKS, name: str = NAME, end: str = ""
) -> Path:
    """Both files, packed when `end` is ".gz"; the path of the messages."""
    for kind, rows in (("orderbook", books), ("message", messages)):
        path = folder / (name.format(kind) + end)
        text = "\n".join([*rows, ""]).encode()
        path.write_bytes(gzip.compress(text) if end == ".gz" else text)
    return path


def made_up(rng: np.random.Generator, rows: int, levels: int) -> tuple[list[str], list[str]]:
    """Messages and books of a venue with price-time priority; a message beyond the levels shown is left out."""
    resting: dict[int, list[int]] = {}  # order -> side, price, shares; in the order in which they joined
    messages: list[str] = []
    books: list[str] = []
    number, time = 1000, 34_200 * 10**9
    for price in range(900, 1101):  # what rests when the record begins
        if price != 1000:
            number += 1
            resting[number] = [1 if price < 1000 else -1, price, int(rng.integers(1, 9)) * 10]

    def shown() -> dict[int, list[tuple[int, int]]]:
        sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
        for side, price, size in resting.values():
            sides[side][price] = sides[side].get(price, 0) + size
        return {side: sorted(held.items(), reverse=side == 1)[:levels] for side, held in sides.items()}

    before = shown()
    while len(messages) < rows:
        time += int(rng.integers(1, 10**8))
        side = 1 if rng.random() < 0.5 else -1
        best = {way: before[way][0][0] for way in (1, -1)}
        mine = [order for order, held in resting.items() if held[0] == side]
        near = sorted(mine, key=lambda order: abs(resting[order][1] - best[side]))
        draw = rng.random()
        if draw < 0.45:
            number, kind, size = number + 1, 1, int(rng.integers(1, 9)) * 10
            price = best[-side] - side * int(rng.integers(1, 2 * levels + 4))
            order = number
        elif draw < 0.9:
            order = near[min(int(rng.exponential(levels)), len(near) - 1)]
            _, price, left = resting[order]
            size = left if rng.random() < 0.5 else max(1, left // 2)
            kind = 3 if size == left else 2
        else:
            order = next(order for order in mine if resting[order][1] == best[side])
            _, price, left = resting[order]
            kind, size = 4, int(rng.integers(1, left + 1))
        if len(mine) < 2 * levels and kind != 1:
            continue
        if kind == 1:
            resting[order] = [side, price, size]
        else:
            resting[order][2] -= size
            if resting[order][2] == 0:
                del resting[order]
        after = shown()
        if after != before:
            messages.append(f"{time // 10**9}.{time % 10**9:09d},{kind},{order},{size},{price * 100},{side}")
            books.append(_row(after, levels))
        before = after
    return messages, books


def _row(shown: dict[int, list[tuple[int, int]]], levels: int) -> str:
    cells: list[int] = []
    for level in range(levels):
        for side, empty in ((-1, 9_999_999_999), (1, -9_999_999_999)):
            there = level < len(shown[side])
            cells += [shown[side][level][0] * 100, shown[side][level][1]] if there else [empty, 0]
    return ",".join(map(str, cells))
