"""Made-up records on disk, for the page and for submissions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unit.frames import DATASET, made_up_identity, made_up_record


def written(root: Path, method: str, seed: int, right: int = 16, **provenance: Any) -> Path:
    """A record of protocol clean with `right` of 20 windows right, where it belongs."""
    values = made_up_record(made_up_identity(seed, method), right).model_dump(mode="json")
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
