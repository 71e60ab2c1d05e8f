"""`harbench.Classifier` as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import (
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
)

from harbench import Classifier
from harbench.errors import HarbenchError


def data(count: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Windows (n, T, N, C) whose mean tells the class, and text labels."""
    rng = np.random.default_rng(0)
    codes = np.arange(count) % 3
    windows = rng.normal(size=(count, 40, 2, 3)) + 0.8 * codes[:, None, None, None]
    return windows, np.array(["rest", "walk", "run"])[codes]


def model(**changes: Any) -> Classifier:
    settings = {"budget": "smoke", "rate": 20.0, "width": 8, "heads": 2, "lr": 0.02, "batch": 8}
    return Classifier(**{"method": "robusthar", **settings, **changes})


def test_it_learns_and_gives_probabilities() -> None:
    X, y = data()
    fitted = model(budget="quick").fit(X, y)
    assert fitted.score(X, y) > 0.9
    assert fitted.classes_.tolist() == ["rest", "run", "walk"]
    shares = fitted.predict_proba(X)
    assert shares.shape == (90, 3) and np.allclose(shares.sum(axis=1), 1, atol=1e-5)


def test_both_layouts_are_the_same_windows() -> None:
    X, y = data()
    flat = X.transpose(0, 2, 3, 1).reshape(90, 6, 40)
    first = model().fit(X, y).predict_proba(X)
    second = model(sensors=2).fit(flat, y).predict_proba(flat)
    assert (first == second).all()


def test_fitting_twice_is_the_same_and_leaves_the_input_alone() -> None:
    X, y = data()
    kept = X.copy()
    assert (model().fit(X, y).predict_proba(X) == model().fit(X, y).predict_proba(X)).all()
    assert (kept == X).all()
    other = model(seed=1).fit(X, y).predict_proba(X)
    assert (other != model().fit(X, y).predict_proba(X)).any()


@pytest.mark.parametrize("rate", [-1, 0, float("nan"), "50"])
def test_a_rate_is_a_number_above_zero(rate: Any) -> None:
    with pytest.raises(HarbenchError, match="rate must be a number of Hz above 0"):
        model(rate=rate).fit(*data())


def test_missing_values_and_windows_without_labels() -> None:
    X, y = data()
    X[::4, :, 0] = np.nan
    codes = np.unique(y, return_inverse=True)[1]
    codes[::3] = -1
    codes[:30] = np.where(np.arange(30) % 2, codes[:30], -1)
    fitted = model().fit(X, codes)
    assert -1 not in fitted.classes_ and np.isfinite(fitted.predict_proba(X)).all()
    assert len(fitted.training_.split.train) > len(fitted.training_.split.labelled)


@pytest.mark.parametrize("none", [-1, None, "-1"])
def test_windows_without_label_among_texts(none: object) -> None:
    X, y = data()
    mixed = y.astype(object)
    mixed[::5] = none
    fitted = model().fit(X, mixed)
    assert fitted.classes_.tolist() == ["rest", "run", "walk"]
    assert len(fitted.training_.split.train) > len(fitted.training_.split.labelled)
    # A list of texts and -1 becomes an array of texts.
    texts = model().fit(X, np.array(["-1" if each is none else each for each in mixed]))
    assert (texts.predict_proba(X) == fitted.predict_proba(X)).all()


def test_what_was_learned_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = data()
    fitted = model(verbose=True).fit(X, y)
    assert list(fitted.history_) == ["pretrain", "finetune"]
    assert {"loss", "validation_f1", "validation_loss"} <= set(fitted.history_["finetune"][-1])
    assert "pretrain 1/1: " in capsys.readouterr().out
    model().fit(X, y)
    assert not capsys.readouterr().out
    with pytest.raises(HarbenchError, match="not sample_weight: every window counts alike"):
        model().fit(X, y, sample_weight=np.ones(90))


def test_scikit_learn_accepts_its_constructor() -> None:
    check_no_attributes_set_in_init("Classifier", Classifier())
    check_parameters_default_constructible("Classifier", Classifier())
    estimator = Classifier("cnn", config={"width": 8}, kernel=3)
    assert estimator.get_params()["width"] == 8 and estimator.get_params()["kernel"] == 3
    assert clone(estimator).get_params() == estimator.get_params()


