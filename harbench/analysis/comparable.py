"""Which records may stand side by side: same data, same rules, same split, one code per row."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from harbench.analysis.summary import alike
from harbench.errors import HarbenchError

BLOCK = ["dataset", "protocol"]
CELL = ["name", "dataset", "protocol", "scale", "rate", "seed"]
SHARED = {
    "evaluator": ([], "were scored by different versions of the evaluation", "Run one again."),
    "fingerprint": (
        ["dataset"],
        "are of different data under one name",
        "Prepare the same data and run one again.",
    ),
    "rules": (BLOCK, "follow different rules under one protocol name", "Run one again."),
    "split": ([*BLOCK, "seed"], "have different splits for one seed", "Run one again."),
    "truth": (
        [*BLOCK, "seed"],
        "count other windows of a class in one test part",
        "One of them is wrong: run it again.",
    ),
    "code": (
        ["name"],
        "are of different code, which one row never averages",
        "Run the outdated one again (harbench run), or choose with --dataset.",
    ),
    "config": (
        ["name", *BLOCK],
        "have different configurations, which one row never averages",
        "Choose one, or give the other a name of its own.",
    ),
    "precision": (
        ["name", *BLOCK],
        "were computed in different precisions, which one row never averages",
        "Run one again.",
    ),
}


def require_comparable(frame: pd.DataFrame) -> None:
    """Raise HarbenchError, naming two files, where records must not be paired or averaged.

    frame: with the column `name` of table rows. Records are paired only where data (fingerprint),
    rules, evaluator, the split of a seed and its windows of each class agree; the records of one
    row share code, precision and, unless it was searched for, configuration; no cell has two
    records of one seed.
    """
    sweeps = frame[frame["variant"] != ""]
    for name, rows in sweeps.groupby("name"):
        methods = sorted({label.partition("+")[0] for label in rows["method"]})
        if len(methods) > 1:
            raise HarbenchError(
                f"The variant {name!r} is of {' and '.join(methods)}: choose one with --method."
            )
    frame = alike(frame)
    for column, (keys, fault, advice) in SHARED.items():
        _require_one(frame, column, keys, fault, advice)
    twice = frame[frame.duplicated(CELL, keep=False)]
    if len(twice):
        first = twice.iloc[0]
        same = twice[(twice[CELL] == first[CELL]).all(axis=1)]
        raise HarbenchError(
            f"{same['path'].iloc[0]} and {same['path'].iloc[1]} are both seed {first['seed']} of "
            f"{first['name']} on {first['dataset']}, {first['protocol']}. Delete the copy."
        )


def _require_one(
    frame: pd.DataFrame, column: str, keys: Sequence[str], fault: str, advice: str
) -> None:
    """One value of `column` within each group of `keys` (all rows where there are none)."""
    groups = [frame] if not keys else [part for _, part in frame.groupby(list(keys), sort=True)]
    for part in groups:
        if part[column].nunique() <= 1:
            continue
        first = part.iloc[0]
        other = part[part[column] != first[column]].iloc[0]
        raise HarbenchError(f"{first['path']} and {other['path']} {fault}. {advice}")
