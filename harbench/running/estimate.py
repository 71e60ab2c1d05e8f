"""How long a plan will take, measured on a few real training steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from harbench.data import store
from harbench.data.source import Standardiser, WindowSource
from harbench.evaluation.predict import one_thread
from harbench.method import Batch, FitStage, LabelledBatch, Stage
from harbench.running.plan import Run, training_of
from harbench.running.prepared import Prepared
from harbench.training.cache import StageCache
from harbench.training.fit import fit_once, initial_network, input_shape, stage_lengths
from harbench.training.identity import Training, stage_keys
from harbench.training.loop import Labelled, StageData, set_mode, trained_parameters
from harbench.training.steps import Step

STEPS = 3


class Estimator:
    """Seconds that runs will take, and their cached stages; each kind of stage is timed once."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.cache = StageCache.default()
        self.planned: set[str] = set()
        self.per_step: dict[tuple[str, str, str], float] = {}

    def run(self, run: Run, force: bool = False) -> tuple[list[tuple[str, str]], float]:
        """(stage name, "cached" | "shared" | "train") of every stage, and the run's seconds.

        Seconds are those of stages that do not end early. A stage is shared where an earlier run of
        the plan trains the same one.
        """
        dataset = self.prepared.dataset(run.source)
        split = self.prepared.split(dataset, run.protocol, run.seed)
        training = training_of(run, dataset, split)
        states, seconds = [], 0.0
        stages, lengths = training.stages(), stage_lengths(training)
        for stage, length, key in zip(stages, lengths, stage_keys(training), strict=True):
            if key in self.planned:
                state = "shared"
            elif self.cache.has(key) and not force:
                state = "cached"
            else:
                state = "train"
                self.planned.add(key)
                seconds += length.total_steps * self._seconds_per_step(run, training, stage)
            states.append((stage.name, state))
        return states, seconds

    def _seconds_per_step(self, run: Run, training: Training, stage: Stage | FitStage) -> float:
        kind = (run.label, run.dataset, stage.name)
        if kind not in self.per_step:
            self.per_step[kind] = time_stage(training, stage)
        return self.per_step[kind]


def time_stage(training: Training, stage: Stage | FitStage) -> float:
    """Median seconds of a training step on real windows, after one step to warm up.

    A stage without gradients is one step; it is carried out once, which is all it takes.
    """
    device = torch.device(training.device)
    data = _some_data(training, stage, device)
    with torch.random.fork_rng(), one_thread():
        network = initial_network(training, device)
        if isinstance(stage, FitStage):
            return fit_once(stage, network, data, training.seed)
        batch = LabelledBatch(
            *data.source.batch(torch.arange(len(data.source))),
            torch.Generator(device),
            cast(Tensor, data.y),
        )
        set_mode(stage, network)
        times = []
        with trained_parameters(stage, network) as trained:
            step = Step(stage, network, stage.optimizer(iter(trained)), trained)
            for _ in range(STEPS + 1):
                begun = time.perf_counter()
                float(step.take(batch)["loss"])
                times.append(time.perf_counter() - begun)
    return float(np.median(times[1:]))


def _some_data(training: Training, stage: Stage | FitStage, device: torch.device) -> StageData:
    """One batch of labelled windows, or all of them for a stage without gradients."""
    dataset, rows = training.dataset, training.split.labelled
    if isinstance(stage, Stage):
        rows = np.resize(rows, stage.batch_size)
    standardiser = replace(
        Standardiser.fit(dataset, training.split.labelled), indicator=training.options.indicator
    )
    source = WindowSource(dataset, rows, standardiser, device)
    y = torch.from_numpy(dataset.labels[rows]).to(device)
    return StageData(source, y, Labelled(source, y))


@dataclass(frozen=True)
class Size:
    """parameters: of the whole network, 0 where none is trained by gradients.

    flops: floating-point operations of scoring one window (two per multiplication and addition of
    matrix products and convolutions; None where torch does not compute the scores). stages: name,
    batch size (0: all labelled windows at once), seconds per step.
    """

    parameters: int
    flops: int | None
    stages: list[tuple[str, int, float]]


def sizes(run: Run) -> Size:
    """Measure a run's method on its dataset's windows."""
    training = training_of(run, store.load(run.source))
    device = torch.device(training.device)
    steps = [
        (stage.name, getattr(stage, "batch_size", 0), time_stage(training, stage))
        for stage in training.stages()
    ]
    with torch.random.fork_rng():
        network = initial_network(training, device).eval()
    parameters = sum(p.numel() for p in network.parameters())
    return Size(parameters, _flops(training, network, device) if parameters else None, steps)


def _flops(training: Training, network: nn.Module, device: torch.device) -> int:
    told = input_shape(training.dataset, training.options.indicator)
    shape = (1, told.steps, told.sensors, told.channels)
    draws = torch.Generator(device).manual_seed(0)
    x = torch.randn(shape, generator=draws, device=device)
    batch = Batch(x, torch.ones_like(x, dtype=torch.bool), draws)
    # With gradients, because the counter cannot see into torch's fused layers for inference.
    with FlopCounterMode(display=False) as counter:
        training.method.logits(network, batch)
    return int(counter.get_total_flops())


def total_seconds(seconds: Sequence[float], jobs: int) -> float:
    """Wall time of runs that are dealt, in order, to the first free one of `jobs` workers."""
    free = [0.0] * max(1, jobs)
    for each in seconds:
        free[free.index(min(free))] += each
    return max(free)
