"""How honest each split is: shared samples, copies, and what a nearest neighbour gains."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from harbench.data.repeats import runs
from harbench.data.splits import leakage, split
from harbench.dataset import HARDataset, IntArray
from harbench.errors import HarbenchError
from harbench.protocol import SplitKind

SEEDS = 3
CHUNK = 4096
EMPTY = np.uint64(0)


@dataclass(frozen=True)
class Audit:
    """One kind of split, means over seeds. shared: share of test windows with training samples.

    copied: share of test windows whose values are those of a training window, bit by bit, or half
    of whose runs of samples (`repeats.runs`) are in training windows of other recordings.
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
    features, held = _features(dataset), _Held(_digests(dataset), _shared_runs(dataset))
    return [_kind(dataset, features, held, kind, seeds) for kind in get_args(SplitKind)]


@dataclass(frozen=True)
class _Held:
    """digests: (W,) of whole windows. runs: (W, R) of samples, 0 unless two recordings have it."""

    digests: NDArray[np.uint64]
    runs: NDArray[np.uint64]

    def copied(self, train: IntArray, test: IntArray) -> float:
        """The share of test windows that are copies."""
        same = np.isin(self.digests[test], self.digests[train]) & (self.digests[test] != EMPTY)
        learnt = np.unique(self.runs[train])
        found = np.isin(self.runs[test], learnt[learnt != EMPTY])
        half = found.mean(axis=1) >= 0.5 if found.size else np.zeros(len(test), bool)
        return float((same | half).mean())


def _kind(
    dataset: HARDataset,
    features: NDArray[np.float32],
    held: _Held,
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
        sizes = (len(part.train), len(part.test))
        copied = held.copied(part.train, part.test)
        rows.append((*sizes, leakage(dataset, part), copied, accuracy))
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


def _shared_runs(dataset: HARDataset) -> NDArray[np.uint64]:
    """(W, R) `runs` of each window's samples, 0 where one recording alone has it."""
    chunks = (dataset.windows[i : i + CHUNK // 16] for i in range(0, len(dataset), CHUNK // 16))
    found = np.concatenate([runs(np.asarray(c).reshape(*c.shape[:2], -1)) for c in chunks])
    owners = np.broadcast_to(dataset.recordings[:, None], found.shape).ravel()
    order = np.lexsort((owners, found.ravel()))
    numbers, owners = found.ravel()[order], owners[order]
    # Sorted so, a run of two recordings has them next to each other somewhere.
    twice = numbers[1:][(numbers[1:] == numbers[:-1]) & (owners[1:] != owners[:-1])]
    return np.where(np.isin(found, np.unique(twice)), found, EMPTY)


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
