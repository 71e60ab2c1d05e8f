"""A small self-supervised method and trainings of it, for tests of the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harbench.data.splits import split
from harbench.data.store import from_arrays
from harbench.dataset import DatasetInfo, Sensor
from harbench.method import Batch, Budget, InputShape, LabelledBatch, Method, Patience, Stage
from harbench.protocol import Condition
from harbench.training.fit import Fitted, Progress
from harbench.training.identity import Training

SENSORS = (Sensor("s", (0, 0, 0)), Sensor("t", (0, 0, 1)))
INFO = DatasetInfo("t", SENSORS, ("x", "y"), ("g",) * 2, ("a", "b", "c"), 10.0, "", "")


@dataclass(frozen=True)
class ToyConfig:
    lr: float = 0.05
    schedule: bool = False
    freeze: bool = False
    clip: float | None = None


class Toy(Method):
    """A linear autoencoder with dropout, then a linear classifier; it notes what it is shown."""

    name, kind, reference, Config = "toy", "self-supervised", "none", ToyConfig

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config)
        self.seen: list[tuple[str, bool]] = []
        self.rates: list[float] = []

    def build(self, shape: InputShape) -> nn.Module:
        size = shape.steps * shape.sensors * shape.channels
        return nn.ModuleDict(
            {
                "encode": nn.Sequential(nn.Flatten(), nn.Linear(size, 8), nn.Dropout(0.2)),
                "decode": nn.Linear(8, size),
                "norm": nn.BatchNorm1d(8),
                "head": nn.Linear(8, shape.classes),
            }
        )

    def stages(self, budget: Budget) -> list[Stage]:
        pretrain = Stage(
            "pretrain",
            self._reconstruct,
            budget.pretrain,
            16,
            False,
            self._optimizer,
            schedule=(lambda progress: 1 - progress) if self.config.schedule else None,
        )
        supervised = Stage(
            "supervised",
            self._classify,
            budget.supervised,
            8,
            True,
            lambda parameters: torch.optim.SGD(parameters, self.config.lr, momentum=0.9),
            clip=self.config.clip,
            frozen=(lambda network: [network["encode"]]) if self.config.freeze else None,
            select="validation",
        )
        return [pretrain, supervised]

    def _optimizer(self, parameters: Any) -> torch.optim.Optimizer:
        self.optimizer = torch.optim.Adam(parameters, lr=self.config.lr)
        return self.optimizer

    def _reconstruct(self, network: Any, batch: Batch) -> dict[str, Tensor]:
        self.seen.append(("pretrain", hasattr(batch, "y")))
        self.rates.append(self.optimizer.param_groups[0]["lr"])
        draws = batch.generator
        noise = torch.rand(batch.x.shape, generator=draws, device=draws.device) < 0.3
        out = network["decode"](network["encode"](batch.x.masked_fill(noise, 0)))
        loss = F.mse_loss(out, batch.x.flatten(1))
        return {"loss": loss, "twice": 2 * loss}

    def _classify(self, network: Any, batch: LabelledBatch) -> Tensor:
        self.seen.append(("supervised", hasattr(batch, "y")))
        return F.cross_entropy(self.logits(network, batch), batch.y)

    def logits(self, network: Any, batch: Batch) -> Tensor:
        out: Tensor = network["head"](network["norm"](network["encode"](batch.x)))
        return out

    @classmethod
    def test_config(cls) -> ToyConfig:
        return ToyConfig()


def training(
    config: ToyConfig = ToyConfig(),
    epochs: tuple[int, int] = (4, 5),
    steps: int = 0,
    patience: Patience | None = None,
) -> Training:
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    windows = rng.normal(size=(90, 6, 2, 2)) + labels[:, None, None, None] * 0.5
    data = from_arrays(windows, labels, INFO)
    return Training(
        method=Toy(config),
        dataset=data,
        split=split(data, "random", 0.4, 0),
        train_missing=Condition(),
        budget=Budget("test", *epochs, steps, patience),
        seed=0,
        precision="fp32",
        device="cpu",
    )


def weights(fitted: Fitted) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in fitted.network.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[key], second[key]) for key in first)


class Killed(BaseException):
    """Stands for a process that ends in the middle."""


def killer(stage: str, epoch: int) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if (progress.stage, progress.epoch) == (stage, epoch):
            raise Killed

    return report