def test_it_is_an_estimator() -> None:
    X, y = data()
    estimator = model(lam=0.3)
    assert estimator.get_params()["lam"] == 0.3
    copy = clone(estimator).set_params(seed=5, mask_rate=0.5)
    assert copy.get_params() == {**estimator.get_params(), "seed": 5, "mask_rate": 0.5}
    with pytest.raises(NotFittedError):
        copy.predict(X)
    steps = make_pipeline(FunctionTransformer(np.nan_to_num), estimator)
    assert cross_val_score(steps, X, y, cv=2).shape == (2,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((90, 4))}, r"must be \(n, T, N, C\) or \(n, V, T\)"),
        ({"X": np.zeros((0, 40, 2, 3)), "y": []}, "not empty"),
        ({"X": np.full((90, 40, 2, 3), np.inf)}, "infinite"),
        ({"y": np.zeros(90)}, "1 class; at least two"),
        ({"y": np.zeros(89)}, r"one label per window \(90\)"),
        (
            {"y": np.where(np.arange(90) == 7, np.nan, np.arange(90) % 2)},
            r"y\[7\] is nan",
        ),
        ({"y": np.where(np.arange(90) == 7, 5, np.arange(90) % 2)}, "has one window"),
        ({"y": np.array(["a", 1] * 45, dtype=object)}, "mixes labels of types int, str"),
        ({"lamb": 1}, "Did you mean 'lam'"),
        ({"lam": 7}, "lam=7"),
        ({"patch": 41}, "patch=41 is longer than a window of 40"),
        ({"method": "robusthat"}, "Did you mean 'robusthar'"),
        ({"budget": "quik"}, "Did you mean 'quick'"),
        ({"positions": [(0, 0, 0)]}, r"positions must be \(2, 3\)"),
        ({"X": np.zeros((90, 7, 40)), "sensors": 2}, "7 channels, which 2 sensors cannot share"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_explained(change: dict[str, Any], message: str) -> None:
    X, y = data()
    X, y = change.pop("X", X), change.pop("y", y)
    with pytest.raises(HarbenchError, match=message):
        model(**change).fit(X, y)


def test_other_windows_than_fitted_on() -> None:
    X, y = data()
    with pytest.raises(HarbenchError, match=r"Fitted on windows \(40, 2, 3\), got \(30, 2, 3\)"):
        model().fit(X, y).predict(X[:, :30])


def test_parameters_come_in_any_order() -> None:
    for given in ({"batch": 4, "config": {"width": 16}}, {"config": {"width": 16}, "batch": 4}):
        assert model(heads=4).set_params(**given).config == {"width": 16, "batch": 4}


def test_a_fit_that_fails_leaves_what_was_fitted() -> None:
    X, y = data()
    fitted = model().fit(X, y)
    before = fitted.predict(X)
    with pytest.raises(HarbenchError):
        fitted.set_params(method="nope").fit(X, np.array(["a", "b"])[np.arange(90) % 2])
    assert (fitted.predict(X) == before).all() and fitted.classes_.tolist() == [
        "rest",
        "run",
        "walk",
    ]


def test_what_a_mask_hides_is_missing() -> None:
    X, y = data()
    fitted = model().fit(X, y)
    hidden = np.zeros(X.shape, dtype=bool)
    hidden[:, 10:30, 0] = True
    masked = fitted.predict_proba(np.ma.masked_array(X, mask=hidden))
    assert (masked == fitted.predict_proba(np.where(hidden, np.nan, X))).all()
    assert (masked != fitted.predict_proba(X)).any()


def test_kinds_of_seeds_and_labels() -> None:
    X, y = data()
    assert (
        model(seed=np.int64(3)).fit(X, y).predict(X) == model(seed=3).fit(X, y).predict(X)
    ).all()
    some = pd.Series(y, dtype="string")
    some[:30] = pd.NA
    none = [None] * 30 + y[30:].tolist()
    assert (model().fit(X, some).predict(X) == model().fit(X, none).predict(X)).all()
    for change, message in (({"seed": "3"}, "whole number"), ({"precision": "fp8"}, "precision")):
        with pytest.raises(HarbenchError, match=message):
            model(**change).fit(X, y)
