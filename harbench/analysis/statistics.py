"""Tests of paired differences between two methods that saw the same splits.

Everywhere `differences` is one array per dataset, one value per seed (a minus b, in the unit of the
scores), already averaged over missing rates inside a seed: rates share their training, so they are
not independent. All tests are two-sided.

`ratios` is n_test / n_train of each dataset, and rightly so for folds of subjects, too: their test
parts are disjoint, but any two of k folds share (k - 2) / (k - 1) of their training part, so that
the differences of folds stay correlated. Folds of k have n_test / n_train = 1 / (k - 1) up to the
validation part, and Nadeau and Bengio's rho = n_test / (n_test + n_train) = 1 / k is the one that
Corani and Benavoli take for cross-validation. `calibrate` measures what it is worth.
`floors` is the smallest variance that a difference can honestly have (`resolution`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy import special, stats

from harbench.errors import unknown

Differences = Sequence[np.ndarray]
CONFIDENCE = 0.95
EXACT_BLOCKS = 15
RESAMPLES = 9_999
DECIMALS = 9


@dataclass(frozen=True)
class Result:
    """What a test says. effect: mean over datasets of the mean over seeds.

    low, high: 95 % interval (NaN where the test gives none). n: blocks (dataset, seed). df: degrees
    of freedom, NaN where there are none. smallest_p: the smallest p that n blocks can give.
    adjusted_p, smallest_adjusted_p: the same after `holm`, else NaN. family: comparisons that share
    the error rate. sign: of what the test looks at, where that is not the mean. tested: False for a
    comparison outside the declared family, which gets no verdict.
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
    smallest_adjusted_p: float = math.nan
    family: int = 1
    sign: float = math.nan
    tested: bool = True

    def verdict(self, alpha: float) -> str:
        """One of "better", "worse", "" (no evidence), "n/a" (no data could have been enough)."""
        if not self.tested:
            return ""
        adjusted, smallest = self.adjusted_p, self.smallest_adjusted_p
        if math.isnan(adjusted):
            adjusted, smallest = self.p, self.smallest_p
        if math.isnan(self.p) or smallest >= alpha > 0:
            return "n/a"
        # Ranks may say the opposite of the mean, and then neither is shown.
        if adjusted >= alpha or self.sign * self.effect < 0:
            return ""
        return "better" if self.effect > 0 else "worse"


def resolution(n_test: float) -> float:
    """Variance of rounding a share of n_test windows, in points squared: (100 / n_test)^2 / 12."""
    return float((100 / n_test) ** 2 / 12)


def corrected_t(
    differences: Differences,
    ratios: Sequence[float],
    name: str,
    floors: Sequence[float] | None = None,
) -> Result:
    """Paired t with the variance correction of Nadeau and Bengio (2003), pooled over datasets.

    T = mean_k(dbar_k) / sqrt(sum_k s_k^2 (1/S_k + ratio_k) / D^2), with Welch-Satterthwaite degrees
    of freedom; for one dataset it is the corrected paired t with S - 1. ratios: n_test / n_train of
    each dataset, 0 where all seeds share one split. floors: s_k^2 is not below these. Equal
    differences other than 0 without a floor say nothing (p is NaN).
    """
    rounded = _rounded(differences)
    effect, n = _effect(rounded), sum(map(len, rounded))
    if any(len(d) < 2 for d in rounded):
        return Result(name, effect, math.nan, math.nan, math.nan, n)
    parts = [
        max(float(np.var(d, ddof=1)), floor) * (1 / len(d) + ratio) / len(rounded) ** 2
        for d, ratio, floor in zip(rounded, ratios, floors or [0.0] * len(rounded), strict=True)
    ]
    variance = float(sum(parts))
    if variance == 0:
        p = 1.0 if effect == 0 else math.nan
        return Result(name, effect, math.nan, math.nan, p, n)
    freedom = variance**2 / sum(v**2 / (len(d) - 1) for v, d in zip(parts, rounded, strict=True))
    error = math.sqrt(variance)
    margin = float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    p = 2 * float(special.stdtr(freedom, -abs(effect) / error))
    return Result(name, effect, effect - margin, effect + margin, p, n, freedom)


def mean_score(scores: Differences, ratios: Sequence[float], floors: Sequence[float]) -> Result:
    """The mean of scores in % with the interval of `corrected_t`, of which 0 to 100 is kept.

    Few seeds give intervals that leave the range of every score; what lies beyond says nothing.
    """
    found = corrected_t(scores, ratios, "", floors)
    low, high = np.clip((found.low, found.high), 0, 100).tolist()
    return replace(found, low=low, high=high)


def nb_t(
    differences: Differences, ratios: Sequence[float], floors: Sequence[float] | None = None
) -> Result:
    """`corrected_t`, named by whether it pools."""
    name = "nb-t" if len(differences) == 1 else "nb-t-pooled"
    return corrected_t(differences, ratios, name, floors)


