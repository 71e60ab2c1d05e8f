"""Sampling times from arrival times: a stalled delivery is undone, a real loss stays a gap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, minimum_filter1d
from scipy.stats import trim_mean

from harbench.dataset import BoolArray

Times = NDArray[np.float64]
# What a dataset that uses it has to say.
REPAIR = (
    "Stamps are arrival times with stalls and bursts: each series was put back on its even "
    "clock; real losses stay gaps."
)
# Samples: what is late for less than WINDOW is a stall; at the ends, for less than SHORTEST.
WINDOW, SHORTEST = 1001, 151
# Stamps look like arrival times where after most of at least FEWEST pauses a burst follows: BURST
# samples, each within a quarter of the usual period of the one before.
FEWEST, BURST = 3, 4
BLOCKS, LONGEST_BLOCK, ROUNDS = 8, 250, 4


def sampling_times(stamps: Times) -> tuple[Times, BoolArray]:
    """When evenly sampled values were taken, from when they arrived.

    stamps: (S,) seconds, not decreasing. Returns the times of the kept samples, strictly
    increasing, and (S,) which samples are kept.

    An even clock and never early: lateness = stamp - period x index has a lower envelope, and
    time = period x index + envelope. The envelope is the lateness opened (rolling minimum, then
    rolling maximum) with 1,001 samples: it forgets a stall with its burst and keeps a lasting
    step where it is. A step up is a loss, and a gap. A step down means more samples than the
    time has room for: these keep their stamps, the last of those with one stamp; so does a series
    of fewer than 151 samples, which is too short to tell.
    """
    if len(stamps) < SHORTEST:
        kept = np.concatenate([np.diff(stamps) > 0, [True]])[: len(stamps)]
        return stamps[kept], kept
    even = _period(stamps) * np.arange(len(stamps)) + stamps[0]
    times = even + _envelope(stamps - even)
    latest = np.minimum.accumulate(times[::-1])[::-1]
    kept = np.append(times[:-1] < latest[1:], True)
    return times[kept], kept


def stalls(stamps: Times, pause: float) -> int:
    """How many pauses longer than `pause` seconds a burst follows; 0 where most have none.

    stamps: (S,) seconds, increasing.
    """
    steps = np.diff(stamps)
    after = np.flatnonzero(steps > pause)[:, None] + np.arange(1, BURST + 1)
    after = after[after[:, -1] < len(steps)]
    if len(after) < FEWEST:
        return 0
    bursts = int((steps[after] < np.median(steps) / 4).all(axis=1).sum())
    return bursts if 2 * bursts > len(after) else 0


def _envelope(late: Times) -> Times:
    """The lateness opened; a step near an end counts if SHORTEST samples follow or precede it."""
    # So wide that every window reaches SHORTEST samples into the series.
    pad = WINDOW // 2 + 1 - SHORTEST
    padded = np.pad(late, pad, constant_values=np.inf)
    lowest = minimum_filter1d(padded, WINDOW, mode="constant", cval=np.inf)
    opened: Times = maximum_filter1d(lowest, WINDOW, mode="constant", cval=-np.inf)
    return opened[pad:-pad]


def _period(stamps: Times) -> float:
    """Seconds between samples: the middling slope between the earliest samples of blocks."""
    index = np.arange(len(stamps))
    size = min(LONGEST_BLOCK, len(stamps) // BLOCKS)
    starts = np.arange(0, len(stamps) - size + 1, size)
    period = float((stamps[-1] - stamps[0]) / (len(stamps) - 1))
    for _ in range(ROUNDS):
        late = (stamps - period * index)[: len(starts) * size].reshape(-1, size)
        earliest = starts + late.argmin(axis=1)
        # Stamps are often whole ms: unlike the median, the middle half's mean is finer than that.
        period = float(trim_mean(np.diff(stamps[earliest]) / np.diff(earliest), 0.25))
    return period
