"""Made-up records as a frame."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harbench.analysis.pairs import Condition

CLEAN = Condition("clean", "clean", 0.0)
MIXED = Condition("missing-10", "mixed", 0.1)


def rules(protocol: str) -> dict[str, Any]:
    """What a record says of its protocol; "full-labels" and "subject" train differently."""
    return {
        "split": "subject" if protocol.startswith("subject") else "random",
        "label_fraction": 1.0 if protocol == "full-labels" else 0.15,
        "rates": [float(protocol.split("-")[1]) / 100] if protocol.startswith("missing-") else [],
        "scales": ["mixed"] if protocol.startswith("missing-") else [],
    }


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
            "path": f"{dataset}/{condition.protocol}/quick/{method}/seed-{seed}.json",
            "precision": "32",
            "fingerprint": dataset,
            "rules": json.dumps(rules(condition.protocol), sort_keys=True),
            "split_kind": rules(condition.protocol)["split"],
            "label_fraction": rules(condition.protocol)["label_fraction"],
            "evaluator": 1,
            "code": method,
            "config": "{}",
            "n_validation": 100,
            "n_labelled": 120,
            "touching": 0.0,
            "test_subjects": 2,
            "split": f"{dataset} {seed}" if split == "seed" else split,
        }
        for method, dataset, condition in itertools.product(scores, datasets, conditions)
        for seed, value in enumerate(scores[method])
    ]
    return pd.DataFrame(rows)
