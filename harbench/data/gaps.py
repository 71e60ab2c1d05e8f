"""Short gaps in a signal, closed by straight lines; longer ones stay gaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harbench.dataset import FloatArray


def close_gaps(time: NDArray[np.float64], values: FloatArray, longest: float) -> FloatArray:
    """Interpolate linearly where present samples are at most `longest` seconds apart.

    time: (S,) seconds, increasing. values: (S, ...), NaN where missing; every channel has gaps of
    its own. Nothing is filled before its first or after its last present sample.
    """
    filled = np.array(values, dtype=np.float32)
    flat = filled.reshape(len(filled), -1)
    for column in flat.T:
        present = np.flatnonzero(~np.isnan(column))
        pauses = np.flatnonzero((np.diff(present) > 1) & (np.diff(time[present]) <= longest))
        for left, right in zip(present[pauses], present[pauses + 1], strict=True):
            inside = slice(left + 1, right)
            column[inside] = np.interp(time[inside], time[[left, right]], column[[left, right]])
    return filled
