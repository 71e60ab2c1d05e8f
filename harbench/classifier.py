"""Any method as a scikit-learn classifier on arrays."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from numbers import Real
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from harbench import registry
from harbench.data import store
from harbench.data.source import WindowSource
from harbench.data.splits import SHARE, Split, stratified
from harbench.dataset import DatasetInfo, FloatArray, IntArray, Sensor
from harbench.errors import HarbenchError
from harbench.evaluation.predict import Precision, one_thread, predict
from harbench.method import budget
from harbench.model import plain
from harbench.options import build
from harbench.protocol import Condition
from harbench.running.plan import resolve_device
from harbench.streams import stream
from harbench.training.fit import Progress, fit
from harbench.training.identity import Training

UNLABELLED = -1


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """``Classifier("robusthar", lam=0.3).fit(X, y).predict(X)``.

    X is (n, T, N, C): T steps, N sensors, C channels; or (n, V, T) as aeon and sktime use it, whose
    V channels are `sensors` devices of V / sensors channels each, sensor by sensor. NaN marks a
    missing value. y holds any labels; -1 or None (also among texts) marks a window without label,
    which only the unlabelled stages of a method see. A tenth of the labelled windows selects the
    best epoch.

    Parameters
    ----------
    method:
        Name of a registered method.
    sensors:
        Number of devices in (n, V, T) input.
    positions:
        (N, 3) body coordinates in metres (right, forward, up of the pelvis); by default the sensors
        stand in a vertical line, in their order.
    rate:
        Hz.
    budget:
        "paper", "quick" or "smoke"; "quick", not the command line's "paper", because
        cross-validation fits many times.
    seed, device, precision:
        As in `harbench.run`.
    verbose:
        Print a line per epoch.
    config, **options:
        The method's configuration: a mapping, or keywords of any other name.

    Attributes
    ----------
    classes_:
        Sorted labels.
    history_:
        Stage -> a dict per epoch, its mean losses and, where validation windows were scored,
        "validation_f1" and "validation_loss".
    network_:
        The trained torch module.
    training_, standardiser_:
        What it was trained on and with.
    """

    def __init__(
        self,
        method: str = "robusthar",
        *,
        sensors: int = 1,
        positions: Any = None,
        rate: float = 50.0,
        budget: str = "quick",
        seed: int = 0,
        device: str = "auto",
        precision: Precision = "fp32",
        verbose: bool = False,
        config: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.method = method
        self.sensors = sensors
        self.positions = positions
        self.rate = rate
        self.budget = budget
        self.seed = seed
        self.device = device
        self.precision = precision
        self.verbose = verbose
        self.config = {**(config or {}), **options} if options else config

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The named parameters and, each by its name, the method's configuration values."""
        return {**super().get_params(deep), "config": None, **(self.config or {})}

    def set_params(self, **params: Any) -> Self:
        """Set named parameters; all others go into the method's configuration."""
        named = super().get_params(deep=False)
        for key in params.keys() & named:
            setattr(self, key, params[key])
        # In whatever order they come: a configuration, and single values of it.
        if others := {key: value for key, value in params.items() if key not in named}:
            self.config = {**(self.config or {}), **others}
        return self

    def fit(self, X: Any, y: Any, **others: Any) -> Self:  # noqa: N803
        """Train on windows X and labels y; raises HarbenchError (a ValueError) on bad input."""
        # No parameter of its own: scikit-learn's meta-estimators ask whether there is one.
        given = [name for name, value in others.items() if value is not None]
        if given:
            raise HarbenchError(
                f"fit takes X and y only, not {', '.join(given)}: every window counts alike. "
                "Repeat or drop windows instead."
            )
        if not _positive(self.rate):
            raise HarbenchError(f"rate must be a number of Hz above 0, got {self.rate!r}.")
        windows = self._windows(X)
        classes, codes = _codes(y, len(windows))
        seed = _seed(self.seed)
        cls = registry.method_class(self.method)
        place = resolve_device(self.device, self.precision)
        dataset = store.from_arrays(windows, np.maximum(codes, 0), self._info(windows, classes))
        training = Training(
            method=cls(build(cls.Config, self.config or {}, f"method {self.method!r}")),
            dataset=dataset,
            split=_split(codes, seed),
            train_missing=Condition(),
            budget=budget(self.budget),
            seed=seed,
            precision=self.precision,
            device=place,
        )
        with one_thread():
            fitted = fit(training, report=_print if self.verbose else lambda _: None)
        # All together: a fit that fails leaves what was fitted before.
        self.training_, self.classes_ = training, classes
        self.network_ = fitted.network
        self.history_ = {stage.name: stage.history for stage in fitted.stages}
        self.standardiser_ = fitted.standardiser
        self.n_features_in_ = int(np.prod(windows.shape[1:]))
        return self

    def predict_proba(self, X: Any) -> FloatArray:  # noqa: N803
        """(n, K) class probabilities, columns as in `classes_`."""
        check_is_fitted(self, "network_")
        windows = self._windows(X)
        known = self.training_.dataset
        if windows.shape[1:] != known.shape:
            raise HarbenchError(f"Fitted on windows {known.shape}, got {windows.shape[1:]}.")
        labels = np.zeros(len(windows), dtype=np.int64)
        source = WindowSource(
            store.from_arrays(windows, labels, known.info),
            np.arange(len(windows)),
            self.standardiser_,
            torch.device(self.training_.device),
        )
        with one_thread():
            logits = predict(
                self.training_.method,
                self.network_,
                source,
                self.training_.seed,
                self.training_.precision,
            )
        return np.asarray(torch.softmax(logits, dim=1).numpy())

    def predict(self, X: Any) -> np.ndarray[Any, Any]:  # noqa: N803
        """(n,) the most probable label."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _windows(self, given: Any) -> FloatArray:
        windows = plain(given)
        if windows.ndim == 3:
            count, channels, steps = windows.shape
            if channels % self.sensors:
                raise HarbenchError(
                    f"X has {channels} channels, which {self.sensors} sensors cannot share equally."
                )
            split = windows.reshape(count, self.sensors, channels // self.sensors, steps)
            windows = np.moveaxis(split, 3, 1)
        if windows.ndim != 4 or 0 in windows.shape:
            raise HarbenchError(
                f"X must be (n, T, N, C) or (n, V, T) and not empty, got {np.shape(given)}."
            )
        if np.isinf(windows).any():
            raise HarbenchError("X holds infinite values; use NaN for missing ones.")
        return windows

    def _info(self, windows: FloatArray, classes: np.ndarray[Any, Any]) -> DatasetInfo:
        sensors, channels = windows.shape[2:]
        places = self.positions
        if places is None:
            places = [(0.0, 0.0, -0.1 * index) for index in range(sensors)]
        if np.shape(places) != (sensors, 3):
            raise HarbenchError(f"positions must be ({sensors}, 3), got {np.shape(places)}.")
        return DatasetInfo(
            title="arrays",
            sensors=tuple(
                Sensor(f"sensor {i}", (float(x), float(y), float(z)))
                for i, (x, y, z) in enumerate(places)
            ),
            channels=tuple(f"channel {i}" for i in range(channels)),
            units=("",) * channels,
            classes=tuple(map(str, classes)),
            rate=self.rate,
            licence="",
            citation="",
        )


def _positive(value: Any) -> bool:
    """Whether a value is a number above 0; NumPy's numbers are."""
    return isinstance(value, Real) and 0 < float(value) < math.inf


