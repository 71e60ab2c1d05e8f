"""How honest each split of a dataset is: shared samples, and what a nearest neighbour gains."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Audit:
    """One kind of split, means over seeds. shared: share of test windows with training samples.

    nearest: accuracy of the nearest neighbour among the training windows. problem: why the split
    is impossible here, then the numbers are NaN.
    """

    kind: str
    train: float
    test: float
    shared: float
    nearest: float
    problem: str = ""


def audit(dataset: HARDataset, seeds: int = SEEDS) -> list[Audit]:
    """Every kind of split: the first `seeds` seeds, all labels."""
    features = _features(dataset)
    return [_kind(dataset, features, kind, seeds) for kind in get_args(SplitKind)]


def _kind(dataset: HARDataset, features: NDArray[np.float32], kind: str, seeds: int) -> Audit:
    rows: list[tuple[float, ...]] = []
    for seed in range(seeds):
        try:
            part = split(dataset, kind, 1.0, seed)  # type: ignore[arg-type]
        except HarbenchError as error:
            if rows:
                break
            return Audit(kind, np.nan, np.nan, np.nan, np.nan, str(error))
        mean, std = features[part.train].mean(axis=0), features[part.train].std(axis=0)
        scaled = (features - mean) / np.where(std > 0, std, 1)
        neighbours = KNeighborsClassifier(1).fit(scaled[part.train], dataset.labels[part.train])
        accuracy = neighbours.score(scaled[part.test], dataset.labels[part.test])
        rows.append((len(part.train), len(part.test), leakage(dataset, part), accuracy))
    train, test, shared, nearest = (float(mean) for mean in np.mean(rows, axis=0))
    return Audit(kind, train, test, shared, nearest)


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
