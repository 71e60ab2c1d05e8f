"""Cross attention between two feature maps (Hou et al., Cross Attention Network, NeurIPS 2019)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Cosine of every token of `first` (B, m, d) with every token of `second`: (B, m, m)."""
    return F.normalize(first, dim=-1) @ F.normalize(second, dim=-1).transpose(1, 2)


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
