"""MultiRocket-Hydra with a ridge classifier: among the most accurate that need no pre-training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from sklearn.preprocessing import StandardScaler
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
from harbench.nn.rocket import Part, Rocket

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class HydraConfig:
    """kernels, groups: Hydra's, per group and per dilation. rocket: MultiRocket's kernels."""

    kernels: Count = 8
    groups: Count = 64
    rocket: Annotated[int, Field(ge=84)] = 6_250


class SparseScaler:
    """Hydra's scaling of counts (B, F): root, then standardise all but zeros.

    Features that are mostly zero get a larger deviation: plus (share of zeros)^4.
    """

    def fit_transform(self, counts: np.ndarray) -> np.ndarray:
        """Learn mean and deviation of (B, F), and transform it."""
        roots = np.sqrt(np.maximum(counts, 0))
        self.mean = roots.mean(axis=0)
        self.deviation = roots.std(axis=0) + (roots == 0).mean(axis=0) ** 4 + 1e-8
        return self.transform(counts)

    def transform(self, counts: np.ndarray) -> np.ndarray:
        """(B, F) scaled; zeros stay 0."""
        roots = np.sqrt(np.maximum(counts, 0))
        return np.where(roots != 0, (roots - self.mean) / self.deviation, 0)


@register_method
class Hydra(Method):
    """Competing convolutional kernels beside MultiRocket's pooled ones, ridge; a control.

    Reference: A. Dempster, D. Schmidt, G. Webb, "Hydra: Competing convolutional kernels for fast
    and accurate time series classification", DMKD 2023; feature extraction is aeon's.
    """

    name = "hydra"
    title = "Hydra"
    colour = "#AAAAAA"
    kind = "supervised"
    reference = "Dempster et al., DMKD 2023 (aeon)"
    Config = HydraConfig
    config: HydraConfig

    def build(self, shape: InputShape) -> Rocket:
        return Rocket(self.name, shape)

    def stages(self, budget: Budget) -> list[FitStage]:  # noqa: ARG002
        return [FitStage("fit", self._fit)]

    def _fit(self, network: Rocket, batch: LabelledBatch) -> None:
        from aeon.transformations.collection.convolution_based import HydraTransformer, MultiRocket

        c = self.config

        def parts(seed: int) -> list[Part]:
            hydra = HydraTransformer(
                n_kernels=c.kernels, n_groups=c.groups, random_state=seed, output_type="numpy"
            )
            rocket = MultiRocket(n_kernels=c.rocket, random_state=seed)
            return [Part(hydra, SparseScaler()), Part(rocket, StandardScaler())]

        network.fit(batch, parts)

    def logits(self, network: Rocket, batch: Batch) -> Tensor:
        return network.scores(batch)

    @classmethod
    def test_config(cls) -> HydraConfig:
        return HydraConfig(kernels=2, groups=4, rocket=84)

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"kernels": [4, 8, 16], "groups": [32, 64, 128], "rocket": [2_500, 6_250]}
