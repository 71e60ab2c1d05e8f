"""Records as rows of a table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harbench.method import EngineOptions
from harbench.outside import visible
from harbench.running.records import ConditionScores, Record

WIDE = ("confusion", "f1_per_class")
SCORES = tuple(ConditionScores.model_fields)
NARROW = tuple(name for name in SCORES if name not in WIDE)
# These come before the scores.
WHO = (
    *("method", "variant", "dataset", "protocol", "budget", "precision"),
    *(field.name for field in fields(EngineOptions)),
    *("tuned", "seed"),
)


@dataclass(frozen=True)
class Row:
    """A record: facts by column, and for each test condition the values of its scores."""

    path: Path
    facts: dict[str, Any]
    scores: list[list[Any]]


def frame(records: Iterable[tuple[Path, Record]], confusion: bool = False) -> pd.DataFrame:
    """One row per record and condition: who, under what, its scores, sizes and cost.

    confusion: with columns of matrices (confusion[i][j] counts true i, predicted j) and of lists
    of F1 per class. rules and config are JSON with sorted keys; split is its digest.
    """
    return assemble((row_of(path, record, confusion) for path, record in records), confusion)


def assemble(rows: Iterable[Row], confusion: bool = False) -> pd.DataFrame:
    """The same of rows that `row_of` made."""
    listed = list(rows)
    if not listed:
        return pd.DataFrame()
    facts = pd.DataFrame([row.facts for row in listed])
    facts["method"] = [visible(row.path.parent.name, lines=False) for row in listed]
    facts["path"] = [visible(str(row.path)) for row in listed]
    scores = pd.DataFrame(
        list(chain.from_iterable(row.scores for row in listed)),
        columns=list(SCORES if confusion else NARROW),
    )
    repeated = facts.loc[np.repeat(facts.index, [len(row.scores) for row in listed])]
    parts = [repeated.reset_index(drop=True), scores]
    first = [name for name in WHO if name in facts]
    order = [*first, *scores.columns, *(name for name in facts if name not in first)]
    return pd.concat(parts, axis=1)[order]


def row_of(path: Path, record: Record, confusion: bool = False) -> Row:
    """What a table says of a record; label and path are left to `assemble`."""
    identity, split, cost, made = record.identity, record.split, record.cost, record.provenance
    clean = next(each for each in record.conditions if each.scale == "clean")
    facts = {
        "variant": visible(record.variant, lines=False),
        "dataset": visible(identity.dataset, lines=False),
        "protocol": visible(identity.protocol, lines=False),
        "budget": identity.budget,
        "precision": identity.precision,
        **asdict(identity.options),
        "tuned": identity.tuned,
        "seed": identity.seed,
        "n_train": split.train,
        "n_test": split.test,
        "n_labelled": split.labelled,
        "label_fraction": identity.rules["label_fraction"],
        "n_validation": split.validation,
        "test_subjects": split.test_subjects,
        "leakage": split.leakage,
        "touching": split.touching,
        "split": split.digest,
        "truth": " ".join(map(str, clean.truth)),
        "split_kind": identity.rules["split"],
        "fingerprint": identity.fingerprint,
        "rules": json.dumps(identity.rules, sort_keys=True),
        "evaluator": identity.evaluator,
        "code": identity.code,
        "config": json.dumps(identity.config, sort_keys=True),
        "parameters": cost.parameters,
        "train_seconds": sum(stage.seconds for stage in cost.stages),
        "peak_memory": cost.peak_memory,
        "windows_per_second": cost.windows_per_second,
        "device": cost.device,
        "commit": made.commit,
        "dirty": made.dirty,
        "harbench": made.harbench,
        "packages": ", ".join(f"{name} {text}" for name, text in made.packages.items()),
        "platform": made.platform,
    }
    names = SCORES if confusion else NARROW
    return Row(path, facts, [[getattr(each, name) for name in names] for each in record.conditions])
