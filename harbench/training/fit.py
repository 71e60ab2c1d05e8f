"""From a method and a split dataset to a trained network, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from harbench.data.augment import Augmentation
from harbench.data.impute import filler
from harbench.data.missing import Missing, corruptions
from harbench.data.source import Standardiser, WindowSource
from harbench.dataset import HARDataset, IntArray
from harbench.method import Batch, FitStage, InputShape, LabelledBatch, Stage
from harbench.streams import torch_seed
from harbench.training.cache import StageCache
from harbench.training.identity import Training, stage_keys
from harbench.training.length import Length, stage_length
from harbench.training.loop import Labelled, Report, StageData, State, train


@dataclass(frozen=True)
class StageCost:
    """What a finished stage took. cached: its weights came from an earlier training.

    epochs: how many ran. steps: optimiser steps in each. history: mean losses of each epoch, with
    "validation_f1" and "validation_loss" where validation windows were scored; empty for a stage
    without gradients.
    """

    name: str
    epochs: int
    steps: int
    best_epoch: int
    seconds: float
    cached: bool
    history: list[dict[str, float]]


@dataclass(frozen=True)
class Fitted:
    """A trained network, the standardisation that its inputs need, and what it cost."""

    network: nn.Module
    standardiser: Standardiser
    stages: list[StageCost]


@dataclass(frozen=True)
class Progress:
    """One line of news from a training, epoch of epochs; fewer if the stage ends early.

    seconds_left: of all stages, at the present pace, if none ends early.
    """

    stage: str
    epoch: int
    epochs: int
    loss: float
    score: float | None
    seconds_left: float


def input_shape(dataset: HARDataset, indicator: bool = False) -> InputShape:
    """What a method is told of a dataset; with the indicator it has twice the channels."""
    steps, sensors, channels = dataset.shape
    info = dataset.info
    return InputShape(
        steps,
        sensors,
        2 * channels if indicator else channels,
        len(info.classes),
        info.rate,
        tuple(sensor.position for sensor in info.sensors),
    )


def initial_network(training: Training, device: torch.device) -> nn.Module:
    """The untrained network; its weights depend on (seed, method) only."""
    torch.manual_seed(torch_seed(training.seed, "initialisation", training.method.name))
    shape = input_shape(training.dataset, training.options.indicator)
    return training.method.build(shape).to(device)


def part_missing(training: Training, part: str, indices: IntArray) -> Missing | None:
    """The corruption of the training or validation part, None for a clean one."""
    conditions = [training.train_missing]
    ((condition, missing),) = corruptions(
        conditions, training.dataset, indices, training.seed, part
    )
    return missing if condition.corrupts else None


def prepare(training: Training, missing: Missing | None = None) -> Standardiser:
    """What makes windows the method's input, learned from training windows only.

    missing: the corruption of the training part, if it has any.
    """
    dataset, train, options = training.dataset, training.split.train, training.options
    plain = Standardiser.fit(dataset, train, missing)
    fill = filler(options.impute, dataset, train, plain, missing, training.seed)
    return replace(plain, fill=fill, indicator=options.indicator)


def fit(
    training: Training,
    cache: StageCache | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> Fitted:
    """Train every stage, or load it where the cache has it.

    The caller's own random state is left as it was. Raises TrainingError if a loss diverges.
    """
    device = torch.device(training.device)
    with torch.random.fork_rng():
        return _fit(training, device, cache, report)


def pretrain(training: Training, cache: StageCache) -> Fitted:
    """Only the stages before the first labelled one: a pre-trained network."""
    device = torch.device(training.device)
    with torch.random.fork_rng():
        return _fit(training, device, cache, lambda _: None, pretrained_only=True)


def _fit(
    training: Training,
    device: torch.device,
    cache: StageCache | None,
    report: Callable[[Progress], None],
    pretrained_only: bool = False,
) -> Fitted:
    parts = Parts(training)
    network = initial_network(training, device)
    stages, lengths = training.stages(), stage_lengths(training)
    costs = []
    for index, (stage, key) in enumerate(zip(stages, stage_keys(training), strict=True)):
        if stage.labelled and pretrained_only:
            break
        later = sum(length.total_steps for length in lengths[index + 1 :])
        news = partial(_tell, report, lengths[index], later)
        steps = lengths[index].steps
        costs.append(_train_or_load(training, stage, key, steps, network, parts, cache, news))
    return Fitted(network, parts.standardiser, costs)


class Parts:
    """The windows of a training, each part read when a stage that is trained first needs it."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.device = torch.device(training.device)
        self.missing = part_missing(training, "train", training.split.train)

    @cached_property
    def standardiser(self) -> Standardiser:
        """Of the training windows, corrupted as they are."""
        return prepare(self.training, self.missing)

    @cached_property
    def unlabelled(self) -> WindowSource:
        """All training windows."""
        dataset, train = self.training.dataset, self.training.split.train
        return WindowSource(dataset, train, self.standardiser, self.device, self.missing)

    @cached_property
    def labelled(self) -> Labelled:
        """The labelled windows of the training part, corrupted as they are in it."""
        dataset, split = self.training.dataset, self.training.split
        rows = split.train.searchsorted(split.labelled)
        missing = None if self.missing is None else self.missing.select(rows)
        # What loses more in training is finished after that.
        plain = self.training.options.augment != "none"
        return Labelled(
            WindowSource(dataset, split.labelled, self.standardiser, self.device, missing, plain),
            torch.from_numpy(dataset.labels[split.labelled]).to(self.device),
        )

    @cached_property
    def validation(self) -> Labelled:
        """See `validation_part`."""
        return validation_part(self.training, self.standardiser)

    def of(self, stage: Stage | FitStage) -> StageData:
        """What a stage may see."""
        selects = isinstance(stage, Stage) and stage.select == "validation"
        validation = self.validation if selects else None
        if not stage.labelled:
            return StageData(self.unlabelled, None, validation)
        fault = self.training.options.augment
        augment = Augmentation(fault, self.standardiser) if fault != "none" else None
        return StageData(self.labelled.source, self.labelled.y, validation, augment)


