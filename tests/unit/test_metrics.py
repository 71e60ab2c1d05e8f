"""Scores against their definitions and against scikit-learn."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
)

from harbench.evaluation.metrics import from_confusion, probability_scores, scores

CLASSES = 5
labels = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@given(labels)
def test_scores_follow_scikit_learn_on_present_classes(pairs: list[tuple[int, int]]) -> None:
    true, predicted = np.array(pairs).T
    got = scores(true, predicted, CLASSES)
    present = np.unique(true)
    assert got["accuracy"] == pytest.approx(accuracy_score(true, predicted))
    for average in ("macro", "weighted"):
        expected = f1_score(true, predicted, labels=present, average=average, zero_division=0)
        assert got[f"f1_{average}"] == pytest.approx(expected)  # type: ignore[literal-required]
    each = f1_score(true, predicted, labels=np.arange(CLASSES), average=None, zero_division=0)
    expected_f1 = [each[c] if c in present else None for c in range(CLASSES)]
    assert got["f1_per_class"] == [f1 and pytest.approx(f1) for f1 in expected_f1]
    mean_recall = np.mean([np.mean(predicted[true == c] == c) for c in present])
    assert got["balanced_accuracy"] == pytest.approx(mean_recall)
    expected_counts = confusion_matrix(true, predicted, labels=np.arange(CLASSES))
    assert got["confusion"] == expected_counts.tolist() and got["n"] == len(true)
    again = from_confusion(got["confusion"])
    assert again == {key: got[key] for key in again}  # type: ignore[literal-required]


@given(st.lists(st.integers(0, 99), min_size=361, max_size=361), st.randoms(use_true_random=False))
def test_weighted_f1_has_the_same_bits_in_any_order_of_classes(
    numbers: list[int], random: Random
) -> None:
    """A product by BLAS had other last bits on other processors: 6 of the 35 in one record."""
    counts = np.array(numbers).reshape(19, 19) + np.eye(19, dtype=int)
    order = random.sample(range(19), 19)
    moved = counts[np.ix_(order, order)]
    first, second = (from_confusion(each.tolist()) for each in (counts, moved))
    assert first["f1_weighted"] == second["f1_weighted"]


def test_balanced_accuracy_is_that_of_scikit_learn() -> None:
    true, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0, 2])
    expected = balanced_accuracy_score(true, predicted)
    assert scores(true, predicted, 3)["balanced_accuracy"] == pytest.approx(expected)
    assert scores(true, predicted, 3)["confusion"] == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from([0.1, 1.0, 4.0]))
def test_probabilities_are_scored_by_definition(seed: int, count: int, spread: float) -> None:
    draws = np.random.default_rng(seed)
    logits = spread * draws.normal(size=(count, 3))
    true = draws.integers(0, 3, size=count)
    found = probability_scores(true, logits)
    chances = softmax(logits)
    assert found["nll"] == pytest.approx(log_loss(true, chances, labels=[0, 1, 2]))
    confidence, right = chances.max(axis=1), chances.argmax(axis=1) == true
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert found["ece"] == pytest.approx(expected, abs=1e-9)
    shifted = probability_scores(true, logits + 1000)
    assert shifted["nll"] == pytest.approx(found["nll"], abs=1e-9)


def test_a_sure_and_right_classifier_is_calibrated_and_a_wrong_one_is_not() -> None:
    logits = 1e4 * np.eye(3)
    assert probability_scores(np.arange(3), logits) == {"nll": 0.0, "ece": 0.0}
    wrong = probability_scores(np.array([1, 2, 0]), logits)
    assert wrong == {"nll": 1e4, "ece": 1.0}
