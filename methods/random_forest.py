"""A random forest on statistical and spectral features: what HAR used before networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

from harbench.method import (
    Batch,
    Budget,
    FitStage,
    InputShape,
    LabelledBatch,
    Method,
    register_method,
)
from harbench.nn.estimator import Estimator, all_classes, log_probabilities, random_state, series

BANDS = 4
EPSILON = 1e-8


@dataclass(frozen=True)
class RandomForestConfig:
    """trees: how many. features: how many are tried at a split. leaf: smallest leaf, windows."""

    trees: Annotated[int, Field(ge=1)] = 500
    features: Literal["sqrt", "log2"] = "sqrt"
    leaf: Annotated[int, Field(ge=1)] = 1


class Forest(Estimator):
    """The fitted forest and the number of classes."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes


def statistics(x: np.ndarray) -> np.ndarray:
    """(B, 21 V) features of series (B, V, T).

    Per variable: mean, standard deviation, minimum, quartiles, maximum, skewness, kurtosis, mean
    absolute value and change, root mean square, crossings of the mean, autocorrelation at one
    step; of the power spectrum without its mean the frequency of the peak, centroid, entropy and
    share in four bands.
    """
    mean, std = x.mean(axis=2, keepdims=True), x.std(axis=2, keepdims=True)
    z = (x - mean) / (std + EPSILON)
    change = np.diff(x, axis=2)
    time = [
        mean[:, :, 0],
        std[:, :, 0],
        *np.quantile(x, [0, 0.25, 0.5, 0.75, 1], axis=2),
        (z**3).mean(axis=2),
        (z**4).mean(axis=2),
        np.abs(x).mean(axis=2),
        np.abs(change).mean(axis=2),
        np.sqrt(np.square(x).mean(axis=2)),
        (np.diff(np.sign(z), axis=2) != 0).mean(axis=2),
        (z[:, :, 1:] * z[:, :, :-1]).mean(axis=2),
    ]
    power = np.square(np.abs(np.fft.rfft(x - mean, axis=2)))[:, :, 1:]
    share = power / (power.sum(axis=2, keepdims=True) + EPSILON)
    place = np.linspace(0, 1, share.shape[2])
    bands = np.array_split(share, BANDS, axis=2)
    spectral = [
        place[share.argmax(axis=2)],
        (share * place).sum(axis=2),
        -(share * np.log(share + EPSILON)).sum(axis=2),
        *(band.sum(axis=2) for band in bands),
    ]
    features = np.stack([*time, *spectral], axis=2, dtype=np.float32)
    return features.reshape(len(x), -1)


@register_method
class RandomForest(Method):
    """Breiman's random forest (2001) on hand-made features, a control.

    It sees what all methods see: the labelled windows, standardised, missing values 0.
    """

    name = "random_forest"
    title = "Random forest"
    colour = "#666666"
    kind = "supervised"
    reference = "Breiman, Machine Learning 2001 (scikit-learn)"
    Config = RandomForestConfig
    config: RandomForestConfig

    def build(self, shape: InputShape) -> Forest:
        return Forest(shape.classes)

    def stages(self, budget: Budget) -> list[FitStage]:  # noqa: ARG002
        return [FitStage("fit", self._fit)]

    def _fit(self, network: Forest, batch: LabelledBatch) -> None:
        c = self.config
        forest = RandomForestClassifier(
            n_estimators=c.trees,
            max_features=c.features,
            min_samples_leaf=c.leaf,
            random_state=random_state(batch),
        )
        network.fitted = forest.fit(statistics(series(batch)), batch.y.cpu().numpy())

    def logits(self, network: Forest, batch: Batch) -> Tensor:
        scores = log_probabilities(network.fitted.predict_proba(statistics(series(batch))))
        return all_classes(scores, network.fitted.classes_, network.classes, batch.x)

    @classmethod
    def test_config(cls) -> RandomForestConfig:
        return RandomForestConfig(trees=10)

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"features": ["sqrt", "log2"], "leaf": [1, 2, 4], "trees": [250, 500, 1000]}
