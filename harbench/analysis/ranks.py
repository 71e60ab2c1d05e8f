"""Friedman's test over blocks, with Nemenyi's critical difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scikit_posthocs
from scipy import stats

from harbench.analysis.resampling import FEWEST_BLOCKS
from harbench.analysis.statistics import DECIMALS
from harbench.errors import HarbenchError


@dataclass(frozen=True)
class Ranking:
    """Average ranks (1 is best) of methods over blocks, and whether they differ at all.

    p: Friedman's test in the F form of Iman and Davenport. critical_difference: Nemenyi's, at
    alpha. pairs: Nemenyi's p of each pair. blocks: how many.
    """

    ranks: pd.Series
    statistic: float
    p: float
    critical_difference: float
    pairs: pd.DataFrame
    blocks: int


def friedman(scores: pd.DataFrame, alpha: float = 0.05) -> Ranking:
    """Rank methods (columns) within each block (row), larger scores first.

    Refuses fewer than 10 blocks or 3 methods: the critical difference would exceed what ranks
    can differ. Blocks that share a dataset are not independent; then the result is descriptive.
    """
    complete = scores.dropna().round(DECIMALS)
    blocks, methods = complete.shape
    if blocks < FEWEST_BLOCKS or methods < 3:
        raise HarbenchError(
            f"Average ranks need at least {FEWEST_BLOCKS} complete blocks (dataset, seed) and 3 "
            f"methods, got {blocks} and {methods}: run more datasets or seeds."
        )
    ranks = complete.rank(axis=1, ascending=False)
    chi2 = float(stats.friedmanchisquare(*complete.to_numpy().T).statistic)
    limit = blocks * (methods - 1)
    statistic = math.inf if chi2 >= limit else (blocks - 1) * chi2 / (limit - chi2)
    p = float(stats.f.sf(statistic, methods - 1, (methods - 1) * (blocks - 1)))
    pairs = scikit_posthocs.posthoc_nemenyi_friedman(complete.to_numpy())
    pairs.index = pairs.columns = complete.columns
    return Ranking(
        ranks.mean().sort_values(kind="stable"),
        statistic,
        p,
        critical_difference(methods, blocks, alpha),
        pairs,
        blocks,
    )


def critical_difference(methods: int, blocks: int, alpha: float = 0.05) -> float:
    """Nemenyi: q_alpha sqrt(k (k + 1) / (6 N)), q from the studentised range (Demsar 2006)."""
    q = float(stats.studentized_range.ppf(1 - alpha, methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * blocks))
