"""Gaps filled with what the most similar training windows have there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harbench.data.missing import Missing
from harbench.data.source import Standardiser, read
from harbench.dataset import BoolArray, FloatArray, HARDataset, IntArray

NEIGHBOURS = 5
# Windows are compared by means over so many stretches of time, and with so many training windows.
STRETCHES = 16
DONORS = 2000


@dataclass(frozen=True)
class Donors:
    """k nearest neighbours over whole windows, learned from training windows only.

    At most 2,000 training windows, evenly spaced, are donors. Two windows are as far apart as the
    mean squared difference of their channels' means over 16 equal stretches of time, of those that
    both have (a window of 125 steps and 45 channels: 720 numbers, not 5,625). A missing value
    becomes the mean, at its step, of the 5 nearest donors whose channel is complete; without such a
    donor the training mean, 0. This is the idea of Troyanskaya et al. (2001) and of scikit-learn's
    KNNImputer, with whole windows instead of table rows as neighbours.

    indices: (M,) of the donors in the dataset. values: (M, T, V). whole: (M, V), True where a
    channel is complete. means, known: (M, D), the stretches' means (0 where there is none) and
    whether there is one, as 1 and 0.
    """

    indices: IntArray
    values: FloatArray
    whole: BoolArray
    means: FloatArray
    known: FloatArray

    @classmethod
    def fit(
        cls,
        dataset: HARDataset,
        train: IntArray,
        standardiser: Standardiser,
        missing: Missing | None,
    ) -> Donors:
        """Take the donors from the training windows, corrupted as they are."""
        rows = np.linspace(0, len(train) - 1, min(DONORS, len(train))).round().astype(np.int64)
        raw, seen = read(dataset, train, rows, missing)
        values = standardiser(raw, seen).reshape(*raw.shape[:2], -1)
        observed = seen.reshape(values.shape)
        means, known = _stretches(values, observed)
        whole = np.asarray(observed.all(axis=1))
        return cls(train[rows], values, whole, means, known)

    def __call__(self, x: Tensor, observed: Tensor, windows: IntArray | None) -> Tensor:
        """Values for the gaps of x (B, T, N, C). windows: donors that a window may not take."""
        values = x.detach().cpu().numpy().reshape(*x.shape[:2], -1)
        seen = observed.cpu().numpy().reshape(values.shape)
        filled = [
            self._fill(values[i], seen[i], None if windows is None else int(windows[i]))
            for i in range(len(values))
        ]
        return torch.from_numpy(np.stack(filled)).view(x.shape).to(x.device)

    def _fill(self, values: FloatArray, observed: BoolArray, own: int | None) -> FloatArray:
        """One window (T, V), completed."""
        # One window at a time: a product of matrices would round with the size of the batch.
        means, known = (each[0] for each in _stretches(values[None], observed[None]))
        distance = self._distances(means, known)
        if own is not None:
            distance[self.indices == own] = np.inf
        order = np.argsort(distance, kind="stable")
        order = order[np.isfinite(distance[order])]
        filled = values.copy()
        for channel in np.flatnonzero(~observed.all(axis=0)):
            steps = ~observed[:, channel]
            nearest = order[self.whole[order, channel]][:NEIGHBOURS]
            given = self.values[nearest][:, steps, channel]
            filled[steps, channel] = given.mean(axis=0) if len(given) else 0
        return filled

    def _distances(self, means: FloatArray, known: FloatArray) -> NDArray[np.float64]:
        """(M,) to a window's means (D,); infinite to donors that share nothing with it."""
        shared = self.known @ known
        squares = np.square(self.means) @ known + self.known @ np.square(means)
        total = squares - 2 * (self.means @ means)
        return np.where(shared > 0, total / np.maximum(shared, 1), np.inf).astype(np.float64)


def _stretches(values: FloatArray, observed: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Means of observed values (B, D), and 1 where there is one, of windows (B, T, V)."""
    steps = values.shape[1]
    starts = np.unique(np.linspace(0, steps, min(STRETCHES, steps), endpoint=False).astype(int))
    count = np.add.reduceat(observed, starts, axis=1, dtype=np.float32)
    total = np.add.reduceat(np.where(observed, values, 0), starts, axis=1)
    means = (total / np.maximum(count, 1)).astype(np.float32)
    known = (count > 0).astype(np.float32)
    return means.reshape(len(values), -1), known.reshape(len(values), -1)
