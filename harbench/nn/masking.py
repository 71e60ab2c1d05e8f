"""Random choices that masked autoencoders make."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_count(rate: float, total: int) -> int:
    """round(rate * total), kept between 1 and total - 1."""
    return min(max(round(rate * total), 1), total - 1)


def random_subsets(batch: int, total: int, count: int, draws: torch.Generator) -> Tensor:
    """(batch, total) bool: True at `count` random places of every row."""
    noise = torch.rand(batch, total, generator=draws, device=draws.device)
    return noise.argsort(dim=1).argsort(dim=1) < count
