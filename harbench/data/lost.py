"""What windows lose, and what a corruption may know of the windows that it corrupts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harbench.dataset import BoolArray, FloatArray, HARDataset, IntArray
from harbench.streams import stream

# Windows read at once from a dataset that may be larger than memory.
BLOCK = 1024


@dataclass(frozen=True)
class Missing:
    """What W windows of shape (T, N, C) lose, in a form much smaller than a mask.

    lost: (W, N, C), True where a whole channel is gone. begin, end: (W,) steps of the lost
    segment [begin, end), empty where begin == end. packed: (W, ceil(T / 8), N, C or 1), further
    lost values, a bit per step (`pack`). stuck: (W, N), the step from which a sensor repeats its
    last value, T where it does not; a method is not told.
    """

    steps: int
    lost: BoolArray
    begin: IntArray
    end: IntArray
    packed: NDArray[np.uint8] | None = None
    stuck: IntArray | None = None

    @classmethod
    def of(
        cls,
        count: int,
        shape: tuple[int, int, int],
        lost: BoolArray | None = None,
        packed: NDArray[np.uint8] | None = None,
        stuck: IntArray | None = None,
    ) -> Missing:
        """The losses of `count` windows of `shape` (T, N, C) without a segment; none by default."""
        steps, sensors, channels = shape
        nothing = np.zeros((count, sensors, channels), dtype=bool)
        nowhere = np.zeros(count, dtype=np.int64)
        return cls(steps, nothing if lost is None else lost, nowhere, nowhere.copy(), packed, stuck)

    def observed(self, rows: IntArray | slice) -> BoolArray:
        """The mask (len(rows), T, N, C) of some windows: False where missing."""
        time = np.arange(self.steps)
        inside = (time >= self.begin[rows, None]) & (time < self.end[rows, None])
        gone = self.lost[rows][:, None] | inside[:, :, None, None]
        if self.packed is not None:
            gone |= np.unpackbits(self.packed[rows], axis=1, count=self.steps).view(bool)
        return np.asarray(~gone)

    def values(self, given: FloatArray, rows: IntArray | slice) -> FloatArray:
        """The values (len(rows), T, N, C) of some windows with what stuck sensors repeat.

        A channel repeats its last present value; one that has none before, and values that are
        missing anyway, stay as they are.
        """
        if self.stuck is None:
            return given
        there = ~np.isnan(given)
        time = np.arange(self.steps)[:, None, None]
        begin = self.stuck[rows][:, None, :, None]
        last = np.where(there & (time < begin), time, -1).max(axis=1, keepdims=True)
        held = np.take_along_axis(given, np.maximum(last, 0), axis=1)
        return np.where((time >= begin) & there & (last >= 0), held, given)

    def select(self, rows: IntArray) -> Missing:
        """The corruption of some of the windows."""
        return Missing(
            self.steps,
            self.lost[rows],
            self.begin[rows],
            self.end[rows],
            None if self.packed is None else self.packed[rows],
            None if self.stuck is None else self.stuck[rows],
        )


def pack(lost: BoolArray) -> NDArray[np.uint8]:
    """A mask (W, T, ...) with a bit per step, as `Missing.packed` keeps it."""
    return np.packbits(lost, axis=1)


@dataclass(frozen=True)
class Timeline:
    """The M moments of the recordings that the windows cover, each once, however windows overlap.

    of: (W, T), the moment of each step of each window. since: (M,) samples since the moment
    before, 0 where a recording begins. present: (M, N), whether a sensor has a value then.
    """

    of: IntArray
    since: IntArray
    present: BoolArray


@dataclass(frozen=True)
class Part:
    """The windows `indices` (W,) of a dataset, one part of a split, under one seed."""

    dataset: HARDataset
    indices: IntArray
    seed: int
    name: str = "test"

    def draws(self, purpose: str) -> np.random.Generator:
        """The generator of one kind of loss: of fingerprint, seed and part, not of a method."""
        return stream(self.seed, "missing", self.dataset.fingerprint, self.name, purpose)

    def blocks(self) -> Iterator[FloatArray]:
        """The raw values (block, T, N, C), windows in their order."""
        for block in np.array_split(self.indices, max(1, -(-len(self.indices) // BLOCK))):
            yield np.asarray(self.dataset.windows[block])

    def sensor(self, index: int) -> FloatArray:
        """The raw values (W, T, C) of one sensor."""
        return np.concatenate([values[:, :, index] for values in self.blocks()])

    @cached_property
    def present(self) -> BoolArray:
        """(W, N, C): False where a window lacks every value of a channel."""
        return np.concatenate([~np.isnan(values).all(axis=1) for values in self.blocks()])

    @cached_property
    def complete(self) -> BoolArray:
        """(W,): whether a window lacks nothing."""
        return np.concatenate([~np.isnan(values).any(axis=(1, 2, 3)) for values in self.blocks()])

    @cached_property
    def timeline(self) -> Timeline:
        """The windows' place in their recordings."""
        dataset = self.dataset
        steps, sensors, _ = dataset.shape
        starts = dataset.starts[self.indices]
        _, recording = np.unique(dataset.recordings[self.indices], return_inverse=True)
        # Recordings lie behind one another, none touches the next.
        length = int(starts.max(initial=0)) + steps
        places = (recording * length + starts)[:, None] + np.arange(steps)
        moments, of = np.unique(places, return_inverse=True)
        of = of.reshape(places.shape)
        since = np.diff(moments, prepend=moments[:1])
        since[np.diff(moments // length, prepend=-1) != 0] = 0
        there = [~np.isnan(values).all(axis=3) for values in self.blocks()]
        present = np.zeros((len(moments), sensors), dtype=bool)
        present[of] = np.concatenate(there)
        return Timeline(of, since, present)


def ranks(draws: np.random.Generator, *shape: int) -> IntArray:
    """The numbers 0, 1, ... in random order, as an array of `shape`."""
    return draws.permutation(int(np.prod(shape))).reshape(shape)
