"""Stratified bootstrap: seeds are resampled inside each dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

REPLICATES = 10_000
CONFIDENCE = 0.95
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


def bootstrap_mean(differences: Groups) -> tuple[float, float]:
    """Interval of the mean over datasets of the mean difference."""
    return bootstrap([differences], lambda d: np.mean([x.mean(axis=1) for x in d], axis=0))


def interquartile_mean(scores: Groups) -> float:
    """Mean of the middle half of all (dataset, seed) scores (Agarwal et al., NeurIPS 2021)."""
    return float(stats.trim_mean(np.concatenate(list(scores)), 0.25))


def interquartile_mean_interval(scores: Groups) -> tuple[float, float]:
    """Its stratified bootstrap interval."""
    return bootstrap([scores], lambda d: stats.trim_mean(np.concatenate(d, axis=1), 0.25, axis=1))


def probability_of_improvement(a: Groups, b: Groups) -> float:
    """Mean over datasets of P(a score of `a` exceeds one of `b`), ties count half."""
    return float(_improvement([x[None] for x in a], [y[None] for y in b])[0])


def probability_of_improvement_interval(a: Groups, b: Groups) -> tuple[float, float]:
    """Its stratified bootstrap interval."""
    return bootstrap([a, b], _improvement)


def _improvement(a: Groups, b: Groups) -> np.ndarray:
    shares = []
    for x, y in zip(a, b, strict=True):
        gap = x[:, :, None] - y[:, None, :]
        shares.append(((gap > 0) + 0.5 * (gap == 0)).mean(axis=(1, 2)))
    return np.asarray(np.mean(shares, axis=0))
