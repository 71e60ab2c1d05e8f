"""Scores against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from harbench.evaluation.metrics import scores

labels = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@settings(deadline=None)
@given(labels)
def test_scores_follow_scikit_learn_on_present_classes(pairs: list[tuple[int, int]]) -> None:
    true, predicted = np.array(pairs).T
    got = scores(true, predicted, 5)
    present = np.unique(true)
    assert got["accuracy"] == pytest.approx(accuracy_score(true, predicted))
    for average in ("macro", "weighted"):
        expected = f1_score(true, predicted, labels=present, average=average, zero_division=0)
        assert got[f"f1_{average}"] == pytest.approx(expected)  # type: ignore[literal-required]
    with np.errstate(invalid="ignore"):
        mean_recall = np.mean([np.mean(predicted[true == c] == c) for c in present])
    assert got["balanced_accuracy"] == pytest.approx(mean_recall)
    assert np.sum(got["confusion"]) == got["n"] == len(true)


def test_balanced_accuracy_is_that_of_scikit_learn() -> None:
    true, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0, 2])
    expected = balanced_accuracy_score(true, predicted)
    assert scores(true, predicted, 3)["balanced_accuracy"] == pytest.approx(expected)
    assert scores(true, predicted, 3)["confusion"] == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