def _codes(y: Any, count: int) -> tuple[np.ndarray[Any, Any], IntArray]:
    """Sorted classes, and their index for each window, -1 where unlabelled."""
    labels = np.asarray(y)
    if labels.shape != (count,):
        raise HarbenchError(f"y must have one label per window ({count}), got {labels.shape}.")
    # pandas' NA can be compared with nothing; NumPy turns -1 among texts into "-1".
    if labels.dtype == object:
        labels = np.array([None if each is pd.NA else each for each in labels], dtype=object)
    unlabelled = np.array([each in (None, UNLABELLED, str(UNLABELLED)) for each in labels])
    undefined = np.array([each != each for each in labels.tolist()])
    if undefined.any():
        raise HarbenchError(
            f"y[{int(undefined.argmax())}] is {labels[undefined.argmax()]}; use -1 or None for "
            "windows without a label."
        )
    kinds = sorted({type(each).__name__ for each in labels[~unlabelled].tolist()})
    if "str" in kinds and len(kinds) > 1:
        raise HarbenchError(f"y mixes labels of types {', '.join(kinds)}: use one of them.")
    given = np.array(labels[~unlabelled].tolist())
    classes, codes = np.unique(given, return_inverse=True)
    if len(classes) < 2:
        raise HarbenchError(
            f"y has {len(classes)} class{'' if len(classes) == 1 else 'es'}; at least two are "
            "needed. -1 is none: it says that a window has no label."
        )
    found = np.full(count, UNLABELLED, dtype=np.int64)
    found[~unlabelled] = codes
    if np.bincount(codes).min() < 2:
        rare = classes[np.bincount(codes).argmin()]
        raise HarbenchError(f"Class {rare!r} has one window; training needs at least two.")
    return classes, found


def _split(codes: IntArray, seed: int) -> Split:
    """A stratified tenth of the labelled windows, at least one per class, for selection."""
    labelled = np.flatnonzero(codes >= 0)
    draws = stream(seed, "validation")
    count = round(SHARE * len(labelled))
    chosen = stratified(codes[labelled], count, draws, at_least_one=True)
    validation = labelled[chosen]
    train = np.setdiff1d(np.arange(len(codes)), validation)
    return Split(train, validation, validation[:0], np.setdiff1d(labelled, validation))


def _seed(given: Any) -> int:
    """A seed as a number of Python's, so that it can be hashed and written."""
    try:
        return operator.index(given)
    except TypeError:
        raise HarbenchError(f"seed must be a whole number, got {given!r}.") from None


def _print(progress: Progress) -> None:
    score = "" if progress.score is None else f", validation F1 {100 * progress.score:.1f}"
    print(f"{progress.stage} {progress.epoch}/{progress.epochs}: {progress.loss:.4f}{score}")
