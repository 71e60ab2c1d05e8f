"""Samples brought to a regular grid: straight lines, after a low-pass where the rate goes down."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from harbench.dataset import FloatArray, IntArray

REGULAR_TOLERANCE = 0.01
SNAP = 1e-3
# A clock that runs this much fast does not count as a higher rate.
CLOCK_DRIFT = 0.02
# Flat to 0.7, below -50 dB from 1.0 of the new Nyquist frequency; reaches 10 new periods each way.
CUTOFF, KAISER_BETA, REACH = 0.85, 5.0, 10


def interpolate(
    time: NDArray[np.float64], values: FloatArray, grid: NDArray[np.float64]
) -> tuple[FloatArray, IntArray]:
    """Values on straight lines between samples, and the index of the nearest sample.

    time: (S,) seconds, increasing, S >= 2. values: (S, N, C). grid: (G,) seconds. A grid time
    between a present and a missing sample is missing.
    """
    right = np.clip(np.searchsorted(time, grid), 1, len(time) - 1)
    left = right - 1
    weight = np.clip((grid - time[left]) / (time[right] - time[left]), 0.0, 1.0)
    # Time stamps are rounded: a grid point this near to a sample, in periods, lies on it.
    weight = np.where(np.abs(weight - np.round(weight)) < SNAP, np.round(weight), weight)
    share = weight[:, None, None].astype(np.float32)
    # A weight of exactly 0 or 1 needs one neighbour only: a missing other one must not spoil it.
    mixed = np.where(
        share == 0,
        values[left],
        np.where(share == 1, values[right], (1 - share) * values[left] + share * values[right]),
    )
    return mixed.astype(np.float32), np.where(weight < 0.5, left, right)


def lowers(time: NDArray[np.float64], rate: float) -> bool:
    """Whether `rate` Hz is less than the mean rate of samples that span a period of it at least."""
    periods = (time[-1] - time[0]) * rate
    return bool(periods >= 1 and len(time) - 1 > periods * (1 + CLOCK_DRIFT))


def decimate(
    time: NDArray[np.float64],
    grid: NDArray[np.float64],
    rate: float,
    lines: Callable[[NDArray[np.float64]], FloatArray],
) -> FloatArray:
    """Values (G, ...) at the times of `grid`, without what its lower rate cannot hold.

    time: (S,) seconds, the samples' own. grid: (G,) seconds, steps of 1 / rate. lines: values on
    straight lines at any times, NaN where missing. A low-pass (linear phase, Kaiser window) runs
    on a finer even grid, on each unbroken run of a channel by itself, continued at its ends by its
    own point reflection: nothing passes over a gap, what straight lines leave missing stays
    missing, and a constant or a ramp stays what it is. The end of a run is that very sample, so
    it alone may hold an alias.
    """
    factor = _factor(time, rate)
    count, reach = len(grid), REACH * factor
    before = factor * min(REACH, max(0, math.ceil((grid[0] - time[0]) * rate - 1e-6)))
    after = min(reach, max(0, math.floor((time[-1] - grid[-1]) * rate * factor + 1e-6)))
    steps = np.arange(-before, (count - 1) * factor + after + 1)
    fine = lines(grid[0] + steps / (rate * factor))
    flat = fine.reshape(len(fine), -1)
    out = flat[::factor].copy()
    for columns, begin, end in _runs(flat, factor):
        first, last = -(-begin // factor), -(-end // factor)
        # Zeros in front move the run's first grid point to a multiple of the factor.
        shifted = np.concatenate([np.zeros(begin % factor), _taps(factor)])
        run = flat[begin:end, columns].astype(np.float64)
        smooth = scipy.signal.upfirdn(shifted, run, down=factor, axis=0, mode="antireflect")
        skip = -(-(reach + begin % factor) // factor)
        out[first:last, columns] = smooth[skip : skip + last - first]
    out = out[before // factor :][:count].reshape(count, *fine.shape[1:])
    # Times of the fine grid are rounded in another way: what is missing is decided on `grid`.
    exact = lines(grid)
    return np.where(np.isnan(out) | np.isnan(exact), exact, out)


@lru_cache(maxsize=4)
def _taps(factor: int) -> NDArray[np.float64]:
    taps: NDArray[np.float64] = scipy.signal.firwin(
        2 * REACH * factor + 1, CUTOFF / factor, window=("kaiser", KAISER_BETA)
    )
    return taps


def _factor(time: NDArray[np.float64], rate: float) -> int:
    """Steps of the fine grid in one period: the samples themselves if even, else twice as many.

    The mean rate, not the shortest period, bounds it: the fine grid is as long as the samples.
    """
    multiple = float((len(time) - 1) / ((time[-1] - time[0]) * rate))
    even = time[0] + np.arange(len(time)) / (rate * round(multiple))
    if np.max(np.abs(time - even)) * rate * round(multiple) <= REGULAR_TOLERANCE:
        return round(multiple)
    return math.ceil(2 * multiple)


def _runs(flat: FloatArray, factor: int) -> Iterator[tuple[list[int], int, int]]:
    """(columns, begin, end) of the unbroken runs that hold a multiple of `factor`.

    Columns that lack the same samples go together. A single sample has nothing to filter.
    """
    present = ~np.isnan(flat)
    alike: dict[bytes, list[int]] = defaultdict(list)
    for column, packed in enumerate(np.packbits(present, axis=0).T):
        alike[packed.tobytes()].append(column)
    for columns in alike.values():
        inside = np.pad(present[:, columns[0]].astype(np.int8), 1)
        begins, ends = np.flatnonzero(np.diff(inside)).reshape(-1, 2).T
        useful = (ends - begins > 1) & (-(-begins // factor) < -(-ends // factor))
        for begin, end in zip(begins[useful].tolist(), ends[useful].tolist(), strict=True):
            yield columns, begin, end
