"""Tick and lot of a record that does not tell them: the coarsest grid that its numbers lie on, exact in decimal."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import gcd

import numpy as np
import numpy.typing as npt

from lobarena.data.contracts import Contract, plain_contract
from lobarena.data.recording import DataError

STRAY = 1e-3  # share of rows that may lie off the grid: they are left out and counted; more refuse the file
OFF = -1  # place of a number that is no whole multiple of the step
_PLACES = 12  # decimals looked at; more make a number a stray one
_MOST = np.iinfo(np.int32).max

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Numbers:
    """Numbers of a record, each told once, and how many rows have it."""

    values: Sequence[Decimal]  # finite, not negative
    counts: Ints  # (n,)


def step_of(numbers: Numbers) -> Decimal | None:
    """The greatest common divisor of all numbers but a few stray ones; None when all are 0.

    Strays are what needs more decimals than all but STRAY of the rows do.
    """
    used = [(value, int(count)) for value, count in zip(numbers.values, numbers.counts, strict=True) if value]
    if not used:
        return None
    need = np.array([_decimals(value) for value, _ in used])
    counts = np.array([count for _, count in used], np.int64)
    rows = np.array([counts[need <= places].sum() for places in range(_PLACES + 1)])
    enough = np.flatnonzero(rows >= (1 - STRAY) * counts.sum())
    places = int(enough[0]) if len(enough) else _PLACES
    whole = [int(value.scaleb(places)) for (value, _), n in zip(used, need.tolist(), strict=True) if n <= places]
    return Decimal(gcd(*whole)).scaleb(-places) if whole else None


def multiples(numbers: Sequence[Decimal], step: Decimal) -> Ints:
    """(n,) i8, how many steps each number is; OFF where it is no whole number of them or more than 32 bits hold."""
    places = np.full(len(numbers), OFF)
    for k, value in enumerate(numbers):
        count, rest = divmod(value, step)
        if not rest and count <= _MOST:
            places[k] = int(count)
    return places


def contract_on_grid(path: str, symbol: str, exchange: str, prices: Numbers, sizes: Numbers) -> Contract:
    """The contract that a record of these prices and sizes tells of; a lot is the step of the sizes.

    DataError when there are none or no contract can have them.
    """
    tick, lot = step_of(prices), step_of(sizes)
    if tick is None or lot is None:
        raise DataError(
            f"{path}: no {'price' if tick is None else 'size'} above 0 that could tell a step; give contract="
        )
    try:
        return plain_contract(symbol, exchange, tick, lot)
    except ValueError as error:
        raise DataError(f"{path}: no contract can be told from the numbers ({error}); give contract=") from error


def _decimals(value: Decimal) -> int:
    """Decimals that a number needs."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else _PLACES + 1
