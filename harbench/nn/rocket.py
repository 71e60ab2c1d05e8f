"""Random convolutional features with a ridge classifier, from aeon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeClassifierCV
from torch import Tensor

from harbench.errors import HarbenchError, needs
from harbench.method import Batch, InputShape, LabelledBatch
from harbench.nn.estimator import Estimator, all_classes, own_randomness, random_state, series

SHORTEST = 10
ALPHAS = np.logspace(-3, 3, 10)


@dataclass
class Part:
    """A feature extractor of aeon and the scaler of its features."""

    transform: Any
    scale: Any


class Rocket(Estimator):
    """Feature extractors, their scalers and the ridge classifier, all in `fitted`."""

    def __init__(self, method: str, shape: InputShape) -> None:
        super().__init__()
        needs("aeon", "classic")
        if shape.steps < SHORTEST:
            raise HarbenchError(
                f"{method}: windows of {shape.steps} steps are shorter than the {SHORTEST} that "
                "its kernels need."
            )
        self.classes = shape.classes

    def fit(self, batch: LabelledBatch, make: Callable[[int], Sequence[Part]]) -> None:
        """Fit every part that make(seed) gives, and the classifier on all their features.

        The ridge penalty is chosen by leave-one-out on the labelled windows.
        """
        x = series(batch)
        parts = make(random_state(batch))
        with own_randomness():
            columns = [np.asarray(part.transform.fit_transform(x)) for part in parts]
        features = [part.scale.fit_transform(c) for part, c in zip(parts, columns, strict=True)]
        ridge = RidgeClassifierCV(alphas=ALPHAS)
        ridge.fit(np.concatenate(features, axis=1), batch.y.cpu().numpy())
        self.fitted = (parts, ridge)

    def scores(self, batch: Batch) -> Tensor:
        """Decision values (B, K)."""
        parts, ridge = self.fitted
        x = series(batch)
        with own_randomness():
            columns = [np.asarray(part.transform.transform(x)) for part in parts]
        features = [part.scale.transform(c) for part, c in zip(parts, columns, strict=True)]
        scores = ridge.decision_function(np.concatenate(features, axis=1))
        return all_classes(scores, ridge.classes_, self.classes, batch.x)
