"""RobustHAR: masked pre-training at three scales, fused by cross attention (IJCAI 2025)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from pydantic import Field
from torch import Tensor, nn

from harbench.errors import HarbenchError
from harbench.method import Batch, Budget, InputShape, LabelledBatch, Method, Stage, register_method
from harbench.nn.body import body_order, coordinate_features, distance_matrix_mix
from harbench.nn.cross_attention import CrossAttention
from harbench.nn.embedding import SensorPatchEmbedding
from harbench.nn.masking import masked_count, random_subsets
from harbench.nn.patches import default_patch
from harbench.nn.transformer import PreNormLayer

Scale = Literal["sensor", "channel", "segment"]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class RobustHARConfig:
    """Choices of the paper, and ours where it is silent.

    patch: steps per token; none takes `default_patch`. lam: weight lambda of reconstruction
    against consistency. mask_rate: share r masked at each scale. lst3d=False: random sensor order,
    no location embedding. mstm=False: no pre-training. adjacency="smooth": sensors mixed by
    distance (`smooth_scale` metres), not permuted. channel_mask="pair": single (sensor, channel)
    pairs, not channel indices of all sensors. consistency="features": cosine of pooled features.
    correlation="literal": Eq. 9 as printed. fusion: "pairs", "gated", or "concat" (no AMFF).
    """

    patch: Count | None = None
    width: Count = 64
    heads: Count = 8
    layers: Count = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    lam: Share = 0.5
    mask_rate: Annotated[float, Field(gt=0, lt=1)] = 0.3
    scales: Annotated[tuple[Scale, ...], Field(min_length=1)] = ("sensor", "channel", "segment")
    lst3d: bool = True
    mstm: bool = True
    shared_encoder: bool = False
    adjacency: Literal["order", "smooth"] = "order"
    smooth_scale: Annotated[float, Field(gt=0)] = 0.3
    channel_mask: Literal["index", "pair"] = "index"
    consistency: Literal["completion", "features"] = "completion"
    correlation: Literal["tokens", "literal"] = "tokens"
    fusion: Literal["pairs", "gated", "concat"] = "pairs"
    temperature: Annotated[float, Field(gt=0)] = 0.025
    lr: Annotated[float, Field(gt=0)] = 1e-3
    pretrain_batch: Annotated[int, Field(ge=2)] = 64
    batch: Annotated[int, Field(ge=2)] = 32

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by {self.heads} heads")
        if len(set(self.scales)) != len(self.scales):
            raise ValueError("scales names one scale twice")


class Fusion(nn.Module):
    """Adaptive multi-scale feature fusion (AMFF): maps (B, m, d) of each scale -> logits (B, K).

    Each pair of maps is attended crosswise (Eqs. 9-10), multiplied element-wise and averaged over
    tokens (Eq. 11).
    """

    def __init__(self, config: RobustHARConfig, tokens: int, classes: int) -> None:
        super().__init__()
        self.config = config
        self.pairs = list(itertools.combinations(range(len(config.scales)), 2))
        if config.fusion == "concat" or not self.pairs:
            self.pairs, parts = [], len(config.scales)
        else:
            parts = 1 if config.fusion == "gated" else len(self.pairs)
        literal = config.correlation == "literal"
        self.cross = nn.ModuleList(
            CrossAttention(tokens, config.temperature, literal) for _ in self.pairs
        )
        self.gate = nn.Linear(config.width, 1) if self.pairs and config.fusion == "gated" else None
        self.head = nn.Sequential(
            nn.LayerNorm(parts * config.width), nn.Linear(parts * config.width, classes)
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        if self.pairs:
            parts = []
            for cross, (a, b) in zip(self.cross, self.pairs, strict=True):
                first, second = cross(features[a], features[b])
                parts.append((first * second).mean(dim=1))
        else:
            parts = [feature.mean(dim=1) for feature in features]
        if self.gate is not None:
            stacked = torch.stack(parts, dim=1)
            fused = (torch.softmax(self.gate(stacked), dim=1) * stacked).sum(dim=1)
        else:
            fused = torch.cat(parts, dim=-1)
        logits: Tensor = self.head(fused)
        return logits


class RobustHARNet(nn.Module):
    """Three encoder-decoder pairs and the fusion; windows come in as (B, T, N, C)."""

    def __init__(self, config: RobustHARConfig, shape: InputShape) -> None:
        super().__init__()
        self.config = config
        self.steps = shape.steps
        self.patch = config.patch or default_patch(shape.steps, shape.rate)
        if self.patch > shape.steps:
            raise HarbenchError(
                f"robusthar: patch={self.patch} is longer than a window of {shape.steps} steps. "
                f"Choose --set patch=P with P <= {shape.steps}."
            )
        patches = math.ceil(shape.steps / self.patch)
        self.padding = patches * self.patch - shape.steps
        order = body_order(shape.positions) if config.lst3d else torch.randperm(shape.sensors)
        self.order: Tensor
        self.register_buffer("order", torch.as_tensor(order))
        self.mix: Tensor | None
        smooth = config.lst3d and config.adjacency == "smooth"
        mix = distance_matrix_mix(shape.positions, config.smooth_scale) if smooth else None
        self.register_buffer("mix", None if mix is None else torch.from_numpy(mix))
        locations = coordinate_features(shape.positions)[self.order] if config.lst3d else None
        models = 1 if config.shared_encoder else len(config.scales)
        self.encoders = nn.ModuleList(
            nn.Sequential(
                SensorPatchEmbedding(self.patch, patches, shape.channels, config.width, locations),
                *self._layers(config.layers),
            )
            for _ in range(models)
        )
        self.decoders = nn.ModuleList(
            nn.Sequential(*self._layers(1), nn.Linear(config.width, self.patch * shape.channels))
            for _ in range(models)
        )
        self.fusion = Fusion(config, patches * shape.sensors, shape.classes)

    def _layers(self, count: int) -> Iterator[PreNormLayer]:
        c = self.config
        return (PreNormLayer(c.width, c.heads, 4 * c.width, c.dropout) for _ in range(count))

    def arrange(self, values: Tensor) -> Tensor:
        """Pad time to whole patches and order (or mix) the sensors: X = D A (Eq. 1)."""
        if self.mix is not None:
            values = torch.einsum("mn,btnc->btmc", self.mix, values)
        return F.pad(values[:, :, self.order], (0, 0, 0, 0, 0, self.padding))

    def encode(self, scale: int, x: Tensor) -> Tensor:
        """Features (B, m, d) of arranged windows, by the encoder of a scale."""
        features: Tensor = self.encoders[scale % len(self.encoders)](x)
        return features

    def decode(self, scale: int, features: Tensor) -> Tensor:
        """Reconstructed windows (B, P*p, N, C) from features."""
        values = self.decoders[scale % len(self.decoders)](features)
        patches = (self.steps + self.padding) // self.patch
        return rearrange(  # type: ignore[no-any-return]
            values, "b (p n) (s c) -> b (p s) n c", p=patches, s=self.patch
        )

    def forward(self, x: Tensor) -> Tensor:
        arranged = self.arrange(x)
        return self.fusion(  # type: ignore[no-any-return]
            [self.encode(s, arranged) for s in range(len(self.config.scales))]
        )


def draw_mask(
    scale: Scale, shape: torch.Size, patch: int, config: RobustHARConfig, draws: torch.Generator
) -> Tensor:
    """True where masked: fresh per window, broadcastable to (B, T, N, C) (Eq. 2).

    sensor: round(r N) sensors. channel: round(r C) channel indices of all sensors, or round(r N C)
    pairs. segment: round(r P) whole patches. Counts stay between 1 and total - 1.
    """
    batch, steps, sensors, channels = shape

    def pick(total: int) -> Tensor:
        return random_subsets(batch, total, masked_count(config.mask_rate, total), draws)

    if scale == "sensor":
        return pick(sensors)[:, None, :, None]
    if scale == "segment":
        return pick(steps // patch).repeat_interleave(patch, dim=1)[:, :, None, None]
    if config.channel_mask == "pair":
        return pick(sensors * channels).view(batch, 1, sensors, channels)
    return pick(channels)[:, None, None, :]


def pretraining_loss(network: RobustHARNet, batch: Batch) -> dict[str, Tensor]:
    """lambda L_rec + (1 - lambda) L_con over the configured scales (Eqs. 3-7).

    L_rec: per scale the mean absolute error of masked, natively observed elements; summed.
    L_con: 1 - cosine of the completed windows (or pooled features), summed over pairs of scales.
    """
    config = network.config
    x = network.arrange(batch.x)
    # Mixed sensors count as observed only where all of them are; padding never does.
    observed = network.arrange(batch.observed.to(x.dtype)) > 0.999
    reconstruction = x.new_zeros(())
    views = []
    for index, scale in enumerate(config.scales):
        masked = draw_mask(scale, x.shape, network.patch, config, batch.generator)
        features = network.encode(index, x.masked_fill(masked, 0))
        completed = network.decode(index, features)
        target = masked & observed
        error = ((completed - x).abs() * target).sum() / target.sum().clamp_min(1)
        reconstruction = reconstruction + error
        if config.consistency == "features":
            views.append(features.mean(dim=1))
        else:
            views.append(torch.where(masked, completed, x)[:, : network.steps].flatten(1))
    # The cosine from its definition: on the CPU four times faster than F.cosine_similarity.
    scales = [view.square().sum(dim=1).clamp_min(1e-12).rsqrt() for view in views]
    consistency = x.new_zeros(())
    for i, j in itertools.combinations(range(len(views)), 2):
        cosine = (views[i] * views[j]).sum(dim=1) * scales[i] * scales[j]
        consistency = consistency + (1 - cosine).mean()
    loss = config.lam * reconstruction + (1 - config.lam) * consistency
    return {"loss": loss, "reconstruction": reconstruction, "consistency": consistency}


def classification_loss(network: RobustHARNet, batch: LabelledBatch) -> Tensor:
    """Cross-entropy of unmasked labelled windows."""
    return F.cross_entropy(network(batch.x), batch.y)


@register_method
class RobustHAR(Method):
    """Three masked autoencoders (sensor, channel, segment), fused and fine-tuned.

    Reference: X. Liu et al., "RobustHAR: Multi-scale Spatial-temporal Masked Self-supervised
    Pre-training for Robust Human Activity Recognition", IJCAI 2025. No public code.

    Differences from the original
    -----------------------------
    - Eq. 1's A is a permutation along the body (the paper leaves A open), and the sensor's
      coordinates enter through a location embedding, without which a permutation is invisible.
    - Three encoder-decoder pairs: with the one encoder of Eqs. 3-4 the fused maps are identical.
    - L_con is 1 - cosine: as printed, Eq. 7 would minimise the similarity. Missing values are 0.
    - Eq. 9 is read as the cited cross attention network defines it; `correlation="literal"`
      is Eq. 9 as printed. Eq. 11 is an element-wise product of each of the three pairs.
    - Width 64, FFN 256, patches of half a second to a second: not given in the paper.
    """

    name = "robusthar"
    kind = "self-supervised"
    reference = "Liu et al., IJCAI 2025"
    Config = RobustHARConfig
    presets: ClassVar = {"czu-mhad": {"lam": 0.7}, "realworld": {"mask_rate": 0.5}}
    config: RobustHARConfig

    def build(self, shape: InputShape) -> RobustHARNet:
        return RobustHARNet(self.config, shape)

    def stages(self, budget: Budget) -> list[Stage]:
        """Pre-training (unless mstm=False), then fine-tuning of everything but the decoders."""
        pretrain = Stage(
            name="pretrain",
            loss=pretraining_loss,
            epochs=budget.pretrain,
            batch_size=self.config.pretrain_batch,
            labelled=False,
            optimizer=self._adam,
            frozen=lambda network: [network.fusion],
        )
        finetune = Stage(
            name="finetune",
            loss=classification_loss,
            epochs=budget.supervised,
            batch_size=self.config.batch,
            labelled=True,
            optimizer=self._adam,
            frozen=lambda network: [network.decoders],
            select="validation",
        )
        return [pretrain, finetune] if self.config.mstm else [finetune]

    def logits(self, network: RobustHARNet, batch: Batch) -> Tensor:
        logits: Tensor = network(batch.x)
        return logits

    @classmethod
    def test_config(cls) -> RobustHARConfig:
        return RobustHARConfig(width=8, heads=2, pretrain_batch=16, batch=8)

    def _adam(self, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=self.config.lr)

    def rebuild(self, network: RobustHARNet, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
        """Masked and rebuilt as in pre-training (Fig. 5), sensors in the dataset's order."""
        x, found = network.arrange(batch.x), dict[str, tuple[Tensor, Tensor]]()
        place = (slice(None), slice(network.steps), network.order.argsort())
        for index, scale in enumerate(self.config.scales):
            mask = draw_mask(scale, x.shape, network.patch, self.config, batch.generator)
            values = network.decode(index, network.encode(index, x.masked_fill(mask, 0)))
            found[scale] = (mask.expand_as(x)[place], torch.where(mask, values, x)[place])
        return found

    @classmethod
    def search_space(cls) -> dict[str, list[float] | tuple[float, float]]:
        return {"lr": (1e-4, 1e-2), "lam": [0.1, 0.3, 0.5, 0.7, 0.9], "mask_rate": [0.1, 0.3, 0.5]}

    @classmethod
    def reproduce(cls, config: object, arrays: object) -> dict[str, Tensor]:  # noqa: ARG003
        from harbench.testing.cross_attention import cross_attention_outputs

        return cross_attention_outputs(arrays)
