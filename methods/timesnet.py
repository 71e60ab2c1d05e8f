"""TimesNet: convolutions over a series folded by its dominant periods (ICLR 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from harbench.errors import HarbenchError
from harbench.method import (
    Batch,
    Budget,
    InputShape,
    Method,
    Stage,
    register_method,
)
from harbench.nn.periods import dominant_periods
from harbench.nn.series import FlattenHead, SeriesEmbedding, flatten_sensors
from harbench.nn.supervised import cross_entropy, supervised_stages

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class TimesNetConfig:
    """Sizes of TSLib's gesture script (UWave); TSLib's optimiser, learning rate and clipping.

    evaluation_periods: chosen for each window alone ("window"), or for the batch as the original
    does ("batch"), which makes scores depend on the batch. Training always uses the batch.
    """

    width: Annotated[int, Field(ge=2, multiple_of=2)] = 32
    feedforward: Count = 64
    layers: Count = 2
    periods: Count = 3
    kernels: Count = 6
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    evaluation_periods: Literal["window", "batch"] = "window"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    batch: Annotated[int, Field(ge=2)] = 16
    clip: Annotated[float, Field(gt=0)] = 4.0


class Inception(nn.Module):
    """The mean of convolutions with kernels 1, 3, ..., 2J-1, computed as one convolution."""

    def __init__(self, inputs: int, outputs: int, kernels: int) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(inputs, outputs, 2 * j + 1) for j in range(kernels)]
        for convolution in convolutions:
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        self.weights = nn.ParameterList(c.weight for c in convolutions)
        self.biases = nn.ParameterList(torch.zeros(outputs) for _ in convolutions)

    def merged(self) -> tuple[Tensor, Tensor]:
        """The one kernel (out, in, 2J-1, 2J-1) and its bias."""
        # A mean of convolutions is the convolution with the mean of the zero-padded kernels.
        smallest, *others = self.weights
        kernel = smallest
        for weight in others:
            kernel = F.pad(kernel, (1, 1, 1, 1)) + weight
        return kernel / len(self.weights), torch.stack(list(self.biases)).mean(dim=0)

    def forward(self, image: Tensor) -> Tensor:
        return convolve(image, *self.merged())


def convolve(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """An odd square kernel over an image (B, C, H, W), which keeps its size.

    Rows and columns of the kernel that would only meet the padding are left out.
    """
    reach = kernel.shape[-1] // 2
    high, wide = (min(reach, size - 1) for size in image.shape[2:])
    met = kernel[:, :, reach - high : reach + high + 1, reach - wide : reach + wide + 1]
    return F.conv2d(image, met, bias, padding=(high, wide))


class TimesBlock(nn.Module):
    """Fold by each dominant period, convolve in two dimensions, add up, residual."""

    def __init__(self, config: TimesNetConfig) -> None:
        super().__init__()
        self.periods = config.periods
        self.convolution = nn.Sequential(
            Inception(config.width, config.feedforward, config.kernels),
            nn.GELU(),
            Inception(config.feedforward, config.width, config.kernels),
        )

    def forward(self, hidden: Tensor, per_window: bool) -> Tensor:
        periods, weights = dominant_periods(hidden, self.periods, per_window)
        mixed = torch.zeros_like(hidden)
        for period in sorted(set(periods.flatten().tolist())):
            # Two bins may share a period: then their weights add up.
            share = torch.where(periods == period, weights, 0).sum(dim=1)
            rows = share.nonzero()[:, 0]
            changed = self._transform(hidden[rows], period) * share[rows, None, None]
            mixed = mixed.index_add(0, rows, changed)
        return mixed + hidden

    def _transform(self, hidden: Tensor, period: int) -> Tensor:
        batch, steps, width = hidden.shape
        cycles = -(-steps // period)
        padded = F.pad(hidden, (0, 0, 0, cycles * period - steps))
        image = padded.view(batch, cycles, period, width).permute(0, 3, 1, 2)
        out: Tensor = self.convolution(image).permute(0, 2, 3, 1)
        return out.reshape(batch, cycles * period, width)[:, :steps]


class TimesNetNet(nn.Module):
    """Embedding, blocks with one shared layer normalisation, flat head."""

    def __init__(self, config: TimesNetConfig, shape: InputShape) -> None:
        super().__init__()
        if config.periods > shape.steps // 2 + 1:
            raise HarbenchError(
                f"timesnet: periods={config.periods} is more than the {shape.steps // 2 + 1} "
                f"frequencies of a window of {shape.steps} steps."
            )
        self.config = config
        variables = shape.sensors * shape.channels
        self.embedding = SeriesEmbedding(variables, config.width, shape.steps, config.dropout)
        self.blocks = nn.ModuleList(TimesBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.head = FlattenHead(shape.steps, config.width, shape.classes, config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        per_window = not self.training and self.config.evaluation_periods == "window"
        hidden = self.embedding(flatten_sensors(x))
        for block in self.blocks:
            hidden = self.norm(block(hidden, per_window))
        out: Tensor = self.head(hidden)
        return out


@register_method
class TimesNet(Method):
    """Period-wise two-dimensional convolutions.

    Reference: H. Wu et al., "TimesNet: Temporal 2D-Variation Modeling for General Time Series
    Analysis", ICLR 2023; classification as in thuml/Time-Series-Library (4e938a1).

    Differences from the original
    -----------------------------
    - At evaluation periods are chosen for each window alone; the original chooses them for the
      batch, so its scores depend on batch size and order (`evaluation_periods="batch"`).
    - The Inception block is one convolution with the averaged kernels: equal up to rounding.
    - No padding mark (windows have one length) and no unused time-feature layer.
    - The best epoch is chosen by validation macro-F1; TSLib selects on the test set.
    - The default size is that of TSLib's scripts (`preset=original`).
    """

    name = "timesnet"
    title = "TimesNet"
    colour = "#332288"
    kind = "supervised"
    reference = "Wu et al., ICLR 2023"
    Config = TimesNetConfig
    named_presets: ClassVar = {
        "original": {"width": 32, "feedforward": 64, "layers": 2, "periods": 3, "kernels": 6}
    }
    config: TimesNetConfig

    def build(self, shape: InputShape) -> TimesNetNet:
        return TimesNetNet(self.config, shape)

    def stages(self, budget: Budget) -> list[Stage]:
        return supervised_stages(cross_entropy, self.config, budget)

    def logits(self, network: TimesNetNet, batch: Batch) -> Tensor:
        logits: Tensor = network(batch.x)
        return logits

    @classmethod
    def test_config(cls) -> TimesNetConfig:
        return TimesNetConfig(width=8, feedforward=8, layers=1, periods=2, kernels=2)

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"lr": (1e-4, 1e-2), "layers": [1, 2, 3], "periods": [1, 2, 3]}

    @classmethod
    def reproduce(
        cls, config: Mapping[str, Any], arrays: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Against thuml/Time-Series-Library; periods are chosen as there, for the batch."""
        from harbench.testing.reference import copy_weights, series_shape, supervised_outputs

        settings = TimesNetConfig(
            width=config["d_model"],
            feedforward=config["d_ff"],
            layers=config["e_layers"],
            periods=config["top_k"],
            kernels=config["num_kernels"],
            evaluation_periods="batch",
        )
        names = (
            (r"^model\.(\d+)\.conv\.", r"blocks.\1.convolution."),
            (r"\.kernels\.(\d+)\.weight", r".weights.\1"),
            (r"\.kernels\.(\d+)\.bias", r".biases.\1"),
            (r"^enc_embedding\.value_embedding\.tokenConv", "embedding.token"),
            (r"^layer_norm", "norm"),
            (r"^projection", "head.projection"),
        )
        network = TimesNetNet(settings, series_shape(config))
        copy_weights(network, arrays, names)
        return supervised_outputs(network, arrays, names, lambda x, _: network(x))
