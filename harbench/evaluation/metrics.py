"""Scores of predicted against true classes, and of class scores as probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from harbench.dataset import IntArray

BINS = 15


class ClassScores(TypedDict):
    """What a confusion matrix says, shares from 0 to 1.

    f1_per_class: (K,), None for a class that does not occur among the true ones.
    """

    accuracy: float
    f1_macro: float
    f1_weighted: float
    balanced_accuracy: float
    f1_per_class: list[float | None]


class Scores(ClassScores):
    """One condition's scores; confusion[i][j] counts true i, predicted j."""

    confusion: list[list[int]]
    n: int


class ProbabilityScores(TypedDict):
    """nll: mean negative log-likelihood in nats. ece: expected calibration error, 0 to 1."""

    nll: float
    ece: float


def scores(true: IntArray, predicted: IntArray, classes: int) -> Scores:
    """All scores of (n,) class indices, n at least 1; see `from_confusion`."""
    pairs = np.asarray(true, dtype=np.int64) * classes + predicted
    confusion = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    return Scores(**from_confusion(confusion), confusion=confusion.tolist(), n=len(true))


def from_confusion(confusion: Sequence[Sequence[int]] | IntArray) -> ClassScores:
    """The scores that follow from counts (K, K) of true i, predicted j, at least one of them.

    F1 is averaged over the classes that occur among the true ones (a left-out subject may lack
    some); a class that is never predicted has F1 0. Balanced accuracy is the mean recall.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    right, support, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    present = support > 0
    right, support, predicted = right[present], support[present], predicted[present]
    f1 = 2 * right / (support + predicted)
    per_class: list[float | None] = [None] * len(counts)
    for index, value in zip(np.flatnonzero(present), f1, strict=True):
        per_class[int(index)] = float(value)
    return ClassScores(
        accuracy=float(right.sum() / support.sum()),
        f1_macro=float(f1.mean()),
        # Exact, because the last bit of a product by BLAS depends on the processor.
        f1_weighted=math.fsum(f1 * support) / float(support.sum()),
        balanced_accuracy=float((right / support).mean()),
        f1_per_class=per_class,
    )


def probability_scores(true: IntArray, logits: NDArray[np.floating]) -> ProbabilityScores:
    """Scores of class scores (n, K), taken as logits, against (n,) class indices.

    Expected calibration error: Guo et al., On Calibration of Modern Neural Networks, ICML 2017,
    with 15 equal-width bins (k/15, (k+1)/15] of the highest probability; the mean distance of
    accuracy and mean confidence, weighted by the windows in a bin.
    """
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = shifted - shifted.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1)
    nll = np.log(total) - shifted[np.arange(len(true)), true]
    confidence = 1 / total
    gap = (shifted.argmax(axis=1) == true) - confidence
    bins = np.ceil(confidence * BINS).astype(np.int64) - 1
    return ProbabilityScores(
        nll=float(nll.mean()),
        ece=float(np.abs(np.bincount(bins, weights=gap)).sum() / len(true)),
    )
