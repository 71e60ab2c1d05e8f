"""The rank rule: methods of one column, paired over seeds, every pair tested."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from harbench.analysis.pairs import sizes
from harbench.analysis.statistics import Result, find_test, holm, mean_score

RULE = (
    "Within one dataset, protocol, budget, test condition and metric every complete row is "
    "compared with every other one: paired over the seeds, by the protocol's test, Holm-adjusted "
    "over all pairs of the column. A row's rank is 1 plus the number of rows that are "
    "significantly better. Rows of one rank are not thereby equal: the test does not tell them "
    "apart. Complete is a row with all seeds of its protocol; others have no rank."
)

# What the best row's test says of another row.
VERDICTS = {"better": "worse", "": "not told apart", "n/a": "too few seeds to tell"}
UNPAIRED = "no seed in common"


@dataclass(frozen=True)
class Standing:
    """One row in one column, in %. low, high: 95 % interval of the mean (NaN for one seed).

    rank: by the rank rule; 0 for a row that is not complete. behind: the best complete row minus
    this one, None in the best row's own, in incomplete ones and without a common seed. verdict: in
    words.
    """

    name: str
    mean: float
    low: float
    high: float
    n: int
    rank: int = 0
    behind: Result | None = None
    verdict: str = ""


def standings(
    part: pd.DataFrame, metric: str, complete: set[str], test: str, alpha: float
) -> list[Standing]:
    """The rows of one column (one dataset, protocol, condition), best mean first.

    part: with the column `name`. complete: the rows that are ranked.
    """
    scores = 100 * part.pivot_table(index="seed", columns="name", values=metric)
    ratio, floor = sizes(part)
    rows = []
    for name in scores:
        own = scores[name].dropna().to_numpy()
        found = mean_score([own], [ratio], [floor])
        rows.append(Standing(str(name), found.effect, found.low, found.high, len(own)))
    rows.sort(key=lambda row: (-round(row.mean, 9), row.name))
    ranked = [row.name for row in rows if row.name in complete]
    results = _all_pairs(scores, ranked, test, (ratio, floor))
    return [_placed(row, ranked, results, alpha) for row in rows]


def _all_pairs(
    scores: pd.DataFrame, names: list[str], test: str, sizes: tuple[float, float]
) -> dict[tuple[str, str], Result]:
    """(better, worse) -> the tested difference, better minus worse, adjusted over all pairs."""
    pairs = list(itertools.combinations(names, 2))
    columns = {name: scores[name].to_numpy(dtype=np.float64) for name in names}
    tested = []
    for a, b in pairs:
        gap = columns[a] - columns[b]
        gap = gap[~np.isnan(gap)]
        tested.append(find_test(test)([gap], [sizes[0]], [sizes[1]]) if len(gap) else _nothing())
    return dict(zip(pairs, holm(tested, len(pairs)), strict=True))


def _nothing() -> Result:
    """What two rows without a seed in common say of each other."""
    nan = float("nan")
    return Result("", nan, nan, nan, nan, 0)


def _placed(
    row: Standing, ranked: list[str], results: dict[tuple[str, str], Result], alpha: float
) -> Standing:
    if row.name not in ranked:
        return row
    better = [r for (_, worse), r in results.items() if worse == row.name]
    rank = 1 + sum(result.verdict(alpha) == "better" for result in better)
    if row.name == ranked[0]:
        words = "best mean" if len(ranked) > 1 else "alone"
        return replace(row, rank=rank, verdict=words)
    behind = results[ranked[0], row.name]
    if not behind.n:
        return replace(row, rank=rank, verdict=UNPAIRED)
    verdict = VERDICTS.get(behind.verdict(alpha), "")
    return replace(row, rank=rank, behind=behind, verdict=verdict)
