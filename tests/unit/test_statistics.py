"""Every test against a library or a closed form."""

from __future__ import annotations

import math
from dataclasses import replace
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from harbench.analysis.calibration import Design, rejections, simulate, slopes, starred
from harbench.analysis.ranks import critical_difference, friedman
from harbench.analysis.resampling import (
    bootstrap,
    interquartile_mean,
    interquartile_mean_interval,
    seeds_ahead,
)
from harbench.analysis.slope import robustness_slopes
from harbench.analysis.statistics import (
    Result,
    Test,
    bayesian_t,
    corrected_t,
    find_test,
    holm,
    mean_score,
    nb_t,
    resolution,
    sign_flip,
    wilcoxon,
)
from harbench.errors import HarbenchError

values = st.lists(st.integers(-300, 300), min_size=3, max_size=8).map(
    lambda numbers: np.array(numbers) / 100
)


@given(values)
def test_without_correction_it_is_the_paired_t_test(d: np.ndarray) -> None:
    if np.var(d) == 0:
        return
    result = corrected_t([d], [0.0], "t")
    wanted = stats.ttest_1samp(d, 0)
    interval = wanted.confidence_interval(0.95)
    assert math.isclose(result.p, float(wanted.pvalue), rel_tol=1e-9)
    assert math.isclose(result.low, interval.low, rel_tol=1e-9, abs_tol=1e-12)
    assert math.isclose(result.high, interval.high, rel_tol=1e-9, abs_tol=1e-12)


def test_nadeau_and_bengio_s_correction() -> None:
    d = np.array([1.0, 2.0, 0.5, 3.0, 1.5])
    t = d.mean() / math.sqrt(d.var(ddof=1) * (1 / 5 + 1 / 8))
    result = nb_t([d], [1 / 8])
    assert result.test == "nb-t" and result.df == 4
    assert math.isclose(result.p, 2 * stats.t.sf(t, 4))


def test_pooling_equal_datasets_is_welch_s_test_of_means() -> None:
    a, b = np.array([1.0, 2.0, 0.5, 3.0, 1.5]), np.array([0.2, -0.4, 0.3, 0.8, 0.1])
    result = nb_t([a, b], [0.0, 0.0])
    # The mean of a and b is half of what Welch's test of a against -b compares.
    wanted = stats.ttest_ind(a, -b, equal_var=False)
    assert result.test == "nb-t-pooled"
    assert math.isclose(result.p, float(wanted.pvalue)) and math.isclose(result.df, wanted.df)


def test_differences_without_variance_prove_nothing() -> None:
    assert corrected_t([np.zeros(2)], [0.1], "t").p == 1
    assert corrected_t([np.full(3, 1e-14)], [0.1], "t").p == 1
    assert corrected_t([np.ones(3)], [0.1], "t").verdict(0.05) == "n/a"
    # One window of 304 better with each of three seeds: no star in a column of 16 rows.
    result = nb_t([np.full(3, 100 / 304)], [0.125], [resolution(304)])
    error = math.sqrt((100 / 304) ** 2 / 12 * (1 / 3 + 0.125))
    assert math.isclose(result.p, 2 * stats.t.sf(100 / 304 / error, 2), rel_tol=1e-6)
    assert holm([result], 16)[0].verdict(0.05) == ""


@given(values, st.floats(0.001, 1))
def test_a_floor_only_ever_widens(d: np.ndarray, floor: float) -> None:
    with_floor = corrected_t([d], [0.1], "t", [floor])
    without = corrected_t([d], [0.1], "t")
    assert with_floor.effect == without.effect
    if np.var(d, ddof=1) > floor:
        assert with_floor == without
    elif not math.isnan(without.low):
        assert with_floor.low <= without.low and with_floor.p >= without.p


@pytest.mark.parametrize("test", [sign_flip, wilcoxon])
@given(values, st.integers(0, 4))
def test_zeros_say_nothing(test: Test, d: np.ndarray, zeros: int) -> None:
    padded = np.concatenate([d, np.full(zeros, 1e-14)])
    first, second = test([d], [0.1], None), test([padded], [0.1], None)
    assert first.p == pytest.approx(second.p) and first.smallest_p == second.smallest_p
    assert first.smallest_p == min(1.0, 2 / 2 ** np.count_nonzero(d))


def test_a_p_of_alpha_is_no_evidence() -> None:
    at = Result("t", 1.0, 0.0, 2.0, 0.05, 5)
    assert at.verdict(0.05) == "" and at.verdict(0.0500001) == "better"


def test_one_seed_says_nothing() -> None:
    result = nb_t([np.array([3.0])], [0.1])
    assert math.isnan(result.p) and result.verdict(0.05) == "n/a"


