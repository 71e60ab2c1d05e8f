"""One score taken apart, by class or by person: descriptive, never tested."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from harbench.analysis.pairs import Condition, named, tested
from harbench.analysis.sheet import HOLE, Lane, Piece, Sheet
from harbench.analysis.statistics import DECIMALS
from harbench.discovery import title

KEYS = ["name", "dataset", "seed", "part"]


def by_class(frame: pd.DataFrame, condition: Condition, classes: Sequence[str]) -> pd.DataFrame:
    """F1 of each class: a row per method, seed and class, with the columns `part` and `score`.

    frame: with the column `f1_per_class`, of one dataset; a class that a test part lacks is left
    out. classes: their names; empty: they are numbered.
    """
    data = named(_of(frame, condition))
    data = data.assign(part=data["f1_per_class"].map(lambda row: list(range(len(row)))))
    data = data.explode(["part", "f1_per_class"], ignore_index=True)
    data = data.assign(score=pd.to_numeric(data["f1_per_class"])).dropna(subset=["score"])
    names = dict(enumerate(classes))
    data["part"] = [names.get(int(index), str(index)) for index in data["part"]]
    return data[[*KEYS, "score"]]


def broken_down(scores: pd.DataFrame, what: str, caption: str, control: str = "") -> Sheet:
    """A row per part, the hardest first, and a column per method, the best first.

    scores: of one dataset, with the columns of KEYS and `score` (a share); means over seeds.
    """
    means = 100 * scores.pivot_table(index="part", columns="name", values="score")
    means = means.loc[means.mean(axis=1).sort_values(kind="stable").index]
    best_first = means.mean().sort_values(ascending=False, kind="stable").index
    places = means.round(DECIMALS).rank(axis=1, ascending=False, method="min")
    lanes = []
    for name in map(str, best_first):
        pieces = [
            Piece(f"{value:.1f}", int(place) if place <= 2 else 0)
            if value == value
            else Piece(HOLE)
            for value, place in zip(means[name], places[name], strict=True)
        ]
        marked = " (control)" if name == control else ""
        lanes.append(Lane(f"{title(name)}{marked}", pieces))
    counts = scores.groupby("name")["seed"].nunique()
    few = [f"{title(str(name))} {n}" for name, n in counts.items()]
    notes = [
        f"Mean over the seeds that have the {what}, the hardest first; bold: best, underlined: "
        "second. Higher is better. Descriptive: nothing is tested.",
        f"Seeds: {'; '.join(few)}.",
    ]
    return Sheet(what, [str(part) for part in means.index], lanes, caption, notes)


def caption(frame: pd.DataFrame, metric: str, condition: Condition) -> str:
    """What a breakdown shows: score, data, protocol, condition, budget."""
    first = frame.iloc[0]
    return (
        f"{metric} in %: {first['dataset']}, protocol {condition.protocol} "
        f"({tested(condition.scale, condition.rate)}), budget {first['budget']}."
    )


def _of(frame: pd.DataFrame, condition: Condition) -> pd.DataFrame:
    same = (frame["scale"] == condition.scale) & (frame["rate"] == condition.rate)
    return frame[same & (frame["protocol"] == condition.protocol)]
