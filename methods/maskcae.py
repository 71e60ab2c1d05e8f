"""MaskCAE: a sparse convolutional masked autoencoder over cells of one channel (JBHI 2024)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from pydantic import Field
from torch import Tensor, nn

from harbench.method import (
    Batch,
    Budget,
    InputShape,
    Method,
    Stage,
    register_method,
)
from harbench.nn.masking import random_subsets
from harbench.nn.series import flatten_sensors
from harbench.nn.sparse_convolution import DecoderBlock, EncoderBlock, sparse_norm, upsample
from harbench.nn.supervised import cross_entropy

Rate = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
CELL = 16


@dataclass(frozen=True)
class MaskCAEConfig:
    """Half of the original's widths, and a narrower decoder (original 256), see the class.

    channels: widths of the four encoder blocks. decoder: width of the deepest decoder map.
    mask_rate: share of cells (16 steps of one channel) that are hidden. finetune: "full" trains
    everything, "probe" only the linear classifier.
    """

    channels: tuple[Count, Count, Count, Count] = (8, 16, 32, 64)
    decoder: Annotated[int, Field(ge=16, multiple_of=16)] = 32
    mask_rate: Annotated[float, Field(gt=0, lt=1)] = 0.3
    finetune: Literal["full", "probe"] = "full"
    pretrain_lr: Rate = 5e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.04
    clip: Rate = 5.0
    lr: Rate = 1e-4
    pretrain_batch: Annotated[int, Field(ge=2)] = 64
    batch: Annotated[int, Field(ge=2)] = 32


def pad_to_cells(values: Tensor) -> Tensor:
    """(B, 1, T, V) with T replicated at both ends to a multiple of 16."""
    rest = -values.shape[2] % CELL
    return F.pad(values, (0, 0, rest // 2, rest - rest // 2), mode="replicate")


class Decoder(nn.Module):
    """From the deepest map up: normalise, fill masked places, project, add, decode."""

    def __init__(self, config: MaskCAEConfig) -> None:
        super().__init__()
        deepest_first = config.channels[::-1]
        widths = [config.decoder // 2**i for i in range(4)]
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in deepest_first)
        self.tokens = nn.ParameterList(
            nn.init.trunc_normal_(torch.empty(1, c, 1, 1), std=0.02) for c in deepest_first
        )
        self.projections = nn.ModuleList(
            nn.Conv2d(c, w, (5, 1), padding=(2, 0)) if level else nn.Conv2d(c, w, 1)
            for level, (c, w) in enumerate(zip(deepest_first, widths, strict=True))
        )
        if deepest_first[0] == widths[0]:
            self.projections[0] = nn.Identity()
        self.blocks = nn.ModuleList(DecoderBlock(w) for w in widths)
        self.out = nn.Conv2d(widths[-1] // 2, 1, 1)

    def forward(self, maps: list[Tensor], active: Tensor) -> Tensor:
        """Reconstruction (B, 1, T, V) from the encoder's maps, shallowest first."""
        decoded: Tensor | None = None
        levels = zip(self.norms, self.tokens, self.projections, self.blocks, strict=True)
        for (norm, token, project, block), values in zip(levels, maps[::-1], strict=True):
            assert isinstance(norm, nn.BatchNorm2d)
            normalised = sparse_norm(norm, values, active)
            filled = project(torch.where(upsample(active, values), normalised, token))
            decoded = block(filled if decoded is None else decoded + filled)
        out: Tensor = self.out(decoded)
        return out


class MaskCAENet(nn.Module):
    """Encoder (sparse in pre-training, dense afterwards), decoder, linear classifier."""

    def __init__(self, config: MaskCAEConfig, shape: InputShape) -> None:
        super().__init__()
        self.config = config
        sizes = (1, *config.channels)
        self.encoder = nn.ModuleList(EncoderBlock(a, b) for a, b in itertools.pairwise(sizes))
        self.decoder = Decoder(config)
        cells = math.ceil(shape.steps / CELL) * shape.sensors * shape.channels
        self.classifier = nn.Linear(config.channels[-1] * cells, shape.classes)
        # Pooling and normalising are faster with the channels innermost, convolutions no slower.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode(self, image: Tensor, active: Tensor | None = None) -> list[Tensor]:
        """The four maps of (B, 1, T, V), hidden cells zeroed throughout if `active` is given."""
        maps = []
        values = image if active is None else image * upsample(active, image)
        for block in self.encoder:
            values = block(values, active)
            maps.append(values)
        return maps

    def reconstruct(self, image: Tensor, active: Tensor) -> Tensor:
        """Values of cells (B, f, V, 16), in units of each cell's own deviation."""
        return cells(self.decoder(self.encode(image, active), active))

    def forward(self, x: Tensor) -> Tensor:
        image = pad_to_cells(flatten_sensors(x)[:, None])
        logits: Tensor = self.classifier(self.encode(image)[-1].flatten(1))
        return logits