@given(values)
@example(np.array([-0.01, -0.32, -1.87, 2.19]))
def test_sign_flip_is_scipy_s_permutation_test(d: np.ndarray) -> None:
    # In whole hundredths, whose sums are exact: SciPy misses ties that differ in their last bits.
    wanted = stats.permutation_test(
        (np.round(100 * d),), np.sum, permutation_type="samples", n_resamples=np.inf,
        vectorized=False,
    )  # fmt: skip
    assert math.isclose(sign_flip([d], [0.1]).p, float(wanted.pvalue), rel_tol=1e-9)


def test_sign_flip_weighs_datasets_alike() -> None:
    few, many = np.array([4.0, 4.0]), np.array([-1.0] * 8)
    assert sign_flip([few, many], [0, 0]).effect == pytest.approx(1.5)


def test_fifteen_blocks_are_counted_and_sixteen_sampled() -> None:
    assert sign_flip([np.ones(15)], [0]).p == sign_flip([np.ones(15)], [0]).smallest_p == 2 / 2**15
    sampled = sign_flip([np.ones(16)], [0])
    # The observed signs count among the samples.
    assert sampled.smallest_p == 1 / 10_000 <= sampled.p < 4 / 10_000
    assert 10_000 * sampled.p == pytest.approx(round(10_000 * sampled.p), abs=1e-9)


def test_many_blocks_are_sampled() -> None:
    d = [np.linspace(-1, 2, 10), np.linspace(-1, 2, 10)]
    assert 0.001 < sign_flip(d, [0, 0]).p < 0.1


@given(values)
def test_wilcoxon_is_scipy_s(d: np.ndarray) -> None:
    result = wilcoxon([d], [0.1])
    if np.any(d):
        assert result.p == min(1.0, float(stats.wilcoxon(d, method="exact").pvalue))
    assert result.smallest_p <= 1


@pytest.mark.parametrize(("n", "smallest"), [(5, 0.0625), (6, 0.03125), (10, 0.001953125)])
def test_the_smallest_p_of_rank_tests(n: int, smallest: float) -> None:
    d = np.arange(1.0, n + 1)
    for test in (sign_flip, wilcoxon):
        result = test([d], [0.1])
        assert result.p == result.smallest_p == smallest


def test_what_cannot_be_reached_is_not_called_insignificant() -> None:
    result = wilcoxon([np.arange(1.0, 6)], [0.1])
    assert result.verdict(0.05) == "n/a" and result.verdict(0.10) == "better"
    seven = holm([wilcoxon([np.arange(1.0, 8)], [0.1])] * 8)
    assert {r.verdict(0.05) for r in seven} == {"n/a"}
    nine = holm([wilcoxon([np.arange(1.0, 10)], [0.1])] * 8)
    assert {r.verdict(0.05) for r in nine} == {"better"}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_holm_is_that_of_statsmodels(p: list[float]) -> None:
    results = holm([Result("t", 1, 0, 2, value, 5) for value in p])
    # It collects garbage at every call, which takes a while among many tests.
    with mock.patch("gc.collect"):
        expected = multipletests(p, method="holm")[1]
    assert [r.adjusted_p for r in results] == pytest.approx(expected)


def test_what_holm_rejects_has_its_verdict_whatever_the_others_could_reach() -> None:
    ten = np.arange(1.0, 11) / 10
    many, few = holm([sign_flip([ten], [0.1]), sign_flip([ten[:6]], [0.1])])
    assert few.adjusted_p == 2 / 2**6 and (many.verdict(0.05), few.verdict(0.05)) == ("better",) * 2
    # Where the other one has not enough, neither could this.
    alike = holm([sign_flip([ten[:6]], [0.1])] * 2)
    assert {r.verdict(0.05) for r in alike} == {"n/a"} and alike[0].smallest_adjusted_p == 4 / 2**6


def test_ranks_against_the_mean_show_neither() -> None:
    d = np.array([-1 - i / 100 for i in range(12)] + [40.0])
    result = wilcoxon([d], [0.1])
    assert result.p < 0.05 and result.effect > 0 > result.sign and result.verdict(0.05) == ""
    assert wilcoxon([d[:12]], [0.1]).verdict(0.05) == "worse"


def test_a_declared_family_counts_what_was_not_run() -> None:
    (result,) = holm([Result("t", 1, 0, 2, 0.01, 5)], 8)
    assert (result.adjusted_p, result.family) == (pytest.approx(0.08), 8)


