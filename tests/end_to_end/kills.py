"""A small grid in a process of its own, to be killed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from end_to_end.commands import DATASET

PROTOCOLS = ("clean", "missing-10")
METHODS = ("cnn+layers=1+width=8", "robusthar+heads=2+width=8", "random_forest+trees=5")


def grid(environment: Mapping[str, str], results: Path) -> None:
    """Twelve runs of a few epochs, a state after every epoch, all in this process."""
    os.environ.update(environment)
    import harbench
    from harbench.method import BUDGETS, Budget
    from harbench.training import loop

    loop.SECONDS_BETWEEN_STATES = 0.0
    BUDGETS["smoke"] = Budget("smoke", 5, 10)
    harbench.run(METHODS, PROTOCOLS, DATASET, seeds=[0, 1], budget="smoke", results=results)
