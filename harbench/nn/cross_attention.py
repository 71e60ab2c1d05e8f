"""Cross attention between two feature maps (Hou et al., Cross Attention Network, NeurIPS 2019)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Cosine of every token of `first` (B, m, d) with every token of `second`: (B, m, m)."""
    cosine: Tensor = F.normalize(first, dim=-1) @ F.normalize(second, dim=-1).transpose(1, 2)
    return cosine


def printed_correlation(own: Tensor, other: Tensor) -> Tensor:
    """RobustHAR's Eq. 9 as printed: F F^T of one map, scaled by the norm of the other map."""
    scaled = own / other.norm(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    relation: Tensor = scaled @ scaled.transpose(1, 2)
    return relation


class MetaFusion(nn.Module):
    """Attention over m tokens, generated from their correlation with another map.

    w = W2 ReLU(BN(W1 mean_i R_ij)), a_i = softmax_i(mean_j(R_ij w_j) / temperature), and the
    result is (1 + a_i) F_i. The bottleneck has m/6 units. m is fixed at construction.
    """

    def __init__(self, tokens: int, temperature: float = 0.025) -> None:
        super().__init__()
        hidden = max(1, tokens // 6)
        self.reduce = nn.Linear(tokens, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.expand = nn.Linear(hidden, tokens)
        self.temperature = temperature

    def forward(self, relation: Tensor, features: Tensor) -> Tensor:
        """relation: (B, m, m), row i belongs to token i of `features` (B, m, d)."""
        kernel = self.expand(torch.relu(self.norm(self.reduce(relation.mean(dim=1)))))
        score = (relation * kernel[:, None, :]).mean(dim=2)
        attention = torch.softmax(score / self.temperature, dim=1)
        return (1 + attention)[:, :, None] * features


class CrossAttention(nn.Module):
    """Two maps (B, m, d), each attended by its correlation with the other, with one meta-fusion."""

    def __init__(self, tokens: int, temperature: float = 0.025, literal: bool = False) -> None:
        super().__init__()
        self.fusion = MetaFusion(tokens, temperature)
        self.literal = literal

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        if self.literal:
            forth, back = printed_correlation(first, second), printed_correlation(second, first)
        else:
            forth = correlation(first, second)
            back = forth.transpose(1, 2)
        return self.fusion(forth, first), self.fusion(back, second)
