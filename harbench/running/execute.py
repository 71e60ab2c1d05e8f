"""One run: split, train, corrupt, score, record."""

from __future__ import annotations

import math
import re
import resource
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from harbench.data import splits, store
from harbench.data.missing import corruptions, counted
from harbench.data.source import WindowSource
from harbench.errors import HarbenchError, TrainingError, one_line
from harbench.evaluation.metrics import probability_scores, scores
from harbench.evaluation.predict import one_thread, predict
from harbench.running.plan import Run, training_of
from harbench.running.predictions import Kept, keep, predictions_path
from harbench.running.provenance import now, provenance
from harbench.running.records import (
    SCHEMA,
    ConditionScores,
    Cost,
    Failure,
    Record,
    SplitFacts,
    StageCostRecord,
)
from harbench.training.cache import StageCache
from harbench.training.fit import Fitted, Progress, StageCost, fit
from harbench.training.identity import Training, stage_keys


def execute(
    run: Run, command: str, report: Callable[[Progress], None], renew: float = -math.inf
) -> Record | Failure:
    """Carry a run out; whatever goes wrong becomes a Failure, never an exception.

    renew: stages that were finished before it, in seconds since the epoch, are trained anew.
    """
    started = now()
    if run.broken:
        return failure(run, run.broken, run.trace, command, started)
    try:
        with one_thread():
            return _execute(run, command, started, report, renew)
    # One failed run must not stop the grid, not even if it calls sys.exit; its traceback is kept.
    except (Exception, SystemExit) as error:
        expected = isinstance(error, HarbenchError | TrainingError)
        message = str(error) if expected else one_line(error)
        mendable = isinstance(error, HarbenchError)
        return failure(run, message, traceback.format_exc(), command, started, mendable)


def failure(
    run: Run, error: str, trace: str, command: str, started: str, mendable: bool = False
) -> Failure:
    """The record of a run that ended without a result."""
    return Failure(
        schema=SCHEMA,
        status="failed",
        identity=run.identity,
        variant=run.variant,
        mendable=mendable,
        error=error,
        traceback=trace,
        provenance=provenance(command, started),
    )


def _execute(
    run: Run, command: str, started: str, report: Callable[[Progress], None], renew: float
) -> Record:
    dataset, replay = store.load(run.source), run.protocol.replay
    if replay is not None and replay.path is None:
        raise HarbenchError(
            f"The file of gaps {replay.name!r} that protocol {run.protocol.name!r} replays is not "
            "one of the suite's, and a record does not hold it. Run its protocol's file instead."
        )
    training = training_of(run, dataset)
    cache = StageCache.default()
    if renew > -math.inf:
        for key in stage_keys(training):
            cache.drop(key, renew)
    _forget_peak(run.device)
    fitted = fit(training, cache, report)
    conditions, speed = evaluate(run, training, fitted)
    split = training.split
    return Record(
        schema=SCHEMA,
        status="ok",
        identity=run.identity,
        variant=run.variant,
        conditions=conditions,
        split=SplitFacts(
            train=len(split.train),
            validation=len(split.validation),
            test=len(split.test),
            labelled=len(split.labelled),
            test_subjects=len(np.unique(dataset.subjects[split.test])),
            leakage=splits.leakage(dataset, split),
            touching=splits.touching(dataset, split),
            digest=split.digest(),
        ),
        predictions=predictions_path(run),
        cost=Cost(
            parameters=sum(p.numel() for p in fitted.network.parameters()),
            stages=[_cost_record(cost) for cost in fitted.stages],
            peak_memory=_peak_memory(run.device),
            windows_per_second=speed,
            device=torch.cuda.get_device_name() if run.device == "cuda" else "cpu",
        ),
        provenance=provenance(command, started),
    )


def evaluate(run: Run, training: Training, fitted: Fitted) -> tuple[list[ConditionScores], float]:
    """Scores under every test condition of the protocol, and windows per second."""
    dataset, test = training.dataset, training.split.test
    true = dataset.labels[test]
    rows, kept, seconds = [], [], 0.0
    conditions = run.protocol.conditions
    replay = run.protocol.replay
    for condition, missing in corruptions(conditions, dataset, test, run.seed, replay=replay):
        device = torch.device(run.device)
        source = WindowSource(dataset, test, fitted.standardiser, device, missing)
        begun = time.perf_counter()
        logits = predict(training.method, fitted.network, source, run.seed, run.precision)
        seconds += time.perf_counter() - begun
        values, predicted = logits.numpy(), logits.argmax(dim=1).numpy().astype(np.int64)
        which = counted(condition, dataset, test, run.seed)
        rows.append(
            ConditionScores(
                scale=condition.scale,
                rate=condition.rate,
                **scores(true[which], predicted[which], values.shape[1]),
                **probability_scores(true[which], values[which]),
            )
        )
        kept.append(Kept(condition, values, predicted, which))
    keep(run, dataset, test, kept)
    return rows, len(rows) * len(test) / seconds


def _cost_record(cost: StageCost) -> StageCostRecord:
    return StageCostRecord(
        name=cost.name,
        epochs=cost.epochs,
        best_epoch=cost.best_epoch,
        seconds=cost.seconds,
        cached=cost.cached,
    )


def _peak_memory(device: str) -> int:
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    with suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        if found := re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE):
            return int(found[1]) * 1024
    # Elsewhere it is that of the process since it began.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _forget_peak(device: str) -> None:
    """Count the most memory that is held from now on; of a CPU where Linux lets us."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
