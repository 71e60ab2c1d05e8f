"""Recordings to windows: resampling on time stamps, gaps, labels."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harbench.data.interpolation import REGULAR_TOLERANCE, decimate, interpolate, lowers
from harbench.dataset import FloatArray, IntArray, Recording, WindowOptions
from harbench.errors import HarbenchError


@dataclass(frozen=True)
class Window:
    """values: (T, N, C). label: class index. start: first sample on the recording's grid."""

    values: FloatArray
    label: int
    start: int


def cut(recording: Recording, rate: float, options: WindowOptions) -> Iterator[Window]:
    """Cut one recording into windows at `rate` Hz; none crosses a gap or the recording's end.

    recording: one that `check_recording` has passed.
    Window starts count from the recording's first sample, so windows on both sides of a gap
    keep their distance in time.
    """
    origin = float(recording.time[0]) if len(recording.time) else 0.0
    for piece in _pieces(recording, options.max_gap):
        time, values, labels = resample(piece, rate)
        first = round((float(time[0]) - origin) * rate)
        for start in range(0, len(values) - options.window + 1, options.step):
            part = slice(start, start + options.window)
            label, share = _majority(labels[part])
            if label >= 0 and share >= options.label_share:
                yield Window(values[part], label, first + start)


def check_recording(recording: Recording) -> None:
    """Refuse a recording that would give wrong windows; the message names it."""
    time, values, labels = recording.time, recording.values, recording.labels
    if values.ndim != 3 or len(time) != len(values) or len(labels) != len(values):
        raise HarbenchError(
            f"Recording {recording.name!r}: expected time (S,), values (S, N, C) and labels (S,), "
            f"got {time.shape}, {values.shape} and {labels.shape}."
        )
    if not np.all(np.isfinite(time)) or np.any(np.diff(time) <= 0):
        raise HarbenchError(f"Recording {recording.name!r}: time stamps must increase.")
    if np.any(np.isinf(values)):
        row = int(np.argwhere(np.isinf(values))[0, 0])
        raise HarbenchError(f"Recording {recording.name!r}: sample {row} holds an infinite value.")


def stretches(recording: Recording, max_gap: float) -> list[tuple[int, int]]:
    """[begin, end) of the samples between pauses longer than `max_gap` seconds."""
    breaks = (np.flatnonzero(np.diff(recording.time) > max_gap) + 1).tolist()
    bounds = [0, *breaks, len(recording.time)]
    return [(b, e) for b, e in itertools.pairwise(bounds) if e > b]


def _pieces(recording: Recording, max_gap: float) -> Iterator[Recording]:
    """The stretches as recordings."""
    for begin, end in stretches(recording, max_gap):
        part = slice(begin, end)
        yield Recording(
            recording.name,
            recording.subject,
            recording.time[part],
            recording.values[part],
            recording.labels[part],
        )


def resample(piece: Recording, rate: float) -> tuple[NDArray[np.float64], FloatArray, IntArray]:
    """Bring one gap-free stretch to a regular grid of `rate` Hz.

    Linear interpolation on the time stamps, after a low-pass below rate / 2 where the stretch was
    sampled faster; a grid point between a present and a missing sample is missing. Labels are
    those of the nearest sample. Stretches that already lie on the grid (no sample further than 1 %
    of a period from its place) are returned untouched.
    """
    time, values, labels = piece.time, piece.values, piece.labels
    if len(time) < 2:
        return time, values, labels
    ideal = time[0] + np.arange(len(time)) / rate
    if np.max(np.abs(time - ideal)) <= REGULAR_TOLERANCE / rate:
        return time, values, labels
    count = int(np.floor((time[-1] - time[0]) * rate + 1e-6)) + 1
    grid = time[0] + np.arange(count) / rate
    mixed, nearest = interpolate(time, values, grid)
    if lowers(time, rate):
        mixed = decimate(time, grid, rate, lambda times: interpolate(time, values, times)[0])
    return grid, mixed, labels[nearest]


def _majority(labels: IntArray) -> tuple[int, float]:
    """The most frequent label (the smallest of equals) and its share of the samples."""
    found, counts = np.unique(labels, return_counts=True)
    best = int(np.argmax(counts))
    return int(found[best]), float(counts[best] / len(labels))
