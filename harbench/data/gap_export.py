"""From the missing values of a dataset to a file that says where they lie, without any signal."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harbench.data.lost import Part
from harbench.data.paths import writing
from harbench.data.replay import GapFile, Mask, Statistics
from harbench.dataset import BoolArray, HARDataset, IntArray
from harbench.errors import HarbenchError

TENTHS = 10
# Of shares and seconds in the file.
DIGITS = 4


def export(dataset: HARDataset) -> GapFile:
    """The gaps of all windows of a dataset; HarbenchError where nothing is missing."""
    part = Part(dataset, np.arange(len(dataset)), 0)
    masks: Counter[tuple[tuple[int, int, int, int], ...]] = Counter()
    sensors = []
    for values in part.blocks():
        lost = np.isnan(values)
        sensors.append(lost.any(axis=3))
        masks.update(map(_gaps, lost[lost.any(axis=(1, 2, 3))]))
    if not masks:
        raise HarbenchError(f"{dataset.spec} lacks nothing: there are no gaps to export.")
    info = dataset.info
    return GapFile(
        schema=1,
        dataset=dataset.spec,
        fingerprint=dataset.fingerprint,
        rate=info.rate,
        steps=dataset.shape[0],
        sensors=tuple(sensor.name for sensor in info.sensors),
        channels=info.channels,
        activities=info.classes,
        statistics=_statistics(part, np.concatenate(sensors), masks.total()),
        masks=tuple(Mask(count=count, gaps=gaps) for gaps, count in sorted(masks.items())),
    )


def write_gaps(gaps: GapFile, path: Path) -> None:
    """Write the file: JSON, a line for each key, atomically."""
    values = gaps.model_dump(mode="json", by_alias=True)
    masks = ",\n  ".join(json.dumps(mask, separators=(",", ":")) for mask in values.pop("masks"))
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in values.items()]
    text = ",\n ".join([*lines, f'"masks": [\n  {masks}\n ]'])
    with writing(path) as temporary:
        temporary.write_text(f"{{\n {text}\n}}\n", encoding="utf-8")


def _gaps(lost: BoolArray) -> tuple[tuple[int, int, int, int], ...]:
    """(sensor, channel, begin, end) of each run in a mask (T, N, C), sorted."""
    edges = np.diff(np.pad(lost.astype(np.int8), ((1, 1), (0, 0), (0, 0))), axis=0)
    # Sorted by sensor and channel, the n-th beginning belongs to the n-th end.
    begins, ends = (np.argwhere(np.moveaxis(edges == sign, 0, 2)) for sign in (1, -1))
    return tuple(
        (sensor, channel, begin, end)
        for (sensor, channel, begin), end in zip(begins.tolist(), ends[:, 2].tolist(), strict=True)
    )


def _statistics(part: Part, lost: BoolArray, affected: int) -> Statistics:
    """lost: (W, T, N), whether a sensor lacks a channel at a step."""
    dataset, line = part.dataset, part.timeline
    sensors, moments = lost.shape[2], len(line.since)
    missing = np.zeros((moments, sensors), dtype=bool)
    missing[line.of] = lost
    both = missing.T.astype(np.float64) @ missing
    activities = [
        lost[dataset.labels == label].mean(axis=(0, 1)) if label in dataset.labels else None
        for label in range(len(dataset.info.classes))
    ]
    place = _tenths(line.since)
    times = [missing[place == t].mean(axis=0) if t in place else None for t in range(TENTHS)]
    return Statistics(
        windows=len(dataset),
        affected=affected,
        missing=_rounded(missing.mean(axis=0)),
        lengths=tuple(_lengths(column, line.since, dataset.info.rate) for column in missing.T),
        together=tuple(
            _rounded(row / row[index]) if row[index] else None for index, row in enumerate(both)
        ),
        by_activity=tuple(None if row is None else _rounded(row) for row in activities),
        by_time=tuple(None if row is None else _rounded(row) for row in times),
    )


def _tenths(since: IntArray) -> IntArray:
    """(M,) in which tenth of its recording each moment lies."""
    recording = np.cumsum(since == 0) - 1
    begins = np.flatnonzero(since == 0)
    time = np.cumsum(since)
    time -= time[begins][recording]
    length = np.maximum.reduceat(time, begins) + 1
    return np.asarray(TENTHS * time // length[recording])


def _lengths(missing: BoolArray, since: IntArray, rate: float) -> tuple[tuple[float, int], ...]:
    """Seconds and number of the gaps of a sensor that are that long; a pause ends a gap."""
    before = np.concatenate([[False], missing[:-1]]) & (since == 1)
    begins = np.flatnonzero(missing & ~before)
    run = np.cumsum(missing & ~before)[missing] - 1
    found = Counter(np.bincount(run, minlength=len(begins)).tolist())
    return tuple((round(steps / rate, DIGITS), count) for steps, count in sorted(found.items()))


def _rounded(row: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(np.round(row, DIGITS).tolist())
