"""Parts that the supervised time-series baselines share, as TSLib's classification task has them.

Source: thuml/Time-Series-Library at 4e938a1 (layers/Embed.py and the models' classification path).
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from harbench.nn.dropout import BitDropout


def flatten_sensors(x: Tensor) -> Tensor:
    """(B, T, N, C) -> (B, T, V), sensor-major: channel v is n * C + c."""
    out: Tensor = rearrange(x, "b t n c -> b t (n c)")
    return out


def sinusoidal_positions(steps: int, width: int) -> Tensor:
    """(T, d): sin and cos of t w_i, interleaved, with w_i = 10000^(-2i/d)."""
    if width % 2:
        raise ValueError(f"width {width} must be even for sinusoidal positions")
    frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angles = torch.arange(steps)[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


class SeriesEmbedding(nn.Module):
    """Circular convolution over three steps plus sinusoidal positions, dropout: (B,T,V) -> (B,T,d).

    The convolution starts as kaiming normal with fan-in, standard deviation sqrt(2 / (3 V)).
    """

    def __init__(
        self, variables: int, width: int, steps: int, dropout: float, bias: bool = False
    ) -> None:
        super().__init__()
        self.token = nn.Conv1d(variables, width, 3, padding=1, padding_mode="circular", bias=bias)
        nn.init.kaiming_normal_(self.token.weight, mode="fan_in", nonlinearity="relu")
        self.positions: Tensor
        self.register_buffer("positions", sinusoidal_positions(steps, width), persistent=False)
        self.dropout = BitDropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.token(x.transpose(1, 2)).transpose(1, 2) + self.positions
        out: Tensor = self.dropout(tokens)
        return out


class FlattenHead(nn.Module):
    """GELU, dropout, flatten in time-major order, one linear layer: (B, T, d) -> (B, K)."""

    def __init__(self, steps: int, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = BitDropout(dropout)
        self.projection = nn.Linear(steps * width, classes)

    def forward(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.projection(self.dropout(nn.functional.gelu(hidden)).flatten(1))
        return out


class PostNormLayer(nn.Module):
    """LN(h + Drop(attention(h))), then LN(h + Drop(W2 Drop(GELU(W1 h)))), on (B, T, d).

    attention(hidden, draw) is any map (B, T, d) -> (B, T, d); draw is its random tensor, if any.
    """

    def __init__(self, attention: nn.Module, width: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.attention = attention
        self.norm_attention = nn.LayerNorm(width)
        self.expand = nn.Linear(width, feedforward)
        self.reduce = nn.Linear(feedforward, width)
        self.norm_feedforward = nn.LayerNorm(width)
        self.dropout = BitDropout(dropout)

    def forward(self, hidden: Tensor, draw: Tensor | None = None) -> Tensor:
        hidden = self.norm_attention(hidden + self.dropout(self.attention(hidden, draw)))
        inner = self.dropout(nn.functional.gelu(self.expand(hidden)))
        out: Tensor = self.norm_feedforward(hidden + self.dropout(self.reduce(inner)))
        return out
