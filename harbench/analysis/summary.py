"""Mean and standard deviation over seeds."""

from __future__ import annotations

import pandas as pd

# Records that differ here are never averaged.
SAME = ["code", "config", "precision", "rules", "fingerprint", "evaluator"]
GROUP = ["dataset", "protocol", "budget", "method", "variant", "scale", "rate", *SAME]


def alike(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with one configuration for all seeds of a search: each has chosen its own."""
    return frame.assign(config=frame["config"].where(frame["tuned"] == 0, ""))


def summarise(frame: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """One row per method, condition and `SAME`, in the frame's order; shares become percent.

    Columns: GROUP, n_seeds, and <metric>_mean, <metric>_sd (ddof 1, NaN for a single seed).
    """
    grouped = alike(frame).groupby(GROUP, sort=False, dropna=False)
    parts: list[pd.Series] = [grouped["seed"].nunique().rename("n_seeds")]
    for metric in metrics:
        parts.append((100 * grouped[metric].mean()).rename(f"{metric}_mean"))
        parts.append((100 * grouped[metric].std(ddof=1)).rename(f"{metric}_sd"))
    return pd.concat(parts, axis=1).reset_index()
