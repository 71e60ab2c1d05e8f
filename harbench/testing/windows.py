"""Small made-up windows on which methods are checked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from harbench import registry
from harbench.data import store
from harbench.data.source import WindowSource
from harbench.data.splits import split
from harbench.dataset import DatasetInfo, HARDataset, IntArray, Sensor
from harbench.evaluation.predict import predict
from harbench.method import Budget, EngineOptions, FitStage, Stage
from harbench.protocol import Condition
from harbench.training.fit import Fitted, prepare, validation_part
from harbench.training.identity import Training
from harbench.training.loop import StageData

CLASSES = 3
COUNT = 90
BUDGET = Budget("check", 2, 2)
Shape = tuple[int, int, int]


def made_up(shape: Shape, missing: float = 0.0) -> HARDataset:
    """90 windows (T, N, C) of three classes that differ in frequency.

    missing: share of values that are lost; if above 0, one channel is lost altogether.
    """
    steps, sensors, channels = shape
    rng = np.random.default_rng(0)
    labels = np.arange(COUNT) % CLASSES
    wave = np.sin(np.arange(steps) * (1 + labels[:, None]) / 3)
    windows = rng.normal(size=(COUNT, *shape)) + wave[:, :, None, None]
    windows[rng.random(windows.shape) < missing] = np.nan
    if missing:
        windows[:, :, 0, 0] = np.nan
    places = tuple(Sensor(f"s{i}", (0.1 * i, 0.0, -0.2 * i)) for i in range(sensors))
    names = tuple(f"c{i}" for i in range(channels))
    info = DatasetInfo("made up", places, names, names, ("a", "b", "c"), 20.0, "", "")
    return store.from_arrays(windows, labels, info)


def training(
    method: str,
    data: HARDataset,
    device: str = "cpu",
    options: EngineOptions | None = None,
) -> Training:
    """Two epochs of a method's test configuration; half of the training windows have labels."""
    cls = registry.method_class(method)
    return Training(
        method=cls(cls.test_config()),
        dataset=data,
        split=split(data, "random", 0.5, 0),
        train_missing=Condition(),
        budget=BUDGET,
        seed=0,
        precision="fp32",
        device=device,
        options=options or EngineOptions(),
    )


def stage_data(plan: Training, stage: Stage | FitStage) -> StageData:
    """What the engine would give to a stage."""
    split, device = plan.split, torch.device(plan.device)
    standardiser = prepare(plan)
    rows = split.labelled if stage.labelled else split.train
    y = torch.from_numpy(plan.dataset.labels[rows]).to(device) if stage.labelled else None
    source = WindowSource(plan.dataset, rows, standardiser, device)
    return StageData(source, y, validation_part(plan, standardiser))


def scores(plan: Training, fitted: Fitted, rows: IntArray | None = None) -> Tensor:
    """Class scores (n, K) of the test windows, or of the windows `rows`."""
    indices = plan.split.test if rows is None else rows
    device = torch.device(plan.device)
    source = WindowSource(plan.dataset, indices, fitted.standardiser, device)
    return predict(plan.method, fitted.network, source, plan.seed)


def with_junk(data: HARDataset, rows: IntArray, what: str) -> HARDataset:
    """The same dataset by name, but the "windows" or "labels" of `rows` are nonsense."""
    rng = np.random.default_rng(1)
    if what == "windows":
        windows = np.array(data.windows)
        windows[rows] = 50 * rng.normal(size=windows[rows].shape)
        return replace(data, windows=windows)
    labels = data.labels.copy()
    labels[rows] = (labels[rows] + 1 + rng.integers(CLASSES - 1, size=len(rows))) % CLASSES
    return replace(data, labels=labels)