def cells(image: Tensor) -> Tensor:
    """(B, 1, T, V) -> (B, f, V, 16)."""
    out: Tensor = rearrange(image, "b 1 (f s) v -> b f v s", s=CELL)
    return out


def cell_statistics(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (unbiased, + 1e-6 inside the root) of each cell."""
    return values.mean(-1, keepdim=True), (values.var(-1, keepdim=True) + 1e-6).sqrt()


def reconstruction_error(network: MaskCAENet, image: Tensor, active: Tensor) -> Tensor:
    """(B, f, V): mean squared error of every cell against its standardised values."""
    values = cells(image)
    mean, deviation = cell_statistics(values)
    predicted = network.reconstruct(image, active)
    return (predicted - (values - mean) / deviation).square().mean(dim=-1)


def pretraining_loss(network: MaskCAENet, batch: Batch) -> Tensor:
    """Mean error of hidden cells that are fully observed natively."""
    image = pad_to_cells(flatten_sensors(batch.x)[:, None])
    known = pad_to_cells(flatten_sensors(batch.observed)[:, None].to(image.dtype))
    size, _, steps, variables = image.shape
    total = steps // CELL * variables
    kept = min(max(round(total * (1 - network.config.mask_rate)), 1), max(total - 1, 1))
    active = random_subsets(size, total, kept, batch.generator)
    active = active.view(size, 1, steps // CELL, variables)
    wanted = ~active[:, 0] & (cells(known).amin(dim=-1) > 0)
    error = reconstruction_error(network, image, active)
    return (error * wanted).sum() / wanted.sum().clamp_min(1)


@register_method
class MaskCAE(Method):
    """Masked convolutional autoencoder with sparse convolutions.

    Reference: D. Cheng et al., "MaskCAE: Masked Convolutional AutoEncoder via Sensor Data
    Reconstruction for Self-Supervised Human Activity Recognition", IEEE JBHI 2024; as in
    cheng-haha/MaskCAE (98459f3).

    Differences from the original
    -----------------------------
    - Widths 8 to 64 instead of 16 to 128, on validation people no worse (docs/budgets.md); decoder
      width 32 instead of 256, which costs hours a fold (`preset=original` restores both).
    - AdamW with warm-up over 4 % of the steps and cosine instead of LAMB; constant weight decay.
    - Windows are padded to a multiple of 16 steps, whatever their length.
    - Epochs follow the suite's budget (original: 1000 and 100).
    """

    name = "maskcae"
    title = "MaskCAE"
    colour = "#0072B2"
    kind = "self-supervised"
    reference = "Cheng et al., JBHI 2024"
    Config = MaskCAEConfig
    named_presets: ClassVar = {"original": {"channels": (16, 32, 64, 128), "decoder": 256}}
    config: MaskCAEConfig

    def build(self, shape: InputShape) -> MaskCAENet:
        return MaskCAENet(self.config, shape)

    def stages(self, budget: Budget) -> list[Stage]:
        probe = self.config.finetune == "probe"
        pretrain = Stage(
            name="pretrain",
            loss=pretraining_loss,
            epochs=budget.pretrain,
            batch_size=self.config.pretrain_batch,
            labelled=False,
            optimizer=self._adamw,
            schedule=warm_cosine,
            clip=self.config.clip,
            frozen=lambda network: [network.classifier],
        )
        supervised = Stage(
            name="probe" if probe else "finetune",
            loss=cross_entropy,
            epochs=budget.supervised,
            batch_size=self.config.batch,
            labelled=True,
            optimizer=lambda p: torch.optim.AdamW(
                p, lr=self.config.lr, weight_decay=0.0, fused=True
            ),
            schedule=lambda progress: cosine(progress),
            frozen=lambda network: [network.decoder] + ([network.encoder] if probe else []),
            select="validation",
        )
        return [pretrain, supervised]

    def logits(self, network: MaskCAENet, batch: Batch) -> Tensor:
        logits: Tensor = network(batch.x)
        return logits

    @classmethod
    def test_config(cls) -> MaskCAEConfig:
        return MaskCAEConfig(channels=(2, 2, 2, 4), decoder=16, batch=8, pretrain_batch=16)

    def _adamw(self, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        """No weight decay on biases, norms and mask tokens, as in the original."""
        given = list(parameters)
        plain = [p for p in given if p.ndim == 1 or p.shape[0] == 1]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in given if not any(p is q for q in plain)]},
            {"params": plain, "weight_decay": 0.0},
        ]
        rate, decay = self.config.pretrain_lr, self.config.weight_decay
        return torch.optim.AdamW(groups, lr=rate, weight_decay=decay, fused=True)

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"lr": (3e-5, 3e-3), "mask_rate": [0.3, 0.5, 0.7], "finetune": ["full", "probe"]}

    @classmethod
    def reproduce(
        cls, config: Mapping[str, Any], arrays: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Against cheng-haha/MaskCAE, mask injected."""
        from harbench.testing.reference import copy_weights

        variables = config["V"]
        places = ((0.0, 0.0, 0.0),) * variables
        shape = InputShape(config["T"], variables, 1, config["classes"], 1.0, places)
        settings = MaskCAEConfig(channels=tuple(config["chans"]), decoder=config["width"])
        blocks = tuple(
            rule
            for i in range(4)
            for rule in (
                (rf"layer{i + 1}\.0", f"encoder.{i}.convolution"),
                (rf"layer{i + 1}\.1", f"encoder.{i}.norm"),
            )
        )
        pretext_names = (
            (r"^net\.sparse_encoder\.sp_cnn\.", ""),
            (r"^net\.dense_decoder\.dec\.(\d)\.up_sample", r"decoder.blocks.\1.upsample"),
            (r"^net\.dense_decoder\.dec\.(\d)\.conv", r"decoder.blocks.\1.convolutions"),
            (r"^net\.dense_decoder\.proj", "decoder.out"),
            (r"^net\.densify_norms", "decoder.norms"),
            (r"^net\.densify_projs", "decoder.projections"),
            (r"^net\.mask_tokens", "decoder.tokens"),
            *blocks,
        )
        image, active = pad_to_cells(arrays["input/x"]), arrays["input/active"].bool()
        outputs: dict[str, Tensor] = {}
        for mode in ("eval", "train"):
            network = MaskCAENet(settings, shape).train(mode == "train")
            copy_weights(network, arrays, pretext_names)
            error = reconstruction_error(network, image, active)
            outputs[f"loss_{mode}"] = (error * ~active[:, 0]).sum() / (~active).sum()
            if mode == "eval":
                maps = network.encode(image, active)
                outputs |= {f"feat{i + 1}": values for i, values in enumerate(maps)}
                mean, deviation = cell_statistics(cells(image))
                rebuilt = network.reconstruct(image, active) * deviation + mean
                mixed = torch.where(active[:, 0, :, :, None], cells(image), rebuilt)
                outputs["rec_or_inp"] = rearrange(mixed, "b f v s -> b 1 (f s) v")
        torch.autograd.backward(outputs["loss_train"])
        gradient = network.get_parameter("encoder.0.convolution.weight").grad
        if gradient is not None:
            outputs["train_grad_conv1"] = gradient
        dense = MaskCAENet(settings, shape).eval()
        copy_weights(dense, arrays, ((r"^clf\.", ""), *blocks), absent=["decoder"])
        outputs["dense_feat4"] = dense.encode(image)[-1]
        outputs["logits"] = dense(image[:, 0, :, :, None])
        return outputs


def cosine(progress: float) -> float:
    """From 1 down to 0.001."""
    return 0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * progress))


def warm_cosine(progress: float) -> float:
    """From 0.005 up to 1 over 4 % of the steps, then `cosine`."""
    warm = 0.04
    if progress < warm:
        return 0.005 + 0.995 * progress / warm
    return cosine((progress - warm) / (1 - warm))
