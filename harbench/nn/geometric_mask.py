"""Masks whose masked and visible runs have geometric lengths (Zerveas et al. 2021, SimMTM)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def geometric_mask(
    chains: int, length: int, rate: float, run: float, draws: torch.Generator
) -> Tensor:
    """(chains, length) bool, True where masked: a two-state Markov chain along each row.

    A masked run ends with probability 1/run, an unmasked one with (1/run) rate/(1-rate); a row
    starts masked with probability `rate`, which is also the expected masked share.
    """
    ends = torch.tensor([rate / (1 - rate) / run, 1 / run], device=draws.device)
    noise = torch.rand(length, chains, generator=draws, device=draws.device)
    state = noise[0] < rate
    states = [state]
    for step in noise[1:]:
        state = state ^ (step < ends[state.long()])
        states.append(state)
    return torch.stack(states, dim=1)


def flattened_mask(total: int, rate: float, run: float, draws: torch.Generator) -> Tensor:
    """(total,) bool: the same chain over one long line, drawn as alternating geometric runs."""
    ends = torch.tensor([1 / run, rate / (1 - rate) / run], device=draws.device)
    pairs = int(total * rate / run) + 10 * math.isqrt(total) + 10
    noise = torch.rand(pairs, 2, generator=draws, device=draws.device).clamp_min(1e-12)
    lengths = (noise.log() / torch.log1p(-ends.clamp_max(1 - 1e-6))).ceil().clamp_min(1).long()
    first = bool(torch.rand(1, generator=draws, device=draws.device) < rate)
    states = torch.tensor([True, False], device=draws.device).repeat(pairs)
    line = states.repeat_interleave(lengths.flatten())
    start = 0 if first else int(lengths[0, 0])
    line = line[start : start + total]
    return F.pad(line, (0, total - len(line)))