def test_holm_leaves_out_what_was_not_tested() -> None:
    silent = Result("t", 1, math.nan, math.nan, math.nan, 1)
    adjusted = holm([Result("t", 1, 0, 2, 0.03, 5), silent])
    assert adjusted[0].adjusted_p == 0.03 and adjusted[0].family == 1
    assert adjusted[1].verdict(0.05) == "n/a"


def test_an_unknown_test_is_an_error() -> None:
    with pytest.raises(HarbenchError, match="Did you mean 'wilcoxon'"):
        find_test("wilcoxn")


def test_the_posterior_is_a_shifted_t_distribution() -> None:
    d, ratio, rope = np.array([1.0, 2.0, 0.5, 3.0, 1.5]), 1 / 8, 0.5
    rho = ratio / (1 + ratio)
    scale = math.sqrt(d.var(ddof=1) * (1 / 5 + rho / (1 - rho)))
    wanted = stats.t(4, d.mean(), scale)
    found = bayesian_t([d], [ratio], rope)
    assert math.isclose(found.worse, wanted.cdf(-rope), rel_tol=1e-9)
    assert math.isclose(found.better, wanted.sf(rope), rel_tol=1e-9)
    assert math.isclose(found.worse + found.equivalent + found.better, 1)
    none = bayesian_t([np.zeros(3)], [0.1], rope)
    assert (none.worse, none.equivalent, none.better) == (0, 1, 0)
    one = bayesian_t([np.array([3.0])], [0.1], rope)
    assert all(map(math.isnan, (one.worse, one.equivalent, one.better)))


def test_bootstrap_resamples_seeds_inside_datasets() -> None:
    d = [np.random.default_rng(0).normal(1, 1, 40)]
    low, high = bootstrap([d], lambda x: x[0].mean(axis=1))
    wanted = stats.bootstrap((d[0],), np.mean, method="percentile", rng=1).confidence_interval
    assert abs(low - wanted.low) < 0.05 and abs(high - wanted.high) < 0.05


def test_interquartile_mean() -> None:
    scores = [np.arange(8.0), np.array([100.0, -50, 3, 4])]
    assert interquartile_mean(scores) == stats.trim_mean(np.concatenate(scores), 0.25)
    low, high = interquartile_mean_interval(scores)
    assert low <= interquartile_mean(scores) <= high


def test_few_blocks_are_not_bootstrapped() -> None:
    few = interquartile_mean_interval([np.arange(4.0), np.arange(5.0)])
    assert all(map(math.isnan, few))


@given(values, values)
def test_seeds_ahead_is_the_u_statistic(a: np.ndarray, b: np.ndarray) -> None:
    wanted = float(stats.mannwhitneyu(a, b).statistic)
    assert seeds_ahead([a], [b + 1e-14]) == (wanted, len(a) * len(b))


@pytest.mark.parametrize(
    ("blocks", "wanted"), [(3, 6.94), (5, 5.37), (9, 4.0), (12, 3.47), (20, 2.69), (30, 2.19)]
)
def test_critical_difference_of_nine_methods(blocks: int, wanted: float) -> None:
    assert critical_difference(9, blocks) == pytest.approx(wanted, abs=0.006)


def test_friedman() -> None:
    draws = np.random.default_rng(0)
    scores = pd.DataFrame(draws.normal([0, 0.5, 2], 1, (12, 3)), columns=["a", "b", "c"])
    found = friedman(scores)
    chi2 = stats.friedmanchisquare(*scores.to_numpy().T).statistic
    assert math.isclose(found.statistic, 11 * chi2 / (24 - chi2))
    assert found.ranks.index[0] == "c" and math.isclose(found.ranks.sum(), 6)
    # Nemenyi's p falls below alpha exactly where ranks differ by more than the critical difference.
    for first, second in (("a", "b"), ("a", "c"), ("b", "c")):
        apart = abs(found.ranks[first] - found.ranks[second]) > found.critical_difference
        assert apart == (found.pairs.loc[first, second] < 0.05)


def test_friedman_refuses_few_blocks() -> None:
    with pytest.raises(HarbenchError, match="at least 10 complete blocks"):
        friedman(pd.DataFrame(np.zeros((9, 3))))


RATES = (0.0, 0.05, 0.10, 0.15)


def runs_at_rates(slopes: dict[str, list[float]], datasets: int = 1) -> pd.DataFrame:
    """Lines without noise: one per method and seed, slopes in points per 1 % missing."""
    rows = [
        (method, f"d{dataset}", seed, rate, 0.9 - 0.05 * dataset - 0.01 * seed + slope * rate)
        for dataset in range(datasets)
        for method, each in slopes.items()
        for seed, slope in enumerate(each)
        for rate in RATES
    ]
    frame = pd.DataFrame(rows, columns=["method", "dataset", "seed", "rate", "accuracy"])
    return frame.assign(protocol="p", n=1000, n_test=100, n_train=400, split=frame["seed"])


