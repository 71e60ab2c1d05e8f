"""Windows to tokens."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn


class SensorPatchEmbedding(nn.Module):
    """Tokens that are a linear map of p steps of one sensor: (B, P*p, N, C) -> (B, P*N, d).

    Each token gets a learned embedding of its patch index and, where `locations` (N, F) is given,
    a linear map of its sensor's features (RobustHAR's LST-3D: sin and cos of body coordinates).
    """

    def __init__(
        self, patch: int, patches: int, channels: int, width: int, locations: Tensor | None
    ) -> None:
        super().__init__()
        self.patch = patch
        self.project = nn.Linear(patch * channels, width)
        self.time = nn.Parameter(0.02 * torch.randn(patches, 1, width))
        self.locations: Tensor | None
        self.register_buffer("locations", locations)
        self.place = None if locations is None else nn.Linear(locations.shape[1], width)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.project(rearrange(x, "b (p s) n c -> b p n (s c)", s=self.patch))
        tokens = tokens + self.time
        if self.place is not None:
            tokens = tokens + self.place(self.locations)
        out: Tensor = rearrange(tokens, "b p n d -> b (p n) d")
        return out
