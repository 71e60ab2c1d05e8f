"""Windows to tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

STEM_FILTERS = 4
STEM_KERNEL = (5, 3, 3)


class VolumeStem(nn.Module):
    """x + W GELU(conv3d(x)): (B, T, N, C) of sensors in order -> the same shape.

    The convolution spans 5 steps, 3 neighbouring sensors and 3 channels; beyond the edges are
    zeros.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spread = nn.Conv3d(1, STEM_FILTERS, STEM_KERNEL, padding="same")
        self.join = nn.Conv3d(STEM_FILTERS, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.join(F.gelu(self.spread(x[:, None])))[:, 0]
        return out


class SensorPatchEmbedding(nn.Module):
    """Tokens that are a linear map of p steps of one sensor: (B, T, N, C) -> (B, P*N, d).

    stem: a `VolumeStem` goes before. The last patch is padded with zeros. span: neighbouring
    sensors (in order) that each token sees, its own among them; beyond the ends of the body are
    zeros. Each token gets a learned embedding of its patch index and, where `locations` (N, F) is
    given, a linear map of its sensor's features (RobustHAR's LST-3D: sin and cos of coordinates).
    """

    def __init__(
        self,
        patch: int,
        patches: int,
        channels: int,
        width: int,
        locations: Tensor | None,
        span: int = 1,
        stem: bool = False,
    ) -> None:
        super().__init__()
        self.patch = patch
        self.patches = patches
        self.span = span
        self.stem = VolumeStem() if stem else None
        self.project = nn.Linear(span * patch * channels, width)
        self.time = nn.Parameter(0.02 * torch.randn(patches, 1, width))
        self.locations: Tensor | None
        self.register_buffer("locations", locations)
        self.place = None if locations is None else nn.Linear(locations.shape[1], width)

    def forward(self, x: Tensor) -> Tensor:
        if self.stem is not None:
            x = self.stem(x)
        before = (self.span - 1) // 2
        beside = (before, self.span - 1 - before)
        x = F.pad(x, (0, 0, *beside, 0, self.patches * self.patch - x.shape[1]))
        near = x.unfold(2, self.span, 1)
        tokens = self.project(rearrange(near, "b (p s) n c w -> b p n (w s c)", s=self.patch))
        tokens = tokens + self.time
        if self.place is not None:
            tokens = tokens + self.place(self.locations)
        out: Tensor = rearrange(tokens, "b p n d -> b (p n) d")
        return out
