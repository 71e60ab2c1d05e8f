"""One Transformer layer without dropout on attention weights, so that fused attention is used."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harbench.nn.dropout import BitDropout


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V over the last two axes of (B, H, m, d)."""
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value)
    # With heads of a few numbers plain products are a tenth faster on a CPU than the fused kernel.
    first, second, third = (part.flatten(0, 1) for part in (query, key, value))
    zero, scale = query.new_zeros(1, 1, 1), query.shape[-1] ** -0.5
    scores = torch.baddbmm(zero, first, second.transpose(1, 2), beta=0, alpha=scale)
    return (torch.softmax(scores, dim=-1) @ third).view(query.shape)


class SelfAttention(nn.Module):
    """Multi-head self-attention over tokens (B, m, d), scale 1/sqrt(d/heads)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        split = self.project(tokens).view(batch, count, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = attend(query, key, value)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, count, width))
        return out


class PreNormLayer(nn.Module):
    """x + Drop(attention(LN x)), then x + Drop(W2 GELU(W1 LN x)), on tokens (B, m, d)."""

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.norm_feedforward = nn.LayerNorm(width)
        self.feedforward = nn.Sequential(
            nn.Linear(width, feedforward), nn.GELU(), nn.Linear(feedforward, width)
        )
        self.dropout = BitDropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.dropout(self.attention(self.norm_attention(tokens)))
        out: Tensor = tokens + self.dropout(self.feedforward(self.norm_feedforward(tokens)))
        return out