OURS, THEIRS = [-0.2, -0.25, -0.15, -0.2, -0.2], [-0.7, -0.65, -0.75, -0.6, -0.8]


@pytest.mark.parametrize("datasets", [1, 3])
def test_slopes_are_compared_by_the_corrected_t(datasets: int) -> None:
    frame = runs_at_rates({"robusthar": OURS, "cnn": THEIRS}, datasets)
    found = robustness_slopes(frame, "accuracy", "robusthar")
    assert found.loc["robusthar"].to_list()[:4] == pytest.approx([-0.2, 0, 0, 0])
    gaps = np.array(THEIRS) - np.array(OURS)
    expected = nb_t([gaps] * datasets, [0.25] * datasets)
    row = found.loc["cnn", ["difference", "low", "high", "p"]].to_list()
    assert row == pytest.approx([expected.effect, expected.low, expected.high, expected.p])
    assert found.loc["cnn", "slope"] == pytest.approx(-0.7)


def test_a_slope_takes_whole_runs_that_both_have() -> None:
    frame = runs_at_rates({"robusthar": OURS, "cnn": THEIRS, "gone": OURS})
    lacks = (frame["rate"] == 0.15) & (
        (frame["method"] == "gone") | ((frame["method"] == "cnn") & (frame["seed"] > 2))
    )
    found = robustness_slopes(frame[~lacks], "accuracy", "robusthar")
    assert sorted(found.index) == ["cnn", "robusthar"]
    assert found.loc["cnn", "difference"] == pytest.approx(-0.5)
    with pytest.raises(HarbenchError, match="No run of gone has every missing rate"):
        robustness_slopes(frame[~lacks], "accuracy", "gone")
    with pytest.raises(HarbenchError, match="three missing rates"):
        robustness_slopes(frame[frame["rate"] < 0.1], "accuracy", "robusthar")


def rates(design: Design) -> pd.Series:
    return 100 * rejections(simulate(design, 200, 0), design, 0.05)


def test_the_default_tests_hold_their_error_rate() -> None:
    limit = 5 + 3 * 100 * math.sqrt(0.05 * 0.95 / 200)
    one, three = rates(Design(1, 5, 0.0)), rates(Design(3, 5, 0.0))
    assert one["nb-t"] <= limit and three["nb-t"] <= limit
    # Without the correction more is found that is not there; five seeds cannot reach alpha.
    assert one["paired t (not offered)"] > one["nb-t"] and one["wilcoxon"] == 0
    assert rates(Design(3, 5, 0.15))["nb-t"] > three["nb-t"]


def test_takes_mislead_random_splits_and_not_folds_of_subjects() -> None:
    limit = 5 + 3 * 100 * math.sqrt(0.05 * 0.95 / 200)
    random = rates(Design(1, 5, 0.0, clustered=True))
    folds = rates(Design(1, 5, 0.0, clustered=True, split="subject"))
    assert random["nb-t"] > folds["nb-t"] and folds["nb-t"] <= limit


@pytest.mark.parametrize("seeds", [2, 3])
def test_discrete_scores_give_no_stars(seeds: int) -> None:
    found = starred(seeds, 8, 100, 0.05, 0)
    limit = 5 + 3 * 100 * math.sqrt(0.05 * 0.95 / 100)
    assert found["nb-t"] <= min(limit, found["nb-t without floor (before)"])


def test_the_interval_of_a_mean_stays_where_scores_can_be() -> None:
    scores = [np.array([88.0, 99.0, 97.0])]
    free, kept = corrected_t(scores, [0.3], "", [0.1]), mean_score(scores, [0.3], [0.1])
    assert free.high > 100 and kept == replace(free, high=100.0)
    assert math.isnan(mean_score([np.array([90.0])], [0.3], [0.1]).low)


def test_what_was_not_tested_or_is_all_zero_gets_no_verdict() -> None:
    same = wilcoxon([np.zeros(6)], [0.2], [0.1])
    assert same.p == 1.0 and same.smallest_p == 1.0 and same.verdict(0.05) == "n/a"
    clear = nb_t([np.array([5.0, 5.1, 4.9, 5.2])], [0.2], [0.01])
    assert clear.verdict(0.05) == "better" and replace(clear, tested=False).verdict(0.05) == ""


@pytest.mark.parametrize("spread", [0.0, 20.0])
def test_equal_slopes_are_told_apart_as_often_as_stated(spread: float) -> None:
    assert slopes(5, 200, 0.05, 0, spread) <= 5 + 3 * 100 * math.sqrt(0.05 * 0.95 / 200)
