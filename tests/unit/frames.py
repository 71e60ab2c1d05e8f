"""Made-up records as a frame."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pandas as pd

from harbench.analysis.pairs import Condition

CLEAN = Condition("clean", "clean", 0.0)
MIXED = Condition("missing-10", "mixed", 0.1)


def records(
    scores: Mapping[str, Sequence[float]],
    datasets: Sequence[str] = ("dsads",),
    conditions: Sequence[Condition] = (CLEAN,),
    split: str = "seed",
) -> pd.DataFrame:
    """One row per method, dataset, condition and seed; scores in %, one per seed.

    split="seed": every seed has a split of its own; otherwise all share the one of that name.
    """
    rows = [
        {
            "method": method,
            "variant": "",
            "dataset": dataset,
            "protocol": condition.protocol,
            "scale": condition.scale,
            "rate": condition.rate,
            "budget": "quick",
            "seed": seed,
            "accuracy": value / 100,
            "f1_macro": value / 100,
            "f1_weighted": value / 100,
            "balanced_accuracy": value / 100,
            "n": 100,
            "n_train": 800,
            "n_test": 100,
            "leakage": 0.0,
            "split": f"{dataset} {seed}" if split == "seed" else split,
        }
        for method, dataset, condition in itertools.product(scores, datasets, conditions)
        for seed, value in enumerate(scores[method])
    ]
    return pd.DataFrame(rows)
