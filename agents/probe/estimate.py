"""A number with its interval."""

from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """Value and ends of the 95 % interval, arrays of one shape; NaN where not known."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
