"""Made-up records as a frame."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harbench.analysis.pairs import Condition
from harbench.analysis.render import FORMATS, csv
from harbench.analysis.sheet import sheet_of
from harbench.analysis.table import PaperTable, Rules
from harbench.evaluation.metrics import from_confusion
from harbench.running.records import Identity, Record

DATASET = "bodysim+activities=3"
CLEAN = Condition("clean", "clean", 0.0)
MIXED = Condition("missing-10", "mixed", 0.1)
SCORES = {
    "robusthar": [95.0, 96.0, 94.0, 95.5, 96.5],
    "cnn": [96.0, 96.5, 95.5, 96.0, 97.0],
    "bad_one": [70.0, 71.5, 69.0, 70.2, 72.0],
}
RULES = Rules(control="robusthar")


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
            "truth": "50 50",
            "config": "{}",
            "tuned": 0,
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


def written(table: PaperTable, form: str) -> str:
    """A table as the verb writes it in a format: csv, markdown, latex, html."""
    return csv(table) if form == "csv" else FORMATS[form]([sheet_of(table)])


def made_up_identity(seed: int, method: str = "cnn", **rules: Any) -> Identity:
    """What a record of protocol clean on bodysim says that it is of; rules replace its own."""
    given = {
        "split": "random",
        "label_fraction": 0.15,
        "scales": [],
        "rates": [],
        "train_missing": {"scale": "clean", "rate": 0.0},
    }
    return Identity(
        method=method,
        config={"width": 64, "lr": 0.001},
        code="c" * 64,
        dataset=DATASET,
        fingerprint="f" * 64,
        protocol="clean",
        rules={**given, **rules},
        evaluator=2,
        budget="quick",
        precision="fp32",
        augment="none",
        tuned=0,
        seed=seed,
    )


def made_up_record(identity: Identity, right: int = 16) -> Record:
    """A record with the condition clean: 20 test windows of two classes, `right` of them right."""
    wrong = 20 - right
    confusion = [[10 - wrong // 2, wrong // 2], [wrong - wrong // 2, 10 - wrong + wrong // 2]]
    return Record.model_validate(
        {
            "schema": 2,
            "status": "ok",
            "identity": identity.model_dump(),
            "variant": "",
            "conditions": [
                {
                    "scale": "clean",
                    "rate": 0.0,
                    **from_confusion(confusion),
                    "nll": 0.5,
                    "ece": 0.1,
                    "confusion": confusion,
                    "n": 20,
                }
            ],
            "split": {
                "train": 80,
                "validation": 10,
                "test": 20,
                "labelled": 12,
                "test_subjects": 1,
                "leakage": 0.25,
                "touching": 0.5,
                "digest": "d" * 64,
            },
            "predictions": "predictions/seed-0.npz",
            "cost": {
                "parameters": 1,
                "stages": [],
                "peak_memory": 1,
                "windows_per_second": 1.0,
                "device": "cpu",
            },
            "provenance": {
                "harbench": "0",
                "commit": None,
                "dirty": None,
                "packages": {},
                "python": "3",
                "platform": "p",
                "command": "c",
                "started": "s",
                "ended": "e",
            },
        }
    )
