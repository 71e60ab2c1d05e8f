"""Convolutions that see only the visible part of a masked map (MaskCAE, after SparK)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def upsample(active: Tensor, like: Tensor) -> Tensor:
    """The mask of cells (B, 1, f, V) at the time resolution of a map (B, C, L, V)."""
    factor = like.shape[2] // active.shape[2]
    return torch.repeat_interleave(active, factor, dim=2)


def sparse_norm(norm: nn.BatchNorm2d, values: Tensor, active: Tensor) -> Tensor:
    """Batch normalisation of visible positions only; zero elsewhere."""
    last = values.permute(0, 2, 3, 1)
    flat = last.reshape(-1, values.shape[1])
    # Rows are picked by index: a quarter faster than selecting with a mask that is broadcast.
    rows = upsample(active, values).flatten().nonzero()[:, 0]
    normalised = F.batch_norm(
        flat.index_select(0, rows),
        norm.running_mean,
        norm.running_var,
        norm.weight,
        norm.bias,
        norm.training,
        norm.momentum or 0.0,
        norm.eps,
    )
    filled = torch.zeros_like(flat).index_copy(0, rows, normalised.to(flat.dtype))
    return filled.view(last.shape).permute(0, 3, 1, 2)


class EncoderBlock(nn.Module):
    """Convolution over five steps, batch norm, ReLU, pooling by two; kernels stay in a channel."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, (5, 1), padding=(2, 0))
        self.norm = nn.BatchNorm2d(outputs)
        self.pool = nn.MaxPool2d((5, 1), stride=(2, 1), padding=(2, 0))

    def forward(self, values: Tensor, active: Tensor | None = None) -> Tensor:
        convolved = self.convolution(values)
        if active is None:
            out: Tensor = self.pool(F.relu(self.norm(convolved)))
            return out
        masked = convolved * upsample(active, convolved)
        pooled: Tensor = self.pool(F.relu(sparse_norm(self.norm, masked, active)))
        return pooled * upsample(active, pooled)


class DecoderBlock(nn.Module):
    """Twice the time steps, then two 5x5 convolutions that mix neighbouring channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(width, width, (4, 1), stride=(2, 1), padding=(1, 0))
        self.convolutions = nn.Sequential(
            nn.Conv2d(width, width, 5, padding=2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU6(),
            nn.Conv2d(width, width // 2, 5, padding=2, bias=False),
            nn.BatchNorm2d(width // 2),
        )

    def forward(self, values: Tensor) -> Tensor:
        out: Tensor = self.convolutions(self.upsample(values))
        return out
