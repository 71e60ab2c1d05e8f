"""What tuning tried, as tables: scores are of validation windows, never of test ones."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean, stdev

import pandas as pd

from harbench.analysis.sheet import Lane, Piece, Sheet
from harbench.discovery import title

LUCK = (
    "The best of several is partly luck: what a choice is worth on new windows, records of "
    "`run --tuned` say."
)


def trial_sheets(frame: pd.DataFrame) -> Iterator[Sheet]:
    """The sheets of searches and of compared configurations, per dataset, split and budget.

    frame: of `harbench.running.trials.trials`.
    """
    for kind, sheet in (("search", _searches), ("grid", _grids)):
        part = frame[frame["kind"] == kind]
        for place, each in part.groupby(["dataset", "split", "budget"]):
            yield sheet(each, ", ".join(map(str, place)))


def _searches(frame: pd.DataFrame, place: str) -> Sheet:
    """A row per search: the default's score, the best one, and what has it; a row for all seeds."""
    rows, lanes = [], {key: list[Piece]() for key in ("trials", "default", "best", "minutes")}
    values = []
    for method, searches in frame.groupby("method"):
        each = [(f"seed {seed}", search) for seed, search in searches.groupby("seed")]
        several = [(f"{len(each)} seeds", searches)] if len(each) > 1 else []
        for words, search in each + several:
            rows.append(f"{title(str(method))}, {words}")
            best = search[search["chosen"]]
            lanes["trials"].append(Piece(str(len(search))))
            lanes["default"].append(_score(search[search["trial"] == 0]))
            lanes["best"].append(_score(best))
            lanes["minutes"].append(Piece(f"{search['seconds'].sum() / 60:.1f}"))
            values.append(Piece(", ".join(best["configuration"]) if len(best) < 2 else ""))
    return Sheet(
        "search",
        rows,
        [*(Lane(name, pieces) for name, pieces in lanes.items()), Lane("best has", values)],
        f"Searches (harbench tune), {place}: macro F1 on validation windows, in %.",
        [LUCK],
    )


def _grids(frame: pd.DataFrame, place: str) -> Sheet:
    """A row per configuration: mean and standard error over the seeds, and each seed's score."""
    # What several tables have is there once.
    frame = frame.drop_duplicates(["configuration", "code", "seed"]).sort_values("seed")
    codes = frame.groupby("configuration")["code"].nunique().to_dict()
    rows, scores, seeds, seconds = [], [], [], []
    for (name, code), part in frame.groupby(["configuration", "code"]):
        rows.append(title(str(name)) + (f", code {str(code)[:8]}" if codes[name] > 1 else ""))
        scores.append(_score(part))
        each = zip(part["seed"], part["f1_macro"], strict=True)
        seeds.append(Piece(", ".join(f"{seed}: {100 * f1:.1f}" for seed, f1 in each)))
        seconds.append(Piece(f"{part['seconds'].mean():.0f}"))
    return Sheet(
        "configuration",
        rows,
        [Lane("macro F1", scores), Lane("each seed", seeds), Lane("seconds a fold", seconds)],
        f"Configurations compared (harbench tune --grid), {place}: macro F1 on validation "
        "windows, in %.",
        ["Mean ± standard error over the seeds. Machines and what ran beside differ."],
    )


def _score(trials: pd.DataFrame) -> Piece:
    """Mean in %, with its standard error where there are several."""
    found = [100 * float(f1) for f1 in trials["f1_macro"].dropna()]
    if not found:
        return Piece("failed")
    error = f" ± {stdev(found) / len(found) ** 0.5:.1f}" if len(found) > 1 else ""
    return Piece(f"{fmean(found):.1f}{error}")
