"""Trial tables as rows: what `harbench tune` has tried, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from harbench.options import format_spec
from harbench.running.tuned import Search, Trial, TuningRecord, read_tuning, trial_spec

COLUMNS = ["kind", "dataset", "split", "budget", "method", "configuration", "code", "seed",
           "trial", "chosen", "f1_macro", "seconds", "error"]  # fmt: skip


def trials(root: Path) -> pd.DataFrame:
    """A row per trial below <root>/tuning (kind "search") and <root>/choices (kind "grid").

    method: the spec around which a table was made; configuration: the trial's own values, of a
    grid with all that differs from the method's defaults. f1_macro: share, on validation windows,
    NaN where a trial failed. seconds: what its stages took when they were trained, cached or not.
    Raises HarbenchError for a file that is no such table.
    """
    found = [
        _row(path, kind, record, index)
        for kind, folder in (("search", "tuning"), ("grid", "choices"))
        for path in sorted((root / folder).rglob("seed-*.json"))
        for record in [read_tuning(path)]
        for index in range(len(record.trials))
    ]
    return pd.DataFrame(found, columns=COLUMNS)


def _row(path: Path, kind: str, record: TuningRecord, index: int) -> dict[str, Any]:
    search, trial = record.search, record.trials[index]
    split, _, method = path.parts[-4:-1]
    return {
        "kind": kind,
        "dataset": search.dataset,
        "split": split,
        "budget": search.budget,
        "method": method if kind == "search" else search.method,
        "configuration": _configuration(kind, search, trial),
        "code": search.code,
        "seed": search.seed,
        "trial": index,
        "chosen": index == record.best,
        "f1_macro": float("nan") if trial.f1_macro is None else trial.f1_macro,
        "seconds": trial.trained,
        "error": trial.error,
    }


def _configuration(kind: str, search: Search, trial: Trial) -> str:
    if kind == "grid":
        return trial_spec(search, trial)
    values = {
        key: float(f"{value:.3g}") if isinstance(value, float) else value
        for key, value in trial.values.items()
    }
    return format_spec("", values).lstrip("+").replace("+", ", ")
