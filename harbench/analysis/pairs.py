"""From records as a frame to paired differences between two methods."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from harbench.analysis.comparable import require_comparable
from harbench.analysis.statistics import DECIMALS, resolution
from harbench.errors import HarbenchError, unknown

CONDITION = ["protocol", "scale", "rate"]
METRICS = {
    "accuracy": "accuracy",
    "f1_macro": "macro F1",
    "f1_weighted": "weighted F1",
    "balanced_accuracy": "balanced accuracy",
}
# Scales that have a rate, in the order in which they are shown.
SCALES = (
    *("mixed", "segment", "channel", "sensor"),
    *("joint", "blackout", "strap", "burst", "stuck", "saturated"),
)
ORDER = {name: i for i, name in enumerate(("clean", *SCALES, "replay", "complete", "gaps"))}
# Windows without and with gaps of their own: together they are the clean ones.
PARTS = ("complete", "gaps")
# Rules that say how a model is tested; two protocols that differ only here train the same models.
TESTING = ("scales", "rates", "losses", "replay")


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

    scores: of a and of b in %, averaged over the conditions that both have, per dataset. ratios:
    n_test / n_train of each dataset, 0 where all seeds share one split. floors: the variance of
    the scores' rounding. datasets: their names. dropped: (dataset, seed) blocks that one of the two
    lacks.
    """

    differences: list[np.ndarray]
    scores: list[tuple[np.ndarray, np.ndarray]]
    ratios: list[float]
    floors: list[float]
    datasets: list[str]
    dropped: int


@dataclass(frozen=True)
class Grid:
    """Scores in %. datasets: of each (dataset, seed) block, (B,). rows: name -> (B, conditions).

    NaN where a row has none.
    """

    datasets: np.ndarray
    rows: dict[str, np.ndarray]


def place(condition: tuple[str, float]) -> tuple[int, float]:
    """Where a test condition (scale, rate) stands among others."""
    scale, rate = condition
    return ORDER[scale], rate


def capital(metric: str) -> str:
    """A metric's name as a sentence begins."""
    words = METRICS[metric]
    return words[0].upper() + words[1:]


