"""Damage done to a file: bits flipped, parts cut, doubled or moved, numbers made absurd, columns swapped."""

import random
from collections.abc import Callable

ABSURD = (
    b"99999999999999999999999999",
    b"-1",
    b"-9223372036854775808",
    b"9223372036854775807",
    b"4294967296",
    b"1e308",
    b"-1e308",
    b"nan",
    b"inf",
    b"",
    b"0",
    b"0.00000001",
    b"null",
    b"[]",
    b'"',
    b"\x00",
    b"abc",
    b"\xff\xfe",
)
_DIGITS = b"0123456789.-"


def flip(data: bytes, rng: random.Random) -> bytes:
    """One to eight bits turned over."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(len(made) * 8)
        made[place >> 3] ^= 1 << (place & 7)
    return bytes(made)


def cut(data: bytes, rng: random.Random) -> bytes:
    """Everything after some place is gone."""
    return data[: rng.randrange(len(data))]


def hole(data: bytes, rng: random.Random) -> bytes:
    """A part in the middle is gone."""
    begin = rng.randrange(len(data))
    return data[:begin] + data[begin + rng.randint(1, 200) :]


def double(data: bytes, rng: random.Random) -> bytes:
    """A part stands twice, or a thousand times."""
    begin = rng.randrange(len(data))
    part = data[begin : begin + rng.randint(1, 300)]
    return data[:begin] + part * rng.choice((2, 2, 3, 1_000)) + data[begin:]


def noise(data: bytes, rng: random.Random) -> bytes:
    """Random bytes in between."""
    begin = rng.randrange(len(data))
    return data[:begin] + rng.randbytes(rng.randint(1, 64)) + data[begin:]


def number(data: bytes, rng: random.Random) -> bytes:
    """One to three numbers become absurd ones."""
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(data)) if data else 0
        while place < len(data) and data[place] not in _DIGITS:
            place += 1
        begin = place
        while begin > 0 and data[begin - 1] in _DIGITS:
            begin -= 1
        end = place
        while end < len(data) and data[end] in _DIGITS:
            end += 1
        data = data[:begin] + rng.choice(ABSURD) + data[end:]
    return data


def lines(data: bytes, rng: random.Random) -> bytes:
    """Lines swapped, doubled or in another order."""
    rows = data.split(b"\n")
    how = rng.randrange(4)
    if how == 0:
        one, other = rng.randrange(len(rows)), rng.randrange(len(rows))
        rows[one], rows[other] = rows[other], rows[one]
    elif how == 1:
        rows.insert(rng.randrange(len(rows)), rng.choice(rows))
    elif how == 2:
        head, rest = rows[:1], rows[1:]
        rng.shuffle(rest)
        rows = head + rest
    else:
        del rows[rng.randrange(len(rows))]
    return b"\n".join(rows)


def columns(data: bytes, rng: random.Random) -> bytes:
    """Two columns change places, in the header, below it, or in one line."""
    rows = [row.split(b",") for row in data.split(b"\n")]
    widest = max(len(row) for row in rows)
    one, other = rng.randrange(widest), rng.randrange(widest)
    where = rng.randrange(3)
    for place, row in enumerate(rows):
        here = place == 0 if where == 0 else place > 0 if where == 1 else place == len(rows) // 2
        if here and max(one, other) < len(row):
            row[one], row[other] = row[other], row[one]
    return b"\n".join(b",".join(row) for row in rows)


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip,
    cut,
    hole,
    double,
    noise,
    number,
    number,
    lines,
    columns,
)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """The data after one to three of the mutations."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if data:
            data = rng.choice(MUTATIONS)(data, rng)
    return data
