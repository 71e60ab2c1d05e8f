"""Adaptive multi-scale feature fusion (AMFF) of RobustHAR, and its plainer alternatives."""

from __future__ import annotations

import itertools
from typing import Literal

import torch
from torch import Tensor, nn

from harbench.nn.cross_attention import CrossAttention


class ScaleFusion(nn.Module):
    """Maps (B, m, d) of each scale -> logits (B, K).

    Each pair of maps is attended crosswise (Eqs. 9-10), multiplied element-wise and averaged over
    tokens (Eq. 11); the pairs are concatenated, or with kind="gated" summed by a softmax gate.
    kind="concat", or one scale only: the mean token of each map, concatenated.
    """

    def __init__(
        self,
        kind: Literal["pairs", "gated", "concat"],
        scales: int,
        tokens: int,
        width: int,
        classes: int,
        temperature: float,
        literal: bool,
    ) -> None:
        super().__init__()
        self.pairs = [] if kind == "concat" else list(itertools.combinations(range(scales), 2))
        self.cross = nn.ModuleList(CrossAttention(tokens, temperature, literal) for _ in self.pairs)
        self.gate = nn.Linear(width, 1) if self.pairs and kind == "gated" else None
        parts = 1 if self.gate is not None else len(self.pairs) or scales
        self.head = nn.Sequential(nn.LayerNorm(parts * width), nn.Linear(parts * width, classes))

    def forward(self, features: list[Tensor]) -> Tensor:
        if self.pairs:
            parts = []
            for cross, (a, b) in zip(self.cross, self.pairs, strict=True):
                first, second = cross(features[a], features[b])
                parts.append((first * second).mean(dim=1))
        else:
            parts = [feature.mean(dim=1) for feature in features]
        if self.gate is not None:
            stacked = torch.stack(parts, dim=1)
            fused = (torch.softmax(self.gate(stacked), dim=1) * stacked).sum(dim=1)
        else:
            fused = torch.cat(parts, dim=-1)
        logits: Tensor = self.head(fused)
        return logits
