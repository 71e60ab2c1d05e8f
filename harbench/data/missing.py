"""Missing data at three scales: exact rates, nested, the same for every method.

A corruption is a pure function of (fingerprint, seed, part, scale, rate) and of how many windows
there are. What is missing at 5 % is missing at 10 % and 15 %, too: cells come from the prefix of
one permutation, segments grow around a fixed centre.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np

from harbench.data.losses import lose
from harbench.data.lost import Missing, Part
from harbench.data.replay import replayed
from harbench.dataset import BoolArray, HARDataset, IntArray
from harbench.errors import HarbenchError
from harbench.protocol import Condition, Corruption, Loss, Replay, Subset
from harbench.streams import stream

__all__ = ["Missing", "corrupt", "corruptions", "counted"]


def corrupt(
    condition: Condition,
    count: int,
    shape: tuple[int, int, int],
    fingerprint: str,
    seed: int,
    part: str = "test",
    present: BoolArray | None = None,
) -> Missing:
    """The corruption of `count` windows of `shape` (T, N, C) under `condition`.

    sensor: exactly round(rate*W*N) (window, sensor) cells. channel: exactly round(rate*W*N*C)
    (window, sensor, channel) cells. segment: one run of exactly round(rate*T) steps per window.
    mixed: each window draws one scale, in equal shares; each third has its exact rate.
    Of one sensor (channel) alone, sensor (channel) losses are impossible and mixed has none.
    present: (W, N, C), False where a channel lacks all values of its own; None: all are there. Of
    sensor and channel losses each window keeps one sensor (channel) with values of its own; a
    segment may cover all that a window with gaps of its own has. Raises HarbenchError where the
    rate leaves no sensor (channel).
    """
    steps, sensors, channels = shape
    missing = Missing.of(count, shape)
    if not condition.corrupts:
        return missing
    assert condition.scale in get_args(Corruption), f"{condition}: see `corruptions`"
    if present is None:
        present = np.ones((count, sensors, channels), dtype=bool)
    if condition.scale == "mixed":
        able = {"segment": True, "channel": sensors * channels > 1, "sensor": sensors > 1}
        scales = [scale for scale, possible in able.items() if possible]
        order = stream(seed, "mixed", fingerprint, part).permutation(count)
        groups = {scale: np.sort(order[i :: len(scales)]) for i, scale in enumerate(scales)}
    else:
        groups = {condition.scale: np.arange(count)}
    for scale, rows in groups.items():
        draws = stream(seed, "missing", fingerprint, part, condition.scale, scale)
        if scale == "segment":
            begin, end = _segments(len(rows), steps, condition, draws)
            missing.begin[rows], missing.end[rows] = begin, end
        elif scale == "channel":
            cells = _cells(
                present[rows].reshape(len(rows), sensors * channels), condition, draws, "channel"
            )
            missing.lost[rows] = cells.reshape(-1, sensors, channels)
        else:
            cells = _cells(np.asarray(present[rows].any(axis=2)), condition, draws, "sensor")
            missing.lost[rows] = cells[:, :, None]
    return missing


def corruptions(
    conditions: Sequence[Condition],
    dataset: HARDataset,
    indices: IntArray,
    seed: int,
    part: str = "test",
    replay: Replay | None = None,
) -> Iterator[tuple[Condition, Missing]]:
    """Each condition with the corruption of the windows `indices` (W,) under it.

    replay: whose gaps the scale `replay` applies. What the windows have of their own is read once,
    and only if a condition takes something away.
    """
    windows = Part(dataset, indices, seed, part)
    shape, fingerprint = dataset.shape, dataset.fingerprint
    for condition in conditions:
        if condition.scale in get_args(Loss):
            yield condition, lose(condition, windows)
        elif condition.scale == "replay":
            yield condition, replayed(replay, windows)
        else:
            present = windows.present if condition.scale in get_args(Corruption) else None
            missing = corrupt(condition, len(indices), shape, fingerprint, seed, part, present)
            yield condition, missing


def counted(condition: Condition, dataset: HARDataset, test: IntArray, seed: int) -> BoolArray:
    """(W,) which of the test windows a condition scores: all, or those with (without) gaps.

    Gaps of other windows are replayed on complete ones only. Raises HarbenchError where none is
    left.
    """
    if condition.scale not in (*get_args(Subset), "replay"):
        return np.ones(len(test), dtype=bool)
    complete = Part(dataset, test, seed).complete
    found = ~complete if condition.scale == "gaps" else complete
    if not found.any():
        lack = "has missing values of its own" if condition.scale == "gaps" else "is complete"
        raise HarbenchError(
            f"{dataset.spec}, seed {seed}: none of the {len(test)} test windows {lack}: there is "
            f"nothing to score under {str(condition)!r}. See the gaps: `harbench data info`."
        )
    return found


def _segments(
    count: int, steps: int, condition: Condition, draws: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """One run per window, as near to its fixed centre as the window's ends allow."""
    centre = draws.integers(0, steps, size=count)
    length = round(condition.rate * steps)
    if length >= steps:
        raise HarbenchError(f"{condition} would remove all {steps} steps of every window.")
    begin = np.clip(centre - length // 2, 0, steps - length)
    return begin, begin + length


def _cells(
    present: BoolArray, condition: Condition, draws: np.random.Generator, kind: str
) -> BoolArray:
    """Exactly round(rate * cells) lost cells of (count, per_window), never all that are present."""
    count, per_window = present.shape
    order = draws.permutation(count * per_window)
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size)
    # The present cell that a window would lose last is protected, so every window keeps one.
    last = np.where(present, rank.reshape(count, per_window), -1).max(axis=1, initial=-1)
    order = order[~np.isin(np.arange(order.size), last)]
    total = round(condition.rate * count * per_window)
    if total > order.size:
        raise HarbenchError(
            f"{condition}: {total} of {count * per_window} {kind} cells cannot be lost while "
            f"every window keeps one of its {per_window} {kind}s. Use a smaller rate or leave "
            f"the scale {kind!r} out."
        )
    cells = np.zeros(count * per_window, dtype=bool)
    cells[order[:total]] = True
    return cells.reshape(count, per_window)
