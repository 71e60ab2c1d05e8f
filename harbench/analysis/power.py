"""How small a difference could have been found with these records: the power of a comparison."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, stats

from harbench.analysis.pairs import (
    METRICS,
    Condition,
    named,
    only,
    pairs,
    require_names,
    same_people,
    score_grid,
)
from harbench.analysis.sheet import Lane, Piece, Sheet
from harbench.analysis.statistics import CONFIDENCE, Result, nb_t
from harbench.analysis.table import Rules
from harbench.discovery import title
from harbench.errors import HarbenchError

POWER = 0.8
COLUMNS = ["dataset", "method", "n", "difference", "sd", "alone", "adjusted", "found"]
POOLED = "Of several datasets: the pooled test, in which each has a spread of its own."


@dataclass(frozen=True)
class Power:
    """What a corrected t with the spread of one comparison can show, in points.

    alone: a difference is significant from here on if nothing else is compared. adjusted: the same
    in the strictest step of Holm's adjustment over the family. found: a true difference that is
    significant in this step in 80 % of repetitions with the same spread. Both are NaN for a row
    outside the family, which is not tested.
    """

    alone: float
    adjusted: float
    found: float


def power(result: Result, alpha: float, family: int) -> Power | None:
    """None where the test gives no interval: one seed, or no variance at all.

    family: comparisons that share the error rate; 0 for one that is not tested.
    The distribution under a true difference is the noncentral t (Cohen 1988, chapter 2) with the
    test's own standard error and degrees of freedom.
    """
    if math.isnan(result.df):
        return None
    half = (result.high - result.low) / 2
    error = half / float(stats.t.ppf((1 + CONFIDENCE) / 2, result.df))
    alone = float(stats.t.isf(alpha / 2, result.df))
    if not family:
        return Power(alone * error, math.nan, math.nan)
    adjusted = float(stats.t.isf(alpha / family / 2, result.df))

    def lacking(shift: float) -> float:
        # A significant difference of the wrong sign has next to no share here.
        return float(stats.nct.sf(adjusted, result.df, shift)) - POWER

    shift = float(optimize.brentq(lacking, 0, 3 * adjusted + 10))
    return Power(alone * error, adjusted * error, shift * error)


def powers(frame: pd.DataFrame, condition: Condition, rules: Rules) -> pd.DataFrame:
    """A row per dataset and method: what its comparison with the control could have shown.

    After each dataset, those with the smallest `alone` first, come the comparisons pooled over
    several datasets, named by how many. Columns: dataset, method, n (blocks of dataset and seed),
    and in points difference (control less method), sd (NaN where pooled), alone, adjusted, found.
    Raises HarbenchError where no method shares two seeds with the control.
    """
    frame = only(named(frame), [condition])
    require_names(frame["name"], [rules.control])
    rows = [row for _, part in frame.groupby("dataset") for row in _powers(part, rules)]
    if not same_people(frame):
        rows += _powers(frame, rules, fewest=2)
    if not rows:
        raise HarbenchError(f"No method shares two seeds of {condition} with {rules.control}.")
    return pd.DataFrame(rows, columns=COLUMNS)


def _powers(part: pd.DataFrame, rules: Rules, fewest: int = 1) -> list[tuple[Any, ...]]:
    """Rows of `powers`, pooled over the datasets of `part`, of methods on `fewest` of them."""
    names = sorted(part["name"].unique())
    family = rules.compared(names)
    grid = score_grid(part, rules.metric)
    rows = []
    for name in names:
        pair = pairs(part, rules.control, name, rules.metric, grid)
        count = len(pair.datasets)
        if name == rules.control or count < fewest:
            continue
        result = nb_t(pair.differences, pair.ratios, pair.floors)
        if found := power(result, rules.alpha, len(family) if name in family else 0):
            spread = math.nan if count > 1 else float(np.std(pair.differences[0], ddof=1))
            where = f"{count} datasets" if count > 1 else pair.datasets[0]
            rows.append((where, name, result.n, result.effect, spread, *astuple(found)))
    return sorted(rows, key=lambda row: row[COLUMNS.index("alone")])


def power_sheet(found: pd.DataFrame, condition: Condition, rules: Rules) -> Sheet:
    """The rows of `powers` as a table of at most 80 characters."""
    lanes = {"n": found["n"].map(str), "difference": found["difference"].map("{:+.2f}".format)}
    for key in ("sd", "alone", "adjusted", "found"):
        lanes[key] = found[key].map("{:.2f}".format).where(found[key].notna(), "")
    family = "the rows" if rules.rows is None else f"{len(rules.compared([]))} declared rows"
    medians = {
        "": found.loc[found["sd"].notna(), "found"].median(),
        ", pooled": found.loc[found["sd"].isna(), "found"].median(),
    }
    said = [f"Median of found{of}: {m:.2f} points." for of, m in medians.items() if m == m]
    return Sheet(
        "against",
        [f"{dataset}, {title(name)}" for dataset, name in found[["dataset", "method"]].values],
        [Lane(head, [Piece(text) for text in texts]) for head, texts in lanes.items()],
        f"What could have been found: points of {METRICS[rules.metric]}, {condition}, "
        f"{title(rules.control)} less each.",
        [
            "sd: of the differences over the seeds. alone: significant from here on, two-sided nb-t"
            f" at alpha {rules.alpha:g} without adjustment. adjusted: the same in the strictest "
            f"step of Holm's adjustment over {family}. found: a true difference that is "
            f"significant in that step in {100 * POWER:.0f} % of repetitions with this sd. Both "
            "are empty for rows outside the family, which are not tested.",
            *([POOLED] if found["sd"].isna().any() else []),
            " ".join([*said, "The sd comes from as few seeds, so that each number is rough."]),
        ],
    )
