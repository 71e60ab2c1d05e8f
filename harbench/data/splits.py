"""Who is trained on, who selects, who is tested; and which training windows keep their labels.

A split depends on (fingerprint, kind, seed) and a labelled subset on that and the fraction:
never on the method or on a protocol's name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harbench.dataset import HARDataset, IntArray
from harbench.errors import HarbenchError
from harbench.protocol import SplitKind
from harbench.streams import stream

SHARE = 0.1
FOLDS = 5
BLOCK_WINDOWS = 10


@dataclass(frozen=True)
class Split:
    """Sorted window indices. `labelled` is the part of `train` whose labels may be used."""

    train: IntArray
    validation: IntArray
    test: IntArray
    labelled: IntArray

    def digest(self) -> str:
        """sha256 of the indices, for cache keys and records."""
        parts = (self.train, self.validation, self.test, self.labelled)
        return hashlib.sha256(b"|".join(p.astype("<i8").tobytes() for p in parts)).hexdigest()


def split(
    dataset: HARDataset, kind: SplitKind, label_fraction: float, seed: int, folds: int = FOLDS
) -> Split:
    """Split `dataset` in the given way and draw the labelled subset.

    random: 8:1:1, stratified over windows. subject: seed s tests the s-th of `folds` groups of
    people, see `subject_folds`, and validates on the next. loso: the test part is subject number
    `seed` (sorted), validation another one. recording: 8:1:1, see `_by_recording`.
    Raises HarbenchError where the dataset is too small for the kind.
    """
    generator = stream(seed, "split", dataset.fingerprint, kind)
    makers = {
        "random": lambda: _random(dataset.labels, generator),
        "subject": lambda: _by_fold(dataset, seed, folds),
        "loso": lambda: _leave_one_out(dataset, generator, seed),
        "recording": lambda: _by_recording(dataset, generator),
    }
    train, validation, test = makers[kind]()
    for part, indices in (("training", train), ("validation", validation), ("test", test)):
        if len(indices) == 0:
            raise HarbenchError(
                f"Dataset {dataset.spec!r} with {len(dataset)} windows leaves no {part} window "
                f"in a {kind!r} split, seed {seed}."
            )
    labelled = labelled_subset(dataset, kind, train, label_fraction, seed)
    return Split(train, validation, test, labelled)


def labelled_subset(
    dataset: HARDataset, kind: SplitKind, train: IntArray, fraction: float, seed: int
) -> IntArray:
    """A stratified `fraction` of the training windows, at least one of every class.

    Subsets are nested: what is labelled at 5 % is labelled at 15 %.
    """
    generator = stream(seed, "labels", dataset.fingerprint, kind)
    count = round(fraction * len(train))
    return train[stratified(dataset.labels[train], count, generator, at_least_one=True)]


def stratified(
    labels: IntArray, count: int, generator: np.random.Generator, at_least_one: bool = False
) -> IntArray:
    """Sorted positions of `count` entries of `labels`, each class in proportion.

    Quotas are rounded by largest remainder, so that they add up to `count`; at_least_one lifts
    every present class to one, which may exceed `count`.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    orders = [generator.permutation(np.flatnonzero(labels == c)) for c in classes]
    exact = count * sizes / max(1, len(labels))
    quotas = np.floor(exact).astype(int)
    ties = generator.permutation(len(classes))
    ranking = ties[np.argsort(-(exact - quotas)[ties], kind="stable")]
    quotas[ranking[: count - quotas.sum()]] += 1
    if at_least_one:
        quotas = np.maximum(quotas, 1)
    return np.sort(np.concatenate([o[:q] for o, q in zip(orders, quotas, strict=True)]))


def leakage(dataset: HARDataset, split: Split) -> float:
    """The share of test windows that share a raw sample with some training window."""
    steps = dataset.shape[0]
    return float(np.mean(_near(dataset, split.test, split.train, steps)))


def touching(dataset: HARDataset, split: Split) -> float:
    """The share of test windows that lie next to a training window of the same recording.

    Next to: their starts differ by at most a window's length or the usual step, whichever is more.
    They may share no sample and still be nearly the same movement.
    """
    steps = dataset.shape[0]
    same = np.diff(dataset.recordings) == 0
    hops = np.diff(dataset.starts)[same]
    hop = int(np.median(hops[hops > 0])) if np.any(hops > 0) else 0
    return float(np.mean(_near(dataset, split.test, split.train, max(steps, hop) + 1)))


def _random(labels: IntArray, generator: np.random.Generator) -> tuple[IntArray, ...]:
    held_out = round(SHARE * len(labels))
    test = stratified(labels, held_out, generator)
    rest = np.setdiff1d(np.arange(len(labels)), test)
    validation = rest[stratified(labels[rest], held_out, generator)]
    return np.setdiff1d(rest, validation), validation, test