def row_names(frame: pd.DataFrame) -> pd.Series:
    """The row that each record belongs to: its method, or in a sweep its variant."""
    return frame["variant"].where(frame["variant"] != "", frame["method"])


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame, sorted whatever the order of records was, with a column `name` of table rows.

    A sweep's rows are named by their variant. Raises HarbenchError where budgets are mixed, or
    records do not fit together (`require_comparable`).
    """
    budgets = sorted(frame["budget"].unique())
    if len(budgets) > 1:
        raise HarbenchError(
            f"The records have different budgets ({', '.join(budgets)}), which are never mixed. "
            "Choose one: --budget NAME."
        )
    found = frame.assign(name=row_names(frame))
    found = found.sort_values(
        ["name", "dataset", "protocol", "scale", "rate", "seed"],
        key=lambda column: column.map(ORDER) if column.name == "scale" else column,
        kind="stable",
        ignore_index=True,
    )
    require_comparable(found)
    return found


def trainings(frame: pd.DataFrame, without: Sequence[str] = TESTING) -> pd.Series:
    """The rules of each row `without` some, as text: by default those that training depends on.

    Only records with equal ones may be pooled.
    """
    known = {}
    for text in frame["rules"].unique():
        rules = json.loads(text)
        kept = {key: value for key, value in rules.items() if key not in without}
        known[text] = json.dumps(kept, sort_keys=True)
    return frame["rules"].map(known)


def unpoolable(frame: pd.DataFrame, without: Sequence[str] = TESTING) -> str:
    """Why these records must never be pooled or averaged, "" where they may be.

    They must train alike (`trainings`) and be of other people (`same_people`).
    """
    if frame["rules"].nunique() == 1 and frame["dataset"].nunique() == 1:
        return ""
    names = frame.groupby(trainings(frame, without))["protocol"].unique()
    if len(names) > 1:
        groups = "; ".join(", ".join(sorted(group)) for group in names)
        return (
            "the records are of protocols with different splits, labelled shares or training "
            f"data ({groups}), which are never pooled"
        )
    return same_people(frame)


def same_people(frame: pd.DataFrame) -> str:
    """Which datasets are one, cut into windows in two ways; "" where none are."""
    cuts: dict[str, list[str]] = {}
    for dataset in sorted(frame["dataset"].unique()):
        cuts.setdefault(dataset.partition("+")[0], []).append(dataset)
    for same in cuts.values():
        if len(same) > 1:
            return (
                f"the datasets {' and '.join(same)} are of the same recordings, which are never "
                "pooled"
            )
    return ""


def require_poolable(frame: pd.DataFrame, without: Sequence[str] = TESTING) -> None:
    """Raise HarbenchError where there is a reason (`unpoolable`), and say what to do."""
    if reason := unpoolable(frame, without):
        said = reason[0].upper() + reason[1:]
        raise HarbenchError(f"{said}. Choose with --protocol or --dataset.")


def only(frame: pd.DataFrame, conditions: Iterable[Condition]) -> pd.DataFrame:
    """The rows of some conditions."""
    wanted = pd.MultiIndex.from_tuples([(c.protocol, c.scale, c.rate) for c in conditions])
    return frame[pd.MultiIndex.from_frame(frame[CONDITION]).isin(wanted)]


def score_grid(frame: pd.DataFrame, metric: str) -> Grid:
    """The scores of all rows of the table. Clean windows count once (`once`)."""
    if frame.empty:
        return Grid(np.empty(0, dtype=object), {})
    frame, index, columns = once(frame), ["dataset", "seed"], ["name", "scale", "rate"]
    table = 100 * frame.pivot_table(index=index, columns=columns, values=metric)
    conditions = pd.MultiIndex.from_frame(frame[["scale", "rate"]].drop_duplicates())
    rows = {
        str(name): pd.DataFrame(table[name]).reindex(columns=conditions).to_numpy()
        for name in table.columns.unique(0)
    }
    return Grid(table.index.get_level_values(0).to_numpy(), rows)


def pairs(frame: pd.DataFrame, a: str, b: str, metric: str, grid: Grid | None = None) -> Pairs:
    """Pair two rows of the table over everything that `frame` holds of both.

    Scores are averaged over conditions inside a (dataset, seed) block, because the conditions of a
    block share their training; a block counts if both methods have all conditions of the dataset.
    grid: the frame's `score_grid`, where many pairs need it. Raises HarbenchError where the two
    must not be pooled.
    """
    frame = once(frame[frame["name"].isin([a, b])])
    require_poolable(frame)
    grid = grid or score_grid(frame, metric)
    scores = [grid.rows[name] for name in (a, b) if name in grid.rows]
    there = np.any([~np.isnan(each).all(axis=1) for each in scores], axis=0)
    found = Pairs([], [], [], [], [], int(np.sum(there)))
    if len(scores) < 2:
        return found
    paired = 0
    for dataset in np.unique(grid.datasets[there]):
        one, two = (each[grid.datasets == dataset] for each in scores)
        gaps = one - two
        # A condition that only one has leaves no difference.
        common = ~np.isnan(gaps).all(axis=0)
        blocks = common.any() & ~np.isnan(gaps[:, common]).any(axis=1)
        if not blocks.any():
            continue
        paired += int(blocks.sum())
        kept = np.ix_(blocks, common)
        part = frame[frame["dataset"] == dataset]
        found.differences.append(gaps[kept].mean(axis=1).round(DECIMALS))
        found.scores.append((one[kept].mean(axis=1), two[kept].mean(axis=1)))
        ratio, floor = sizes(part)
        found.ratios.append(ratio)
        found.floors.append(floor)
        found.datasets.append(str(dataset))
    return replace(found, dropped=found.dropped - paired)


def split_ratio(frame: pd.DataFrame) -> float:
    """n_test / n_train, or 0 where every seed has the same split."""
    splits = set(zip(frame["protocol"], frame["split"], strict=True))
    if len(splits) == len(dict(splits)) and frame["seed"].nunique() > 1:
        return 0.0
    return float((frame["n_test"] / frame["n_train"]).mean())


def sizes(part: pd.DataFrame) -> tuple[float, float]:
    """What a test must know of one dataset's windows: `split_ratio`, and the scores' resolution."""
    return split_ratio(part), resolution(float(part["n"].mean()))


def once(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without the parts of a record's clean windows that are scored apart as well."""
    if not frame["scale"].isin(PARTS).any():
        return frame
    whole = frame.loc[frame["scale"] == "clean", "path"]
    return frame[~(frame["scale"].isin(PARTS) & frame["path"].isin(whole))]


def everywhere(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The (dataset, seed) blocks in which a row has each value of `columns` that it has anywhere.

    Of those datasets on which every row has such a block. Means would else be of other datasets
    from row to row, and of other seeds along a curve. Raises HarbenchError where none is left.
    """
    wanted = frame.groupby("name")[columns].apply(lambda mine: len(mine.drop_duplicates()))
    keys = ["name", "dataset", "seed"]
    there = frame.drop_duplicates([*keys, *columns]).groupby(keys).size()
    whole = there.index[there == wanted.loc[there.index.get_level_values("name")].to_numpy()]
    rows = whole.to_frame(index=False).groupby("dataset")["name"].nunique()
    datasets = rows.index[rows == len(wanted)]
    if datasets.empty:
        raise HarbenchError(
            "No dataset has all rows that were to be drawn, each with one seed that has all of its "
            "conditions, so that means would be of other datasets or seeds for each. Choose with "
            "--dataset, --protocol or --method."
        )
    kept = pd.MultiIndex.from_frame(frame[keys]).isin(whole)
    return frame[kept & frame["dataset"].isin(datasets)]


def shared(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The records of those values of `columns` that every row of the frame has.

    Raises HarbenchError where there are none.
    """
    counts = frame.groupby(columns)["name"].nunique()
    common = counts.index[counts == frame["name"].nunique()]
    if common.empty:
        raise HarbenchError(
            f"The rows that were to be drawn have no {', '.join(columns)} in common. Choose with "
            "--dataset, --protocol or --method."
        )
    return frame[pd.MultiIndex.from_frame(frame[columns]).isin(common)]


def require_names(rows: pd.Series, names: Sequence[str]) -> None:
    """Raise HarbenchError for a name that none of the rows has. rows: `row_names`."""
    known = set(rows)
    for name in names:
        if name not in known:
            raise unknown("method in the records", name, known)
