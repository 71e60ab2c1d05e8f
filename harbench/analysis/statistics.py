"""Tests of paired differences between two methods that saw the same splits.

Everywhere `differences` is one array per dataset, one value per seed (a minus b, in the unit of the
scores), already averaged over missing rates inside a seed: rates share their training, so they are
not independent. All tests are two-sided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

from harbench.analysis.resampling import bootstrap_mean
from harbench.errors import unknown

Differences = Sequence[np.ndarray]
CONFIDENCE = 0.95
EXACT_BLOCKS = 15
RESAMPLES = 9_999


@dataclass(frozen=True)
class Result:
    """What a test says. effect: mean over datasets of the mean over seeds.

    low, high: 95 % interval (NaN where the test gives none). n: blocks (dataset, seed). df: degrees
    of freedom, NaN where there are none. smallest_p: the smallest p that n blocks can give.
    adjusted_p: after `holm`, else p. family: comparisons that share the error rate.
    """

    test: str
    effect: float
    low: float
    high: float
    p: float
    n: int
    df: float = math.nan
    smallest_p: float = 0.0
    adjusted_p: float = math.nan
    family: int = 1

    def verdict(self, alpha: float) -> str:
        """One of "better", "worse", "" (no evidence), "n/a" (no data could have been enough)."""
        if math.isnan(self.p) or self.family * self.smallest_p > alpha:
            return "n/a"
        adjusted = self.p if math.isnan(self.adjusted_p) else self.adjusted_p
        if adjusted >= alpha:
            return ""
        return "better" if self.effect > 0 else "worse"


def corrected_t(differences: Differences, ratios: Sequence[float], name: str) -> Result:
    """Paired t with the variance correction of Nadeau and Bengio (2003), pooled over datasets.

    T = mean_k(dbar_k) / sqrt(sum_k s_k^2 (1/S_k + ratio_k) / D^2), with Welch-Satterthwaite degrees
    of freedom; for one dataset it is the corrected paired t with S - 1. ratios: n_test / n_train of
    each dataset, 0 where all seeds share one split.
    """
    effect, n = _effect(differences), sum(map(len, differences))
    if any(len(d) < 2 for d in differences):
        return Result(name, effect, math.nan, math.nan, math.nan, n)
    parts = [
        np.var(d, ddof=1) * (1 / len(d) + ratio) / len(differences) ** 2
        for d, ratio in zip(differences, ratios, strict=True)
    ]
    variance = float(sum(parts))
    if variance == 0:
        p = 1.0 if effect == 0 else 0.0
        return Result(name, effect, effect, effect, p, n)
    freedom = variance**2 / sum(
        float(v) ** 2 / (len(d) - 1) for v, d in zip(parts, differences, strict=True)
    )
    error = math.sqrt(variance)
    margin = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(effect) / error, freedom))
    return Result(name, effect, effect - margin, effect + margin, p, n, freedom)


def nb_t(differences: Differences, ratios: Sequence[float]) -> Result:
    """`corrected_t`, named by whether it pools."""
    return corrected_t(differences, ratios, "nb-t" if len(differences) == 1 else "nb-t-pooled")


def sign_flip(differences: Differences, ratios: Sequence[float]) -> Result:  # noqa: ARG001
    """Sign-flip permutation test over (dataset, seed) blocks; exact for up to 15 blocks."""
    weighted = np.concatenate([d / len(d) for d in differences]) / len(differences)
    n = len(weighted)
    exact = n <= EXACT_BLOCKS
    flipped = np.abs(_signs(n) @ weighted)
    # Sums of the same numbers in another order differ in their last bits.
    as_large = flipped >= abs(weighted.sum()) - 1e-9 * np.abs(weighted).max()
    count, total = int(as_large.sum()), len(flipped)
    p = count / total if exact else (count + 1) / (total + 1)
    low, high = bootstrap_mean(differences)
    smallest = 2 / 2**n if exact else 1 / (total + 1)
    return Result("signflip", _effect(differences), low, high, p, n, smallest_p=smallest)


@cache
def _signs(n: int) -> np.ndarray:
    """Every pattern of signs (2^n, n), or a fixed random sample of them where n is large."""
    if n <= EXACT_BLOCKS:
        return np.asarray(1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1))
    return np.asarray(np.random.default_rng(0).choice([-1, 1], size=(RESAMPLES, n)))


def wilcoxon(differences: Differences, ratios: Sequence[float]) -> Result:  # noqa: ARG001
    """Wilcoxon's signed-rank test over (dataset, seed) blocks, exact; zeros are dropped."""
    values = np.concatenate(list(differences))
    nonzero = np.count_nonzero(values)
    p = float(stats.wilcoxon(values, method="exact").pvalue) if nonzero else 1.0
    low, high = bootstrap_mean(differences)
    smallest = min(1.0, 2 / 2**nonzero)
    return Result(
        "wilcoxon", _effect(differences), low, high, min(p, 1.0), len(values), smallest_p=smallest
    )


Test = Callable[[Differences, Sequence[float]], Result]
TESTS: dict[str, Test] = {"nb-t": nb_t, "signflip": sign_flip, "wilcoxon": wilcoxon}


def find_test(name: str) -> Test:
    """The test of that name; HarbenchError if there is none."""
    if name not in TESTS:
        raise unknown("test", name, TESTS)
    return TESTS[name]


def holm(results: Sequence[Result], alpha: float = 0.05) -> list[Result]:
    """The same results with p adjusted for all of them together (Holm 1979)."""
    tested = [i for i, result in enumerate(results) if not math.isnan(result.p)]
    adjusted = list(results)
    if tested:
        p = multipletests([results[i].p for i in tested], alpha, method="holm")[1]
        for i, value in zip(tested, p, strict=True):
            adjusted[i] = replace(results[i], adjusted_p=float(value), family=len(tested))
    return adjusted


@dataclass(frozen=True)
class Posterior:
    """Probabilities that a is worse, practically equivalent (within the rope), better."""

    worse: float
    equivalent: float
    better: float


def bayesian_t(differences: Differences, ratios: Sequence[float], rope: float) -> Posterior:
    """Bayesian correlated t-test (Corani and Benavoli 2015) with rho = n_test / (n_test + n_train).

    The posterior of the mean difference is Student's t with the centre, scale and degrees of
    freedom of `corrected_t`, because rho / (1 - rho) = n_test / n_train. rope: half width of the
    region of practical equivalence, in the unit of the scores.
    """
    result = corrected_t(differences, ratios, "bayes")
    if math.isnan(result.p):
        return Posterior(math.nan, math.nan, math.nan)
    if math.isnan(result.df):
        below, within = float(result.effect < -rope), float(abs(result.effect) <= rope)
        return Posterior(below, within, 1 - below - within)
    scale = (result.high - result.effect) / float(stats.t.ppf((1 + CONFIDENCE) / 2, result.df))
    posterior = stats.t(result.df, result.effect, scale)
    below, above = float(posterior.cdf(-rope)), float(posterior.sf(rope))
    return Posterior(below, 1 - below - above, above)


def _effect(differences: Differences) -> float:
    return float(np.mean([np.mean(d) for d in differences]))
