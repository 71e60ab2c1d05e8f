"""Transformer layers with cheap dropout, and attention as it is fastest on each device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harbench.nn.dropout import BitDropout, drop

FEW_TOKENS = 64


def attend(
    query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0, causal: bool = False
) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V over the last two axes of (B, H, m, d).

    dropout: of the attention weights. causal: a token sees itself and those before it.
    """
    tokens = query.shape[2]
    # On a CPU plain products are faster for few tokens, and the fused kernel drops no weights.
    if query.device.type != "cpu" or (tokens > FEW_TOKENS and dropout == 0):
        return F.scaled_dot_product_attention(
            query, key, value, dropout_p=dropout, is_causal=causal
        )
    first, second, third = (part.flatten(0, 1) for part in (query, key, value))
    hidden = query.new_full((1, tokens, tokens), -torch.inf if causal else 0.0).triu(1)
    scores = torch.baddbmm(hidden, first, second.transpose(1, 2), alpha=query.shape[-1] ** -0.5)
    return (drop(torch.softmax(scores, dim=-1), dropout) @ third).view(query.shape)


class SelfAttention(nn.Module):
    """Multi-head self-attention over tokens (B, m, d), scale 1/sqrt(d/heads).

    dropout: of the attention weights.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        split = self.project(tokens).view(batch, count, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = attend(query, key, value, self.dropout if self.training else 0.0)
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


class ReluLayer(nn.Module):
    """LN(x + Drop(attention(x))), then LN(x + Drop(W2 Drop(ReLU(W1 x)))), on tokens (B, m, d).

    The function and the initialisation of nn.TransformerEncoderLayer; attention weights are
    dropped, too.
    """

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, dropout)
        nn.init.xavier_uniform_(self.attention.project.weight)
        nn.init.zeros_(self.attention.project.bias)
        nn.init.zeros_(self.attention.out.bias)
        self.norm_attention = nn.LayerNorm(width)
        self.expand = nn.Linear(width, feedforward)
        self.reduce = nn.Linear(feedforward, width)
        self.norm_feedforward = nn.LayerNorm(width)
        self.dropout = BitDropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = self.norm_attention(tokens + self.dropout(self.attention(tokens)))
        inner = self.dropout(self.expand(tokens).relu_())
        out: Tensor = self.norm_feedforward(tokens + self.dropout(self.reduce(inner)))
        return out
