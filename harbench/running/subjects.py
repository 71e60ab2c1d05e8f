"""Scores of each person, from the stored predictions of runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from harbench.errors import HarbenchError
from harbench.evaluation.metrics import from_confusion
from harbench.running.predictions import exported
from harbench.running.records import Record


def subject_scores(
    records: Iterable[tuple[Path, Record]], condition: str, metric: str
) -> tuple[pd.DataFrame, list[str]]:
    """A row per record and person: name, dataset, seed, part (the person), score (a share).

    condition: in words, such as "mixed 10 %". Also the complaints about records whose predictions
    are gone. Raises HarbenchError where there are none of any.
    """
    rows, absent = [], []
    for path, record in records:
        try:
            answers = exported(path, record)
        except HarbenchError as error:
            absent.append(str(error))
            continue
        size = len(record.conditions[0].confusion)
        for subject, part in answers[answers["condition"] == condition].groupby("subject"):
            counts = np.zeros((size, size), dtype=np.int64)
            np.add.at(counts, (part["true"].to_numpy(), part["predicted"].to_numpy()), 1)
            rows.append(
                {
                    "name": record.variant or path.parent.name,
                    "dataset": record.identity.dataset,
                    "seed": record.identity.seed,
                    "part": str(subject),
                    "score": from_confusion(counts)[metric],  # type: ignore[literal-required]
                }
            )
    if not rows:
        more = f" So it is with {len(absent)} records." if len(absent) > 1 else ""
        raise HarbenchError(
            f"{absent[0] if absent else 'There is no record to read.'}{more} Scores of a person "
            "need predictions: seed-N.labels.npz beside the record, or $HARBENCH_CACHE."
        )
    return pd.DataFrame(rows), absent
