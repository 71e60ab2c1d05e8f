"""Scores of predicted against true classes."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score

from harbench.dataset import IntArray


class Scores(TypedDict):
    """One condition's scores, shares from 0 to 1; confusion[i][j] counts true i, predicted j."""

    accuracy: float
    f1_macro: float
    f1_weighted: float
    balanced_accuracy: float
    confusion: list[list[int]]
    n: int


def scores(true: IntArray, predicted: IntArray, classes: int) -> Scores:
    """All scores of (n,) class indices.

    F1 is averaged over the classes that occur in `true` (a left-out subject may lack some);
    a class that is never predicted has F1 0. Balanced accuracy is the mean recall.
    """
    present = np.unique(true)
    f1 = {
        average: float(f1_score(true, predicted, labels=present, average=average, zero_division=0))
        for average in ("macro", "weighted")
    }
    confusion = confusion_matrix(true, predicted, labels=np.arange(classes))
    recall = np.diag(confusion)[present] / confusion.sum(axis=1)[present]
    return Scores(
        accuracy=float(np.mean(true == predicted)),
        f1_macro=f1["macro"],
        f1_weighted=f1["weighted"],
        balanced_accuracy=float(recall.mean()),
        confusion=confusion.tolist(),
        n=len(true),
    )
