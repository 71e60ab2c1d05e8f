"""A run's trained network, taken out as a model of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from harbench import __version__, model
from harbench.data import store
from harbench.data.impute import ALONE
from harbench.errors import HarbenchError
from harbench.evaluation.metrics import scores
from harbench.evaluation.predict import one_thread
from harbench.running.again import outdated, run_of
from harbench.running.plan import training_of
from harbench.running.provenance import PACKAGES, installed
from harbench.training.cache import StageCache
from harbench.training.fit import Progress, fit


def export(
    record_file: Path,
    method: str = "",
    device: str = "auto",
    data: str = "",
    report: Callable[[Progress], None] = lambda _: None,
) -> model.Model:
    """The model of a record: from the stage cache, or trained again as the record says.

    Its accuracy on the complete test windows must be the record's. method, data: the files of a
    method and of a dataset that are not registered. Raises HarbenchError where code or data have
    changed since, where the accuracy is another, and for imputations that need the training windows
    (knn, saits).
    """
    run, record = run_of(record_file, method, device, data)
    stale = outdated(record, run)
    if stale:
        raise HarbenchError(
            f"{record_file}: {'; '.join(stale)} since the record was made. Run it anew first."
        )
    impute = run.options.impute
    if impute not in ALONE:
        raise HarbenchError(
            f"{record_file}: impute={impute} needs the training windows for every answer, "
            f"which no model takes along. Use one of {', '.join(ALONE)}."
        )
    dataset = store.load(run.source)
    training = training_of(run, dataset)
    with one_thread():
        fitted = fit(training, StageCache.default(), report)
    clean = record.conditions[0]
    found = model.Model(
        model.card_of(
            training,
            scores={"accuracy": clean.accuracy, "f1_macro": clean.f1_macro},
            record=record.identity.model_dump(mode="json"),
            packages={"harbench": __version__, **installed(PACKAGES)},
        ),
        training.method,
        fitted.network,
        fitted.standardiser,
    )
    test = training.split.test
    predicted = found.predict_proba(dataset.windows[test]).argmax(axis=1)
    accuracy = scores(dataset.labels[test], predicted, len(found.classes))["accuracy"]
    if not math.isclose(accuracy, clean.accuracy, abs_tol=1e-9):
        raise HarbenchError(
            f"{record_file}: its test windows are classified with accuracy {accuracy:.4f}, the "
            f"record says {clean.accuracy:.4f}; other versions or another device. Run it anew."
        )
    return found