def subject_folds(dataset: HARDataset, folds: int) -> list[NDArray[np.str_]]:
    """The people of each fold: over all folds everybody is tested exactly once.

    One permutation of the subjects, the same for every seed, balanced by windows: the person with
    most windows first, each into the fold that has fewest so far. As many folds as subjects where
    there are fewer subjects.
    """
    subjects = _subjects(dataset, "subject")
    order = stream(0, "folds", dataset.fingerprint).permutation(subjects)
    # Sorted, as `subjects` is: one pass, however many people there are.
    counts = np.unique(dataset.subjects, return_counts=True)[1]
    sizes = counts[np.searchsorted(subjects, order)]
    members: list[list[str]] = [[] for _ in range(min(folds, len(subjects)))]
    windows = np.zeros(len(members), dtype=np.int64)
    for index in np.argsort(-sizes, kind="stable"):
        # An empty fold comes first: with as many folds as people each must get one.
        lightest = int(np.argmin(windows))
        members[lightest].append(order[index])
        windows[lightest] += sizes[index]
    return [np.array(people) for people in members]


def _by_fold(dataset: HARDataset, seed: int, folds: int) -> tuple[IntArray, ...]:
    groups = subject_folds(dataset, folds)
    if seed >= len(groups):
        raise HarbenchError(
            f"Dataset {dataset.spec!r}: its {len(np.unique(dataset.subjects))} subjects make "
            f"{len(groups)} folds; seeds of a 'subject' split go from 0 to "
            f"{len(groups) - 1}, got {seed}."
        )
    return _of_subjects(dataset, groups[seed], groups[(seed + 1) % len(groups)])


def _leave_one_out(
    dataset: HARDataset, generator: np.random.Generator, seed: int
) -> tuple[IntArray, ...]:
    subjects = _subjects(dataset, "loso")
    if seed >= len(subjects):
        raise HarbenchError(
            f"Dataset {dataset.spec!r} has {len(subjects)} subjects: seeds of a 'loso' split go "
            f"from 0 to {len(subjects) - 1}, got {seed}."
        )
    validation = generator.choice(np.delete(subjects, seed), 1)
    return _of_subjects(dataset, subjects[seed : seed + 1], validation)


def _subjects(dataset: HARDataset, kind: str) -> np.ndarray:
    subjects = np.unique(dataset.subjects)
    if len(subjects) < 3:
        raise HarbenchError(
            f"A {kind!r} split needs at least 3 subjects; dataset {dataset.spec!r} has "
            f"{len(subjects)}."
        )
    return subjects


def _of_subjects(
    dataset: HARDataset, test: np.ndarray, validation: np.ndarray
) -> tuple[IntArray, ...]:
    in_test = np.isin(dataset.subjects, test)
    in_validation = np.isin(dataset.subjects, validation)
    rest = ~in_test & ~in_validation
    return np.flatnonzero(rest), np.flatnonzero(in_validation), np.flatnonzero(in_test)


def _by_recording(dataset: HARDataset, generator: np.random.Generator) -> tuple[IntArray, ...]:
    """Blocks of up to 10 consecutive windows of a recording go to one part, stratified 8:1:1.

    Then validation windows within one window length of a test window, and training windows
    within one of either, are dropped, so parts share no sample and do not touch.
    """
    order = np.lexsort((dataset.starts, dataset.recordings))
    owner = dataset.recordings[order]
    first = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.r_[first, len(order)]))
    block_of = np.empty(len(order), dtype=np.int64)
    new_block = np.r_[True, (owner[1:] != owner[:-1]) | (rank[1:] % BLOCK_WINDOWS == 0)]
    block_of[order] = np.cumsum(new_block) - 1
    classes = int(dataset.labels.max()) + 1
    held = np.bincount(
        block_of * classes + dataset.labels, minlength=classes * (block_of.max() + 1)
    )
    main = held.reshape(-1, classes).argmax(axis=1)
    train_b, validation_b, test_b = _random(main, generator)
    train, validation, test = (
        np.flatnonzero(np.isin(block_of, part)) for part in (train_b, validation_b, test_b)
    )
    gap = 2 * dataset.shape[0]
    validation = validation[~_near(dataset, validation, test, gap)]
    train = train[~_near(dataset, train, np.union1d(validation, test), gap)]
    return train, validation, test


def _near(dataset: HARDataset, windows: IntArray, others: IntArray, distance: int) -> np.ndarray:
    """Which of `windows` start less than `distance` samples from one of `others`."""
    stride = int(dataset.starts.max()) + 2 * distance + 1
    place = dataset.recordings * stride + dataset.starts
    sorted_others = np.sort(place[others])
    if len(sorted_others) == 0:
        return np.zeros(len(windows), dtype=bool)
    right = np.searchsorted(sorted_others, place[windows])
    below = sorted_others[np.maximum(right - 1, 0)]
    above = sorted_others[np.minimum(right, len(sorted_others) - 1)]
    nearest = np.minimum(np.abs(place[windows] - below), np.abs(place[windows] - above))
    return np.asarray(nearest < distance)
