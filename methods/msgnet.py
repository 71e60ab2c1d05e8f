"""MSGNet: graphs between variables and attention within periods, at several scales (AAAI 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from harbench.errors import HarbenchError
from harbench.method import (
    Batch,
    Budget,
    InputShape,
    Method,
    Stage,
    register_method,
)
from harbench.nn.periods import dominant_periods
from harbench.nn.series import FlattenHead, PostNormLayer, SeriesEmbedding, flatten_sensors
from harbench.nn.supervised import cross_entropy, supervised_stages
from harbench.nn.transformer import attend

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class MSGNetConfig:
    """Sizes of the original's weather script; training as TSLib's classification task.

    nodes: graph nodes, none takes the number of variables V (TSLib's flag defaults to 7).
    instance_norm: remove each window's mean and scale per variable, as TSLib does for forecasting;
    it also removes gravity and posture. evaluation_periods: as in TimesNet, for each window alone,
    or for the batch as the original does.
    """

    width: Annotated[int, Field(ge=2, multiple_of=2)] = 64
    heads: Count = 8
    feedforward: Count = 128
    layers: Count = 2
    periods: Count = 5
    nodes: Count | None = None
    node_width: Count = 10
    depth: Count = 2
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.3
    graph_channels: Count = 32
    skip_channels: Count = 32
    instance_norm: bool = False
    dropout: Share = 0.1
    attention_dropout: Share = 0.1
    evaluation_periods: Literal["window", "batch"] = "window"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    batch: Annotated[int, Field(ge=2)] = 16
    clip: Annotated[float, Field(gt=0)] = 4.0

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by {self.heads} heads")


class CausalAttention(nn.Module):
    """Multi-head attention of each step with itself and the steps before it."""

    def __init__(self, config: MSGNetConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = config.attention_dropout
        self.query, self.key, self.value, self.out = (
            nn.Linear(config.width, config.width) for _ in range(4)
        )

    def forward(self, hidden: Tensor, _: Tensor | None = None) -> Tensor:
        batch, steps, width = hidden.shape
        query, key, value = (
            project(hidden).view(batch, steps, self.heads, -1).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        mixed = attend(query, key, value, self.dropout if self.training else 0.0, causal=True)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, steps, width))
        return out


class ScaleGraph(nn.Module):
    """One adaptive graph convolution: (B, T, d) -> LN(z + W mix(z)).

    The original makes node n from the embedding's entries n .. n+d-N by a convolution, mixes
    nodes along the learned graph `depth` times, mixes all hops by a 1x1 convolution, applies
    GELU, maps time to time densely, and maps nodes back to d. Everything before the GELU is
    linear in one time step, so it is one matrix (d -> skip x N), built anew at each call.
    """

    def __init__(self, config: MSGNetConfig, steps: int, nodes: int) -> None:
        super().__init__()
        self.depth, self.alpha = config.depth, config.alpha
        hops = (config.depth + 1) * config.graph_channels
        self.source = nn.Parameter(torch.randn(nodes, config.node_width))
        self.target = nn.Parameter(torch.randn(config.node_width, nodes))
        self.start = nn.Conv1d(1, config.graph_channels, config.width - nodes + 1)
        self.hops = nn.Linear(hops, config.skip_channels)
        self.time = nn.Linear(config.skip_channels * steps, steps)
        self.back = nn.Linear(nodes, config.width)
        self.norm = nn.LayerNorm(config.width)

    def mixing(self) -> tuple[Tensor, Tensor]:
        """The matrix (skip, N, d) and bias (skip, N) of all that comes before the GELU."""
        adjacency = torch.softmax(torch.relu(self.source @ self.target), dim=1)
        nodes = len(adjacency)
        graph = adjacency + torch.eye(nodes, device=adjacency.device, dtype=adjacency.dtype)
        graph = graph / graph.sum(dim=1, keepdim=True)
        hop = identity = torch.eye(nodes, device=graph.device, dtype=graph.dtype)
        hops = [identity]
        for _ in range(self.depth):
            hop = self.alpha * identity + (1 - self.alpha) * graph @ hop
            hops.append(hop)
        # Node n is the convolution's window that begins at entry n; the bias is one more column.
        kernel = F.pad(self.start.weight[:, 0], (nodes - 1, nodes - 1))
        windows = kernel.unfold(1, kernel.shape[1] - nodes + 1, 1).flip(1)
        assert self.start.bias is not None, "nn.Conv1d has a bias unless told otherwise"
        bias = self.start.bias[:, None, None].expand(-1, nodes, 1)
        # (hops, channels, N, d + 1)
        spread = torch.stack(hops)[:, None] @ torch.cat([windows, bias], dim=2)
        mixed = self.hops.weight @ spread.flatten(0, 1).flatten(1)
        parts = mixed.view(len(mixed), nodes, -1)
        matrix, shift = torch.split(parts, [windows.shape[2], 1], dim=2)
        return matrix, shift[..., 0] + self.hops.bias[:, None]

    def forward(self, hidden: Tensor) -> Tensor:
        batch, steps, _ = hidden.shape
        matrix, bias = self.mixing()
        skips, nodes, width = matrix.shape
        mixed = F.gelu(F.linear(hidden, matrix.reshape(-1, width), bias.flatten()))
        # (B, T * skip, N): the dense map over time and skip channels is one product per window.
        stacked = mixed.view(batch, steps * skips, nodes)
        over_time = torch.matmul(self.time.weight, stacked) + self.time.bias[:, None]
        out: Tensor = self.norm(hidden + self.back(over_time))
        return out


class ScaleGraphBlock(nn.Module):
    """Graph convolutions in sequence; after each, attention within one dominant period."""

    def __init__(self, config: MSGNetConfig, steps: int, nodes: int) -> None:
        super().__init__()
        self.graphs = nn.ModuleList(ScaleGraph(config, steps, nodes) for _ in range(config.periods))
        self.layer = PostNormLayer(
            CausalAttention(config), config.width, config.feedforward, config.dropout
        )
        self.norm = nn.LayerNorm(config.width)

    def forward(self, hidden: Tensor, per_window: bool) -> Tensor:
        periods, weights = dominant_periods(hidden, len(self.graphs), per_window)
        mixed = torch.zeros_like(hidden)
        for index, graph in enumerate(self.graphs):
            hidden = graph(hidden)
            for period in sorted(set(periods[:, index].tolist())):
                rows = (periods[:, index] == period).nonzero()[:, 0]
                attended = self._attend(hidden[rows], period) * weights[rows, index, None, None]
                mixed = mixed.index_add(0, rows, attended)
        return mixed + hidden

    def _attend(self, hidden: Tensor, period: int) -> Tensor:
        batch, steps, width = hidden.shape
        cycles = -(-steps // period)
        padded = F.pad(hidden, (0, 0, 0, cycles * period - steps))
        attended = self.layer(padded.view(batch * cycles, period, width))
        out: Tensor = F.gelu(self.norm(attended)).view(batch, cycles * period, width)
        return out[:, :steps]


class MSGNetNet(nn.Module):
    """Instance norm, embedding, blocks with one shared layer normalisation, flat head."""

    def __init__(self, config: MSGNetConfig, shape: InputShape) -> None:
        super().__init__()
        variables = shape.sensors * shape.channels
        nodes = config.nodes or variables
        if nodes > config.width:
            raise HarbenchError(
                f"msgnet: {nodes} graph nodes need width >= {nodes}, got width={config.width}. "
                f"Choose --set width=W or --set nodes=N."
            )
        if config.periods > shape.steps // 2 + 1:
            raise HarbenchError(
                f"msgnet: periods={config.periods} is more than the {shape.steps // 2 + 1} "
                f"frequencies of a window of {shape.steps} steps."
            )
        self.config = config
        self.embedding = SeriesEmbedding(variables, config.width, shape.steps, config.dropout)
        self.blocks = nn.ModuleList(
            ScaleGraphBlock(config, shape.steps, nodes) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.width)
        self.head = FlattenHead(shape.steps, config.width, shape.classes, config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        per_window = not self.training and self.config.evaluation_periods == "window"
        series = flatten_sensors(x)
        if self.config.instance_norm:
            spread = series.var(dim=1, keepdim=True, correction=0) + 1e-5
            series = (series - series.mean(dim=1, keepdim=True)) / spread.sqrt()
        hidden = self.embedding(series)
        for block in self.blocks:
            hidden = self.norm(block(hidden, per_window))
        out: Tensor = self.head(hidden)
        return out


@register_method
class MSGNet(Method):
    """Multi-scale inter-series graphs and intra-period attention.

    Reference: W. Cai et al., "MSGNet: Learning Multi-Scale Inter-Series Correlations for
    Multivariate Time Series Forecasting", AAAI 2024; classification as in
    thuml/Time-Series-Library (4e938a1).

    Differences from the original
    -----------------------------
    - At evaluation periods are chosen for each window alone (`evaluation_periods="batch"`).
    - No instance normalisation (`instance_norm=true`): on DSADS it costs 48 points of accuracy.
    - As many graph nodes as variables; TSLib's classifier keeps 7 unless told otherwise.
    - The graph convolution's linear part is one matrix: equal up to rounding.
    - The best epoch is chosen by validation macro-F1; TSLib selects on the test set.
    - The default size is that of the original's weather script (`preset=original`).
    """

    name = "msgnet"
    title = "MSGNet"
    colour = "#882255"
    kind = "supervised"
    reference = "Cai et al., AAAI 2024"
    Config = MSGNetConfig
    named_presets: ClassVar = {
        "original": {
            "width": 64,
            "heads": 8,
            "feedforward": 128,
            "layers": 2,
            "periods": 5,
            "node_width": 10,
            "graph_channels": 32,
            "skip_channels": 32,
        }
    }
    config: MSGNetConfig

    def build(self, shape: InputShape) -> MSGNetNet:
        return MSGNetNet(self.config, shape)

    def stages(self, budget: Budget) -> list[Stage]:
        return supervised_stages(cross_entropy, self.config, budget)

    def logits(self, network: MSGNetNet, batch: Batch) -> Tensor:
        logits: Tensor = network(batch.x)
        return logits

    @classmethod
    def test_config(cls) -> MSGNetConfig:
        return MSGNetConfig(
            width=46, heads=2, feedforward=8, layers=1, periods=2, graph_channels=2, skip_channels=2
        )

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"lr": (1e-4, 1e-2), "periods": [3, 5], "instance_norm": [True, False]}

    @classmethod
    def reproduce(
        cls, config: Mapping[str, Any], arrays: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Against thuml/Time-Series-Library; periods are chosen as there, for the batch."""
        from harbench.testing.reference import copy_weights, series_shape, supervised_outputs

        settings = MSGNetConfig(
            width=config["d_model"],
            heads=config["n_heads"],
            feedforward=config["d_ff"],
            layers=config["e_layers"],
            periods=config["top_k"],
            nodes=config["c_out"],
            node_width=config["node_dim"],
            depth=config["gcn_depth"],
            alpha=config["propalpha"],
            graph_channels=config["conv_channel"],
            skip_channels=config["skip_channel"],
            instance_norm=True,
            evaluation_periods="batch",
        )
        names = (
            (r"\.att0\.attention\.(\w+)_projection", r".layer.attention.\1"),
            (r"\.att0\.", ".layer."),
            (r"layer\.conv1", "layer.expand"),
            (r"layer\.conv2", "layer.reduce"),
            (r"layer\.norm1", "layer.norm_attention"),
            (r"layer\.norm2", "layer.norm_feedforward"),
            (r"\.nodevec1", ".source"),
            (r"\.nodevec2", ".target"),
            (r"\.start_conv", ".start"),
            (r"\.gconv1\.mlp\.mlp", ".hops"),
            (r"\.end_conv", ".time"),
            (r"(gconv\.\d+)\.linear", r"\1.back"),
            (r"\.gconv\.", ".graphs."),
            (r"^model\.", "blocks."),
            (r"^enc_embedding\.value_embedding\.tokenConv", "embedding.token"),
            (r"^layer_norm", "norm"),
            (r"^projection", "head.projection"),
        )

        def convert(name: str, value: Tensor) -> Tensor:
            # (T, skip, 1, T) there; rows over (T, skip) here.
            return value[:, :, 0].transpose(1, 2) if name.endswith("time.weight") else value

        network = MSGNetNet(settings, series_shape(config))
        copy_weights(network, arrays, names, convert)
        return supervised_outputs(network, arrays, names, lambda x, _: network(x))
