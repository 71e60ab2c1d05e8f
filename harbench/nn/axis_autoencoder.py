"""Masked autoencoders that attend along one axis of a grid of nodes and patches (STD-MAE)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from harbench.nn.transformer import ReluLayer


def grid_positions(nodes: int, patches: int, width: int) -> Tensor:
    """(N, P, d): half of the width codes the node, half the patch, each sin and cos interleaved."""
    half = 2 * math.ceil(width / 4)
    rates = 10000.0 ** (-torch.arange(0, half, 2) / half)

    def coded(count: int) -> Tensor:
        angles = torch.arange(count)[:, None] * rates
        return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)

    by_node = coded(nodes)[:, None].expand(-1, patches, -1)
    by_patch = coded(patches)[None].expand(nodes, -1, -1)
    return torch.cat([by_node, by_patch], dim=-1)[..., :width]


@dataclass(frozen=True)
class StackSizes:
    """Width, heads, inner width, layers of encoder and decoder, dropout."""

    width: int
    heads: int
    feedforward: int
    depth: int
    decoder_depth: int
    dropout: float


class Stack(nn.Module):
    """Post-norm ReLU Transformer layers over the last but one axis; tokens enter times sqrt(d)."""

    def __init__(self, sizes: StackSizes, depth: int) -> None:
        super().__init__()
        self.scale = math.sqrt(sizes.width)
        self.layers = nn.ModuleList(
            ReluLayer(sizes.width, sizes.heads, sizes.feedforward, sizes.dropout)
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(sizes.width)

    def forward(self, tokens: Tensor) -> Tensor:
        lead = tokens.shape[:-2]
        flat = tokens.flatten(0, -3) * self.scale
        for layer in self.layers:
            flat = layer(flat)
        out: Tensor = self.norm(flat).unflatten(0, lead)
        return out


class AxisAutoencoder(nn.Module):
    """A masked autoencoder that attends along time or along nodes, for windows (B, T, N, C).

    Tokens are (B, A, M, d): attention runs over M, the axis that is masked. M is the patches of a
    node (temporal) or the nodes of a patch (spatial).
    """

    def __init__(
        self, sizes: StackSizes, patch: int, patches: int, nodes: int, channels: int, axis: str
    ) -> None:
        super().__init__()
        self.axis = axis
        self.patch = patch
        self.embed = nn.Linear(patch * channels, sizes.width)
        positions = grid_positions(nodes, patches, sizes.width)
        self.positions: Tensor
        self.register_buffer("positions", self._turn(positions[None])[0], persistent=False)
        self.encoder = Stack(sizes, sizes.depth)
        self.to_decoder = nn.Linear(sizes.width, sizes.width)
        self.mask_token = nn.Parameter(0.02 * torch.randn(sizes.width))
        self.decoder = Stack(sizes, sizes.decoder_depth)
        self.predict = nn.Linear(sizes.width, patch * channels)

    def _turn(self, tokens: Tensor) -> Tensor:
        """(B, N, P, ...) to (B, P, N, ...) where attention runs over nodes."""
        return tokens.transpose(1, 2) if self.axis == "spatial" else tokens

    def patches(self, x: Tensor) -> Tensor:
        """(B, A, M, p*C): the values of every token, step by step."""
        return self._turn(rearrange(x, "b (p s) n c -> b n p (s c)", s=self.patch))

    def encode(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """Hidden states (B, A, M, d), of the tokens `seen` (indices along M) only, if given."""
        tokens = self.embed(self.patches(x)) + self.positions
        out: Tensor = self.encoder(tokens if seen is None else tokens[:, :, seen])
        return out

    def features(self, x: Tensor) -> Tensor:
        """Hidden states (B, N, P, d) of whole windows."""
        return self._turn(self.encode(x))

    def reconstruct(self, x: Tensor, seen: Tensor, masked: Tensor) -> Tensor:
        """Predicted values (B, A, len(masked), p*C) of the masked tokens."""
        known = self.to_decoder(self.encode(x, seen)) + self.positions[:, seen]
        guess = (self.mask_token + self.positions[:, masked]).expand(len(x), -1, -1, -1)
        decoded = self.decoder(torch.cat([known, guess], dim=2))
        out: Tensor = self.predict(decoded[:, :, len(seen) :])
        return out
