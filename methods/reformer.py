"""Reformer: attention within buckets of locality-sensitive hashing (ICLR 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from harbench.method import (
    Batch,
    Budget,
    InputShape,
    LabelledBatch,
    Method,
    Stage,
    register_method,
)
from harbench.nn.series import FlattenHead, PostNormLayer, SeriesEmbedding, flatten_sensors
from harbench.nn.supervised import supervised_stages

Count = Annotated[int, Field(ge=1)]
SELF = -5e4
ROWS = 64


@dataclass(frozen=True)
class ReformerConfig:
    """TSLib's Reformer at the size of its classification scripts.

    attention="full": the same shared query-key attention over all steps, without hashing.
    scale: divide logits by sqrt(d/heads) beside normalising keys, as lucidrains/reformer-pytorch
    does and TSLib uses; False is the original (trax), whose logits are larger by that factor.
    """

    width: Annotated[int, Field(ge=2, multiple_of=2)] = 128
    heads: Count = 8
    feedforward: Count = 256
    layers: Count = 3
    bucket: Count = 4
    hashes: Count = 4
    attention: Literal["lsh", "full"] = "lsh"
    scale: bool = True
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    lr: Annotated[float, Field(gt=0)] = 1e-3
    batch: Annotated[int, Field(ge=2)] = 16
    clip: Annotated[float, Field(gt=0)] = 4.0

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by {self.heads} heads")


class LSHAttention(nn.Module):
    """Shared query-key attention of each step with its bucket's chunk and the one before.

    draw: rotations (1, d/heads, hashes, buckets/2), shared by the batch and the heads. Rows are
    zero-padded to a multiple of two buckets; padded rows are attended, as in the original.

    The original attends in every round of hashing and weights the rounds by their sums of
    exponentials. That is one softmax over all keys, in which a key counts as often as it is met.
    """

    def __init__(self, config: ReformerConfig) -> None:
        super().__init__()
        self.config = config
        self.query_key = nn.Linear(config.width, config.width, bias=False)
        self.value = nn.Linear(config.width, config.width, bias=False)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, hidden: Tensor, draw: Tensor | None) -> Tensor:
        batch, steps, width = hidden.shape
        padded = F.pad(hidden, (0, 0, 0, padded_length(steps, self.config.bucket) - steps))

        def split(projected: Tensor) -> tuple[Tensor, ...]:
            parts = projected.view(batch, -1, self.config.heads, width // self.config.heads)
            return torch.split(parts.transpose(1, 2).flatten(0, 1), ROWS)

        # A few rows at a time: the (T, T) weights of all of them would not stay in the cache.
        pairs = zip(split(self.query_key(padded)), split(self.value(padded)), strict=True)
        mixed = torch.cat([self._attend(query, value, draw) for query, value in pairs])
        merged = mixed.view(batch, self.config.heads, -1, width // self.config.heads)
        out: Tensor = self.out(merged.transpose(1, 2).flatten(2)[:, :steps])
        return out

    def _attend(self, query: Tensor, value: Tensor, draw: Tensor | None) -> Tensor:
        rows, steps, size = query.shape
        if draw is None:
            bias = query.new_zeros(rows, steps, steps)
        else:
            bias = self._times_met(query.detach(), draw[0]).to(query.dtype)
        bias.diagonal(dim1=1, dim2=2).add_(SELF)
        key = F.normalize(query, dim=-1)
        query, key, value, bias = (part[:, None] for part in (query, key, value, bias))
        scale = size**-0.5 if self.config.scale else 1.0
        return F.scaled_dot_product_attention(query, key, value, bias, scale=scale)[:, 0]

    def _times_met(self, query: Tensor, rotations: Tensor) -> Tensor:
        """(R, T, T): the logarithm of how often each query meets each key, over all rounds."""
        rows, steps, _ = query.shape
        turned = (query @ rotations.flatten(1)).view(rows, steps, *rotations.shape[1:])
        buckets = torch.cat([turned, -turned], dim=-1).argmax(dim=-1).transpose(1, 2)
        # Sort by bucket, then by time; the rounds then stand in one line of chunks.
        order = (buckets * steps + torch.arange(steps, device=query.device)).argsort(dim=-1)
        chunks = order.reshape(rows, -1, self.config.bucket)
        keys = torch.cat([chunks, chunks.roll(1, dims=1)], dim=2)
        cells = (chunks[..., None] * steps + keys[:, :, None]).flatten(1)
        one = torch.ones((), device=query.device).expand(cells.shape)
        met = torch.zeros(rows, steps**2, device=query.device).scatter_add_(1, cells, one)
        # The logarithm of 0 is slow on the CPU.
        logarithm = met.clamp_min(1).log_().masked_fill_(met == 0, -torch.inf)
        return logarithm.view(rows, steps, steps)


def padded_length(steps: int, bucket: int) -> int:
    """The next multiple of two buckets."""
    return -(-steps // (2 * bucket)) * 2 * bucket


class ReformerNet(nn.Module):
    """Embedding, post-norm layers, norm, flat head."""

    def __init__(self, config: ReformerConfig, shape: InputShape) -> None:
        super().__init__()
        self.config = config
        variables = shape.sensors * shape.channels
        self.steps = shape.steps
        self.embedding = SeriesEmbedding(variables, config.width, shape.steps, config.dropout)
        self.layers = nn.ModuleList(
            PostNormLayer(LSHAttention(config), config.width, config.feedforward, config.dropout)
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.width)
        self.head = FlattenHead(shape.steps, config.width, shape.classes, config.dropout)

    def draw(self, generator: torch.Generator) -> list[Tensor | None]:
        """Rotations of every layer; None where attention is full."""
        c = self.config
        if c.attention == "full":
            return [None] * c.layers
        half = padded_length(self.steps, c.bucket) // c.bucket // 2
        size = (1, c.width // c.heads, c.hashes, half)
        device = generator.device
        return [torch.randn(size, generator=generator, device=device) for _ in range(c.layers)]

    def forward(self, x: Tensor, draws: Sequence[Tensor | None]) -> Tensor:
        hidden = self.embedding(flatten_sensors(x))
        for layer, draw in zip(self.layers, draws, strict=True):
            hidden = layer(hidden, draw)
        out: Tensor = self.head(self.norm(hidden))
        return out


def classification_loss(network: ReformerNet, batch: LabelledBatch) -> Tensor:
    """Cross-entropy; rotations are drawn afresh."""
    return F.cross_entropy(network(batch.x, network.draw(batch.generator)), batch.y)


@register_method
class Reformer(Method):
    """Locality-sensitive hashing attention in a post-norm encoder.

    Reference: N. Kitaev et al., "Reformer: The Efficient Transformer", ICLR 2020; as in
    thuml/Time-Series-Library's classification task (4e938a1) with lucidrains/reformer-pytorch.

    Differences from the original
    -----------------------------
    - TSLib's form: no reversible residuals, no chunked feed-forward, no axial positions, buckets
      of 4 steps and 4 hashes; logits also divided by sqrt(d/heads) (`scale`).
    - Rotations at evaluation come from a seeded generator, the same for every batch; the
      original draws them anew, so its scores change from call to call.
    - The best epoch is chosen by validation macro-F1; TSLib selects on the test set.
    - The default size is that of TSLib's scripts (`preset=original`).
    """

    name = "reformer"
    title = "Reformer"
    colour = "#999933"
    kind = "supervised"
    reference = "Kitaev et al., ICLR 2020"
    Config = ReformerConfig
    named_presets: ClassVar = {
        "original": {"width": 128, "heads": 8, "feedforward": 256, "layers": 3}
    }
    config: ReformerConfig

    def build(self, shape: InputShape) -> ReformerNet:
        return ReformerNet(self.config, shape)

    def stages(self, budget: Budget) -> list[Stage]:
        return supervised_stages(classification_loss, self.config, budget)

    def logits(self, network: ReformerNet, batch: Batch) -> Tensor:
        logits: Tensor = network(batch.x, network.draw(batch.generator))
        return logits

    @classmethod
    def test_config(cls) -> ReformerConfig:
        return ReformerConfig(width=8, heads=2, feedforward=8, layers=1, hashes=2)

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"lr": (1e-4, 1e-2), "layers": [1, 2, 3], "hashes": [2, 4, 8]}

    @classmethod
    def reproduce(
        cls, config: Mapping[str, Any], arrays: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Against TSLib with lucidrains/reformer-pytorch; rotations injected."""
        from harbench.testing.reference import (
            ENCODER_NAMES,
            copy_weights,
            series_shape,
            supervised_outputs,
        )

        full = config["variant"] == "full-attention"
        settings = ReformerConfig(
            width=config["d_model"],
            heads=config["n_heads"],
            feedforward=config["d_ff"],
            layers=config["e_layers"],
            bucket=config["bucket_size"],
            hashes=config["n_hashes"],
            attention="full" if full else "lsh",
        )
        names = (
            (r"attention\.attn\.toqk", "attention.query_key"),
            (r"attention\.attn\.tov", "attention.value"),
            (r"attention\.attn\.to_out", "attention.out"),
            *ENCODER_NAMES,
        )
        network = ReformerNet(settings, series_shape(config))
        copy_weights(network, arrays, names)

        def call(x: Tensor, draws: list[Tensor]) -> Tensor:
            logits: Tensor = network(x, draws or [None] * settings.layers)
            return logits

        return supervised_outputs(network, arrays, names, call)
