"""Sigmoid and cosine in float32 as a few products, so that loops over them run on the processor's vectors.

Held to 2e-7 by tests: of the sigmoid's value, and of the cosine's amplitude.
"""

import numpy as np

from lobarena.sim._jit import inline

_ONE, _TOP = np.float32(1), np.float32(80)  # a sigmoid beyond is 0 or 1 to every float32
_LOG2E = np.float32(1.4426950408889634)
_LN2, _LN2_REST = np.float32(0.693359375), np.float32(-2.12194440e-4)  # the first has few bits: products are exact
_E2, _E3, _E4, _E5, _E6, _E7 = (np.float32(1 / k) for k in (2, 6, 24, 120, 720, 5040))
_BIAS, _MANTISSA = np.int32(127), np.int32(23)
# sin(2 pi r) on [-1/4, 1/4] as an odd polynomial of degree 9, by minimax: off by 4e-9
_S1, _S3, _S5, _S7, _S9 = (
    np.float32(c) for c in (6.283185160087091, -41.34165503081013, 81.60100404273354, -76.54978130967531, 39.5366982)
)
_QUARTER = np.float32(0.25)


@inline
def sigmoid(x):
    """1 / (1 + exp(-x)), f4 -> f4. exp is a power of two, put into the exponent's bits, and a Taylor sum."""
    x = min(max(-x, -_TOP), _TOP)
    n = np.rint(x * _LOG2E)
    r = (x - n * _LN2) - n * _LN2_REST
    small = _ONE + r * (_ONE + r * (_E2 + r * (_E3 + r * (_E4 + r * (_E5 + r * (_E6 + r * _E7))))))
    power = np.int32((np.int32(n) + _BIAS) << _MANTISSA).view(np.float32)
    return _ONE / (_ONE + small * power)


@inline
def cosine(turns):
    """cos(2 pi turns), f4 -> f4; of an angle in turns the whole ones go without a rounding error."""
    r = _QUARTER - abs(turns - np.rint(turns))
    q = r * r
    return r * (_S1 + q * (_S3 + q * (_S5 + q * (_S7 + q * _S9))))
