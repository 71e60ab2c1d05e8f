"""Standardised batches of one part of a dataset, from memory where they fit, else from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import psutil
import torch
from torch import Tensor

from harbench.data.missing import Missing
from harbench.dataset import BoolArray, FloatArray, HARDataset, IntArray

CHUNK = 4096
RESIDENT_SHARE = 0.25
BYTES_PER_VALUE = 5
# So large that any value divided by it is 0 beside standardised ones, and finite.
UNSEEN = 1e30
# x, observed (B, T, N, C), and the windows' indices in the dataset where they are those of a
# training part -> values to take where nothing was observed. See `harbench.data.impute`.
Fill = Callable[[Tensor, Tensor, IntArray | None], Tensor]


@dataclass(frozen=True)
class Standardiser:
    """What makes recorded windows a method's input.

    mean, std: per (sensor, channel), of observed training values only. fill: what takes the place
    of missing values; None: they stay 0. indicator: append the observed mask as channels.
    """

    mean: FloatArray
    std: FloatArray
    fill: Fill | None = None
    indicator: bool = False

    @classmethod
    def fit(
        cls, dataset: HARDataset, train: IntArray, missing: Missing | None = None
    ) -> Standardiser:
        """Two passes over the training windows in float64, a chunk in memory at a time.

        A channel that never varies gets standard deviation 1. Of one that is never observed no
        value can be placed among others: it gets `UNSEEN`, so that all of them become 0.
        """
        shape = dataset.shape[1:]
        count, total, squares = (np.zeros(shape) for _ in range(3))
        for values, observed in _chunks(dataset, train, missing):
            count += observed.sum(axis=(0, 1))
            values[~observed] = 0
            total += values.sum(axis=(0, 1), dtype=np.float64)
        mean = total / np.maximum(count, 1)
        for values, observed in _chunks(dataset, train, missing):
            # In place: fresh memory of this size costs more than the arithmetic.
            apart = values - mean
            apart[~observed] = 0
            squares += np.square(apart, out=apart).sum(axis=(0, 1))
        std = np.sqrt(squares / np.maximum(count, 1))
        std[std < 1e-8] = 1.0
        std[count == 0] = UNSEEN
        return cls(mean.astype(np.float32), std.astype(np.float32))

    def __call__(self, values: FloatArray, observed: BoolArray) -> FloatArray:
        """Standardise (B, T, N, C); missing values become exactly 0."""
        standardised = values - self.mean
        standardised /= self.std
        standardised[~observed] = 0
        return standardised

    def finish(
        self, x: Tensor, observed: Tensor, windows: IntArray | None = None
    ) -> tuple[Tensor, Tensor]:
        """Standardised x with gaps filled, and `observed` as it was; both 2C wide with indicator.

        Each window is finished by itself. windows: indices in the dataset of training windows that
        lost more than they lack: none of them may be filled with itself.
        """
        if self.fill is not None:
            gaps = ~observed.flatten(1).all(dim=1)
            if gaps.any():
                own = None if windows is None else windows[gaps.cpu().numpy()]
                filled = self.fill(x[gaps], observed[gaps], own)
                x = x.index_put((gaps,), torch.where(observed[gaps], x[gaps], filled))
        if self.indicator:
            x = torch.cat([x, observed.to(x.dtype)], dim=3)
            # A mask is never missing itself.
            observed = torch.cat([observed, torch.ones_like(observed)], dim=3)
        return x, observed


def _chunks(
    dataset: HARDataset, indices: IntArray, missing: Missing | None
) -> Iterator[tuple[FloatArray, BoolArray]]:
    for begin in range(0, len(indices), CHUNK):
        rows = np.arange(begin, min(begin + CHUNK, len(indices)))
        yield read(dataset, indices, rows, missing)


def read(
    dataset: HARDataset, indices: IntArray, rows: IntArray, missing: Missing | None
) -> tuple[FloatArray, BoolArray]:
    """Raw values and observed mask of some windows of a part; corrupted values read as NaN."""
    values = np.asarray(dataset.windows[indices[rows]])
    observed = ~np.isnan(values)
    if missing is not None:
        values = missing.values(values, rows)
        observed &= missing.observed(rows)
    return values, observed


class WindowSource:
    """Standardised, corrupted windows of one part, served as tensors on one device.

    Where they fit into a quarter of the free memory they are computed once and stay on the
    device; otherwise each batch is read from disk. Both ways give the same bits.
    plain: gaps stay 0 and no indicator is there, for what loses more before it is finished.
    """

    def __init__(
        self,
        dataset: HARDataset,
        indices: IntArray,
        standardiser: Standardiser,
        device: torch.device,
        missing: Missing | None = None,
        plain: bool = False,
    ) -> None:
        self.dataset = dataset
        self.indices = indices
        self.standardiser = standardiser
        self.device = device
        self.missing = missing
        self.plain = plain
        self._resident: tuple[Tensor, Tensor] | None = None
        wide = 2 if standardiser.indicator and not plain else 1
        needed = wide * BYTES_PER_VALUE * len(indices) * int(np.prod(dataset.shape))
        if needed < RESIDENT_SHARE * _free_memory(device):
            parts = [
                self._read(np.arange(begin, min(begin + CHUNK, len(indices))))
                for begin in range(0, len(indices), CHUNK)
            ]
            x, observed = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
            self._resident = x, observed

    def __len__(self) -> int:
        return len(self.indices)

    def rows(self, order: IntArray) -> Tensor:
        """Indices into the part as a tensor that lies where `batch` wants them."""
        rows = torch.from_numpy(order)
        return rows if self._resident is None else rows.to(self.device)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """x and observed, (B, T, N, C), of the windows at `rows` (indices into the part)."""
        if self._resident is None:
            return self._read(rows.numpy())
        rows = rows.to(self.device)
        x, observed = self._resident
        # A third of the time of indexing.
        return x.index_select(0, rows), observed.index_select(0, rows)

    def _read(self, rows: IntArray) -> tuple[Tensor, Tensor]:
        values, observed = read(self.dataset, self.indices, rows, self.missing)
        x = torch.from_numpy(self.standardiser(values, observed)).to(self.device)
        seen = torch.from_numpy(observed).to(self.device)
        return (x, seen) if self.plain else self.standardiser.finish(x, seen)


def _free_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)
