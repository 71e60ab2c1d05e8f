"""Made-up records on disk, for the page and for submissions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unit.frames import made_up_record

from harbench.running.records import Identity

DATASET = "bodysim+activities=3"
RULES = {
    "split": "random",
    "label_fraction": 0.15,
    "scales": [],
    "rates": [],
    "train_missing": {"scale": "clean", "rate": 0.0},
}


def written(root: Path, method: str, seed: int, right: int = 16, **provenance: Any) -> Path:
    """A record of protocol clean with `right` of 20 windows right, where it belongs."""
    identity = Identity(
        method=method,
        config={"width": 64},
        code="c" * 64,
        dataset=DATASET,
        fingerprint="f" * 64,
        protocol="clean",
        rules=RULES,
        evaluator=2,
        budget="quick",
        precision="fp32",
        augment="none",
        tuned=0,
        seed=seed,
    )
    values = made_up_record(identity, right).model_dump(mode="json")
    values["provenance"] |= provenance
    path = root / DATASET / "clean" / "quick" / method / f"seed-{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))
    return path


def grid(root: Path) -> Path:
    """Three methods, one of which lacks two seeds."""
    for seed in range(5):
        written(root, "cnn", seed, 12 + seed % 2)
        written(root, "random_forest", seed, 19 - seed % 2)
        if seed < 3:
            written(root, "robusthar", seed, 17)
    return root
