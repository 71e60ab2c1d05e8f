"""How long a plan will take, measured on a few real training steps."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
import torch

from harbench.data import store
from harbench.data.source import Standardiser, WindowSource
from harbench.evaluation.predict import one_thread
from harbench.method import LabelledBatch, Stage
from harbench.running.plan import Run, training_of
from harbench.training.cache import StageCache
from harbench.training.fit import initial_network
from harbench.training.identity import Training, stage_keys

STEPS = 3


class Estimator:
    """Seconds that runs will take, and their cached stages; each kind of stage is timed once."""

    def __init__(self) -> None:
        self.cache = StageCache.default()
        self.planned: set[str] = set()
        self.per_step: dict[tuple[str, str, str], float] = {}

    def run(self, run: Run, force: bool = False) -> tuple[list[tuple[str, str]], float]:
        """(stage name, "cached" | "shared" | "train") of every stage, and the run's seconds.

        A stage is shared where an earlier run of the plan trains the same one.
        """
        training = training_of(run, store.load(run.dataset))
        states, seconds = [], 0.0
        stages = training.method.stages(training.budget)
        for stage, key in zip(stages, stage_keys(training), strict=True):
            if key in self.planned:
                state = "shared"
            elif self.cache.has(key) and not force:
                state = "cached"
            else:
                state = "train"
                self.planned.add(key)
                count = len(training.split.labelled if stage.labelled else training.split.train)
                steps = stage.epochs * math.ceil(count / stage.batch_size)
                seconds += steps * self._seconds_per_step(run, training, stage)
            states.append((stage.name, state))
        return states, seconds

    def _seconds_per_step(self, run: Run, training: Training, stage: Stage) -> float:
        kind = (run.label, run.dataset, stage.name)
        if kind not in self.per_step:
            self.per_step[kind] = time_stage(training, stage)
        return self.per_step[kind]


def time_stage(training: Training, stage: Stage) -> float:
    """Median seconds of a training step on real windows, after one step to warm up."""
    device = torch.device(training.device)
    rows = np.resize(training.split.labelled, stage.batch_size)
    standardiser = Standardiser.fit(training.dataset, training.split.labelled)
    x, observed = WindowSource(training.dataset, rows, standardiser, device).batch(
        torch.arange(len(rows))
    )
    y = torch.from_numpy(training.dataset.labels[rows]).to(device)
    batch = LabelledBatch(x, observed, torch.Generator(device), y)
    with torch.random.fork_rng(), one_thread():
        network = initial_network(training, device).train()
        optimizer = stage.optimizer(network.parameters())
        times = []
        for _ in range(STEPS + 1):
            begun = time.perf_counter()
            losses = stage.loss(network, batch)
            loss = losses if isinstance(losses, torch.Tensor) else losses["loss"]
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            float(loss.detach())
            times.append(time.perf_counter() - begun)
    return float(np.median(times[1:]))


def total_seconds(seconds: Sequence[float], jobs: int) -> float:
    """Wall time of runs that are dealt, in order, to the first free one of `jobs` workers."""
    free = [0.0] * max(1, jobs)
    for each in seconds:
        free[free.index(min(free))] += each
    return max(free)
