"""MiniRocket with a ridge classifier: strong, fast, not pre-trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

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


@dataclass(frozen=True)
class MiniRocketConfig:
    """kernels: number of features, rounded down to a multiple of 84. dilations: most per kernel."""

    kernels: Annotated[int, Field(ge=84)] = 10_000
    dilations: Annotated[int, Field(ge=1)] = 32


@register_method
class MiniRocket(Method):
    """Almost deterministic convolutions, share of positive values, ridge classifier; a control.

    Reference: A. Dempster, D. Schmidt, G. Webb, "MiniRocket: A Very Fast (Almost) Deterministic
    Transform for Time Series Classification", KDD 2021; the implementation is aeon's.
    """

    name = "minirocket"
    title = "MiniRocket"
    colour = "#888888"
    kind = "supervised"
    reference = "Dempster et al., KDD 2021 (aeon)"
    Config = MiniRocketConfig
    config: MiniRocketConfig

    def build(self, shape: InputShape) -> Rocket:
        return Rocket(self.name, shape)

    def stages(self, budget: Budget) -> list[FitStage]:  # noqa: ARG002
        return [FitStage("fit", self._fit)]

    def _fit(self, network: Rocket, batch: LabelledBatch) -> None:
        from aeon.transformations.collection.convolution_based import MiniRocket

        def parts(seed: int) -> list[Part]:
            transform = MiniRocket(
                n_kernels=self.config.kernels,
                max_dilations_per_kernel=self.config.dilations,
                random_state=seed,
            )
            return [Part(transform, StandardScaler(with_mean=False))]

        network.fit(batch, parts)

    def logits(self, network: Rocket, batch: Batch) -> Tensor:
        return network.scores(batch)

    @classmethod
    def test_config(cls) -> MiniRocketConfig:
        return MiniRocketConfig(kernels=168)

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"kernels": [2_500, 5_000, 10_000, 20_000], "dilations": [8, 16, 32]}
