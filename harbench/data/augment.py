"""Faults as augmentation: training windows that lose parts at random, anew each time."""

from __future__ import annotations

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

    Every window draws a rate from 0 to 30 %. corruption: one of the scales segment, channel, sensor
    each (equally likely), see `lose_at_random`; segment, channel, sensor: that scale in all of
    them. burst: each sensor is hit with probability `rate`, but never all; it is lost up to a
    random step, or from one on, or throughout (equally likely): the views that a window has of a
    loss longer than itself. stuck: each sensor is hit likewise, and from a random step on it
    repeats its value there, which still counts as observed.
    """
    if fault == "burst":
        return _burst(x, observed, generator)
    if fault == "stuck":
        return _stuck(x, observed, generator)
    return lose_at_random(x, observed, generator, None if fault == "corruption" else fault)


def lose_at_random(
    x: Tensor, observed: Tensor, generator: torch.Generator, only: str | None = None
) -> tuple[Tensor, Tensor]:
    """x and observed, (B, T, N, C), with a part of each window lost.

    Each window draws a scale (segment, channel, sensor; equally likely; or `only` that one) and a
    rate from 0 to 30 %. segment: one run of round(rate T) steps. channel, sensor: each cell with
    probability `rate`, but never all of a window. Lost values become 0, like all missing ones.
    """
    batch, steps, sensors, channels = x.shape
    device = x.device

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    scale = torch.randint(3, (batch, 1, 1, 1), generator=generator, device=device)
    if only is not None:
        scale = torch.full_like(scale, SCALES.index(only))
    rate = LARGEST_RATE * draw(batch, 1)
    length = (rate * steps).round()
    begin = (draw(batch, 1) * (steps - length + 1)).floor()
    time = torch.arange(steps, device=device)
    segment = ((time >= begin) & (time < begin + length))[:, :, None, None]
    channel = _cells(draw(batch, sensors * channels), rate).view(batch, 1, sensors, channels)
    sensor = _cells(draw(batch, sensors), rate)[:, None, :, None]
    lost = torch.where(scale == 0, segment, torch.where(scale == 1, channel, sensor))
    return x.masked_fill(lost, 0), observed & ~lost


def _burst(x: Tensor, observed: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    hit, edge = _hit(x, generator)
    time = torch.arange(x.shape[1], device=x.device).view(1, -1, 1, 1)
    view = torch.randint(3, edge.shape, generator=generator, device=x.device)
    inside = torch.where(view == 0, time <= edge, (time >= edge) | (view == 2))
    lost = hit & inside
    return x.masked_fill(lost, 0), observed & ~lost


def _stuck(x: Tensor, observed: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    hit, onset = _hit(x, generator)
    time = torch.arange(x.shape[1], device=x.device).view(1, -1, 1, 1)
    held = hit & (time >= onset)
    # What was missing at that step has no value to repeat.
    source = onset.expand(-1, 1, -1, x.shape[3])
    seen = observed & (~held | observed.gather(1, source))
    return torch.where(held, x.gather(1, source), x).masked_fill(~seen, 0), seen


def _hit(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(B, 1, N, 1): which sensors are hit, and a random step of each."""
    batch, steps, sensors, _ = x.shape
    rate = LARGEST_RATE * torch.rand((batch, 1), generator=generator, device=x.device)
    draws = torch.rand((batch, sensors), generator=generator, device=x.device)
    step = torch.randint(steps, (batch, 1, sensors, 1), generator=generator, device=x.device)
    return _cells(draws, rate)[:, None, :, None], step


def _cells(draws: Tensor, rate: Tensor) -> Tensor:
    """True where lost: draws (B, cells) below the rate, but never the largest of a window."""
    return (draws < rate) & (draws < draws.max(dim=1, keepdim=True).values)
