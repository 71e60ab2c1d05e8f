"""What the end-to-end tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATASET = "bodysim+activities=3+seconds=24.0+sensors=3+subjects=3"
TINY = ("--set", "width=8", "--set", "heads=2")
LABEL = "robusthar+heads=2+width=8"


@dataclass(frozen=True)
class Answer:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Answer]


def folder(results: Path, protocol: str, label: str = LABEL) -> Path:
    return results / DATASET / protocol / "smoke" / label


def read(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def metrics(results: Path, protocol: str) -> dict[str, str]:
    """Seed -> the bytes of its scores."""
    return {
        path.stem: json.dumps(read(path)["conditions"])
        for path in sorted(folder(results, protocol).glob("seed-*.json"))
    }
