"""Devices with clocks of their own: their series on one grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harbench.data.gaps import on_grid
from harbench.dataset import BoolArray, DatasetInfo, FloatArray, IntArray
from harbench.errors import HarbenchError

LARGEST_GRID = 50_000_000
# Seconds (S,), values (S, N, C) with NaN for other devices, labels (S,) where there are any.
Series = tuple[NDArray[np.float64], FloatArray, IntArray | None]


def device_of(stem: str, sensors: Sequence[str]) -> tuple[str, str]:
    """`walk.wrist.acc` -> `walk` and `wrist.acc`; the stem and "" where it names no device."""
    parts = stem.split(".")
    for index in (len(parts) - 1, len(parts) - 2):
        if index >= 1 and parts[index] in sensors:
            return ".".join(parts[:index]), ".".join(parts[index:])
    return stem, ""


def taken_apart(values: FloatArray) -> bool:
    """Whether samples (S, N, C) of several sensors hardly ever hold two of them.

    So an outer join of devices with clocks of their own ends.
    """
    observed = ~np.isnan(values).all(axis=2)
    several = int(observed.any(axis=0).sum()) > 1
    return several and bool((observed.sum(axis=1) > 1).mean() < 0.5)


def aligned(series: Mapping[str, Series], info: DatasetInfo, max_gap: float, where: str) -> Series:
    """The interval that all series share, on one grid of the dataset's rate.

    series: by device, `<sensor>` or `<sensor>.<part>`. Pauses longer than max_gap seconds are
    missing, and so is what lies next to a missing value of the device's own samples; labels are
    those of the nearest sample.
    """
    grid = _grid(series, info.rate, where)
    names = [sensor.name for sensor in info.sensors]
    values = np.full((len(grid), len(names), len(info.channels)), np.nan, np.float32)
    labels = None
    for device, (time, samples, given) in series.items():
        row = names.index(device.partition(".")[0])
        for column in np.flatnonzero(~np.isnan(samples[:, row]).all(axis=0)):
            if not np.isnan(values[:, row, column]).all():
                channel = info.channels[column]
                raise HarbenchError(f"{where}: two files of {device} hold {channel}.")
            present = ~np.isnan(samples[:, row, column])
            signal = samples[present, row, column, None].astype(np.float64)
            found = on_grid(time[present], signal, grid, max_gap)[:, 0]
            values[:, row, column] = np.where(_surrounded(time, present, grid), found, np.nan)
        if given is not None:
            if labels is not None:
                raise HarbenchError(f"{where}: only one of its files may have a column `label`.")
            right = np.clip(np.searchsorted(time, grid), 1, max(len(time) - 1, 1))
            left = right - 1
            labels = given[np.where(grid - time[left] < time[right] - grid, left, right)]
    return grid, values, labels


def _surrounded(
    time: NDArray[np.float64], present: BoolArray, grid: NDArray[np.float64]
) -> BoolArray:
    """(G,) whether the samples at both sides of a grid time, or the one at it, are present."""
    right = np.clip(np.searchsorted(time, grid), 1, len(time) - 1)
    left = right - 1
    return np.asarray(
        (present[left] | (grid == time[right])) & (present[right] | (grid == time[left]))
    )


def _grid(series: Mapping[str, Series], rate: float, where: str) -> NDArray[np.float64]:
    begin = max(time[0] for time, _, _ in series.values())
    end = min(time[-1] for time, _, _ in series.values())
    count = int((end - begin) * rate + 1e-6) + 1
    if end <= begin:
        raise HarbenchError(
            f"{where}: its devices ({', '.join(series)}) share no interval of time. `time` is "
            "in seconds of a clock that all of them share."
        )
    if count > LARGEST_GRID:
        raise HarbenchError(
            f"{where}: its devices share {end - begin:.3g} s, {count:.3g} steps at {rate:g} Hz."
            " Is `time` in seconds?"
        )
    grid: NDArray[np.float64] = begin + np.arange(count) / rate
    return grid