def sign_flip(
    differences: Differences, ratios: Sequence[float], floors: Sequence[float] | None = None
) -> Result:
    """Sign-flip permutation test over (dataset, seed) blocks; exact for up to 15 blocks.

    The interval is `corrected_t`'s. Blocks without a difference say nothing: they count neither
    in p nor in the smallest one.
    """
    rounded = _rounded(differences)
    weighted = np.concatenate([d / len(d) for d in rounded]) / len(rounded)
    weighted = weighted[weighted != 0]
    exact = len(weighted) <= EXACT_BLOCKS
    p = 1.0
    if len(weighted):
        flipped = np.abs(_signs(len(weighted)) @ weighted)
        # Sums of the same numbers in another order differ in their last bits.
        as_large = flipped >= abs(weighted.sum()) - 1e-9 * np.abs(weighted).max()
        count, total = int(as_large.sum()), len(flipped)
        p = count / total if exact else (count + 1) / (total + 1)
    smallest = min(1.0, 2 / 2 ** len(weighted)) if exact else 1 / (RESAMPLES + 1)
    spread = corrected_t(rounded, ratios, "signflip", floors)
    return replace(spread, p=p, df=math.nan, smallest_p=smallest)


@cache
def _signs(n: int) -> np.ndarray:
    """Every pattern of signs (2^n, n), or a fixed random sample of them where n is large."""
    if n <= EXACT_BLOCKS:
        return np.asarray(1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1))
    return np.asarray(np.random.default_rng(0).choice([-1, 1], size=(RESAMPLES, n)))


def wilcoxon(
    differences: Differences, ratios: Sequence[float], floors: Sequence[float] | None = None
) -> Result:
    """Wilcoxon's signed-rank test over (dataset, seed) blocks, exact; zeros are dropped.

    The interval is `corrected_t`'s. Where the ranks point the other way than the mean there is no
    verdict.
    """
    rounded = _rounded(differences)
    values = np.concatenate(rounded)
    nonzero = np.count_nonzero(values)
    p = float(stats.wilcoxon(values, method="exact").pvalue) if nonzero else 1.0
    spread = corrected_t(rounded, ratios, "wilcoxon", floors)
    smallest = min(1.0, 2 / 2**nonzero)
    sign = float(np.sign(values) @ stats.rankdata(np.abs(values)))
    return replace(spread, p=p, df=math.nan, smallest_p=smallest, sign=sign)


Test = Callable[[Differences, Sequence[float], Sequence[float] | None], Result]
TESTS: dict[str, Test] = {"nb-t": nb_t, "signflip": sign_flip, "wilcoxon": wilcoxon}


def find_test(name: str) -> Test:
    """The test of that name; HarbenchError if there is none."""
    if name not in TESTS:
        raise unknown("test", name, TESTS)
    return TESTS[name]


def holm(results: Sequence[Result], family: int = 0) -> list[Result]:
    """The same results with p adjusted for all of them together (Holm 1979).

    family: how many comparisons were declared, where more than those that could be tested.
    """
    testable = [i for i, result in enumerate(results) if not math.isnan(result.p)]
    size = max(family, len(testable))
    found = _adjusted([results[i].p for i in testable], size)
    # The adjustment is monotone: where all p are as small as can be, each adjusted one is.
    smallest = _adjusted([results[i].smallest_p for i in testable], size)
    adjusted = list(results)
    for i, p, least in zip(testable, found, smallest, strict=True):
        adjusted[i] = replace(results[i], adjusted_p=p, smallest_adjusted_p=least, family=size)
    return adjusted


def _adjusted(values: Sequence[float], size: int) -> list[float]:
    """Each p after Holm's adjustment for `size` comparisons."""
    adjusted, least = [0.0] * len(values), 0.0
    for step, i in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        least = max(least, min(1.0, (size - step) * values[i]))
        adjusted[i] = least
    return adjusted


@dataclass(frozen=True)
class Posterior:
    """Probabilities that a is worse, practically equivalent (within the rope), better."""

    worse: float
    equivalent: float
    better: float


def bayesian_t(
    differences: Differences,
    ratios: Sequence[float],
    rope: float,
    floors: Sequence[float] | None = None,
) -> Posterior:
    """Bayesian correlated t-test (Corani and Benavoli 2015) with rho = n_test / (n_test + n_train).

    The posterior of the mean difference is Student's t with the centre, scale and degrees of
    freedom of `corrected_t`, because rho / (1 - rho) = n_test / n_train. rope: half width of the
    region of practical equivalence, in the unit of the scores.
    """
    result = corrected_t(differences, ratios, "bayes", floors)
    if math.isnan(result.p):
        return Posterior(math.nan, math.nan, math.nan)
    if math.isnan(result.df):  # every difference is 0
        return Posterior(0.0, 1.0, 0.0)
    scale = (result.high - result.effect) / float(stats.t.ppf((1 + CONFIDENCE) / 2, result.df))
    posterior = stats.t(result.df, result.effect, scale)
    below, above = float(posterior.cdf(-rope)), float(posterior.sf(rope))
    return Posterior(below, 1 - below - above, above)


def _rounded(differences: Differences) -> list[np.ndarray]:
    """Averages of floats break ties and miss zeros in their last bits."""
    return [np.round(d, DECIMALS) for d in differences]


def _effect(differences: Differences) -> float:
    mean = float(np.mean([np.mean(d) for d in differences]))
    # Rows of one mean would be told apart by the last bits of their sums.
    return 0.0 if abs(mean) < 10**-DECIMALS / 2 else mean
