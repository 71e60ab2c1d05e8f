"""Faults as augmentation: training windows that lose parts at random, anew each time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from harbench.data.source import Standardiser
from harbench.dataset import IntArray
from harbench.method import Augment

LARGEST_RATE = 0.3
SCALES = ("segment", "channel", "sensor")


@dataclass(frozen=True)
class Augmentation:
    """A fault of training windows, and the standardiser that fills what is lost afterwards."""

    fault: Augment
    standardiser: Standardiser

    def __call__(
        self, x: Tensor, observed: Tensor, windows: IntArray, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Plain x and observed (B, T, N, C) -> a method's input. windows: (B,) in the dataset."""
        x, observed = suffer(x, observed, self.fault, generator)
        return self.standardiser.finish(x, observed, windows)


def suffer(
    x: Tensor, observed: Tensor, fault: Augment, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """x and observed, (B, T, N, C), after a fault of one kind in each window.

    corruption: a loss of one scale, see `lose_at_random`; segment, channel, sensor: that scale in
    all windows. In the others, too, every window draws a rate from 0 to 30 %.
    joint: a segment, channels and sensors go, each at a third of the rate.
    burst: each sensor is hit with probability `rate`, but never all; it is lost up to a random
    step, or from one on, or throughout (equally likely): what a window sees of a longer loss.
    stuck: each sensor is hit likewise; from a random step of the window's first half on it repeats
    its value there, which still counts as observed.
    saturated: values are lost that are farther from the training mean than a share `rate` of a
    normal distribution is.
    """
    if fault == "burst":
        return _burst(x, observed, generator)
    if fault == "stuck":
        return _stuck(x, observed, generator)
    if fault == "saturated":
        rate = LARGEST_RATE * _draws(x, generator, 1).view(-1, 1, 1, 1)
        return _without(x, observed, x.abs() > math.sqrt(2) * torch.erfinv(1 - rate))
    if fault == "joint":
        segment, channel, sensor = _losses(x, LARGEST_RATE / 3 * _draws(x, generator, 1), generator)
        return _without(x, observed, segment | channel | sensor)
    return lose_at_random(x, observed, generator, None if fault == "corruption" else fault)


def lose_at_random(
    x: Tensor, observed: Tensor, generator: torch.Generator, only: str | None = None
) -> tuple[Tensor, Tensor]:
    """x and observed, (B, T, N, C), with a part of each window lost.

    Each window draws a scale (segment, channel, sensor; equally likely; or `only` that one) and a
    rate from 0 to 30 %. segment: one run of round(rate T) steps. channel, sensor: each cell with
    probability `rate`, but never all of a window. Lost values become 0, like all missing ones.
    """
    scale = torch.randint(3, (len(x), 1, 1, 1), generator=generator, device=x.device)
    if only is not None:
        scale = torch.full_like(scale, SCALES.index(only))
    rate = LARGEST_RATE * _draws(x, generator, 1)
    segment, channel, sensor = _losses(x, rate, generator)
    lost = torch.where(scale == 0, segment, torch.where(scale == 1, channel, sensor))
    return _without(x, observed, lost)


def _losses(x: Tensor, rate: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """What a segment, channels and sensors would lose at rate (B, 1): masks that broadcast to x."""
    steps, sensors, channels = x.shape[1:]
    length = (rate * steps).round()
    begin = (_draws(x, generator, 1) * (steps - length + 1)).floor()
    time = torch.arange(steps, device=x.device)
    segment = ((time >= begin) & (time < begin + length))[:, :, None, None]
    channel = _cells(_draws(x, generator, sensors * channels), rate)
    sensor = _cells(_draws(x, generator, sensors), rate)[:, None, :, None]
    return segment, channel.view(-1, 1, sensors, channels), sensor


def _burst(x: Tensor, observed: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    hit, edge = _hit(x, x.shape[1], generator)
    time = torch.arange(x.shape[1], device=x.device).view(1, -1, 1, 1)
    view = torch.randint(3, edge.shape, generator=generator, device=x.device)
    return _without(
        x, observed, hit & torch.where(view == 0, time <= edge, (time >= edge) | (view == 2))
    )


def _stuck(x: Tensor, observed: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    hit, onset = _hit(x, max(1, x.shape[1] // 2), generator)
    time = torch.arange(x.shape[1], device=x.device).view(1, -1, 1, 1)
    held = hit & (time >= onset)
    # What was missing at that step has no value to repeat.
    source = onset.expand(-1, 1, -1, x.shape[3])
    seen = observed & (~held | observed.gather(1, source))
    return torch.where(held, x.gather(1, source), x).masked_fill(~seen, 0), seen


def _hit(x: Tensor, steps: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(B, 1, N, 1): which sensors are hit, and a random one of the first `steps` steps for each."""
    batch, _, sensors, _ = x.shape
    rate = LARGEST_RATE * _draws(x, generator, 1)
    draws = _draws(x, generator, sensors)
    step = torch.randint(steps, (batch, 1, sensors, 1), generator=generator, device=x.device)
    return _cells(draws, rate)[:, None, :, None], step


def _draws(x: Tensor, generator: torch.Generator, count: int) -> Tensor:
    """(B, count) uniform numbers for the windows of x."""
    return torch.rand((len(x), count), generator=generator, device=x.device)


def _without(x: Tensor, observed: Tensor, lost: Tensor) -> tuple[Tensor, Tensor]:
    return x.masked_fill(lost, 0), observed & ~lost


def _cells(draws: Tensor, rate: Tensor) -> Tensor:
    """True where lost: draws (B, cells) below the rate, but never the largest of a window."""
    return (draws < rate) & (draws < draws.max(dim=1, keepdim=True).values)
