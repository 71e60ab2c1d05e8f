"""What a pre-trained method rebuilds of a masked window."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch

from harbench.data import store
from harbench.data.source import WindowSource
from harbench.discovery import title
from harbench.errors import HarbenchError
from harbench.evaluation.predict import one_thread
from harbench.method import Batch, Method
from harbench.running.plan import Run, training_of
from harbench.streams import torch_seed
from harbench.training.cache import StageCache
from harbench.training.fit import pretrain


@dataclass(frozen=True)
class Rebuilt:
    """One test window (T, N, C), standardised; per scale its mask and the completed window.

    sensors, channels: names (N,) and (C,). about: method, data, split and budget, in words.
    """

    original: np.ndarray
    scales: dict[str, tuple[np.ndarray, np.ndarray]]
    rate: float
    label: str
    sensors: tuple[str, ...]
    channels: tuple[str, ...]
    about: str


def reconstruct(run: Run, window: int | None = None) -> Rebuilt:
    """Pre-train (or load) a run's method and let it rebuild its `window`-th test window.

    The network is that after the last unlabelled stage. By default the test window that varies
    most is taken. Raises HarbenchError for a method that
    rebuilds nothing.
    """
    dataset = store.load(run.source)
    training = training_of(run, dataset)
    method, split = training.method, training.split
    if type(method).rebuild is Method.rebuild:
        raise HarbenchError(f"Method {method.name!r} has no `rebuild` to draw.")
    if all(stage.labelled for stage in training.stages()):
        raise HarbenchError(f"{run.label} has no pre-training: there is nothing that rebuilds.")
    if window is None:
        with warnings.catch_warnings():
            # A channel that is missing in all of a window has no deviation.
            warnings.simplefilter("ignore", RuntimeWarning)
            spread = np.nanstd(np.asarray(dataset.windows[split.test]), axis=1)
        window = int(np.nan_to_num(spread).mean(axis=(1, 2)).argmax())
    if not 0 <= window < len(split.test):
        raise HarbenchError(f"There are {len(split.test)} test windows, from 0; got {window}.")
    with one_thread():
        fitted = pretrain(training, StageCache.default())
        device = torch.device(run.device)
        rows = split.test[window : window + 1]
        source = WindowSource(dataset, rows, fitted.standardiser, device)
        x, observed = source.batch(torch.arange(1))
        draws = torch.Generator(device).manual_seed(torch_seed(run.seed, "reconstruction"))
        with torch.no_grad():
            found = method.rebuild(fitted.network.eval(), Batch(x, observed, draws))
    # Without the indicator's channels, which are nothing measured.
    channels = dataset.shape[2]
    return Rebuilt(
        x[0, :, :, :channels].cpu().numpy(),
        {
            scale: (
                mask[0, :, :, :channels].cpu().numpy(),
                values[0, :, :, :channels].cpu().numpy(),
            )
            for scale, (mask, values) in found.items()
        },
        dataset.info.rate,
        dataset.info.classes[int(dataset.labels[rows[0]])],
        tuple(sensor.name for sensor in dataset.info.sensors),
        dataset.info.channels,
        f"Method {title(run.label)}; data {run.dataset}; protocol "
        f"{run.protocol.name}; split {run.protocol.split}; budget {run.budget.name}; seed "
        f"{run.seed}; test window {window}.",
    )
