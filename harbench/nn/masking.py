"""Random choices that masked autoencoders make."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Scale = Literal["sensor", "channel", "segment"]


def masked_counts(rate: float, total: int, batch: int, draws: torch.Generator) -> Tensor:
    """(batch,) int: how many of `total` each row masks, so that the mean share is the rate.

    Each is the floor or the ceiling of rate * total, drawn at random with that mean. The mean is
    kept between 1 and total - 1: something is masked and something seen; none of a total of one.
    """
    mean = min(max(rate * total, 1.0), total - 1.0)
    # In double precision a draw next to 1 cannot round up to one more.
    draw = torch.rand(batch, generator=draws, device=draws.device, dtype=torch.float64)
    return (mean + draw).long()


def random_subsets(batch: int, total: int, count: int | Tensor, draws: torch.Generator) -> Tensor:
    """(batch, total) bool: True at `count` random places of every row; one count or one per row."""
    noise = torch.rand(batch, total, generator=draws, device=draws.device)
    ranks = noise.argsort(dim=1).argsort(dim=1)
    return ranks < (count[:, None] if isinstance(count, Tensor) else count)


def scale_mask(
    scale: Scale, shape: torch.Size, rate: float, patch: int, pairs: bool, draws: torch.Generator
) -> Tensor:
    """True where masked: drawn per window, broadcastable to `shape` (B, T, N, C).

    sensor: a share `rate` of the sensors. channel: of the channel indices, in all sensors; with
    `pairs` of the single (sensor, channel) pairs. segment: of the patches of `patch` steps.
    """
    batch, steps, sensors, channels = shape

    def pick(total: int) -> Tensor:
        return random_subsets(batch, total, masked_counts(rate, total, batch, draws), draws)

    if scale == "sensor":
        return pick(sensors)[:, None, :, None]
    if scale == "segment":
        whole = pick(math.ceil(steps / patch)).repeat_interleave(patch, dim=1)
        return whole[:, :steps, None, None]
    if pairs:
        return pick(sensors * channels).view(batch, 1, sensors, channels)
    return pick(channels)[:, None, None, :]
