"""RobustHAR: masked pre-training at three scales, fused by cross attention (IJCAI 2025)."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from pydantic import Field
from torch import Tensor, nn

from harbench.errors import HarbenchError
from harbench.method import (
    Batch,
    Budget,
    FitStage,
    InputShape,
    LabelledBatch,
    Method,
    Stage,
    register_method,
)
from harbench.nn.body import BodyVariation
from harbench.nn.consistency import cosine_distances
from harbench.nn.embedding import SensorPatchEmbedding
from harbench.nn.masking import Scale, scale_mask
from harbench.nn.patches import patch_steps
from harbench.nn.scale_fusion import ScaleFusion
from harbench.nn.transformer import PreNormLayer

Share = Annotated[float, Field(ge=0, le=1)]
MaskRate = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class RobustHARConfig:
    """Choices of the paper, and ours where it is silent.

    patch_seconds: duration of a token; patch: its steps, if given. span: neighbouring sensors that
    a token covers. stem="conv3d": a convolution over steps, neighbouring sensors and channels
    before the tokens. lam: weight lambda of reconstruction against consistency. mask_rate: share r
    masked at each scale that has no rate of its own. lst3d=False: random sensor order, no location
    embedding. mstm=False: no pre-training. adjacency="smooth": sensors mixed by distance
    (`smooth_scale` metres), not permuted. channel_mask="pair": single (sensor, channel) pairs, not
    channel indices of all sensors. reduction="sum": Eq. 5 as printed, not the mean per masked
    element. consistency="features": cosine of pooled features. correlation="literal": Eq. 9 as
    printed. fusion: "pairs", "gated", or "concat" (no AMFF). fill="decoder": missing values are
    rebuilt by the pre-trained encoders and decoders before classification, not zero.
    """

    patch: Count | None = None
    patch_seconds: Annotated[float, Field(gt=0)] = 0.5
    span: Count = 1
    stem: Literal["none", "conv3d"] = "none"
    width: Count = 64
    heads: Count = 8
    layers: Count = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    lam: Share = 0.5
    mask_rate: MaskRate = 0.3
    sensor_rate: MaskRate | None = None
    channel_rate: MaskRate | None = None
    segment_rate: MaskRate | None = None
    scales: Annotated[tuple[Scale, ...], Field(min_length=1)] = ("sensor", "channel", "segment")
    lst3d: bool = True
    mstm: bool = True
    shared_encoder: bool = False
    adjacency: Literal["order", "smooth"] = "order"
    smooth_scale: Annotated[float, Field(gt=0)] = 0.3
    channel_mask: Literal["index", "pair"] = "index"
    reduction: Literal["mean", "sum"] = "mean"
    consistency: Literal["completion", "features"] = "completion"
    correlation: Literal["tokens", "literal"] = "tokens"
    fusion: Literal["pairs", "gated", "concat"] = "pairs"
    temperature: Annotated[float, Field(gt=0)] = 0.025
    fill: Literal["zero", "decoder"] = "zero"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    pretrain_batch: Annotated[int, Field(ge=2)] = 64
    batch: Annotated[int, Field(ge=2)] = 32

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by {self.heads} heads")
        if len(set(self.scales)) != len(self.scales):
            raise ValueError("scales names one scale twice")
        if self.fill == "decoder" and not self.mstm:
            raise ValueError("fill=decoder needs decoders that were trained: mstm=true")

    def rate(self, scale: Scale) -> float:
        """The share that is masked at a scale."""
        own: float | None = getattr(self, f"{scale}_rate")
        return self.mask_rate if own is None else own


class RobustHARNet(nn.Module):
    """Three encoder-decoder pairs and the fusion; windows come in as (B, T, N, C)."""

    def __init__(self, config: RobustHARConfig, shape: InputShape) -> None:
        super().__init__()
        self.config = config
        self.steps = shape.steps
        self.patch = config.patch or patch_steps(shape.steps, shape.rate, config.patch_seconds)
        if self.patch > shape.steps:
            raise HarbenchError(
                f"robusthar: patch={self.patch} is longer than a window of {shape.steps} steps. "
                f"Choose --set patch=P with P <= {shape.steps}."
            )
        self.patches = math.ceil(shape.steps / self.patch)
        smooth = config.smooth_scale if config.adjacency == "smooth" else None
        self.variation = BodyVariation(shape.positions, config.lst3d, smooth)
        models = 1 if config.shared_encoder else len(config.scales)
        tokens = (self.patch, self.patches, shape.channels, config.width, self.variation.locations)
        self.encoders = nn.ModuleList(
            nn.Sequential(
                SensorPatchEmbedding(*tokens, config.span, config.stem == "conv3d"),
                *self._layers(config.layers),
            )
            for _ in range(models)
        )
        self.decoders = nn.ModuleList(
            nn.Sequential(*self._layers(1), nn.Linear(config.width, self.patch * shape.channels))
            for _ in range(models)
        )
        self.fusion = ScaleFusion(
            config.fusion,
            len(config.scales),
            self.patches * shape.sensors,
            config.width,
            shape.classes,
            config.temperature,
            literal=config.correlation == "literal",
        )
        # Fine-tuning moves the encoders away from their decoders: what fills gaps is kept apart.
        self.fillers = copy.deepcopy(self.encoders) if config.fill == "decoder" else None

    def _layers(self, count: int) -> Iterator[PreNormLayer]:
        c = self.config
        return (PreNormLayer(c.width, c.heads, 4 * c.width, c.dropout) for _ in range(count))

    def encode(self, scale: int, x: Tensor) -> Tensor:
        """Features (B, m, d) of arranged windows, by the encoder of a scale."""
        features: Tensor = self.encoders[scale % len(self.encoders)](x)
        return features

    def decode(self, scale: int, features: Tensor) -> Tensor:
        """Rebuilt windows (B, T, N, C) from features."""
        values = self.decoders[scale % len(self.decoders)](features)
        rebuilt = rearrange(values, "b (p n) (s c) -> b (p s) n c", p=self.patches, s=self.patch)
        return rebuilt[:, : self.steps]  # type: ignore[no-any-return]

    @torch.no_grad()
    def fill(self, x: Tensor, observed: Tensor) -> Tensor:
        """Arranged windows whose missing values are the mean of what the decoders rebuild.

        Windows that miss nothing, and observed values, are left alone.
        """
        gaps = ~observed.flatten(1).all(dim=1)
        if self.fillers is None or not gaps.any():
            return x
        some = x[gaps]
        rebuilt = [self.decode(i, filler(some)) for i, filler in enumerate(self.fillers)]
        filled = x.clone()
        filled[gaps] = torch.where(observed[gaps], some, torch.stack(rebuilt).mean(dim=0))
        return filled

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        arranged = self.variation(x)
        if self.fillers is not None:
            arranged = self.fill(arranged, self.variation.observed(observed))
        return self.fusion(  # type: ignore[no-any-return]
            [self.encode(s, arranged) for s in range(len(self.config.scales))]
        )


def draw_mask(scale: Scale, x: Tensor, network: RobustHARNet, draws: torch.Generator) -> Tensor:
    """True where masked: fresh per window, broadcastable to (B, T, N, C) (Eq. 2)."""
    config = network.config
    pairs = config.channel_mask == "pair"
    return scale_mask(scale, x.shape, config.rate(scale), network.patch, pairs, draws)


def pretraining_loss(network: RobustHARNet, batch: Batch) -> dict[str, Tensor]:
    """lambda L_rec + (1 - lambda) L_con over the configured scales (Eqs. 3-7).

    L_rec: per scale the mean absolute error of masked, natively observed elements (reduction="sum":
    their sum per window); summed.
    L_con: 1 - cosine of the completed windows (or pooled features), summed over pairs of scales.
    """
    config = network.config
    x = network.variation(batch.x)
    observed = network.variation.observed(batch.observed)
    reconstruction = x.new_zeros(())
    views = []
    for index, scale in enumerate(config.scales):
        masked = draw_mask(scale, x, network, batch.generator)
        features = network.encode(index, x.masked_fill(masked, 0))
        completed = network.decode(index, features)
        target = masked & observed
        count = target.sum().clamp_min(1) if config.reduction == "mean" else len(x)
        error = ((completed - x).abs() * target).sum() / count
        reconstruction = reconstruction + error
        if config.consistency == "features":
            views.append(features.mean(dim=1))
        else:
            views.append(torch.where(masked, completed, x).flatten(1))
    consistency = cosine_distances(views)
    loss = config.lam * reconstruction + (1 - config.lam) * consistency
    return {"loss": loss, "reconstruction": reconstruction, "consistency": consistency}


def classification_loss(network: RobustHARNet, batch: LabelledBatch) -> Tensor:
    """Cross-entropy of unmasked labelled windows."""
    return F.cross_entropy(network(batch.x, batch.observed), batch.y)


def keep_for_filling(network: RobustHARNet, batch: Batch) -> None:  # noqa: ARG001
    """The encoders as pre-training leaves them are those that fill gaps with the decoders."""
    if network.fillers is not None:
        network.fillers.load_state_dict(network.encoders.state_dict())


@register_method
class RobustHAR(Method):
    """Three masked autoencoders (sensor, channel, segment), fused and fine-tuned.

    Reference: X. Liu et al., "RobustHAR: Multi-scale Spatial-temporal Masked Self-supervised
    Pre-training for Robust Human Activity Recognition", IJCAI 2025. No public code.

    Differences from the original
    -----------------------------
    - Eq. 1's A is a permutation along the body (the paper leaves A open); the sensors' coordinates
      enter through a location embedding, and `stem` or `span` let tokens see their neighbours.
    - Three encoder-decoder pairs: with the one encoder of Eqs. 3-4 the fused maps are identical.
    - L_con is 1 - cosine: as printed, Eq. 7 would minimise the similarity. Missing values are 0.
    - Eq. 9 is read as the cited cross attention network defines it; `correlation="literal"`
      is Eq. 9 as printed. Eq. 11 is an element-wise product of each of the three pairs.
    - Width 64, FFN 256, patches of half a second: not given; docs/robusthar.md has every reading.
    """

    name = "robusthar"
    title = "RobustHAR"
    colour = "#D55E00"
    kind = "self-supervised"
    reference = "Liu et al., IJCAI 2025"
    Config = RobustHARConfig
    presets: ClassVar = {"czu-mhad": {"lam": 0.7}, "realworld": {"mask_rate": 0.5}}
    config: RobustHARConfig

    def build(self, shape: InputShape) -> RobustHARNet:
        return RobustHARNet(self.config, shape)

    def stages(self, budget: Budget) -> list[Stage | FitStage]:
        """Pre-training (unless mstm=False), then fine-tuning of everything but the decoders."""
        pretrain = Stage(
            name="pretrain",
            loss=pretraining_loss,
            epochs=budget.pretrain,
            batch_size=self.config.pretrain_batch,
            labelled=False,
            optimizer=self._adam,
            frozen=lambda network: [network.fusion, *(network.fillers or [])],
        )
        finetune = Stage(
            name="finetune",
            loss=classification_loss,
            epochs=budget.supervised,
            batch_size=self.config.batch,
            labelled=True,
            optimizer=self._adam,
            frozen=lambda network: [network.decoders, *(network.fillers or [])],
            select="validation",
        )
        if not self.config.mstm:
            return [finetune]
        if self.config.fill == "zero":
            return [pretrain, finetune]
        return [pretrain, FitStage("keep", keep_for_filling, labelled=False), finetune]

    def logits(self, network: RobustHARNet, batch: Batch) -> Tensor:
        logits: Tensor = network(batch.x, batch.observed)
        return logits

    @classmethod
    def test_config(cls) -> RobustHARConfig:
        return RobustHARConfig(width=8, heads=2, pretrain_batch=16, batch=8)

    def _adam(self, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=self.config.lr, fused=True)

    def rebuild(self, network: RobustHARNet, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
        """Masked and rebuilt as in pre-training (Fig. 5), sensors in the dataset's order."""
        x, found = network.variation(batch.x), dict[str, tuple[Tensor, Tensor]]()
        restore = network.variation.restore
        for index, scale in enumerate(self.config.scales):
            mask = draw_mask(scale, x, network, batch.generator)
            values = network.decode(index, network.encode(index, x.masked_fill(mask, 0)))
            found[scale] = restore(mask.expand_as(x)), restore(torch.where(mask, values, x))
        return found

    @classmethod
    def search_space(cls) -> dict[str, list[Any] | tuple[float, float]]:
        return {
            "lr": (1e-4, 1e-2),
            "lam": [0.1, 0.3, 0.5, 0.7, 0.9],
            "mask_rate": [0.1, 0.3, 0.5],
            "patch_seconds": [0.25, 0.5, 1.0],
            "width": [32, 64, 128],
        }

    @classmethod
    def reproduce(cls, config: object, arrays: object) -> dict[str, Tensor]:  # noqa: ARG003
        from harbench.testing.cross_attention import cross_attention_outputs

        return cross_attention_outputs(arrays)
