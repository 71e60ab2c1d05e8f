"""Supervised training: cross-entropy, and the recipe of TSLib's classification task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from harbench.method import Budget, LabelledBatch, Stage


def cross_entropy(network: Any, batch: LabelledBatch) -> Tensor:
    """The loss of labelled windows for a network that maps windows to logits."""
    return F.cross_entropy(network(batch.x), batch.y)


class Recipe(Protocol):
    """What a configuration must say of its training."""

    @property
    def lr(self) -> float: ...
    @property
    def batch(self) -> int: ...
    @property
    def clip(self) -> float: ...


def supervised_stages(
    loss: Callable[[Any, Any], Any], recipe: Recipe, budget: Budget
) -> list[Stage]:
    """One labelled stage with RAdam and clipping, no schedule, selected on validation windows."""
    return [
        Stage(
            name="supervised",
            loss=loss,
            epochs=budget.supervised,
            batch_size=recipe.batch,
            labelled=True,
            optimizer=lambda parameters: torch.optim.RAdam(parameters, lr=recipe.lr),
            clip=recipe.clip,
            select="validation",
        )
    ]
