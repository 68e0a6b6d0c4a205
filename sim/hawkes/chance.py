"""Random numbers inside a kernel: by shifts and comparisons alone, so the same with and without compilation."""

import numpy as np

from lobarena.sim._jit import kernel

_A, _B, _C, _LOW = np.uint64(13), np.uint64(7), np.uint64(17), np.uint64(11)


@kernel
def uniform(mood):
    """Uniform in [0, 1): xorshift64 (Marsaglia 2003)."""
    x = mood["random"]
    x = x ^ (x << _A)
    x = x ^ (x >> _B)
    x = x ^ (x << _C)
    mood["random"] = x
    return np.float64(x >> _LOW) * 2.0**-53


@kernel
def exponential(mood):
    """Standard exponential by comparisons alone (von Neumann 1951): exact, and no logarithm."""
    whole = 0.0
    while True:
        first = uniform(mood)
        last, run = first, 1
        following = uniform(mood)
        while following < last:
            last = following
            run += 1
            following = uniform(mood)
        if run % 2 == 1:
            return whole + first
        whole += 1.0
