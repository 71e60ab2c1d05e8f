"""From records as a frame to paired differences between two methods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harbench.errors import HarbenchError, unknown

CONDITION = ["protocol", "scale", "rate"]


@dataclass(frozen=True, order=True)
class Condition:
    """One way of testing: a protocol and one of its test conditions. rate: share missing."""

    protocol: str
    scale: str
    rate: float

    def __str__(self) -> str:
        if self.scale == "clean":
            return self.protocol if self.protocol == "clean" else f"{self.protocol} (clean)"
        return f"{self.protocol} ({tested(self.scale, self.rate)})"


def tested(scale: str, rate: float) -> str:
    """A test condition in words; one that takes nothing away has rate 0."""
    return f"{scale} {100 * rate:g} %" if rate else scale


@dataclass(frozen=True)
class Pairs:
    """Differences a - b in points, one array (seeds,) per dataset.

    ratios: n_test / n_train of each dataset, 0 where all seeds share one split. datasets: their
    names. dropped: (dataset, seed) blocks that one of the two lacks.
    """

    differences: list[np.ndarray]
    ratios: list[float]
    datasets: list[str]
    dropped: int


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame, sorted whatever the order of records was, with a column `name` of table rows.

    A sweep's rows are named by their variant. Raises HarbenchError where budgets are mixed.
    """
    budgets = sorted(frame["budget"].unique())
    if len(budgets) > 1:
        raise HarbenchError(
            f"The records have different budgets ({', '.join(budgets)}), which are never mixed. "
            "Choose one: --budget NAME."
        )
    found = frame.assign(name=frame["variant"].where(frame["variant"] != "", frame["method"]))
    return found.sort_values(
        ["name", "dataset", "protocol", "scale", "rate", "seed"], kind="stable", ignore_index=True
    )


def only(frame: pd.DataFrame, conditions: Iterable[Condition]) -> pd.DataFrame:
    """The rows of some conditions."""
    wanted = pd.MultiIndex.from_tuples([(c.protocol, c.scale, c.rate) for c in conditions])
    return frame[pd.MultiIndex.from_frame(frame[CONDITION]).isin(wanted)]


def pairs(frame: pd.DataFrame, a: str, b: str, metric: str) -> Pairs:
    """Pair two rows of the table over everything that `frame` holds of both.

    Scores are averaged over conditions inside a (dataset, seed) block, because the conditions of a
    block share their training; a block counts if both methods have all conditions of the dataset.
    """
    scores = {name: _scores(frame, name, metric) for name in (a, b)}
    differences, ratios, datasets, dropped = [], [], [], 0
    for dataset in sorted(set(scores[a].index.unique(0)) | set(scores[b].index.unique(0))):
        parts = [s.loc[dataset] for s in scores.values() if dataset in s.index.unique(0)]
        blocks = set().union(*(part.index for part in parts))
        if len(parts) < 2:
            dropped += len(blocks)
            continue
        joined = (100 * parts[0]).sub(100 * parts[1]).dropna(axis=1, how="all").dropna()
        dropped += len(blocks) - len(joined)
        if len(joined):
            differences.append(joined.mean(axis=1).to_numpy())
            ratios.append(split_ratio(frame[frame["dataset"] == dataset]))
            datasets.append(dataset)
    return Pairs(differences, ratios, datasets, dropped)


def split_ratio(frame: pd.DataFrame) -> float:
    """n_test / n_train, or 0 where every seed has the same split."""
    if frame.groupby("protocol")["split"].nunique().max() == 1 and frame["seed"].nunique() > 1:
        return 0.0
    return float((frame["n_test"] / frame["n_train"]).mean())


def blocks(frame: pd.DataFrame, name: str, metric: str) -> dict[str, np.ndarray]:
    """A method's scores in %, averaged over conditions: dataset -> (seeds,)."""
    mean = 100 * _scores(frame, name, metric).mean(axis=1)
    return {dataset: mean.loc[dataset].to_numpy() for dataset in mean.index.unique(0)}


def common_blocks(
    frame: pd.DataFrame, a: str, b: str, metric: str
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The scores of two methods on the datasets that both have, one array per dataset."""
    first, second = (blocks(frame, name, metric) for name in (a, b))
    shared = sorted(set(first) & set(second))
    return [first[d] for d in shared], [second[d] for d in shared]


def require_names(frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise HarbenchError for a row that no record has."""
    known = set(frame["name"])
    for name in names:
        if name not in known:
            raise unknown("method in the records", name, known)


def _scores(frame: pd.DataFrame, name: str, metric: str) -> pd.DataFrame:
    """(dataset, seed) x conditions, in shares; the split of each block is checked to be shared."""
    mine = frame[frame["name"] == name]
    return mine.pivot(index=["dataset", "seed"], columns=CONDITION, values=metric)
