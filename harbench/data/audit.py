"""How honest each split is: shared samples, copies, and what a nearest neighbour gains."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from harbench.data.splits import leakage, split
from harbench.dataset import HARDataset
from harbench.errors import HarbenchError
from harbench.protocol import SplitKind

SEEDS = 3
CHUNK = 4096
EMPTY = np.uint64(0)


@dataclass(frozen=True)
class Audit:
    """One kind of split, means over seeds. shared: share of test windows with training samples.

    copied: share of test windows whose values are those of a training window, bit by bit.
    nearest: accuracy of the nearest neighbour among the training windows. problem: why the split
    is impossible here, then the numbers are NaN.
    """

    kind: str
    train: float
    test: float
    shared: float
    copied: float
    nearest: float
    problem: str = ""


def audit(dataset: HARDataset, seeds: int = SEEDS) -> list[Audit]:
    """Every kind of split: the first `seeds` seeds, all labels."""
    features, digests = _features(dataset), _digests(dataset)
    return [_kind(dataset, features, digests, kind, seeds) for kind in get_args(SplitKind)]


def _kind(
    dataset: HARDataset,
    features: NDArray[np.float32],
    digests: NDArray[np.uint64],
    kind: str,
    seeds: int,
) -> Audit:
    rows: list[tuple[float, ...]] = []
    for seed in range(seeds):
        try:
            part = split(dataset, kind, 1.0, seed)  # type: ignore[arg-type]
        except HarbenchError as error:
            if rows:
                break
            return Audit(kind, np.nan, np.nan, np.nan, np.nan, np.nan, str(error))
        mean, std = features[part.train].mean(axis=0), features[part.train].std(axis=0)
        scaled = (features - mean) / np.where(std > 0, std, 1)
        neighbours = KNeighborsClassifier(1).fit(scaled[part.train], dataset.labels[part.train])
        accuracy = neighbours.score(scaled[part.test], dataset.labels[part.test])
        copied = np.isin(digests[part.test], digests[part.train])
        copied &= digests[part.test] != EMPTY
        sizes = (len(part.train), len(part.test))
        rows.append((*sizes, leakage(dataset, part), float(copied.mean()), accuracy))
    train, test, shared, same, nearest = (float(mean) for mean in np.mean(rows, axis=0))
    return Audit(kind, train, test, shared, same, nearest)


def _digests(dataset: HARDataset) -> NDArray[np.uint64]:
    """(W,) 64 bits of each window's values; EMPTY where all are missing."""
    found = np.full(len(dataset), EMPTY, dtype=np.uint64)
    for row, window in enumerate(dataset.windows):
        if not np.isnan(window).all():
            digest = hashlib.blake2b(window.tobytes(), digest_size=8).digest()
            found[row] = int.from_bytes(digest, "little")
    return found


def _features(dataset: HARDataset) -> NDArray[np.float32]:
    """(W, 2 N C): mean and standard deviation of each channel, 0 where it is missing."""
    parts = []
    for begin in range(0, len(dataset), CHUNK):
        windows = np.asarray(dataset.windows[begin : begin + CHUNK])
        present = ~np.isnan(windows)
        count = np.maximum(present.sum(axis=1), 1)
        mean = np.where(present, windows, 0).sum(axis=1) / count
        spread = np.where(present, windows - mean[:, None], 0)
        std = np.sqrt(np.square(spread).sum(axis=1) / count)
        parts.append(np.concatenate([mean, std], axis=2).reshape(len(windows), -1))
    return np.asarray(np.concatenate(parts), dtype=np.float32)
