"""A trained method scored on every set of sensors that is kept, the others lost in all windows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch

from harbench.data import store
from harbench.data.lost import Missing, Part
from harbench.data.source import WindowSource
from harbench.dataset import BoolArray, HARDataset, IntArray
from harbench.errors import HarbenchError, TrainingError
from harbench.evaluation.metrics import scores
from harbench.evaluation.predict import one_thread, predict
from harbench.running.plan import Run, training_of
from harbench.running.probe_records import SCHEMA, SeedScores, SensorPlace, SensorProbe, SetScores
from harbench.running.provenance import now, provenance
from harbench.streams import stream
from harbench.training.cache import StageCache
from harbench.training.fit import Fitted, Progress, fit
from harbench.training.identity import Training

# Up to so many sets all are scored; of more sensors about as many are sampled.
MOST_SETS = 256
FEWEST_ORDERS = 10

Sets = list[list[int]]


def sensor_sets(sensors: int) -> tuple[Sets, Sets]:
    """The sets of kept sensors to score, by size, and the orders that they were sampled by.

    All non-empty sets and no orders, up to 256 of them. Else each sensor alone, all but each, all,
    and every beginning of random orders of the sensors: as many sets of each size, about 256 in
    all, the same in every call.
    """
    if 2**sensors - 1 <= MOST_SETS:
        sizes = range(1, sensors + 1)
        sets = [list(c) for k in sizes for c in itertools.combinations(range(sensors), k)]
        return sets, []
    count = max(FEWEST_ORDERS, (MOST_SETS - 2 * sensors - 1) // (sensors - 3))
    draws = stream(0, "sensor orders")
    orders = [draws.permutation(sensors).tolist() for _ in range(count)]
    everyone = range(sensors)
    found = {(i,) for i in everyone} | {tuple(j for j in everyone if j != i) for i in everyone}
    found |= {tuple(sorted(order[:size])) for order in orders for size in range(1, sensors + 1)}
    return [list(each) for each in sorted(found, key=lambda each: (len(each), each))], orders


def probe_sensors(
    runs: Sequence[Run],
    command: str = "harbench.probe_sensors",
    news: Callable[[Run, Progress], None] = lambda _run, _progress: None,
    ended: Callable[[Run, SeedScores], None] = lambda _run, _scores: None,
) -> SensorProbe:
    """Train (or load) each run's method and score its test windows with every set of sensors.

    runs: one method on one dataset, a run per seed. A window that has no value left is answered
    with the most frequent class of the labelled training windows; that is the score of no sensors,
    too. Raises HarbenchError for a dataset with one sensor, or where a training diverges.
    """
    started, dataset = now(), store.load(runs[0].source)
    info = dataset.info
    if len(info.sensors) < 2:
        raise HarbenchError(
            f"Dataset {dataset.spec!r} has one sensor: there is no set of sensors to choose. "
            "Choose another dataset: harbench list datasets."
        )
    sets, orders = sensor_sets(len(info.sensors))
    found = []
    for run in runs:

        def report(progress: Progress, run: Run = run) -> None:
            news(run, progress)

        try:
            with one_thread():
                found.append(_seed(run, dataset, sets, report))
        except TrainingError as error:
            raise HarbenchError(f"{run}: {error}") from error
        ended(run, found[-1])
    return SensorProbe(
        schema=SCHEMA,
        probe="sensors",
        sensors=[SensorPlace(name=s.name, position=list(s.position)) for s in info.sensors],
        classes=list(info.classes),
        sets=sets,
        orders=orders,
        runs=found,
        provenance=provenance(command, started),
    )


def _seed(
    run: Run, dataset: HARDataset, sets: Sets, report: Callable[[Progress], None]
) -> SeedScores:
    training = training_of(run, dataset)
    fitted = fit(training, StageCache.default(), report)
    none, *kept = score_sets(training, fitted, [[], *sets])
    split = training.split
    return SeedScores(
        identity=run.identity,
        train=len(split.train),
        test=len(split.test),
        split=split.digest(),
        none=none,
        kept=kept,
    )


def score_sets(training: Training, fitted: Fitted, sets: Sets) -> list[SetScores]:
    """The scores of all test windows for each set of kept sensors.

    A window that has no value left is answered with the most frequent class of the labelled
    training windows.
    """
    dataset, split = training.dataset, training.split
    count, true = len(dataset.info.classes), dataset.labels[split.test]
    usual = int(np.bincount(dataset.labels[split.labelled], minlength=count).argmax())
    present = np.asarray(Part(dataset, split.test, training.seed).present.any(axis=2))
    found = []
    for members in sets:
        kept = np.zeros(present.shape[1], dtype=bool)
        kept[members] = True
        predicted = np.full(len(true), usual, dtype=np.int64)
        rows = np.flatnonzero(present[:, kept].any(axis=1))
        if len(rows):
            predicted[rows] = _classes(training, fitted, split.test[rows], kept)
        said = scores(true, predicted, count)
        found.append(
            SetScores(
                accuracy=said["accuracy"],
                f1_macro=said["f1_macro"],
                f1_per_class=said["f1_per_class"],
            )
        )
    return found


def _classes(training: Training, fitted: Fitted, windows: IntArray, kept: BoolArray) -> IntArray:
    """The predicted class of some windows that have only the sensors `kept` (N,)."""
    device = torch.device(training.device)
    missing = None if kept.all() else lost_sensors(~kept, len(windows), training.dataset.shape)
    source = WindowSource(training.dataset, windows, fitted.standardiser, device, missing)
    logits = predict(training.method, fitted.network, source, training.seed, training.precision)
    return np.asarray(logits.argmax(dim=1).numpy(), dtype=np.int64)


def lost_sensors(lost: BoolArray, count: int, shape: tuple[int, int, int]) -> Missing:
    """The loss of the same sensors (N,) in all of `count` windows of `shape` (T, N, C)."""
    _, sensors, channels = shape
    cells = np.broadcast_to(lost[None, :, None], (count, sensors, channels)).copy()
    return Missing.of(count, shape, cells)
