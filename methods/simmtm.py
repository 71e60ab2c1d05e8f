"""SimMTM: masked series are rebuilt from their neighbours in series space (NeurIPS 2023)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
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
    Method,
    Stage,
    register_method,
)
from harbench.nn.dropout import BitDropout
from harbench.nn.geometric_mask import flattened_mask, geometric_mask
from harbench.nn.series import flatten_sensors
from harbench.nn.supervised import cross_entropy

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True)
class SimMTMConfig:
    """The classification code's networks with TF-C's HAR configuration of the same encoder.

    copies: masked views per window. run: mean length of a masked run. mask_order: one chain per
    window and channel along time, or ("flattened") one chain over everything with channels
    fastest, as the released code has it, whose "3 steps" are then 3 channels. target:
    reconstruction of the originals only (paper) or of all rows, each from its own masked input
    (code).
    """

    kernel: Count = 8
    stride: Count = 1
    features: Count = 128
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.35
    copies: Count = 3
    mask_rate: Share = 0.5
    run: Annotated[float, Field(ge=1)] = 3.0
    mask_order: Literal["time", "flattened"] = "time"
    target: Literal["originals", "all"] = "originals"
    temperature: Annotated[float, Field(gt=0)] = 0.2
    lr: Annotated[float, Field(gt=0)] = 1e-4
    pretrain_batch: Annotated[int, Field(ge=2)] = 32
    batch: Annotated[int, Field(ge=2)] = 32


class SimMTMNet(nn.Module):
    """Convolutional encoder, projector, reconstruction head, loss weights, classifier."""

    def __init__(self, config: SimMTMConfig, shape: InputShape) -> None:
        super().__init__()
        self.config = config
        variables = shape.sensors * shape.channels
        self.encoder = nn.Sequential(
            self._block(variables, 32, config.kernel, config.stride),
            BitDropout(config.dropout),
            self._block(32, 64, 8, 1),
            self._block(64, config.features, 8, 1),
        )
        with torch.no_grad():
            length = self.encoder(torch.zeros(2, variables, shape.steps)).shape[2]
        flat = config.features * length
        self.projector = nn.Sequential(
            nn.Linear(flat, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 128)
        )
        self.rebuild = nn.Linear(flat, variables * shape.steps)
        self.loss_weights = nn.Parameter(torch.ones(2))
        self.classifier = nn.Sequential(
            nn.Linear(flat, 64), nn.Sigmoid(), nn.Linear(64, shape.classes)
        )

    @staticmethod
    def _block(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv1d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm1d(outputs),
            nn.ReLU(),
            nn.MaxPool1d(2, 2, padding=1),
        )

    def features(self, series: Tensor) -> Tensor:
        """(B, V, T) -> (B, F, L)."""
        out: Tensor = self.encoder(series)
        return out

    def forward(self, x: Tensor) -> Tensor:
        series = flatten_sensors(x).transpose(1, 2)
        logits: Tensor = self.classifier(self.features(series).flatten(1))
        return logits


def positives(windows: int, rows: int, device: torch.device) -> Tensor:
    """(R, R) bool: rows of the same window, without the row itself."""
    origin = torch.arange(rows, device=device) % windows
    itself = torch.eye(rows, dtype=torch.bool, device=device)
    return (origin[:, None] == origin) & ~itself


@dataclass
class Views:
    """What a pass over originals and masked copies (R, V, T) gives; see `pretext`.

    aggregated and rebuilt have the rows that are targets.
    """

    features: Tensor
    series: Tensor
    similarity: Tensor
    weights: Tensor
    aggregated: Tensor
    rebuilt: Tensor
    contrastive: Tensor


def pretext(network: SimMTMNet, rows: Tensor, windows: int) -> Views:
    """Similarities of series, neighbours' feature maps added up by them, and what they rebuild.

    rows: the `windows` originals, then all first copies, all second copies, ... Only the rows that
    are targets are rebuilt: the originals, unless target="all". The contrastive loss sums over a
    row's positives and averages over rows.
    """
    features = network.features(rows)
    series = network.projector(features.flatten(1))
    unit = F.normalize(series, dim=1)
    similarity = unit @ unit.T
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    scaled = (similarity / network.config.temperature).masked_fill(itself, -1e12)
    log_share = scaled.log_softmax(dim=1)
    same = positives(windows, len(rows), rows.device)
    contrastive = -(log_share * same).sum() / len(rows)
    weights = log_share.exp()
    count = windows if network.config.target == "originals" else len(rows)
    aggregated = (weights[:count] @ features.flatten(1)).view(count, *features.shape[1:])
    rebuilt = network.rebuild(aggregated.flatten(1))
    return Views(features, series, similarity, weights, aggregated, rebuilt, contrastive)


def weighted(network: SimMTMNet, contrastive: Tensor, reconstruction: Tensor) -> Tensor:
    """sum of L_i / (2 p_i^2) + log(1 + p_i^2), with learned p."""
    squares = network.loss_weights.square()
    losses = torch.stack([contrastive, reconstruction])
    return (losses / (2 * squares) + torch.log1p(squares)).sum()


def pretraining_loss(network: SimMTMNet, batch: Batch) -> dict[str, Tensor]:
    """Contrastive and reconstruction loss with learned weights."""
    config = network.config
    series = flatten_sensors(batch.x).transpose(1, 2)
    known = flatten_sensors(batch.observed).transpose(1, 2)
    windows, variables, steps = series.shape
    shape, draws = (config.copies * windows, variables, steps), batch.generator
    if config.mask_order == "time":
        chains = shape[0] * variables
        masked = geometric_mask(chains, steps, config.mask_rate, config.run, draws).view(shape)
    else:
        line = flattened_mask(math.prod(shape), config.mask_rate, config.run, draws)
        masked = line.view(shape[0], steps, variables).transpose(1, 2)
    copies = series.repeat(config.copies, 1, 1).masked_fill(masked, 0)
    rows = torch.cat([series, copies])
    views = pretext(network, rows, windows)
    target = rows[: len(views.rebuilt)]
    error = (views.rebuilt.view_as(target) - target).square()
    wanted = known.repeat(config.copies + 1, 1, 1)[: len(target)]
    reconstruction = (error * wanted).sum() / wanted.sum().clamp_min(1)
    loss = weighted(network, views.contrastive, reconstruction)
    return {"loss": loss, "contrastive": views.contrastive, "reconstruction": reconstruction}


@register_method
class SimMTM(Method):
    """Masked modelling over series-wise similarity.

    Reference: J. Dong et al., "SimMTM: A Simple Pre-Training Framework for Masked Time-Series
    Modeling", NeurIPS 2023; as in thuml/SimMTM's classification code (169513b).

    Differences from the original
    -----------------------------
    - All channels enter the first convolution; the released code keeps the first one only.
    - Masks run along time per channel (`mask_order="flattened"` is the released code's order).
    - Only originals are rebuilt, as in the paper (`target="all"` is the code).
    - The fine-tuning rate is constant: the original's scheduler call leaves it so. Its 1e-4 and 300
      epochs of a few batches are kept in effect by the budget's 4000 steps.
    - The default size is TF-C's for HAR (`preset=original`).
    - The best epoch is chosen by validation macro-F1; the original reports the best on test.
    """

    name = "simmtm"
    title = "SimMTM"
    colour = "#44AA99"
    kind = "self-supervised"
    reference = "Dong et al., NeurIPS 2023"
    Config = SimMTMConfig
    named_presets: ClassVar = {"original": {"kernel": 8, "features": 128}}
    config: SimMTMConfig

    def build(self, shape: InputShape) -> SimMTMNet:
        return SimMTMNet(self.config, shape)

    def stages(self, budget: Budget) -> list[Stage]:
        return [
            Stage(
                name="pretrain",
                loss=pretraining_loss,
                epochs=budget.pretrain,
                batch_size=self.config.pretrain_batch,
                labelled=False,
                optimizer=self._adam,
                schedule=lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
                frozen=lambda network: [network.classifier],
            ),
            Stage(
                name="finetune",
                loss=cross_entropy,
                epochs=budget.supervised,
                batch_size=self.config.batch,
                labelled=True,
                optimizer=self._adam,
                frozen=lambda network: [network.projector, network.rebuild],
                select="validation",
            ),
        ]

    def logits(self, network: SimMTMNet, batch: Batch) -> Tensor:
        logits: Tensor = network(batch.x)
        return logits

    @classmethod
    def test_config(cls) -> SimMTMConfig:
        return SimMTMConfig(features=8, batch=8, pretrain_batch=8)

    def _adam(self, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        # Fused: half of a pre-training step would go into updating the weights of `rebuild`.
        return torch.optim.Adam(parameters, lr=self.config.lr, betas=(0.9, 0.99), fused=True)

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"lr": (3e-5, 3e-3), "mask_rate": [0.25, 0.5, 0.75], "copies": [2, 3]}

    @classmethod
    def reproduce(
        cls, config: Mapping[str, Any], arrays: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Against thuml/SimMTM, masked rows injected; masks by share and mean masked run."""
        from harbench.testing.reference import copy_weights, run_statistics

        if config["variant"] == "geometric-mask":
            draws = torch.Generator().manual_seed(0)
            masks = (geometric_mask(200, config["L"], p, run, draws) for run, p in config["rows"])
            return {"samples/stats": torch.stack([run_statistics(m) for m in masks], dim=1)}
        variables, windows = config["input_channels"], config["B"]
        classes, places = config["num_classes_target"], ((0.0, 0.0, 0.0),) * variables
        settings = SimMTMConfig(
            kernel=config["kernel_size"],
            stride=config["stride"],
            features=config["final_out_channels"],
            dropout=config["dropout"],
            copies=config["positive_nums"],
            mask_rate=config["masking_ratio"],
            run=config["lm"],
            target="all",
            temperature=config["temperature"],
        )
        network = SimMTMNet(settings, InputShape(config["T"], variables, 1, classes, 1.0, places))
        names = (
            (r"^net\.conv_block1", "encoder.0"),
            (r"^net\.conv_block2", "encoder.2"),
            (r"^net\.conv_block3", "encoder.3"),
            (r"^net\.dense", "projector"),
            (r"^net\.head", "rebuild"),
            (r"^net\.awl\.params", "loss_weights"),
            (r"^clf\.logits\.", "classifier.0."),
            (r"^clf\.logits_simple", "classifier.2"),
        )
        copy_weights(network, arrays, names)
        rows = arrays["input/xom"]
        outputs: dict[str, Tensor] = {}
        for mode, prefix in ((False, ""), (True, "train_")):
            network.train(mode)
            views = pretext(network, rows, windows)
            reconstruction = F.mse_loss(views.rebuilt, rows.flatten(1))
            loss = weighted(network, views.contrastive, reconstruction)
            outputs |= {
                f"{prefix}loss": loss.detach(),
                f"{prefix}loss_cl": views.contrastive.detach(),
                f"{prefix}loss_rb": reconstruction.detach(),
            }
            if not mode:
                outputs |= {
                    "h": views.features.flatten(1),
                    "z": views.series,
                    "sim": views.similarity,
                    "W": views.weights,
                    "agg": views.aggregated,
                    "pred": views.rebuilt,
                    "posmask": positives(windows, len(rows), rows.device),
                    "logits": network(arrays["input/x"].transpose(1, 2)[..., None]),
                }
                outputs = {key: value.detach() for key, value in outputs.items()}
        torch.autograd.backward(loss)
        convolution = network.get_parameter("encoder.0.0.weight")
        for name, parameter in (("conv1", convolution), ("awl", network.loss_weights)):
            if parameter.grad is not None:
                outputs[f"train_grad_{name}"] = parameter.grad
        return outputs
