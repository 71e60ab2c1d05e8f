"""Exact algebra against the formula as printed: the same numbers, and what it saves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from harbench.methods.msgnet import MSGNetConfig, ScaleGraph
from harbench.methods.timesnet import Inception
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from harbench.evaluation.predict import one_thread

BATCH, STEPS, VARIABLES = 16, 128, 45
Layer = Callable[[Tensor], Tensor]


def inception_as_printed(layer: Inception) -> Layer:
    """The mean of the convolutions with kernels 1, 3, ..., 2J-1, one after another."""

    def forward(image: Tensor) -> Tensor:
        pairs = enumerate(zip(layer.weights, layer.biases, strict=True))
        maps = [F.conv2d(image, weight, bias, padding=j) for j, (weight, bias) in pairs]
        return torch.stack(maps).mean(dim=0)

    return forward


def graph_as_printed(layer: ScaleGraph) -> Layer:
    """Start convolution, mix-hop propagation, 1x1 convolution, GELU, convolution over time."""

    def forward(hidden: Tensor) -> Tensor:
        batch, steps, width = hidden.shape
        adjacency = torch.softmax(torch.relu(layer.source @ layer.target), dim=1)
        graph = adjacency + torch.eye(len(adjacency))
        graph = graph / graph.sum(dim=1, keepdim=True)
        rows = hidden.reshape(batch * steps, 1, width)
        started = F.conv1d(rows, layer.start.weight, layer.start.bias)
        x = started.view(batch, steps, -1, len(graph)).permute(0, 2, 3, 1)
        hops = [x]
        for _ in range(layer.depth):
            spread = torch.einsum("nm,bcmt->bcnt", graph, hops[-1])
            hops.append(layer.alpha * x + (1 - layer.alpha) * spread)
        mixing = layer.hops.weight[:, :, None, None]
        mixed = F.gelu(F.conv2d(torch.cat(hops, dim=1), mixing, layer.hops.bias))
        over_time = layer.time.weight.view(steps, steps, -1).transpose(1, 2)[:, :, None]
        nodes = F.conv2d(mixed, over_time, layer.time.bias)[..., 0]
        out: Tensor = layer.norm(hidden + layer.back(nodes))
        return out

    return forward


def inception() -> tuple[Layer, Layer, Tensor]:
    layer = Inception(32, 64, 6)
    return layer, inception_as_printed(layer), torch.randn(BATCH, 32, 16, 8)


def graph() -> tuple[Layer, Layer, Tensor]:
    config = MSGNetConfig()
    layer = ScaleGraph(config, STEPS, VARIABLES)
    return layer, graph_as_printed(layer), torch.randn(BATCH, STEPS, config.width)


@pytest.mark.parametrize("make", [inception, graph])
@pytest.mark.parametrize("which", ["as printed", "algebra"])
def test_training_step(make: Callable[[], object], which: str, benchmark: BenchmarkFixture) -> None:
    torch.manual_seed(0)
    ours, printed, x = make()  # type: ignore[misc]
    torch.testing.assert_close(ours(x), printed(x), atol=2e-6, rtol=1e-4)
    layer = ours if which == "algebra" else printed
    x.requires_grad_()
    benchmark.group = make.__name__

    def step() -> None:
        layer(x).square().mean().backward()

    with one_thread():
        benchmark.pedantic(step, rounds=9, warmup_rounds=2)
