"""CNN: a small convolutional network, the control that every method should beat."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from harbench.method import (
    Batch,
    Budget,
    InputShape,
    LabelledBatch,
    Method,
    Stage,
    register_method,
)


@dataclass(frozen=True)
class CNNConfig:
    """Every field needs a default; `--set width=128` changes one for a run.

    width: channels of each convolution. kernel: its length in steps. layers: convolutions.
    """

    width: Annotated[int, Field(ge=1)] = 64
    kernel: Annotated[int, Field(ge=1)] = 5
    layers: Annotated[int, Field(ge=1)] = 3
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    lr: Annotated[float, Field(gt=0)] = 1e-3
    batch: Annotated[int, Field(ge=2)] = 32


class CNNNet(nn.Module):
    """Convolutions over time with batch normalisation, mean over time, linear classifier.

    Windows come in as (B, T, N, C): T steps, N sensors, C channels each, standardised, 0 where
    missing. Class scores (B, K) go out.
    """

    def __init__(self, config: CNNConfig, shape: InputShape) -> None:
        super().__init__()
        widths = [shape.sensors * shape.channels] + [config.width] * config.layers
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv1d(before, after, config.kernel, padding="same", bias=False),
                    nn.BatchNorm1d(after),
                    nn.ReLU(),
                )
                for before, after in itertools.pairwise(widths)
            )
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.width, shape.classes)

    def forward(self, x: Tensor) -> Tensor:
        series = x.flatten(2).transpose(1, 2)  # (B, V, T), V = N C
        pooled = self.blocks(series).mean(dim=2)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits


def loss(network: CNNNet, batch: LabelledBatch) -> Tensor:
    """What is minimised. batch.x: windows, batch.y: class indices, batch.observed: what is there.

    Draw random numbers from batch.generator only, so that a run can be repeated.
    """
    return F.cross_entropy(network(batch.x), batch.y)


@register_method
class CNN(Method):
    """Three convolutions trained on the labelled windows alone; a control, not from a paper."""

    name = "cnn"
    title = "CNN"
    colour = "#333333"
    kind = "supervised"
    reference = "a control of this suite"
    Config = CNNConfig
    config: CNNConfig

    def build(self, shape: InputShape) -> CNNNet:
        """The whole network, heads of all stages included."""
        return CNNNet(self.config, shape)

    def stages(self, budget: Budget) -> list[Stage]:
        """The training phases in order; a pre-training is a Stage before, with labelled=False."""
        return [
            Stage(
                name="supervised",
                loss=loss,
                epochs=budget.supervised,
                batch_size=self.config.batch,
                labelled=True,
                optimizer=self._adam,
                select="validation",
            )
        ]

    def logits(self, network: CNNNet, batch: Batch) -> Tensor:
        """Class scores (B, K); the network is in evaluation mode, without gradients."""
        scores: Tensor = network(batch.x)
        return scores

    def _adam(self, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=self.config.lr, fused=True)

    @classmethod
    def test_config(cls) -> CNNConfig:
        """So small that `harbench check` takes seconds."""
        return CNNConfig(width=8, layers=2, batch=8)

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """What `harbench tune` may choose: one of a list, or log-uniform between two values."""
        return {"lr": (1e-4, 1e-2), "width": [32, 64, 128], "kernel": [3, 5, 9]}