def _train_or_load(
    training: Training,
    stage: Stage | FitStage,
    key: str,
    steps: int,
    network: nn.Module,
    parts: Parts,
    cache: StageCache | None,
    news: Report,
) -> StageCost:
    """Leave `network` with the weights of the finished stage."""

    def trained(kept: Path | None) -> dict[str, Any]:
        data = parts.of(stage)
        if isinstance(stage, FitStage):
            seconds = fit_once(stage, network, data, training.seed)
            return {"seconds": seconds, "best_epoch": 1, "history": []}
        state = train(training, stage, network, data, kept, news)
        best = state.best_epoch or state.epoch
        return {"seconds": state.seconds, "best_epoch": best, "history": state.history}

    if cache is None:
        note, cached = trained(None), False
    else:
        note, cached = cache.load_or_train(key, network, trained)
    history = note["history"]
    epochs = len(history) if isinstance(stage, Stage) else stage.epochs
    best, seconds = note["best_epoch"], note["seconds"]
    return StageCost(stage.name, epochs, steps, best, seconds, cached, history)


def validation_part(training: Training, standardiser: Standardiser) -> Labelled:
    """The validation windows, corrupted if the training windows are, and their labels."""
    dataset, indices, device = training.dataset, training.split.validation, training.device
    missing = part_missing(training, "validation", indices)
    return Labelled(
        WindowSource(dataset, indices, standardiser, torch.device(device), missing),
        torch.from_numpy(dataset.labels[indices]).to(device),
    )


def fit_once(stage: FitStage, network: nn.Module, data: StageData, seed: int) -> float:
    """Carry out a stage without gradients on all windows of `data`; the seconds that it took."""
    begun = time.perf_counter()
    torch.manual_seed(torch_seed(seed, "torch", stage.name, 0))
    generator = torch.Generator(data.source.device)
    generator.manual_seed(torch_seed(seed, "masks", stage.name, 0))
    x, observed = data.source.batch(torch.arange(len(data.source)))
    if data.augment is not None:
        faults = torch.Generator(data.source.device)
        faults.manual_seed(torch_seed(seed, "augmentation", stage.name, 0))
        x, observed = data.augment(x, observed, data.source.indices, faults)
    batch = Batch(x, observed, generator)
    if data.y is not None:
        batch = LabelledBatch(x, observed, generator, data.y)
    stage.fit(network, batch)
    return time.perf_counter() - begun


def stage_lengths(training: Training) -> list[Length]:
    """How long each stage of a training lasts."""
    split = training.split
    return [
        stage_length(stage, len(split.labelled if stage.labelled else split.train), training.budget)
        for stage in training.stages()
    ]


def _tell(
    report: Callable[[Progress], None],
    length: Length,
    later_steps: int,
    state: State,
    stage: Stage,
) -> None:
    """Turn a stage's state into news, with the time that it and all later stages may take."""
    over = length.over(state.epoch, state.improved)
    epochs = state.epoch if over else length.epochs
    steps = (epochs - state.epoch) * length.steps + later_steps
    left = state.seconds / (state.epoch * length.steps) * steps
    last = state.history[-1]
    score = last.get("validation_f1")
    report(Progress(stage.name, state.epoch, epochs, last["loss"], score, left))
