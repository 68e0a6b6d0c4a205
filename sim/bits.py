"""Which prices are occupied: one bit a level, one bit a word of 64 levels, so the next best price is found in O(1).

Prices of a thin contract can lie thousands of ticks apart; a scan over levels would make the cost of a trade depend
on it. Bids have the first half of the words, asks the second; searches never leave their own half.
"""

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from lobarena.data.schema import BID
from lobarena.sim._jit import inline, kernel
from lobarena.sim.types import NONE

_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


def lowest(word: Any) -> Any:
    """Position of the lowest set bit of a word that is not 0; compiled, one machine instruction."""
    return (int(word) & -int(word)).bit_length() - 1


def highest(word: Any) -> Any:
    """Position of the highest set bit of a word that is not 0; compiled, one machine instruction."""
    return int(word).bit_length() - 1


@intrinsic
def _trailing_zeros(_, word):
    def generate(_, builder, __, args):
        return builder.cttz(args[0], cgutils.true_bit)

    return types.int64(word), generate


@intrinsic
def _leading_zeros(_, word):
    def generate(_, builder, __, args):
        return builder.ctlz(args[0], cgutils.true_bit)

    return types.int64(word), generate


@overload(lowest)
def _lowest(word):
    return lambda word: _trailing_zeros(word)  # type: ignore[call-arg]


@overload(highest)
def _highest(word):
    return lambda word: 63 - _leading_zeros(word)  # type: ignore[call-arg]


@inline
def occupy(words, top, at):
    """Set the bit of level `at`."""
    word = at >> 6
    words[word] = words[word] | (_ONE << np.uint64(at & 63))
    top[word >> 6] = top[word >> 6] | (_ONE << np.uint64(word & 63))


@inline
def vacate(words, top, at):
    """Clear the bit of level `at`."""
    word = at >> 6
    words[word] = words[word] & ~(_ONE << np.uint64(at & 63))
    if words[word] == _ZERO:
        top[word >> 6] = top[word >> 6] & ~(_ONE << np.uint64(word & 63))


@kernel
def next_ask(book, price):
    """Lowest occupied ask at `price` or above; the number of levels when there is none."""
    words, top = book["map"], book["top"]
    levels = words.shape[0] * 32
    if price >= levels:
        return levels
    at = levels + price
    word = at >> 6
    bits = words[word] >> np.uint64(at & 63)
    if bits != _ZERO:
        return price + lowest(bits)
    return (_first_word(words, top, word + 1)) - levels


@kernel
def _first_word(words, top, word):
    """Level index of the first set bit from word `word` on; the total number of levels when there is none."""
    group = word >> 6
    if group < top.shape[0]:
        bits = top[group] >> np.uint64(word & 63)
        if bits != _ZERO:
            word = word + lowest(bits)
            return (word << 6) + lowest(words[word])
        for later in range(group + 1, top.shape[0]):
            if top[later] != _ZERO:
                word = (later << 6) + lowest(top[later])
                return (word << 6) + lowest(words[word])
    return words.shape[0] << 6


@kernel
def next_bid(book, price):
    """Highest occupied bid at `price` or below; -1 when there is none."""
    words, top = book["map"], book["top"]
    if price < 0:
        return NONE
    word = price >> 6
    bits = words[word] & (_ALL >> np.uint64(63 - (price & 63)))
    if bits != _ZERO:
        return (word << 6) + highest(bits)
    word -= 1
    if word < 0:
        return NONE
    group = word >> 6
    bits = top[group] & (_ALL >> np.uint64(63 - (word & 63)))
    while bits == _ZERO:
        group -= 1
        if group < 0:
            return NONE
        bits = top[group]
    word = (group << 6) + highest(bits)
    return (word << 6) + highest(words[word])


@kernel
def next_level(book, side, price):
    """The occupied level of `side` nearest to `price`, at it or further from the market."""
    return next_bid(book, price) if side == BID else next_ask(book, price)
