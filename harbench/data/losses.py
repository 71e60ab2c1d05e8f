"""Losses as they happen: several at once, for long, unnoticed, or where the signal is large.

Like `missing.corrupt` each is exact in the sense that it states, nested (what is lost at a rate is
lost at every higher one) and a pure function of the windows of a part and the run's seed. They are
not taken from a standard: each docstring says what in life it stands for.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harbench.data.lost import Missing, Part, pack, ranks
from harbench.dataset import BoolArray, FloatArray, IntArray
from harbench.errors import HarbenchError
from harbench.protocol import Condition, Scale

# Windows that a burst lasts on average, before bursts that meet become one.
BURST = 4
# Steps of the search for how much of each loss makes up a joint one.
FINE = 2**40


def lose(condition: Condition, part: Part) -> Missing:
    """What the windows of `part` lose under a condition whose scale is a `Loss`."""
    return LOSSES[condition.scale](condition, part)


def joint(condition: Condition, part: Part) -> Missing:
    """Sensors, channels and a segment go at once: the RobustHAR paper's 4.7 can be read so.

    A share u of the (window, sensor) cells, of the (window, sensor, channel) cells and of each
    window's steps is drawn, independently; one u for all, the largest with which no more than
    rate * W*T*N*C values are lost, each counted once. So the total is less than one sensor, one
    channel and one step of one window below the rate. A window keeps one channel of one sensor
    with values of its own, which the segment may cover where they are few; of a lone sensor only
    channels and steps go.
    """
    (steps, sensors, channels), count = part.dataset.shape, len(part.indices)
    draws = part.draws("joint")
    sensor = ranks(draws, count, sensors) / (count * sensors)
    channel = ranks(draws, count, sensors, channels) / (count * sensors * channels)
    centre, shift = draws.integers(0, steps, size=count), ranks(draws, count) / count
    windows = np.arange(count)
    kept = np.where(part.present.any(axis=2), sensor, -1).argmax(axis=1)
    there = np.where(part.present[windows, kept], channel[windows, kept], -1)
    sensor[windows, kept] = channel[windows, kept, there.argmax(axis=1)] = 1

    def at(fine: int) -> tuple[BoolArray, IntArray]:
        share = fine / FINE
        cells = (sensor < share)[:, :, None] | (channel < share)
        return cells, np.minimum(np.floor(share * steps + shift), steps - 1).astype(np.int64)

    def total(fine: int) -> int:
        cells, length = at(fine)
        left = sensors * channels - cells.sum(axis=(1, 2))
        return count * steps * sensors * channels - int(((steps - length) * left).sum())

    wanted = int(condition.rate * count * steps * sensors * channels)
    cells, length = at(max(0, bisect.bisect_right(range(FINE), wanted, key=total) - 1))
    begin = np.clip(centre - length // 2, 0, steps - length)
    return Missing(steps, cells, begin, begin + length)


def blackout(condition: Condition, part: Part) -> Missing:
    """A sensor is gone for a whole recording: a flat battery, a radio that did not connect.

    Of the (recording, sensor) cells of the part, whole ones go, in random order, until the share
    of lost (window, sensor) cells is as near to the rate as whole cells allow: half of the longest
    recording in windows, of W*N, at most; but one cell goes at least. Every window keeps a sensor
    with values of its own.
    """
    return _whole(condition, part, part.dataset.recordings[part.indices])


def strap(condition: Condition, part: Part) -> Missing:
    """A sensor is gone for all that a subject did in the part: the strap was forgotten.

    As `blackout`, with a subject's windows of the part in place of a recording. With few subjects
    the cells are large: of one subject with five sensors each is 20 %.
    """
    return _whole(condition, part, part.dataset.subjects[part.indices])


def burst(condition: Condition, part: Part) -> Missing:
    """A sensor drops out for a while that runs on over consecutive windows: radio shadow, buffer.

    Defined on the signal: a moment (sample of a recording that windows cover) is lost or not,
    whichever windows it lies in. Each sensor's time is cut into stretches of geometric length,
    mean BURST windows, also cut where a recording ends; stretches go in random order until exactly
    round(rate*M*N) of the M*N (moment, sensor) cells are lost, the last one in part. Stretches
    that meet become one, so runs are 1 / (1 - rate) times as long on average. One sensor with
    values is kept at every moment that has any, which can interrupt a burst.
    """
    line, steps = part.timeline, part.dataset.shape[0]
    draws = part.draws("burst")
    moments, sensors = line.present.shape
    # A pause between windows is time as well: over it a stretch may end, as often as inside.
    goes_on = np.where(line.since > 0, (1 - 1 / (BURST * steps)) ** line.since, 0)
    cut = draws.random((sensors, moments)) >= goes_on
    stretch = np.cumsum(cut.ravel()) - 1
    lengths = np.bincount(stretch)
    order = draws.permutation(len(lengths))
    before = np.empty(len(lengths), dtype=np.int64)
    before[order] = np.cumsum(lengths[order]) - lengths[order]
    inside = np.arange(len(stretch)) - (np.cumsum(lengths) - lengths)[stretch]
    rank = (before[stretch] + inside).reshape(sensors, moments)
    last = np.where(line.present.T, rank, -1).max(axis=0, initial=-1)
    free = rank != last
    total = round(condition.rate * moments * sensors)
    if total > free.sum():
        raise HarbenchError(
            f"{condition}: {total} of {moments * sensors} moments of sensors cannot be lost while "
            f"each moment keeps one of {sensors} sensors. Use a smaller rate."
        )
    in_order = np.empty(rank.size, dtype=bool)
    in_order[rank] = free
    # Of how many free cells each rank is the last.
    lost = free & (np.cumsum(in_order)[rank] <= total)
    return Missing.of(
        len(part.indices), part.dataset.shape, packed=pack(lost.T[line.of][..., None])
    )


def stuck(condition: Condition, part: Part) -> Missing:
    """A sensor repeats its last value from some step on; the method is not told: a hung driver.

    (window, sensor) cells stick in random order, each from a step of its own, drawn evenly from
    the window's first half after its first step, to the window's end, until exactly
    round(rate*W*T*N) of the (window, step, sensor) cells repeat; the last one sticks later than
    drawn. All sensors of a window may stick: it keeps what was before. Values that are missing
    anyway stay missing.
    """
    (steps, sensors, _), count = part.dataset.shape, len(part.indices)
    draws = part.draws("stuck")
    begin = draws.integers(1, max(2, steps // 2 + 1), size=count * sensors)
    order = draws.permutation(count * sensors)
    lasts = np.cumsum(steps - begin[order])
    total = round(condition.rate * count * steps * sensors)
    if total > lasts[-1]:
        raise HarbenchError(
            f"{condition}: sensors that stick after a window's first step repeat no more than "
            f"{100 * lasts[-1] / (count * steps * sensors):.0f} % here. Use a smaller rate."
        )
    since = np.full(count * sensors, steps, dtype=np.int64)
    before = lasts - (steps - begin[order])
    since[order] = steps - np.clip(total - before, 0, steps - begin[order])
    return Missing.of(count, part.dataset.shape, stuck=since.reshape(count, sensors))


def saturated(condition: Condition, part: Part) -> Missing:
    """Values beyond what a device can measure are lost: missing not at random, nothing is drawn.

    Of each channel exactly round(rate*n) of the n present values of the part are lost: those
    farthest from the channel's median over the part; of equals, those of earlier windows and
    steps. A window may lose all that it has of a channel, or, if all is extreme, everything.
    """
    sensors = range(part.dataset.shape[1])
    packed = [pack(_farthest(part.sensor(index), condition.rate)) for index in sensors]
    return Missing.of(len(part.indices), part.dataset.shape, packed=np.stack(packed, axis=2))


LOSSES: dict[Scale, Callable[[Condition, Part], Missing]] = {
    "joint": joint,
    "blackout": blackout,
    "strap": strap,
    "burst": burst,
    "stuck": stuck,
    "saturated": saturated,
}


def _whole(condition: Condition, part: Part, owners: NDArray[np.generic]) -> Missing:
    """Cells (group of windows, sensor) are lost as wholes. owners: (W,) each window's group."""
    (_, sensors, _), count = part.dataset.shape, len(part.indices)
    groups, group = np.unique(owners, return_inverse=True)
    rank = ranks(part.draws(condition.scale), len(groups), sensors)
    present = np.asarray(part.present.any(axis=2))
    free = np.ones(rank.shape, dtype=bool)
    # What a window would lose last of what it has is kept for its whole group.
    kept = np.where(present, rank[group], -1).argmax(axis=1)
    some = np.asarray(present.any(axis=1))
    free[group[some], kept[some]] = False
    cells = np.argsort(rank, axis=None)
    cells = cells[free.ravel()[cells]]
    if not len(cells):
        raise HarbenchError(
            f"{condition}: no sensor can be gone that long while every window keeps one with "
            f"values of its own. Leave the scale {condition.scale!r} out."
        )
    sizes = np.bincount(group)
    lost = np.cumsum(sizes[cells // sensors])
    if condition.rate * count * sensors - lost[-1] > sizes.max() / 2:
        raise HarbenchError(
            f"{condition}: whole sensors can lose {100 * lost[-1] / (count * sensors):.0f} % here "
            "while every window keeps one with values of its own. Use a smaller rate."
        )
    nearest = int(np.argmin(np.abs(lost - condition.rate * count * sensors)))
    gone = np.zeros(rank.size, dtype=bool)
    gone[cells[: nearest + 1]] = True
    whole = gone.reshape(rank.shape)[group]
    return Missing.of(
        count, part.dataset.shape, np.repeat(whole[:, :, None], part.dataset.shape[2], axis=2)
    )


def _farthest(values: FloatArray, rate: float) -> BoolArray:
    """(W, T, C): of each channel the share `rate` of present values farthest from its median."""
    lost = np.zeros(values.shape, dtype=bool)
    for channel in range(values.shape[2]):
        flat = values[:, :, channel].ravel()
        there = ~np.isnan(flat)
        total = round(rate * int(there.sum()))
        if total == 0:
            continue
        far = np.where(there, np.abs(flat - np.median(flat[there])), -1)
        limit = np.partition(far, len(far) - total)[len(far) - total]
        beyond = far > limit
        equal = np.flatnonzero(far == limit)
        beyond[equal[: total - int(beyond.sum())]] = True
        lost[:, :, channel] = beyond.reshape(values.shape[:2])
    return lost
