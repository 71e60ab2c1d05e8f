"""The training recipe of TSLib's classification task: RAdam, clipping at 4, no schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch

from harbench.method import Budget, Stage


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
    """One labelled stage; the best epoch is chosen on validation windows."""
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
