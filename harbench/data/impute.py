"""What takes the place of missing values before any method sees a window.

All work on standardised windows, each by itself: neither the batch nor its order matters, and
observed values stay what they are (see `Standardiser.finish` and docs/imputation.md).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from harbench.data.donors import Donors
from harbench.data.missing import Missing
from harbench.data.saits import Saits
from harbench.data.source import CHUNK, Fill, Standardiser
from harbench.dataset import HARDataset, IntArray
from harbench.method import Impute

BLOCK = 256


def filler(
    impute: Impute,
    dataset: HARDataset,
    train: IntArray,
    standardiser: Standardiser,
    missing: Missing | None,
    seed: int,
) -> Fill | None:
    """How `impute` fills gaps; what it learns comes from the training windows `train` (n,) alone.

    zero: the training mean of the channel, 0 after standardisation: None, nothing is to be done.
    mean: the mean of what the window has of the channel. hold: the last observed value before the
    gap, at the window's start the first one after it. linear: a straight line between the observed
    neighbours, at the ends the nearest one. knn: see `Donors`. saits: see `Saits`.
    Where mean, hold and linear find no value of a channel, they leave the training mean, 0.
    missing: the corruption of the training part. Raises HarbenchError where a package is missing.
    """
    if impute == "knn":
        return Donors.fit(dataset, train, standardiser, missing)
    if impute == "saits":
        return Saits(dataset, train, standardiser, missing, seed)
    return alone(impute)


def alone(impute: Impute) -> Fill | None:
    """A fill that learns nothing (one of ALONE); None for zero. See `filler`."""
    return partial(_alone, WITHIN[impute]) if impute != "zero" else None


def _alone(
    fill: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    observed: Tensor,
    _windows: IntArray | None,
) -> Tensor:
    """A fill that looks at one channel of one window at a time; 0 where it has no value at all."""
    # In blocks: indices of steps take twice the memory of the values.
    parts = zip(torch.split(x, BLOCK), torch.split(observed, BLOCK), strict=True)
    return torch.cat([torch.where(o.any(dim=1, keepdim=True), fill(v, o), 0) for v, o in parts])


def window_mean(x: Tensor, observed: Tensor) -> Tensor:
    """The mean of each window and channel, (B, 1, N, C)."""
    # A running sum adds in the order of time, however many windows there are.
    total = torch.where(observed, x, 0).double().cumsum(dim=1)[:, -1:]
    return (total / observed.sum(dim=1, keepdim=True).clamp(min=1)).to(x.dtype)


def hold(x: Tensor, observed: Tensor) -> Tensor:
    """The last observed value, before the first one that one: (B, T, N, C)."""
    before, after = _around(observed)
    # A channel without any value has step T everywhere, which is none.
    return x.gather(1, torch.where(before < 0, after, before).clamp(max=x.shape[1] - 1))


def linear(x: Tensor, observed: Tensor) -> Tensor:
    """Straight lines between observed values, constant before the first and after the last."""
    before, after = _around(observed)
    steps = x.shape[1]
    left = torch.where(before < 0, after, before).clamp(max=steps - 1)
    right = torch.where(after == steps, before, after).clamp(min=0)
    time = torch.arange(steps, device=x.device).view(1, -1, 1, 1)
    share = (time - left).clamp(min=0) / (right - left).clamp(min=1)
    first = x.gather(1, left)
    return first + share * (x.gather(1, right) - first)


def _around(observed: Tensor) -> tuple[Tensor, Tensor]:
    """(B, T, N, C): the nearest observed step not after (else -1), and not before (else T)."""
    steps = observed.shape[1]
    time = torch.arange(steps, device=observed.device).view(1, -1, 1, 1)
    before = torch.where(observed, time, -1).cummax(dim=1).values
    after = torch.where(observed, time, steps).flip(1).cummin(dim=1).values.flip(1)
    return before, after


def any_gaps(dataset: HARDataset, windows: IntArray) -> bool:
    """Whether any of the windows lacks a value of its own."""
    blocks = range(0, len(windows), CHUNK)
    return any(np.isnan(dataset.windows[windows[b : b + CHUNK]]).any() for b in blocks)


# What looks at nothing but a window's own channel, and so needs no training windows.
WITHIN: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": window_mean,
    "hold": hold,
    "linear": linear,
}
ALONE = ("zero", *WITHIN)
