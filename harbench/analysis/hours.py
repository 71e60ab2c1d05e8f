"""What records have cost: hours of one core, or of one GPU."""

from __future__ import annotations

import pandas as pd

from harbench.analysis.sheet import Lane, Piece, Sheet
from harbench.discovery import title

# Records that agree in these hold one training, whatever protocol they belong to.
TRAINING = ["dataset", "fingerprint", "budget", "method", "device", "seed", "train_seconds"]


def hours(frame: pd.DataFrame) -> pd.DataFrame:
    """Hours of training and of evaluation, a row per dataset, budget, device and method.

    frame: of `harbench.running.rows`. Columns besides these four: trainings (how many), training,
    evaluation (hours). A training that several protocols share counts once; a pre-training that
    several configurations share counts in each.
    """
    # Every condition is predicted on all test windows; `complete` and `gaps` score a part of them.
    frame = frame.assign(evaluation=frame["n_test"] / frame["windows_per_second"] / 3600)
    keys = ["dataset", "budget", "device", "method"]
    once = frame.drop_duplicates(TRAINING).assign(training=frame["train_seconds"] / 3600)
    found = once.groupby(keys).agg(trainings=("seed", "size"), training=("training", "sum"))
    return found.assign(evaluation=frame.groupby(keys)["evaluation"].sum()).reset_index()


def hours_sheet(found: pd.DataFrame) -> Sheet:
    """The rows of `hours` as a table, the dearest first in each dataset, and their sum."""
    found = found.assign(sum=found["training"] + found["evaluation"])
    order = {"dataset": True, "budget": True, "device": True, "sum": False}
    found = found.sort_values(list(order), ascending=list(order.values()))
    labels = [
        f"{dataset}, {title(method)}, {budget}, {device}"
        for dataset, budget, device, method in zip(
            *(found[key] for key in ("dataset", "budget", "device", "method")), strict=True
        )
    ]
    total = found[["trainings", "training", "evaluation", "sum"]].sum()
    lanes = [
        Lane("trainings", [Piece(f"{n:.0f}") for n in [*found["trainings"], total["trainings"]]])
    ]
    lanes += [
        Lane(name, [Piece(f"{n:.2f}") for n in [*found[name], total[name]]])
        for name in ("training", "evaluation", "sum")
    ]
    return Sheet(
        "of",
        [*labels, "all"],
        lanes,
        "Hours on one core (or one GPU), as each record measured them on its own machine.",
        [
            "A training that several protocols share counts once; waiting and what failed or was "
            "ended are not counted, nor is what an imputer (impute=saits) learns; what MiniRocket "
            "and Hydra compile in a new process is. Machines differ, and runs side by side slow "
            "each other down."
        ],
    )
