"""Short gaps in a signal are closed by straight lines; longer ones stay gaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harbench.data.interpolation import decimate, lowers
from harbench.dataset import FloatArray


def close_gaps(time: NDArray[np.float64], values: FloatArray, longest: float) -> FloatArray:
    """Interpolate linearly where present samples are at most `longest` seconds apart.

    time: (S,) seconds, increasing. values: (S, ...), NaN where missing; every channel has gaps of
    its own. Nothing is filled before its first or after its last present sample.
    """
    filled = np.array(values, dtype=np.float32)
    flat = filled.reshape(len(filled), int(np.prod(filled.shape[1:])))
    for column in flat.T:
        present = np.flatnonzero(~np.isnan(column))
        pauses = np.flatnonzero((np.diff(present) > 1) & (np.diff(time[present]) <= longest))
        for left, right in zip(present[pauses], present[pauses + 1], strict=True):
            inside = slice(left + 1, right)
            column[inside] = np.interp(time[inside], time[[left, right]], column[[left, right]])
    return filled


def on_grid(
    time: NDArray[np.float64],
    values: NDArray[np.float64],
    grid: NDArray[np.float64],
    longest: float,
) -> FloatArray:
    """Irregular samples on regular times: straight lines, after a low-pass if they lie denser.

    time: (S,) seconds, increasing. values: (S, C). grid: (G,) seconds, evenly spaced. A grid time
    outside the samples, or between two that are more than `longest` seconds apart, is NaN.
    """
    if len(time) < 2:
        return np.full((len(grid), values.shape[1]), np.nan, dtype=np.float32)

    def lines(at: NDArray[np.float64]) -> FloatArray:
        right = np.clip(np.searchsorted(time, at), 1, len(time) - 1)
        far = (time[right] - time[right - 1] > longest) & (at != time[right])
        lost = far & (at != time[right - 1]) | (at < time[0]) | (at > time[-1])
        columns = [np.interp(at, time, column) for column in values.T]
        return np.where(lost[:, None], np.nan, np.stack(columns, axis=1)).astype(np.float32)

    rate = (len(grid) - 1) / (grid[-1] - grid[0]) if len(grid) > 1 else np.inf
    return decimate(time, grid, rate, lines) if lowers(time, rate) else lines(grid)
