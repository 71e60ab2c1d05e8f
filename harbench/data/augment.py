"""Corruption as augmentation: training windows that lose parts at random, anew each time."""

from __future__ import annotations

import torch
from torch import Tensor

LARGEST_RATE = 0.3


def lose_at_random(
    x: Tensor, observed: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """x and observed, (B, T, N, C), with a part of each window lost.

    Each window draws a scale (segment, channel, sensor; equally likely) and a rate from 0 to
    30 %. segment: one run of round(rate T) steps. channel, sensor: each cell with probability
    `rate`, but never all of a window. Lost values become 0, like all missing ones.
    """
    batch, steps, sensors, channels = x.shape
    device = x.device

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    scale = torch.randint(3, (batch, 1, 1, 1), generator=generator, device=device)
    rate = LARGEST_RATE * draw(batch, 1)
    length = (rate * steps).round()
    begin = (draw(batch, 1) * (steps - length + 1)).floor()
    time = torch.arange(steps, device=device)
    segment = ((time >= begin) & (time < begin + length))[:, :, None, None]
    channel = _cells(draw(batch, sensors * channels), rate).view(batch, 1, sensors, channels)
    sensor = _cells(draw(batch, sensors), rate)[:, None, :, None]
    lost = torch.where(scale == 0, segment, torch.where(scale == 1, channel, sensor))
    return x.masked_fill(lost, 0), observed & ~lost


def _cells(draws: Tensor, rate: Tensor) -> Tensor:
    """True where lost: draws (B, cells) below the rate, but never the largest of a window."""
    return (draws < rate) & (draws < draws.max(dim=1, keepdim=True).values)
