"""Stratified bootstrap: seeds are resampled inside each dataset."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

REPLICATES = 10_000
CONFIDENCE = 0.95
FEWEST_BLOCKS = 10
Groups = Sequence[np.ndarray]


def bootstrap(
    groups: Sequence[Groups], statistic: Callable[..., np.ndarray], seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of `statistic(*resampled groups)`.

    groups: one entry per sample (one method's scores, say), each a list of one array per dataset.
    Within a dataset all samples are resampled with the same seeds where they have as many, so
    pairs stay pairs. statistic: from arrays (replicates, n) per dataset to (replicates,).
    """
    generator = np.random.default_rng(seed)
    drawn: list[list[np.ndarray]] = [[] for _ in groups]
    for parts in zip(*groups, strict=True):
        rows = {n: generator.integers(0, n, (REPLICATES, n)) for n in {len(p) for p in parts}}
        for resampled, part in zip(drawn, parts, strict=True):
            resampled.append(part[rows[len(part)]])
    values = statistic(*drawn)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def interquartile_mean(scores: Groups) -> float:
    """Mean of the middle half of all (dataset, seed) scores (Agarwal et al., NeurIPS 2021)."""
    return float(stats.trim_mean(np.concatenate(list(scores)), 0.25))


def interquartile_mean_interval(scores: Groups) -> tuple[float, float]:
    """Its stratified bootstrap interval; NaN below ten blocks.

    Of five seeds a 95 % percentile interval covers 83 %, of three 75 %.
    """
    if sum(map(len, scores)) < FEWEST_BLOCKS:
        return math.nan, math.nan
    return bootstrap([scores], lambda d: stats.trim_mean(np.concatenate(d, axis=1), 0.25, axis=1))


def seeds_ahead(a: Groups, b: Groups) -> tuple[float, int]:
    """In how many pairs of one seed of `a` and one of `b` `a` is ahead, and of how many.

    Ties count half; differences below 1e-9 are ties. Pairs are formed inside each dataset.
    """
    gaps = [np.round(x[:, None] - y[None, :], 9) for x, y in zip(a, b, strict=True)]
    ahead = sum(float(((gap > 0) + 0.5 * (gap == 0)).sum()) for gap in gaps)
    return ahead, sum(gap.size for gap in gaps)
